"""An agent that was killed goes on where it was: no finished model call is paid twice, and nothing is done unasked."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stretto import run_sync, start, step
from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.core.errors import HumanAborted
from stretto.core.events import Answered, Asked, Event, ModelUsed, StepCompleted, StepStarted
from stretto.core.outcome import Failed
from stretto.core.policies import StepPolicy
from stretto.core.step import Context
from stretto.models.messages import Message, text_of, user_message
from stretto.models.model import ModelCall
from stretto.runtime.run import Run
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel, find_order_dependence, run_virtual
from stretto.tools.tool import Invocation
from tests.agents.desk import Delegate, Desk

MODEL_CALLS = 3


def answer(call: ModelCall) -> Scripted | str:
    """Answers by what was said, so that it says the same in every process."""
    if "Summarise it" in text_of(call.messages[-1], "user-prompt"):
        return "They spoke of numbers."
    results = [part["content"] for message in call.messages for part in message["parts"] if "outcome" in part]
    if len(results) == 0:
        return Scripted(text="first", calls=(("read", {"n": 1}), ("write", {"n": 1}), ("wrong", {})))
    if len(results) == 3:
        return Scripted(text="second", calls=(("write", {"n": 2}),))
    return "; ".join(results)


def office(
    written: list[int], *, policy: StepPolicy | None = None, window: int | None = None, seconds: float = 1.0
) -> Agent:
    """Returns an agent that reads and writes; what is written is noted outside the run."""

    class Write(Desk):
        async def execute(self, input: Any, context: Context) -> Any:
            written.append(Invocation.of(input).arguments["n"])
            return await super().execute(input, context)

    tools = [
        Desk("read", reads=("table",), seconds=seconds),
        Write("write", writes=("table",), policy=policy or StepPolicy(idempotent=True), seconds=seconds),
    ]
    model = ScriptedModel(answer, forever=True, context_window=window)
    return Agent(name="clerk", model=model, tools=tools, system_prompt="x")


def go(
    agent: Agent, events: Sequence[Event] = (), say: str = "retry", task: Any = "count", **settings: Any
) -> Run[Report]:
    async def main() -> Run[Report]:
        async with start(agent, task, resume=events, **settings) as run:
            async for event in run.events():
                if isinstance(event, Asked):
                    run.answer(event.request_id, say)
        return run

    return run_virtual(main())


def bare(messages: Sequence[Message]) -> str:
    """Returns messages without the time at which they were made, and without the ids that the script makes up."""
    own = {"timestamp", "tool_call_id"}
    return json.dumps(
        [[{k: v for k, v in part.items() if k not in own} for part in message["parts"]] for message in messages]
    )


def same(one: Report, other: Report) -> bool:
    return (
        (one.response, one.status, one.task_id) == (other.response, other.status, other.task_id)
        and bare(one.messages) == bare(other.messages)
        and [(u.name, u.arguments, u.output, u.error) for u in one.tool_uses]
        == [(u.name, u.arguments, u.output, u.error) for u in other.tool_uses]
    )


def models_done(events: Sequence[Event]) -> int:
    return sum(isinstance(event, StepCompleted) and "/model" in event.path for event in events)


@pytest.mark.parametrize("task", ["count", Task(description="count", history=(user_message("1 " * 900),))])
def test_whatever_it_was_doing_no_finished_model_call_is_asked_again(task: Any) -> None:
    window = 700 if isinstance(task, Task) else None
    whole = go(office([], window=window), task=task)
    report = whole.outcome.unwrap()
    log = list(whole.log)
    for cut in range(1, len(log)):
        agent = office([], window=window)
        resumed = go(agent, log[:cut], task=task, in_flight="retry")
        assert same(resumed.outcome.unwrap(), report), cut
        model = agent.model
        assert isinstance(model, ScriptedModel)
        asked = [call for call in model.seen if "Summarise it" not in text_of(call.messages[-1], "user-prompt")]
        assert len(asked) == MODEL_CALLS - models_done(log[:cut]), cut
        seen: list[str] = [event.path for event in resumed.log if isinstance(event, StepCompleted)]
        assert len(seen) == len(set(seen)), cut


def test_a_write_that_was_under_way_asks_a_human_and_every_other_place_does_not() -> None:
    once = StepPolicy()
    log = list(go(office([], policy=once)).log)
    for cut in range(1, len(log)):
        done = [event.path for event in log[:cut] if isinstance(event, StepCompleted)]
        began = [event.path for event in log[:cut] if isinstance(event, StepStarted)]
        open_writes = [path for path in began if "write" in path and path.endswith("/run") and path not in done]
        written: list[int] = []
        resumed = go(office(written, policy=once), log[:cut])
        asked = [event.path for event in resumed.log if isinstance(event, Asked)]
        assert asked == open_writes, cut
        finished = sum("write" in path and path.endswith("/run") for path in done)
        assert len(written) == 2 - finished, cut


def test_a_human_may_end_a_run_whose_tool_was_under_way() -> None:
    log = list(go(office([], policy=StepPolicy())).log)
    cut = next(place for place, event in enumerate(log) if event.path == "clerk/tools/write/run") + 1
    resumed = go(office([], policy=StepPolicy()), log[:cut], say="abort")
    assert isinstance(resumed.outcome, Failed)
    assert isinstance(resumed.outcome.error, HumanAborted)


def test_what_was_spent_before_the_crash_is_counted_once() -> None:
    def lead() -> Agent:
        def leading(call: ModelCall) -> Scripted | str:
            if len(call.messages) > 1:
                return Scripted(text="done", cost=1.0)
            return Scripted(calls=(("delegate", {"task": "a"}),), cost=1.0)

        sub = Agent(name="sub", model=ScriptedModel(Scripted(text="sub", cost=0.5), forever=True))
        return Agent(name="lead", model=ScriptedModel(leading, forever=True), tools=[Delegate(sub)])

    log = list(go(lead()).log)
    for cut in range(1, len(log)):
        resumed = go(lead(), log[:cut], in_flight="retry")
        used = [event for event in resumed.log if isinstance(event, ModelUsed)]
        metrics = resumed.outcome.unwrap().metrics
        assert metrics.cost == sum(event.cost or 0 for event in used), cut
        assert metrics.usage.total == sum(event.input_tokens + event.output_tokens for event in used), cut


def test_an_agent_goes_on_from_a_database(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'runs.db'}"

    async def begun() -> None:
        async with SqlStore(place) as store, start(office([], seconds=0.2), "count", store=store, run_id="r1") as run:
            async for event in run.events():
                if isinstance(event, StepStarted) and event.path == "clerk/tools/write/run":
                    run.cancel("the machine goes down")
                    break

    async def resumed() -> tuple[Report, int]:
        agent = office([], seconds=0)
        async with SqlStore(place) as store:
            async with start(agent, "count", store=store, run_id="r1", in_flight="retry") as run:
                pass
            model = agent.model
            assert isinstance(model, ScriptedModel)
            return run.outcome.unwrap(), len(model.seen)

    from stretto.runtime.loop import drive

    drive(begun())
    report, asked = drive(resumed())
    assert asked == 2
    assert same(report, go(office([])).outcome.unwrap())


def test_a_tool_whose_code_has_changed_is_noticed() -> None:
    from stretto.agents.turn import Turn

    agent = office([])
    assert set(agent.children()) == {"model", "tools"}
    turn = agent.children()["tools"]
    assert isinstance(turn, Turn)
    assert set(turn.children()) == {"read", "write"}
    assert list(turn.children()["write"].children()) == ["run"]
    assert run_sync(office([], seconds=0), "count").response


def test_an_approval_that_was_given_before_the_crash_is_not_asked_for_again() -> None:
    def deleting(call: ModelCall) -> Scripted | str:
        return "done" if len(call.messages) > 1 else Scripted(calls=(("delete", {"n": 1}), ("delete", {"n": 2})))

    def agent(delete: Desk) -> Agent:
        return Agent(name="clerk", model=ScriptedModel(deleting, forever=True), tools=[delete])

    def tool() -> Desk:
        return Desk("delete", writes=("table/{n}",), destructive=True)

    async def main(events: Sequence[Event], delete: Desk) -> Run[Report]:
        async with start(agent(delete), "go", resume=events) as run:
            async for event in run.events(len(events)):
                if isinstance(event, Asked):
                    number = event.details["arguments"]["n"]
                    value = {"n": 7} if number == 1 else None
                    run.answer(event.request_id, "approve" if number == 1 else "reject", value=value, reason="no")
        return run

    log = list(run_virtual(main([], tool())).log)
    for cut in range(1, len(log)):
        delete = tool()
        resumed = run_virtual(main(log[:cut], delete))
        answered = {event.request_id for event in log[:cut] if isinstance(event, Answered)}
        asked = {event.request_id for event in resumed.log[cut:] if isinstance(event, Asked)}
        assert not asked & answered, cut
        first, second = resumed.outcome.unwrap().tool_uses
        assert first.arguments == {"n": 7}, cut
        assert second.error.endswith("no"), cut
        assert all(given == {"n": 7} for given in delete.called), cut


def test_the_order_in_which_branches_take_turns_changes_nothing() -> None:
    @step
    async def whole(_: Any, context: Context) -> Any:
        def busy(call: ModelCall) -> Scripted | str:
            if len(call.messages) > 1:
                return "; ".join(part["content"] for part in call.messages[-1]["parts"])
            return Scripted(calls=tuple((name, {"n": n}) for n in range(3) for name in ("read", "write", "look")))

        tools = [Desk("read", reads=("t/*",)), Desk("write", writes=("t/{n}",)), Desk("look", seconds=0)]
        report = await context.run(Agent(name="a", model=ScriptedModel(busy, forever=True), tools=tools), "go")
        return report.response, [(use.name, use.output) for use in report.tool_uses]

    find_order_dependence(whole, seeds=range(12))
