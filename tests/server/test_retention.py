"""What the settings do not keep is removed beside everything else, and those who watch are told."""

import time

import anyio
import anyio.lowlevel
import pytest

from stretto.configuring.settings import ServerTable
from stretto.core.archive import NotKept
from stretto.core.errors import StoreError
from stretto.core.records import WorkflowRow
from stretto.server.hub import Hub
from stretto.server.retention import Retention
from stretto.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def store():
    async with MemoryStore() as made:
        await made.records.add_workflow(WorkflowRow(id="old", name="old", agent_id="helper", updated_at=1.0))
        yield made


async def test_a_server_keeps_workflows_as_long_as_its_settings_say(serve, store):
    await store.records.add_workflow(WorkflowRow(id="young", name="young", agent_id="helper", updated_at=time.time()))
    async with serve(store=store, settings={"server": {"keep_days": 1}}) as served:
        with anyio.fail_after(20):
            while (await served.client.get("/api/workflows")).json()["total"] > 1:
                await anyio.lowlevel.checkpoint()
        with pytest.raises(NotKept):
            await store.records.workflow("old")
    async with serve(store=store) as served:
        assert served.house.settings.server.keep_days is None
        assert (await served.client.get("/api/workflows")).json()["total"] == 1


async def test_a_workflow_that_is_gone_on_with_while_others_are_removed_stays(store, monkeypatch):
    await store.records.change_workflow("old", updated_at=time.time())

    async def silent_workflows(before):
        return ["old"]  # as it was a moment ago

    monkeypatch.setattr(store.records, "silent_workflows", silent_workflows)
    hub = Hub(store, ServerTable())
    await Retention(store, hub, lambda: 1.0).once()
    assert (await store.records.workflow("old")).name == "old"


async def test_a_store_in_trouble_is_tried_again_and_a_removal_is_announced(store, monkeypatch, caplog):
    monkeypatch.setattr("stretto.server.retention.EVERY", 0.0)
    hub = Hub(store, ServerTable())
    told = anyio.Event()
    heard: list[tuple] = []

    def announce(name, payload) -> None:
        heard.append((name, payload))
        told.set()

    hub.announce = announce
    forgotten: list[str] = []
    hub.forget = forgotten.append
    days = iter([StoreError("no room"), 1.0])

    def keep_days() -> float | None:
        said = next(days, None)
        if isinstance(said, StoreError):
            raise said
        return said

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Retention(store, hub, keep_days).work)
        with anyio.fail_after(20):
            await told.wait()
        tasks.cancel_scope.cancel()
    assert heard == [("workflow_update", {"workflow_id": "old", "status": "deleted"})]
    assert forgotten == ["old"]
    assert "nothing old was removed: no room" in caplog.text
