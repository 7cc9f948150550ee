"""What every model owes, whoever answers: the three protocols on the wire, the script and the offline model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from stretto import start
from stretto.core.ledger import Budget, BudgetExceeded, Usage
from stretto.models import Model, ModelCall, ToolOffer, results_message, user_message
from stretto.models.messages import ToolResult
from stretto.models.offline import offline_model
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel
from tests.models.loopback import Loopback
from tests.models.talking import FACES, QUESTION, Ear, ask, listened, models_of

TEXT = "The answer is forty-two."
REASONING = "Let me think about it."
CALLS = (("add", {"a": 40, "b": 2}),)
SUM = ModelCall(
    messages=(user_message("2 + 40"),),
    tools=(ToolOffer(name="CalculatorTool", description="Computes.", parameters={"properties": {"expression": {}}}),),
)


@dataclass(frozen=True)
class Face:
    """A model, what it is asked, what it answers to that, what that takes, and what it answers in the end."""

    make: Callable[[], Model]
    call: ModelCall = QUESTION
    text: str = TEXT
    reasoning: str = REASONING
    tool: str = "add"
    arguments: str = '{"a": 40, "b": 2}'
    words: int = 4
    taken: Usage | None = None
    end: str = TEXT


@pytest.fixture(params=[*FACES, "scripted", "offline"])
def face(request: pytest.FixtureRequest, server: Loopback) -> Face:
    """Returns a model that calls a tool; all but the offline one reason and speak before."""
    if request.param == "offline":
        return Face(
            lambda: offline_model("surveyor", words_per_second=None), SUM, text="", reasoning="", words=0,
            tool="CalculatorTool", arguments='{"expression": "2 + 40"}', end="2 + 40 = 42",
        )  # fmt: skip
    taken = Usage(input_tokens=20, output_tokens=7, cached_tokens=5, reasoning_tokens=3)
    if request.param == "scripted":
        said = Scripted(text=TEXT, reasoning=REASONING, calls=CALLS, usage=taken)
        return Face(lambda: ScriptedModel(said, forever=True), taken=taken)
    told = 3 if request.param == "chat" else 0  # the other protocols do not count reasoning apart
    server.behave(
        text=TEXT, reasoning=REASONING, calls=[list(call) for call in CALLS], input_tokens=20, output_tokens=7,
        cached_tokens=5, reasoning_tokens=3,
    )  # fmt: skip
    return Face(lambda: models_of(server).get(f"{request.param}:one"), taken=replace(taken, reasoning_tokens=told))


def test_text_reasoning_and_calls_are_what_was_said(face: Face) -> None:
    reply = ask(face.make(), face.call).reply
    assert (reply.text, reply.reasoning) == (face.text, face.reasoning)
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [(face.tool, face.arguments)]
    assert reply.finish_reason == "tool_call"


def test_the_pieces_come_in_order_and_make_the_whole(face: Face) -> None:
    heard = ask(face.make(), face.call)
    told = {
        part: "".join(piece.text for piece in heard.pieces if piece.part == part)
        for part in ("reasoning", "text", "tool_call")
    }
    assert told == {"reasoning": face.reasoning, "text": face.text, "tool_call": face.arguments}
    assert [piece.index for piece in heard.pieces] == sorted(piece.index for piece in heard.pieces)
    (call,) = heard.reply.tool_calls
    assert {(p.tool, p.call_id) for p in heard.pieces if p.part == "tool_call"} == {(face.tool, call.id)}
    assert len([piece for piece in heard.pieces if piece.part == "text"]) == face.words


def test_the_listener_hears_what_the_log_says(face: Face) -> None:
    ear = Ear()
    heard = ask(face.make(), replace(face.call, listener=ear))
    assert ear.heard_pieces == heard.pieces
    assert ear.restarts == 0


def test_one_request_is_told_once_with_what_it_took(face: Face) -> None:
    heard = ask(face.make(), face.call)
    (used,) = heard.used
    told = Usage(
        input_tokens=used.input_tokens, output_tokens=used.output_tokens, cached_tokens=used.cached_tokens,
        cache_write_tokens=used.cache_write_tokens, reasoning_tokens=used.reasoning_tokens,
    )  # fmt: skip
    assert told == heard.reply.usage
    assert used.estimated == (face.taken is None)
    assert told == face.taken or face.taken is None
    assert used.model == heard.reply.model
    assert told.total > 0
    assert heard.reply.cost == used.cost


def test_an_answer_and_the_results_of_its_calls_go_back_as_history(face: Face) -> None:
    first = ask(face.make(), face.call).reply
    results = results_message([ToolResult(call, 42) for call in first.tool_calls])
    reply = ask(face.make(), replace(face.call, messages=(*face.call.messages, first.message, results))).reply
    assert reply.text.split("\n\n")[0] == face.end
    messages = (*face.call.messages, first.message, results, reply.message, user_message("2 + 40"))
    assert ask(face.make(), replace(face.call, messages=messages)).reply.tool_calls


def test_a_budget_in_tokens_is_asked_before_the_request(face: Face, server: Loopback) -> None:
    heard = ask(face.make(), replace(face.call, max_tokens=1000), budget=Budget(tokens=10))
    assert isinstance(heard.error, BudgetExceeded)
    assert not heard.used
    assert not heard.pieces
    assert not server.requests


@pytest.mark.anyio
async def test_a_resumed_run_has_the_answer_and_does_not_ask_again(face: Face, server: Loopback) -> None:
    store = MemoryStore()
    first = await listened(face.make(), face.call, store=store, run_id="one")
    asked = len(server.requests)
    async with start(face.make(), face.call, store=store, run_id="one") as again:
        pass
    assert again.outcome.unwrap() == first.reply
    assert len(server.requests) == asked
    assert len([event for event in again.log if event.kind == "model_used"]) == 1


def test_a_call_without_anything_but_a_question_is_answered(face: Face) -> None:
    reply = ask(face.make(), ModelCall(messages=(user_message("Well?"),))).reply
    assert reply.text == face.text if face.text else reply.text.startswith("I have no rule for this task")
