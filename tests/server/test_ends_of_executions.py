"""How executions end, also when a store does not take it, the server stops, or somebody else is faster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from stretto import step
from stretto.configuring.settings import ServerTable
from stretto.core.errors import RunBusy
from stretto.core.records import ExecutionRow, Fold
from stretto.runtime.supervisor import Supervisor
from stretto.server import carrying, executions
from stretto.server.executions import WorkflowGoes
from stretto.server.hub import Hub
from stretto.server.preparation import Prepared
from stretto.server.problems import Stopping, status_of
from stretto.server.service import WorkflowService
from stretto.server.span_updates import SpanUpdates
from stretto.server.step_runs import StepRuns
from stretto.server.telemetry import open_telemetry
from stretto.stores.database import DatabaseUnavailable
from stretto.stores.memory import MemoryStore
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve, Served
from tests.server.telling import Told, read

pytestmark = pytest.mark.anyio
LONG = " ".join(["word"] * 1000)


@step
async def forever(x: int) -> None:
    await anyio.sleep_forever()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "OWED", 0.02)


def no_room(*_: object) -> DatabaseUnavailable:
    return DatabaseUnavailable("here", "is full")


async def told(served: Served, name: str) -> list[Told]:
    """Returns what was told under a name since the server began."""
    hub = served.house.hub
    chunks = [chunk async for chunk in hub.stream(None, f"{hub._epoch}-0", follow=False)]
    return [event for event in read(b"".join(chunks)) if event.name == name]


async def test_whoever_has_waited_for_an_end_leaves_nothing_behind(serve: Serve) -> None:
    async with serve() as served:
        workflow_id = await served.create()
        await served.house.service.execute_workflow(workflow_id, "m")
        row = (await served.store.records.executions(workflow_id=workflow_id))[0]
        assert (await served.house.executions.wait(row.run_id)).status == "completed"
        assert not served.house.executions._waiting._over


async def test_an_end_that_a_store_does_not_take_is_told_once_when_it_does(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve() as served:
        records, house = served.store.records, served.house
        keep, failed = records.keep, anyio.Event()
        refusing = True

        async def refuse(folds: list[Fold]) -> None:
            if refusing and any(fold.execution.get("status") == "completed" for fold in folds):
                failed.set()
                raise no_room()
            await keep(folds)

        monkeypatch.setattr(records, "keep", refuse)
        asked = await served.ask(await served.create())
        with anyio.fail_after(20):
            await failed.wait()
            while house.executions.running:
                await anyio.lowlevel.checkpoint()
        assert await told(served, "workflow_complete") == []
        refusing = False
        assert await served.over(asked["run_id"]) == "completed"
        with anyio.fail_after(20):
            while not (ended := await told(served, "workflow_complete")):
                await anyio.lowlevel.checkpoint()
        assert [(event.data["run_id"], event.data["status"]) for event in ended] == [(asked["run_id"], "completed")]
        held = await served.store.archive.messages(asked["workflow_id"])
        assert [message.role for message in held] == ["user", "assistant"]


async def test_a_log_that_broke_ends_once_and_holds_up_nobodys_rows(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(models=[ScriptedModel(LONG, "Done.", tokens_per_second=2000)]) as served:
        append, times = served.store.append, 0

        async def refuse(run_id: str, lines: Any) -> None:
            nonlocal times
            times += 1
            if times == 3:
                raise no_room()
            await append(run_id, lines)

        monkeypatch.setattr(served.store, "append", refuse)
        asked = await served.ask(await served.create())
        assert await served.over(asked["run_id"]) == "interrupted"
        ended = await told(served, "workflow_complete")
        assert [event.data["status"] for event in ended] == ["error"]
        projector = served.house.projector
        assert not projector._live
        assert not projector._settled
        again = await served.client.post(f"/api/runs/{asked['run_id']}/resume", json={})
        assert again.status_code in (200, 202), again.text
        assert await served.over(asked["run_id"]) == "completed"


async def test_what_is_still_prepared_when_the_server_stops_goes_on_at_the_next_start(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, preparing, go_on = carrying.prepare, anyio.Event(), anyio.Event()

    async def slowly(*given: Any) -> Prepared:
        preparing.set()
        await go_on.wait()
        return await really(*given)

    monkeypatch.setattr(carrying, "prepare", slowly)
    model = ScriptedModel(LONG, tokens_per_second=1)
    async with serve(models=[model], settings={"server": {"grace": 0}}) as served:
        asked = await served.ask(await served.create())
        with anyio.fail_after(20):
            await preparing.wait()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(served.house.executions.close)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
        assert (await served.store.records.execution(asked["run_id"])).status == "running"
    async with serve() as served:
        assert await served.over(asked["run_id"]) == "completed"


async def test_those_who_wait_for_what_is_queued_hear_that_the_server_stops(serve: Serve) -> None:
    heard: list[Exception] = []

    async def wait(service: WorkflowService, workflow_id: str) -> None:
        try:
            await service.execute_workflow(workflow_id, "second")
        except Stopping as error:
            heard.append(error)

    model = ScriptedModel(LONG, tokens_per_second=1)
    async with serve(models=[model], settings={"server": {"grace": 0}}) as served:
        workflow_id = await served.create()
        first = await served.ask(workflow_id, "first")
        await served.heard(first["run_id"], 1)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait, served.house.service, workflow_id)
                while len(await served.store.records.executions(workflow_id=workflow_id)) < 2:
                    await anyio.lowlevel.checkpoint()
                await served.house.executions.close()
        second = (await served.store.records.executions(workflow_id=workflow_id))[1]
        assert await served.house.executions.begun(second.run_id) is None
        assert second.status == "queued"
    assert [status_of(error) for error in heard] == [(503, "stopping")]  # type: ignore[arg-type]  # those it is


@pytest.mark.parametrize("error", [no_room(), ValueError("what is this?")])
@pytest.mark.parametrize("name", ["executions", "change_execution"])
async def test_a_queue_that_a_store_does_not_tell_is_looked_at_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    async with serve() as served:
        records = served.store.records
        really, refused = getattr(records, name), 0

        async def refuse(*given: Any, **named: Any) -> Any:
            nonlocal refused
            if not refused and (named == {"statuses": ["queued"]} or named.get("expected") == ["queued"]):
                refused += 1
                raise error
            return await really(*given, **named)

        workflow_id = await served.create()
        monkeypatch.setattr(records, name, refuse)
        asked = await served.ask(workflow_id)
        assert await served.over(asked["run_id"]) == "completed"
        assert refused == 1


async def test_what_goes_on_keeps_its_message_and_is_not_removed(serve: Serve) -> None:
    async with serve() as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id)
        await served.over(asked["run_id"])
        path = f"/api/queue/{asked['run_id']}"
        await served.store.records.change_execution(asked["run_id"], status="queued")  # as if it was to go on
        assert (await served.client.patch(path, json={"message": "another"})).status_code == 409
        assert (await served.client.delete(path)).status_code == 204
        row = await served.store.records.execution(asked["run_id"])
        assert (row.status, row.message) == ("interrupted", "Hello.")
        assert (await served.client.delete(f"/api/workflows/{workflow_id}")).status_code == 204
        assert await served.store.runs() == []


async def test_a_message_that_comes_while_its_workflow_is_deleted_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve() as served:
        records, house = served.store.records, served.house
        workflow_id = await served.create()
        add = records.add_execution

        async def slowly(row: ExecutionRow) -> ExecutionRow:
            kept = await add(row)
            holding.set()
            await held.wait()
            return kept

        async def ask() -> None:
            with pytest.raises(WorkflowGoes):
                await house.executions.ask(workflow_id, "m", "helper")

        holding, held = anyio.Event(), anyio.Event()
        monkeypatch.setattr(records, "add_execution", slowly)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await holding.wait()
                async with house.executions.held(workflow_id), house.executions.held(workflow_id):
                    held.set()
                    await anyio.wait_all_tasks_blocked()
                    with pytest.raises(WorkflowGoes):
                        await house.executions.ask(workflow_id, "m", "helper")
        assert not house.executions._held
        assert await records.executions(workflow_id=workflow_id) == []


async def test_a_repetition_of_a_repetition_is_shown_what_the_first_was_shown(serve: Serve) -> None:
    model = ScriptedModel("One.", "Two.", "Three.")
    async with serve(models=[model]) as served:
        asked = await served.ask(await served.create(), "First?")
        assert await served.over(asked["run_id"]) == "completed"
        run_id = asked["run_id"]
        for _ in range(2):
            again = await served.client.post(f"/api/runs/{run_id}/rerun", json={"mode": "all"})
            run_id = again.json()["run_id"]
            assert await served.over(run_id) == "completed"
    for seen in model.seen:
        shown = [part["content"] for message in seen.messages for part in message["parts"] if "content" in part]
        assert [text for text in shown if text in ("First?", "One.", "Two.")] == ["First?"]


async def test_an_answer_that_a_dying_server_did_not_keep_is_made_up_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        pass

    model = ScriptedModel("One.", "Two.")
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        with monkeypatch.context() as patched:
            patched.setattr(carrying, "keep_answer", dies)
            assert await served.over((await served.ask(workflow_id, "First?"))["run_id"]) == "completed"
        assert await served.over((await served.ask(workflow_id, "Second?"))["run_id"]) == "completed"
        held = await served.store.archive.messages(workflow_id)
    assert [message.role for message in held] == ["user", "assistant"] * 2
    shown = [part["content"] for message in model.seen[1].messages for part in message["parts"] if "content" in part]
    assert [text for text in shown if text in ("First?", "One.", "Second?")] == ["First?", "One.", "Second?"]


async def test_who_waits_for_room_starts_before_who_comes_later() -> None:
    room: Any = SimpleNamespace(run_settings=dict[str, Any])
    started: list[int] = []
    free = 0

    async def start(number: int) -> None:
        await runs.start(forever, number)
        started.append(number)

    async with Supervisor(lambda name, error: None) as supervisor:
        telemetry = open_telemetry(ServerTable())
        hub = Hub(MemoryStore(), ServerTable())
        runs = StepRuns(room, supervisor, hub, SpanUpdates(hub), telemetry, lambda: len(runs.runs) < free, lambda: None)
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(start, number)
                await anyio.wait_all_tasks_blocked()
                free = min(number, 1)  # the last one finds room, and others who wait for it
            assert started == []
            for free in (1, 2, 3):
                await runs.admit()
                await anyio.wait_all_tasks_blocked()
                assert started == list(range(free))


async def test_a_run_goes_on_once(serve: Serve) -> None:
    model = ScriptedModel(LONG, tokens_per_second=1)
    async with serve(models=[model], settings={"server": {"grace": 0}}) as served:
        agent = served.house.room.agent("helper")
        run_id = await served.house.executions.start_step(agent, "m")
        with pytest.raises(RunBusy):
            await served.house.executions.start_step(agent, "m", run_id=run_id)


async def test_more_room_is_used_at_once(serve: Serve) -> None:
    model = ScriptedModel(LONG, tokens_per_second=1, forever=True)
    async with serve(models=[model], settings={"server": {"grace": 0}}) as served:
        house = served.house
        limit = await served.client.patch("/api/settings", json={"server": {"max_concurrent_workflows": 1}})
        assert limit.status_code == 200, limit.text
        first, second = [await served.ask(await served.create()) for _ in range(2)]
        await served.heard(first["run_id"], 1)
        assert house.executions.run(second["run_id"]) is None
        limit = await served.client.patch("/api/settings", json={"server": {"max_concurrent_workflows": 2}})
        assert limit.status_code == 200, limit.text
        await served.heard(second["run_id"], 1)
