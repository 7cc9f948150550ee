"""Policies at the door: what is not tried again, waits that cannot be followed, and what runs share."""

from collections.abc import Callable
from typing import Any

import pytest

from stretto.core.errors import DefinitionError
from stretto.core.function import FunctionStep
from stretto.core.policies import CachePolicy, RetryPolicy
from stretto.runtime.guard import pause
from stretto.runtime.run import Run, start
from stretto.runtime.shared import Shared
from tests.runtime.stage import good, kinds, named, told, virtually, watch


class TooMany(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__("429 Too Many Requests")
        self.retry_after = retry_after


def failing_once(error: Callable[[], Exception], **retry: Any) -> FunctionStep[Any, Any]:
    """Returns a step that fails at first."""
    calls: list[Any] = []

    async def work(x: Any) -> int:
        calls.append(x)
        if len(calls) == 1:
            raise error()
        return len(calls)

    return named("work", work, idempotent=True, retry=RetryPolicy(jitter=0, **retry))


def waits(ran: Run[Any]) -> list[float]:
    return [event.wait for event in told(ran, "step_retrying")]


def test_a_definition_that_is_wrong_stays_wrong_and_is_not_tried_again() -> None:
    ran = watch(failing_once(lambda: DefinitionError("no such thing")))
    assert ran.outcome.status == "failed"
    assert not waits(ran)


@pytest.mark.parametrize(
    ("asked", "waited"), [(42, 42), (0, 0), (0.5, 0.5), ("soon", 0.2), (-1, 0.2), (None, 0.2)], ids=repr
)
def test_a_wait_that_a_service_asks_for_is_kept_when_it_is_one(asked: Any, waited: float) -> None:
    ran = watch(failing_once(lambda: TooMany(asked), max_wait=1))
    assert ran.outcome.unwrap() == 2
    assert waits(ran) == [waited]
    assert ran.log[-1].at == pytest.approx(waited)


def test_no_wait_is_too_long_to_be_reckoned_with() -> None:
    assert pause(RetryPolicy(factor=10.0, max_wait=7, jitter=0), 10_000, ValueError()) == 7


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
    assert kinds(watch(good, 3)) == ["run_started", "step_started", "step_completed", "run_ended"]
