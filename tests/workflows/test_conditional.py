"""Choosing by conditions."""

import asyncio

import pytest

from stretto.core.errors import DefinitionError
from stretto.core.function import step
from stretto.core.policies import ParallelResourceLimits
from stretto.workflows.condition import Always, Case, ConditionFailed, GreaterThan, Never
from stretto.workflows.conditional import PASS, ConditionalWorkflow, NoConditionHeld


@step
async def high(x):
    return f"high {x['score']}"


@step
async def low(x):
    return f"low {x['score']}"


def test_the_first_condition_that_holds_chooses(go):
    flow = ConditionalWorkflow(branches=((GreaterThan("score", 8), high), (Always(), low)))
    assert go(flow, {"score": 9}) == "high 9"
    assert go(flow, {"score": 8}) == "low 8"


def test_conditions_are_asked_in_declared_order_and_no_further_than_needed(go):
    asked = []

    def ask(name, answer):
        def condition(_):
            asked.append(name)
            return answer

        return condition

    go(
        ConditionalWorkflow(branches=((ask("a", False), low), (ask("b", True), high), (ask("c", True), low))),
        {"score": 1},
    )
    assert asked == ["a", "b"]


def test_all_that_hold_run_at_once_and_are_told_by_name_in_declared_order(watch):
    @step
    async def slow(x):
        await asyncio.sleep(2)
        return "slow"

    @step
    async def fast(x):
        await asyncio.sleep(1)
        return "fast"

    branches = ((Always(), slow), (Never(), high), Case(Always(), fast, name="quick"), (Always(), fast))
    run = watch(ConditionalWorkflow(branches=branches, match="all"), {})
    assert list(run.outcome.value.items()) == [("slow", "slow"), ("quick", "fast"), ("fast", "fast")]
    assert run.seconds == pytest.approx(2)


def test_limits_bound_those_that_run_at_once(watch):
    @step
    async def slow(x):
        await asyncio.sleep(1)

    limits = ParallelResourceLimits(max_concurrent_executions=1)
    run = watch(ConditionalWorkflow(branches=((Always(), slow),) * 3, match="all", limits=limits), {})
    assert run.seconds == pytest.approx(3)


def test_otherwise_runs_when_nothing_holds(go):
    flow = ConditionalWorkflow(branches=((Never(), high),), otherwise=low)
    assert go(flow, {"score": 1}) == "low 1"
    everything = ConditionalWorkflow(branches=((Never(), high),), otherwise=low, match="all")
    assert go(everything, {"score": 1}) == "low 1"


def test_without_otherwise_nothing_holding_is_an_error_that_names_the_conditions(go):
    with pytest.raises(
        NoConditionHeld, match=r"GreaterThan\(where='score', bound=8\).*no default branch.*otherwise=PASS"
    ):
        go(ConditionalWorkflow(branches=((GreaterThan("score", 8), high),)), {"score": 1})


def test_pass_hands_the_input_on(go):
    assert go(ConditionalWorkflow(branches=((Never(), high),), otherwise=PASS), {"score": 1}) == {"score": 1}


def test_a_condition_that_raises_is_named_and_not_taken_for_false(watch):
    def broken(x):
        return x["missing"]

    run = watch(ConditionalWorkflow(name="c", branches=((broken, high),), otherwise=low), {"score": 1})
    assert isinstance(run.outcome.error, KeyError)
    assert any("in condition broken of ConditionalWorkflow 'c'" in note for note in run.outcome.error.__notes__)


def test_a_condition_that_says_neither_true_nor_false_is_an_error(go):
    with pytest.raises(ConditionFailed, match=r"returned 'no'.*wrap it in bool"):
        go(ConditionalWorkflow(branches=((lambda _: "no", high),)), {"score": 1})


def test_an_async_function_decides_as_a_step(watch):
    async def urgent(x):
        return x["score"] > 3

    run = watch(ConditionalWorkflow(name="c", branches=((urgent, high),), otherwise=low), {"score": 5})
    assert run.outcome.value == "high 5"
    assert "c/high.condition" in [event.path for event in run.log]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"branches": ()}, "has no branches"),
        ({"branches": (("score > 8", high),)}, "not 'score > 8'"),
        ({"branches": (high,)}, r"a branch is \(condition, step\)"),
        ({"branches": ((Always(), 3),)}, "not of 3"),
        ({"branches": ((Always(), high),), "match": "best"}, "'first' and 'all', not 'best'"),
        (
            {"branches": ((Always(), high),), "limits": ParallelResourceLimits()},
            "limits are read with match='all' only",
        ),
        ({"branches": ((Always(), high),), "limits": 3, "match": "all"}, "limits must be a ParallelResourceLimits"),
    ],
)
def test_what_cannot_decide_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        ConditionalWorkflow(**settings)


def test_children_hold_every_step_once():
    async def urgent(x):
        return True

    flow = ConditionalWorkflow(branches=((urgent, high), (Always(), low), (Always(), low)), otherwise=PASS)
    assert list(flow.children()) == ["high", "low", "low#2", "high.condition", "otherwise"]
