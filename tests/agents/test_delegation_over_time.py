"""Children over crashes and cancellation: the finished are not asked again, the costs add up, a stop reaches all."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stretto.agents.plan_mode import PLAN_TOOL
from stretto.agents.registry import AgentRegistry
from stretto.core.errors import BranchCancelled
from stretto.core.events import Event, StepCompleted
from stretto.core.ledger import Usage
from stretto.models.model import ModelCall
from stretto.runtime.run import start
from stretto.runtime.virtual import VirtualClock
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from tests.agents.delegating import agent, batch, calls, lead, registry, scripted, spawn, watch
from tests.agents.delegation_to_be_killed import go_on


def last_part(call: ModelCall) -> str:
    return str(call.messages[-1]["parts"][-1]["part_kind"])


def boss() -> ScriptedModel:
    """Spawns two and gives a batch of two in its first answer, and ends with the second."""

    def answer(call: ModelCall) -> Scripted:
        if last_part(call) == "tool-return":
            return Scripted(text="joined", cost=0.125)
        asked = (spawn("a", model="child"), spawn("b", model="child"), batch(("w", "c"), ("w", "d")))
        return calls(*asked, cost=0.125)

    return scripted(answer, forever=True)


def child() -> ScriptedModel:
    def answer(call: ModelCall) -> Scripted:
        usage = Usage(input_tokens=7, output_tokens=3)
        if last_part(call) == "tool-return":
            return Scripted(text="seen", usage=usage, cost=0.25)
        return calls(("look", {"what": "it"}), usage=usage, cost=0.25)

    return scripted(answer, forever=True)


def crew() -> tuple[AgentRegistry, ScriptedModel, ScriptedModel]:
    first, second = boss(), child()
    known = registry(lead("look"), agent("w", model="test:child", tools=("look",)), lead=first, child=second)
    return known, first, second


def models_done(log: list[Event]) -> list[str]:
    return [event.path for event in log if isinstance(event, StepCompleted) and "/model" in event.path]


def test_wherever_a_run_is_cut_no_finished_call_of_a_model_is_paid_twice() -> None:
    known, *_ = crew()
    whole = watch(known.get("lead"))
    expected = whole.outcome.unwrap()
    assert expected.metrics.cost == pytest.approx(2.25)
    assert expected.metrics.usage.input_tokens == 8 * 7 + 2 * 10
    for cut in range(1, len(whole.log), 5):
        kept = whole.log[:cut]
        known, first, second = crew()
        resumed = watch(known.get("lead"), resume=kept)
        assert len(first.seen) + len(second.seen) + len(models_done(kept)) == 10
        again = resumed.outcome.unwrap()
        assert (again.response, again.status, again.metrics.iterations) == ("joined", "success", 2)
        paths = models_done(resumed.log)
        assert len(paths) == len(set(paths)) == 10


def test_what_children_cost_is_attributed_to_them_also_after_a_crash_between_them(tmp_path: Path) -> None:
    async def first_process() -> None:
        known, *_ = crew()
        store = SqlStore(tmp_path / "runs.db")
        try:
            async with start(known.get("lead"), "go", store=store, run_id="r1", durability="sync") as run:
                async for event in run.events():
                    if isinstance(event, StepCompleted) and event.path.endswith("run/a"):
                        run.cancel("the machine is switched off")
        finally:
            await store.close()

    async def second_process() -> Any:
        known, first, second = crew()
        store = SqlStore(tmp_path / "runs.db")
        try:
            async with start(known.get("lead"), "go", store=store, run_id="r1") as run:
                pass
        finally:
            await store.close()
        return run, first, second

    asyncio.run(first_process())
    run, first, second = asyncio.run(second_process())
    report = run.outcome.unwrap()
    assert first.seen
    assert len(second.seen) < 8  # what had ended was not asked again
    assert (report.metrics.cost, report.metrics.usage.total) == (pytest.approx(2.25), 8 * 10 + 2 * 15)
    spent = {path: run.state.ledger.under(f"lead/tools/{path}") for path in ("SpawnAgentTool", "ParallelTasksTool")}
    assert spent["SpawnAgentTool"].usage == Usage(input_tokens=14, output_tokens=6)
    assert spent["SpawnAgentTool"].cost == 0.5
    assert spent["ParallelTasksTool"].cost == 1.0


def test_children_keep_their_ids_when_a_run_goes_on() -> None:
    known, *_ = crew()
    whole = watch(known.get("lead"))
    ids = [event.agent_id for event in whole.log if event.kind == "agent_started"]
    known, *_ = crew()
    cut = next(place for place, event in enumerate(whole.log) if event.kind == "agent_started" and event.level == 2)
    again = watch(known.get("lead"), resume=whole.log[: cut + 1])
    assert {event.agent_id for event in again.log if event.kind == "agent_started"} == set(ids)


def test_cancelling_the_run_reaches_children_whose_models_are_streaming() -> None:
    slow = scripted(Scripted(text="word " * 1000), tokens_per_second=1, forever=True)
    asked = calls(spawn("a", model="slow"), batch(("w", "c"), ("w", "d")))
    known = registry(lead(), agent("w", model="test:slow"), lead=scripted(asked, "never"), slow=slow)

    async def main() -> Any:
        async with start(known.get("lead"), "go") as run:
            streaming: set[str] = set()
            async for event in run.events():
                if event.kind == "model_delta" and "/run/" in event.path:
                    streaming.add(event.path)
                if len(streaming) == 3 and not run.ended.is_set():
                    run.cancel("enough")
        return run, streaming

    clock = VirtualClock()
    run, streaming = clock.run(main())
    assert clock.elapsed < 5
    cancelled = {event.path for event in run.log if event.kind == "step_cancelled"}
    assert streaming <= cancelled
    assert {"lead", "lead/tools/SpawnAgentTool/run/a", "lead/tools/ParallelTasksTool/run/w#2"} <= cancelled
    assert run.abandoned == []
    with pytest.raises(BranchCancelled, match="enough"):
        run.outcome.unwrap()


def test_one_child_can_be_stopped_from_outside_and_the_others_go_on() -> None:
    slow = scripted(Scripted(text="word " * 5), tokens_per_second=1, forever=True)
    asked = calls(batch(("w", "c"), ("w", "d")))
    known = registry(lead(), agent("w", model="test:slow"), lead=scripted(asked, "done"), slow=slow)

    async def main() -> Any:
        async with start(known.get("lead"), "go") as run:
            async for event in run.events():
                if event.kind == "model_delta" and "w#2" in event.path:
                    run.cancel_branch("lead/tools/ParallelTasksTool/run/w#2", "not this one")
        return run

    run = VirtualClock().run(main())
    assert run.outcome.unwrap().response == "done"
    [use] = run.outcome.unwrap().tool_uses
    assert '"completed":1,"failed":1' in use.output
    assert "the sub-agent 'w' was stopped: not this one" in use.output


def test_in_a_plan_sub_agents_use_what_others_have_reported() -> None:
    writer = scripted(lambda call: f"joined: {call.messages[-1]['parts'][-1]['content']}")
    operations = [
        {"id": "one", "tool": "SpawnAgentTool", "arguments": spawn("one", "first", model="reader")[1]},
        {"id": "two", "tool": "SpawnAgentTool", "arguments": spawn("two", "second", model="reader")[1]},
        {
            "id": "all",
            "tool": "SpawnAgentTool",
            "arguments": spawn("all", "Join ${one.report} and ${two.report}", model="writer")[1],
        },
    ]
    boss = scripted(calls((PLAN_TOOL, {"operations": operations})), "done", "done")
    reader = scripted(lambda call: f"read {call.messages[-1]['parts'][-1]['content']}", forever=True)
    known = registry(lead(plan_mode=True), lead=boss, reader=reader, writer=writer)
    run = watch(known.get("lead"))
    report = run.outcome.unwrap()
    assert any("joined: Join read first and read second" in use.output for use in report.tool_uses)
    levels = {event.agent_id: event.level for event in run.log if event.kind == "agent_started"}
    assert sorted(levels.values()) == [1, 2, 2, 2]


def test_a_process_that_is_killed_between_children_goes_on_with_the_unfinished_one(tmp_path: Path) -> None:
    database = str(tmp_path / "runs.db")
    command = [sys.executable, "-m", "tests.agents.delegation_to_be_killed", database]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
    finally:
        process.kill()
        process.communicate()
    run, models = asyncio.run(go_on(database))
    report = run.outcome.unwrap()
    assert report.response == "both"
    assert {name: len(model.seen) for name, model in models.items()} == {"lead": 1, "quick": 0, "slow": 1}
    assert report.metrics.cost == 0.5 + 0.5 + 0.125 + 0.25 + 0.25
    assert [use.success for use in report.tool_uses] == [True, True]
