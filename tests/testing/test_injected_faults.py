"""What can go wrong goes wrong where the test says, through the real door."""

import asyncio
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.aggregation import PartialSuccess
from stretto.core.checks import Hung, UnusedFault
from stretto.core.errors import BranchesFailed, DefinitionError, StepTimeout
from stretto.core.events import StepCompleted, StepStarted
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits, RetryPolicy
from stretto.testing import Fault, StepHarness, VirtualClock, inject, run_virtual
from stretto.testing.interception import matches
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow


class Particular(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def member(name, **settings):
    async def work(x):
        await asyncio.sleep(1)
        return f"{name}:{x}"

    return step(name=name, **settings)(work)


def gather(*names, **settings):
    return ParallelWorkflow(name="gather", steps=[member(name) for name in names], **settings)


def test_an_error_is_raised_where_the_path_matches():
    down = OSError("down")
    flow = gather("web_1", "web_2", "db", aggregation=PartialSuccess())
    outcomes = run_virtual(inject(flow, [Fault(at="gather/web_*", error=down, times=1)]), "x")
    assert [type(outcome) for outcome in outcomes] == [Failed, Completed, Completed]
    assert outcomes[0].error is down


def test_an_error_may_be_a_class_or_made_anew_every_time():
    flow = gather("a", "b", error_mode=ErrorMode.FAIL_SLOW)
    for error in (KeyError, lambda: KeyError("made"), KeyError("copied")):
        with pytest.raises(BranchesFailed) as failed:
            run_virtual(inject(flow, [Fault(at="gather/*", error=error)]), "x")
        one, other = failed.value.exceptions
        assert one is not other
        assert ["gather/a" in one.__notes__[0], "gather/b" in other.__notes__[0]] == [True, True]


def test_an_error_that_cannot_be_copied_is_raised_again():
    flow = gather("a", "b", error_mode=ErrorMode.FAIL_SLOW)
    error = Particular("one", "two")
    with pytest.raises(BranchesFailed) as failed:
        run_virtual(inject(flow, [Fault(at="gather/*", error=error)]), "x")
    assert set(failed.value.exceptions) == {error}


def test_a_delay_meets_the_timeout():
    flow = gather("a", "b", limits=ParallelResourceLimits(execution_timeout=2), aggregation=PartialSuccess())
    clock = VirtualClock()
    a, b = run_virtual(inject(flow, [Fault(at="a", delay=3)]), "x", clock=clock)
    assert isinstance(a, TimedOut)
    assert b == Completed("b:x")
    assert clock.elapsed == pytest.approx(2)


def test_a_delay_alone_is_only_a_delay():
    clock = VirtualClock()
    assert run_virtual(inject(member("a"), [Fault(delay=3)]), "x", clock=clock) == "a:x"
    assert clock.elapsed == pytest.approx(4)


def test_a_hanging_step_ends_by_its_timeout_only():
    timed = member("slow", timeout=60)
    with pytest.raises(StepTimeout, match="60 s"):
        run_virtual(inject(timed, [Fault(hang=True)]), 1)
    with pytest.raises(Hung, match="in hang"):
        run_virtual(inject(member("untimed"), [Fault(hang=True)]), 1)


def test_retries_are_counted_across_attempts():
    flaky = member("flaky", idempotent=True, retry=RetryPolicy(attempts=3))
    down = Fault(at="flaky", error=OSError("down"), times=2)
    assert run_virtual(inject(flaky, [down]), 1) == "flaky:1"
    assert run_virtual(inject(SequentialWorkflow(steps=(flaky,)), [down]), 1) == "flaky:1"
    with pytest.raises(OSError, match="down"):
        run_virtual(inject(flaky, [Fault(at="flaky", error=OSError("down"), times=3)]), 1)


def test_the_first_executions_may_be_spared():
    flow = MapReduceWorkflow(name="m", map=member("w"), reduce=lambda got: got, aggregation=PartialSuccess())
    got = run_virtual(inject(flow, [Fault(at="w", error=OSError("down"), skip=1, times=1)]), [0, 1, 2])
    assert [type(outcome) for outcome in got] == [Completed, Failed, Completed]


def test_a_late_fault_strikes_when_the_work_is_done():
    done = []

    @step
    async def work(x):
        done.append(x)

    with pytest.raises(OSError, match="lost"):
        run_virtual(inject(work, [Fault(error=OSError("lost"), late=True)]), 1)
    assert done == [1]


def test_faults_of_one_value_are_counted_anew_in_every_run():
    flow = inject(gather("a"), [Fault(at="a", error=OSError("down"), times=1)])
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            run_virtual(flow, 1)


def test_a_fault_that_hits_nothing_is_reported():
    with pytest.raises(UnusedFault, match="'gather/wbe' was never used; the run had 'gather' and 'gather/web'"):
        run_virtual(inject(gather("web"), [Fault(at="gather/wbe", hang=True)]), 1)
    with pytest.raises(UnusedFault):
        run_virtual(inject(gather("web"), [Fault(at="web", hang=True, skip=1)]), 1)


def test_a_fault_that_hits_nothing_is_noted_on_a_failure():
    faults = [Fault(at="web", error=OSError("down")), Fault(at="wbe", hang=True)]
    with pytest.raises(OSError, match="down") as failed:
        run_virtual(inject(gather("web"), faults), 1)
    assert any("'wbe' was never used" in note for note in failed.value.__notes__)


def test_paths_kinds_and_policies_are_those_of_the_step():
    plain, faulty = StepHarness(), StepHarness()
    flow = SequentialWorkflow(name="row", steps=(gather("a", "b"), step(name="count")(len)))
    run_virtual(plain.execute(flow, 1))
    run_virtual(faulty.execute(inject(flow, [Fault(at="a", delay=1)]), 1))
    assert faulty.paths == plain.paths
    kinds = [[event.step for event in h.events if isinstance(event, StepStarted)] for h in (plain, faulty)]
    assert kinds[0] == kinds[1]
    assert set(inject(flow, [Fault(delay=1)]).children()) == set(flow.children())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"error": OSError(), "hang": True},
        {"crash": True, "hang": True},
        {"delay": -1},
        {"hang": True, "times": 0},
        {"hang": True, "skip": -1},
        {"hang": True, "at": ""},
    ],
)
def test_a_fault_that_means_nothing_is_refused(settings):
    with pytest.raises(DefinitionError):
        Fault(**settings)


