"""Measures contenders in turn, so that whatever disturbs the machine disturbs them all, and tells what came out."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Contender = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Size:
    """How large the benchmarks are: what is measured, and how often."""

    name: str
    fan_outs: tuple[int, ...]
    long_fan_out: int
    sequence: int
    rounds: int
    peer_items: int
    peer_rounds: int
    stored: int
    operations: int
    edges_each: int
    many_operations: int
    graphs: int
    graph_size: int
    live: int


FULL = Size("full", (1_000, 10_000), 100_000, 1_000, 15, 1_000, 5, 10_000, 10_000, 5, 100_000, 20, 150, 10_000)
QUICK = Size("quick", (1_000, 10_000), 100_000, 1_000, 5, 1_000, 0, 10_000, 10_000, 5, 100_000, 5, 80, 10_000)
TINY = Size("tiny", (20, 40), 200, 20, 2, 20, 0, 40, 100, 3, 300, 1, 12, 30)
SIZES = {size.name: size for size in (FULL, QUICK, TINY)}


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, against what, and whether that is what was promised.

    ``reached`` is None for a figure without a promise, and for one that could not be measured. ``notes`` say more.
    """

    what: str
    baseline: str
    ours: str
    ratio: str
    target: str
    reached: bool | None
    notes: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """Returns the figure as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Times:
    """How long a contender took in each round, and how much processor time all its threads together (seconds)."""

    rounds: tuple[float, ...]
    processor: tuple[float, ...] = ()

    @property
    def best(self) -> float:
        """The fastest round: what the code takes when nothing disturbs it."""
        return min(self.rounds)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.rounds)

    def told(self) -> str:
        """Returns best, median and worst as text."""
        return f"best {seconds(self.best)}, median {seconds(self.median)}, worst {seconds(max(self.rounds))}"


async def interleaved(contenders: Mapping[str, Contender], rounds: int) -> dict[str, Times]:
    """Runs every contender once unmeasured, then all of them in turn, round by round, after a garbage collection."""
    for contender in contenders.values():
        await contender()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    used: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            gc.collect()
            began, before = time.perf_counter(), time.process_time()
            kept = await contender()
            taken[name].append(time.perf_counter() - began)
            used[name].append(time.process_time() - before)
            del kept
    return {name: Times(tuple(taken[name]), tuple(used[name])) for name in contenders}


def driven(main: Coroutine[Any, Any, list[Figure]]) -> list[Figure]:
    """Runs a benchmark on a loop of its own."""
    return asyncio.run(main)


def ratio_note(name: str, ours: Times, baseline: Times, count: int = 0) -> str:
    """Returns a note on one contender: its ratio by the best and by the middle of the rounds, and its spread."""
    each = f", {ours.best / count * 1e6:.1f} µs each" if count else ""
    best, middle = ours.best / baseline.best, ours.median / baseline.median
    return f"{name}: {best:.2f} × by the best round, {middle:.2f} × by the median; {ours.told()}{each}"


def seconds(value: float) -> str:
    """Returns a duration in a unit that suits it."""
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} µs"


def times(value: float) -> str:
    """Returns a ratio."""
    return f"{value:.2f} ×"
