"""A database whose transactions are plain functions of a connection: SQLite in a thread, PostgreSQL on the loop.

One hop to a thread per transaction costs the event loop a quarter of what a driver that hops per statement costs.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
import sqlalchemy.event
from sqlalchemy.exc import ArgumentError, DBAPIError

from stretto.core.errors import DefinitionError, StoreError
from stretto.stores.place import checked_version, version_of_file
from stretto.stores.schema import VERSION_TABLE, VERSIONS, metadata

P = ParamSpec("P")
T = TypeVar("T")
MIGRATING = 7_370_217
"""The number of PostgreSQL's advisory lock that lets one process at a time migrate."""


class DatabaseUnavailable(StoreError):
    """The database is ours and whole, but cannot be read or written now; what was acknowledged is in it."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"the database {place} {why}")
        self.place, self.why = place, why


class Database(ABC):
    """Runs functions of a connection as transactions; opens itself, and migrates, at the first."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._opened = self._closed = False
        self._opening = anyio.Lock()

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _run(self, write: bool, function: Callable[[sa.Connection], T]) -> T: ...

    @abstractmethod
    async def _close(self) -> None: ...

    async def read(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that only reads; what it sees belongs together."""
        return await self._transact(False, lambda connection: function(connection, *args, **kwargs))

    async def write(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that writes; it is on disk when this returns, or nothing is when this raises."""
        return await self._transact(True, lambda connection: function(connection, *args, **kwargs))

    async def _transact(self, write: bool, function: Callable[[sa.Connection], T]) -> T:
        if self._closed:
            raise StoreError("the store is closed; open another one")
        with self.told():
            if not self._opened:
                async with self._opening:
                    if not self._opened:
                        await self._open()
                        self._opened = True
            return await self._run(write, function)

    async def close(self) -> None:
        """Gives back every connection."""
        self._closed = True
        await self._close()

    @contextmanager
    def told(self) -> Generator[None]:
        """Turns the errors of the driver into those of the store."""
        try:
            yield
        except DBAPIError as error:
            raise DatabaseUnavailable(self.place, why_unavailable(error.orig)) from error.orig
        except UnicodeEncodeError as error:
            raise StoreError(f"a text cannot be stored, it holds half a Unicode pair: {error.object[:80]!r}") from None


class SqliteDatabase(Database):
    """A file: write-ahead log, every commit synced to disk, one writer at a time among all processes."""

    def __init__(self, path: Path, busy_timeout: float) -> None:
        super().__init__(str(path))
        self.path, self._busy_timeout = path, busy_timeout
        url = sa.URL.create("sqlite", database=str(path))
        self._reader = sa.create_engine(url, connect_args={"timeout": busy_timeout}, hide_parameters=True)
        self._writer = self._reader.execution_options(stretto_writes=True)
        sqlalchemy.event.listen(self._reader, "connect", _prepare)
        sqlalchemy.event.listen(self._reader, "begin", _begin)
        self._threads = anyio.CapacityLimiter(5)

    async def _open(self) -> None:
        await anyio.to_thread.run_sync(self._open_now, limiter=self._threads)

    def _open_now(self) -> None:
        if (version := version_of_file(self.path, self._busy_timeout)) != VERSIONS[-1]:
            if version is None:
                self.make_file()
            with self._writer.begin() as connection:
                migrate(connection, self.place)

    def make_file(self) -> None:
        """Makes an empty file that only its user reads; raises ``StoreError`` where none can be."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreError(f"the database {self.place} cannot be made: {error.strerror}") from error

    async def _run(self, write: bool, function: Callable[[sa.Connection], T]) -> T:
        engine = self._writer if write else self._reader

        def transaction() -> T:
            with engine.begin() as connection:
                return function(connection)

        return await anyio.to_thread.run_sync(transaction, limiter=self._threads)

    async def _close(self) -> None:
        await anyio.to_thread.run_sync(self._reader.dispose, limiter=self._threads)


_WHY = {
    "SQLITE_FULL": "cannot be written: the disk is full; make room, and go on: what was acknowledged is kept",
    "SQLITE_BUSY": "is locked by another process; wait for it, or end it",
    "SQLITE_READONLY": "cannot be written: it is read-only; change its permissions, or choose another place",
}


def why_unavailable(error: BaseException | None) -> str:
    """Returns what is the matter with a database, for the error that its driver raised."""
    name = str(getattr(error, "sqlite_errorname", ""))
    if getattr(error, "sqlstate", None) == "53100":
        name = "SQLITE_FULL"
    found = (why for begin, why in _WHY.items() if name.startswith(begin))
    return next(found, f"does not answer as it should: {error}")


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: ``_begin`` does, also for DDL
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("stretto_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class PostgresDatabase(Database):
    """A PostgreSQL server, spoken to by asyncpg; it belongs to the event loop that uses it first."""

    def __init__(self, url: sa.URL) -> None:
        super().__init__(url.render_as_string(hide_password=True))
        if importlib.util.find_spec("asyncpg") is None:
            raise DefinitionError(f"{self.place} needs asyncpg; type: pip install 'stretto[postgres]'")
        from sqlalchemy.ext.asyncio import create_async_engine

        self.engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), hide_parameters=True)
        self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ")

    async def _open(self) -> None:
        def version(connection: sa.Connection) -> str | None:
            return version_of(connection, self.place)

        if await self._run(False, version) != VERSIONS[-1]:
            await self._run(True, lambda connection: migrate(connection, self.place))

    async def _run(self, write: bool, function: Callable[[sa.Connection], T]) -> T:
        async with (self.engine if write else self._reader).begin() as connection:
            return await connection.run_sync(function)

    @contextmanager
    def told(self) -> Generator[None]:
        with super().told():
            try:
                yield
            except OSError as error:
                raise DatabaseUnavailable(self.place, f"cannot be reached: {error}") from error

    async def _close(self) -> None:
        await self.engine.dispose()


def version_of(connection: sa.Connection, place: str) -> str | None:
    """Returns the version of an open database; raises ``DatabaseRefused`` where our tables' names are taken."""
    names = sa.inspect(connection).get_table_names()
    if connection.dialect.name == "postgresql":  # where others may live next door
        names = [name for name in names if name == VERSION_TABLE or name in metadata.tables]
    versions: list[str] = []
    if VERSION_TABLE in names:
        held = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}")
        versions = [str(version) for (version,) in held]
    return checked_version(place, names, versions)


def migrate(connection: sa.Connection, place: str) -> None:
    """Brings a database to the newest version inside the transaction of its connection."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATING)))
    if version_of(connection, place) == VERSIONS[-1]:  # another process was faster
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def database_at(place: str, busy_timeout: float) -> Database:
    """Returns the database of a path or an address; raises ``DefinitionError`` for one that cannot hold runs."""
    if "://" not in place:
        return SqliteDatabase(Path(place).expanduser(), busy_timeout)
    try:
        url = sa.make_url(place)
    except ArgumentError:
        raise DefinitionError(
            "the database's address cannot be read; write postgresql://user@host/name, or a path"
        ) from None
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite":
        if not url.database or url.database == ":memory:":
            raise DefinitionError(f"{place!r} names no file; give one, or take a MemoryStore")
        return SqliteDatabase(Path(url.database).expanduser(), busy_timeout)
    if kind in ("postgresql", "postgres"):
        return PostgresDatabase(url)
    raise DefinitionError(f"runs cannot be kept in {kind!r}; give a path for SQLite, or postgresql://user@host/name")
