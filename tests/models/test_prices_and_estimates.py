"""Prices, windows and estimates: what is known, what is the user's, and what stays unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError
from stretto.core.ledger import Usage
from stretto.models import ModelCall, Price, Prices, ToolOffer, user_message
from stretto.models.estimate import input_tokens, tokens_in
from stretto.models.pricing import context_window, known_models, near

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
counts = st.integers(0, 10_000)


def test_a_known_model_has_a_price_and_a_window() -> None:
    cost = Prices().cost("anthropic:claude-sonnet-4-5", MILLION)
    assert cost is not None
    assert 1 < cost < 100
    assert context_window("anthropic:claude-sonnet-4-5") == 200_000
    assert "mistral-large-latest" in known_models("mistral") or known_models("mistral")
    assert Prices().cost("openai-chat:gpt-4o", MILLION) == Prices().cost("openai:gpt-4o", MILLION)


def test_an_unknown_price_is_unknown_and_not_nothing() -> None:
    assert Prices().cost("openai:model-of-tomorrow", MILLION) is None
    assert Prices().cost("nobody:model", MILLION) is None
    assert context_window("nobody:model") is None
    assert known_models("nobody") == ()


def test_a_request_that_came_to_nothing_costs_nothing_at_any_price() -> None:
    assert Prices().cost("nobody:model", Usage()) == 0.0


@pytest.mark.parametrize("id", ["ollama:llama3", "offline:surveyor"])
def test_models_on_ones_own_machine_cost_nothing_by_declaration(id: str) -> None:
    assert Prices().cost(id, MILLION) == 0.0
    assert Prices({"ollama:*": Price(input=1, output=1)}).cost("ollama:x", MILLION) == 2.0


def test_the_users_own_price_comes_first() -> None:
    prices = Prices({"openai:gpt-4o": Price(input=1, output=2), "nobody:*": Price(input=3, output=4)})
    assert prices.cost("openai:gpt-4o", MILLION) == 3.0
    assert prices.cost("nobody:anything", MILLION) == 7.0
    with pytest.raises(DefinitionError, match="a price belongs to 'provider:model'"):
        Prices({"gpt-4o": Price(input=1, output=2)})


def test_cached_tokens_have_their_own_price_and_are_counted_once() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, cache_write_tokens=100_000)
    assert Price(input=10, output=0).of(usage) == 10.0
    assert Price(input=10, output=0, cached=1, cache_write=20).of(usage) == pytest.approx(5 + 0.4 + 2)


@pytest.mark.parametrize("name", ["input", "output", "cached", "cache_write"])
def test_a_price_below_nothing_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=name):
        Price(**{"input": 1, "output": 1, name: -1})


@given(counts, counts, counts)
def test_a_price_grows_with_every_kind_of_token(plain: int, cached: int, output: int) -> None:
    price = Price(input=3, output=15, cached=0.3)
    usage = Usage(input_tokens=plain + cached, cached_tokens=cached, output_tokens=output)
    assert price.of(usage) == pytest.approx((plain * 3 + cached * 0.3 + output * 15) / 1e6)


def test_four_characters_are_a_token() -> None:
    assert (tokens_in(0), tokens_in(4), tokens_in(5), tokens_in(8)) == (0, 1, 2, 2)


def test_an_estimate_counts_prompt_history_tools_and_schema() -> None:
    plain = ModelCall(messages=(user_message("x" * 400),))
    assert 100 <= input_tokens(plain) <= 110
    tool = ToolOffer(name="t", description="d" * 400, parameters={})
    answered = {"kind": "response", "parts": [{"part_kind": "tool-call", "tool_name": "t", "args": {"a": ["y" * 400]}}]}
    full = ModelCall(
        messages=(user_message("x" * 400), answered), system="s" * 400, tools=(tool,), output={"title": "z" * 400}
    )
    assert 500 <= input_tokens(full) <= 530
    assert input_tokens(ModelCall(messages=({"parts": [{"content": 3}]},))) >= 0


def test_what_looks_alike_is_near() -> None:
    assert near("mistrl", ("mistral", "openai")) == ("mistral",)
