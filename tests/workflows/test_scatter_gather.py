"""One request to many."""

import asyncio

import pytest

from stretto.core.errors import DefinitionError, NothingSucceeded, TooFewSucceeded
from stretto.core.events import StepCompleted, StepSkipped
from stretto.core.function import step
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut
from stretto.core.policies import ParallelResourceLimits
from stretto.workflows.scatter_gather import ScatterGatherWorkflow


def replica(name, seconds, error=None):
    @step(name=name)
    async def answer(request):
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return f"{name}:{request}"

    return answer


def test_everybody_is_asked_and_waited_for(watch):
    row = (replica("a", 3), replica("b", 1), replica("c", 2, ValueError()))
    run = watch(ScatterGatherWorkflow(recipients=row), "?")
    assert list(run.outcome.value) == ["a", "b", "c"]
    assert run.outcome.value["a"] == Completed("a:?")
    assert isinstance(run.outcome.value["c"], Failed)
    assert run.seconds == pytest.approx(3)


def test_a_quorum_is_enough(watch):
    row = (replica("slow", 9), replica("a", 1), replica("b", 2), replica("c", 3))
    run = watch(ScatterGatherWorkflow(recipients=row, quorum=2), "?")
    assert [type(o) for o in run.outcome.value.values()] == [Cancelled, Completed, Completed, Cancelled]
    assert run.seconds == pytest.approx(2)


def test_at_the_deadline_what_was_gathered_is_the_value(watch):
    row = (replica("slow", 9), replica("a", 1), replica("b", 2))
    run = watch(ScatterGatherWorkflow(recipients=row, deadline=5), "?")
    assert [type(o) for o in run.outcome.value.values()] == [TimedOut, Completed, Completed]
    assert run.seconds == pytest.approx(5)


def test_a_quorum_reached_at_the_deadline_is_enough_below_it_is_an_error(watch):
    row = (replica("slow", 9), replica("a", 1), replica("b", 2))
    assert watch(ScatterGatherWorkflow(recipients=row, deadline=5, quorum=2), "?").seconds == pytest.approx(2)
    run = watch(ScatterGatherWorkflow(recipients=row, deadline=5, quorum=3), "?")
    assert isinstance(run.outcome.error, TooFewSucceeded)
    assert (run.outcome.error.succeeded, run.outcome.error.minimum) == (2, 3)


def test_nobody_answering_is_an_error(go):
    with pytest.raises(NothingSucceeded, match="none of 2"):
        go(ScatterGatherWorkflow(recipients=(replica("a", 1, ValueError()), replica("b", 9)), deadline=5), "?")


def test_those_who_waited_for_room_at_the_deadline_are_not_started(watch):
    row = [replica(name, 2) for name in "abcde"]
    limits = ParallelResourceLimits(max_concurrent_executions=2)
    run = watch(ScatterGatherWorkflow(recipients=row, deadline=3, limits=limits), "?")
    assert [type(o) for o in run.outcome.value.values()] == [Completed, Completed, TimedOut, TimedOut, NotStarted]
    assert run.seconds == pytest.approx(3)
    (skipped,) = [e for e in run.log if isinstance(e, StepSkipped)]
    assert (skipped.path, skipped.because) == ("scatter_gather/e", "the deadline of 3 s was over")


def test_a_quorum_leaves_those_who_waited_for_room_not_started(watch):
    row = [replica(name, 2) for name in "abcd"]
    limits = ParallelResourceLimits(max_concurrent_executions=2)
    run = watch(ScatterGatherWorkflow(recipients=row, quorum=1, limits=limits), "?")
    assert [type(o) for o in run.outcome.value.values()] == [Completed, Cancelled, NotStarted, NotStarted]
    assert run.seconds == pytest.approx(2)


def test_a_recipient_that_waits_for_a_human_gives_its_room_to_the_next(virtually):
    from stretto.core.step import Request
    from stretto.runtime.run import start

    async def human(x, context):
        return (await context.ask(Request(question="?"))).choice

    flow = ScatterGatherWorkflow(
        recipients=(human, replica("a", 1)), limits=ParallelResourceLimits(max_concurrent_executions=1)
    )

    async def main():
        async with start(flow, "?") as run:
            await asyncio.sleep(5)
            answered = {e.path for e in run.log if isinstance(e, StepCompleted)}
            run.answer(run.questions[0])
        return answered, run.outcome.value

    answered, value = virtually(main)
    assert answered == {"scatter_gather/a"}
    assert value == {"human": Completed("approve"), "a": Completed("a:?")}


def test_room_is_kept_and_the_rest_follows(watch):
    limits = ParallelResourceLimits(max_concurrent_executions=2)
    run = watch(ScatterGatherWorkflow(recipients=[replica(n, 1) for n in "abcde"], limits=limits), "?")
    assert all(isinstance(o, Completed) for o in run.outcome.value.values())
    assert run.seconds == pytest.approx(3)


def test_execution_timeout_bounds_each_recipient(go):
    limits = ParallelResourceLimits(execution_timeout=2)
    outcomes = go(ScatterGatherWorkflow(recipients=(replica("a", 1), replica("b", 5)), limits=limits, deadline=9), "?")
    assert isinstance(outcomes["b"], TimedOut)
    assert outcomes["b"].error.seconds == 2


def test_equals_of_one_name_are_told_apart(go):
    same = replica("same", 1)
    assert list(go(ScatterGatherWorkflow(recipients=(same, same)), "?")) == ["same", "same#2"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"recipients": ()}, "has no recipients"),
        ({"quorum": 2}, "asks for 2 successes, and there are only 1 branches"),
        ({"quorum": 0}, "quorum must be a whole number of at least 1"),
        ({"deadline": 0}, "deadline must be greater than 0"),
    ],
)
def test_what_cannot_gather_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        ScatterGatherWorkflow(**{"recipients": (replica("a", 1),)} | settings)
