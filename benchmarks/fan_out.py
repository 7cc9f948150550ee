"""Fan-out of trivial branches through the public API, beside a bare ``asyncio.TaskGroup``; and what stays of them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.measure import Figure, Size, Times, driven, interleaved, ratio_note, seconds, times
from stretto import Context, MapReduceWorkflow, ParallelResourceLimits, ParallelWorkflow, SequentialWorkflow, run, step

MOST = 3.0
MOST_IN_SEQUENCE = 5.0
LINEAR = 0.20
BOUNDED = "MapReduceWorkflow, 10 at a time"
KEPT = 2_000


async def plus_one(value: int) -> int:
    return value + 1


work = step(plus_one)


async def bare(count: int) -> list[int]:
    """Does the work with nothing but asyncio."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(plus_one(value)) for value in range(count)]
    return [task.result() for task in tasks]


async def bounded(count: int, room: int) -> list[int]:
    """Does the work with a semaphore, so many at a time."""
    semaphore = asyncio.Semaphore(room)

    async def one(value: int) -> int:
        async with semaphore:
            return await plus_one(value)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(value)) for value in range(count)]
    return [task.result() for task in tasks]


@step
async def free_form(count: int, context: Context) -> list[int]:
    async with context.branches(ParallelResourceLimits(max_concurrent_executions=count)) as branches:
        for value in range(count):
            await branches.start(work, value)
    return [outcome.unwrap() for outcome in branches.outcomes]


def mapping(room: int) -> MapReduceWorkflow:
    """Returns the work as a map, so many at a time."""
    return MapReduceWorkflow(map=work, limits=ParallelResourceLimits(max_concurrent_executions=room))


def ways(count: int) -> dict[str, Any]:
    """Returns every way to fan out that is measured."""
    parallel = ParallelWorkflow(steps=(work,) * count, limits=ParallelResourceLimits(max_concurrent_executions=count))
    wide, narrow = mapping(count), mapping(10)
    return {
        "bare": lambda: bare(count),
        "context.branches": lambda: run(free_form, count),
        "MapReduceWorkflow": lambda: run(wide, range(count)),
        "ParallelWorkflow": lambda: run(parallel, 1),
        "TaskGroup with a semaphore of 10": lambda: bounded(count, 10),
        BOUNDED: lambda: run(narrow, range(count)),
    }


async def _check() -> None:
    for name, way in ways(12).items():
        wanted = [2] * 12 if name == "ParallelWorkflow" else list(range(1, 13))
        if await way() != wanted:
            raise AssertionError(f"{name} does not do the work")


async def _fan_out(size: Size) -> list[Figure]:
    await _check()
    found: list[Figure] = []
    for count in size.fan_outs:
        taken = await interleaved(ways(count), size.rounds if count > 5_000 else 2 * size.rounds)
        baseline, beside, narrow = taken.pop("bare"), taken.pop("TaskGroup with a semaphore of 10"), taken.pop(BOUNDED)
        slowest = max(taken, key=lambda name: taken[name].best)
        ratio = taken[slowest].best / baseline.best
        found.append(
            Figure(
                f"fan-out of {count:,} branches ({slowest}, the slowest of {len(taken)} ways)",
                f"{seconds(baseline.best)} asyncio.TaskGroup",
                seconds(taken[slowest].best),
                times(ratio),
                f"≤ {MOST:g} ×",
                ratio <= MOST,
                [
                    f"TaskGroup: {baseline.told()}",
                    *(ratio_note(name, t, baseline, count) for name, t in taken.items()),
                    ratio_note(BOUNDED, narrow, baseline, count),
                    ratio_note(f"{BOUNDED}, beside a TaskGroup with a semaphore of 10", narrow, beside, count),
                ],
            )
        )
    found.append(await _linear(size))
    return found


