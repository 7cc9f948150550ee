import asyncio
import textwrap

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from stretto.core.errors import (
    BranchCancelled,
    BranchesFailed,
    DefinitionError,
    StepTimeout,
    UnknownSetting,
    WrongOutputs,
)
from stretto.core.events import PlanMade, Progress, StepCompleted, StepSkipped, StepStarted
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.planning.operation import Operation
from stretto.planning.plan import analyze_dependencies
from stretto.runtime.run import run, start
from stretto.workflows.planned import LARGEST, EachItem, PlannedWorkflow
from stretto.workflows.sequential import SequentialWorkflow


def planned(*operations, given=(), slots=10, **settings):
    limits = settings.pop("limits", ParallelResourceLimits(max_concurrent_executions=slots))
    return PlannedWorkflow(plan=analyze_dependencies(operations, given=given), limits=limits, **settings)


def slow(*operations, **settings):
    return planned(*operations, error_mode=ErrorMode.FAIL_SLOW, **settings)


def value_of(workflow, input=None, **settings):
    return asyncio.run(run(workflow, input, timeout=20, **settings))


def ended(workflow, input=None, **settings):
    async def main():
        async with start(workflow, input, timeout=20, **settings) as running:
            pass
        return running

    return asyncio.run(main())


def started(running):
    return [event.path.removeprefix("plan/") for event in running.log if isinstance(event, StepStarted)][1:]


def skipped(running):
    return {event.path: event.because for event in running.log if isinstance(event, StepSkipped)}


def makes(value):
    async def make():
        return value

    return make


async def fails():
    raise ValueError("no network")


async def total(users, symbols):
    return users + symbols


async def double(n):
    return 2 * n


async def uses(data):
    return sorted(data)


STOPPED = "another operation failed, and the plan stops at the first failure"


# the value


def test_the_value_is_what_was_given_and_all_that_was_produced():
    workflow = planned(
        Operation(id="users", step=makes(1), outputs=("users",)),
        Operation(id="total", step=total, inputs=("users", "symbols"), outputs=("total",)),
        given=("symbols",),
    )
    assert value_of(workflow, {"symbols": 4}) == {"symbols": 4, "users": 1, "total": 5}


def test_several_outputs_come_from_one_mapping():
    async def fetch():
        return {"users": 1, "symbols": 2}

    workflow = planned(
        Operation(id="fetch", step=fetch, outputs=("users", "symbols")),
        Operation(id="total", step=total, inputs=("users", "symbols"), outputs=("total",)),
    )
    assert value_of(workflow) == {"users": 1, "symbols": 2, "total": 3}


def test_a_plan_is_a_step_like_any_other_and_two_runs_share_nothing():
    async def rows(data):
        return data["rows"]

    inner = planned(Operation(id="load", step=double, inputs=("n",), outputs=("rows",)), given=("n",), name="inner")
    workflow = SequentialWorkflow(steps=(inner, rows), name="outer")
    running = ended(workflow, {"n": 2})
    assert running.outcome == Completed(4)
    assert "outer/inner/load" in [event.path for event in running.log]
    assert value_of(workflow, {"n": 3}) == 6
    assert value_of(workflow, {"n": 2}) == 4


def test_an_operation_runs_as_its_policy_says():
    async def flaky():
        raise ValueError("always")

    workflow = planned(
        Operation(id="a", step=step(fallback=makes("b"))(flaky), outputs=("prefix",)),
        Operation(
            id="c", step=step(isolation="process")(textwrap.indent), inputs=("text", "prefix"), outputs=("indented",)
        ),
        given=("text",),
    )
    assert value_of(workflow, {"text": "a"})["indented"] == "ba"


# dataflow


def test_an_operation_starts_when_its_own_inputs_are_there_and_waits_for_no_batch():
    gate = asyncio.Event()

    async def waits():
        await gate.wait()

    async def opens(x):
        gate.set()

    workflow = planned(
        Operation(id="first", step=waits),
        Operation(id="second", step=makes(1), outputs=("x",)),
        Operation(id="behind_second", step=opens, inputs=("x",)),
    )
    assert value_of(workflow) == {"x": 1}


def test_the_longest_remaining_path_goes_first_when_room_is_short():
    workflow = planned(
        Operation(id="short", step=makes(0), duration=1),
        Operation(id="long", step=makes(0), outputs=("x",), duration=1),
        Operation(id="end", step=uses, inputs=("x",), duration=9),
        Operation(id="middle", step=makes(0), duration=5),
        slots=1,
    )
    assert started(ended(workflow)) == ["long", "end", "middle", "short"]


