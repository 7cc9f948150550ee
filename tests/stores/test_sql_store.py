"""What only a store on disk must do: survive, wait, refuse, migrate, and be quick."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from stretto.core.errors import DatabaseRefused, DefinitionError, RunBusy, RunNotFound, StoreError
from stretto.core.events import StepCompleted, StepStarted
from stretto.core.journal import Line, owner_of_this_process
from stretto.stores import database, owner, sql
from stretto.stores.schema import VERSION_TABLE, VERSIONS, metadata
from stretto.stores.sql import SqlStore
from tests.stores.logs import DEAD, keep, started, step, written
from tests.stores.postgres_server import empty_database

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Starts a process that runs this code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# -- crashes and other processes ---------------------------------------------------------------------------------------

WRITES_FOR_EVER = """
import asyncio, sys
from stretto.core.journal import Line, owner_of_this_process
from stretto.stores.sql import SqlStore

async def main():
    store = SqlStore(sys.argv[1])
    await store.claim("r1", owner_of_this_process())
    seq = 0
    while True:
        size = 1 + seq * 7 % 50
        await store.append("r1", [Line(n, "said", f"p{n}", n / 3, '{"text":"%d"}' % n) for n in range(seq, seq + size)])
        seq += size
        print(seq, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("groups", [1, 40])
async def test_a_killed_process_leaves_a_prefix_with_all_that_was_acknowledged(path, groups):
    with python(WRITES_FOR_EVER, path) as child:
        acknowledged = [int(child.stdout.readline()) for _ in range(groups)][-1]
        child.kill()
        acknowledged = max([acknowledged, *(int(line) for line in child.stdout if line.endswith("\n"))])
    async with SqlStore(path) as store:
        assert (await store.summary("r1")).status == "interrupted"
        found = await store.read("r1")
        assert len(found) >= acknowledged
        assert found == [Line(n, "said", f"p{n}", n / 3, f'{{"text":"{n}"}}') for n in range(len(found))]
        assert await store.claim("r1", owner_of_this_process()) == len(found)


OPENS_AND_WRITES = """
import asyncio, sys
from stretto.core.journal import Line, owner_of_this_process
from stretto.stores.sql import SqlStore

async def main():
    name = sys.argv[2]
    input()
    async with SqlStore(sys.argv[1]) as store:
        await store.claim(name, owner_of_this_process())
        for n in range(20):
            await store.append(name, [Line(n, "said", "", n, "{}")])

asyncio.run(main())
"""


async def test_several_processes_may_make_and_fill_one_database_at_once(path):
    children = [python(OPENS_AND_WRITES, path, f"r{n}") for n in range(2)]
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    async with SqlStore(path) as store:
        assert sorted((run.id, run.events) for run in await store.runs()) == [("r0", 20), ("r1", 20)]


async def test_a_writer_waits_for_another_as_long_as_busy_timeout_says(path):
    async with SqlStore(path) as patient:
        await keep(patient, "r1")
    async with SqlStore(path, busy_timeout=0.05) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert len(await store.runs()) == 1
            began = time.monotonic()
            with pytest.raises(StoreError, match="is locked by another process"):
                await store.claim("r1", owner_of_this_process())
            assert time.monotonic() - began < 3
            other.execute("ROLLBACK")
        assert await store.claim("r1", owner_of_this_process()) == 4
    with pytest.raises(DefinitionError, match="busy_timeout must be more than 0"):
        SqlStore(path, busy_timeout=0)


async def test_who_was_given_up_for_dead_cannot_write_any_more(path, monkeypatch):
    async with SqlStore(path) as first, SqlStore(path) as second:
        await first.claim("r1", DEAD)
        await first.append("r1", written([started("r1")]))
        with monkeypatch.context() as silence:
            silence.setattr(owner, "SILENCE", -1.0)
            await second.claim("r1", owner_of_this_process())
        with pytest.raises(RunBusy, match="is being written by"):
            await first.append("r1", written(step("a", 0.0, 1.0), 1))
        await second.append("r1", written([StepStarted("b", 0.0)], 1))
        await second.close()
        with pytest.raises(RunBusy, match="written by nobody, for it was given back"):
            await first.append("r1", written(step("a", 0.0, 1.0), 2))
    async with SqlStore(path) as third:
        assert [line.path for line in await third.read("r1")] == ["", "b"]


async def test_a_run_that_was_deleted_under_its_writer_is_not_found(path):
    async with SqlStore(path) as store:
        await keep(store, "r1", release=False)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DELETE FROM run")
        with pytest.raises(RunNotFound):
            await store.append("r1", written(step("a", 0.0, 1.0), 4))


async def test_two_claims_under_one_name_do_not_mix_their_lines(path):
    async with SqlStore(path) as first, SqlStore(path) as second:
        await keep(first, "r1", [started("r1")], release=False)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE run SET lines = 2")
        with pytest.raises(StoreError, match="has got lines since place 1 was read"):
            await first.append("r1", written(step("a", 0.0, 1.0), 1))
        assert (await second.summary("r1")).events == 2


async def test_an_owner_that_polls_gives_signs_of_life(path, monkeypatch):
    async with SqlStore(path) as store:
        await keep(store, "r1", [started("r1")], release=False)

        def heartbeat() -> float:
            with closing(sqlite3.connect(path)) as other:
                return other.execute("SELECT heartbeat FROM run").fetchone()[0]

        before = heartbeat()
        assert not await store.cancel_requested("r1")
        assert heartbeat() == before
        monkeypatch.setattr(sql, "BEAT", -1.0)
        assert not await store.cancel_requested("r1")
        assert heartbeat() > before


async def test_a_cancelled_append_writes_all_or_nothing_and_the_next_one_goes_on(path):
    import asyncio

    async with SqlStore(path) as store:
        await keep(store, "r1", [started("r1")], release=False)
        for turns in range(6):
            task = asyncio.ensure_future(store.append("r1", written(step("a", 0.0, 1.0), len(await store.read("r1")))))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await store._database.write(lambda connection: None)
        count = len(await store.read("r1"))
        assert count % 2 == 1
        await store.append("r1", written(step("b", 1.0, 2.0), count))
        assert (await store.summary("r1")).events == count + 2 == len(await store.read("r1"))


async def test_a_failed_commit_leaves_nothing_and_can_be_repeated(path):
    async with SqlStore(path) as store:
        await keep(store, "r1", [started("r1")], release=False)
        lines = written(step("a", 0.0, 1.0), 1)

        def full(connection, cursor, statement, *_rest):
            if "step_duration" in statement:
                raise sqlite3.OperationalError("database or disk is full")

        sa.event.listen(store._database._reader, "before_cursor_execute", full)
        with pytest.raises(Exception, match="disk is full"):
            await store.append("r1", lines)
        sa.event.remove(store._database._reader, "before_cursor_execute", full)
        assert len(await store.read("r1")) == 1
        await store.append("r1", lines)
        assert (await store.summary("r1")).steps.completed == 1
        assert await store.durations("a") == [1.0]


async def test_text_that_no_database_takes_is_refused_with_a_sentence(path):
    async with SqlStore(path) as store:
        await keep(store, "r1", [started("r1")], release=False)
        with pytest.raises(StoreError, match=r"half a Unicode pair: '.udc80'"):
            await store.append("r1", [Line(1, "said", "\udc80", 0.0, "{}")])
        await store.append("r1", written([StepStarted("a", 0.0), StepCompleted("a", 1.0, "\udc80é")], 1))
        assert (await store.events("r1"))[2].output == "\udc80é"


# -- on disk -----------------------------------------------------------------------------------------------------------


async def test_commits_are_synced_foreign_keys_hold_and_only_the_user_reads_the_file(path):
    async with SqlStore(path) as store:
        await store.runs()
        asked = {}

        def ask(connection):
            for pragma in ("synchronous", "journal_mode", "foreign_keys"):
                asked[pragma] = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()

        await store._database.write(ask)
    assert asked == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_large_value_is_on_disk_once(path):
    large = os.urandom(100_000).hex()
    async with SqlStore(path) as store:
        for run_id in ("r1", "r2"):
            await keep(store, run_id, [started(run_id), *step("a", 0.0, 1.0, large), *step("b", 1.0, 2.0, large)])
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT count(*) FROM value").fetchone() == (1,)
            assert other.execute("SELECT count(*) FROM event_value").fetchone() == (4,)
            assert other.execute("SELECT max(length(data)) FROM event").fetchone()[0] < 1000
            await store.prune(statuses=["interrupted"])
            assert other.execute("SELECT count(*) FROM value").fetchone() == (0,)


async def test_twenty_thousand_events_are_written_in_a_moment(path):
    async with SqlStore(path) as store:
        events = [started("r1"), *(event for n in range(10_000) for event in step(f"map[{n}]", n, n + 1))]
        lines = written(events)
        await store.claim("r1", owner_of_this_process())
        began, cpu = time.perf_counter(), time.thread_time()
        for at in range(0, len(lines), 4000):
            await store.append("r1", lines[at : at + 4000])
        took, cpu = time.perf_counter() - began, time.thread_time() - cpu
    assert took < 3  # 0.1 s on a quiet machine
    assert cpu < 0.5  # 0.02 s


async def test_the_database_is_opened_without_alembic_when_it_is_up_to_date(path):
    async with SqlStore(path) as store:
        await keep(store, "r1")
    code = (
        "import asyncio, sys\n"
        "from stretto.stores.sql import SqlStore\n"
        "print(len(asyncio.run(SqlStore(sys.argv[1]).runs())), 'alembic' in sys.modules)"
    )
    assert python(code, path).communicate()[0] == "1 False\n"


def test_the_abstract_store_and_the_one_in_memory_import_nothing_heavy():
    code = (
        "import sys, stretto.stores.store, stretto.stores.memory\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'anyio', 'psutil') if name in sys.modules])"
    )
    assert python(code).communicate()[0] == "[]\n"


# -- migrations --------------------------------------------------------------------------------------------------------


def test_the_versions_are_those_that_the_migrations_lead_through():
    config = Config()
    config.set_main_option("script_location", "stretto.stores:migrations")
    config.set_main_option("path_separator", "os")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == VERSIONS


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_migrations_make_what_the_schema_says(path, kind):
    async with SqlStore(path if kind == "sqlite" else await empty_database()) as store:

        def differences(connection):
            options = {
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, *_: not str(name).startswith("memory_words"),  # the search, see 0002
            }
            return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

        assert await store.runs() == []
        assert await store._database.read(differences) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_migration_that_fails_leaves_nothing_behind(path, kind):
    address = path if kind == "sqlite" else await empty_database()

    def sabotage(connection, cursor, statement, *_rest):
        if "CREATE TABLE answer" in statement:
            raise RuntimeError("the power is out")

    sa.event.listen(sa.Engine, "before_cursor_execute", sabotage)
    try:
        async with SqlStore(address) as store:
            with pytest.raises(RuntimeError, match="power"):
                await store.runs()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", sabotage)
    async with SqlStore(address) as store:
        await keep(store, "r1")
        assert len(await store.runs()) == 1


async def test_who_comes_second_finds_the_migration_done(path):
    async with SqlStore(path) as store:
        await store.runs()
        await store._database.write(database.migrate, str(path))
        assert await store.runs() == []


# -- what is refused ---------------------------------------------------------------------------------------------------


async def refusal_of(path):
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    async with SqlStore(path) as store:
        for use in (store.runs(), store.claim("r1", "me")):
            with pytest.raises(DatabaseRefused) as caught:
                await use
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()} == before
    return str(caught.value)


