"""After a run was cancelled no task, no thread at work and no process of it is left, wherever its branches were."""

import asyncio
import sys
import threading
from contextlib import suppress

import psutil
import pytest

from stretto.core.aggregation import PartialSuccess
from stretto.core.function import step
from stretto.core.outcome import Cancelled, TimedOut
from stretto.core.policies import ParallelResourceLimits
from stretto.core.resources import Workers
from stretto.core.step import Request
from stretto.core.synchronization import Barrier, Semaphore
from stretto.runtime.run import start
from stretto.testing import assert_nothing_left, run_virtual
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow
from stretto.workflows.streaming import StreamingWorkflow
from tests.testing.isolated_sleep import sleeps_in_a_process

LONG = 300.0
WAITS = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(300)"


def cancelled(flow, ready, input=None, **settings):
    """Runs a flow, cancels it as soon as it is ready, and returns its outcome."""

    async def main():
        async with start(flow, input, **settings) as run:
            async with asyncio.timeout(60):
                while not ready(run) and not run.ended.is_set():  # noqa: ASYNC110  # processes set no events
                    await asyncio.sleep(0.005)
            run.cancel("enough")
        assert run.abandoned == []
        return run.outcome

    with assert_nothing_left():
        return asyncio.run(main())


def begun(*names):
    """Says whether steps of these names have begun."""
    return lambda run: (
        set(names) <= {event.path.rpartition("/")[2] for event in run.log if event.kind == "step_started"}
    )


@step
async def asleep(_):
    await asyncio.sleep(LONG)


def assert_gone(places):
    for place in places:
        with suppress(psutil.NoSuchProcess):
            status = psutil.Process(int(place.read_text())).status()
            assert status == psutil.STATUS_ZOMBIE, f"{place.name} is {status}"  # an orphan that nobody reaps here


def test_branches_asleep():
    flow = ParallelWorkflow(steps=[asleep] * 5, limits=ParallelResourceLimits(max_concurrent_executions=3))
    assert cancelled(flow, begun("asleep#3"), 1) == Cancelled("enough")


def test_branches_in_threads():
    stop, working = threading.Event(), threading.Semaphore(0)

    @step
    def in_thread(_):
        working.release()
        stop.wait(60)

    @step
    async def releases(_, context):
        try:
            await asyncio.sleep(LONG)
        finally:
            stop.set()

    flow = ParallelWorkflow(steps=(in_thread, in_thread, releases))
    assert cancelled(flow, lambda run: working._value == 2 and begun("releases")(run), 1) == Cancelled("enough")


def test_branches_in_processes_and_commands(tmp_path):
    isolated = step(name="isolated", isolation="process")(sleeps_in_a_process)

    @step
    async def commanded(place, context):
        await context.resource(Workers).command([sys.executable, "-c", WAITS, place])

    @step
    async def both(folder, context):
        async with context.branches() as branches:
            await branches.start(isolated, f"{folder}/process")
            await branches.start(commanded, f"{folder}/command")

    places = [tmp_path / "process", tmp_path / "command"]
    there = lambda run: all(place.exists() and place.read_text() for place in places)  # noqa: E731
    assert cancelled(both, there, str(tmp_path)) == Cancelled("enough")
    assert_gone(places)


def test_children_of_a_command(tmp_path):
    place = tmp_path / "grandchild"

    @step
    async def commanded(_, context):
        await context.resource(Workers).command(["/bin/sh", "-c", f"{sys.executable} -c '{WAITS}' {place} & wait"])

    assert cancelled(commanded, lambda run: place.exists() and place.read_text(), 1) == Cancelled("enough")
    assert_gone([place])


def test_nested_workflows():
    inner = SequentialWorkflow(name="inner", steps=(MapReduceWorkflow(name="items", map=asleep, reduce=len),))
    outer = ParallelWorkflow(name="outer", steps=(inner, SequentialWorkflow(name="other", steps=(asleep,))))
    assert cancelled(outer, begun("asleep[0]", "asleep[2]", "asleep"), [1, 2, 3]) == Cancelled("enough")


def test_streams():
    async def source(_):
        for item in range(1000):
            yield item

    @step
    async def slow(item):
        await asyncio.sleep(LONG)
        return item

    flow = StreamingWorkflow(name="stream", stages=(slow, slow))
    ready = lambda run: any("slow" in event.path for event in run.log)  # noqa: E731
    assert cancelled(flow, ready, source(None)) == Cancelled("enough")


def test_branches_that_wait_for_each_other_for_permits_and_for_a_human():
    door, hall = Semaphore("door"), Barrier("hall", 3)

    @step
    async def holds(_, context):
        async with door.hold(context):
            await hall.wait(context)

    @step
    async def asks(_, context):
        await context.ask(Request(question="go on?"))

    flow = ParallelWorkflow(steps=(holds, holds, holds, asks))
    assert cancelled(flow, lambda run: run.questions and begun("holds#3")(run), 1) == Cancelled("enough")


def test_one_branch_and_its_children():
    @step
    async def lead(_, context):
        async with context.branches(aggregation=PartialSuccess(minimum=0)) as branches:
            await branches.start(SequentialWorkflow(name="row", steps=(asleep,)), 1)
            await branches.start(step(name="quick")(quick), 1)
        return [outcome.status for outcome in branches.outcomes]

    async def quick(x):
        return x

    async def main():
        async with start(lead, 1) as run:
            async for event in run.events():
                if event.kind == "step_started" and event.path == "lead/row/asleep":
                    assert run.cancel_branch("lead/row", "not this one")
        return run.outcome.unwrap()

    with assert_nothing_left():
        assert asyncio.run(main()) == ["cancelled", "completed"]


def test_timeouts_leave_as_little_as_cancelling():
    flow = ParallelWorkflow(
        steps=(asleep, SequentialWorkflow(name="row", steps=(asleep,))),
        limits=ParallelResourceLimits(execution_timeout=10),
        aggregation=PartialSuccess(minimum=0),
    )
    with assert_nothing_left():
        outcomes = run_virtual(flow, 1)
    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)


def test_a_cancelled_caller_leaves_nothing():
    async def main():
        async with start(ParallelWorkflow(steps=[asleep] * 3), 1):
            async with asyncio.timeout(1):
                await asyncio.sleep(LONG)

    with assert_nothing_left():
        with pytest.raises(TimeoutError):
            run_virtual(main())
