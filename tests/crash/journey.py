"""The work of the crash test: 50 steps in a row, side by side and over items; each notes that it was executed."""

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from stretto.core.events import Asked
from stretto.core.function import FunctionStep, step
from stretto.core.policies import ParallelResourceLimits
from stretto.core.step import Context
from stretto.runtime.run import start
from stretto.stores.sql import SqlStore
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow

IN_ROW, SIDE_BY_SIDE, ITEMS = 15, 15, 19
EXPECTED = IN_ROW + sum(IN_ROW + place for place in range(SIDE_BY_SIDE)) * ITEMS
"""What the journey returns for 0."""


def note(place: Path, path: str) -> None:
    """Adds a line to the side file, and has it on disk before it returns."""
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{path}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def journey(place: Path, *, idempotent: bool) -> Any:
    """Returns the workflow: 15 steps in a row, 15 at once, 19 items, and a sum."""

    def noting(name: str, plus: int) -> FunctionStep[Any, Any]:
        @step(name=name, idempotent=idempotent)
        async def add(x: int, context: Context) -> int:
            note(place, context.path)
            await asyncio.sleep(0.002)  # so that the log is written between two steps, too
            return x + plus

        return add

    @step(name="spread", idempotent=True)
    async def spread(values: list[int]) -> list[int]:
        return [sum(values)] * ITEMS

    @step(name="total", idempotent=idempotent)
    async def total(values: list[int], context: Context) -> int:
        note(place, context.path)
        return sum(values) + IN_ROW

    limits = ParallelResourceLimits(max_concurrent_executions=4)
    return SequentialWorkflow(
        name="journey",
        steps=(
            SequentialWorkflow(name="row", steps=tuple(noting(f"r{number}", 1) for number in range(IN_ROW))),
            ParallelWorkflow(
                name="side", steps=tuple(noting(f"s{number}", number) for number in range(SIDE_BY_SIDE)), limits=limits
            ),
            spread,
            MapReduceWorkflow(name="items", map=noting("item", 0), reduce=total, limits=limits),
        ),
    )


async def travel(database: str, run_id: str, place: str, durability: Any, idempotent: bool) -> int:
    """Runs the journey, or goes on with it; says "retry" when it is asked, and notes about which step it was."""
    async with SqlStore(database) as store:
        work = journey(Path(place), idempotent=idempotent)
        async with start(work, 0, store=store, run_id=run_id, durability=durability) as running:
            async for event in running.events():
                if isinstance(event, Asked) and running.answer(event.request_id, "retry"):
                    note(Path(f"{place}.asked"), event.path)
    result: int = running.outcome.unwrap()
    return result


def serve() -> None:
    """Waits for a line on stdin for each fork: a child travels, and its result goes to stdout."""
    for module in ("alembic.command", "anyio.to_thread", "sqlalchemy.dialects.sqlite", "psutil"):
        importlib.import_module(module)  # once here, and not in every child
    for line in sys.stdin:
        database, run_id, place, durability, idempotent = line.split()
        child = os.fork()
        if not child:
            code = 1
            try:
                result = asyncio.run(travel(database, run_id, place, durability, idempotent == "True"))
                os.write(1, f"result {result}\n".encode())  # whole, or not at all
                code = 0
            finally:
                os._exit(code)
        print("child", child, flush=True)
        _, status = os.waitpid(child, 0)
        print("ended", status, flush=True)


if __name__ == "__main__":
    serve()
