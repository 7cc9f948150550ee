"""How long it takes until every branch of a run has stopped after it was told to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time

from benchmarks.measure import Figure, Size, Times, driven, seconds, times
from stretto import Context, ParallelResourceLimits, start, step

MOST = 1.0


class Waiters:
    """Counts those who wait, and how many of them were stopped."""

    def __init__(self, count: int) -> None:
        self.count, self.waiting, self.stopped = count, 0, 0
        self.all_wait = asyncio.Event()

    async def wait(self) -> None:
        """Waits for ever."""
        self.waiting += 1
        if self.waiting == self.count:
            self.all_wait.set()
        try:
            await asyncio.sleep(1e6)
        finally:
            self.stopped += 1


async def bare(count: int) -> float:
    """Cancels so many tasks of a task group; returns how long that took (seconds)."""
    waiters = Waiters(count)

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(waiters.wait())

    task = asyncio.create_task(group())
    await waiters.all_wait.wait()
    gc.collect()
    began = time.perf_counter()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return _checked(waiters, began)


async def ours(count: int) -> float:
    """Cancels a run with so many live branches; returns how long it took to end (seconds)."""
    waiters = Waiters(count)

    @step
    async def patient(_: int) -> None:
        await waiters.wait()

    @step
    async def many(_: None, context: Context) -> None:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=count)) as branches:
            for place in range(count):
                await branches.start(patient, place)

    async with start(many) as run:
        await waiters.all_wait.wait()
        gc.collect()
        began = time.perf_counter()
        run.cancel()
        await run.ended.wait()
        taken = _checked(waiters, began)
    if run.outcome.status != "cancelled" or run.abandoned:
        raise AssertionError(f"the run ended {run.outcome.status}, {len(run.abandoned)} branches were left behind")
    return taken


def _checked(waiters: Waiters, began: float) -> float:
    taken = time.perf_counter() - began
    if waiters.stopped != waiters.count:
        raise AssertionError(f"{waiters.stopped} of {waiters.count} branches were stopped")
    return taken


async def _cancelling(size: Size) -> list[Figure]:
    bare_times: list[float] = []
    our_times: list[float] = []
    for _ in range(max(2, size.rounds // 2)):
        bare_times.append(await bare(size.live))
        our_times.append(await ours(size.live))
    baseline, taken = Times(tuple(bare_times)), Times(tuple(our_times))
    return [
        Figure(
            f"cancelling a run of {size.live:,} live branches, until every one has stopped",
            f"{seconds(baseline.best)} asyncio.TaskGroup",
            seconds(taken.best),
            times(taken.best / baseline.best),
            f"< {MOST:g} s",
            taken.median < MOST,
            [f"TaskGroup: {baseline.told()}", f"ours: {taken.told()}"],
        )
    ]


def cancelling(size: Size) -> list[Figure]:
    """Measures cancellation."""
    return driven(_cancelling(size))
