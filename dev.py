#!/usr/bin/env python3
"""One command for all: `python3 dev.py run | survey | chat | build | test | bench ...`; it needs only Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import hatch_build

ROOT = Path(__file__).resolve().parent
SCRIPTS, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
VENV, TOOLS = ROOT / ".venv", ROOT / ".venv-tools"
PY = VENV / SCRIPTS / ("python" + EXE)
STAMP = VENV / ".stretto-stamp"
NODE_SERVERS = ROOT / "tests" / "mcp_servers"
UV_WANTED = "uv>=0.9,<1"
USAGE = """usage: python3 dev.py run [ARGS]     the server, with the agents that need no key: stretto serve
       python3 dev.py survey [PATH]  the survey example, live in the terminal
       python3 dev.py chat [ARGS]     talk with the surveyor, an agent that needs no key: stretto chat
       python3 dev.py build          the page that the server shows, of ui/; it needs Node.js and nothing of Python
       python3 dev.py types          the page's types anew, from the operations of the server
       python3 dev.py test           linters, types, tests of server and page, and the coverage gate
       python3 dev.py test ARGS...   only pytest, with these arguments
       python3 dev.py check          only linters and types
       python3 dev.py bench          the benchmarks; --quick, --only NAME, --check, --write (the README's table)"""
PAGE_CHECKS = ("check", "lint")  # npm's names: svelte-check; eslint and prettier
PAGE_TESTS = ("test",)
EVERY_BRANCH = ("core", "planning")  # 100 % here, NINETY elsewhere
NINETY = 90.0


def sh(*command: object, env: dict[str, str] | None = None) -> bool:
    """Runs a command in the repository, prints it first, and says whether it succeeded."""
    words = [str(word) for word in command]
    shown = [os.path.relpath(word, ROOT) if word.startswith(str(ROOT) + os.sep) else word for word in words]
    print("+", *shown, flush=True)
    return subprocess.run(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode == 0


def must(*command: object, env: dict[str, str] | None = None, otherwise: str) -> None:
    """Runs a command and leaves with a sentence when it fails."""
    if not sh(*command, env=env):
        sys.exit(f"dev.py: {otherwise}")


# -- the environment ---------------------------------------------------------------------------------------------------


def pip_setting(name: str) -> str:
    """Returns what this machine's pip is configured to use, or an empty string."""
    command = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def uv_environment() -> dict[str, str]:
    """Builds uv's environment: uv does not read pip's configuration, so what it says is handed on."""
    env = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    env["UV_PYTHON_DOWNLOADS"] = "never"
    if not any(env.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        index = env.get("PIP_INDEX_URL") or pip_setting("index-url")
        if index:
            env["UV_DEFAULT_INDEX"] = index
    if not env.get("UV_INSECURE_HOST"):
        trusted = env.get("PIP_TRUSTED_HOST") or pip_setting("trusted-host")
        if trusted:
            env["UV_INSECURE_HOST"] = " ".join(trusted.split())
    if not env.get("SSL_CERT_FILE"):
        certificates = env.get("PIP_CERT") or pip_setting("cert")
        if certificates:
            env["SSL_CERT_FILE"] = certificates
    return env


def find_uv() -> str:
    """Returns uv, installed into a small environment of its own when the machine has none."""
    found = shutil.which("uv")
    if found:
        return found
    uv, python = TOOLS / SCRIPTS / ("uv" + EXE), TOOLS / SCRIPTS / ("python" + EXE)
    if not uv.exists():
        missing = "cannot make a virtual environment; on Debian and Ubuntu type: apt-get install -y python3-venv"
        must(sys.executable, "-m", "venv", "--clear", TOOLS, otherwise=missing)
        must(python, "-m", "pip", "install", "--quiet", UV_WANTED, otherwise="pip could not install uv (network?)")
    return str(uv)


def wanted_stamp() -> str:
    """Returns what the environment was made from: definition, lock, interpreter and place."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), (ROOT / "uv.lock").read_bytes()]
    parts += [sys.version.encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ensure_environment() -> None:
    """Makes .venv hold exactly what uv.lock says, from whatever index this machine is configured with."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(f"dev.py: Python 3.11, 3.12 or 3.13 is needed; this is {sys.version.split()[0]}")
    stamp = wanted_stamp()
    if PY.exists() and STAMP.is_file() and STAMP.read_text() == stamp:
        return
    uv, env = find_uv(), uv_environment()
    if not PY.exists():
        must(uv, "venv", "--quiet", "--python", sys.executable, VENV, env=env, otherwise="uv could not make .venv")
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "requirements.txt"  # names, versions and hashes, no addresses: any index will do
        # without the window of `stretto desktop`: it takes a build with setuptools, and a desktop to show it
        chosen = ("--all-groups", "--all-extras", "--no-extra", "desktop", "--no-emit-project")
        export = (uv, "export", "--quiet", "--frozen", *chosen)
        must(*export, "--output-file", names, env=env, otherwise="uv could not read uv.lock")
        # compiled now: where PYTHONDONTWRITEBYTECODE is set, every process would compile all that it imports again
        sync = (uv, "pip", "sync", "--quiet", "--python", PY, "--require-hashes", "--compile-bytecode")
        must(*sync, names, env=env, otherwise="not everything in uv.lock could be installed")
    editable = (uv, "pip", "install", "--quiet", "--python", PY, "--no-deps", "--editable", ROOT)
    env[hatch_build.ASKED] = "0"  # the page is built by the commands that need it
    must(*editable, env=env, otherwise="stretto itself could not be installed")
    STAMP.write_text(stamp)


def apt_install(sentence: str, *packages: str) -> None:
    """Installs packages of the system where that is allowed, else leaves with a sentence."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        sys.exit(f"dev.py: {sentence}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    must("apt-get", "update", "-qq", env=env, otherwise=sentence)
    must("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=env, otherwise=sentence)


def ensure_chromium() -> None:
    """Finds the system's Chromium for the tests that look at pages, or installs it where that is allowed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if not (os.environ.get("CHROMIUM_PATH") or any(shutil.which(name) for name in names)):
        apt_install("Chromium is needed for the browser tests; type: sudo apt-get install -y chromium", "chromium")


def ensure_postgresql() -> None:
    """Finds PostgreSQL for the tests that start a server of their own, or installs it where that is allowed."""
    if not (shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        sentence = "PostgreSQL is needed for the tests of the stores; type: sudo apt-get install -y postgresql"
        apt_install(sentence, "postgresql")


def ensure_node() -> str:
    """Finds npm with a Node.js that builds the page, or installs both where that is allowed; returns npm."""
    if not (shutil.which("npm") and shutil.which("node")):
        sentence = "Node.js 20.19 or newer with npm is needed; type: sudo apt-get install -y nodejs npm"
        apt_install(sentence, "nodejs", "npm")
    npm = hatch_build.find_npm()
    if npm is None:
        sys.exit("dev.py: this Node.js is too old for the page; 20.19 or newer is needed: https://nodejs.org")
    return npm


def ensure_node_servers(*, needed: bool = True) -> None:
    """Installs the MCP servers that the tests talk to when their lock has changed; ``needed`` says who must have them.

    The lock names versions and digests and no addresses, so any registry that this machine is configured with will do.
    """
    lock, stamp = NODE_SERVERS / "package-lock.json", NODE_SERVERS / "node_modules" / ".stretto-stamp"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if needed:
        ensure_node()
    elif not (shutil.which("npm") and shutil.which("node")):
        return
    install = ("npm", "ci", "--prefix", NODE_SERVERS, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    if needed:
        must(*install, otherwise="npm could not install the MCP servers of tests/mcp_servers (network?)")
    elif subprocess.run([str(word) for word in install], capture_output=True, cwd=ROOT, check=False).returncode:
        return
    stamp.write_text(wanted)


def build_page(*, needed: bool = True) -> bool:
    """Builds the page when its sources have changed, and says whether it is there; leaves when it is ``needed``."""
    if hatch_build.is_fresh():
        return True
    if needed:
        ensure_node()
    print("+ the page of ui/", flush=True)
    try:
        found = hatch_build.build()
    except hatch_build.PageNotBuilt as error:
        if needed:
            sys.exit(f"dev.py: {error}")
        print(f"dev.py: {error}", file=sys.stderr)
        return False
    if found == "absent":
        print("dev.py: the page is not built, for Node.js 20.19 or newer is missing; all else works", file=sys.stderr)
    return found != "absent"


def write_types() -> bool:
    """Generates the page's types from the operations of the server, and says whether that worked."""
    npm = ensure_node()
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "openapi.json"
        wrote = installed(npm) and sh(PY, "ui/describe.py", described)
        return wrote and sh(npm, "run", "--silent", "--prefix", ROOT / "ui", "types", "--", described)


# -- the commands ------------------------------------------------------------------------------------------------------


def check(*more: str) -> list[str]:
    """Runs linters and type checkers, of Python and of the page, and returns the names of those that complained.

    ``more`` are other commands of the page. Two run at a time: npm installs while the first types are checked.
    """
    npm = ensure_node()
    quiet = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    typed = ["src", "dev.py", "hatch_build.py", *(["tests/typing"] if (ROOT / "tests/typing").is_dir() else [])]
    with ThreadPoolExecutor(2) as pool:
        ready = pool.submit(installed, npm)

        def of_the_page(command: str) -> bool:
            return ready.result() and sh(npm, "run", "--silent", "--prefix", ROOT / "ui", command)

        def of_python(*words: object) -> bool:
            return sh(PY, "-m", *words, env=quiet)

        steps: list[tuple[str, Callable[[], bool]]] = [
            ("mypy", lambda: of_python("mypy", *typed)),
            ("pyright", lambda: of_python("pyright")),
            ("ruff check", lambda: of_python("ruff", "check")),
            ("ruff format", lambda: of_python("ruff", "format", "--check")),
            *((f"npm run {name}", partial(of_the_page, name)) for name in (*PAGE_CHECKS, *more)),
        ]
        begun: list[tuple[str, Future[bool]]] = [(name, pool.submit(step)) for name, step in steps]
        return [name for name, done in begun if not done.result()]


def installed(npm: str) -> bool:
    """Installs what the page is built with, and says whether that worked."""
    try:
        with hatch_build.alone():
            hatch_build.install(npm)
    except hatch_build.PageNotBuilt as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return False
    return True


def room_of(path: str) -> str:
    """Returns the room of a covered file: its folder below src/stretto, or the file's own stem."""
    parts = Path(path.replace("\\", "/").split("stretto/", 1)[-1]).parts
    return parts[0] if len(parts) > 1 else Path(parts[0]).stem


def coverage_gate(report: Path) -> bool:
    """Holds every room to its share of covered lines and branches, and prints who fell short."""
    rooms: dict[str, list[int]] = {}
    for path, file in json.loads(report.read_text())["files"].items():
        total, seen = rooms.setdefault(room_of(path), [0, 0]), file["summary"]
        total[0] += seen["covered_lines"] + seen.get("covered_branches", 0)
        total[1] += seen["num_statements"] + seen.get("num_branches", 0)
    measured = {Path(path).resolve() for path in json.loads(report.read_text())["files"]}
    unseen = [path for path in (ROOT / "src" / "stretto").rglob("*.py") if path not in measured and path.read_text()]
    for path in unseen:
        print(f"coverage: {path.relative_to(ROOT)} was never imported by a test")
    held = not unseen
    for room, (covered, all_) in sorted(rooms.items()):
        share, wanted = (100.0 * covered / all_ if all_ else 100.0), (100.0 if room in EVERY_BRANCH else NINETY)
        if share < wanted:
            held = False
            print(f"coverage: {room} has {share:.2f} % of its lines and branches, {wanted:.0f} % are wanted")
    if held:
        print(f"coverage: every room has its share ({', '.join(EVERY_BRANCH)}: 100 %, the others: {NINETY:.0f} %)")
    return held


def collect() -> None:
    """Has pytest rewrite the assertions of all tests once, and keep them: its workers would each do it again."""
    sh(PY, "-m", "compileall", "-q", "src")  # what does not compile, pytest tells better
    quietly = (PY, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cov")
    subprocess.run([str(word) for word in quietly], capture_output=True, cwd=ROOT, check=False)


def test() -> list[str]:
    """Runs everything that must be green before a commit, and returns the names of what is not."""
    failed = check(*PAGE_TESTS)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(collect)
        build_page()
    report = ROOT / ".coverage-report.json"
    report.unlink(missing_ok=True)
    cover = ("--cov", "--cov-branch", "--cov-report=term:skip-covered", f"--cov-report=json:{report}")
    workers = str(min(4, (os.cpu_count() or 1) + 1))  # one more: many tests wait for disks and for other processes
    if not sh(PY, "-m", "pytest", "-q", "-n", workers, "--dist", "worksteal", *cover):
        failed.append("pytest")
    if not report.is_file() or not coverage_gate(report):
        failed.append("coverage")
    return failed


def main() -> None:
    """Reads the command, prepares what it needs, and does it."""
    command, rest = (sys.argv[1] if len(sys.argv) > 1 else "run"), sys.argv[2:]
    if command not in ("run", "survey", "chat", "build", "types", "test", "check", "bench"):
        sys.exit(USAGE)
    if command == "build":
        build_page()
        return
    ensure_environment()
    if command == "survey":  # from here: the paths that it takes are those of whoever typed them
        known = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(ROOT), *([known] if known else [])])
        os.execve(PY, [str(PY), "-m", "examples.survey", *rest], {**os.environ, "PYTHONPATH": path})
    if command == "run":
        build_page(needed=False)
    if command in ("run", "chat"):
        ensure_node_servers(needed=False)  # without the filesystem server the agents read, and write nothing
        path = os.pathsep.join([str(NODE_SERVERS / "node_modules" / ".bin"), os.environ.get("PATH", "")])
        said = ("serve",) if command == "run" else ("chat", "--agent", "surveyor")
        words = [str(VENV / SCRIPTS / ("stretto" + EXE)), *said, *rest]
        os.execve(words[0], words, {**os.environ, "PATH": path})
    os.chdir(ROOT)
    if command == "types":
        sys.exit(0 if write_types() else 1)
    if command == "bench":
        os.execv(PY, [str(PY), "benchmarks/bench.py", *rest])
    if command == "test":
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is compiled once, serves every process of the tests
        ensure_chromium()
        ensure_postgresql()
        ensure_node_servers()
        ensure_node()
        if rest:
            sys.exit(0 if sh(PY, "-m", "pytest", *rest) else 1)
    failed = test() if command == "test" else check()
    if failed:
        sys.exit(f"dev.py: not green: {', '.join(failed)}")
    print("dev.py: all green")


if __name__ == "__main__":
    main()
