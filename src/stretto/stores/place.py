"""Where runs are kept, and whether what is there already may be opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from stretto.core.errors import DatabaseRefused, StoreError
from stretto.stores.schema import VERSION_TABLE, VERSIONS

_HEADER = b"SQLite format 3\0"


def default_place() -> str:
    """Returns ``$STRETTO_DATABASE``, or ``stretto/runs.db`` in the user's state directory, made with mode 0700."""
    if chosen := os.environ.get("STRETTO_DATABASE"):
        return chosen
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "stretto"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = f"the directory {folder} cannot be made: {error.strerror}"
        raise StoreError(f"{why}; set STRETTO_DATABASE to a file that can be written") from error
    return str(folder / "runs.db")


def version_of_file(path: Path, busy_timeout: float = 5.0) -> str | None:
    """Returns the version of the database in a file, None when there is none yet, and changes no byte of it.

    Waits ``busy_timeout`` seconds for one who keeps everybody else out.
    Raises ``DatabaseRefused`` for anything but a database of ours, and ``StoreError`` when it cannot be read or made.
    """
    try:
        if not path.exists():
            _check_folder(path.parent)
            return None
        with path.open("rb") as file:
            header = file.read(16)
    except IsADirectoryError:
        raise DatabaseRefused(str(path), "it is a directory") from None
    except OSError as error:
        raise StoreError(f"the database {path} cannot be read: {error.strerror}") from error
    if not header:
        return None
    if header != _HEADER:
        raise DatabaseRefused(str(path), "it is no SQLite database")
    # Without a write-ahead log beside it the file is the whole truth, and none need be made to read it.
    how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", busy_timeout, uri=True)
        ) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            tables = [str(name) for (name,) in rows]
            versions: list[tuple[str]] = []
            if VERSION_TABLE in tables:
                versions = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
    except sqlite3.OperationalError as error:
        raise StoreError(f"the database {path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        raise DatabaseRefused(str(path), f"it is damaged ({error})") from error
    return checked_version(str(path), tables, [version for (version,) in versions])


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise StoreError(f"the directory {folder} does not exist; make it, or choose another place for the database")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"no file can be made in {folder}: permission denied; choose another place for the database")


def checked_version(place: str, tables: Sequence[str], versions: Sequence[str]) -> str | None:
    """Returns the version that a database's tables tell, None for an empty one; raises ``DatabaseRefused``."""
    if VERSION_TABLE not in tables:
        if tables:
            named = ", ".join(sorted(tables)[:3]) + (" ..." if len(tables) > 3 else "")
            raise DatabaseRefused(place, f"it belongs to something else (its tables are {named}); choose another place")
        return None
    if len(versions) != 1:
        raise DatabaseRefused(place, f"its table {VERSION_TABLE} holds {len(versions)} versions instead of one")
    if versions[0] not in VERSIONS:
        known = f"this one knows versions up to {VERSIONS[-1]}"
        raise DatabaseRefused(place, f"a newer Stretto made it (version {versions[0]}; {known}); upgrade stretto")
    return versions[0]
