"""Stretto: a map over a list, in memory or, with a folder as the second argument, on SQLite."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rounds import ITEMS, main

from stretto import MapReduceWorkflow, ParallelResourceLimits, run, step
from stretto.stores.sql import SqlStore


@step
async def work(item: int) -> int:
    return item + 1


mapped = MapReduceWorkflow(map=work, limits=ParallelResourceLimits(max_concurrent_executions=ITEMS))
store = SqlStore(Path(sys.argv[2]) / "runs.db") if len(sys.argv) > 2 else None


async def fan_out() -> Sequence[int]:
    return await run(mapped, range(ITEMS), store=store)


if __name__ == "__main__":
    main("stretto", fan_out)
