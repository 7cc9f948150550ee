"""What a chat shows of a run: the answer as it comes, reasoning folded, calls and agents as lines, figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stretto import Run, start
from stretto.agents.agent import Agent
from stretto.cli.chat_crew import Crew, arguments_text, spent_text
from stretto.cli.chat_view import ChatView
from stretto.cli.screen import Screen
from stretto.core.errors import ExecutionError
from stretto.core.events import (
    AgentStarted,
    Event,
    HistoryShortened,
    ModelDelta,
    ModelUsed,
    RunResumed,
    Said,
    StepStarted,
    TaskChanged,
)
from stretto.core.ledger import Usage
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.core.step import Context
from stretto.monitoring.spans import SpanFold
from stretto.monitoring.units import count_text
from stretto.testing import Scripted, ScriptedModel, run_virtual
from stretto.tools import tool
from stretto.tools.tool import Invocation, Tool


@tool(reads=("web",))
async def look_up(word: str) -> str:
    """Looks a word up."""
    if word == "nothing":
        raise LookupError("no such word")
    return f"{word}: a word"


class Ask(Tool):
    """Hands a task to another agent."""

    name, description, origin = "Ask", "Asks another agent.", "sub_agent"
    parameters: Mapping[str, Any] = {"type": "object"}

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return arguments

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        return (await context.run(self.agent, "look")).response


def log_of(agent: Agent, **settings: Any) -> list[Event]:
    async def main() -> Run[Any]:
        async with start(agent, "go", **settings) as run:
            await run.ended.wait()
        return run

    run: Run[Any] = run_virtual(main)
    return run.log


def shown(log: Sequence[Event], **settings: Any) -> tuple[ChatView, SpanFold]:
    view, fold = ChatView(Screen(), **settings), SpanFold()
    for event in log:
        fold.feed(event)
        view.events(fold, [event], 0)
        view.draw(fold)
    view.close(fold)
    return view, fold


def lead(*script: Any, tools: Sequence[Tool] = (look_up,), **fields: Any) -> Agent:
    return Agent(name="lead", model=ScriptedModel(*script, id="openai:gpt", **fields), tools=tools)


def test_the_answer_goes_to_stdout_and_everything_else_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    agent = lead(
        Scripted(reasoning="hm hm hm", calls=(("look_up", {"word": "cat"}),)),
        Scripted(
            text="A cat\nis a word.", usage=Usage(input_tokens=1200, output_tokens=80, cached_tokens=500), cost=0.25
        ),
        tokens_per_second=10,
    )
    view, fold = shown(log_of(agent))
    out, err = capsys.readouterr()
    assert out == "A cat\nis a word.\n"
    assert "▸ thought for 300 ms (3 words)" in err
    assert "✓ look_up  word=cat" in err
    assert view.summary(fold) == (
        "openai:gpt · 2 answers · 1 call · 1.2k in (500 cached), 85 out · $0.250 and 1 call of unknown price · 1.20 s"
    )


def test_reasoning_can_be_shown_in_full_and_words_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of(lead(Scripted(reasoning="let me see", text="yes")))
    view, _ = shown(log, reasoning=True, words=False)
    out, err = capsys.readouterr()
    assert (out, view.text) == ("", "yes")
    assert "let me see" in err
    assert "thought for" not in err


def test_a_failed_call_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    log = log_of(lead(Scripted(calls=(("look_up", {"word": "nothing"}), ("lookup", {}))), "no"))
    view, fold = shown(log)
    err = capsys.readouterr().err
    assert "✕ look_up  LookupError: no such word" in err
    assert "✕ lookup  there is no tool 'lookup'" in err
    assert "2 calls" in view.summary(fold)


def test_agents_below_are_told_with_what_they_did_and_took(capsys: pytest.CaptureFixture[str]) -> None:
    below = Agent(
        name="reader",
        model=ScriptedModel(
            Scripted(calls=(("look_up", {"word": "dog"}),)), "found", id="offline:x", tokens_per_second=1
        ),
        tools=[look_up],
        level=2,
    )
    log = log_of(lead(Scripted(calls=(("Ask", {}),)), "done", tools=[Ask(below)]))
    view, fold = shown(log)
    out, err = capsys.readouterr()
    assert out == "done\n"
    assert "  ✓ reader  1 call · 30 tokens" in err
    assert "1 sub-agent" in view.summary(fold)
    crew, half = Crew(), SpanFold()
    for event in log:
        crew.take(event)
        half.feed(event)
        if isinstance(event, ModelDelta) and event.text.startswith("found"):
            break
    rows = [(row.depth, row.name, row.told) for row in crew.rows(half)]
    assert rows == [(0, "Ask", ""), (1, "reader", "writing: …found · 1 call · 15 tokens")]


def test_a_retry_shortened_history_tasks_and_warnings_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    again = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=2, jitter=0))
    log = log_of(lead(Scripted(text="half", breaks=ExecutionError("cut off")), "whole", policy=again))
    said: list[Event] = [
        HistoryShortened("lead", 1, "summarised", 12, 3, 90_000, 1_250_000),
        TaskChanged("lead", 1, "t", "write it", "in_progress", change="updated"),
        TaskChanged("lead", 1, "t", "write it", "completed", change="completed"),
        Said("lead", 1, "odd\x1b[2J", "warning"),
    ]
    view, _ = shown([*log, *said])
    out, err = capsys.readouterr()
    assert out == "half\nwhole\n"
    assert view.text == "whole"
    assert "! ExecutionError: cut off; trying again in 4.00 s" in err
    assert "▸ 12 earlier messages summarised (90.0k → 1.2M tokens)" in err
    assert "☐ write it (in progress)" in err
    assert "☑ write it (completed)" in err
    assert "\x1b[2J" not in err


def test_no_control_character_of_a_model_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown(log_of(lead("\x1b]0;title\x07one\ttwo\r\n\x9b2Jthree")))
    out = capsys.readouterr().out
    assert out == "\ufffd]0;title\ufffdone\ttwo\ufffd\n\ufffd2Jthree\n"


def test_joined_emoji_and_letters_are_written_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = "\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u4f60\u597d e\u0301"
    shown(log_of(lead(said)))
    assert capsys.readouterr().out == said + "\n"


def test_what_was_written_before_a_process_died_is_not_run_into_what_comes_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    half, whole = log_of(lead("one two")), log_of(lead("one two three"))
    cut = next(place for place, event in enumerate(half) if isinstance(event, ModelUsed))
    view, _ = shown([*half[:cut], RunResumed("lead", 2, 0), *whole[1:]])
    assert capsys.readouterr().out == "one two\none two three\n"
    assert view.text == "one two three"


def test_events_of_no_agent_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    view, fold = shown(
        [ModelDelta("model", 0, "text", "x"), ModelUsed("model", 0), StepStarted("call", 0, None, 0, "call")]
    )
    assert capsys.readouterr() == ("", "")
    assert view.summary(fold).startswith("0 answers")
    assert list(view.crew.rows(fold)) == []
    crew = Crew()
    crew.take(AgentStarted("lead", 0, "id", "lead"))
    crew.take(AgentStarted("lead", 0, "id", "lead"))
    assert len(crew.members) == 1


def test_counts_costs_and_arguments_are_told_shortly() -> None:
    assert [count_text(n) for n in (0, 999, 1000, 12_345, 999_949, 1_000_000)] == [
        "0", "999", "1.0k", "12.3k", "999.9k", "1.0M",
    ]  # fmt: skip
    assert [spent_text(*pair) for pair in ((0, 0), (0, 2), (0.00001, 0), (0.0042, 0), (1.5, 1))] == [
        "$0.00", "cost unknown", "$0.00001", "$0.0042", "$1.50 and 1 call of unknown price",
    ]  # fmt: skip
    assert arguments_text(None) == ""
    assert len(arguments_text(Invocation(arguments=dict.fromkeys("abcd", "x" * 30)))) == 60


class Terminal(Screen):
    """A screen that takes itself for a terminal."""

    def _console(self, file: Any) -> Any:
        from rich.console import Console

        return Console(
            file=file, force_terminal=True, width=60, height=20, highlight=False, markup=False, no_color=True
        )


def test_on_a_terminal_what_runs_is_drawn_in_place(capsys: pytest.CaptureFixture[str]) -> None:
    below = Agent(name="reader", model=ScriptedModel("one two three", tokens_per_second=1), level=2)
    log = log_of(lead(Scripted(calls=(("Ask", {}),)), Scripted(reasoning="so", text="done"), tools=[Ask(below)]))
    view, fold = ChatView(Terminal()), SpanFold()
    view.draw(fold)
    for event in log:
        fold.feed(event)
        view.events(fold, [event], 0)
        view.draw(fold)
    view.close(fold)
    err = capsys.readouterr().err
    assert "starting" in err
    assert "reader" in err
    assert "writing: …one two" in err
    assert "thinking, 1 words" in err
