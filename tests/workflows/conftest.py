"""Runs workflows on the real runtime, on a clock that jumps over every wait."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stretto.runtime.run import Run, start


class JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: says how far the clock may jump instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0 if timeout is not None else None)
        if not found and timeout is not None and timeout > 0:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def on_virtual_time(main: Callable[[], Awaitable[Any]]) -> Any:
    async def entered() -> Any:
        return await main()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(entered())


@pytest.fixture
def virtually() -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Runs an async function on virtual time."""
    return on_virtual_time


@pytest.fixture
def watch() -> Callable[..., Run[Any]]:
    """Runs a step to its end, and returns the run: outcome, log, time."""

    def watching(step: Any, input: Any = None, **settings: Any) -> Run[Any]:
        async def main() -> Run[Any]:
            async with start(step, input, **settings) as run:
                pass
            run.seconds = asyncio.get_running_loop().time()  # type: ignore[attr-defined]  # virtual seconds, for tests
            return run

        return on_virtual_time(main)

    return watching


@pytest.fixture
def go(watch: Callable[..., Run[Any]]) -> Callable[..., Any]:
    """Runs a step to its end, and returns its output or raises what it raised."""
    return lambda step, input=None, **settings: watch(step, input, **settings).outcome.unwrap()
