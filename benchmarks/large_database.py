"""What a large database costs a server: from the start of its process until it answers, beside an empty one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Figure, Size, driven, seconds, times
from stretto.core.codec import encode
from stretto.core.events import Event, RunEnded, RunStarted, StepCompleted, StepStarted
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow, Fold, WorkflowRow
from stretto.stores.sql import SqlStore

MOST = 3.0  # seconds
STEPS = 250
TEXT = "what a step returned " * 95  # about 2 kB
SERVER = """
import sys
import anyio
from stretto.configuring.settings import Settings
from stretto.server.serving import Stop, serve
from stretto.stores.sql import SqlStore

async def main():
    settings = Settings.model_validate({"server": {"port": 0}})
    async with SqlStore(sys.argv[1]) as store:
        await serve(settings, store, stop=Stop(), ready=lambda url: print(url, flush=True), demonstrate=False)

anyio.run(main)
"""


async def _fill(place: Path, runs: int) -> None:
    """Keeps runs of 502 events, with their rows 2.2 MB; every one is an execution with 250 rows."""
    async with SqlStore(place) as store:
        for number in range(runs):
            workflow_id, run_id = f"workflow-{number // 4}", f"run-{number}"
            if number % 4 == 0:
                await store.records.add_workflow(WorkflowRow(id=workflow_id, name=workflow_id, agent_id="helper"))
            await store.records.add_execution(
                ExecutionRow(run_id=run_id, workflow_id=workflow_id, message="Hello.", agent_id="helper")
            )
            events: list[Event] = [RunStarted("", 0.0, run_id, "agent helper", 1_000.0 + number, None, {}, {})]
            for step in range(STEPS):
                path = f"helper/tool#{step}"
                events += [StepStarted(path, step + 0.1), StepCompleted(path, step + 0.9, f"{number} {TEXT}", "run")]
            events.append(RunEnded("", STEPS + 1.0, "completed", None, None))
            lines = [Line(at, event.kind, event.path, event.at, encode(event)) for at, event in enumerate(events)]
            owner = owner_of_this_process()
            await store.claim(run_id, owner)
            await store.append(run_id, lines)
            await store.release(run_id, owner)
            rows = [{"id": f"{run_id}/{step}", "created_at": float(step), "output": TEXT} for step in range(STEPS)]
            ended = {"status": "completed", "ended_at": 1_001.0}
            told = Fold(
                run_id=run_id, workflow_id=workflow_id, lines=len(lines), rows={"tool_execution": rows}, execution=ended
            )
            await store.records.keep([told])


def _start(place: Path) -> float:
    """Starts a server, and returns after how many seconds it answers; then kills it."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(place)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        taken = time.perf_counter() - began
        process.kill()
    if not said.startswith("http"):
        raise AssertionError("the server did not start")
    return taken


async def _large_database(size: Size) -> list[Figure]:
    runs = max(1, size.stored // 20)
    with tempfile.TemporaryDirectory() as folder:
        empty, large = Path(folder) / "empty.db", Path(folder) / "large.db"
        await _fill(large, runs)
        await _fill(empty, 0)
        _start(empty)  # what Python compiles at the first start is compiled now
        taken: dict[Path, list[float]] = {empty: [], large: []}
        for _ in range(min(3, size.rounds // 2)):
            for place, rounds in taken.items():
                rounds.append(_start(place))
        held = large.stat().st_size
    worst, baseline = max(taken[large]), min(taken[empty])
    return [
        Figure(
            f"from the start of the server's process until it answers, {held / 1e9:.2f} GB of {runs:,} runs",
            f"{seconds(baseline)} with an empty database",
            seconds(worst),
            times(worst / baseline),
            f"≤ {MOST:g} s",
            worst <= MOST,
            [f"the slowest of {len(taken[large])} starts counts; the server before each was killed"],
        )
    ]


def large_database(size: Size) -> list[Figure]:
    """Measures the start with a large database."""
    return driven(_large_database(size))
