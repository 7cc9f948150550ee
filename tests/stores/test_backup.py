"""Copies of a database: made while others write, whole or not there at all, and put back in one transaction."""

import sqlite3
import sys
import threading
from contextlib import closing

import anyio
import pytest

from stretto.core.archive import NotKept
from stretto.core.errors import DatabaseRefused, DefinitionError, RunBusy
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import WorkflowRow
from stretto.stores import backup
from stretto.stores.backup import CopyRefused, back_up, restore
from stretto.stores.memory import MemoryStore
from stretto.stores.place import version_of_file
from stretto.stores.schema import VERSIONS
from stretto.stores.sole_server import AlreadyServed, sole_server
from stretto.stores.sql import SqlStore
from tests.stores.logs import keep
from tests.stores.postgres_server import address

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


async def filled(path, name: str) -> None:
    async with SqlStore(path) as store:
        await keep(store, f"run-{name}")
        await store.records.add_workflow(WorkflowRow(id=name, name=name, agent_id="a"))


async def test_a_copy_is_put_back_whole_and_what_was_there_is_kept_beside_it(path, tmp_path):
    await filled(path, "first")
    copy = tmp_path / "copy.db"
    async with SqlStore(path) as store:
        size = await back_up(store, copy)
    assert size == copy.stat().st_size > 0
    assert copy.stat().st_mode & 0o777 == 0o600
    await filled(path, "second")
    async with SqlStore(path) as store:
        before = tmp_path / "runs.db.before-restore"
        assert await restore(store, copy, replace=True) == (1, 1, before)
        assert [run.id for run in await store.runs()] == ["run-first"]
        with pytest.raises(NotKept):
            await store.records.workflow("second")
    async with SqlStore(before) as store:
        assert {run.id for run in await store.runs()} == {"run-first", "run-second"}
    assert {found.name for found in tmp_path.iterdir()} == {
        "runs.db", "runs.db.server", "copy.db", "runs.db.before-restore",
    }  # fmt: skip


async def test_a_copy_is_put_where_nothing_was(path, tmp_path):
    await filled(path, "first")
    async with SqlStore(path) as store:
        await back_up(store, tmp_path / "copy.db")
    async with SqlStore(tmp_path / "other.db") as store:
        assert await restore(store, tmp_path / "copy.db") == (1, 1, None)
    assert (tmp_path / "other.db").stat().st_mode & 0o777 == 0o600


async def test_a_copy_of_what_is_being_written_is_a_prefix_and_its_writer_goes_on(path, tmp_path):
    async with SqlStore(path) as store:
        owner = owner_of_this_process()
        await store.claim("r", owner)
        seq = 0
        copied: list[int] = []
        done = threading.Event()

        def copies() -> None:
            for number in range(5):
                backup._copy(path, tmp_path / f"copy{number}.db", False)
                copied.append(seq)
            done.set()

        thread = threading.Thread(target=copies)
        thread.start()
        while not done.is_set():
            await store.append("r", [Line(n, "said", "p", float(n), '{"text":"x"}') for n in range(seq, seq + 50)])
            seq += 50
        thread.join()
        await store.release("r", owner)
        assert len(await store.read("r")) == seq
    for number in range(5):
        async with SqlStore(tmp_path / f"copy{number}.db") as store:
            found = (await store.summary("r")).events if await store.ids("r") else 0
            assert found == 0 or len(await store.read("r")) == found
            assert found % 50 == 0
            assert found <= copied[number] + 50


async def test_an_open_reader_sees_what_was_put_back(path, tmp_path):
    await filled(path, "first")
    async with SqlStore(path) as store, SqlStore(path) as reader:
        await back_up(store, tmp_path / "copy.db")
        await keep(store, "later")
        assert len(await reader.runs()) == 2
        await restore(store, tmp_path / "copy.db", replace=True)
        assert [run.id for run in await reader.runs()] == ["run-first"]
        await keep(reader, "after")
        assert len(await store.runs()) == 2


