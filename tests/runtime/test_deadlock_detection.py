"""What is a deadlock is told at once, and what is none never is."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import DeadlockError
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.core.policies import ParallelResourceLimits
from stretto.core.resources import Channels
from stretto.core.step import Context, Request
from stretto.core.synchronization import Barrier, Semaphore
from stretto.runtime.run import start
from tests.runtime.stage import SLOW, deaf, go, named, sleeper, together, virtually, watch

LOCKS = [Semaphore(f"lock{number}") for number in range(3)]


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.sets(st.integers(0, 2)), st.integers(0, 3), st.booleans()), min_size=1, max_size=6),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_locks_taken_in_a_fixed_order_are_never_a_deadlock(
    seed: int, works: list[tuple[set[int], int, bool]], slots: int
) -> None:
    def work(number: int, locks: set[int], naps: int, nested: bool) -> Any:
        async def take(x: Any, context: Context) -> int:
            held = [LOCKS[lock].hold(context) for lock in sorted(locks)]
            for each in held:
                await each.__aenter__()
                for _ in range(naps):
                    await asyncio.sleep(0)
            if nested:
                await context.run(together(sleeper(0.5), sleeper(0, "other")), x)
            for each in reversed(held):
                await each.__aexit__(None, None, None)
            return number

        return named(f"work{number}", take)

    steps = [work(number, *how) for number, how in enumerate(works)]
    outcomes = go(together(*steps, max_concurrent_executions=slots), seed=seed)
    assert outcomes == [Completed(number) for number in range(len(works))]


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 12), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_channels_and_barriers_with_enough_room_are_never_a_deadlock(
    seed: int, size: int, items: int, takers: int
) -> None:
    gate = Barrier("gate", takers + 1)

    @step
    async def main(x: Any, context: Context) -> Any:
        channel = context.resource(Channels).open(size)

        @step
        async def makes(x: Any, context: Context) -> None:
            await gate.wait(context)
            for item in range(items):
                await channel.send(item)
                if item % 3 == 0:
                    await asyncio.sleep(0)
            channel.close()

        @step
        async def takes(x: Any, context: Context) -> list[int]:
            await gate.wait(context)
            return [item async for item in channel]

        return await context.run(together(makes, *[takes] * takers), x)

    taken = [outcome.unwrap() for outcome in go(main, seed=seed)][1:]
    assert sorted(item for some in taken for item in some) == list(range(items))


@pytest.mark.parametrize("seed", range(8))
def test_steps_that_are_gathered_inside_one_step_are_no_deadlock(seed: int) -> None:
    lock = Semaphore("lock")

    @step
    async def holds(x: Any, context: Context) -> Any:
        async with lock.hold(context):
            await asyncio.sleep(1)
        return x

    @step
    async def gathers(x: Any, context: Context) -> Any:
        return await asyncio.gather(*(context.run(holds, number) for number in range(4)))

    assert go(gathers, seed=seed) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(4))
def test_a_step_that_waits_for_the_world_outside_is_no_deadlock(seed: int) -> None:
    async def main() -> Any:
        bell = asyncio.Event()
        lock = Semaphore("lock")

        @step
        async def waits(x: Any, context: Context) -> str:
            async with lock.hold(context):
                await bell.wait()
            return "rung"

        @step
        async def queues(x: Any, context: Context) -> str:
            async with lock.hold(context):
                return "served"

        async with start(together(waits, queues)) as run:
            await asyncio.sleep(100)
            bell.set()
        return run.outcome.unwrap()

    assert virtually(main, seed) == [Completed("rung"), Completed("served")]


def test_waiting_for_a_human_is_no_deadlock() -> None:
    async def main() -> Any:
        lock = Semaphore("lock")

        @step
        async def asks(x: Any, context: Context) -> bool:
            async with lock.hold(context):
                return (await context.ask(Request(question="may I?"))).approved

        @step
        async def queues(x: Any, context: Context) -> str:
            async with lock.hold(context):
                return "served"

        async with start(together(asks, queues, max_concurrent_executions=1)) as run:
            await asyncio.sleep(1000)
            assert run.answer("all/asks?1")
        return run.outcome.unwrap()

    assert virtually(main) == [Completed(True), Completed("served")]


def test_waiting_for_a_channel_with_a_timeout_is_no_deadlock() -> None:
    @step
    async def waits(x: Any, context: Context) -> str:
        try:
            await context.resource(Channels).open(1).receive(timeout=60)
        except TimeoutError:
            return "nothing came"

    assert go(waits) == "nothing came"


def test_a_lone_step_that_waits_for_an_item_is_a_deadlock() -> None:
    @step
    async def waits(x: Any, context: Context) -> None:
        await context.resource(Channels).open(1).receive()

    with pytest.raises(DeadlockError, match="'waits' waits for an item"):
        go(waits)


def test_a_branch_that_starts_a_sibling_where_there_is_no_room_is_a_deadlock_of_that_branch() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=1), SLOW) as branches:

            @step
            async def greedy(x: Any) -> None:
                await branches.start(sleeper(1), x)

            await branches.start(greedy, x)
            await branches.changed()
        return branches.outcomes

    run = watch(main)
    outcomes = run.outcome.unwrap()
    assert isinstance(outcomes[0], Failed)
    assert isinstance(outcomes[0].error, DeadlockError)
    assert "'main/sleeper' waits for room" in str(outcomes[0].error)


def test_a_branch_that_waits_for_the_end_of_its_own_set_is_a_deadlock_of_that_branch() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(None, SLOW) as branches:

            @step
            async def counts(x: Any) -> int:
                return len([branch async for branch in branches.completed()])

            await branches.start(counts, x)
        return branches.outcomes

    (outcome,) = go(main)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeadlockError)


def test_two_readers_of_one_sets_ends_do_not_disturb_each_other() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        lock = Semaphore("lock")

        @step
        async def holds(x: Any, context: Context) -> None:
            async with lock.hold(context):
                await asyncio.sleep(2)

        async with context.branches(None, SLOW) as branches:
            await branches.start(holds, x)
            await branches.start(holds, x)

            async def first() -> str:
                async for branch in branches.completed():
                    return branch.name
                return ""

            async def impatient() -> str:
                try:
                    async with asyncio.timeout(1):
                        return await first()
                except TimeoutError:
                    return "gave up"

            seen = await asyncio.gather(first(), impatient(), first())
        return seen, [outcome.status for outcome in branches.outcomes]

    assert go(main) == (["holds", "gave up", "holds"], ["completed", "completed"])


def test_who_was_left_behind_while_it_waited_makes_no_deadlock_of_the_others() -> None:
    lock = Semaphore("lock")

    @step
    async def holds(x: Any, context: Context) -> str:
        async with lock.hold(context):
            await asyncio.sleep(100)
        return "held"

    @step
    async def will_have_it(x: Any, context: Context) -> str:
        while True:
            try:
                async with lock.hold(context):
                    return "had it"
            except asyncio.CancelledError:
                continue

    @step
    async def queues(x: Any, context: Context) -> str:
        await asyncio.sleep(50)
        async with lock.hold(context):
            return "served"

    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(cancellation_timeout=1), SLOW) as branches:
            await branches.start(holds, x)
            await branches.start(will_have_it, x, timeout=5)
            await branches.start(queues, x)
        return branches.outcomes

    run = watch(main, cancellation_timeout=1)
    assert [outcome.status for outcome in run.outcome.unwrap()] == ["completed", "timed_out", "completed"]


def test_what_somebody_left_behind_holds_is_a_deadlock_and_names_the_holder() -> None:
    lock = Semaphore("lock")

    @step
    async def keeps(x: Any, context: Context) -> None:
        async with lock.hold(context):
            await deaf().execute(x, context)

    @step
    async def queues(x: Any, context: Context) -> None:
        async with lock.hold(context):
            pass

    @step
    async def main(x: Any, context: Context) -> Any:
        async with context.branches(ParallelResourceLimits(cancellation_timeout=1), SLOW) as branches:
            await branches.start(keeps, x, timeout=5)
            await branches.start(queues, x)
        return branches.outcomes

    outcomes = go(main, cancellation_timeout=1)
    assert outcomes[0].status == "timed_out"
    assert "'main/queues' waits for semaphore 'lock', held by main/keeps" in str(outcomes[1].error)


@pytest.mark.parametrize("seed", range(6))
def test_sets_of_one_slot_nest_to_any_depth_without_a_deadlock(seed: int) -> None:
    def nest(depth: int) -> Any:
        inner = [sleeper(random.Random(seed + depth).random(), "leaf")] if not depth else [nest(depth - 1)] * 2
        return together(*inner, name=f"level{depth}", max_concurrent_executions=1)

    run = watch(nest(5), seed=seed, max_depth=20)
    assert isinstance(run.outcome, Completed)
    assert sum(event.kind == "step_completed" and event.path.endswith("leaf") for event in run.log) == 32


def test_who_gives_up_waiting_for_room_makes_way_for_those_behind() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        limits = ParallelResourceLimits(max_concurrent_executions=2, max_total_memory=100)
        big, small = sleeper(1, "big", memory=80), sleeper(1, "small", memory=10)
        async with context.branches(limits, SLOW) as branches:
            await branches.start(sleeper(10, "first", memory=50), x)

            async def gives_up() -> None:
                async with asyncio.timeout(1):
                    await branches.start(big, x)

            async def behind() -> float:
                await asyncio.sleep(0.5)
                await branches.start(small, x)
                return asyncio.get_running_loop().time()

            results = await asyncio.gather(gives_up(), behind(), return_exceptions=True)
            assert branches.room == 0
        return results[1]

    assert go(main) == 1.0
