"""The scripted model: what it is told to say, streamed at any speed, and told to the log as a real one is."""

from typing import Any

import pytest

from stretto import run_sync, start, step
from stretto.core.checks import CheckFailed
from stretto.core.events import ModelDelta, ModelUsed
from stretto.core.step import Context
from stretto.models.messages import ToolCall, ToolResult, loaded, results_message, text_of, user_message
from stretto.models.model import ModelCall, Reply
from stretto.testing import Scripted, ScriptedModel, VirtualClock, run_virtual

ASK = ModelCall(messages=(user_message("hello"),))


def test_it_answers_in_the_order_of_its_script_and_remembers_what_it_was_asked() -> None:
    model = ScriptedModel(
        "one two", Scripted(reasoning="hm", calls=(("add", {"a": 1}), ("add", "{broken"))), lambda call: call.system
    )

    @step
    async def talk(_: Any, context: Context) -> list[Reply]:
        system = ModelCall(messages=ASK.messages, system="be brief")
        return [await context.run(model, ASK), await context.run(model, ASK), await context.run(model, system)]

    first, second, third = run_sync(talk)
    assert (first.text, second.reasoning, third.text) == ("one two", "hm", "be brief")
    assert second.tool_calls == (ToolCall("call_1_0", "add", '{"a": 1}'), ToolCall("call_1_1", "add", "{broken"))
    assert model.seen[2].system == "be brief"


def test_what_it_streams_is_what_it_answers_and_comes_at_its_speed() -> None:
    model = ScriptedModel(
        Scripted(text="one two three", reasoning="well", calls=(("add", {"a": 1}),)), tokens_per_second=2
    )
    heard: list[ModelDelta] = []

    class Ear:
        def heard(self, delta: ModelDelta) -> None:
            heard.append(delta)

        def restart(self) -> bool:
            return True

    clock = VirtualClock()

    async def main() -> Any:
        async with start(model, ModelCall(messages=ASK.messages, listener=Ear())) as run:
            await run.result()
            return run

    run = run_virtual(main, clock=clock)
    said = [event for event in run.log if isinstance(event, ModelDelta)]
    assert said == heard
    assert "".join(delta.text for delta in said if delta.part == "text") == "one two three"
    assert "".join(delta.text for delta in said if delta.part == "tool_call") == '{"a": 1}'
    assert clock.elapsed == len(said) / 2
    assert [event.output_tokens for event in run.log if isinstance(event, ModelUsed)] == [5]


def test_errors_are_raised_and_a_script_that_is_too_short_is_told() -> None:
    with pytest.raises(ConnectionError):
        run_sync(ScriptedModel(ConnectionError("gone")), ASK)
    with pytest.raises(ConnectionError):
        run_sync(ScriptedModel(Scripted(text="half", breaks=ConnectionError("gone"))), ASK)
    with pytest.raises(CheckFailed, match="was asked 1 times, and its script has 0 answers"):
        run_sync(ScriptedModel(), ASK)
    again = ScriptedModel("yes", forever=True)
    assert [run_sync(again, ASK).text for _ in range(3)] == ["yes"] * 3


def test_messages_keep_their_form_through_json() -> None:
    call = ToolCall("c1", "add", "{}")
    message = results_message([ToolResult(call, {"sum": 3}), ToolResult(call, "no", "failed")])
    assert loaded([message])[0].parts[1].outcome == "failed"  # type: ignore[union-attr]  # it is a tool's return
    assert text_of(user_message("hello"), "user-prompt") == "hello"
