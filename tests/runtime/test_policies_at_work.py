"""What a step's policy says, seen through a run: retries, fallback, breaker, cache, batch."""

import asyncio
import random
from typing import Any

import pytest

from stretto.core.errors import CircuitOpen, DeadlockError, DefinitionError, NestingTooDeep, StepTimeout
from stretto.core.function import step
from stretto.core.outcome import Completed
from stretto.core.policies import BatchPolicy, CachePolicy, CircuitBreaker, RetryPolicy
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.core.synchronization import Semaphore
from stretto.runtime.guard import pause
from stretto.runtime.run import start
from stretto.runtime.shared import Shared
from tests.runtime.stage import go, good, kinds, named, together, told, virtually, watch


class TooMany(Exception):
    """A service that says when to come back."""

    retry_after = 7


def flaky(times: int, error: Exception, **settings: Any) -> tuple[Any, list[float]]:
    """Returns a step that fails so often, and the times at which it was tried."""
    tries: list[float] = []

    async def attempt(x: Any) -> str:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) <= times:
            raise error
        return "done"

    return named("flaky", attempt, **settings), tries


def test_an_idempotent_step_is_tried_again_after_growing_waits() -> None:
    work, tries = flaky(3, OSError("net"), idempotent=True, retry=RetryPolicy(attempts=4, wait=1, factor=3, jitter=0))
    run = watch(work)
    assert run.outcome == Completed("done")
    assert tries == [0, 3, 12, 39]
    assert [(event.attempt, event.wait, event.error.message) for event in told(run, "step_retrying")] == [
        (1, 3, "net"), (2, 9, "net"), (3, 27, "net"),
    ]  # fmt: skip
    assert kinds(run, "flaky").count("step_started") == 1


def test_the_last_attempt_raises_what_it_raised() -> None:
    work, tries = flaky(9, OSError("net"), idempotent=True, retry=RetryPolicy(attempts=3, wait=0))
    with pytest.raises(OSError, match="net"):
        go(work)
    assert len(tries) == 3


def test_only_the_named_errors_are_worth_another_try() -> None:
    work, tries = flaky(9, KeyError("no"), idempotent=True, retry=RetryPolicy(attempts=3, on=(OSError,)))
    with pytest.raises(KeyError):
        go(work)
    work, tries = flaky(9, DefinitionError("never"), idempotent=True, retry=RetryPolicy(attempts=3))
    with pytest.raises(DefinitionError):
        go(work)
    assert len(tries) == 1


def test_a_service_that_says_when_to_come_back_is_obeyed() -> None:
    work, tries = flaky(1, TooMany(), idempotent=True, retry=RetryPolicy(attempts=2, wait=1))
    go(work)
    assert tries == [0, 7]


