"""One fails: what is raised, what becomes of its siblings, and of the block that started them."""

import asyncio
import contextlib
import traceback
from typing import Any

import pytest

from stretto.core.aggregation import FirstSuccess, Quorum
from stretto.core.errors import BranchCancelled, DefinitionError
from stretto.core.function import step
from stretto.core.outcome import Cancelled, Completed, NotStarted
from stretto.core.policies import ParallelResourceLimits
from stretto.core.step import Context
from stretto.runtime.run import Run, run, start
from tests.runtime.stage import (
    FAST,
    SLOW,
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


class Weird(BaseException):
    """Neither an exception nor a cancellation."""


@pytest.mark.parametrize("first", ["bad", "slow"])
def test_a_failure_is_raised_at_once_whichever_was_started_first(first: str) -> None:
    error = ValueError("boom")
    steps = [raiser(error), sleeper(5, "slow")]
    ran = watch(together(*(steps if first == "bad" else steps[::-1]), mode=FAST))
    with pytest.raises(ValueError, match="boom") as caught:
        ran.outcome.unwrap()
    assert caught.value is error
    assert error.__notes__ == ["stretto: raised in step 'all/bad'"]
    assert any(frame.name == "fail" for frame in traceback.extract_tb(error.__traceback__))
    assert ran.log[-1].at == 0
    assert kinds(ran, "all/slow") in (["step_started", "step_cancelled"], ["step_skipped"])


def test_the_sibling_is_awaited_before_the_failure_is_raised() -> None:
    ended: list[float] = []

    @step
    async def tidies(x: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(3)
            ended.append(asyncio.get_running_loop().time())

    ran = watch(together(tidies, raiser(ValueError(), after=1), mode=FAST))
    assert ran.outcome.status == "failed"
    assert ended == [4]
    assert ran.log[-1].at == 4


@pytest.mark.parametrize("seed", range(5))
def test_branches_that_had_not_begun_are_told_as_not_started(seed: int) -> None:
    began: list[int] = []

    async def begin(x: Any) -> None:
        began.append(1)

    async def main() -> Any:
        @step
        async def all_of(x: Any, context: Context) -> Any:
            async with context.branches(None, SLOW) as branches:
                for _ in range(5):
                    await branches.start(named("never", begin), x)
                branches.cancel("changed my mind")
            return branches.outcomes

        return await run(all_of)

    assert virtually(main, seed) == [NotStarted("changed my mind")] * 5
    assert began == []


def test_a_failure_while_a_third_waits_for_room_refuses_it() -> None:
    ran = watch(together(raiser(ValueError(), after=1), sleeper(5), good, mode=FAST, max_concurrent_executions=2))
    assert ran.outcome.status == "failed"
    assert ran.log[-1].at == 1
    (skipped,) = told(ran, "step_skipped")
    assert (skipped.path, skipped.because) == ("all/good", "'all/bad' failed")


def test_the_block_is_interrupted_when_a_branch_fails_while_it_awaits_something_else() -> None:
    seen: list[Any] = []

    @step
    async def parent(x: Any, context: Context) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with context.branches() as branches:
                await branches.start(raiser(ValueError("boom"), after=2), x)
                await asyncio.Event().wait()
        finally:
            seen.append((asyncio.get_running_loop().time(), task.cancelling()))

    with pytest.raises(ValueError, match="boom"):
        go(parent)
    assert seen == [(2, 0)]


def test_the_block_may_tidy_up_when_it_is_interrupted() -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(raiser(ValueError("boom")), x)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError("while tidying up") from None

    with pytest.raises(ValueError, match="boom") as caught:
        go(parent)
    assert isinstance(caught.value.__context__, KeyError)


def test_a_block_that_swallows_its_interruption_raises_the_failure_all_the_same() -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(raiser(ValueError("boom")), x)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    with pytest.raises(ValueError, match="boom"):
        go(parent)


def test_an_error_of_the_block_cancels_the_branches_and_is_raised() -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(sleeper(100), x)
            await asyncio.sleep(1)
            raise KeyError("mine")

    ran = watch(parent)
    with pytest.raises(KeyError, match="mine"):
        ran.outcome.unwrap()
    (cancelled,) = told(ran, "step_cancelled")
    assert cancelled.reason == "the block that started it ended with KeyError"


def test_the_error_of_the_block_wins_over_a_branch_that_fails_while_it_is_stopped() -> None:
    @step
    async def breaks(x: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            raise OSError("late")

    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(breaks, x)
            await asyncio.sleep(1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        go(parent)


@pytest.mark.parametrize("where", ["body", "exit"])
def test_a_block_that_is_cancelled_from_outside_stops_its_branches_and_passes_the_cancellation_on(where: str) -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(sleeper(100), x)
            if where == "body":
                await asyncio.sleep(100)

    async def main() -> Run[Any]:
        async with start(together(parent)) as running:
            await asyncio.sleep(1)
            assert running.cancel_branch("all/parent", "not needed")
        return running

    ran = virtually(main)
    assert ran.outcome.unwrap() == [Cancelled("not needed")]
    assert [event.reason for event in told(ran, "step_cancelled")] == (
        ["the block that started it ended with CancelledError", "not needed"]
        if where == "body"
        else ["its parent was cancelled", "not needed"]
    )


def test_a_cancellation_from_outside_wins_over_an_interruption_by_a_failure() -> None:
    async def main() -> Run[Any]:
        bell = asyncio.Event()

        @step
        async def fails(x: Any) -> None:
            await bell.wait()
            raise ValueError("boom")

        @step
        async def parent(x: Any, context: Context) -> None:
            async with context.branches() as branches:
                await branches.start(fails, x)
                await asyncio.sleep(100)

        async with start(together(parent)) as running:
            await asyncio.sleep(1)
            bell.set()
            await asyncio.sleep(0)  # now it fails ...
            running.cancel_branch("all/parent", "from outside")  # ... and now this
        return running

    assert virtually(main).outcome.unwrap() == [Cancelled("from outside")]


def test_a_failure_passes_through_every_level_untouched_and_keeps_the_note_of_where_it_began() -> None:
    error = LookupError("deep")
    inner = together(raiser(error, after=1), sleeper(9), name="inner", mode=FAST)
    middle = together(inner, sleeper(9), name="middle", mode=FAST)
    ran = watch(together(middle, sleeper(9), name="outer", mode=FAST))
    with pytest.raises(LookupError) as caught:
        ran.outcome.unwrap()
    assert caught.value is error
    assert error.__notes__ == ["stretto: raised in step 'outer/middle/inner/bad'"]
    assert ran.log[-1].at == 1
    assert len(told(ran, "step_cancelled")) == 3


def test_an_inner_set_is_interrupted_when_the_set_around_it_fails() -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as outer:
            await outer.start(raiser(ValueError("outer"), after=1), x)
            async with context.branches() as inner:
                await inner.start(sleeper(100), x)

    ran = watch(parent)
    with pytest.raises(ValueError, match="outer"):
        ran.outcome.unwrap()
    assert ran.log[-1].at == 1


def test_a_cancellation_during_a_cancellation_ends_once_and_within_its_time() -> None:
    async def main() -> Run[Any]:
        @step
        async def tidies(x: Any) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(3)

        async with start(together(together(tidies, name="inner"))) as running:
            await asyncio.sleep(1)
            running.cancel_branch("all/inner", "first")
            await asyncio.sleep(1)
            running.cancel("second")
            running.cancel("third")
        return running

    ran = virtually(main)
    assert ran.outcome == Cancelled("second")
    assert ran.log[-1].at <= 5


@pytest.mark.parametrize("around", ["timeout", "group", "cancel"])
def test_a_run_obeys_what_stands_around_it(around: str) -> None:
    ended: list[float] = []

    @step
    async def tidies(x: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            ended.append(asyncio.get_running_loop().time())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if around == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await run(together(tidies))
        elif around == "group":

            async def both() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(run(together(tidies)))
                    group.create_task(run(raiser(ValueError("other"), after=5)))

            with pytest.raises(ExceptionGroup) as caught:
                await both()
            assert [str(error) for error in caught.value.exceptions] == ["other"]
        else:
            task = asyncio.ensure_future(run(together(tidies)))
            await asyncio.sleep(5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert loop.time() == 6
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtually(main)
    assert ended == [6]


def test_a_block_around_a_run_that_raises_cancels_the_run() -> None:
    seen: list[Run[Any]] = []

    async def main() -> None:
        async with start(sleeper(100)) as running:
            seen.append(running)
            await asyncio.sleep(1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        virtually(main)
    assert seen[0].outcome == Cancelled("the block around the run ended with KeyError")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), Weird("odd"), asyncio.CancelledError()])
def test_whatever_a_branch_raises_is_its_outcome_and_its_siblings_go_on(error: BaseException) -> None:
    bad, fine = go(together(raiser(error), sleeper(1, value="fine")))
    assert fine == Completed("fine")
    assert bad.status == ("cancelled" if isinstance(error, asyncio.CancelledError) else "failed")
    if bad.status == "failed":
        assert bad.error is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), Weird("odd")])
def test_whatever_a_branch_raises_fast_is_raised_by_the_run(error: BaseException) -> None:
    ran = watch(together(raiser(error), sleeper(5), mode=FAST))
    assert ran.log[-1].at == 0
    with pytest.raises(type(error)) as caught:
        ran.outcome.unwrap()
    assert caught.value is error


def test_a_branch_that_was_cancelled_alone_stops_its_siblings_when_failures_are_fast() -> None:
    async def main() -> Run[Any]:
        async with start(together(sleeper(9, "a"), sleeper(9, "b"), mode=FAST)) as running:
            await asyncio.sleep(1)
            assert not running.cancel_branch("all/nobody")
            assert running.cancel_branch("all/a", "enough of it")
        return running

    with pytest.raises(BranchCancelled, match="enough of it"):
        virtually(main).outcome.unwrap()


def test_an_optional_branch_may_fail_without_stopping_anybody() -> None:
    @step
    async def parent(x: Any, context: Context) -> Any:
        async with context.branches() as branches:
            await branches.start(raiser(ValueError()), x, required=False)
            await branches.start(sleeper(1), x)
        return [outcome.status for outcome in branches.outcomes]

    assert go(parent) == ["failed", "completed"]


def test_every_outcome_is_told_in_the_order_of_declaration() -> None:
    @step
    async def parent(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(execution_timeout=5), SLOW) as branches:
            await branches.start(sleeper(3, "a"), x)
            await branches.start(raiser(ValueError(), after=2), x)
            branches.declare("skipped")
            await branches.start(sleeper(9, "slow"), x)
            await branches.start(sleeper(1, "b"), x)
        return [outcome.status for outcome in branches.outcomes]

    assert go(parent) == ["completed", "failed", "not_started", "timed_out", "completed"]


def test_a_settled_value_cancels_and_awaits_the_losers() -> None:
    ended: list[str] = []

    @step
    async def loser(x: Any) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            ended.append("loser")

    racers = together(loser, sleeper(2, "winner"), good, aggregation=FirstSuccess(), max_concurrent_executions=2)
    ran = watch(racers, "x")
    assert ran.outcome.unwrap() == [
        Cancelled("the value is settled"),
        Completed("x"),
        NotStarted("the value is settled"),
    ]
    assert ended == ["loser"]
    assert ran.log[-1].at == 3


def test_a_quorum_waits_for_as_many_as_it_needs() -> None:
    ran = watch(together(*(sleeper(n, f"s{n}") for n in (4, 1, 3, 2)), aggregation=Quorum(2)))
    assert [outcome.status for outcome in ran.outcome.unwrap()] == ["cancelled", "completed", "cancelled", "completed"]
    assert ran.log[-1].at == 2


def test_branches_are_told_in_the_order_in_which_they_end() -> None:
    @step
    async def parent(x: Any, context: Context) -> Any:
        async with context.branches(None, SLOW) as branches:
            for n in (3, 1, 2):
                await branches.start(sleeper(n, f"s{n}"), x)
            ended = [(branch.name, branch.index) async for branch in branches.completed()]
            changed = [await branches.changed() for _ in range(4)]
        return ended, [branch.name if branch else None for branch in changed]

    assert go(parent) == ([("s1", 1), ("s2", 2), ("s3", 0)], ["s1", "s2", "s3", None])


def test_no_branch_is_started_after_the_block() -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            pass
        await branches.start(good, x)

    with pytest.raises(DefinitionError, match="the branches of 'parent' have ended; start this one inside their block"):
        go(parent)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), True])
