"""Copies of a SQLite database, made and put back while others use it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import anyio.to_thread

from stretto.core.errors import DefinitionError, RunBusy, StoreError
from stretto.stores.database import DatabaseUnavailable, SqliteDatabase, why_unavailable
from stretto.stores.owner import is_alive
from stretto.stores.place import version_of_file
from stretto.stores.sole_server import sole_user
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store

_WAIT = 30.0  # seconds for others to let go of the database


class CopyRefused(StoreError):
    """A database is not copied, because that would take something away, or because there is none."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} {why}")
        self.file, self.why = file, why


class Restored(NamedTuple):
    """What a restored database holds, and where what was there before is kept (None: there was nothing)."""

    runs: int
    workflows: int
    before: Path | None


async def back_up(store: Store, file: Path, *, replace: bool = False) -> int:
    """Writes a store's database into a file, as it stands at this moment, and returns the file's size (bytes).

    Runs and servers go on meanwhile. The file appears when it is whole, checked and on disk; only its user reads it.
    Raises ``CopyRefused`` when a file is there that is not to be replaced, and ``DefinitionError`` for PostgreSQL.
    """
    database = _sqlite(store)
    return await anyio.to_thread.run_sync(_copy, database.path, file, replace)


async def restore(store: Store, file: Path, *, replace: bool = False) -> Restored:
    """Puts a copy in the place of a store's database, in one transaction, and brings it to today's version.

    What was there before is kept in the file of the database's name with ``.before-restore`` behind it. Raises
    ``CopyRefused`` when something is there that is not to be replaced, ``AlreadyServed`` while a server uses the
    database, ``RunBusy`` while a process carries out one of its runs, and ``DatabaseRefused`` for a file that is no
    copy of ours.
    """
    database = _sqlite(store)
    async with sole_user(database):
        before = await anyio.to_thread.run_sync(_put_back, database, file, replace)
        _, workflows = await store.records.workflows(limit=0)
        return Restored(len(await store.runs(None)), workflows, before)


def _sqlite(store: Store) -> SqliteDatabase:
    if not isinstance(store, SqlStore):
        raise DefinitionError("a store in memory cannot be copied; name a path")
    if not isinstance(store.database, SqliteDatabase):
        raise DefinitionError(
            f"{store.place} is copied by PostgreSQL's own programs; type: pg_dump --format=custom --file FILE ADDRESS, "
            "and to put it back: pg_restore --clean --dbname ADDRESS FILE"
        )
    return store.database


def _copy(database: Path, file: Path, replace: bool) -> int:
    file = file.expanduser()
    _check_there(database)
    if file.exists() and (not replace or file.samefile(database)):
        other = "that is the database itself" if file.samefile(database) else "choose another name, or add --force"
        raise CopyRefused(str(file), f"is there already; {other}")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    with _told(file):
        try:
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
            with closing(_opened(database)) as source, closing(_opened(part)) as made:
                source.backup(made)  # all at once: in steps, every commit of others would begin it anew
                made.execute("PRAGMA journal_mode=DELETE").close()  # one file, which can be read where none is written
            _check_whole(part)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(file.parent)
        return file.stat().st_size


def _put_back(database: SqliteDatabase, file: Path, replace: bool) -> Path | None:
    file, path, before = file.expanduser(), database.path, None
    _check_whole(file)
    if path.exists() and file.samefile(path):
        raise CopyRefused(str(file), "is the database itself; name a copy of it")
    if version_of_file(path) is None:
        database.make_file()
    else:
        _check_idle(path)
        if not replace:
            raise CopyRefused(str(path), "holds runs already; add --force: they are kept in a file beside it")
        before = path.with_name(f"{path.name}.before-restore")
        _copy(path, before, True)
    with _told(path), closing(_opened(file)) as source, closing(_opened(path)) as held:
        source.backup(held)
    return before


def _check_there(path: Path) -> None:
    """Raises an error unless a file is a database of ours."""
    if version_of_file(path) is None:
        raise CopyRefused(str(path), "holds no database")


def _check_whole(path: Path) -> None:
    """Raises an error unless a file is a database of ours without damage."""
    _check_there(path)
    with _told(path), closing(_opened(path)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        raise CopyRefused(str(path), f"is damaged ({found[0]})")


def _check_idle(path: Path) -> None:
    with _told(path), closing(_opened(path)) as connection:
        claimed = connection.execute("SELECT id, owner, heartbeat FROM run WHERE owner IS NOT NULL").fetchall()
    for run_id, owner, heartbeat in claimed:
        if is_alive(owner, heartbeat):
            raise RunBusy(run_id, owner)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT, isolation_level=None)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(file: Path) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseUnavailable(str(file), why_unavailable(error)) from error
    except OSError as error:
        raise CopyRefused(str(file), f"cannot be written: {error.strerror}") from error
