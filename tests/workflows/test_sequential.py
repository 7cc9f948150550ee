"""Steps in turn."""

import pytest

from stretto.core.errors import DefinitionError, NothingSucceeded
from stretto.core.events import StepUndone
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.core.policies import StepPolicy
from stretto.workflows.sequential import PartialResult, SequentialWorkflow


@step
async def double(x):
    return 2 * x


@step
async def increment(x):
    return x + 1


@step
async def boom(x):
    raise ValueError(f"boom at {x}")


def paths(run, kind):
    return [event.path for event in run.log if event.kind == kind]


def test_each_step_gets_the_last_output(go):
    assert go(SequentialWorkflow(steps=(double, increment, double)), 3) == 14


def test_repeated_steps_have_paths_of_their_own(watch):
    run = watch(SequentialWorkflow(name="s", steps=(double, double)), 1)
    assert paths(run, "step_completed") == ["s/double", "s/double#2", "s"]


def test_the_first_failure_stops_the_sequence_and_is_raised_untouched(watch):
    run = watch(SequentialWorkflow(steps=(double, boom, increment)), 1)
    assert isinstance(run.outcome, Failed)
    assert type(run.outcome.error) is ValueError
    assert "sequential/boom" in "".join(run.outcome.error.__notes__)
    assert "sequential/increment" not in paths(run, "step_started")


def test_continue_leaves_failed_steps_out_and_tells_of_them(go):
    result = go(SequentialWorkflow(steps=(double, boom, increment), on_error="continue"), 1)
    assert isinstance(result, PartialResult)
    assert (result.value, result.complete) == (3, False)
    assert list(result.outcomes) == ["double", "boom", "increment"]
    assert result.outcomes["double"] == Completed(2)
    assert str(result.errors["boom"]) == "boom at 2"


def test_continue_returns_a_partial_result_also_when_nothing_failed(go):
    result = go(SequentialWorkflow(steps=(double,), on_error="continue"), 1)
    assert result.complete
    assert result.value == 2


def test_a_sequence_in_which_every_step_fails_is_no_partial_result(go):
    with pytest.raises(NothingSucceeded, match="none of 2 branches"):
        go(SequentialWorkflow(steps=(boom, boom), on_error="continue"), 1)


def undoing(taken, name, fails=False):
    @step(name=f"take back {name}")
    async def undo(output):
        if fails:
            raise OSError(f"{name} is gone")
        taken.append((name, output))

    @step(name=name, undo=undo)
    async def book(x):
        return x + 1

    return book


def test_a_failure_undoes_completed_steps_in_reverse_order_with_their_outputs(watch):
    taken = []
    row = (undoing(taken, "flight"), increment, undoing(taken, "hotel"), boom)
    run = watch(SequentialWorkflow(name="trip", steps=row), 0)
    assert taken == [("hotel", 3), ("flight", 1)]
    undone = [event for event in run.log if isinstance(event, StepUndone)]
    assert [(event.path, event.error) for event in undone] == [("trip/hotel", None), ("trip/flight", None)]


def test_without_rollback_nothing_is_undone(watch):
    taken = []
    watch(SequentialWorkflow(steps=(undoing(taken, "flight"), boom), rollback=False), 0)
    assert taken == []


def test_continue_undoes_nothing(go):
    taken = []
    go(SequentialWorkflow(steps=(undoing(taken, "flight"), boom), on_error="continue"), 0)
    assert taken == []


def test_an_undo_that_fails_is_told_and_does_not_stop_the_others(watch):
    taken = []
    row = (undoing(taken, "flight"), undoing(taken, "hotel", fails=True), boom)
    run = watch(SequentialWorkflow(name="trip", steps=row), 0)
    assert taken == [("flight", 1)]
    assert isinstance(run.outcome.error, ValueError)
    assert any("trip/hotel could not be undone: OSError: hotel is gone" in note for note in run.outcome.error.__notes__)
    errors = {event.path: event.error for event in run.log if isinstance(event, StepUndone)}
    assert errors["trip/hotel"].message == "hotel is gone"
    assert errors["trip/flight"] is None


def test_a_fallback_step_takes_the_place_of_a_failed_one(go):
    @step(fallback=double)
    async def unsure(x):
        raise ConnectionError

    assert go(SequentialWorkflow(steps=(unsure, increment)), 5) == 11


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": ()}, "has no steps, so there is nothing to run"),
        ({"steps": double}, r"write steps=\(a, b\)"),
        ({"steps": {double}}, "must have an order"),
        ({"steps": (3,)}, "not of 3"),
        ({"steps": (double,), "on_error": "ignore"}, "'fail_fast' and 'continue', not 'ignore'"),
        ({"steps": (double,), "rollback": "no"}, "rollback must be True or False, not 'no'"),
        ({"steps": (double,), "name": "a/b"}, "cannot be called 'a/b'"),
        ({"steps": (double,), "timeout": 0}, "timeout must be greater than 0, not 0"),
        ({"steps": (double,), "timeout": 1, "policy": StepPolicy(timeout=2)}, "give one of them"),
    ],
)
def test_what_cannot_run_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        SequentialWorkflow(**settings)


def test_the_workflow_timeout_bounds_the_whole(watch):
    import asyncio

    @step
    async def slow(x):
        await asyncio.sleep(6)
        return x

    run = watch(SequentialWorkflow(name="s", steps=(slow, slow), timeout=10), 1)
    assert run.outcome.status in {"timed_out", "failed"}
    assert str(run.outcome.error) == "workflow 's' took longer than its timeout of 10 s"
    assert run.seconds == pytest.approx(10)


def test_a_workflow_is_a_step_of_a_workflow(go):
    inner = SequentialWorkflow(name="inner", steps=(double, increment))
    assert go(SequentialWorkflow(steps=(inner, inner)), 1) == 7


def test_two_runs_of_one_value_share_nothing(go):
    flow = SequentialWorkflow(steps=(double, increment))
    assert [go(flow, 1), go(flow, 2)] == [3, 5]
