"""What every model owes, whoever answers: the three protocols on the wire, the script and the offline model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stretto import start
from stretto.core.ledger import Budget, BudgetExceeded, Usage
from stretto.models import Model, ModelCall, results_message, user_message
from stretto.models.messages import ToolResult
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel
from tests.models.loopback import Loopback
from tests.models.talking import FACES, QUESTION, Ear, ask, listened, models_of

TEXT = "The answer is forty-two."
REASONING = "Let me think about it."
CALLS = (("add", {"a": 40, "b": 2}),)
Make = Callable[[], Model]


@pytest.fixture(params=[*FACES, "scripted"])
def make(request: pytest.FixtureRequest, server: Loopback) -> Make:
    """Makes a model that reasons, speaks and calls a tool."""
    if request.param == "scripted":
        taken = Usage(input_tokens=20, output_tokens=7, cached_tokens=5)
        said = Scripted(text=TEXT, reasoning=REASONING, calls=CALLS, usage=taken)
        return lambda: ScriptedModel(said, forever=True)
    calls = [list(call) for call in CALLS]
    server.behave(text=TEXT, reasoning=REASONING, calls=calls, input_tokens=20, output_tokens=7, cached_tokens=5)
    return lambda: models_of(server).get(f"{request.param}:one")


def test_text_reasoning_and_calls_are_what_was_said(make: Make) -> None:
    reply = ask(make()).reply
    assert (reply.text, reply.reasoning) == (TEXT, REASONING)
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("add", '{"a": 40, "b": 2}')]
    assert reply.finish_reason == "tool_call"


def test_the_pieces_come_in_order_and_make_the_whole(make: Make) -> None:
    heard = ask(make())
    told = {
        part: "".join(piece.text for piece in heard.pieces if piece.part == part)
        for part in ("reasoning", "text", "tool_call")
    }
    assert told == {"reasoning": REASONING, "text": TEXT, "tool_call": '{"a": 40, "b": 2}'}
    assert [piece.index for piece in heard.pieces] == sorted(piece.index for piece in heard.pieces)
    (call,) = heard.reply.tool_calls
    assert {(p.tool, p.call_id) for p in heard.pieces if p.part == "tool_call"} == {("add", call.id)}
    assert len([piece for piece in heard.pieces if piece.part == "text"]) == 4


def test_the_listener_hears_what_the_log_says(make: Make) -> None:
    ear = Ear()
    heard = ask(make(), replace(QUESTION, listener=ear))
    assert ear.heard_pieces == heard.pieces
    assert ear.restarts == 0


def test_one_request_is_told_once_with_what_it_took(make: Make) -> None:
    heard = ask(make())
    (used,) = heard.used
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (20, 7, 5)
    assert not used.estimated
    assert used.model == heard.reply.model
    assert (heard.reply.usage.total, heard.reply.cost) == (27, used.cost)


def test_an_answer_and_the_results_of_its_calls_go_back_as_history(make: Make) -> None:
    first = ask(make()).reply
    results = results_message([ToolResult(call, 42) for call in first.tool_calls])
    messages = (*QUESTION.messages, first.message, results, user_message("Go on."))
    assert ask(make(), replace(QUESTION, messages=messages)).reply.text == TEXT


def test_a_budget_in_tokens_is_asked_before_the_request(make: Make, server: Loopback) -> None:
    heard = ask(make(), replace(QUESTION, max_tokens=1000), budget=Budget(tokens=10))
    assert isinstance(heard.error, BudgetExceeded)
    assert not heard.used
    assert not server.requests


@pytest.mark.anyio
async def test_a_resumed_run_has_the_answer_and_does_not_ask_again(make: Make, server: Loopback) -> None:
    store = MemoryStore()
    first = await listened(make(), store=store, run_id="one")
    asked = len(server.requests)
    async with start(make(), QUESTION, store=store, run_id="one") as again:
        pass
    assert again.outcome.unwrap() == first.reply
    assert len(server.requests) == asked


def test_a_call_without_anything_but_a_question_is_answered(make: Make) -> None:
    assert ask(make(), ModelCall(messages=(user_message("Well?"),))).reply.text == TEXT
