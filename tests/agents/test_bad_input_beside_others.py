"""Whatever goes wrong in one agent is told as that agent's outcome: those that work beside it come to their answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stretto import ErrorMode, ParallelWorkflow, start
from stretto.agents.agent import Agent
from stretto.agents.orchestrator import AgentOrchestrator
from stretto.agents.registry import AgentRegistry
from stretto.agents.report import Report, ReportStatus
from stretto.core.errors import BranchesFailed
from stretto.core.events import Event, ModelUsed, StepCompleted
from stretto.core.ledger import Budget, BudgetExceeded
from stretto.core.outcome import Completed, Failed, Outcome
from stretto.core.step import Context
from stretto.models import Keys, MissingKey, Models, ProviderConfig, ReplyActedOn, ReplyCutOff, UnknownModel
from stretto.models.model import Model, ModelCall
from stretto.runtime.loop import drive
from stretto.runtime.shared import Shared
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.registry import ToolRegistry
from stretto.tools.tool import Tool, ToolFailed
from tests.agents.delegating import agent, look
from tests.agents.desk import Desk, helper, worked
from tests.models.loopback import KEY, Loopback
from tests.models.talking import hasty

GOOD, WORDS = "good", "All is well here."
LOOP = Scripted(text="Once more.", calls=(("look", {"what": "it"}),))


class Known(Models):
    """Models at a loopback provider, scripted ones beside them, and a provider whose key is missing."""

    def __init__(self, server: Loopback, scripts: Mapping[str, ScriptedModel]) -> None:
        super().__init__(
            [
                ProviderConfig(name="chat", base_url=f"{server.url}/v1", key_name="LOOP_KEY"),
                ProviderConfig(name="locked", base_url=f"{server.url}/v1", key_name="NOT_GIVEN"),
            ],
            keys=Keys({"LOOP_KEY": KEY}),
        )
        self.scripts = scripts

    def get(self, id: str, fallbacks: Any = ()) -> Model:
        provider, _, name = id.partition(":")
        return self.scripts[name] if provider == "script" else hasty(super().get(id, fallbacks), attempts=2)


@pytest.fixture
def broken() -> Iterator[Loopback]:
    """Gives a provider of which every answer breaks off in the middle of a word."""
    with Loopback() as server:
        server.behave(text="one two three four", breaks="close", break_times=99)
        yield server


@dataclass(frozen=True)
class Bad:
    """An agent that something is wrong with: its model, its script, its tools, and what is told of it."""

    told: Callable[[Outcome[Report]], bool]
    model: str = "script:bad"
    script: tuple[Any, ...] = ("unused",)
    tools: tuple[str, ...] = ("look",)


def fails_with(error: type[BaseException]) -> Callable[[Outcome[Report]], bool]:
    return lambda outcome: isinstance(outcome, Failed) and isinstance(outcome.error, error)


def ends(status: ReportStatus, holds: Callable[[Report], bool]) -> Callable[[Outcome[Report]], bool]:
    return lambda outcome: isinstance(outcome, Completed) and outcome.value.status is status and holds(outcome.value)


CASES = {
    "a provider that nobody knows": Bad(fails_with(UnknownModel), model="nobody:x"),
    "a name without a provider": Bad(fails_with(UnknownModel), model="gpt"),
    "a key that is missing": Bad(fails_with(MissingKey), model="locked:x"),
    "a model that its provider does not know": Bad(
        lambda outcome: isinstance(outcome, Failed) and "is unknown to its provider" in str(outcome.error),
        model="chat:no-such",
    ),
    "answers that break off": Bad(fails_with(ReplyCutOff), model="chat:one"),
    "a tool that does not exist": Bad(
        ends(ReportStatus.SUCCESS, lambda report: report.metrics.bad_calls == 1 and not report.tool_uses[0].success),
        script=(Scripted(calls=(("no_such_tool", {}),)), "sorry"),
    ),
    "malformed arguments": Bad(
        ends(ReportStatus.SUCCESS, lambda report: report.metrics.bad_calls == 3),
        script=(Scripted(calls=(("look", "{broken"), ("look", {}), ("look", '{"what": ' + "9" * 5000 + "}"))), "sorry"),
    ),
    "a loop without end": Bad(
        ends(ReportStatus.PARTIAL, lambda report: "max_tool_iterations" in report.error),
        script=(*[LOOP] * 8,),
    ),
    "a tool that returns megabytes": Bad(
        ends(ReportStatus.SUCCESS, lambda report: "was cut here" in report.tool_uses[0].output),
        script=(Scripted(calls=(("big", {}),)), "read"),
        tools=("big",),
    ),
    "a tool that fails": Bad(
        ends(ReportStatus.SUCCESS, lambda report: "the disk is full" in report.tool_uses[0].error),
        script=(Scripted(calls=(("full", {}),)), "sorry"),
        tools=("full",),
    ),
    "text that is none": Bad(
        ends(ReportStatus.SUCCESS, lambda report: report.tool_uses[0].success),
        script=(Scripted(text="a\0b\ud800", calls=(("echo", '{"x": "\\ud800\\u0000", "n": NaN}'),)), "\ud800\0"),
        tools=("echo",),
    ),
}


def tools() -> list[Tool]:
    return [
        look,
        Desk("big", seconds=0, output="x" * 3_000_000),
        Desk("full", seconds=0, output=ToolFailed("full", "the disk is full")),
        Desk("echo", seconds=0, output=dict),
    ]


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_with_one_agent_stays_with_it(case: str, broken: Loopback, tmp_path: Path) -> None:
    bad = CASES[case]
    scripts = {"bad": ScriptedModel(*bad.script), GOOD: ScriptedModel(LOOP, WORDS, LOOP, WORDS)}
    configs = [
        agent("bad", model=bad.model, tools=bad.tools, max_tool_iterations=6),
        agent(GOOD, model=f"script:{GOOD}", tools=("look",)),
        agent("twin", model="script:twin", tools=("look",)),
    ]
    scripts["twin"] = ScriptedModel(LOOP, WORDS)

    async def story() -> list[Outcome[Report]]:
        models = Known(broken, scripts)
        registry = AgentRegistry(configs, tools=ToolRegistry(tools()), models=models)
        together = AgentOrchestrator(registry).together([GOOD, "bad", "twin"])
        async with models, SqlStore(tmp_path / "runs.db") as store:
            async with start(together, ["a", "b", "c"], store=store, shared=Shared()) as run:
                pass
        outcomes: list[Outcome[Report]] = run.outcome.unwrap()
        return outcomes

    first, second, third = drive(story())
    assert bad.told(second), second
    for outcome in (first, third):
        report = outcome.unwrap()
        assert (report.status, report.response) == (ReportStatus.SUCCESS, WORDS)
        assert [(use.name, use.success) for use in report.tool_uses] == [("look", True)]


def test_an_answer_that_breaks_off_after_it_was_acted_on_fails_its_agent_alone() -> None:
    plan = Scripted(
        calls=(("ExecutePlan", {"operations": [{"id": "a", "tool": "look", "arguments": {}}]}),),
        breaks=ReplyActedOn("script:x", "the connection broke"),
    )
    bad = helper(plan, tools=[Desk("look")], plan_mode=True)
    good = Agent(name="other", model=ScriptedModel(Scripted(calls=(("look", {}),)), WORDS), tools=[Desk("look")])
    both = ParallelWorkflow(name="both", steps=(bad, good), error_mode=ErrorMode.FAIL_SLOW)
    run = worked(both, "go")  # type: ignore[arg-type]  # a workflow of agents takes what an agent takes
    assert isinstance(run.outcome, Failed)
    error: Any = run.outcome.error
    assert isinstance(error, BranchesFailed)
    assert [type(each) for each in error.exceptions] == [ReplyActedOn]
    [other] = [e.output for e in run.log if isinstance(e, StepCompleted) and e.path == "both/other"]
    assert other.response == WORDS


def test_megabytes_lie_beside_the_log_once_and_come_back_whole(tmp_path: Path) -> None:
    def made() -> Agent:
        def answer(call: ModelCall) -> Scripted | str:
            return "read" if len(call.messages) > 1 else Scripted(calls=(("big", {}), ("big", {})))

        return Agent(
            name="helper",
            model=ScriptedModel(answer, forever=True),
            tools=[Desk("big", seconds=0, output="é" * 3_000_000)],
            max_tool_output=1000,
        )

    async def story() -> tuple[Report, list[Event], list[Event], Report]:
        async with SqlStore(tmp_path / "runs.db") as store:
            async with start(made(), "go", store=store, run_id="one") as run:
                pass
            short = list(await store.events("one", full=False))
            whole = list(await store.events("one"))
            async with start(made(), "go", store=store, run_id="one") as again:
                pass
            return run.outcome.unwrap(), short, whole, again.outcome.unwrap()

    first, short, whole, again = drive(story())
    assert again.response == first.response == "read"
    assert all(len(use.output) < 1200 for use in first.tool_uses)
    outputs = [e.output for e in whole if isinstance(e, StepCompleted) and e.path.endswith("/run")]
    assert [len(output) for output in outputs] == [3_000_000] * 2
    assert len(json.dumps([repr(event) for event in short])) < 100_000
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 8_000_000, "six megabytes of one content are kept once, and shown to nobody else"


def test_a_budget_counts_over_agents_and_over_a_restart(tmp_path: Path) -> None:
    asked: list[str] = []

    class Asked(ScriptedModel):
        async def execute(self, input: ModelCall, context: Context) -> Any:
            asked.append(context.path)
            return await super().execute(input, context)

    def made() -> Agent:
        def answer(call: ModelCall) -> Scripted | str:
            return LOOP if len(call.messages) < 9 else "done"

        return Agent(name="helper", model=Asked(answer, forever=True), tools=[look])

    async def go(store: SqlStore, tokens: int) -> Any:
        async with start(made(), "go", store=store, run_id="one", budget=Budget(tokens=tokens)) as run:
            pass
        return run

    async def story() -> tuple[Any, Any, Any]:
        async with SqlStore(tmp_path / "runs.db") as store:
            return await go(store, 40), await go(store, 59), await go(store, 75)

    first, second, third = drive(story())
    for run in (first, second):
        assert isinstance(run.outcome, Failed)
        assert isinstance(run.outcome.error, BudgetExceeded)
    report = third.outcome.unwrap()
    assert (report.response, report.metrics.usage.total) == ("done", 75)
    assert sum(isinstance(event, ModelUsed) for event in third.log) == 5
    assert len(set(asked)) == 5


class Speechless:
    """Has no words, not even for itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def knot() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def well() -> list[Any]:
    made: list[Any] = []
    for _ in range(3000):
        made = [made]
    return made


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("output", [knot, well, Speechless])
def test_an_output_that_cannot_be_told_takes_no_other_call_down(output: Callable[[], Any], planned: bool) -> None:
    odd = Desk("odd", output=lambda _: output())
    operations = [
        {"id": "a", "tool": "odd", "arguments": {}},
        {"id": "b", "tool": "use", "arguments": {"of": "${a}"}},
        {"id": "c", "tool": "look", "arguments": {}},
    ]
    calls = (("ExecutePlan", {"operations": operations}),) if planned else (("odd", {}), ("look", {}))
    agent_ = helper(Scripted(calls=calls), "done", tools=[odd, Desk("use"), Desk("look")], plan_mode=planned)
    report = worked(agent_).outcome.unwrap()
    assert (report.status, report.response) == (ReportStatus.SUCCESS, "done")
    assert [use.success for use in report.tool_uses if use.name == "look"] == [True]
    assert len(next(use.output for use in report.tool_uses if use.name == "odd")) > 0
