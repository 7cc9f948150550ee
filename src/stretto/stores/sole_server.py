"""The right to serve a store, which one process has at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import anyio
import anyio.to_thread
import sqlalchemy as sa
from filelock import FileLock, Timeout

from stretto.core.errors import StoreError
from stretto.stores.database import Database, PostgresDatabase, SqliteDatabase
from stretto.stores.place import version_of_file
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store

SERVING = 7_370_218
"""The number of PostgreSQL's advisory lock that a server holds."""
_in_memory: WeakSet[Store] = WeakSet()


class AlreadyServed(StoreError):
    """Another server uses this database, or it is being restored."""

    def __init__(self, place: str, process: int | None) -> None:
        who = "another process" if process is None else f"process {process}"
        super().__init__(
            f"the database {place} is served by {who} already; end that one first, or choose another database"
        )
        self.place, self.process = place, process


@asynccontextmanager
async def sole_server(store: Store) -> AsyncGenerator[None]:
    """Holds the right to serve a store; the operating system takes it back from a process that dies.

    Raises ``AlreadyServed`` while somebody else holds it, and what opening the database would raise. The lock of a
    SQLite database is the file of its name with ``.server`` behind it, which stays; that of PostgreSQL is an advisory
    lock, which ends with its connection.
    """
    if not isinstance(store, SqlStore):
        if store in _in_memory:
            raise AlreadyServed("in memory", os.getpid())
        _in_memory.add(store)
        try:
            yield
        finally:
            _in_memory.discard(store)
        return
    async with sole_user(store.database):
        yield


@asynccontextmanager
async def sole_user(database: Database) -> AsyncGenerator[None]:
    """Holds the right to serve a database; see ``sole_server``."""
    if isinstance(database, SqliteDatabase):
        lock = await anyio.to_thread.run_sync(_lock, database.path)
        try:
            yield
        finally:
            lock.release()
        return
    assert isinstance(database, PostgresDatabase)
    with database.told():
        connection = await database.engine.connect().start()
    try:
        with database.told():
            held = await connection.scalar(sa.select(sa.func.pg_try_advisory_lock(SERVING)))
            await connection.commit()
        if not held:
            raise AlreadyServed(database.place, None)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True), database.told():
                await connection.execute(sa.select(sa.func.pg_advisory_unlock(SERVING)))
                await connection.commit()
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


def _lock(path: Path) -> FileLock:
    version_of_file(path)
    file = path.resolve()
    file = file.with_name(f"{file.name}.server")

    def sign(descriptor: int) -> None:
        os.write(descriptor, f"{os.getpid()}\n".encode())

    lock = FileLock(file, timeout=0, mode=0o600, thread_local=False, fallback_to_soft=False, on_acquired=sign)
    try:
        lock.acquire()
    except Timeout:
        process: int | None = None
        with suppress(OSError, ValueError):
            process = int(file.read_text())
        raise AlreadyServed(str(path), process) from None
    except OSError as error:
        raise StoreError(f"the lock {file} cannot be taken: {error.strerror}") from error
    return lock