def test_what_becomes_ready_and_is_more_urgent_overtakes_what_was_waiting():
    workflow = planned(
        Operation(id="a", step=makes(1), outputs=("x",), duration=1),
        Operation(id="b", step=uses, inputs=("x",), outputs=("y",), duration=1),
        Operation(id="c", step=uses, inputs=("y",), duration=1),
        *(Operation(id=f"small{n}", step=makes(0), duration=1) for n in range(3)),
        slots=1,
    )
    assert started(ended(workflow)) == ["a", "b", "c", "small0", "small1", "small2"]


def test_no_more_run_at_once_than_the_limits_allow():
    live, most = [], []

    async def work():
        live.append(1)
        most.append(len(live))
        await asyncio.sleep(0)
        live.pop()

    value_of(planned(*(Operation(id=f"o{n}", step=work) for n in range(9)), slots=3))
    assert max(most) == 3


def test_conflicts_run_one_after_another():
    order = []

    def touching(name):
        async def touch():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

        return touch

    value_of(planned(*(Operation(id=name, step=touching(name), writes=("file",)) for name in "ab")))
    assert order == ["a begins", "a ends", "b begins", "b ends"]


# what does not run


def test_a_condition_skips_and_a_join_copes():
    async def join(y, x="nothing"):
        return x, y

    workflow = planned(
        Operation(id="a", step=makes(1), outputs=("x",), when=lambda inputs: False),
        Operation(id="b", step=makes(2), outputs=("y",)),
        Operation(id="needs", step=uses, inputs=("x",)),
        Operation(id="join", step=join, inputs=("y",), optional_inputs=("x",), outputs=("joined",)),
    )
    running = ended(workflow)
    assert running.outcome == Completed({"y": 2, "joined": ("nothing", 2)})
    assert skipped(running) == {
        "plan/a": "its condition does not hold",
        "plan/needs": "it needs 'x', but 'a' did not run",
    }


def test_the_first_failure_stops_the_plan_and_the_rest_is_told():
    async def endless():
        await asyncio.Event().wait()

    workflow = planned(
        Operation(id="endless", step=endless, outputs=("x",)),
        Operation(id="fails", step=fails),
        Operation(id="behind", step=uses, inputs=("x",)),
    )
    running = ended(workflow)
    assert isinstance(running.outcome, Failed)
    assert isinstance(running.outcome.error, ValueError)
    assert skipped(running) == {"plan/behind": STOPPED}


def test_what_waits_for_room_when_the_plan_stops_is_told():
    running = ended(
        planned(Operation(id="fails", step=fails, duration=2), Operation(id="waits", step=makes(1)), slots=1)
    )
    assert skipped(running) == {"plan/waits": STOPPED}
    with pytest.raises(ValueError, match="no network"):
        running.outcome.unwrap()


def test_fail_slow_goes_on_with_what_does_not_need_the_failure():
    done = []

    async def notes():
        done.append("free")

    workflow = slow(
        Operation(id="fails", step=fails, outputs=("x",)),
        Operation(id="too", step=fails),
        Operation(id="behind", step=uses, inputs=("x",), outputs=("y",)),
        Operation(id="further", step=uses, inputs=("y",)),
        Operation(id="free", step=notes),
        slots=1,
    )
    running = ended(workflow)
    with pytest.raises(BranchesFailed, match="2 of 5 operations failed") as e:
        running.outcome.unwrap()
    assert [str(error) for error in e.value.exceptions] == ["no network", "no network"]
    assert "'further' was not started: it needs 'y', but 'behind' did not run because of 'fails'" in e.value.__notes__
    assert done == ["free"]
    assert set(skipped(running)) == {"plan/behind", "plan/further"}


def test_a_long_list_of_what_was_not_started_is_cut():
    behind = [Operation(id=f"o{n}", step=uses, inputs=("x",)) for n in range(30)]
    with pytest.raises(BranchesFailed) as e:
        value_of(slow(Operation(id="fails", step=fails, outputs=("x",)), *behind))
    assert "and 10 more operations were not started" in e.value.__notes__


@pytest.mark.parametrize("mode", list(ErrorMode))
def test_an_optional_operation_may_fail(mode):
    async def report(prices=None):
        return prices

    workflow = planned(
        Operation(id="market", step=fails, outputs=("prices",), required=False),
        Operation(id="report", step=report, optional_inputs=("prices",), outputs=("report",)),
        error_mode=mode,
    )
    assert value_of(workflow) == {"report": None}