async def test_what_would_take_something_away_is_refused(path, tmp_path):
    await filled(path, "first")
    copy = tmp_path / "copy.db"
    async with SqlStore(path) as store:
        with pytest.raises(CopyRefused, match=r"runs.db is there already; that is the database itself"):
            await back_up(store, path, replace=True)
        with pytest.raises(CopyRefused, match="is the database itself; name a copy"):
            await restore(store, path, replace=True)
        copy.write_text("mine")
        with pytest.raises(CopyRefused, match=r"copy\.db is there already; choose another name, or add --force"):
            await back_up(store, copy)
        assert copy.read_text() == "mine"
        await back_up(store, copy, replace=True)
        with pytest.raises(CopyRefused, match=r"runs\.db holds runs already; add --force"):
            await restore(store, copy)
        with pytest.raises(CopyRefused, match="cannot be written: No such file or directory"):
            await back_up(store, tmp_path / "none" / "copy.db")
    async with SqlStore(tmp_path / "nothing.db") as store:
        with pytest.raises(CopyRefused, match=r"nothing.db holds no database"):
            await back_up(store, tmp_path / "copy2.db")
    assert not list(tmp_path.glob(".*.part"))


async def test_only_a_whole_copy_of_ours_is_put_back(path, tmp_path):
    await filled(path, "first")
    foreign, newer, damaged = (tmp_path / name for name in ("foreign.db", "newer.db", "damaged.db"))
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE songs (name)")
        connection.commit()
    async with SqlStore(path) as store:
        await back_up(store, newer)
        await back_up(store, damaged)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE stretto_version SET version_num = '9999'")
        connection.commit()
    with closing(sqlite3.connect(damaged)) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    content = bytearray(damaged.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = b"\xff" * 4096
    damaged.write_bytes(content)
    async with SqlStore(path) as store:
        for file, error, why in (
            (foreign, DatabaseRefused, "belongs to something else"), (damaged, CopyRefused, "damaged.db is damaged"),
            (newer, DatabaseRefused, "a newer Stretto"), (tmp_path / "no.db", CopyRefused, "holds no database"),
        ):  # fmt: skip
            with pytest.raises(error, match=why):
                await restore(store, file, replace=True)
        assert [run.id for run in await store.runs()] == ["run-first"]


async def test_nothing_is_put_back_under_a_server_or_a_live_run(path, tmp_path):
    await filled(path, "first")
    async with SqlStore(path) as store:
        await back_up(store, tmp_path / "copy.db")
        async with sole_server(store):
            with pytest.raises(AlreadyServed, match="served by process"):
                await restore(store, tmp_path / "copy.db", replace=True)
            await back_up(store, tmp_path / "copy2.db")  # a copy can be made at any time
        owner = owner_of_this_process()
        await store.claim("run-first", owner)
        with pytest.raises(RunBusy, match="run 'run-first' is being written"):
            await restore(store, tmp_path / "copy.db", replace=True)
        await store.release("run-first", owner)
        await restore(store, tmp_path / "copy.db", replace=True)


KILLED_WHILE_RESTORING = """
import os, sqlite3, sys
from pathlib import Path
from stretto.stores import backup
from stretto.stores.sql import SqlStore

class Dies(sqlite3.Connection):
    def backup(self, target, **_):
        super().backup(target, pages=5, progress=lambda *_: os._exit(9))

backup._opened = lambda path: sqlite3.connect(path, timeout=1, isolation_level=None, factory=Dies)
backup._copy = lambda *_: 0
backup._put_back(SqlStore(sys.argv[1]).database, Path(sys.argv[2]), True)
"""


async def test_a_process_killed_while_it_restores_leaves_what_was_there(path, tmp_path):
    await filled(path, "first")
    async with SqlStore(path) as store:
        await back_up(store, tmp_path / "copy.db")
    await filled(path, "second")
    command = [sys.executable, "-c", KILLED_WHILE_RESTORING, path, tmp_path / "copy.db"]
    died = await anyio.run_process(command, check=False)
    assert died.returncode == 9
    async with SqlStore(path) as store:
        assert {run.id for run in await store.runs()} == {"run-first", "run-second"}


async def test_a_copy_of_an_older_version_is_brought_to_todays(path, tmp_path):
    from tests.stores.test_migrations import database_of_version

    old = tmp_path / "old.db"
    await database_of_version(str(old), "0001")
    async with SqlStore(path) as store:
        assert (await restore(store, old)).runs == 1
    assert version_of_file(path) == VERSIONS[-1]


async def test_other_stores_say_how_they_are_copied(tmp_path):
    with pytest.raises(DefinitionError, match="a store in memory cannot be copied"):
        await back_up(MemoryStore(), tmp_path / "copy.db")
    async with SqlStore(address()) as store:
        with pytest.raises(DefinitionError, match="type: pg_dump --format=custom"):
            await restore(store, tmp_path / "copy.db")
