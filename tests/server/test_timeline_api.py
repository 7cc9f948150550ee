"""Timelines of runs over HTTP: every step with its times, what decided the end, and what is known of one step."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from stretto import SequentialWorkflow, step
from stretto.core.codec import encode
from stretto.core.events import (
    AgentStarted,
    ErrorRecord,
    Event,
    PlanMade,
    RunStarted,
    Said,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepSkipped,
    StepStarted,
)
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow
from stretto.server.span_updates import SpanUpdates
from stretto.server.timeline_forms import SpanDetails, SpanUpdate, Timeline
from stretto.stores.store import Store
from tests.monitoring.logs import items, simple
from tests.monitoring.test_timeline_updates import LATER, in_order
from tests.server.conftest import Serve, Served
from tests.server.listening import events_in, hearing
from tests.server.telling import Watcher, a_hub, a_store, all_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def keep(store: Store, run_id: str, events: list[Event]) -> None:
    """Keeps a log as another process has written it."""
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    lines = [Line(place, one.kind, one.path, one.at, encode(one)) for place, one in enumerate(events)]
    await store.append(run_id, lines)
    await store.release(run_id, owner)


async def timeline_of(served: Served, run_id: str) -> Timeline:
    answer = await served.client.get(f"/api/runs/{run_id}/timeline")
    assert answer.status_code == 200, answer.text
    return Timeline.model_validate_json(answer.content, extra="forbid")


async def test_a_timeline_tells_steps_in_the_order_of_the_tree_and_what_decided_the_end(serve: Serve) -> None:
    async with serve() as served:
        await keep(served.store, "r1", simple())
        found = await timeline_of(served, "r1")
    assert (found.run_id, found.workflow_id, found.name, found.status) == ("r1", None, "Gather", "completed")
    assert (found.started_at, found.now, found.seq, found.total) == (1_790_000_000.0, 2200.0, len(simple()), 6)
    told = [
        (one.path, one.parent, one.start_ms, one.end_ms, one.slack_ms, one.self_ms, one.critical, one.batch)
        for one in found.spans
    ]
    assert told == [
        ("gather", "", 0.0, 2200.0, 0.0, 0.0, False, None),
        ("gather/query", "gather", 0.0, 1800.0, 0.0, 1800.0, True, 0),
        ("gather/api_1", "gather", 0.0, 500.0, 1300.0, 500.0, False, 0),
        ("gather/api_2", "gather", 0.0, 600.0, 1200.0, 600.0, False, 0),
        ("gather/serena", "gather", 0.0, 400.0, 1400.0, 400.0, False, 0),
        ("gather/aggregate", "gather", 1800.0, 2200.0, 0.0, 400.0, True, None),
    ]
    figures = found.summary
    assert (figures.wall_ms, figures.work_ms, figures.operations, figures.running) == (2200.0, 3700.0, 5, 0)
    assert (figures.critical_path, figures.bottleneck) == (["gather/query", "gather/aggregate"], "gather/query")
    assert (figures.bottleneck_share, figures.parallelization_ratio) == (pytest.approx(18 / 22), 0.8)
    assert (figures.tokens_input, figures.cost) == (0, None)


# -- while runs go on --------------------------------------------------------------------------------------------------


@step
async def quick(value: int) -> int:
    return value + 1


class Held:
    """A step that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.begun, self.free = anyio.Event(), anyio.Event()

    def flow(self) -> SequentialWorkflow:
        @step
        async def held(value: int) -> int:
            self.begun.set()
            await self.free.wait()
            return value

        return SequentialWorkflow(name="held", steps=(quick, held))


