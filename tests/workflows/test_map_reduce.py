"""One step on every item."""

import asyncio
import itertools

import pytest

from stretto.core.aggregation import FirstSuccess, PartialSuccess
from stretto.core.errors import BranchesFailed, DefinitionError, ExecutionError
from stretto.core.events import Progress
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.workflows.map_reduce import MapReduceWorkflow


@step
async def square(n):
    await asyncio.sleep(1 + n % 3)
    return n * n


@step
async def total(values):
    return sum(values)


@step
async def picky(n):
    await asyncio.sleep(1)
    if n % 2:
        raise ValueError(n)
    return n


async def numbers(n, closed=None):
    try:
        for i in range(n):
            yield i
    finally:
        if closed is not None:
            closed.append(True)


def limits(**settings):
    return ParallelResourceLimits(**settings)


def test_every_item_is_mapped_and_all_values_are_reduced(go):
    assert go(MapReduceWorkflow(map=square, reduce=total), range(10)) == 285


def test_results_have_the_order_of_the_items_whoever_ends_first(go):
    assert go(MapReduceWorkflow(map=square), [2, 0, 1]) == [4, 0, 1]


@pytest.mark.parametrize("make", [lambda: [1, 2], lambda: (n for n in (1, 2)), lambda: numbers(3)])
def test_items_may_be_a_list_a_generator_or_an_async_one(go, make):
    assert go(MapReduceWorkflow(map=square), make())[-2:] == [1, 4]


def test_no_items_are_no_values(go):
    assert go(MapReduceWorkflow(map=square, reduce=total), []) == 0


def test_branches_have_the_items_places_in_their_paths(watch):
    run = watch(MapReduceWorkflow(name="m", map=square, reduce=total), [3, 4])
    assert [e.path for e in run.log if e.kind == "step_started"] == ["m", "m/square[0]", "m/square[1]", "m/reduce"]


@pytest.mark.parametrize("endless", [lambda seen: (seen.append(n) or n for n in itertools.count())])
def test_an_endless_source_is_not_swallowed(go, endless):
    seen = []
    with pytest.raises(ValueError, match="1"):
        go(MapReduceWorkflow(map=picky, limits=limits(max_concurrent_executions=4)), endless(seen))
    assert len(seen) <= 6


def test_an_endless_async_source_is_read_only_as_far_as_needed_and_closed(go):
    closed, seen = [], []

    async def endless():
        try:
            for n in itertools.count():
                seen.append(n)
                yield n
        finally:
            closed.append(True)

    flow = MapReduceWorkflow(map=square, aggregation=FirstSuccess(), limits=limits(max_concurrent_executions=3))
    assert go(flow, endless()) == 0
    assert closed == [True]
    assert len(seen) <= 5


def test_the_limits_are_kept(watch):
    flow = MapReduceWorkflow(map=picky, limits=limits(max_concurrent_executions=5))
    assert watch(flow, [2] * 20).seconds == pytest.approx(4)


def test_fail_slow_tells_every_failure(go):
    with pytest.raises(BranchesFailed) as caught:
        go(MapReduceWorkflow(map=picky, error_mode=ErrorMode.FAIL_SLOW), range(5))
    assert [e.args for e in caught.value.exceptions] == [(1,), (3,)]


def test_partial_success_hands_outcomes_to_reduce(go):
    @step
    async def completed(outcomes):
        return [o.value for o in outcomes if isinstance(o, Completed)], sum(isinstance(o, Failed) for o in outcomes)

    flow = MapReduceWorkflow(map=picky, reduce=completed, aggregation=PartialSuccess(minimum=2))
    assert go(flow, range(5)) == ([0, 2, 4], 2)


def test_chunks_are_combined_before_they_are_reduced(watch):
    sizes = []

    @step
    async def part(values):
        sizes.append(len(values))
        return sum(values)

    run = watch(MapReduceWorkflow(name="m", map=square, combine=part, chunk=4, reduce=total), range(10))
    assert run.outcome.value == 285
    assert sorted(sizes) == [2, 4, 4]
    paths = {e.path for e in run.log if e.kind == "step_completed"}
    assert {"m/chunk[0]/square[0]", "m/chunk[2]/square[1]", "m/chunk[1]/combine", "m/reduce"} <= paths
    assert [(e.done, e.total) for e in run.log if isinstance(e, Progress)][-1] == (3, 3)


def test_chunks_of_an_async_source(go):
    assert go(MapReduceWorkflow(map=square, combine=total, chunk=2), numbers(5)) == [1, 13, 16]


def test_progress_is_true_and_bounded(watch):
    @step
    async def quick(n):
        return n

    run = watch(MapReduceWorkflow(map=quick), range(3000))
    told = [e.done for e in run.log if isinstance(e, Progress)]
    assert told == sorted(told)
    assert told[-1] == 3000
    assert 20 < len(told) <= 200
    ended = 0
    for event in run.log:
        if event.kind == "step_completed":
            ended += 1
        elif isinstance(event, Progress):
            assert event.done <= ended


def test_progress_without_a_known_total(watch):
    @step
    async def quick(n):
        return n

    run = watch(MapReduceWorkflow(map=quick), (n for n in range(3000)))
    told = [(e.done, e.total) for e in run.log if isinstance(e, Progress)]
    assert told[-1] == (3000, None)
    assert len(told) <= 200


@pytest.mark.parametrize("items", ["text", {3, 1}, 5, None, b"x"])
def test_what_has_no_order_or_no_items_is_refused(go, items):
    with pytest.raises(ExecutionError, match="ordered collection"):
        go(MapReduceWorkflow(map=square), items)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"map": 3}, "not of 3"),
        ({"reduce": 3}, "not of 3"),
        ({"chunk": 3}, "combine= needs chunk="),
        ({"combine": total}, "combine= needs chunk="),
        ({"combine": total, "chunk": 0}, "chunk must be a whole number"),
        ({"map": step(memory=9)(lambda x: x), "limits": limits(max_total_memory=3)}, "could never start"),
    ],
)
def test_what_cannot_map_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        MapReduceWorkflow(**{"map": square} | settings)


def test_children_hold_map_and_reduce_and_chunks():
    assert list(MapReduceWorkflow(map=square, reduce=total).children()) == ["square", "reduce"]
    chunked = MapReduceWorkflow(map=step(name="m", memory=7)(lambda x: x), combine=total, chunk=2)
    assert list(chunked.children()) == ["chunk"]
    assert list(chunked.children()["chunk"].children()) == ["m", "combine"]
    assert chunked.children()["chunk"].policy.memory == 7