@pytest.mark.parametrize("required", [True, False])
def test_wrong_outputs_are_a_failure_of_their_operation(required):
    operations = (
        Operation(id="fetch", step=makes({"x": 1}), outputs=("x", "y"), required=required),
        Operation(id="other", step=makes(2), outputs=("z",)),
    )
    if not required:
        assert value_of(planned(*operations)) == value_of(slow(*operations)) == {"z": 2}
        return
    with pytest.raises(WrongOutputs, match="a mapping with no 'y'") as single:
        value_of(planned(*operations))
    assert "in operation 'fetch' at 'plan'" in single.value.__notes__
    with pytest.raises(BranchesFailed) as group:
        value_of(slow(*operations))
    assert isinstance(group.value.exceptions[0], WrongOutputs)


def test_a_condition_that_raises_is_a_failure_of_its_operation():
    operations = (
        Operation(id="a", step=makes(1), outputs=("x",), when=lambda inputs: inputs["nothing"]),
        Operation(id="b", step=makes(2), outputs=("y",)),
    )
    with pytest.raises(KeyError, match="nothing"):
        value_of(planned(*operations))
    with pytest.raises(BranchesFailed) as group:
        value_of(slow(*operations))
    assert isinstance(group.value.exceptions[0], KeyError)


def test_a_timeout_and_a_cancelled_operation_count_as_failures():
    async def endless():
        await asyncio.Event().wait()

    limits = ParallelResourceLimits(execution_timeout=0.01)
    with pytest.raises(StepTimeout):
        value_of(planned(Operation(id="endless", step=endless), limits=limits))
    with pytest.raises(BranchesFailed) as group:
        value_of(slow(Operation(id="endless", step=endless), limits=limits))
    assert isinstance(group.value.exceptions[0], StepTimeout)
    assert isinstance(ended(planned(Operation(id="endless", step=endless), timeout=0.01)).outcome, TimedOut)

    async def cancels():
        async with start(slow(Operation(id="endless", step=endless))) as running:
            async for event in running.events():
                if event.path == "plan/endless":
                    break
            assert running.cancel_branch("plan/endless", "not needed")
        return running.outcome

    outcome = asyncio.run(cancels())
    assert isinstance(outcome.error.exceptions[0], BranchCancelled)


# for each


def test_an_operation_runs_for_each_item_under_its_own_name():
    workflow = planned(
        Operation(id="files", step=makes(["a", "bc"]), outputs=("files",)),
        Operation(id="measure", step=size_of, for_each="files", outputs=("sizes",)),
        Operation(id="scale", step=multiply, for_each="sizes", inputs=("factor",), outputs=("scaled",)),
        given=("factor",),
    )
    running = ended(workflow, {"factor": 10})
    assert running.outcome.unwrap()["scaled"] == [10, 20]
    assert {"plan/measure/measure[0]", "plan/measure/measure[1]"} <= {event.path for event in running.log}
    told = [(event.done, event.total) for event in running.log if isinstance(event, Progress)]
    assert told[-1] == (2, 2)


def size_of(file):
    return len(file)


async def multiply(sizes, factor):
    return sizes * factor


def test_several_outputs_of_each_item_become_a_list_each():
    async def split(text):
        head, tail = text.split(":")
        return {"heads": head, "tails": tail}

    workflow = planned(
        Operation(id="split", step=split, for_each="texts", outputs=("heads", "tails")), given=("texts",)
    )
    assert value_of(workflow, {"texts": ("a:b", "c:d")}) == {
        "texts": ("a:b", "c:d"),
        "heads": ["a", "c"],
        "tails": ["b", "d"],
    }
    assert value_of(workflow, {"texts": []}) == {"texts": [], "heads": [], "tails": []}


@pytest.mark.parametrize("items", ["text", b"bytes", {1}, {"a": 1}, 3])
def test_what_has_no_items_in_an_order_is_refused(items):
    workflow = planned(Operation(id="each", step=double, for_each="items"), given=("items",))
    with pytest.raises(
        DefinitionError, match="'each' runs for each of 'items', which must be a list or another sequence"
    ):
        value_of(workflow, {"items": items})


def test_a_failing_item_fails_the_operation_at_once_or_at_the_end_as_the_mode_says():
    seen = []

    async def picky(n):
        seen.append(n)
        if n % 2:
            raise ValueError(n)

    operation = Operation(id="each", step=picky, for_each="items")
    items = {"items": [0, 1, 2, 3]}
    with pytest.raises(ValueError, match="1"):
        value_of(planned(operation, given=("items",), slots=1), items)
    assert seen == [0, 1]
    seen.clear()
    with pytest.raises(BranchesFailed) as group:
        value_of(slow(operation, given=("items",), slots=1), items)
    assert [str(error) for error in group.value.exceptions[0].exceptions] == ["1", "3"]
    assert seen == [0, 1, 2, 3]


# resume


