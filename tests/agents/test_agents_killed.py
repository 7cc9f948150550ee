"""The process of an agent is killed while a tool works and a human is being asked; another one goes on."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from tests.agents.clerk import work

PROGRAM = "from tests.agents.clerk import main; main()"
"""Imported, so that its classes bear the same names here and there."""


def wait_for(place: Path, lines: set[str]) -> None:
    """Waits until all of these lines have been noted."""
    deadline = time.monotonic() + 60
    while not place.exists() or not lines <= set(place.read_text().splitlines()):
        assert time.monotonic() < deadline, place.read_text() if place.exists() else "nothing was noted"
        time.sleep(0.02)


def test_a_killed_agent_pays_no_finished_call_twice_and_asks_before_it_writes_again(tmp_path: Path) -> None:
    database, place = f"sqlite:///{tmp_path / 'runs.db'}", tmp_path / "noted"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, database, str(place)])
    try:
        wait_for(place, {"write call_1_0", "question clerk/tools#2/delete"})
    finally:
        process.kill()
        process.wait()
    before = place.read_text().splitlines()
    assert [line for line in before if line.startswith("asked")] == ["asked 1", "asked 2"]
    place.unlink()
    run = asyncio.run(work(database, str(place), 0.0, {"write": "retry", "delete": "reject"}))
    report = run.outcome.unwrap()
    assert report.response == "All done."
    after = place.read_text().splitlines()
    assert [line for line in after if not line.startswith("question")] == ["write call_1_0", "asked 3"]
    assert {line for line in after if line.startswith("question")} == {
        "question clerk/tools#2/delete", "question clerk/tools#2/write/run",
    }  # fmt: skip
    assert [(use.name, use.success) for use in report.tool_uses] == [("read", True), ("write", True), ("delete", False)]
    assert report.metrics.usage.input_tokens == 30
