"""What it costs to keep a run on disk while it runs: the same fan-out in memory and on SQLite."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.fan_out import bare, free_form
from benchmarks.measure import Figure, Size, Times, driven, interleaved, ratio_note, seconds, times
from stretto import run
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore

MOST = 2.0
EVENTS_PER_SECOND = 20_000


async def _durability(size: Size) -> list[Figure]:
    count = size.stored

    async def twice() -> None:
        await run(free_form, count)
        await run(free_form, count)

    with tempfile.TemporaryDirectory() as folder:
        disk, memory = SqlStore(Path(folder) / "runs.db"), MemoryStore()
        taken = await interleaved(
            {
                "in memory": twice,  # a sample as long as that on SQLite suffers as many disturbances
                "SQLite, async": lambda: run(free_form, count, store=disk),
            },
            2 * size.rounds,
        )
        beside = await interleaved(
            {
                "SQLite, exit": lambda: run(free_form, count, store=disk, durability="exit"),
                "MemoryStore": lambda: run(free_form, count, store=memory),
                "TaskGroup": lambda: bare(count),
            },
            min(3, size.rounds),
        )
        newest = (await disk.runs(limit=1))[0]
        await disk.close()
    events = newest.events
    if newest.steps.completed != count + 1:
        raise AssertionError(f"the store holds {newest.steps.completed} completed steps instead of {count + 1}")
    baseline = Times(tuple(both / 2 for both in taken["in memory"].rounds))
    stored = taken["SQLite, async"]
    used = 2 * min(stored.processor) / min(taken["in memory"].processor)
    ratio, rate = stored.best / baseline.best, events / stored.best
    return [
        Figure(
            f'durability "async" on SQLite, fan-out of {count:,}',
            f"{seconds(baseline.best)} in memory, nothing kept",
            seconds(stored.best),
            times(ratio),
            f"≤ {MOST:g} ×",
            ratio <= MOST,
            [
                f"in memory: {baseline.told()}",
                ratio_note("SQLite, async", stored, baseline, count),
                f"processor time of all threads: {used:.2f} ×, which the ratio comes near when no processor is free",
                *(ratio_note(name, times_, baseline, count) for name, times_ in beside.items()),
            ],
        ),
        Figure(
            "events written to SQLite per second, until the last is on disk",
            f"{EVENTS_PER_SECOND:,}",
            f"{rate:,.0f}",
            times(rate / EVENTS_PER_SECOND),
            f"≥ {EVENTS_PER_SECOND:,}",
            rate >= EVENTS_PER_SECOND,
            [f"{events:,} events in {seconds(stored.best)}; by the median {events / stored.median:,.0f} per second"],
        ),
    ]


def durability(size: Size) -> list[Figure]:
    """Measures durability."""
    return driven(_durability(size))
