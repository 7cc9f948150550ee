"""Schedules that a seed decides, and the search for code that depends on them."""

import asyncio
import random
from dataclasses import dataclass

import pytest

from stretto.core.aggregation import AggregationStrategy, PartialSuccess
from stretto.core.checks import NotReproducible, OrderDependent
from stretto.core.errors import DefinitionError
from stretto.core.function import step
from stretto.core.policies import ErrorMode, ParallelResourceLimits, RetryPolicy
from stretto.runtime.virtual import RESOLVED_OUTSIDE, VirtualClock, shuffled
from stretto.testing import find_order_dependence, run_virtual
from stretto.testing.order import comparable
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow


@step
async def careless(names, context):
    """Counts letters: reads the total, lets others run, and writes it."""
    total = [0]

    @step
    async def add(name):
        before = total[0]
        for _ in range(len(name)):
            await asyncio.sleep(0)
        total[0] = before + len(name)

    async with context.branches() as branches:
        for name in names:
            await branches.start(add, name)
    return total[0]


@step
async def careful(names, context):
    """Counts letters: adds up what the branches return."""

    @step
    async def measure(name):
        await asyncio.sleep(random.random())
        return len(name)

    async with context.branches() as branches:
        for name in names:
            await branches.start(measure, name)
    return sum(outcome.unwrap() for outcome in branches.outcomes)


def order_under(seed):
    seen = []

    async def note(name):
        await asyncio.sleep(1)
        seen.append(name)

    async def main():
        async with asyncio.TaskGroup() as group:
            for name in range(6):
                group.create_task(note(name))

    with asyncio.Runner(loop_factory=shuffled(seed)) as runner:
        runner.run(main())
    return seen


def test_a_seed_decides_the_order_of_turns():
    assert all(order_under(seed) == order_under(seed) for seed in range(5))
    assert len({tuple(order_under(seed)) for seed in range(20)}) > 10


def test_without_a_seed_tasks_keep_their_order():
    seen = []

    async def note(name):
        seen.append(name)

    async def main():
        async with asyncio.TaskGroup() as group:
            for name in range(6):
                group.create_task(note(name))

    run_virtual(main())
    assert seen == list(range(6))


def test_a_seed_governs_random_and_gives_it_back():
    async def draw():
        return random.random()

    random.seed(1)
    state = random.getstate()
    assert VirtualClock(3).run(draw()) == VirtualClock(3).run(draw()) != VirtualClock(4).run(draw())
    assert random.getstate() == state


def test_callbacks_of_asyncio_keep_their_order_under_every_seed():
    async def main():
        called = []
        for place in range(20):
            asyncio.get_running_loop().call_soon(called.append, place)
        await asyncio.sleep(0.1)
        return called

    assert all(VirtualClock(seed).run(main()) == list(range(20)) for seed in range(10))


def test_the_modules_that_are_resolved_outside_exist():
    names = {name for name in RESOLVED_OUTSIDE if name.startswith("stretto")}
    assert all(__import__(name) for name in names)


def test_a_planted_order_dependence_is_found_with_both_results():
    with pytest.raises(OrderDependent, match="the result of 'careless' depends on the order") as found:
        find_order_dependence(careless, ["a", "bb", "ccc"])
    one, other = found.value.results
    assert one != other
    assert [str(VirtualClock(seed).run(once(careless, ["a", "bb", "ccc"]))) for seed in found.value.seeds] == [
        one,
        other,
    ]


async def once(what, input):
    from stretto.runtime.run import run

    return await run(what, input)


def test_none_is_found_in_a_clean_workflow():
    @step(idempotent=True, retry=RetryPolicy(attempts=3))
    async def unsteady(x):
        await asyncio.sleep(x)
        if x == 2:
            raise ValueError("two")
        return x

    find_order_dependence(careful, ["a", "bb", "ccc"])
    find_order_dependence(
        MapReduceWorkflow(
            map=unsteady,
            reduce=lambda got: got,
            limits=ParallelResourceLimits(max_concurrent_executions=2),
            aggregation=PartialSuccess(),
        ),
        [3, 2, 1, 0],
        seeds=range(20),
    )


def test_a_race_for_the_first_success_is_an_order_dependence():
    def runner(name):
        async def run(_):
            await asyncio.sleep(1)
            return name

        return step(name=name)(run)

    race = ParallelWorkflow(steps=(runner("a"), runner("b")), aggregation=AggregationStrategy.FIRST_SUCCESS)
    with pytest.raises(OrderDependent):
        find_order_dependence(race, 1)


def test_another_course_with_the_same_result_is_told():
    @step
    async def lead(_, context):
        turns = []

        @step
        async def member(place):
            await asyncio.sleep(1)
            turns.append(place)

        @step
        async def extra(_):
            return None

        async with context.branches(error_mode=ErrorMode.FAIL_SLOW) as branches:
            for place in range(3):
                await branches.start(member, place)
        if turns[0] == 2:
            await context.run(extra, None)

    with pytest.raises(OrderDependent, match=r"the course of 'lead'.*step_started at 'lead/extra'"):
        find_order_dependence(lead, 1)


def test_errors_are_compared_by_type_and_words():
    @step
    async def lead(_, context):
        async def fail(x):
            await asyncio.sleep(1)
            raise ValueError(x)

        async with context.branches() as branches:
            for name in ("a", "b"):
                await branches.start(step(name=name)(fail), name)

    with pytest.raises(OrderDependent, match=r"ValueError: [ab].*ValueError: [ab]"):
        find_order_dependence(lead, 1)


def test_what_is_kept_between_runs_is_no_order_dependence():
    kept = []

    @step
    async def hoards(x):
        kept.append(x)
        return len(kept)

    with pytest.raises(NotReproducible, match="gives 1 and then 2 under the same seed 0"):
        find_order_dependence(hoards, 1)


def test_every_run_gets_a_copy_of_the_input():
    @step
    async def empties(rows):
        rows.clear()
        return len(rows)

    rows = [1, 2]
    find_order_dependence(empties, rows, seeds=range(3))
    assert rows == [1, 2]


def test_a_search_needs_seeds():
    with pytest.raises(DefinitionError, match="needs seeds"):
        find_order_dependence(careful, [], seeds=[])


class Plain:
    def __init__(self, held):
        self.held = held


@dataclass
class Row:
    held: object


def test_values_are_compared_by_what_they_mean():
    for make in (
        lambda: Plain([ValueError("x")]),
        lambda: Row(Plain(1)),
        lambda: {"a": (Plain(1),)},
        lambda: ExceptionGroup("several", [ValueError("x")]),
    ):
        assert comparable(make()) == comparable(make())
    assert comparable(Plain(1)) != comparable(Plain(2))
    assert comparable(ExceptionGroup("g", [ValueError(1)])) != comparable(ExceptionGroup("g", [ValueError(2)]))
    assert comparable([1]) != comparable((1,))
    assert comparable(print) is print