def applied(updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return in_order({row["path"]: row for update in updates for row in update["spans"]})


async def test_an_execution_that_has_not_begun_has_a_timeline_without_steps(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        row = ExecutionRow(run_id="r1", workflow_id=workflow, message="Later.", agent_id="helper", status="running")
        await served.store.records.add_execution(row)
        found = await timeline_of(served, "r1")
        assert (found.workflow_id, found.status, found.spans, found.seq) == (workflow, "running", [], 0)
        assert (await served.client.get("/api/runs/unknown/timeline")).status_code == 404
        await served.store.claim("r1", owner_of_this_process())
        assert (await served.client.get(f"/api/workflows/{workflow}/state")).json()["spans"] == []


async def test_those_who_watch_are_told_how_a_library_run_goes_on(serve: Serve) -> None:
    held = Held()
    async with serve(steps={"held": held.flow()}) as served, hearing(served) as everything:
        run_id = (await served.client.post("/api/runs", json={"workflow": "held", "input": 1})).json()["id"]
        await everything.until(lambda: any(len(told["spans"]) == 3 for told in everything.of("span_update")))
        [first] = everything.of("span_update")
        assert SpanUpdate.model_validate(first, extra="forbid").status == "running"
        assert (first["run_id"], first["workflow_id"], first["name"], first["over"]) == (run_id, None, "held", False)
        assert (first["summary"]["operations"], first["summary"]["running"]) == (2, 1)
        live = await timeline_of(served, run_id)
        assert (live.seq, live.status, live.summary.critical_path) == (first["seq"], "running", [])
        assert [one.model_dump() for one in live.spans] == applied([first])
        held.free.set()
        await everything.until(lambda: everything.of("span_update")[-1]["over"])
        updates = everything.of("span_update")
        await everything.until(lambda: len(everything.of("run_update")) == 2)
        assert everything.of("run_update") == [
            {"run_id": run_id, "status": "running"}, {"run_id": run_id, "status": "completed"},
        ]  # fmt: skip
        ended = await timeline_of(served, run_id)
    assert applied(updates) == [one.model_dump() | LATER for one in ended.spans]
    assert ended.spans[-1].slack_ms == 0
    assert updates[-1]["summary"] == ended.summary.model_dump()
    assert (updates[-1]["status"], updates[-1]["seq"]) == ("completed", ended.seq)


async def test_an_execution_is_told_with_its_workflow_and_its_end_when_its_rows_are_written(serve: Serve) -> None:
    async with serve() as served, hearing(served) as everything:
        workflow_id = await served.create()
        run_id = (await served.ask(workflow_id))["run_id"]
        await everything.until(lambda: everything.of("span_update") and everything.of("span_update")[-1]["over"])
        assert (await served.store.records.execution(run_id)).status == "completed"
        last = everything.of("span_update")[-1]
        assert (last["run_id"], last["workflow_id"], last["status"]) == (run_id, workflow_id, "completed")
        timeline = await timeline_of(served, run_id)
        assert applied(everything.of("span_update")) == [one.model_dump() | LATER for one in timeline.spans]
        assert {one.agent for one in timeline.spans} == {"helper"}
        assert timeline.workflow_id == workflow_id
        assert not everything.of("run_update")


async def test_what_changes_while_nobody_watches_gathers_and_is_told_to_whoever_comes_back(serve: Serve) -> None:
    held = Held()
    async with serve(steps={"held": held.flow()}) as served:
        async with hearing(served) as first:
            last = events_in(first.sent)[1]
        await served.client.post("/api/runs", json={"workflow": "held", "input": 1})
        await held.begun.wait()
        hub = served.house.hub
        before = b"".join([chunk async for chunk in hub.stream(None, last, follow=False)])
        assert b"span_update" not in before
        async with hearing(served) as again:
            await again.until(lambda: again.of("span_update"))
            assert len(applied(again.of("span_update"))) == 3
        held.free.set()
        [run] = served.house.executions._steps.runs.values()
        await run.ended.wait()


async def test_a_run_that_the_server_leaves_is_told_as_interrupted(serve: Serve) -> None:
    held = Held()
    async with serve(steps={"held": held.flow()}, settings={"server": {"grace": 0}}) as served:
        run_id = (await served.client.post("/api/runs", json={"workflow": "held", "input": 1})).json()["id"]
        await held.begun.wait()
        served.house.executions.run(run_id).suspend("test")
        async with hearing(served) as everything:
            await everything.until(lambda: everything.of("run_update"))
            assert everything.of("run_update") == [{"run_id": run_id, "status": "interrupted"}]
        found = await timeline_of(served, run_id)
        assert (found.status, found.spans[-1].status) == ("interrupted", "running")


async def test_many_changes_are_told_in_parts_and_the_end_without_them_when_nobody_watches() -> None:
    run: Any = SimpleNamespace(id="r", step=SimpleNamespace(name="many"), ended=anyio.Event(), now=lambda: 1.0)
    log = items(1_200)
    for watched in (True, False):
        hub = a_hub(await a_store())
        updates = SpanUpdates(hub)
        run.ended = anyio.Event()
        teller = updates.follow(run)
        stream = hub.stream(follow=watched)
        watcher = Watcher(stream)
        async with anyio.create_task_group() as tasks:
            if watched:
                tasks.start_soon(watcher.watch)
                tasks.start_soon(updates.work)
                await anyio.wait_all_tasks_blocked()
            teller.take(log[:-1])
            teller.take(log[-1:])
            if watched:
                sizes = [len(event.data["spans"]) for event in await watcher.until(3)]
                assert sizes == [500, 500, 204]
            run.ended.set()
            await teller.close()
            await updates._tell(teller)
            told = await all_of(hub, None, f"{hub._epoch}-0")
            assert [len(event.data["spans"]) for event in told] == ([500, 500, 204, 0] if watched else [500])
            assert told[-1].data["over"]
            assert told[-1].data["summary"]["operations"] == 1202
            hub.close()
            tasks.cancel_scope.cancel()


# -- one step, and plans -----------------------------------------------------------------------------------------------

PLAN = {
    "operations": ["read", "sum"], "types": {"read": "tool", "sum": "function"},
    "durations": {"read": 2.0, "sum": None},
    "batches": [["read"], ["sum"]], "critical_path": ["read", "sum"],
    "edges": [{"from": "read", "to": "sum", "kind": "data", "about": ["text"], "because": "'sum' needs 'text'"}],
    "estimate": {
        "sequential": 3.0, "critical_path": 3.0, "slots": 10, "at_best": 3.0, "makespan": 3.0, "speedup": 1.0,
        "operations": 2, "known": 1,
    },
}  # fmt: skip


async def test_a_step_is_told_with_its_values_attempts_words_and_place_in_its_plan(serve: Serve) -> None:
    error = ErrorRecord("E", "not yet")
    log: list[Event] = [
        RunStarted("", 0.0, "r", "lead", 1.0),
        StepStarted("lead", 0.0, None, 0.0, "agent"),
        AgentStarted("lead", 0.0, "lead", "Lead", model="m"),
        PlanMade("lead/plan", 0.5, PLAN),
        StepStarted("lead/plan/read.once", 1.0, {"file": "x" * 600}, 0.0, "tool"),
        StepRetrying("lead/plan/read.once", 2.0, 1, error, 0.5),
        Said("lead/plan/read.once/inner", 2.5, "hm"),
        StepFailed("lead/plan/read.once", 3.0, ErrorRecord("E", "no")),
        StepStarted("lead/plan/sum", 3.0, 1),
        StepCompleted("lead/plan/sum", 4.0, {"sum": 3}),
    ]
    async with serve() as served:
        await keep(served.store, "r", log)
        answer = await served.client.get("/api/runs/r/span", params={"path": "lead/plan/read.once"})
        found = SpanDetails.model_validate_json(answer.content)
        other = (await served.client.get("/api/runs/r/span", params={"path": "lead/plan/sum"})).json()
        lead = (await served.client.get("/api/runs/r/span", params={"path": "lead"})).json()
        plan = (await served.client.get("/api/runs/r/plan")).json()
        missing = await served.client.get("/api/runs/r/span", params={"path": "lead/nobody"})
        unknown = await served.client.get("/api/runs/nobody/span", params={"path": "lead"})
        nothing = await served.client.get("/api/runs/nobody/timeline")
    assert (found.span.status, found.span.attempts, found.events) == ("failed", 2, 4)
    assert found.input["file"]["size"] == 600
    assert (found.agent and found.agent.agent_id, found.depends_on) == ("lead", [])
    assert [(link.path, link.ref, link.reason) for link in found.needed_by] == [
        ("lead/plan/sum", "text", "'sum' needs 'text'")
    ]
    assert [(one.number, one.start_ms, one.end_ms, one.status, one.error) for one in found.tries] == [
        (1, 1000.0, 2000.0, "failed", "not yet"), (2, 2500.0, 3000.0, "failed", "no"),
    ]  # fmt: skip
    assert [(one.path, one.text) for one in found.messages] == [("lead/plan/read.once/inner", "hm")]
    assert (other["input"], other["output"], len(other["tries"])) == (1, {"sum": 3}, 1)
    assert other["depends_on"] == [{"path": "lead/plan/read.once", "ref": "text", "reason": "'sum' needs 'text'"}]
    assert (lead["tries"][0]["end_ms"], lead["span"]["status"], lead["events"]) == (None, "running", 9)
    assert (missing.status_code, unknown.status_code, nothing.status_code) == (404, 404, 404)
    assert "no step 'lead/nobody'" in missing.json()["detail"]
    [item] = plan
    assert item["batches"] == [
        {"operations": [{"id": "read", "path": "lead/plan/read.once", "type": "tool", "seconds": 2.0}]},
        {"operations": [{"id": "sum", "path": "lead/plan/sum", "type": "function", "seconds": None}]},
    ]
    assert item["edges"] == [
        {"origin": "read", "target": "sum", "kind": "data", "refs": ["text"], "reason": "'sum' needs 'text'"}
    ]
    assert (item["estimate"]["makespan"], item["plan"]) == (3.0, PLAN)


async def test_a_step_that_has_not_begun_has_no_attempts(serve: Serve) -> None:
    async with serve() as served:
        await keep(served.store, "r", [RunStarted("", 0.0, "r", "r", 1.0), StepSkipped("a", 1.0, "not needed")])
        found = (await served.client.get("/api/runs/r/span", params={"path": "a"})).json()
        timeline = await timeline_of(served, "r")
    assert (found["tries"], found["input"], found["agent"]) == ([], None, None)
    assert (timeline.spans[0].status, timeline.spans[0].start_ms) == ("skipped", None)
