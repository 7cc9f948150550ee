"""Different steps on the same input, at once."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.aggregation import AggregationStrategy, FirstSuccess, PartialSuccess, Quorum
from stretto.core.errors import (
    BranchesFailed,
    DefinitionError,
    ExecutionError,
    NothingSucceeded,
    StepTimeout,
    TooFewSucceeded,
)
from stretto.core.function import FunctionStep, step
from stretto.core.outcome import Cancelled, Completed, Failed, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.synchronization import Barrier
from stretto.workflows.branch import ParallelBranch
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow

from .conftest import on_virtual_time


def worker(name, seconds=1.0, error=None, ended=None, **settings):
    async def work(x):
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if ended is not None:
                ended.append(f"{name} cancelled")
            raise
        if error is not None:
            raise error
        if ended is not None:
            ended.append(name)
        return f"{name}:{x}"

    return step(name=name, **settings)(work)


def limits(**settings):
    return ParallelResourceLimits(**settings)


def test_parallel_runs_at_the_same_time_and_keeps_the_declared_order(watch):
    run = watch(ParallelWorkflow(steps=(worker("a", 3), worker("b", 1), worker("c", 2))), "x")
    assert run.outcome.value == ["a:x", "b:x", "c:x"]
    assert run.seconds == pytest.approx(3)


@pytest.mark.parametrize(("at_once", "seconds"), [(1, 6), (2, 3), (6, 1)])
def test_max_concurrent_executions_is_kept(watch, at_once, seconds):
    flow = ParallelWorkflow(steps=[worker("w")] * 6, limits=limits(max_concurrent_executions=at_once))
    assert watch(flow, 1).seconds == pytest.approx(seconds)


def test_ten_run_at_once_by_default(watch):
    assert watch(ParallelWorkflow(steps=[worker("w")] * 11), 1).seconds == pytest.approx(2)


def test_max_total_memory_is_kept(watch):
    flow = ParallelWorkflow(steps=[worker("w", memory=40)] * 4, limits=limits(max_total_memory=100))
    assert watch(flow, 1).seconds == pytest.approx(2)


def test_max_memory_per_branch_is_reserved_for_those_that_name_none(watch):
    flow = ParallelWorkflow(steps=[worker("w")] * 4, limits=limits(max_memory_per_branch=50, max_total_memory=100))
    assert watch(flow, 1).seconds == pytest.approx(2)


def test_execution_timeout_bounds_each_branch(go):
    flow = ParallelWorkflow(
        steps=[worker("slow", 9), worker("fast", 1)],
        limits=limits(execution_timeout=5),
        aggregation=PartialSuccess(),
    )
    slow, fast = go(flow, 1)
    assert isinstance(slow, TimedOut)
    assert slow.error.seconds == 5
    assert fast == Completed("fast:1")


def test_cancellation_timeout_bounds_how_long_a_stubborn_branch_is_waited_for(watch):
    @step
    async def stubborn(x):
        for _ in range(10):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue

    flow = ParallelWorkflow(
        steps=(worker("bad", 1, ValueError("no")), stubborn), limits=limits(cancellation_timeout=2), name="p"
    )

    async def main():
        from stretto.runtime.run import start

        async with start(flow, 1) as run:
            pass
        return asyncio.get_running_loop().time(), run

    seconds, run = on_virtual_time(main)
    assert seconds == pytest.approx(3)
    assert isinstance(run.outcome.error, ValueError)
    assert [event.path for event in run.log if event.kind == "step_abandoned"] == ["p/stubborn"]


@pytest.mark.parametrize("failing_first", [True, False])
def test_one_that_fails_fast_cancels_a_sibling_of_five_seconds_in_either_order(watch, failing_first):
    ended = []
    row = [worker("bad", 0.1, ConnectionError("no route")), worker("slow", 5, ended=ended)]
    run = watch(ParallelWorkflow(name="p", steps=row if failing_first else row[::-1]), 1)
    assert type(run.outcome.error) is ConnectionError
    assert "p/bad" in "".join(run.outcome.error.__notes__)
    assert ended == ["slow cancelled"]
    assert run.seconds == pytest.approx(0.1)


def test_fail_slow_lets_all_end_and_tells_every_failure(watch):
    ended = []
    row = (worker("bad", 1, ValueError("1")), worker("good", 5, ended=ended), worker("worse", 2, OSError("2")))
    run = watch(ParallelWorkflow(steps=row, error_mode=ErrorMode.FAIL_SLOW), 1)
    assert ended == ["good"]
    assert isinstance(run.outcome.error, BranchesFailed)
    assert [type(e) for e in run.outcome.error.exceptions] == [ValueError, OSError]


def test_the_default_mode_is_the_strategys_own():
    row = (worker("a"),)
    assert ParallelWorkflow(steps=row).mode is ErrorMode.FAIL_FAST
    for strategy in (FirstSuccess(), PartialSuccess(), AggregationStrategy.custom(len)):
        assert ParallelWorkflow(steps=row, aggregation=strategy).mode is ErrorMode.FAIL_SLOW


def test_the_first_success_wins_and_the_losers_are_cancelled(watch):
    ended = []
    row = (worker("slow", 9, ended=ended), worker("bad", 1, ValueError()), worker("fast", 2, ended=ended))
    run = watch(ParallelWorkflow(steps=row, aggregation=FirstSuccess()), 1)
    assert run.outcome.value == "fast:1"
    assert ended == ["fast", "slow cancelled"]
    assert run.seconds == pytest.approx(2)


def test_nothing_succeeding_is_an_error_with_every_error(go):
    row = (worker("a", 1, ValueError("one")), worker("b", 2, OSError("two")))
    with pytest.raises(NothingSucceeded, match="ValueError: one; OSError: two"):
        go(ParallelWorkflow(steps=row, aggregation=FirstSuccess()), 1)


def test_partial_success_tells_every_outcome_in_declared_order(go):
    row = (worker("a", 2), worker("b", 1, ValueError("no")), worker("c", 1))
    a, b, c = go(ParallelWorkflow(steps=row, aggregation=PartialSuccess(minimum=2)), 1)
    assert (a, c) == (Completed("a:1"), Completed("c:1"))
    assert isinstance(b, Failed)


def test_partial_success_below_its_minimum_is_an_error(go):
    row = (worker("a", 2), worker("b", 1, ValueError("no")))
    with pytest.raises(TooFewSucceeded, match="1 branches succeeded, at least 2 must: ValueError: no"):
        go(ParallelWorkflow(steps=row, aggregation=PartialSuccess(minimum=2)), 1)


def test_custom_gets_all_outcomes(go):
    count = AggregationStrategy.custom(lambda outcomes: [o.status for o in outcomes])
    assert go(ParallelWorkflow(steps=(worker("a"), worker("b", 1, ValueError())), aggregation=count), 1) == [
        "completed",
        "failed",
    ]


def test_a_required_branch_must_succeed_whatever_the_aggregation_says(go):
    row = (worker("good"), ParallelBranch("schema", (worker("check", 1, ValueError("bad schema")),)))
    with pytest.raises(BranchesFailed, match="1 required of 2 branches failed: 'schema'") as caught:
        go(ParallelWorkflow(steps=row, aggregation=PartialSuccess(minimum=1)), 1)
    assert str(caught.value.exceptions[0]) == "bad schema"


def test_an_optional_branch_may_fail_without_stopping_its_siblings(go):
    row = (worker("good", 3), ParallelBranch("market", (worker("ask", 1, ValueError("closed")),), required=False))
    good, market = go(ParallelWorkflow(steps=row), 1)
    assert good == "good:1"
    assert isinstance(market, Failed)


def test_a_branchs_timeout_replaces_the_limits(go):
    row = (
        ParallelBranch("long", (worker("a", 8),), timeout=9),
        ParallelBranch("short", (worker("b", 3),), timeout=2, required=False),
        ParallelBranch("usual", (worker("c", 6),), required=False),
    )
    long, short, usual = go(ParallelWorkflow(steps=row, limits=limits(execution_timeout=5)), 1)
    assert long == "a:1"
    assert (short.error.seconds, usual.error.seconds) == (2, 5)


def test_a_branchs_timeout_holds_wherever_the_branch_is_run(go):
    with pytest.raises(StepTimeout):
        go(SequentialWorkflow(steps=(ParallelBranch("short", (worker("b", 3),), timeout=2),)), 1)


def test_a_branch_runs_its_steps_in_turn_and_undoes_them_on_failure(watch):
    undone = []

    @step
    async def take_back(output):
        undone.append(output)

    branch = ParallelBranch("b", (worker("one", undo=take_back), worker("two", 1, ValueError())), required=False)
    run = watch(ParallelWorkflow(steps=(branch, ParallelBranch("ok", (worker("x"), worker("y"))))), 1)
    assert run.outcome.value[1] == "y:x:1"
    assert undone == ["one:1"]


def test_a_branch_can_be_changed_into_another():
    branch = ParallelBranch("b", (worker("one"),))
    assert branch.with_timeout(3).with_timeout(4) == ParallelBranch("b", branch.steps, timeout=4)
    assert not branch.optional().required


def test_a_branch_reserves_what_its_neediest_step_needs():
    assert ParallelBranch("b", (worker("a", memory=3), worker("b", memory=9), worker("c"))).policy.memory == 9


def test_steps_of_one_name_get_paths_of_their_own(watch):
    same = worker("same")
    run = watch(ParallelWorkflow(name="p", steps=(same, same, worker("same#2"))), 1)
    assert sorted(e.path for e in run.log if e.kind == "step_completed") == ["p", "p/same", "p/same#2", "p/same#3"]


def test_barriers_that_fit_let_everybody_through(go):
    barrier = Barrier("start", 3)

    def party(name):
        async def meet(x, context):
            return await barrier.wait(context)

        return step(name=name)(meet)

    flow = ParallelWorkflow(
        steps=[party(n) for n in "abc"], barriers=[barrier], limits=limits(max_concurrent_executions=3)
    )
    assert sorted(go(flow)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": ()}, "has no steps"),
        ({"limits": 4}, "limits must be a ParallelResourceLimits"),
        ({"error_mode": "fail_fast"}, "error_mode must be a ErrorMode, not 'fail_fast'"),
        ({"aggregation": len}, "aggregation must be a AggregationStrategy"),
        ({"aggregation": FirstSuccess(), "error_mode": ErrorMode.FAIL_FAST}, "leave error_mode out"),
        ({"aggregation": PartialSuccess(minimum=3)}, "asks for 3 successes, and there are only 2 branches"),
        ({"aggregation": Quorum(3)}, "asks for 3 successes"),
        ({"barriers": [Barrier("b", 3)]}, "barrier 'b' waits for 3 parties, and there are only 2 steps"),
        (
            {"barriers": [Barrier("b", 2)], "limits": limits(max_concurrent_executions=1)},
            "raise max_concurrent_executions to at least 2",
        ),
        ({"barriers": ["b"]}, "barriers must be a Barrier"),
        ({"limits": limits(max_total_memory=5)}, "step 'b' reserves 9 bytes, more than max_total_memory"),
    ],
)
def test_what_contradicts_itself_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        ParallelWorkflow(**{"steps": (worker("a"), worker("b", memory=9))} | settings)


@pytest.mark.parametrize("strategy", [FirstSuccess(), Quorum(1)])
def test_a_required_branch_does_not_race(strategy):
    with pytest.raises(DefinitionError, match="branch 'b' is required"):
        ParallelWorkflow(steps=(ParallelBranch("b", (worker("a"),)),), aggregation=strategy)
    ParallelWorkflow(steps=(ParallelBranch("b", (worker("a"),), required=False),), aggregation=strategy)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ParallelWorkflow(steps=[ParallelBranch("b", (worker("a"),))] * 2), "two branches called 'b'"),
        (lambda: ParallelBranch("b", ()), "ParallelBranch 'b' has no steps"),
        (lambda: ParallelBranch("a/b", (worker("a"),)), "cannot be called 'a/b'"),
        (lambda: ParallelBranch("b", (worker("a"),), required=None), "required must be True or False"),
        (lambda: ParallelBranch("b", (worker("a"),), timeout=-1), "timeout must be greater than 0"),
        (lambda: ParallelBranch("b", (worker("a"),), timeout=1, policy=StepPolicy(timeout=2)), "give one of them"),
    ],
)
def test_branches_are_checked(make, words):
    with pytest.raises(DefinitionError, match=words):
        make()


def test_a_branch_that_raises_a_base_exception_is_a_failure_and_not_lost(go):
    class Crash(BaseException):
        pass

    outcomes = go(ParallelWorkflow(steps=(worker("a"), worker("b", 1, Crash("out"))), aggregation=PartialSuccess()), 1)
    assert [outcome.status for outcome in outcomes] == ["completed", "failed"]


ENDINGS = st.sampled_from(["completes", "fails"])


@given(st.lists(st.tuples(ENDINGS, st.integers(1, 9)), min_size=1, max_size=6), st.integers(1, 6), st.data())
def test_aggregation_is_the_same_in_every_order_of_ending(branches, at_once, data):
    steps = [
        worker(f"w{i}", seconds, None if ending == "completes" else ValueError(i))
        for i, (ending, seconds) in enumerate(branches)
    ]
    minimum = data.draw(st.integers(0, len(steps)))
    room = limits(max_concurrent_executions=at_once)
    good = [f"w{i}:0" for i, (ending, _) in enumerate(branches) if ending == "completes"]

    def ended(aggregation):
        from stretto.runtime.run import start

        async def main():
            flow = ParallelWorkflow(steps=steps, limits=room, aggregation=aggregation, error_mode=ErrorMode.FAIL_SLOW)
            async with start(flow, 0) as run:
                pass
            return run.outcome

        return on_virtual_time(main)

    every = ended(AggregationStrategy.ALL_SUCCESS)
    if len(good) == len(steps):
        assert every == Completed(good)
    else:
        assert len(every.error.exceptions) == len(steps) - len(good)
    first = ended(AggregationStrategy.FIRST_SUCCESS)
    assert first.value in good if good else isinstance(first.error, NothingSucceeded)
    partial = ended(PartialSuccess(minimum=minimum))
    if len(good) >= minimum:
        assert [o.value for o in partial.value if isinstance(o, Completed)] == good
        assert len(partial.value) == len(steps)
    else:
        assert isinstance(partial.error, ExecutionError)


def test_losers_of_a_quorum_are_cancelled_outcomes(go):
    row = (worker("a", 1), worker("b", 2), worker("c", 9))
    outcomes = go(ParallelWorkflow(steps=row, aggregation=Quorum(2)), 1)
    assert [type(o) for o in outcomes] == [Completed, Completed, Cancelled]


def test_a_function_is_as_good_as_a_step():
    async def plain(x):
        return x

    assert ParallelWorkflow(steps=[plain]) == ParallelWorkflow(steps=(FunctionStep(plain),))