def test_nothing_to_inject_is_refused():
    with pytest.raises(DefinitionError, match="no fault"):
        inject(member("a"), [])


def test_a_crash_ends_the_process_on_the_spot():
    program = """
        from stretto.core.function import step
        from stretto.testing import Fault, inject, run_virtual

        @step
        async def work(x):
            print("done", flush=True)

        try:
            run_virtual(inject(work, [Fault(crash=True, late=True)]), 0)
        finally:
            print("unreachable", flush=True)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (137, "done\n"), ended.stderr


def test_a_run_that_failed_among_faults_is_resumed_without_them():
    ran = []

    def note(name):
        async def work(x):
            ran.append(name)
            return x + 1

        return step(name=name, idempotent=True)(work)

    flow = SequentialWorkflow(name="row", steps=[note(name) for name in "abcd"])
    harness = StepHarness()
    with pytest.raises(OSError, match="down"):
        run_virtual(harness.execute(inject(flow, [Fault(at="row/c", error=OSError("down"))]), 0))
    assert run_virtual(flow, 0, resume=harness.events) == 4
    assert "".join(ran) == "abcd"


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        ("web", "web", True),
        ("web", "gather/web", True),
        ("web", "gather/web#2", True),
        ("web", "gather/web[3]#2", True),
        ("web#2", "gather/web", False),
        ("web[3]", "gather/web[3]", True),
        ("web[3]", "gather/web[4]", False),
        ("web", "gather/spiderweb", False),
        ("gather/*", "outer/gather/web", True),
        ("gather/*", "gather/web/deep", False),
        ("gather/**", "gather/web/deep", True),
        ("gather#2/web", "gather#2/web#3", False),
        ("**", "any/thing", True),
        ("a.b", "axb", False),
    ],
)
def test_patterns_name_paths(pattern, path, hit):
    assert matches(pattern, path) is hit


@given(st.lists(st.text("ab#[1]", min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_path_matches_itself_and_its_ends(names):
    assert all(matches("/".join(names[place:]), "/".join(names)) for place in range(len(names)))


def test_completed_work_under_faults_is_recorded_like_any_other():
    harness = StepHarness()
    run_virtual(harness.execute(inject(gather("a"), [Fault(at="a", delay=2)]), "x"))
    ended = [event for event in harness.events if isinstance(event, StepCompleted)]
    assert [(event.path, event.output) for event in ended] == [("gather/a", "a:x"), ("gather", ["a:x"])]
