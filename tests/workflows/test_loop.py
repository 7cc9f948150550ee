"""One step, again."""

import asyncio
import itertools

import pytest

from stretto.core.errors import BreakConditionMet, DefinitionError, ExecutionError
from stretto.core.events import Progress, Said
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.workflows.condition import Equals, GreaterThan, LessThan
from stretto.workflows.iteration import Break, Collect, LoopResult
from stretto.workflows.loop import LoopWorkflow


@step
async def increment(x):
    return x + 1


@step
async def square(x):
    return x * x


@step
async def divide(x):
    return 100 / x


@step
async def add(item, last):
    return item + last


def test_a_count_runs_the_body_on_its_last_output(go):
    assert go(LoopWorkflow(body=increment, over=3), 10) == [11, 12, 13]


def test_a_range_excludes_its_end_and_steps_both_ways(go):
    assert go(LoopWorkflow(body=square, over=range(1, 5))) == [1, 4, 9, 16]
    assert go(LoopWorkflow(body=square, over=range(4, 0, -2))) == [16, 4]


def test_a_collection_gives_its_items_in_order(watch):
    run = watch(LoopWorkflow(name="l", body=square, over=[3, 2]))
    assert run.outcome.value == [9, 4]
    assert [e.path for e in run.log if e.kind == "step_completed"] == ["l/square[0]", "l/square[1]", "l"]


def test_a_list_that_changes_later_does_not_change_the_loop(go):
    items = [1, 2]
    loop = LoopWorkflow(body=square, over=items)
    items.append(3)
    assert go(loop) == [1, 4]


def test_the_items_may_be_made_of_the_input(go):
    assert go(LoopWorkflow(body=square, over=lambda order: order["items"]), {"items": [5, 6]}) == [25, 36]
    assert go(LoopWorkflow(body=square, over=lambda n: (i for i in range(n))), 3) == [0, 1, 4]


def test_items_that_are_none_are_an_error_of_the_run(go):
    with pytest.raises(ExecutionError, match="made 'abc' of the input"):
        go(LoopWorkflow(body=square, over=lambda _: "abc"))


def test_an_empty_collection_is_no_iteration(go):
    assert go(LoopWorkflow(body=square, over=[])) == []
    assert go(LoopWorkflow(body=square, over=[], collect=Collect.LAST)) is None


def test_while_is_asked_before_each_iteration(go):
    assert go(LoopWorkflow(body=increment, while_=LessThan((), 3), max_iterations=10), 0) == [1, 2, 3]
    assert go(LoopWorkflow(body=increment, while_=lambda x: x < 0, max_iterations=10), 0) == []


def test_until_is_asked_after_each_iteration(go):
    assert go(LoopWorkflow(body=increment, until=GreaterThan((), 2), max_iterations=10), 0) == [1, 2, 3]
    assert go(LoopWorkflow(body=increment, until=lambda x: True, max_iterations=10), 0) == [1]


def test_a_step_may_decide(go):
    async def enough(x):
        return x >= 2

    assert go(LoopWorkflow(body=increment, until=enough, max_iterations=10), 0) == [1, 2]


def test_the_safety_limit_cuts_off_and_says_so(watch):
    run = watch(LoopWorkflow(body=increment, until=lambda x: False, max_iterations=4, detailed=True), 0)
    assert (run.outcome.value.value, run.outcome.value.ended) == ([1, 2, 3, 4], "max_iterations")
    (said,) = [event for event in run.log if isinstance(event, Said)]
    assert said.level == "warning"
    assert "max_iterations (4)" in said.text


def test_the_safety_limit_cuts_a_collection_too(watch):
    run = watch(LoopWorkflow(body=square, over=range(10), max_iterations=2, detailed=True))
    assert (run.outcome.value.value, run.outcome.value.ended) == ([0, 1], "max_iterations")


def test_without_a_condition_the_limit_is_the_count(watch):
    run = watch(LoopWorkflow(body=increment, max_iterations=2, detailed=True), 0)
    assert (run.outcome.value.value, run.outcome.value.ended) == ([1, 2], "done")
    assert not [event for event in run.log if isinstance(event, Said)]


def test_break_conditions_are_asked_before_each_iteration_and_give_their_message(go):
    breaks = (Break(Equals("iteration", 2), "two are enough"), Break(GreaterThan("last", 99), "too large"))
    loop = LoopWorkflow(body=square, over=[1, 2, 3], breaks=breaks, detailed=True)
    result = go(loop, 0)
    assert (result.value, result.ended, result.message, result.iterations) == ([1, 4], "break", "two are enough", 2)


def test_a_break_condition_sees_the_last_output(go):
    loop = LoopWorkflow(body=increment, over=10, breaks=[Break(GreaterThan("last", 2), "large")])
    assert go(loop, 0) == [1, 2, 3]


def test_the_body_may_break(go):
    @step
    async def search(x):
        if x == 2:
            raise BreakConditionMet("found it")
        return x

    result = go(LoopWorkflow(body=search, over=range(5), detailed=True))
    assert (result.value, result.ended, result.message) == ([0, 1], "break", "found it")


