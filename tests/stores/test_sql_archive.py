"""What only an archive on disk must do: come after the first tables, keep its search whole, and be quick."""

import time

import pytest
import sqlalchemy as sa

from stretto.core.archive import Memory
from stretto.stores import archive_search
from stretto.stores.archive_schema import memory
from stretto.stores.sql import SqlStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


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
