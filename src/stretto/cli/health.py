"""The commands that look at the installation: ``stretto doctor`` and ``stretto version``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen

Verdict = Literal["ok", "note", "wrong"]
NEEDED = ("pydantic", "anyio", "sqlalchemy", "alembic", "typer", "rich", "pyyaml", "psutil")
"""The distributions that Stretto stands on."""
LITTLE_DISK = 200 * 2**20
LITTLE_MEMORY = 256 * 2**20
FEW_FILES = 512
LARGE_WAL = 256 * 2**20


@dataclass(frozen=True)
class Finding:
    """Something that was looked at: what is so, whether that is well, and the way out where it is not."""

    about: str
    verdict: Verdict
    what: str
    way_out: str = ""


def version(context: typer.Context) -> None:
    """Say which version this is."""
    screen: Screen = context.obj
    screen.line(f"stretto {installed('stretto')} (Python {platform.python_version()}, {platform.system()})")


def installed(name: str) -> str:
    """Returns the version of an installed distribution, empty when it is not there."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of(name)
    except PackageNotFoundError:
        return ""


def doctor(
    context: typer.Context,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as a JSON array on stdout.")] = False,
) -> None:
    """Look at what Stretto needs, and say what is wrong and the way out."""
    from stretto.cli.exits import Exit

    screen: Screen = context.obj
    found = [*_software(), *_settings(), *_database(store), *_machine()]
    wrong = [one for one in found if one.verdict == "wrong"]
    if as_json:
        screen.line(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
    else:
        _write(screen, found, len(wrong))
    if wrong:
        raise typer.Exit(Exit.FAILED)


def _write(screen: Screen, found: list[Finding], wrong: int) -> None:
    signs = {"ok": ("✓", "green"), "note": ("·", "yellow"), "wrong": ("✕", "red")}
    from rich.table import Table
    from rich.text import Text

    from stretto.monitoring.labels import clean

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    for one in found:
        sign, style = signs[one.verdict]
        table.add_row(Text(sign, style=style), one.about, clean(one.what))
        if one.way_out:
            table.add_row("", "", Text(clean(f"→ {one.way_out}"), style=style))
    screen.out.print(table, soft_wrap=False)
    told = "nothing is wrong" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong"
    screen.result(told, "bold red" if wrong else "bold green")


def _software() -> Iterator[Finding]:
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Finding(
        "python", "ok" if supported else "wrong", python, "" if supported else "use Python 3.11, 3.12 or 3.13"
    )
    yield Finding("stretto", "ok", installed("stretto") or "runs from its sources")
    versions = {name: installed(name) for name in NEEDED}
    missing = [name for name, found in versions.items() if not found]
    told = ", ".join(f"{name} {found}" for name, found in versions.items() if found)
    way_out = f"pip install {' '.join(missing)}" if missing else ""
    yield Finding("libraries", "wrong" if missing else "ok", told, way_out)
    git = shutil.which("git")
    yield Finding("git", "ok" if git else "note", git or "is not installed", "" if git else "only some examples use it")
    encoding = (getattr(sys.stdout, "encoding", None) or "unknown").lower()
    unicode = encoding.replace("-", "").startswith("utf")
    hint = "" if unicode else "set PYTHONUTF8=1 for signs and lines beyond ASCII"
    yield Finding("terminal", "ok" if unicode else "note", f"{encoding}, {_size()}", hint)


def _size() -> str:
    size = shutil.get_terminal_size()
    return f"{size.columns} × {size.lines}" if sys.stdout.isatty() else "not a terminal"


def _settings() -> Iterator[Finding]:
    from stretto.configuring.config_files import PROJECT_FILE, config_files, user_file
    from stretto.core.errors import DefinitionError

    try:
        names = [file.name for file in config_files()]
        if names:
            from stretto.configuring.settings import load

            load()
    except DefinitionError as error:
        yield Finding("settings", "wrong", str(error), "correct it, or leave it out")
        return
    told = ", ".join(names) if names else f"none: neither {PROJECT_FILE} here nor {user_file()}"
    yield Finding("settings", "ok", told)


def _database(place: str | None) -> Iterator[Finding]:
    from stretto.cli.places import open_store
    from stretto.core.errors import StrettoError
    from stretto.runtime.loop import drive
    from stretto.stores.sql import SqlStore

    try:
        store = open_store(place)
        if not isinstance(store, SqlStore):
            yield Finding("database", "note", "none: runs are kept in memory only")
            return
        where = store.place
        counted = drive(_count(store))
    except (StrettoError, OSError) as error:
        yield Finding("database", "wrong", str(error), "choose another place: --store PATH, or STRETTO_DATABASE=PATH")
        return
    yield Finding("database", "ok", f"{where}: {counted}")
    if "://" not in where:
        yield from _file(Path(where))


async def _count(store: object) -> str:
    from stretto.stores.store import Store

    if not isinstance(store, Store):
        return ""
    async with store:
        runs = await store.runs(None)
    counts = {status: sum(run.status == status for run in runs) for status in ("running", "interrupted")}
    more = "".join(f", {count:,} {status}" for status, count in counts.items() if count)
    return f"{len(runs):,} {'run' if len(runs) == 1 else 'runs'}{more}"


def _file(path: Path) -> Iterator[Finding]:
    import sqlite3
    from contextlib import closing

    wal = Path(f"{path}-wal")
    size, wal_size = path.stat().st_size, wal.stat().st_size if wal.exists() else 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            told = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        told = [str(error)]
    if told == ["ok"]:
        yield Finding("its health", "ok", f"sound, {_bytes(size)}, write-ahead log {_bytes(wal_size)}")
    else:
        yield Finding("its health", "wrong", "; ".join(told), f"move {path} away; a new one is made at the next run")
    if wal_size > LARGE_WAL:
        yield Finding(
            "its log", "note", f"{_bytes(wal_size)} wait to be merged", "end the processes that read it for long"
        )
    if not os.access(path, os.W_OK):
        yield Finding("its rights", "wrong", f"{path} cannot be written", f"chmod u+w {path}")
    free = shutil.disk_usage(path.parent).free
    little = free < LITTLE_DISK
    hint = "make room, or `stretto runs prune --older-than 30d`" if little else ""
    yield Finding("its disk", "wrong" if little else "ok", f"{_bytes(free)} free", hint)


def _machine() -> Iterator[Finding]:
    import psutil

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("processors", "ok", f"{cpus} to use, {os.cpu_count()} in all")
    memory = psutil.virtual_memory()
    little = memory.available < LITTLE_MEMORY
    told = f"{_bytes(memory.available)} free of {_bytes(memory.total)}"
    yield Finding("memory", "wrong" if little else "ok", told, "end something that needs much" if little else "")
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = soft != resource.RLIM_INFINITY and soft < FEW_FILES
        way_out = f"ulimit -n {min(4096, hard) if hard > 0 else 4096}" if few else ""
        yield Finding("open files", "note" if few else "ok", f"at most {_limit(soft)}", way_out)


def _limit(value: int) -> str:
    return "any number" if value < 0 else f"{value:,}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
