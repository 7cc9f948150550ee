"""The same fan-out in other libraries, each in the way that its documentation shows, beside Stretto.

Peers live in an environment of their own, ``.venv-peers``, made by uv from the pinned ``peers/requirements.txt``. Each
runs in a process that answers "go" with how long the work took, so that Stretto and a peer are measured in turn. A peer
that keeps its runs on disk is measured beside Stretto on SQLite. What cannot be installed or run is told with the
reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Figure, Size, Times, seconds, times

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks" / "peers"
VENV = ROOT / ".venv-peers"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WANTED = HERE / "requirements.txt"
LEAST = 10.0
PATIENCE = 600.0
"""How long a peer may take to start, or for one round (seconds)."""
ENOUGH = 60.0
"""After so long no further round of a peer is begun; a first one that took longer is the only one (seconds)."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "NO_PROXY": "127.0.0.1,localhost",
}
"""No telemetry, no chatter, and time for Prefect's server to start on loopback."""


class PeerFailed(Exception):
    """A peer could not be installed or run."""


@dataclass(frozen=True)
class Peer:
    """A library, the file that does the work with it, and whether it keeps its runs on disk."""

    name: str
    file: str
    durable: bool = False


PEERS = (
    Peer("pydantic-graph", "on_pydantic_graph.py"),
    Peer("LangGraph (Send)", "on_langgraph.py"),
    Peer("LangGraph (tasks)", "on_langgraph_tasks.py"),
    Peer("LlamaIndex workflows", "on_llama_index.py"),
    Peer("Google ADK", "on_google_adk.py"),
    Peer("DBOS, on SQLite", "on_dbos.py", durable=True),
    Peer("Prefect, on its server and SQLite", "on_prefect.py", durable=True),
)


class Worker:
    """A process that does the work whenever it is told to."""

    def __init__(self, python: Path, file: str, items: int, folder: Path, *more: str) -> None:
        env = {**os.environ, **QUIET, "PREFECT_HOME": str(folder / "prefect")}
        self._said = folder / f"{file}.err"
        with self._said.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), str(HERE / file), str(items), *more],
                cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        try:
            ready = self._answer()
            self.version, self.warming = str(ready["version"]), float(str(ready["warming"]))
        except PeerFailed:
            self.close()
            raise

    def _answer(self) -> dict[str, object]:
        """Returns the next line of JSON; what a library prints besides is passed over."""
        assert self._process.stdout is not None
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout:
                if line.startswith("{"):
                    return dict(json.loads(line))
        finally:
            timer.cancel()
        self._process.wait()
        lines = [line.strip() for line in self._said.read_text(errors="replace").splitlines() if line.strip()]
        why = lines[-1][:200] if lines else f"it was silent for {PATIENCE:g} s"
        raise PeerFailed(f"{why} (status {self._process.returncode})")

    def go(self) -> float:
        """Does the work once; returns how long it took (seconds)."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except OSError as error:
            raise PeerFailed(f"it has ended: {error}") from error
        return float(str(self._answer()["seconds"]))

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def install() -> None:
    """Makes the peers' environment what the requirements say; raises ``PeerFailed``."""
    sys.path.append(str(ROOT))
    from dev import find_uv, uv_environment

    uv, env = find_uv(), uv_environment()
    if not PYTHON.exists():
        _uv(env, uv, "venv", "--quiet", "--python", sys.executable, str(VENV))
    stamp = VENV / ".stretto-stamp"
    if stamp.is_file() and stamp.read_text() == WANTED.read_text():
        return
    _uv(env, uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--requirement", str(WANTED))
    stamp.write_text(WANTED.read_text())


def _uv(env: dict[str, str], *command: str) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerFailed(" ".join(done.stderr.split())[:300] or f"uv ended with status {done.returncode}")


def measure(peer: Peer, size: Size, folder: Path) -> tuple[str, Times, Times]:
    """Measures a peer and Stretto in turn; returns the peer's version, its times and ours."""
    folder.mkdir()
    ours = Worker(
        Path(sys.executable), "on_stretto.py", size.peer_items, folder, *([str(folder)] if peer.durable else [])
    )
    try:
        other = Worker(PYTHON, peer.file, size.peer_items, folder)
        try:
            theirs: list[float] = []
            taken: list[float] = []
            while len(theirs) < size.peer_rounds and sum(theirs) < ENOUGH:
                theirs.append(other.warming if other.warming > ENOUGH else other.go())
                taken += [ours.go(), ours.go()]
        finally:
            other.close()
    finally:
        ours.close()
    return other.version, Times(tuple(theirs)), Times(tuple(taken))


def figure(peer: Peer, size: Size, version: str, theirs: Times, ours: Times) -> Figure:
    """Returns the line of one peer."""
    ratio = theirs.best / ours.best
    return Figure(
        f"the same {size.peer_items:,} branches in {peer.name} {version}",
        seconds(theirs.best),
        f"{seconds(ours.best)}{' on SQLite' if peer.durable else ''}",
        f"{ratio:.1f} × faster",
        f"≥ {LEAST:g} × faster",
        ratio >= LEAST,
        [
            f"{peer.name}: {theirs.told()}, {len(theirs.rounds)} rounds",
            f"ours: {ours.told()}; by the median {times(theirs.median / ours.median)} faster",
        ],
    )


def peers(size: Size) -> list[Figure]:
    """Measures the peers."""
    if not size.peer_rounds:
        return []
    try:
        install()
    except PeerFailed as failed:
        return [_untold("peers", f"not installed: {failed}")]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for place, peer in enumerate(PEERS):
            try:
                figures.append(figure(peer, size, *measure(peer, size, Path(folder) / str(place))))
            except PeerFailed as failed:
                figures.append(_untold(peer.name, f"could not be run: {failed}"))
            print(f"  {peer.name} done", file=sys.stderr, flush=True)
    return figures


def _untold(name: str, why: str) -> Figure:
    return Figure(f"the same work in {name}", "–", "–", "–", f"≥ {LEAST:g} × faster", None, [why])