def test_waits_stay_between_the_share_of_jitter_and_the_longest() -> None:
    random.seed(5)
    policy = RetryPolicy(attempts=9, wait=1, factor=2, max_wait=6, jitter=0.5)
    for attempt, longest in ((1, 2), (2, 4), (3, 6), (8, 6), (5000, 6)):
        waits = [pause(policy, attempt, OSError()) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    assert pause(RetryPolicy(jitter=0, wait=1), 1, OSError()) == 2


def test_every_attempt_has_the_whole_timeout() -> None:
    tries: list[float] = []

    @step(timeout=5, idempotent=True, retry=RetryPolicy(attempts=3, wait=0, jitter=0))
    async def slow(x: Any) -> None:
        tries.append(asyncio.get_running_loop().time())
        await asyncio.sleep(60)

    with pytest.raises(StepTimeout):
        go(slow)
    assert tries == [0, 5, 10]


def test_a_fallback_runs_on_the_input_when_all_attempts_have_failed() -> None:
    work, tries = flaky(9, OSError(), idempotent=True, retry=RetryPolicy(attempts=2, wait=0), fallback=good)
    run = watch(work, "input")
    assert run.outcome == Completed("input")
    assert len(tries) == 2
    (completed,) = told(run, "step_completed", "flaky")
    assert completed.source == "fallback"
    assert kinds(run, "flaky/good") == ["step_started", "step_completed"]


def test_a_fallback_does_not_run_for_an_error_that_it_is_not_there_for() -> None:
    work, tries = flaky(9, OSError("gone"), fallback=good, fallback_on=(ValueError,))
    with pytest.raises(OSError, match="gone"):
        go(work)
    assert len(tries) == 1


def test_a_breaker_leaves_a_failing_service_alone_and_tries_it_again() -> None:
    work, tries = flaky(2, OSError("down"), breaker=CircuitBreaker(service="api", failures=2, reset=10))

    @step
    async def main(x: Any, context: Context) -> Any:
        seen: list[Any] = []
        for wait in (0, 0, 0, 11):
            await context.resource(Clock).sleep(wait)
            try:
                seen.append(await context.run(work, x))
            except (OSError, CircuitOpen) as error:
                seen.append(type(error))
        return seen

    assert go(main) == [OSError, OSError, CircuitOpen, "done"]
    assert tries == [0, 0, 11]


def test_equal_calls_are_made_once_and_kept_for_their_time() -> None:
    calls: list[Any] = []

    @step(cache=CachePolicy(ttl=10))
    async def looked_up(x: Any) -> Any:
        calls.append(x)
        await asyncio.sleep(1)
        return x * 2

    @step
    async def main(x: Any, context: Context) -> Any:
        first = await context.run(together(looked_up, looked_up, looked_up), 4)
        await asyncio.sleep(5)
        second = await context.run(looked_up, 4)
        await asyncio.sleep(6)
        third = await context.run(looked_up, 4)
        return [outcome.unwrap() for outcome in first] + [second, third]

    run = watch(main)
    assert run.outcome == Completed([8] * 5)
    assert calls == [4, 4]
    sources = [event.source for event in told(run, "step_completed") if "looked_up" in event.path]
    assert sorted(sources) == ["cache", "cache", "cache", "run", "run"]


def test_two_runs_share_a_cache_and_one_waits_for_the_call_of_the_other() -> None:
    calls: list[Any] = []
    shared = Shared()

    @step(cache=CachePolicy())
    async def looked_up(x: Any) -> Any:
        calls.append(x)
        await asyncio.sleep(5)
        return x

    async def main() -> Any:
        async with start(looked_up, 1, shared=shared) as one, start(looked_up, 1, shared=shared) as other:
            pass
        return one.outcome, other.outcome

    assert virtually(main) == (Completed(1), Completed(1))
    assert calls == [1]


def test_like_calls_are_made_as_one() -> None:
    batches: list[list[int]] = []

    @step(batch=BatchPolicy(size=3, wait=1))
    async def doubled(xs: list[int]) -> list[int]:
        batches.append(xs)
        return [x * 2 for x in xs]

    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches() as branches:
            for number in range(4):
                await branches.start(doubled, number)
        return [outcome.unwrap() for outcome in branches.outcomes]

    run = watch(main)
    assert run.outcome == Completed([0, 2, 4, 6])
    assert batches == [[0, 1, 2], [3]]
    assert {event.source for event in told(run, "step_completed") if "doubled" in event.path} == {"batch"}


@pytest.mark.parametrize("policy", [{"cache": CachePolicy()}, {"batch": BatchPolicy(size=2)}])
def test_who_waits_for_the_call_of_one_that_is_stuck_is_part_of_the_deadlock(policy: dict[str, Any]) -> None:
    lock, calls = Semaphore("lock"), list[Any]()

    @step(**policy)
    async def stuck(x: Any, context: Context) -> Any:
        calls.append(x)
        async with lock.hold(context), lock.hold(context):
            return x

    outcomes = go(together(stuck, stuck), 1)
    assert [type(outcome.error) for outcome in outcomes] == [DeadlockError, DeadlockError]
    assert len(calls) == 1


def test_steps_that_run_each_other_without_end_are_stopped() -> None:
    @step
    async def again(x: Any, context: Context) -> Any:
        return await context.run(again, x)

    with pytest.raises(NestingTooDeep, match="steps are nested deeper than 5 levels"):
        go(again, max_depth=5)


def test_a_resource_is_found_by_its_type_or_a_parent_of_it_and_missed_by_name() -> None:
    class Engine: ...

    class Fast(Engine): ...

    @step
    async def drives(x: Any, context: Context) -> Any:
        return context.resource(Engine)

    engine = Fast()
    assert go(drives, resources=[engine]) is engine
    assert go(drives, resources={Engine: engine}) is engine
    with pytest.raises(DefinitionError, match="step 'drives' asks for a Engine, which the run was not given"):
        go(drives)


def test_a_name_that_no_path_could_hold_is_refused() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        return await context.run(good, x, name="a/b")

    with pytest.raises(DefinitionError, match="a child of 'main' cannot be called 'a/b'"):
        go(main)
