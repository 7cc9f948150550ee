"""What a type checker must say about steps, outcomes and runs."""

from collections.abc import Awaitable
from typing import Any, NoReturn, assert_type

from stretto.core.aggregation import AggregationStrategy, Custom
from stretto.core.errors import StepTimeout
from stretto.core.function import FunctionStep, StepMaker, as_step, step
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut
from stretto.core.policies import CachePolicy, RetryPolicy, StepPolicy
from stretto.core.resources import Channel, Clock
from stretto.core.step import Branch, Context, Step
from stretto.core.synchronization import Rendezvous, Semaphore
from stretto.runtime.run import Run, run, run_sync, start


@step
async def length(text: str) -> int:
    """Returns how long a text is."""
    return len(text)


@step
def halve(number: int) -> float:
    """Returns the half."""
    return number / 2


@step
async def lead(question: str, context: Context) -> list[int]:
    """Asks the door."""
    found = await context.run(length, question)
    assert_type(found, int)
    assert_type(context.resource(Clock), Clock)
    return [found]


@step
async def both(a: int, b: str) -> bytes:
    """Takes two parameters by name."""
    return b.encode() * a


@step(timeout=3, idempotent=True, retry=RetryPolicy(), cache=CachePolicy(), name="measured")
async def measured(text: str) -> int:
    """Returns how long a text is."""
    return len(text)


@step(isolation="thread")
def heavy(text: str) -> int:
    """Returns how long a text is."""
    return len(text)


@step(timeout=3)
async def asking(text: str, context: Context) -> int:
    """Returns how long a text is."""
    return len(text)


assert_type(length, FunctionStep[str, int])
assert_type(halve, FunctionStep[int, float])
assert_type(lead, FunctionStep[str, list[int]])
assert_type(both, FunctionStep[Any, bytes])
assert_type(measured, FunctionStep[str, int])
assert_type(heavy, FunctionStep[str, int])
assert_type(asking, FunctionStep[str, int])
assert_type(step(fallback=halve), StepMaker)
assert_type(as_step(length), Step[Any, Any])
assert_type(length.by_name(["text"]), FunctionStep[str, int])
assert_type(length.policy, StepPolicy)


async def runs(context: Context) -> None:
    """Runs steps at each of the doors."""
    assert_type(await run(length, "a"), int)
    assert_type(await run(halve, 3, timeout=3), float)
    assert_type(run_sync(lead, "a", labels={"a": "b"}), list[int])
    assert_type(length.execute("a", context), Awaitable[int])
    async with start(measured, "a") as running:
        assert_type(running, Run[int])
    assert_type(running.outcome, Outcome[int])
    assert_type(await running.result(), int)
    async with Semaphore("s").hold(context):
        assert_type(await Rendezvous("r").exchange(1, context), list[Any])


def outcomes(outcome: Outcome[int], branch: Branch[str], failed: Failed) -> None:
    """Looks at every outcome."""
    match outcome:
        case Completed(value):
            assert_type(value, int)
        case Failed(error):
            assert_type(error, BaseException)
        case TimedOut(late):
            assert_type(late, StepTimeout)
        case Cancelled(reason) | NotStarted(reason):
            assert_type(reason, str)
    assert_type(outcome.unwrap(), int)
    assert_type(Completed("a").unwrap(), str)
    assert_type(branch.outcome, Outcome[str])
    assert_type(failed.unwrap(), NoReturn)


async def walk(channel: Channel[int]) -> None:
    """Walks a channel."""
    async for item in channel:
        assert_type(item, int)


def covariant(outcome: Outcome[bool], narrow: Step[object, bool]) -> tuple[Outcome[int], Step[str, int]]:
    """Returns wider outcomes and steps that take less: both are safe."""
    return outcome, narrow


assert_type(AggregationStrategy.custom(len), Custom)

step(tiemout=3)  # type: ignore[call-overload]  # unknown settings are seen by the type checker
step(timeout="3")  # type: ignore[call-overload]  # and wrong ones
step(3)  # type: ignore[call-overload]  # a step is made of a function
StepPolicy(plain=True)  # type: ignore[call-arg]  # it follows from the other fields
StepPolicy(isolation="proces")  # type: ignore[arg-type]  # one of three words
Completed(1).value = 2  # type: ignore[misc]  # outcomes are values
run_sync(length, "a", tiemout=3)  # type: ignore[call-overload]  # a run's settings are seen, too
wrong: FunctionStep[int, int] = length  # type: ignore[assignment]  # it takes a text
