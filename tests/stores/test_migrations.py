"""Databases of every version with data in them: today's store finds all of it, and adds to it."""

import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from stretto.core.archive import Conversation, Document, Memory, StoredMessage, Todo
from stretto.core.errors import DatabaseRefused
from stretto.core.journal import owner_of_this_process
from stretto.core.records import ExecutionRow, Fold, WorkflowRow
from stretto.stores import archive_queries, archive_search, queries
from stretto.stores.database import database_at
from stretto.stores.place import version_of_file
from stretto.stores.schema import VERSIONS
from stretto.stores.sql import SqlStore
from stretto.stores.summary import Tally
from tests.stores.logs import ended, started, step, written
from tests.stores.postgres_server import empty_database

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def database_of_version(place: str, version: str) -> None:
    """Makes a database as a version made it, with something in every table of that version."""

    def make(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "stretto.stores:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        put_run(connection)
        if version >= "0002":
            put_archive(connection)

    database = database_at(place, 30.0)
    database._opened = True  # without the migrations of today
    await database.write(make)
    await database.close()


def put_run(connection: sa.Connection) -> None:
    owner = owner_of_this_process()
    claimed = queries.claim(connection, "r1", owner)
    lines = written([started("r1"), *step("a", 0.0, 1.0, "x" * 100_000), ended(2.0)])
    tally = Tally("r1", 0.0)
    queries.append(connection, claimed._replace(tally=tally), owner, lines, tally.add(lines))
    queries.release(connection, "r1", owner)


def put_archive(connection: sa.Connection) -> None:
    archive_search.add(connection, Memory(id="m1", type="context", content="kept words", workflow_id="w"))
    archive_queries.add_todo(connection, Todo(id="t1", workflow_id="w", name="first"))
    archive_queries.add_todo(connection, Todo(id="t2", workflow_id="w", name="second", dependencies=("t1",)))
    talk = Conversation(id="w", title="talk", agent_id="a", created_at=1.0, updated_at=1.0)
    archive_queries.begin_conversation(connection, talk)
    said = StoredMessage(seq=0, role="user", body={"text": "é"}, at=1.0)
    archive_queries.add_messages(connection, "w", [said])
    archive_queries.put_document(connection, Document(kind="agent", id="d", name="n", body={"x": 1}), True)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_database_of_any_version_keeps_what_is_in_it_and_takes_records(tmp_path, kind, version):
    place = str(tmp_path / "runs.db") if kind == "sqlite" else await empty_database()
    await database_of_version(place, version)
    if kind == "sqlite":
        assert version_of_file(tmp_path / "runs.db") == version
    async with SqlStore(place) as store:
        assert (await store.events("r1"))[2].output == "x" * 100_000
        assert await store.durations("a") == [1.0]
        if version >= "0002":
            assert [held.id for held, _ in await store.archive.match_memories("words")] == ["m1"]
            assert [todo.dependencies for todo in await store.archive.todos("w")] == [(), ("t1",)]
            assert [held.body for held in await store.archive.messages("w")] == [{"text": "é"}]
            assert (await store.archive.document("agent", "n")).body == {"x": 1}
        await store.records.add_workflow(WorkflowRow(id="w", name="later", agent_id="a"))
        await store.records.add_execution(ExecutionRow(run_id="r1", workflow_id="w", message="m", agent_id="a"))
        row = {"id": "x", "created_at": 1.0}
        await store.records.keep([Fold(run_id="r1", workflow_id="w", lines=4, rows={"message": [row]})])
        assert await store.records.rows("message", "w") == [row]
        await store.records.delete_workflow("w")
        assert await store.runs() == []
        assert await store.archive.memories() == []
    if kind == "sqlite":
        assert version_of_file(tmp_path / "runs.db") == VERSIONS[-1]


async def test_a_database_of_a_newer_version_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "runs.db"
    await database_of_version(str(path), VERSIONS[-1])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE stretto_version SET version_num = '0004'")
        connection.commit()
    content = path.read_bytes()
    store = SqlStore(path)
    with pytest.raises(DatabaseRefused, match=r"a newer Stretto made it \(version 0004; .*; it was not changed"):
        await store.records.workflows()
    await store.close()
    assert path.read_bytes() == content


async def test_a_newer_postgresql_database_is_refused():
    place = await empty_database()
    await database_of_version(place, VERSIONS[-1])
    database = database_at(place, 30.0)
    database._opened = True
    await database.write(lambda connection: connection.exec_driver_sql("UPDATE stretto_version SET version_num = '9'"))
    await database.close()
    async with SqlStore(place) as store:
        with pytest.raises(DatabaseRefused, match="a newer Stretto made it"):
            await store.records.workflows()
    await empty_database()
