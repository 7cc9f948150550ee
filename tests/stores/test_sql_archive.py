"""What only an archive on disk must do: come after the first tables, keep its search whole, and be quick."""

import time

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from stretto.core.archive import Memory
from stretto.core.journal import owner_of_this_process
from stretto.stores import archive_search, queries
from stretto.stores.archive_schema import memory
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


def make_0001(connection: sa.Connection) -> None:
    """Makes a database as the first version made it, with a run in it."""
    config = Config()
    config.set_main_option("script_location", "stretto.stores:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    owner = owner_of_this_process()
    claimed = queries.claim(connection, "r1", owner)
    lines = written([started("r1"), *step("a", 0.0, 1.0, "x" * 100_000), ended(2.0)])
    tally = Tally("r1", 0.0)
    queries.append(connection, claimed._replace(tally=tally), owner, lines, tally.add(lines))
    queries.release(connection, "r1", owner)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_database_of_the_first_version_keeps_its_runs_and_gets_an_archive(tmp_path, kind):
    place = str(tmp_path / "runs.db") if kind == "sqlite" else await empty_database()
    database = database_at(place, 30.0)
    database._opened = True  # without the migrations of today
    await database.write(make_0001)
    await database.close()
    if kind == "sqlite":
        assert version_of_file(tmp_path / "runs.db") == "0001"
    async with SqlStore(place) as store:
        assert (await store.events("r1"))[2].output == "x" * 100_000
        assert await store.archive.memories() == []
        await store.archive.add_memory(Memory(id="m1", type="context", content="after the change"))
        assert [held.id for held, _ in await store.archive.match_memories("change")] == ["m1"]
    if kind == "sqlite":
        assert version_of_file(tmp_path / "runs.db") == VERSIONS[-1]


async def test_ten_thousand_memories_are_listed_and_searched_quickly_and_the_search_stays_whole(tmp_path):
    async with SqlStore(tmp_path / "runs.db") as store:

        def fill(connection):
            rows = [
                archive_search._values(
                    connection,
                    Memory(id=f"m{n}", type="knowledge", content=f"note {n} of w{n % 7}", created_at=float(n)),
                )
                for n in range(10_000)
            ]
            connection.execute(sa.insert(memory), rows)

        await store._database.write(fill)
        began = time.monotonic()
        assert [held.id for held in await store.archive.memories(limit=2)] == ["m9999", "m9998"]
        assert len(await store.archive.match_memories("note w3")) == 10
        assert time.monotonic() - began < 2
        assert await store.archive.clear_memories(["knowledge"], "general") == 10_000
        await store._database.write(
            lambda connection: connection.exec_driver_sql(
                "INSERT INTO memory_words (memory_words, rank) VALUES ('integrity-check', 1)"
            )
        )
