"""Tokens and cost: counted for every request, for each path with all below it, and unknown where unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.cli.ending import headline, metrics_of, spent_rows
from stretto.core.events import Event, ModelUsed, RunEnded, RunStarted, StepCompleted, StepStarted
from stretto.monitoring.metrics import measure
from stretto.monitoring.spans import SpanFold
from stretto.monitoring.units import cost_text


def used(path: str, at: float = 1.0, cost: float | None = 0.5, **tokens: int) -> ModelUsed:
    return ModelUsed(path, at, "a:b", **{"input_tokens": 10, "output_tokens": 5, **tokens}, cost=cost)


def run_of(*events: Event) -> list[Event]:
    return [RunStarted("", 0.0, "r", "lead", 0.0), StepStarted("lead", 0.0), *events, RunEnded("", 9.0, "completed")]


def test_a_path_counts_what_is_below_it() -> None:
    fold = SpanFold(run_of(used("lead/model"), used("lead/coder/model"), used("lead/coder/model#2", cached_tokens=4)))
    counted = {path: span.spent and span.spent.input_tokens for path, span in fold.spans.items()}
    assert counted == {
        "lead": 30, "lead/model": 10, "lead/coder": 20, "lead/coder/model": 10, "lead/coder/model#2": 10,
    }  # fmt: skip
    assert fold.root.spent is not None
    assert (fold.root.spent.requests, fold.root.spent.cached_tokens, fold.root.spent.cost) == (3, 4, 1.5)


def test_every_attempt_at_a_step_is_counted() -> None:
    metrics = measure(run_of(used("lead/model", 1), used("lead/model", 2, reasoning_tokens=3), used("lead/model", 3)))
    assert (metrics.tokens_input, metrics.tokens_output, metrics.tokens_reasoning) == (30, 15, 3)
    assert (metrics.model_requests, metrics.unpriced_requests, metrics.cost, metrics.known_cost) == (3, 0, 1.5, 1.5)


def test_one_request_without_a_price_makes_the_cost_unknown_and_the_rest_stays_known() -> None:
    metrics = measure(run_of(used("lead/model"), used("lead/other", cost=None)))
    assert (metrics.cost, metrics.known_cost, metrics.unpriced_requests) == (None, 0.5, 1)
    told = metrics_of(metrics)
    assert (told["cost"], told["known_cost"], told["unpriced_requests"], told["tokens_cached"]) == (None, 0.5, 1, 0)


def test_a_run_that_asked_no_model_tells_no_tokens() -> None:
    events = run_of(StepCompleted("lead", 1.0))
    metrics = measure(events)
    assert (metrics.tokens_input, metrics.cost, metrics.known_cost, metrics.model_requests) == (None, None, None, 0)
    assert spent_rows(SpanFold(events).root.spent) == []


@pytest.mark.parametrize(
    ("requests", "tokens", "cost"),
    [
        ([{}], "10 in, 5 out; 1 request", "$0.500"),
        ([{"cached_tokens": 3, "reasoning_tokens": 2}] * 2,
         "20 in (6 cached), 10 out (4 reasoning); 2 requests", "$1.00"),
        ([{"cost": None}], "10 in, 5 out; 1 request", "unknown: no price is known for 1 of 1 request"),
        ([{"cost": None}, {}], "20 in, 10 out; 2 requests",
         "unknown: $0.500 for the others; no price is known for 1 of 2 requests"),
    ],
)  # fmt: skip
def test_the_end_of_a_run_says_what_models_took(requests: list[dict[str, int]], tokens: str, cost: str) -> None:
    fold = SpanFold(run_of(*[used("lead/model", **asked) for asked in requests]))
    rows = dict(headline("lead", "completed", fold)[2])
    assert (rows["tokens"], rows["cost"]) == (tokens, cost)


def test_estimated_tokens_are_said_to_be_estimated() -> None:
    guess = used("lead/model")
    guess.estimated = True
    assert "1 of them estimated" in spent_rows(SpanFold(run_of(guess, used("lead/model"))).root.spent)[0][1]


@pytest.mark.parametrize(
    ("cost", "text"),
    [(0, "$0.00"), (12.345, "$12.35"), (1234.5, "$1,234.50"), (0.5, "$0.500"), (0.0995, "$0.100"), (0.012345, "$0.012"),
     (0.00000123, "$0.0000012"), (1e-12, "under $0.000001")],
)  # fmt: skip
def test_money_is_said_as_people_say_it(cost: float, text: str) -> None:
    assert cost_text(cost) == text


@given(st.lists(st.tuples(st.sampled_from(["a", "a/b", "a/b/c", "d"]), st.none() | st.floats(0, 1)), max_size=20))
def test_the_run_counts_what_its_children_count(requests: list[tuple[str, float | None]]) -> None:
    fold = SpanFold([used(path, cost=cost) for path, cost in requests])
    tops = [span.spent for span in fold.root.children if span.spent is not None]
    spent = fold.root.spent
    assert sum(top.requests for top in tops) == (0 if spent is None else spent.requests) == len(requests)
    if spent is not None:
        assert sum(top.known_cost for top in tops) == pytest.approx(spent.known_cost)
        assert (spent.cost is None) == any(cost is None for _, cost in requests)