def test_a_branch_refuses_a_timeout_that_is_none(timeout: Any) -> None:
    @step
    async def parent(x: Any, context: Context) -> None:
        async with context.branches() as branches:
            await branches.start(good, x, timeout=timeout)

    with pytest.raises(DefinitionError, match="a branch: timeout must be greater than 0"):
        go(parent)


def test_a_block_that_starts_without_end_is_interrupted_when_nobody_wants_more() -> None:
    @step
    async def endless(x: Any, context: Context) -> Any:
        async with context.branches(None, SLOW, FirstSuccess()) as branches:
            while True:
                await branches.start(good, x)
        return sum(outcome.status == "completed" for outcome in branches.outcomes)

    assert go(endless) >= 1


def test_a_set_that_is_cancelled_by_its_block_ends_the_block_in_peace() -> None:
    @step
    async def parent(x: Any, context: Context) -> Any:
        async with context.branches() as branches:
            await branches.start(sleeper(9, "before"), x)
            await asyncio.sleep(1)
            branches.cancel("seen enough")
            assert branches.settled
            await branches.start(sleeper(9, "after"), x)
        return branches.outcomes

    assert go(parent) == [Cancelled("seen enough"), NotStarted("seen enough")]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_of_a_cancelled_run_is_left(seed: int) -> None:
    async def main() -> None:
        inner = together(*(sleeper(n % 7, f"s{n}") for n in range(20)), name="inner", max_concurrent_executions=4)
        async with start(together(inner, inner, sleeper(99), max_concurrent_executions=2)) as running:
            await asyncio.sleep(3)
            running.cancel("enough")
        assert running.outcome.status == "cancelled"
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert running.state.active == 0
        assert not running.state.blocked
        assert not running.state.scopes

    virtually(main, seed)


def test_a_run_that_was_cancelled_before_it_began_starts_nothing() -> None:
    async def main() -> Run[Any]:
        async with start(good) as running:
            running.cancel("never mind")
        return running

    ran = virtually(main)
    assert ran.outcome == NotStarted("never mind")
    assert kinds(ran) == ["run_started", "step_skipped", "run_ended"]


def test_a_run_that_is_cancelled_after_its_end_stays_as_it_is() -> None:
    async def main() -> Run[Any]:
        async with start(good, 1) as running:
            assert await running.result() == 1
            running.cancel("too late")
        return running

    assert virtually(main).outcome == Completed(1)


def test_a_step_that_cannot_be_started_at_all_is_the_outcome_of_its_run() -> None:
    @step(memory=10**15)
    async def huge(x: Any) -> None: ...

    ran = watch(huge)
    with pytest.raises(DefinitionError, match="give the step less memory"):
        ran.outcome.unwrap()
    assert ran.ended.is_set()