async def _linear(size: Size) -> Figure:
    """Compares a long fan-out with ten that are a tenth as long: samples of one length suffer the same disturbances."""
    short, long = size.long_fan_out // 10, size.long_fan_out

    async def ten(fan_out: Callable[[int], Awaitable[object]]) -> None:
        for _ in range(10):
            await fan_out(short)

    def ours(count: int) -> Awaitable[object]:
        return run(free_form, count)

    taken = await interleaved(
        {
            "ten": lambda: ten(ours),
            "long": lambda: ours(long),
            "ten bare": lambda: ten(bare),
            "long bare": lambda: bare(long),
        },
        max(5, size.rounds // 2),
    )
    each_short, each_long = taken["ten"].best / long, taken["long"].best / long
    ratio, bare_ratio = each_long / each_short, taken["long bare"].best / taken["ten bare"].best
    return Figure(
        f"fan-out of {long:,} branches, time per branch",
        f"{each_short * 1e6:.1f} µs of {short:,}",
        f"{each_long * 1e6:.1f} µs",
        times(ratio),
        f"linear: ≤ {1 + LINEAR:.1f} ×",
        ratio <= 1 + LINEAR,
        [
            f"ten of {short:,}: {taken['ten'].told()}; one of {long:,}: {taken['long'].told()}",
            f"by the median {taken['long'].median / taken['ten'].median:.2f} ×; TaskGroup by itself {bare_ratio:.2f} ×",
            f"{long:,} against TaskGroup: {taken['long'].best / taken['long bare'].best:.2f} ×",
        ],
    )


def fan_out(size: Size) -> list[Figure]:
    """Measures fan-outs."""
    return driven(_fan_out(size))


def memory(size: Size) -> list[Figure]:
    """Measures what a finished branch leaves: its two events, its outcome, its name and its value."""
    count = size.long_fan_out
    kept: dict[str, float] = {}

    @step
    async def measured(count: int, context: Context) -> int:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=100)) as branches:
            for value in range(count):
                await branches.start(work, value)
        gc.collect()
        kept["bytes"] = (tracemalloc.get_traced_memory()[0] - before) / count
        return len(branches.outcomes)

    tracemalloc.start()
    try:
        asyncio.run(run(measured, count))
    finally:
        tracemalloc.stop()
    held = kept["bytes"]
    return [
        Figure(
            f"kept per finished branch, of {count:,}",
            f"{KEPT:,} bytes",
            f"{held:.0f} bytes",
            times(held / KEPT),
            f"< {KEPT:,} bytes",
            held < KEPT,
            ["events and outcomes of the live run, by tracemalloc after a garbage collection"],
        )
    ]


@step
async def in_turn(count: int, context: Context) -> int:
    value = 0
    for _ in range(count):
        value = await context.run(work, value)
    return value


async def _awaits(count: int) -> int:
    """Awaits the coroutines one after another, each through a task of its own."""
    value = 0
    for _ in range(count):
        value = await asyncio.create_task(plus_one(value))
    return value


async def _sequence(size: Size) -> list[Figure]:
    count = size.sequence
    row = SequentialWorkflow(steps=(work,) * count)
    taken: dict[str, Times] = await interleaved(
        {
            "bare": lambda: _awaits(count),
            "context.run": lambda: run(in_turn, count),
            "SequentialWorkflow": lambda: run(row, 0),
        },
        4 * size.rounds,
    )
    if not await run(row, 0) == await run(in_turn, count) == await _awaits(count) == count:
        raise AssertionError("the sequences do not do the same work")
    baseline = taken.pop("bare")
    slowest = max(taken, key=lambda name: taken[name].best)
    ratio = taken[slowest].best / baseline.best
    return [
        Figure(
            f"{count:,} steps in sequence ({slowest}, the slower of 2 ways)",
            f"{seconds(baseline.best)} awaited tasks",
            seconds(taken[slowest].best),
            times(ratio),
            f"≤ {MOST_IN_SEQUENCE:g} ×",
            ratio <= MOST_IN_SEQUENCE,
            [f"tasks: {baseline.told()}", *(ratio_note(name, t, baseline, count) for name, t in taken.items())],
        )
    ]


def sequence(size: Size) -> list[Figure]:
    """Measures steps one after another."""
    return driven(_sequence(size))