def test_a_run_goes_on_where_it_was():
    calls = []
    broken = [True]

    async def load():
        calls.append("load")
        return [1, 2]

    async def store(n):
        calls.append(f"store {n}")
        if broken and n == 2:
            raise ValueError("disk full")
        return n

    workflow = planned(
        Operation(id="load", step=load, outputs=("items",)),
        Operation(id="store", step=store, for_each="items", outputs=("stored",)),
        slots=1,
    )
    first = ended(workflow)
    assert isinstance(first.outcome, Failed)
    broken.clear()
    second = ended(workflow, resume=first.log)
    assert second.outcome == Completed({"items": [1, 2], "stored": [1, 2]})
    assert calls == ["load", "store 1", "store 2", "store 2"]


# what is refused


def test_missing_and_unknown_input_is_refused_before_anything_starts():
    workflow = planned(Operation(id="a", step=double, inputs=("n",)), Operation(id="b", step=makes(1)), given=("n",))
    for input, error in (
        (None, "the plan needs 'n' as its input"),
        ([1], "is a mapping"),
        ({"n": 1, "m": 2}, "no 'm'"),
    ):
        running = ended(workflow, input)
        assert isinstance(running.outcome, Failed)
        assert isinstance(running.outcome.error, DefinitionError)
        assert error in str(running.outcome.error)
        assert started(running) == []
    assert issubclass(UnknownSetting, DefinitionError)


def test_a_plan_that_cannot_run_is_refused_when_it_is_built():
    with pytest.raises(DefinitionError, match="operation 'later' has no step"):
        planned(Operation(id="later"))
    with pytest.raises(DefinitionError, match="PlannedWorkflow 'plan' has a plan without operations"):
        planned()
    with pytest.raises(DefinitionError, match=r"plan must be an? ExecutionPlan, not 3"):
        PlannedWorkflow(plan=3)
    with pytest.raises(DefinitionError, match=r"error_mode must be an? ErrorMode"):
        planned(Operation(id="a", step=double), error_mode="slow")
    with pytest.raises(DefinitionError, match="reserves 100 bytes"):
        planned(Operation(id="a", step=step(memory=100)(makes(1))), limits=ParallelResourceLimits(max_total_memory=10))


def test_a_plan_knows_its_children_and_equals_its_like():
    def make():
        return planned(
            Operation(id="a", step=double, inputs=("n",)),
            Operation(id="b", step=double, for_each="ns"),
            given=("n", "ns"),
        )

    assert make() == make()
    children = make().children()
    assert list(children) == ["a", "b"]
    assert isinstance(children["b"], EachItem)
    assert list(children["b"].children()) == ["b"]


# any plan


@st.composite
def sums(draw):
    count = draw(st.integers(1, 8))
    return [
        draw(st.lists(st.integers(0, place - 1), unique=True, max_size=3)) if place else [] for place in range(count)
    ]


@given_(sums(), st.integers(1, 3), st.lists(st.integers(0, 3), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_plan_computes_what_going_through_it_by_hand_does(needs, slots, turns):
    def adding(place):
        async def add(data):
            for _ in range(turns[place]):
                await asyncio.sleep(0)
            return 1 + sum(data.values())

        return add

    operations = [
        Operation(id=f"o{place}", step=adding(place), inputs=tuple(f"d{n}" for n in needed), outputs=(f"d{place}",))
        for place, needed in enumerate(needs)
    ]
    expected = {}
    for place, needed in enumerate(needs):
        expected[f"d{place}"] = 1 + sum(expected[f"d{n}"] for n in needed)
    running = ended(planned(*operations, slots=slots))
    assert running.outcome == Completed(expected)
    ends = {event.path: event.at for event in running.log if isinstance(event, StepCompleted)}
    begins = {event.path: event.at for event in running.log if isinstance(event, StepStarted)}
    for place, needed in enumerate(needs):
        assert all(ends[f"plan/o{n}"] <= begins[f"plan/o{place}"] for n in needed)


def test_a_plan_is_told_in_the_log_with_its_reasons():
    workflow = planned(
        Operation(id="read", step=makes(2), outputs=("text",)),
        Operation(id="count", step=lambda text: text + 1, inputs=("text",), outputs=("total",)),
    )
    running = ended(workflow, {})
    (told,) = [event for event in running.log if isinstance(event, PlanMade)]
    assert told.path == "plan"
    assert told.plan == workflow.plan.to_json(10)
    assert told.plan["edges"][0]["because"] == "'count' needs 'text', which 'read' produces"


def test_a_plan_that_would_outweigh_the_log_is_not_told():
    many = [Operation(id=f"each{number}", step=makes(number)) for number in range(LARGEST + 1)]
    running = ended(planned(*many, slots=100), {})
    assert not any(isinstance(event, PlanMade) for event in running.log)
