"""A disk that is full, a database that others hold or that cannot be written: told as such, and nothing is lost."""

import sqlite3
from contextlib import closing

import pytest
import sqlalchemy.event

from stretto.core.errors import StoreError
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow, Fold, WorkflowRow
from stretto.stores.backup import back_up
from stretto.stores.database import DatabaseUnavailable, why_unavailable
from stretto.stores.sql import SqlStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


class Disk:
    """Gives the connections of a store so many pages of 4 kB, and no more."""

    def __init__(self, store: SqlStore) -> None:
        self.pages = 1_000_000
        sqlalchemy.event.listen(store.database._reader, "checkout", self.bound)

    def bound(self, connection, *_) -> None:
        connection.execute(f"PRAGMA max_page_count={self.pages}").close()


def said(first: int, count: int, text: str = "x" * 1000) -> list[Line]:
    return [Line(seq, "said", "p", float(seq), f'{{"text":"{text}"}}') for seq in range(first, first + count)]


async def test_a_full_disk_is_told_and_what_was_acknowledged_is_kept_and_gone_on_with(path):
    async with SqlStore(path) as store:
        disk = Disk(store)
        records, owner = store.records, owner_of_this_process()
        await records.add_workflow(WorkflowRow(id="w", name="n", agent_id="a"))
        await records.add_execution(ExecutionRow(run_id="r", workflow_id="w", message="m", agent_id="a"))
        await store.claim("r", owner)
        await store.append("r", said(0, 10))
        disk.pages = 1  # SQLite takes what there is already as the least
        kept = 10
        full = None
        while full is None:
            try:
                await store.append("r", said(kept, 10))
                kept += 10
            except DatabaseUnavailable as error:
                full = str(error)
        assert "runs.db cannot be written: the disk is full; make room" in full
        rows = {"message": [{"id": f"m{number}", "created_at": 1.0, "text": "x" * 1000} for number in range(500)]}
        with pytest.raises(DatabaseUnavailable, match="the disk is full"):
            await records.keep([Fold(run_id="r", workflow_id="w", lines=kept, rows=rows)])
        with pytest.raises(DatabaseUnavailable, match="the disk is full"):
            await records.add_execution(ExecutionRow(run_id="r2", workflow_id="w", message="x" * 100_000, agent_id="a"))
        assert len(await store.read("r")) == kept
        assert await records.rows("message", "w") == []
        assert [row.run_id for row in await records.executions()] == ["r"]
        disk.pages = 1_000_000
        await store.append("r", said(kept, 10))
        await records.keep([Fold(run_id="r", workflow_id="w", lines=kept, rows=rows)])
        assert len(await records.rows("message", "w")) == 500
        await store.release("r", owner)
    async with SqlStore(path) as again:
        assert await again.read("r") == said(0, kept + 10)


async def test_a_database_that_another_process_holds_can_be_read_and_is_written_afterwards(path):
    async with SqlStore(path, busy_timeout=0.05) as store:
        await store.records.add_workflow(WorkflowRow(id="w", name="n", agent_id="a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailable, match=r"runs\.db is locked by another process; wait for it"):
                await store.records.change_workflow("w", name="new")
            assert (await store.records.workflow("w")).name == "n"
            other.execute("ROLLBACK")
        assert (await store.records.change_workflow("w", name="new")).name == "new"


async def test_a_database_that_is_locked_when_it_is_opened_is_told_and_opened_later(path):
    async with SqlStore(path) as made:
        await made.runs()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE").close()
        other.execute("BEGIN EXCLUSIVE")
        store = SqlStore(path, busy_timeout=0.05)
        with pytest.raises(StoreError, match="locked"):
            await store.records.workflows()
        other.execute("ROLLBACK")
    assert await store.records.workflows() == ([], 0)
    await store.close()


async def test_a_copy_for_which_there_is_no_room_is_told_and_leaves_nothing(path, tmp_path, monkeypatch):
    from stretto.stores import backup

    opened = backup._opened

    def small(file):
        connection = opened(file)
        if file.suffix == ".part":
            connection.execute("PRAGMA max_page_count=3").close()
        return connection

    monkeypatch.setattr(backup, "_opened", small)
    async with SqlStore(path) as store:
        await store.runs()
        with pytest.raises(DatabaseUnavailable, match=r"copy\.db cannot be written: the disk is full"):
            await back_up(store, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy.db*"))


def test_what_the_drivers_say_is_told_in_words():
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    read_only = sqlite3.OperationalError("attempt to write")
    read_only.sqlite_errorname = "SQLITE_READONLY_DBMOVED"
    postgres = OSError("could not extend file")
    postgres.sqlstate = "53100"
    assert "the disk is full" in why_unavailable(full)
    assert "the disk is full" in why_unavailable(postgres)
    assert "it is read-only" in why_unavailable(read_only)
    assert why_unavailable(OSError("odd")) == "does not answer as it should: odd"
