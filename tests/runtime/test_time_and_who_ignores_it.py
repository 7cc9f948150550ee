"""Timeouts at every level, and what becomes of those who do not stop when they are told to."""

import asyncio
import threading
import time
from typing import Any

import pytest

from stretto.core.errors import StepTimeout
from stretto.core.events import StepTimedOut
from stretto.core.function import step
from stretto.core.outcome import Cancelled, Completed, Failed, TimedOut
from stretto.core.policies import AdaptiveTimeout, ParallelResourceLimits
from stretto.core.step import Context
from stretto.runtime.run import Run, run_sync, start
from stretto.stores.memory import MemoryStore
from tests.runtime.stage import (
    FAST,
    SLOW,
    deaf,
    go,
    good,
    kinds,
    named,
    raiser,
    sleeper,
    together,
    told,
    virtually,
    watch,
)


@pytest.mark.parametrize("level", ["step", "branch", "workflow", "run"])
def test_a_timeout_says_on_which_level_it_was_set(level: str) -> None:
    slow = sleeper(60, "slow", timeout=5 if level == "step" else None)
    work = together(slow, name="work", execution_timeout=5 if level == "branch" else None)
    if level == "workflow":
        work = _as_workflow(work, 5)
    ran = watch(work, timeout=5 if level == "run" else None)
    path = "work/slow" if level in ("step", "branch") else "work"
    outcome = ran.outcome.unwrap()[0] if level in ("step", "branch") else ran.outcome
    assert isinstance(outcome, TimedOut)
    assert (outcome.error.path, outcome.error.seconds, outcome.error.level) == (path, 5, level)
    assert str(outcome.error) == f"{level} {path!r} took longer than its timeout of 5 s"
    (event,) = told(ran, "step_timed_out")
    assert event == StepTimedOut(path, 5.0, 5, "branch" if level == "run" else level)
    assert ran.log[-1].at == 5


def _as_workflow(work: Any, timeout: float) -> Any:
    timed = step(name=work.name, timeout=timeout)(work.function)
    timed.transparent = True
    return timed


def test_steps_inside_what_timed_out_say_why_they_were_cancelled() -> None:
    ran = watch(together(together(sleeper(60), name="inner"), execution_timeout=5))
    assert [(event.path, event.reason) for event in told(ran, "step_cancelled")] == [
        ("all/inner/sleeper", "its parent was cancelled"),
    ]

    @step(timeout=5)
    async def outer(x: Any, context: Context) -> None:
        await context.run(sleeper(60), x)

    (event,) = told(watch(outer), "step_cancelled")
    assert event.reason == "'outer' timed out"


def test_a_timeout_of_its_own_replaces_that_of_the_limits() -> None:
    @step
    async def parent(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(execution_timeout=5), SLOW) as branches:
            await branches.start(sleeper(8), x, timeout=9)
            await branches.start(sleeper(8), x)
        return [outcome.status for outcome in branches.outcomes]

    assert go(parent) == ["completed", "timed_out"]


def test_the_clock_of_a_branch_begins_when_it_has_room() -> None:
    outcomes = go(together(*[sleeper(4)] * 3, max_concurrent_executions=1, execution_timeout=5))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 3


@pytest.mark.parametrize("level", ["step", "branch"])
def test_a_value_that_comes_too_late_counts_as_timed_out(level: str) -> None:
    async def clings(x: Any) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "late"
        return "never"

    late = named("late", clings, timeout=5 if level == "step" else None)
    ran = watch(together(late, execution_timeout=5 if level == "branch" else None))
    (outcome,) = ran.outcome.unwrap()
    assert outcome.status == "timed_out"
    assert outcome.error.level == level
    assert kinds(ran, "all/late") == ["step_started", "step_timed_out"]


@pytest.mark.parametrize("level", ["step", "branch"])
def test_who_blocks_the_loop_for_longer_than_its_time_has_timed_out(level: str) -> None:
    async def blocks(x: Any) -> str:
        time.sleep(0.2)  # noqa: ASYNC251  # what nobody should do
        return "late"

    stubborn = named("stubborn", blocks, timeout=0.05 if level == "step" else None)
    work = together(good, stubborn, execution_timeout=0.05 if level == "branch" else None)
    first, second = run_sync(work)
    assert first.status == "completed"
    assert isinstance(second, TimedOut)
    assert (second.error.path, second.error.seconds, second.error.level) == ("all/stubborn", 0.05, level)


