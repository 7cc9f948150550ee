"""A PostgreSQL server of the tests' own: from the system's package, on a free port of the loopback, gone afterwards."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import asyncpg


def programs() -> Path:
    """Finds the newest installed server, and fails with what to type where there is none."""
    found = [Path(initdb).resolve().parent for initdb in filter(None, [shutil.which("initdb")])]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "PostgreSQL is needed for these tests; type: sudo apt-get install -y postgresql"
    return found[-1]


def account() -> dict[str, object]:
    """Returns as whom the server runs: it refuses to be root."""
    if os.geteuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@cache
def address() -> str:
    """Starts the server once, and returns the address of its database."""
    folder = Path(tempfile.mkdtemp(prefix="stretto-postgres-"))
    who = account()
    if who:
        os.chown(folder, who["user"], who["group"])
    data, options = folder / "data", {"cwd": folder, "env": {"LC_ALL": "C", "PATH": os.defpath}, **who}
    initdb = [programs() / "initdb", "-D", data, "-U", "stretto", "-A", "trust", "-E", "UTF8", "--no-sync"]
    made = subprocess.run(initdb, capture_output=True, text=True, check=False, **options)
    assert made.returncode == 0, made.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ["-F", "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "full_page_writes=off"]
    command = [
        programs() / "pg_ctl",
        "-D",
        data,
        "-w",
        "-l",
        folder / "log",
        "-o",
        " ".join(map(str, settings)),
        "start",
    ]
    started = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **options)
    atexit.register(stop, folder, options)
    assert started.returncode == 0, (folder / "log").read_text()
    return f"postgresql://stretto@127.0.0.1:{port}/postgres"


def stop(folder: Path, options: dict[str, object]) -> None:
    """Ends the server and removes its data."""
    command = [programs() / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"]
    subprocess.run(command, capture_output=True, check=False, **options)
    shutil.rmtree(folder, ignore_errors=True)


async def empty_database() -> str:
    """Removes every table, and returns the address."""
    connection = await asyncpg.connect(address())
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    finally:
        await connection.close()
    return address()


async def empty_tables() -> str:
    """Removes every row where there are tables, and returns the address."""
    connection = await asyncpg.connect(address())
    try:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'stretto_version'"
        if names := [row["tablename"] for row in await connection.fetch(tables)]:
            await connection.execute(f"TRUNCATE {', '.join(names)} CASCADE")
    finally:
        await connection.close()
    return address()
