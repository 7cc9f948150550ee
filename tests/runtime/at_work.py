"""What the tests of threads, processes and commands share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import psutil
import pytest

from stretto.runtime.workers import ThreadsAndProcesses, WorkerPool

T = TypeVar("T")
MIB = 2**20


def with_workers(use: Callable[[ThreadsAndProcesses, WorkerPool], Awaitable[T]], **settings: Any) -> T:
    """Runs ``use`` in a loop with workers for the path 'run/step', and returns what it returns."""

    async def inside() -> T:
        pool = WorkerPool(**settings)
        try:
            return await use(ThreadsAndProcesses("run/step", pool), pool)
        finally:
            pool.close()

    return asyncio.run(inside())


def in_process(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    return with_workers(lambda workers, _: workers.process(function, *args, **settings))


def command(*argv: str, **settings: Any) -> Any:
    return with_workers(lambda workers, _: workers.command(argv, **settings))


async def until(holds: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # processes set no events
            await asyncio.sleep(0.005)


def lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


async def cancelled_after(work: Coroutine[Any, Any, Any], holds: Callable[[], Any]) -> float:
    """Starts work, cancels it once something holds, and returns how many seconds it took to end."""
    task = asyncio.create_task(work)
    await until(lambda: holds() or task.done())
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began
