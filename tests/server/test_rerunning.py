"""What a repetition keeps of the run that it repeats."""

from typing import Any

import pytest
from anyio import sleep_forever
from anyio.lowlevel import checkpoint

from stretto import ErrorMode, FanOutWorkflow, ParallelBranch, ParallelWorkflow, SequentialWorkflow, start, step
from stretto.core.aggregation import FirstSuccess, PartialSuccess
from stretto.core.errors import DefinitionError
from stretto.core.events import Event, ModelUsed, RunResumed, RunStarted, StepCompleted, StepStarted
from stretto.core.outcome import Completed
from stretto.monitoring.metrics import measure
from stretto.server.rerunning import RERUN, NothingFailed, StepNotRun, events_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bench:
    """Functions that count how often they ran, and fail as long as they are told to."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing: set[str] = set()

    def step(self, name: str) -> Any:
        async def work(value: int) -> int:
            self.ran.append(name)
            await checkpoint()
            if name in self.failing:
                raise ValueError(f"{name} is broken")
            return value + 1

        work.__name__ = name
        return step(work)


async def log_of(flow: Any, **settings: Any) -> list[Event]:
    async with start(flow, 0, **settings) as run:
        pass
    return list(run.log)


async def again(bench: Bench, flow: Any, log: list[Event], mode: str, path: str | None = None) -> list[Event]:
    bench.ran.clear()
    async with start(flow, 0, resume=events_for(log, mode, path)) as run:
        pass
    assert isinstance(run.outcome, Completed)
    return run.log


def row(bench: Bench, *names: str) -> SequentialWorkflow:
    return SequentialWorkflow(name="row", steps=[bench.step(name) for name in names])


async def test_a_failed_run_goes_on_from_what_failed():
    bench = Bench()
    bench.failing = {"third"}
    flow = row(bench, "first", "second", "third", "fourth")
    log = await log_of(flow)
    bench.failing.clear()
    told = await again(bench, flow, log, "failed")
    assert bench.ran == ["third", "fourth"]
    assert told[-1].output == 4


async def test_a_step_is_run_again_with_all_that_came_after_it():
    bench = Bench()
    flow = row(bench, "first", "second", "third", "fourth")
    log = await log_of(flow)
    await again(bench, flow, log, "step", "row/second")
    assert bench.ran == ["second", "third", "fourth"]


async def test_everything_is_run_again_when_nothing_is_kept():
    bench = Bench()
    flow = row(bench, "first", "second")
    log = await log_of(flow)
    assert events_for(log, "all") == []
    assert events_for(log, "step", "row/first") == []
    assert events_for(log, "step", "row") == []


async def test_what_ran_beside_a_step_is_kept():
    bench = Bench()
    left = ParallelBranch("left", (bench.step("a"), bench.step("b")))
    flow = ParallelWorkflow(name="both", steps=(left, bench.step("beside")))
    log = await log_of(flow)
    await again(bench, flow, log, "step", "both/left/a")
    assert bench.ran == ["a", "b"]


async def test_a_branch_that_goes_on_beside_a_step_keeps_what_it_did_after_the_step():
    bench = Bench()
    short = ParallelBranch("short", (bench.step("one"),))
    long = ParallelBranch("long", (bench.step("x"), bench.step("y"), bench.step("z")))
    flow = ParallelWorkflow(name="both", steps=(short, long))
    log = await log_of(flow)
    await again(bench, flow, log, "step", "both/short/one")
    assert bench.ran == ["one"]


async def test_a_run_that_went_on_in_spite_of_a_failure_repeats_it_and_what_may_have_used_it():
    bench = Bench()
    bench.failing = {"bad"}
    race = ParallelWorkflow(
        name="some", steps=(bench.step("good"), bench.step("bad")), error_mode=ErrorMode.FAIL_SLOW,
        aggregation=PartialSuccess(minimum=1),
    )  # fmt: skip

    async def after(outcomes: list[Any]) -> int:
        return len(outcomes)

    flow = SequentialWorkflow(name="row", steps=(bench.step("before"), race, step(after)))
    log = await log_of(flow)
    bench.failing.clear()
    told = await again(bench, flow, log, "failed")
    assert bench.ran == ["bad"]
    after = [event for event in told if isinstance(event, StepCompleted) and event.path == "row/after"]
    assert [event.source for event in after] == ["run"]


async def test_a_branch_that_lost_a_race_has_not_failed():
    bench = Bench()

    async def never(value: int) -> int:
        await sleep_forever()
        return value

    flow = ParallelWorkflow(name="race", steps=(bench.step("fast"), step(never)), aggregation=FirstSuccess())
    log = await log_of(flow)
    with pytest.raises(NothingFailed, match="nothing failed in run"):
        events_for(log, "failed")


async def test_items_that_have_completed_are_kept():
    bench = Bench()

    async def worker(value: int) -> int:
        bench.ran.append(str(value))
        if value == 2 and "two" in bench.failing:
            raise ValueError("two")
        return value

    bench.failing = {"two"}

    async def split(_: int) -> list[int]:
        return [0, 1, 2, 3]

    flow = FanOutWorkflow(splitter=split, workers=(worker,), error_mode=ErrorMode.FAIL_SLOW)
    log = await log_of(flow)
    bench.failing.clear()
    await again(bench, flow, log, "failed")
    assert bench.ran == ["2"]


async def test_kept_steps_take_no_time_and_no_tokens_in_the_repetition():
    async def talk(value: int, context: Any) -> int:
        context.emit(ModelUsed(model="m", input_tokens=10, output_tokens=5, cost=0.5))
        return value

    bench = Bench()
    flow = SequentialWorkflow(name="row", steps=(step(talk), bench.step("second")))
    log = await log_of(flow)
    told = await again(bench, flow, log, "step", "row/second")
    metrics = measure(told)
    assert metrics.model_requests == 0
    assert metrics.total_duration < log[0].started_at + 3600  # type: ignore[attr-defined]
    kept = next(event for event in told if isinstance(event, StepCompleted) and event.path == "row/talk")
    assert (kept.at, kept.source) == (0.0, "cache")
    resumed = next(event for event in told if isinstance(event, RunResumed))
    assert resumed.in_flight == []


async def test_a_repetition_says_which_run_it_repeats_and_is_one_that_begins_now():
    bench = Bench()
    flow = row(bench, "first", "second")
    log = await log_of(flow, labels={"stretto.workflow": "w"}, run_id="earlier")
    log[0].started_at -= 10_000  # type: ignore[attr-defined]
    begun = events_for(log, "step", "row/second")[0]
    assert isinstance(begun, RunStarted)
    assert begun.labels == {"stretto.workflow": "w", RERUN: "earlier"}
    assert begun.started_at > log[0].started_at + 9_000  # type: ignore[attr-defined]
    told = await again(bench, flow, log, "step", "row/second")
    assert told[-1].at < 60
    other = events_for(log, "step", "row/second", labels={"a": "b"}, code={"row": "new"})[0]
    assert isinstance(other, RunStarted)
    assert (other.labels, other.code) == ({"a": "b", RERUN: "earlier"}, {"row": "new"})


async def test_a_repetition_can_be_repeated():
    bench = Bench()
    flow = row(bench, "first", "second", "third")
    log = await log_of(flow)
    once = await again(bench, flow, log, "step", "row/third")
    twice = await again(bench, flow, once, "step", "row/second")
    assert bench.ran == ["second", "third"]
    assert twice[-1].output == 3


async def test_a_step_that_never_began_is_refused_with_what_is_near():
    bench = Bench()
    log = await log_of(row(bench, "first", "second"))
    with pytest.raises(StepNotRun, match="did you mean 'row/second'"):
        events_for(log, "step", "row/secnd")
    with pytest.raises(StepNotRun, match="its spans name the steps"):
        events_for(log, "step", "zzz")
    with pytest.raises(StepNotRun):
        events_for(log, "step")
    with pytest.raises(DefinitionError, match="mode must be one of all, failed, step, not 'some'"):
        events_for(log, "some")


async def test_nothing_failed_in_a_run_that_completed():
    bench = Bench()
    log = await log_of(row(bench, "first"))
    with pytest.raises(NothingFailed):
        events_for(log, "failed")


def test_a_step_that_was_under_way_is_run_again_without_asking():
    log = [RunStarted("", 0.0, "r", "row", 1.0), StepStarted("row", 0.0), StepStarted("row/a", 0.1)]
    log += [StepCompleted("row/a", 0.2, 1), StepStarted("row/b", 0.3)]
    for kept in (events_for(log, "failed"), events_for(log, "step", "row/b")):
        assert [event.path for event in kept] == ["", "row/a", "row/a"]
