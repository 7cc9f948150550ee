"""Splitter, workers, aggregator."""

import asyncio

import pytest

from stretto.core.aggregation import PartialSuccess
from stretto.core.errors import DefinitionError, ExecutionError, UnresolvedReference
from stretto.core.events import Progress
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.workflows.fan_out import FanOutWorkflow


@step
async def words(text):
    return text.split()


@step
async def upper(word):
    await asyncio.sleep(1)
    return word.upper()


@step
async def lower(word):
    await asyncio.sleep(1)
    return word.lower()


@step
async def fail(word):
    raise ValueError(word)


@step
async def joined(row):
    return " ".join(row)


def test_parts_are_made_worked_on_at_once_and_brought_together(watch):
    run = watch(FanOutWorkflow(name="f", splitter=words, workers=(upper,), aggregator=joined), "to be or not")
    assert run.outcome.value == "TO BE OR NOT"
    assert run.seconds == pytest.approx(1)
    started = [e.path for e in run.log if e.kind == "step_started"]
    assert started == ["f", "f/splitter", "f/upper[0]", "f/upper[1]", "f/upper[2]", "f/upper[3]", "f/aggregator"]
    assert [(e.done, e.total) for e in run.log if isinstance(e, Progress)][-1] == (4, 4)


def test_without_an_aggregator_the_values_are_the_value(go):
    assert go(FanOutWorkflow(splitter=words, workers=(upper,)), "a b") == ["A", "B"]
    assert go(FanOutWorkflow(splitter=words, workers=(upper,)), "") == []


def test_several_workers_take_turns(go):
    assert go(FanOutWorkflow(splitter=words, workers=(upper, lower)), "Aa Bb Cc") == ["AA", "bb", "CC"]


def test_a_router_names_the_worker(go):
    flow = FanOutWorkflow(splitter=words, workers=(upper, lower), router=lambda w: "lower" if w == "Bb" else "upper")
    assert go(flow, "Aa Bb Cc") == ["AA", "bb", "CC"]


def test_a_router_that_names_nobody_is_an_error(go):
    with pytest.raises(UnresolvedReference, match=r"refers to 'nobody'.*'lower' and 'upper'"):
        go(FanOutWorkflow(splitter=words, workers=(upper, lower), router=lambda w: "nobody"), "a")


def test_limits_mode_and_aggregation_are_read(watch):
    one = ParallelResourceLimits(max_concurrent_executions=1)
    assert watch(FanOutWorkflow(splitter=words, workers=(upper,), limits=one), "a b c").seconds == pytest.approx(3)
    partial = watch(FanOutWorkflow(splitter=words, workers=(upper, fail), aggregation=PartialSuccess()), "a b")
    assert partial.outcome.value[0] == Completed("A")
    assert isinstance(partial.outcome.value[1], Failed)
    fast = watch(FanOutWorkflow(splitter=words, workers=(upper, fail)), "a b")
    assert (fast.outcome.status, fast.seconds) == ("failed", 0)
    slow = watch(FanOutWorkflow(splitter=words, workers=(upper, fail), error_mode=ErrorMode.FAIL_SLOW), "a b")
    assert (slow.outcome.status, slow.seconds) == ("failed", 1)


def test_parts_that_are_none_are_an_error(go):
    @step
    async def whole(text):
        return text

    with pytest.raises(ExecutionError, match="made 'abc'; it must make a list"):
        go(FanOutWorkflow(splitter=whole, workers=(upper,)), "abc")


@pytest.mark.parametrize(
    ("settings", "words_"),
    [
        ({"workers": ()}, "has no workers"),
        ({"splitter": 3}, "not of 3"),
        ({"aggregator": 3}, "not of 3"),
        ({"router": "upper"}, "router must be a function"),
        (
            {"workers": (step(memory=9)(lambda x: x),), "limits": ParallelResourceLimits(max_total_memory=3)},
            "could never start",
        ),
    ],
)
def test_what_cannot_fan_out_is_refused_when_built(settings, words_):
    with pytest.raises(DefinitionError, match=words_):
        FanOutWorkflow(**{"splitter": words, "workers": (upper,)} | settings)


def test_children_hold_roles_and_workers():
    flow = FanOutWorkflow(splitter=words, workers=(upper, upper), aggregator=joined)
    assert list(flow.children()) == ["splitter", "upper", "upper#2", "aggregator"]
