"""Named branches, and one step behind them."""

import asyncio

import pytest

from stretto.core.errors import BranchesFailed, DefinitionError
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.workflows.branch import ParallelBranch
from stretto.workflows.fork_join import ForkJoinWorkflow


def worker(name, seconds=1.0, error=None):
    @step(name=name)
    async def work(x):
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return f"{name}:{x}"

    return work


@step
async def told(outcomes):
    return dict(outcomes)


def test_the_join_gets_every_outcome_by_name_in_declared_order(watch):
    branches = (
        ParallelBranch("schema", (worker("parse", 3), worker("check"))),
        ParallelBranch("market", (worker("ask", 50),), required=False, timeout=2),
        worker("plain"),
    )
    run = watch(ForkJoinWorkflow(name="review", branches=branches, join=told), "x")
    assert list(run.outcome.value) == ["schema", "market", "plain"]
    assert run.outcome.value["schema"] == Completed("check:parse:x")
    assert isinstance(run.outcome.value["market"], TimedOut)
    assert run.seconds == pytest.approx(4)
    assert "review/join" in [event.path for event in run.log]


def test_a_join_with_the_branches_names_receives_them_by_name(go):
    @step
    async def review(schema, market):
        return schema.unwrap(), type(market)

    branches = (
        ParallelBranch("schema", (worker("a"),)),
        ParallelBranch("market", (worker("b", 1, ValueError()),), required=False),
    )
    assert go(ForkJoinWorkflow(branches=branches, join=review), 1) == ("a:1", Failed)


def test_a_required_failure_stops_the_others_and_is_raised(watch):
    branches = (worker("bad", 1, ValueError("no")), worker("slow", 9))
    run = watch(ForkJoinWorkflow(branches=branches, join=told), 1)
    assert str(run.outcome.error) == "no"
    assert run.seconds == pytest.approx(1)


def test_fail_slow_names_every_required_branch_that_failed(watch):
    branches = (
        worker("bad", 1, ValueError("no")),
        worker("slow", 9),
        ParallelBranch("may", (worker("m", 1, OSError()),), required=False),
        ParallelBranch("must", (worker("n", 1, OSError("gone")),)),
    )
    run = watch(ForkJoinWorkflow(branches=branches, join=told, error_mode=ErrorMode.FAIL_SLOW), 1)
    assert isinstance(run.outcome.error, BranchesFailed)
    assert "2 required of 4 branches failed: 'bad' and 'must'" in str(run.outcome.error)
    assert run.seconds == pytest.approx(9)


def test_limits_bound_the_branches(watch):
    limits = ParallelResourceLimits(max_concurrent_executions=1)
    run = watch(ForkJoinWorkflow(branches=[worker("a"), worker("b")], join=told, limits=limits), 1)
    assert run.seconds == pytest.approx(2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"branches": ()}, "has no branches"),
        ({"branches": [ParallelBranch("a", (told,))] * 2}, "two branches called 'a'"),
        ({"join": "merge"}, "not of 'merge'"),
        ({"error_mode": "slow"}, "error_mode must be a ErrorMode"),
        (
            {"limits": ParallelResourceLimits(max_total_memory=1), "branches": (step(memory=2)(lambda x: x),)},
            "could never start",
        ),
    ],
)
def test_what_cannot_join_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        ForkJoinWorkflow(**{"branches": (told,), "join": told} | settings)


def test_children_hold_branches_and_join():
    flow = ForkJoinWorkflow(branches=(told, ParallelBranch("b", (told,))), join=told)
    assert list(flow.children()) == ["told", "b", "join"]
    assert list(flow.children()["b"].children()) == ["told"]
