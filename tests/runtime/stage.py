"""What the tests of the runtime share: steps, sets of branches, and runs on a clock that jumps over every wait."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from stretto.core.aggregation import AggregationStrategy
from stretto.core.events import Event
from stretto.core.function import FunctionStep, step
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Context, Step
from stretto.runtime.run import Run, start
from stretto.runtime.shared import Shared
from stretto.runtime.virtual import VirtualClock

SLOW = ErrorMode.FAIL_SLOW
FAST = ErrorMode.FAIL_FAST


def virtually(main: Callable[[], Coroutine[Any, Any, Any]], seed: int | None = None) -> Any:
    """Runs an async function on virtual time; what would hang raises ``Hung``."""
    return VirtualClock(seed).run(main())


def watch(work: Any, input: Any = None, *, seed: int | None = None, **settings: Any) -> Run[Any]:
    """Runs a step to its end, and returns the run."""

    async def main() -> Run[Any]:
        settings.setdefault("shared", Shared())
        async with start(work, input, **settings) as run:
            pass
        return run

    run: Run[Any] = virtually(main, seed)
    return run


def go(work: Any, input: Any = None, **settings: Any) -> Any:
    """Runs a step to its end, and returns its output or raises what it raised."""
    return watch(work, input, **settings).outcome.unwrap()


def together(
    *steps: Step[Any, Any],
    name: str = "all",
    mode: ErrorMode | None = SLOW,
    aggregation: AggregationStrategy | None = None,
    **limits: Any,
) -> FunctionStep[Any, Any]:
    """Returns a step that runs others at once, and returns their outcomes."""

    @step(name=name)
    async def all_of(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(**limits), mode, aggregation) as branches:
            for each in steps:
                await branches.start(each, x)
        return branches.outcomes

    return all_of


def named(name: str, function: Callable[..., Any], **settings: Any) -> FunctionStep[Any, Any]:
    """Returns a step of a function under a name."""
    return step(name=name, **settings)(function)


def sleeper(seconds: float, name: str = "sleeper", value: Any = None, **settings: Any) -> FunctionStep[Any, Any]:
    """Returns a step that takes its time."""

    async def sleep(x: Any) -> Any:
        await asyncio.sleep(seconds)
        return x if value is None else value

    return named(name, sleep, **settings)


def raiser(error: BaseException, name: str = "bad", after: float = 0.0, **settings: Any) -> FunctionStep[Any, Any]:
    """Returns a step that raises, after a while."""

    async def fail(x: Any) -> Any:
        if after:
            await asyncio.sleep(after)
        raise error

    return named(name, fail, **settings)


def deaf(seconds: float = 3600.0, name: str = "deaf") -> FunctionStep[Any, Any]:
    """Returns a step that ignores every cancellation until its time is over."""

    async def ignore(x: Any) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            try:
                await asyncio.sleep(until - loop.time())
            except asyncio.CancelledError:
                continue
        return "late"

    return named(name, ignore)


@step
async def good(x: Any) -> Any:
    return x


def kinds(run: Run[Any], path: str | None = None) -> list[str]:
    """Returns the kinds of a run's events in order, of one path or of all."""
    return [event.kind for event in run.log if path is None or event.path == path]


def told(run: Run[Any], kind: str, path: str | None = None) -> list[Any]:
    """Returns the events of a kind."""
    found: list[Event] = [event for event in run.log if event.kind == kind and path in (None, event.path)]
    return found
