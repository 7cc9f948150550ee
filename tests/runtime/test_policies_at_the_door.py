"""Every policy that a step can have, asked for through the door and seen from outside."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from stretto.core.errors import CircuitOpen, DefinitionError
from stretto.core.function import FunctionStep
from stretto.core.policies import BatchPolicy, CachePolicy, CircuitBreaker, RetryPolicy
from stretto.runtime.guard import pause
from stretto.runtime.run import Run, start
from stretto.runtime.shared import Shared
from tests.runtime.stage import go, good, kinds, named, raiser, together, told, virtually, watch


class TooMany(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__("429 Too Many Requests")
        self.retry_after = retry_after


def flaky(failures: int, error: Callable[[], Exception], **settings: Any) -> FunctionStep[Any, Any]:
    """Returns a step that fails so often, and then gives how often it was called."""
    calls = 0

    async def work(x: Any) -> int:
        nonlocal calls
        calls += 1
        if calls <= failures:
            raise error()
        return calls

    return named("work", work, idempotent=True, **settings)


def waits(ran: Run[Any]) -> list[float]:
    return [event.wait for event in told(ran, "step_retrying")]


def test_a_step_is_tried_as_often_as_its_policy_says_and_each_attempt_is_told() -> None:
    ran = watch(flaky(2, ValueError, retry=RetryPolicy(attempts=3, jitter=0)))
    assert ran.outcome.unwrap() == 3
    assert kinds(ran, "work") == ["step_started", "step_retrying", "step_retrying", "step_completed"]
    assert [(event.attempt, event.error.type) for event in told(ran, "step_retrying")] == [
        (1, "builtins.ValueError"),
        (2, "builtins.ValueError"),
    ]
    with pytest.raises(ConnectionError):
        go(flaky(2, ConnectionError, retry=RetryPolicy(attempts=2, jitter=0)))


def test_waits_grow_by_the_factor_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=5, wait=0.5, factor=3, max_wait=10, jitter=0)
    ran = watch(flaky(4, ValueError, retry=policy))
    assert waits(ran) == [1.5, 4.5, 10, 10]
    assert ran.log[-1].at == pytest.approx(26)


def test_no_wait_is_too_long_to_be_reckoned_with() -> None:
    assert pause(RetryPolicy(factor=10.0, max_wait=7, jitter=0), 10_000, ValueError()) == 7


def test_jitter_takes_away_at_most_its_share() -> None:
    drawn = [pause(RetryPolicy(wait=1, factor=1, jitter=0.25), 1, ValueError()) for _ in range(200)]
    assert 0.75 <= min(drawn) < max(drawn) <= 1
    assert {pause(RetryPolicy(wait=1, factor=1, jitter=0), 1, ValueError()) for _ in range(20)} == {1}


def test_what_a_service_asks_for_is_waited_for_instead() -> None:
    ran = watch(flaky(1, lambda: TooMany(42), retry=RetryPolicy(wait=0.1, max_wait=1)))
    assert waits(ran) == [42]
    assert ran.log[-1].at == pytest.approx(42)
    assert waits(watch(flaky(1, lambda: TooMany("soon"), retry=RetryPolicy(jitter=0)))) == [0.2]
    assert waits(watch(flaky(1, lambda: TooMany(-1), retry=RetryPolicy(jitter=0)))) == [0.2]


def test_only_errors_that_are_worth_it_are_tried_again() -> None:
    ran = watch(flaky(1, ValueError, retry=RetryPolicy(on=(ConnectionError,))))
    assert ran.outcome.status == "failed"
    assert not waits(ran)
    ran = watch(flaky(1, ConnectionResetError, retry=RetryPolicy(on=(ConnectionError,), jitter=0)))
    assert ran.outcome.unwrap() == 2


def test_a_definition_that_is_wrong_stays_wrong_and_is_not_tried_again() -> None:
    ran = watch(flaky(1, lambda: DefinitionError("no such thing"), retry=RetryPolicy()))
    assert not waits(ran)


def test_a_timeout_bounds_one_attempt_and_the_next_begins_anew() -> None:
    calls: list[float] = []

    async def work(x: Any) -> int:
        calls.append(asyncio.get_running_loop().time())
        await asyncio.sleep(60 if len(calls) == 1 else 4)
        return len(calls)

    ran = watch(named("work", work, idempotent=True, timeout=5, retry=RetryPolicy(wait=1, jitter=0)))
    assert ran.outcome.unwrap() == 2
    assert calls[1] - calls[0] == pytest.approx(7)


def test_a_fallback_runs_on_the_input_when_no_attempt_is_left() -> None:
    ran = watch(flaky(9, ValueError, retry=RetryPolicy(attempts=2), fallback=named("plan_b", lambda x: x + 1)), 5)
    assert ran.outcome.unwrap() == 6
    assert len(waits(ran)) == 1
    (completed,) = told(ran, "step_completed", "work")
    assert completed.source == "fallback"


def test_equal_inputs_are_worked_on_once_and_the_log_says_where_the_output_came_from() -> None:
    calls: list[Any] = []

    async def work(x: Any) -> Any:
        calls.append(x)
        return x * 2

    cached = named("work", work, cache=CachePolicy())
    ran = watch(together(cached, cached, cached), 4)
    assert [outcome.unwrap() for outcome in ran.outcome.unwrap()] == [8, 8, 8]
    assert calls == [4]
    assert sorted(event.source for event in told(ran, "step_completed")) == ["cache", "cache", "run", "run"]


def test_like_calls_are_made_as_one() -> None:
    made: list[list[int]] = []

    async def work(inputs: list[int]) -> list[int]:
        made.append(inputs)
        return [each * 2 for each in inputs]

    batched = named("work", work, batch=BatchPolicy(size=2, wait=1))
    ran = watch(together(batched, batched, batched), 4)
    assert [outcome.unwrap() for outcome in ran.outcome.unwrap()] == [8, 8, 8]
    assert made == [[4, 4], [4]]
    assert ran.log[-1].at == pytest.approx(1)


def test_a_service_that_failed_is_left_alone() -> None:
    broken = raiser(ValueError("down"), breaker=CircuitBreaker(service="weather", failures=2, reset=9))
    ran = watch(together(broken, broken, broken, max_concurrent_executions=1))
    errors = [outcome.error for outcome in ran.outcome.unwrap()]
    assert [type(error) for error in errors] == [ValueError, ValueError, CircuitOpen]
    assert errors[2].retry_after == 9


def test_runs_share_what_belongs_to_the_world_outside_unless_they_are_given_their_own() -> None:
    calls: list[Any] = []

    async def work(x: Any) -> Any:
        calls.append(x)
        return x

    cached = named("work", work, cache=CachePolicy())

    async def main() -> None:
        ours = Shared()
        for shared in (ours, ours, Shared()):
            async with start(cached, 1, shared=shared) as ran:
                pass
            assert ran.outcome.unwrap() == 1

    virtually(main)
    assert calls == [1, 1]


def test_a_plain_step_passes_the_door_without_any_of_this() -> None:
    ran = watch(good, 3)
    assert kinds(ran) == ["run_started", "step_started", "step_completed", "run_ended"]