async def test_a_newer_database_is_refused(path):
    async with SqlStore(path) as store:
        await keep(store, "r1")
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE stretto_version SET version_num = '9999'")
    assert "a newer Stretto made it (version 9999; this one knows versions up to 0003)" in await refusal_of(path)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM stretto_version")
    assert "holds 0 versions instead of one" in await refusal_of(path)


async def test_a_foreign_database_is_refused(path):
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE bookmarks (url)")
    assert "it belongs to something else (its tables are bookmarks)" in await refusal_of(path)
    with closing(sqlite3.connect(path)) as other, other:
        for name in ("run", "event", "visits"):
            other.execute(f"CREATE TABLE {name} (x)")
    assert "(its tables are bookmarks, event, run ...)" in await refusal_of(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode=WAL")
    assert "(its tables are bookmarks, event, run ...)" in await refusal_of(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE addresses (x)")
        async with SqlStore(path) as store:  # what is only in the write-ahead log is seen
            with pytest.raises(DatabaseRefused, match="its tables are addresses, bookmarks, event"):
                await store.runs()


async def test_what_is_no_database_is_refused(path):
    path.write_bytes(b"dear diary, today I wrote a test\n")
    assert "it is no SQLite database; it was not changed" in await refusal_of(path)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert "it is damaged" in await refusal_of(path)
    async with SqlStore(path.parent) as store:
        with pytest.raises(DatabaseRefused, match="it is a directory"):
            await store.runs()


async def test_an_empty_file_becomes_a_database(path):
    path.touch()
    async with SqlStore(path) as store:
        assert await store.runs() == []


async def test_damage_that_shows_later_is_told_without_a_traceback_of_the_driver(path):
    async with SqlStore(path) as store:
        await keep(store, "r1")
    raw = path.read_bytes()
    path.write_bytes(raw[:8192] + b"\xff" * (len(raw) - 8192))
    async with SqlStore(path) as store:
        with pytest.raises(StoreError, match=r"malformed|damaged|not a database"):
            await store.runs()


async def test_a_place_that_does_not_exist_or_is_forbidden_is_told(path, monkeypatch):
    async with SqlStore(path.parent / "no" / "runs.db") as store:
        with pytest.raises(StoreError, match="no does not exist; make it, or choose another place"):
            await store.runs()
    with monkeypatch.context() as forbidden:
        forbidden.setattr(os, "access", lambda *_: False)
        async with SqlStore(path) as store:
            with pytest.raises(StoreError, match="permission denied; choose another place"):
                await store.runs()
    async with SqlStore(path.parent / ("x" * 300)) as store:
        with pytest.raises(StoreError, match=r"cannot be (read|made): File name too long"):
            await store.runs()


async def test_a_foreign_postgresql_database_is_refused_only_where_our_names_are_taken(path):
    import asyncpg

    address = await empty_database()
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE bookmarks (url text)")
    async with SqlStore(address) as store:
        assert await store.runs() == []
    address = await empty_database()
    await connection.execute("CREATE TABLE event (url text)")
    async with SqlStore(address) as store:
        with pytest.raises(DatabaseRefused, match="its tables are event"):
            await store.runs()
    await empty_database()
    await connection.close()


async def test_a_server_that_is_not_there_is_told_without_its_password():
    async with SqlStore("postgresql://ann:secret@127.0.0.1:1/runs") as store:
        assert store.place == "postgresql://ann:***@127.0.0.1:1/runs"
        with pytest.raises(StoreError, match="cannot be reached") as caught:
            await store.runs()
    assert "secret" not in str(caught.value)


def test_an_address_that_cannot_hold_runs_is_refused(monkeypatch):
    for address, why in {
        "mysql://host/name": "cannot be kept in 'mysql'",
        "sqlite://": "names no file",
        "sqlite:///:memory:": "take a MemoryStore",
        "://": "cannot be read",
    }.items():
        with pytest.raises(DefinitionError, match=why):
            SqlStore(address)
    monkeypatch.setattr(database.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DefinitionError, match="needs asyncpg"):
        SqlStore("postgresql://host/name")


# -- where it is -------------------------------------------------------------------------------------------------------


def test_the_default_place_is_the_users_state_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("STRETTO_DATABASE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert SqlStore.default().place == str(tmp_path / "state" / "stretto" / "runs.db")
    assert (tmp_path / "state" / "stretto").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert SqlStore.default().place == str(tmp_path / ".local" / "state" / "stretto" / "runs.db")
    monkeypatch.setenv("STRETTO_DATABASE", str(tmp_path / "mine.db"))
    assert SqlStore.default().place == str(tmp_path / "mine.db")
    monkeypatch.delenv("STRETTO_DATABASE")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="cannot be made: Not a directory; set STRETTO_DATABASE"):
        SqlStore.default()


def test_a_place_may_be_a_path_from_home_or_an_address(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert SqlStore("~/runs.db").place == str(tmp_path / "runs.db")
    assert SqlStore("sqlite:////var/runs.db").place == "/var/runs.db"
    assert SqlStore("sqlite+aiosqlite:////var/runs.db").place == "/var/runs.db"
