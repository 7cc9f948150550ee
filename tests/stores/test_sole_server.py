"""One server per store: a second one is told who the first is, and a dead one stands in nobody's way."""

import os
import subprocess
import sys

import anyio
import pytest

from stretto.core.errors import DatabaseRefused, StoreError
from stretto.stores.database import DatabaseUnavailable
from stretto.stores.memory import MemoryStore
from stretto.stores.sole_server import AlreadyServed, sole_server
from stretto.stores.sql import SqlStore
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


SERVES = """
import anyio, sys
from stretto.stores.sole_server import sole_server
from stretto.stores.sql import SqlStore

async def main():
    async with sole_server(SqlStore(sys.argv[1])):
        sys.stdout.write("serving\\n")  # in one piece
        sys.stdout.flush()
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
async def test_a_second_server_of_a_store_is_refused_until_the_first_one_ends(tmp_path, kind):
    if kind == "memory":
        one = another = MemoryStore()
    else:
        place = tmp_path / "runs.db" if kind == "sqlite" else await empty_tables()
        one, another = SqlStore(place), SqlStore(place)
    async with one, another:
        for _ in range(2):
            async with sole_server(one):
                with pytest.raises(AlreadyServed, match="end that one first, or choose another database"):
                    async with sole_server(another):
                        pytest.fail("both serve")
                await one.records.workflows()
        async with sole_server(another):
            pass
        with pytest.raises(ValueError, match="from within"):
            async with sole_server(one):
                raise ValueError("from within")
        with anyio.move_on_after(0):
            async with sole_server(one):
                await anyio.sleep_forever()
        async with sole_server(another):
            pass


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_server_that_was_killed_stands_in_nobodys_way(tmp_path, kind):
    place = tmp_path / "runs.db" if kind == "sqlite" else await empty_tables()
    command = [sys.executable, "-c", SERVES, str(place)]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process, SqlStore(place) as store:
        try:
            assert await process.stdout.receive() == b"serving\n"
        except BaseException:
            process.kill()
            raise
        with pytest.raises(AlreadyServed) as refused:
            async with sole_server(store):
                pytest.fail("both serve")
        assert refused.value.process == (process.pid if kind == "sqlite" else None)
        process.kill()
        await process.wait()
        with anyio.fail_after(10):
            while True:  # PostgreSQL notices a moment later
                try:
                    async with sole_server(store):
                        break
                except AlreadyServed:
                    await anyio.sleep(0.01)


async def test_a_link_leads_to_the_same_lock_and_the_file_of_the_lock_is_the_users_own(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "runs.db")
    async with SqlStore(tmp_path / "runs.db") as one, SqlStore(tmp_path / "link.db") as another, sole_server(one):
        with pytest.raises(AlreadyServed, match=rf"link\.db is served by process {os.getpid()} already"):
            async with sole_server(another):
                pytest.fail("both serve")
    assert (tmp_path / "runs.db.server").stat().st_mode & 0o777 == 0o600


async def test_a_database_that_cannot_be_served_is_told_before_anything_is_made(tmp_path):
    (tmp_path / "text.db").write_text("no database at all")
    for name, error in (("none/runs.db", StoreError), ("text.db", DatabaseRefused)):
        async with SqlStore(tmp_path / name) as store:
            with pytest.raises(error):
                async with sole_server(store):
                    pytest.fail("it serves nothing")
    (tmp_path / "runs.db.server").mkdir()
    async with SqlStore(tmp_path / "runs.db") as store:
        with pytest.raises(StoreError, match=r"the lock .*runs\.db\.server cannot be taken: "):
            async with sole_server(store):
                pytest.fail("it has no lock")
    async with SqlStore("postgresql://stretto:secret@127.0.0.1:1/none") as store:
        with pytest.raises(DatabaseUnavailable, match="cannot be reached") as refused:
            async with sole_server(store):
                pytest.fail("there is none")
    assert "secret" not in str(refused.value)
