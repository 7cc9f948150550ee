"""The event loop is never blocked: not by the runtime, not by the store, not by sync functions and processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from blockbuster import blockbuster_ctx

from stretto import Context, ParallelResourceLimits, start, step
from stretto.core.resources import Workers
from stretto.stores.sql import SqlStore


@step
def blocking(number: int) -> int:
    time.sleep(0.001)
    return number


@step
async def at_work(count: int, context: Context) -> int:
    async with context.branches(ParallelResourceLimits(max_concurrent_executions=4)) as branches:
        for number in range(count):
            await branches.start(blocking, number)
    made = await context.resource(Workers).command(["echo", "done"])
    return len(branches.outcomes) + made.returncode


async def once(store: SqlStore) -> int:
    async with start(at_work, 8, store=store) as run:
        pass
    return run.outcome.unwrap()


def test_a_stored_run_with_threads_and_a_command_never_blocks_the_loop(tmp_path: Path) -> None:
    async def main() -> int:
        async with SqlStore(tmp_path / "runs.db") as store:
            await once(store)  # what is imported at first use reads files
            with blockbuster_ctx("stretto") as watched:
                for looked_up in ("os.stat", "os.access"):  # a program is found in the path, in microseconds
                    watched.functions[looked_up].deactivate()
                return await once(store)

    assert asyncio.run(main()) == 8
