"""Runs workflows on the real runtime, on a clock that jumps over every wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stretto.runtime.run import Run, start
from stretto.testing import VirtualClock


def on_virtual_time(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return VirtualClock().run(main())


@pytest.fixture
def virtually() -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
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
