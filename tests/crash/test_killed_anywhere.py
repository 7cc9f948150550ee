"""Kills the process at random points, again and again: nothing completed runs twice, nothing is lost."""

import asyncio
import contextlib
import os
import random
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stretto.core.errors import RunNotFound
from stretto.core.events import StepCompleted, StepStarted
from stretto.stores.sql import SqlStore
from tests.crash.journey import EXPECTED, IN_ROW, ITEMS, SIDE_BY_SIDE
from tests.measuring import unmeasured

KILLS = 26
"""How often the process is killed in each way of keeping the log."""
STEPS = IN_ROW + SIDE_BY_SIDE + ITEMS + 1


class Traveller:
    """A process that forks a child for each journey, so that none has to import everything anew."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.journey"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=unmeasured(),  # what is killed measures nothing
        )  # fmt: skip

    def go(self, *what: Any, place: Path, kill_at: int | None) -> int | None:
        """Sends a child on a journey, and kills it when it has noted so many steps.

        Returns its result, if it came that far.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, what)) + "\n")
        self.process.stdin.flush()
        child = int(self._read("child"))
        if kill_at is not None:
            while noted(place).total() < kill_at and not self._has_news():
                pass
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return self._ended()

    def _has_news(self) -> bool:
        """Waits for a moment, and says whether the child has ended."""
        return bool(select.select([self.process.stdout], [], [], random.uniform(0, 0.004))[0])

    def _read(self, word: str) -> str:
        assert self.process.stdout is not None
        first, _, rest = self.process.stdout.readline().strip().partition(" ")
        assert first == word, (first, rest)
        return rest

    def _ended(self) -> int | None:
        assert self.process.stdout is not None
        result = None
        while True:
            word, _, rest = self.process.stdout.readline().strip().partition(" ")
            if word == "result":
                result = int(rest)
            elif word == "ended":
                assert int(rest) in (0, signal.SIGKILL), rest
                return result
            else:
                raise AssertionError(f"the traveller died: {word} {rest}")

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def noted(place: Path) -> Counter[str]:
    return Counter(place.read_text().split()) if place.exists() else Counter()


def on_disk(database: Path, run_id: str) -> tuple[set[str], set[str]]:
    """Returns the paths that the log holds as completed, and as started."""

    async def read() -> tuple[set[str], set[str]]:
        async with SqlStore(database) as store:
            try:
                events = await store.events(run_id)
            except RunNotFound:  # it was killed before its first line was written, perhaps with its claim
                return set(), set()
        completed = {event.path for event in events if isinstance(event, StepCompleted)}
        return completed, {event.path for event in events if isinstance(event, StepStarted)}

    return asyncio.run(read())


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_process_killed_at_any_point_goes_on_without_running_a_completed_step_twice(
    durability: str, idempotent: bool, tmp_path: Path
) -> None:
    database, traveller = tmp_path / "runs.db", Traveller()
    kills, journeys = 0, 0
    try:
        while kills < KILLS:
            journeys += 1
            run_id, place = f"journey{journeys}", tmp_path / f"journey{journeys}.txt"
            before, completed, started = Counter[str](), set[str](), set[str]()
            while True:
                going_on = kills < KILLS
                kill_at = before.total() + random.randint(1, 20) if going_on else None
                result = traveller.go(database, run_id, place, durability, idempotent, place=place, kill_at=kill_at)
                after = noted(place)
                assert not (after - before).keys() & completed, "a step that was completed in the log ran again"
                assert max((after - before).values(), default=0) <= 1, "a step ran twice in one life"
                if not idempotent:
                    unasked = (after - before).keys() & before.keys() - noted(Path(f"{place}.asked")).keys()
                    assert not unasked & started, "a step that the log held as started ran again unasked"
                    assert not (unasked and durability == "sync"), "the log did not know of a start"
                if result is not None:
                    break
                kills += 1
                before = after
                completed, started = on_disk(database, run_id)
            assert result == EXPECTED
            assert len(after) == STEPS
    finally:
        traveller.close()
    assert kills >= KILLS
