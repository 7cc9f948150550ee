"""What every store does with rows that no longer count, and with rows that tell their time as text."""

import pytest

from stretto.core.records import ExecutionRow, Fold, WorkflowRow
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def records(request, tmp_path):
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "sqlite":
        made = SqlStore(tmp_path / "runs.db")
    else:
        made = SqlStore(await empty_tables())
    async with made:
        for id in ("w", "v"):
            await made.records.add_workflow(WorkflowRow(id=id, name=id, agent_id="a"))
            row = ExecutionRow(run_id=f"r-{id}", workflow_id=id, message="m", agent_id="a")
            await made.records.add_execution(row)
        yield made.records


def fold(id: str, rows=(), removed=(), table="thinking_step") -> Fold:
    return Fold(run_id=f"r-{id}", workflow_id=id, lines=1, rows={table: list(rows)}, removed={table: list(removed)})


async def test_rows_that_no_longer_count_are_removed_from_their_table_only(records):
    kept = [{"id": "a", "created_at": 1.0}, {"id": "b", "created_at": 2.0}]
    other = {"id": "c", "created_at": 1.0}
    await records.keep([fold("w", kept), fold("v", [other]), fold("w", [kept[0]], table="message")])
    await records.keep([fold("w", [{"id": "d", "created_at": 3.0}], removed=["a", "never there"])])
    assert [row["id"] for row in await records.rows("thinking_step", "w")] == ["b", "d"]
    assert await records.rows("thinking_step", "v") == [other]
    assert await records.rows("message", "w") == [kept[0]]


async def test_a_row_may_tell_its_time_as_text_which_is_kept_as_it_is(records):
    late, early = "2026-01-01T00:00:02+00:00", "2026-01-01T02:00:01+02:00"
    await records.keep([fold("w", [{"id": "a", "created_at": late}, {"id": "b", "created_at": early}])])
    rows = await records.rows("thinking_step", "w")
    assert [(row["id"], row["created_at"]) for row in rows] == [("b", early), ("a", late)]
