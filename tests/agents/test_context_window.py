"""A conversation that outgrows its model's window is summarised or trimmed, told, and still makes sense."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.agents.agent import Agent
from stretto.agents.history import CUT, has_results, with_shorter_results
from stretto.agents.task import Task
from stretto.core.events import HistoryShortened, StepStarted
from stretto.core.ledger import Usage
from stretto.core.outcome import Failed
from stretto.models.errors import ContextTooLong
from stretto.models.estimate import input_tokens
from stretto.models.messages import Message, ToolCall, ToolResult, dumped, results_message, text_of, user_message
from stretto.models.model import ModelCall
from stretto.testing import Scripted, ScriptedModel
from tests.agents.desk import Desk, worked


def said(text: str) -> Message:
    from pydantic_ai.messages import ModelResponse, TextPart

    return dumped([ModelResponse(parts=[TextPart(text)])])[0]


def talk(exchanges: int, letters: int = 400) -> tuple[Message, ...]:
    return tuple(
        message
        for number in range(exchanges)
        for message in (user_message(f"question {number}"), said(f"answer {number} " + "x" * letters))
    )


def small(*script: Any, window: int | None = 1000, tools: Any = (), **fields: Any) -> tuple[Agent, ScriptedModel]:
    model = ScriptedModel(*script, context_window=window)
    return Agent(name="helper", model=model, tools=tools, system_prompt="Be brief.", **fields), model


def shortened(run: Any) -> list[HistoryShortened]:
    return [event for event in run.log if isinstance(event, HistoryShortened)]


def whole(messages: Any) -> bool:
    """Says whether every result follows its call, and a user speaks first."""
    called: set[str] = set()
    for message in messages:
        for part in message["parts"]:
            if part["part_kind"] == "tool-call":
                called.add(part["tool_call_id"])
            if part["part_kind"] == "tool-return" and part["tool_call_id"] not in called:
                return False
    return bool(messages) and messages[0]["parts"][0]["part_kind"] == "user-prompt"


def test_a_short_conversation_is_left_alone() -> None:
    agent, model = small("ok")
    run = worked(agent, Task(description="now", history=talk(2)))
    assert not shortened(run)
    assert len(model.seen[0].messages) == 5


def test_the_oldest_part_is_summarised_by_the_same_model_in_a_step_of_its_own() -> None:
    agent, model = small("They spoke of x.", "ok")
    run = worked(agent, Task(description="now", history=talk(8)))
    summary, asked = model.seen
    assert text_of(summary.messages[0], "user-prompt") == "question 0"
    assert "Summarise it" in text_of(summary.messages[-1], "user-prompt")
    texts = [text_of(message) or text_of(message, "user-prompt") for message in asked.messages]
    assert texts[1] == "They spoke of x."
    assert texts[-1] == "now"
    assert texts[-2].startswith("answer 7")
    [told] = shortened(run)
    assert (told.path, told.how) == ("helper", "summarised")
    assert told.dropped + told.kept == 17
    assert told.tokens_before > 800 >= told.tokens_after
    assert [event.path for event in run.log if isinstance(event, StepStarted)][:3] == [
        "helper", "helper/summary", "helper/model",
    ]  # fmt: skip
    report = run.outcome.unwrap()
    assert len(report.messages) == 2
    assert report.metrics.usage == Usage(input_tokens=20, output_tokens=10)


def test_trimming_costs_no_call() -> None:
    agent, model = small("ok", context="trim")
    run = worked(agent, Task(description="now", history=talk(10)))
    [told] = shortened(run)
    assert told.how == "trimmed"
    [asked] = model.seen
    assert whole(asked.messages)
    assert abs(input_tokens(asked) - told.tokens_after) < 10
    assert text_of(asked.messages[-1], "user-prompt") == "now"


def test_a_summary_that_says_nothing_is_no_summary() -> None:
    for nothing in ("  ", Scripted(text="x", calls=(("look", {}),)), ContextTooLong("scripted:model")):
        agent, _ = small(nothing, "ok")
        [told] = shortened(worked(agent, Task(description="now", history=talk(10))))
        assert told.how == "trimmed"


def test_room_is_left_for_the_answer() -> None:
    agent, _ = small("ok", window=2000, context="trim", max_tokens=1000)
    [told] = shortened(worked(agent, Task(description="now", history=talk(10))))
    assert told.tokens_before <= 1600
    assert told.tokens_after <= 600
    agent, _ = small("ok", window=2000, context="trim", max_tokens=128_000)
    [told] = shortened(worked(agent, Task(description="now", history=talk(10))))
    assert told.tokens_after <= 500


def test_a_long_piece_of_work_keeps_its_task_and_its_last_turns() -> None:
    look = Desk("look", output="y" * 800)
    calls = [Scripted(text=f"turn {number}", calls=(("look", {}),)) for number in range(12)]
    agent, model = small(*calls, "ok", tools=[look], context="trim")
    run = worked(agent, "the task")
    assert len(shortened(run)) >= 2
    for asked in model.seen:
        assert whole(asked.messages)
        assert [text_of(message, "user-prompt") for message in asked.messages].count("the task") == 1
        assert input_tokens(asked) <= 800
    report = run.outcome.unwrap()
    assert report.response == "ok"
    assert len(report.messages) == 1 + 12 * 2 + 1
    assert sum(has_results(message) for message in report.messages) == 12


def test_one_result_that_is_larger_than_the_window_is_cut_and_the_report_keeps_it() -> None:
    agent, model = small(
        Scripted(calls=(("look", {}), ("tiny", {}))), "ok", tools=[Desk("look", output="y" * 9000), Desk("tiny")]
    )
    run = worked(agent)
    [told] = shortened(run)
    assert (told.how, told.dropped) == ("trimmed", 0)
    look, tiny = model.seen[1].messages[-1]["parts"]
    assert look["content"].endswith(CUT)
    assert tiny["content"] == "tiny is done"
    assert input_tokens(model.seen[1]) <= 800
    assert len(run.outcome.unwrap().messages[2]["parts"][0]["content"]) == 9000


def test_what_a_provider_refuses_is_shortened_once_and_asked_again() -> None:
    agent, model = small(ContextTooLong("scripted:model"), "A summary.", "ok", window=None)
    run = worked(agent, Task(description="now", history=talk(4)))
    assert run.outcome.unwrap().response == "ok"
    [told] = shortened(run)
    assert told.how == "summarised"
    assert len(model.seen[2].messages) < len(model.seen[0].messages)
    agent, model = small(ContextTooLong("m"), ContextTooLong("m"), "never", window=None, context="trim")
    run = worked(agent, Task(description="now", history=talk(4)))
    assert isinstance(run.outcome, Failed)
    assert isinstance(run.outcome.error, ContextTooLong)
    assert len(model.seen) == 2


def test_what_cannot_be_shortened_is_the_providers_to_refuse() -> None:
    agent, model = small(ContextTooLong("m"), window=None)
    run = worked(agent, "now")
    assert isinstance(run.outcome, Failed)
    assert len(model.seen) == 1


def test_what_a_provider_has_counted_corrects_the_estimate() -> None:
    counted = Scripted(calls=(("look", {}),), usage=Usage(input_tokens=2500, output_tokens=1))
    agent, _ = small(counted, counted, "ok", window=3000, tools=[Desk("look", output="y" * 4000)], context="trim")
    assert shortened(worked(agent, Task(description="now", history=talk(2))))
    agent, _ = small(Scripted(calls=(("look", {}),)), "ok", window=3000, tools=[Desk("look", output="y" * 4000)])
    assert not shortened(worked(agent, Task(description="now", history=talk(2))))


def results(*lengths: int) -> list[Message]:
    return [results_message([ToolResult(ToolCall(str(n), "t", "{}"), "z" * n) for n in lengths])]


@pytest.mark.parametrize(
    ("lengths", "tokens", "left"),
    [((1000, 10), 100, [1000 - 400 - len(CUT), 10]), ((100, 100), 1000, [100, 100]), ((5000, 5000), 9000, [200, 200])],
)
def test_the_longest_results_are_cut_first(lengths: tuple[int, ...], tokens: int, left: list[int]) -> None:
    [message] = with_shorter_results(results(*lengths), tokens)
    assert [len(part["content"].removesuffix(CUT)) for part in message["parts"]] == left


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), max_size=14),
    outputs=st.lists(st.integers(0, 3000), max_size=8),
    window=st.integers(300, 4000),
    how=st.sampled_from(["trim", "summarise"]),
)
def test_whatever_the_conversation_the_model_is_shown_a_whole_one_that_fits(
    lengths: list[int], outputs: list[int], window: int, how: str
) -> None:
    sizes = iter(outputs)
    history = [message for number, length in enumerate(lengths) for message in talk(1, length)]

    def answer(call: ModelCall) -> Scripted | str:
        if call.messages and "Summarise it" in text_of(call.messages[-1], "user-prompt"):
            return "a summary"
        length = next(sizes, None)
        return "done" if length is None else Scripted(text="on", calls=(("look", {"n": length}),))

    look = Desk("look", output=lambda arguments: "y" * arguments["n"], seconds=0)
    model = ScriptedModel(answer, forever=True, context_window=window)
    agent = Agent(name="helper", model=model, tools=[look], context=how, system_prompt="x")
    report = worked(agent, Task(description="the task", history=tuple(history))).outcome.unwrap()
    assert report.response == "done"
    assert len(report.tool_uses) == len(outputs)
    for call in model.seen:
        assert whole(call.messages)
        if "Summarise it" not in text_of(call.messages[-1], "user-prompt"):
            assert "the task" in json.dumps(call.messages)
