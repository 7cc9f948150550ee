"""Whole plans, really run on a virtual clock, beside an independent list scheduler with as many slots."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from benchmarks.graphs import RANDOM, REAL, Work
from benchmarks.measure import Figure, Size
from stretto import FunctionStep, Operation, ParallelResourceLimits, PlannedWorkflow, analyze_dependencies
from stretto.testing import VirtualClock, run_virtual

MOST = 1.05
OVERHEAD = 1.001
SLOTS = (1, 2, 3, 4, 8, 16)


def remaining(work: Work) -> dict[str, float]:
    """Returns the longest remaining path from each job, its own duration included (seconds)."""
    after: dict[str, list[str]] = {id: [] for id in work.durations}
    for id, needs in work.needs.items():
        for need in needs:
            after[need].append(id)
    left: dict[str, float] = {}
    for id in reversed(work.needs):
        left[id] = work.durations[id] + max((left[next_] for next_ in after[id]), default=0.0)
    return left


def list_schedule(work: Work, slots: int, tie: Callable[[str], Any]) -> float:
    """Returns when the last job ends if a free slot always takes the ready job with the longest remaining path.

    Written for this comparison alone; it shares nothing with the code that it judges.
    """
    left, now, free = remaining(work), 0.0, slots
    missing = {id: set(needs) for id, needs in work.needs.items()}
    waiting, running = set(work.durations), list[tuple[float, str]]()
    while waiting or running:
        ready = sorted((id for id in waiting if not missing[id]), key=lambda id: (-left[id], tie(id)))
        for id in ready[:free]:
            waiting.discard(id)
            heapq.heappush(running, (now + work.durations[id], id))
        free -= min(free, len(ready))
        now = running[0][0]
        while running and running[0][0] <= now:
            _, ended = heapq.heappop(running)
            free += 1
            for others in missing.values():
                others.discard(ended)
    return now


def best_list_schedule(work: Work, slots: int) -> float:
    """Returns the best of four ways to choose between jobs of equal rank."""
    place = {id: number for number, id in enumerate(work.durations)}
    ties: tuple[Callable[[str], Any], ...] = (
        lambda id: place[id],
        lambda id: -place[id],
        lambda id: -work.durations[id],
        lambda id: work.durations[id],
    )
    return min(list_schedule(work, slots, tie) for tie in ties)


def ours(work: Work, slots: int | None) -> float:
    """Runs the work as a plan on a virtual clock; returns when it ended (virtual seconds)."""

    def sleeper(seconds: float) -> Callable[[Any], Any]:
        async def sleep(_: Any) -> None:
            await asyncio.sleep(seconds)

        return sleep

    plan = analyze_dependencies(
        Operation(
            id=id,
            step=FunctionStep(sleeper(seconds), name="job"),
            inputs=tuple(f"datum of {need}" for need in work.needs[id]),
            outputs=(f"datum of {id}",),
            duration=seconds,
        )
        for id, seconds in work.durations.items()
    )
    room = len(work.durations) if slots is None else slots
    limits = ParallelResourceLimits(max_concurrent_executions=room)
    clock = VirtualClock()
    run_virtual(PlannedWorkflow(plan=plan, limits=limits), {}, clock=clock)
    return clock.elapsed


def makespan(size: Size) -> list[Figure]:
    """Measures how long plans take with few slots and with as many as they can use."""
    figures: list[Figure] = []
    unlimited: list[tuple[float, str]] = []
    for kind, makers in (("random graphs", RANDOM), ("graphs of real shapes", REAL)):
        ratios: list[tuple[float, str]] = []
        works = [make(size.graph_size, seed) for make in makers for seed in range(size.graphs)]
        for work in works:
            ratios += [
                (ours(work, slots) / best_list_schedule(work, slots), f"{work.name}, {slots} slots") for slots in SLOTS
            ]
            unlimited.append((ours(work, None) / work.critical_path, work.name))
        worst, where = max(ratios)
        mean = sum(ratio for ratio, _ in ratios) / len(ratios)
        figures.append(
            Figure(
                f"makespan of {len(works)} {kind}, {SLOTS[0]} to {SLOTS[-1]} slots, the worst of {len(ratios)} runs",
                "list scheduling by longest remaining path, best of 4 tie-breaks",
                where,
                f"{worst:.4f} ×",
                f"≤ {MOST:g} ×",
                worst <= MOST,
                [f"mean {mean:.4f} ×, best {min(ratios)[0]:.4f} × ({min(ratios)[1]})"],
            )
        )
    worst, where = max(unlimited)
    figures.append(
        Figure(
            f"makespan of the same {len(unlimited)} graphs with unlimited slots",
            "critical path",
            where,
            f"{worst:.4f} ×",
            "1 × + overhead",
            worst <= OVERHEAD,
            ["virtual time: what the machine itself takes does not count here"],
        )
    )
    return figures