def test_a_step_that_raises_a_timeout_of_its_own_has_failed_and_not_timed_out() -> None:
    (outcome,) = go(together(raiser(TimeoutError("mine"), timeout=5)))
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == "mine"


def test_a_timeout_of_an_inner_step_is_a_failure_of_the_branch_around_it() -> None:
    @step
    async def outer(x: Any, context: Context) -> None:
        await context.run(sleeper(60, timeout=5), x)

    (outcome,) = go(together(outer))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StepTimeout)
    assert outcome.error.path == "all/outer/sleeper"


def test_a_branch_that_ignores_its_timeout_is_left_behind_and_named() -> None:
    ran = watch(together(deaf(1000), good, execution_timeout=5, cancellation_timeout=2), 1, cancellation_timeout=0)
    first, second = ran.outcome.unwrap()
    assert isinstance(first, TimedOut)
    assert second == Completed(1)
    (event,) = told(ran, "step_abandoned")
    assert (event.path, event.at, event.waited, event.where) == ("all/deaf", 7, 2, "task")
    assert ran.log[-1].at == 7
    assert ran.abandoned == ["all/deaf"]


def test_a_branch_that_ignores_its_cancellation_is_told_as_not_stopped() -> None:
    async def main() -> Run[Any]:
        async with start(together(deaf(), sleeper(9)), cancellation_timeout=4) as ran:
            await asyncio.sleep(1)
            ran.cancel("enough")
        assert asyncio.get_running_loop().time() <= 5
        return ran

    ran = virtually(main)
    assert isinstance(ran.outcome, Cancelled)
    assert "all/deaf" in ran.abandoned
    assert [event.path for event in told(ran, "step_abandoned")] == ["all/deaf"]
    assert ran.outcome == Cancelled("enough")


def test_a_root_that_ignores_its_cancellation_ends_the_run_within_the_grace() -> None:
    async def main() -> Run[Any]:
        async with start(deaf(), cancellation_timeout=4) as ran:
            await asyncio.sleep(1)
            ran.cancel("bye")
        assert asyncio.get_running_loop().time() == 5
        return ran

    ran = virtually(main)
    assert ran.outcome == Cancelled("bye; it did not stop within 4 s", stopped=False)
    assert ran.abandoned == ["deaf"]


def test_the_room_of_who_was_left_behind_is_free_again() -> None:
    outcomes = go(
        together(deaf(50), sleeper(1), max_concurrent_executions=1, execution_timeout=5, cancellation_timeout=1)
    )
    assert [outcome.status for outcome in outcomes] == ["timed_out", "completed"]


def test_who_was_left_behind_and_ends_later_is_forgotten_and_changes_nothing() -> None:
    async def main() -> Run[Any]:
        async with start(together(deaf(20), execution_timeout=5, cancellation_timeout=1)) as ran:
            pass
        assert ran.abandoned == ["all/deaf"]
        events = len(ran.log)
        await asyncio.sleep(100)
        assert ran.abandoned == []
        assert len(ran.log) == events
        return ran

    assert virtually(main).outcome.unwrap()[0].status == "timed_out"


def test_who_was_left_behind_and_asks_or_starts_later_takes_no_room_from_others() -> None:
    @step
    async def stubborn(x: Any, context: Context) -> Any:
        await deaf(20).execute(x, context)
        return await context.run(together(good, name="later"), x)

    @step
    async def parent(x: Any, context: Context) -> Any:
        limits = ParallelResourceLimits(max_concurrent_executions=2, execution_timeout=5, cancellation_timeout=1)
        async with context.branches(limits, SLOW) as branches:
            await branches.start(stubborn, x)
            await asyncio.sleep(50)
            assert branches.room == 2
        return branches.outcomes

    assert go(parent)[0].status == "timed_out"