@pytest.mark.parametrize(
    ("collect", "value"),
    [
        (Collect.ALL, [0, 1, 4, 9]),
        (Collect.LAST, 9),
        (Collect.first(2), [0, 1]),
        (Collect.last(2), [4, 9]),
        (Collect.first(9), [0, 1, 4, 9]),
    ],
)
def test_the_collection_policy_says_what_is_kept(go, collect, value):
    assert go(LoopWorkflow(body=square, over=range(4), collect=collect)) == value


def test_a_carrying_loop_accumulates(go):
    assert go(LoopWorkflow(body=add, over=range(1, 11), carry=True, collect=Collect.LAST), 0) == 55


def test_a_carrying_body_of_one_parameter_receives_the_mapping(go):
    @step
    async def told(turn):
        return dict(turn)

    value = go(LoopWorkflow(body=told, over=["a", "b"], carry=True), "start")
    assert value[0] == {"item": "a", "last": "start", "index": 0}
    assert (value[1]["item"], value[1]["index"]) == ("b", 1)


def test_the_delay_passes_between_iterations(watch):
    run = watch(LoopWorkflow(body=increment, over=4, delay=2.5), 0)
    assert run.seconds == pytest.approx(7.5)


def test_a_failure_is_raised_unless_it_is_said_otherwise(watch):
    run = watch(LoopWorkflow(name="l", body=divide, over=[1, 0, 2]))
    assert isinstance(run.outcome.error, ZeroDivisionError)
    assert "l/divide[1]" in "".join(run.outcome.error.__notes__)


def test_continue_leaves_failed_iterations_out_and_tells_of_them(go):
    result = go(LoopWorkflow(body=divide, over=[1, 0, 2], on_error="continue"))
    assert isinstance(result, LoopResult)
    assert (result.value, result.ended, result.iterations) == ([100, 50], "done", 3)
    assert list(result.errors) == ["divide[1]"]
    assert result.outcomes["divide[2]"] == Completed(50)


def test_stop_ends_the_loop_with_what_there_is(go):
    result = go(LoopWorkflow(body=divide, over=[1, 0, 2], on_error="stop"))
    assert (result.value, result.ended, result.iterations) == ([100], "error", 2)
    assert isinstance(result.outcomes["divide[1]"], Failed)


def test_detailed_alone_still_raises_failures(go):
    with pytest.raises(ZeroDivisionError):
        go(LoopWorkflow(body=divide, over=[0], detailed=True))


def test_progress_is_told_and_seldom(watch):
    run = watch(LoopWorkflow(body=increment, over=5000, collect=Collect.LAST), 0)
    told = [(event.done, event.total) for event in run.log if isinstance(event, Progress)]
    assert told[-1] == (5000, 5000)
    assert 20 < len(told) <= 200


def test_the_timeout_bounds_an_endless_body(watch):
    @step
    async def slow(x):
        await asyncio.sleep(1)
        return x

    run = watch(LoopWorkflow(name="l", body=slow, until=lambda x: False, max_iterations=10**9, timeout=4.5), 0)
    assert "workflow 'l' took longer" in str(run.outcome.error)
    assert run.seconds == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "neither over= nor max_iterations="),
        ({"until": lambda x: True}, "neither over= nor max_iterations="),
        ({"over": 0}, "whole number of at least 1, not 0"),
        ({"over": True}, "not True"),
        ({"over": 2.5}, "is no collection"),
        ({"over": "abc"}, "is no collection"),
        ({"over": {1, 2}}, "has no order"),
        ({"over": itertools.count()}, "no collection that can be run over twice"),
        ({"over": 1, "max_iterations": 0}, "max_iterations must be a whole number"),
        ({"over": 1, "while_": "x < 3"}, "not 'x < 3'"),
        ({"over": 1, "breaks": ("x > 3",)}, "breaks must be a Break"),
        ({"over": 1, "collect": "all"}, "collect must be a Collect"),
        ({"over": 1, "delay": -1}, "delay must be zero or more"),
        ({"over": 1, "on_error": "retry"}, "not 'retry'"),
        ({"over": 1, "carry": 1}, "carry must be True or False"),
        ({"over": 1, "detailed": 1}, "detailed must be True or False"),
    ],
)
def test_what_cannot_loop_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        LoopWorkflow(body=increment, **settings)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Break(lambda s: True, " "),
        lambda: Break("iteration > 3", "late"),
        lambda: Collect.first(0),
        lambda: Collect("first"),
        lambda: Collect("all", 3),
    ],
)
def test_parts_of_a_loop_are_checked(make):
    with pytest.raises(DefinitionError):
        make()


def test_children_hold_body_and_deciding_steps():
    async def enough(x):
        return True

    loop = LoopWorkflow(body=increment, until=enough, max_iterations=3, breaks=(Break(enough, "b"),))
    assert list(loop.children()) == ["increment", "until", "break b"]