def test_a_step_that_ignores_its_own_timeout_is_left_behind_with_its_branch() -> None:
    @step(name="deaf", timeout=5)
    async def ignores(x: Any, context: Context) -> Any:
        return await deaf(1000).execute(x, context)

    ran = watch(together(ignores, good, cancellation_timeout=2))
    first, second = ran.outcome.unwrap()
    assert isinstance(first, TimedOut)
    assert (first.error.path, first.error.level) == ("all/deaf", "step")
    assert second.status == "completed"
    assert ran.log[-1].at == 7
    assert ran.abandoned == ["all/deaf"]

    @step
    async def around(x: Any, context: Context) -> Any:
        return await context.run(ignores, x)

    (outcome,) = go(together(around, cancellation_timeout=2))
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == "step 'all/around/deaf' took longer than its timeout of 5 s"


def test_a_lone_step_that_ignores_its_own_timeout_ends_its_run() -> None:
    @step(timeout=5)
    async def ignores(x: Any, context: Context) -> Any:
        return await deaf(1000).execute(x, context)

    ran = watch(ignores, cancellation_timeout=2)
    assert ran.outcome.status == "timed_out"
    assert ran.log[-1].at == 7


def test_an_inner_set_gives_up_before_the_set_around_it_does() -> None:
    async def main() -> Run[Any]:
        inner = together(deaf(), sleeper(9), name="inner", cancellation_timeout=1000)
        async with start(together(inner), cancellation_timeout=10) as ran:
            await asyncio.sleep(1)
            ran.cancel("enough")
        return ran

    ran = virtually(main)
    assert ran.outcome == Cancelled("enough")
    assert [event.path for event in told(ran, "step_abandoned")] == ["all/inner/deaf"]
    assert ran.log[-1].at < 11


@pytest.mark.parametrize("how", ["timeout", "cancel", "stopped before"])
def test_an_inner_set_gives_up_before_the_branch_it_is_in_is_left_behind(how: str) -> None:
    inner = together(
        deaf(),
        raiser(ValueError(), after=1) if how == "stopped before" else sleeper(99),
        name="inner",
        mode=FAST,
        cancellation_timeout=1000,
    )

    async def main() -> Run[Any]:
        outer = together(inner, cancellation_timeout=10, execution_timeout=5 if how == "timeout" else None)
        async with start(outer) as ran:
            await asyncio.sleep(5)
            if how != "timeout":
                ran.cancel_branch("all/inner", "enough") if how == "cancel" else ran.cancel("enough")
        return ran

    ran = virtually(main)
    assert [event.path for event in told(ran, "step_abandoned")] == ["all/inner/deaf"]
    assert ran.log[-1].at <= 15


def test_a_thread_that_blocks_is_left_behind_and_the_run_ends() -> None:
    freed = threading.Event()

    @step
    def blocks(x: Any) -> None:
        freed.wait(30)

    async def main() -> Run[Any]:
        async with start(together(blocks, good, execution_timeout=0.05), cancellation_timeout=0.05) as ran:
            pass
        return ran

    began = time.monotonic()
    ran = asyncio.run(main())
    assert time.monotonic() - began < 10
    assert [outcome.status for outcome in ran.outcome.unwrap()] == ["timed_out", "completed"]
    assert ran.abandoned == ["all/blocks"]
    assert [(event.path, event.where) for event in told(ran, "step_abandoned")] == [("all/blocks", "thread")]
    freed.set()


def test_a_run_outside_asyncio_does_not_wait_for_who_ignores_everything() -> None:
    began = time.monotonic()
    with pytest.raises(StepTimeout, match="run 'deaf' took longer"):
        run_sync(deaf(60), timeout=0.05, cancellation_timeout=0.05)
    assert time.monotonic() - began < 10


def test_a_learnt_timeout_comes_from_the_durations_in_the_store() -> None:
    store = MemoryStore()
    learns = AdaptiveTimeout(default=100, factor=2, minimum=1, samples=3)

    def nap(seconds: float) -> Any:
        return sleeper(seconds, "nap", timeout=learns)

    assert watch(nap(99), store=store).outcome.status == "completed"  # no history: the default
    for _ in range(30):
        assert watch(nap(4), store=store).outcome.status == "completed"
    ran = watch(nap(90), store=store)
    assert isinstance(ran.outcome, TimedOut)
    assert ran.outcome.error.seconds == pytest.approx(8)
    assert watch(nap(90)).outcome.status == "completed"  # no store, no history
