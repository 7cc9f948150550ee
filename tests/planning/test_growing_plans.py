"""A plan that grows while it runs: nothing starts before what it needs, nothing is lost, and what cannot be is told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.errors import DoubleProducer, DuplicateOperation, ExecutionError
from stretto.planning.growing import GrowingPlan
from stretto.planning.operation import Operation


def made(id: str, *inputs: str, **settings: Any) -> Operation:
    return Operation(id=id, inputs=inputs, outputs=(id,), **settings)


def ids(operations: list[Operation]) -> list[str]:
    return [operation.id for operation in operations]


def test_operations_start_while_others_are_still_to_come() -> None:
    plan = GrowingPlan()
    plan.add(made("a"))
    assert ids(plan.take_ready()) == ["a"]
    plan.add(made("b", "a"))
    plan.add(made("c"))
    assert ids(plan.take_ready(1)) == ["c"]
    plan.complete("a", 1)
    assert ids(plan.take_ready()) == ["b"]
    assert plan.inputs_of(plan.operations["b"]) == {"a": 1}
    assert not plan.done
    plan.close()
    plan.complete("b", 2)
    plan.complete("c", 3)
    assert plan.done
    assert plan.data == {"a": 1, "b": 2, "c": 3}
    assert plan.plan().batches == (("a", "c"), ("b",))


def test_an_operation_waits_for_one_that_is_named_after_it() -> None:
    plan = GrowingPlan()
    plan.add(made("b", "a"))
    assert plan.take_ready() == []
    plan.add(made("a"))
    assert ids(plan.take_ready()) == ["a"]
    plan.complete("a", 1)
    assert ids(plan.take_ready()) == ["b"]


def test_what_was_handed_out_and_not_started_can_be_put_back() -> None:
    plan = GrowingPlan()
    plan.add(made("a"))
    plan.add(made("b"))
    first, second = plan.take_ready()
    plan.put_back(second)
    plan.put_back(first)
    assert ids(plan.take_ready()) == ["a", "b"]


def test_a_resource_orders_operations_as_they_were_added() -> None:
    plan = GrowingPlan()
    plan.add(made("reads", reads=("f",)))
    plan.add(made("writes", writes=("f",)))
    plan.add(made("again", reads=("f",)))
    assert ids(plan.take_ready()) == ["reads"]
    plan.fail("reads")
    assert ids(plan.take_ready()) == ["writes"]
    plan.fail("writes")
    assert ids(plan.take_ready()) == ["again"]


def test_a_failure_takes_with_it_what_needs_its_data_and_nothing_else() -> None:
    plan = GrowingPlan()
    for operation in (made("a"), made("b", "a"), made("c", "b"), made("d"), made("o", optional_inputs=("a",))):
        plan.add(operation)
    assert ids(plan.take_ready()) == ["a", "d"]
    plan.fail("a", "no network")
    skipped = {operation.id: ending.because for operation, ending in plan.take_skipped()}
    assert skipped == {"b": "it needs 'a', but 'a' failed", "c": "it needs 'b', but 'b' did not run"}
    assert ids(plan.take_ready()) == ["o"]
    assert plan.inputs_of(plan.operations["o"]) == {}
    plan.add(made("late", "a"))
    plan.add(made("later", optional_inputs=("d", "b")))
    assert ids([operation for operation, _ in plan.take_skipped()]) == ["late"]
    plan.complete("d", 1)
    plan.add(made("last", "d"))
    assert ids(plan.take_ready()) == ["later", "last"]


def test_closing_tells_what_waits_for_something_that_nobody_makes() -> None:
    plan = GrowingPlan()
    for operation in (made("alpha"), made("b", "alpah"), made("c", "b"), made("o", optional_inputs=("nothing",))):
        plan.add(operation)
    assert ids(plan.take_ready()) == ["alpha"]
    plan.close()
    told = {operation.id: ending for operation, ending in plan.take_skipped()}
    assert "did you mean 'alpha'?" in told["b"].because
    assert told["c"].because == "it needs 'b', but 'b' failed"
    assert ids(plan.take_ready()) == ["o"]
    assert plan.plan().batches == (("alpha", "o"),)
    plan.complete("alpha", 1)
    plan.complete("o", 1)
    assert plan.done


def test_closing_tells_circles_and_lets_the_rest_go_on() -> None:
    plan = GrowingPlan()
    circles = (made("a", "b"), made("b", "a"), made("c", "c2"), made("c2", "c"), made("behind", "a"), made("free"))
    for operation in circles:
        plan.add(operation)
    plan.close()
    told = {operation.id: ending.because for operation, ending in plan.take_skipped()}
    assert set(told) == {"a", "b", "c", "c2", "behind"}
    assert "circle" in told["a"] or "->" in told["a"]
    assert told["behind"] == "it needs 'a', but 'a' failed"
    assert ids(plan.take_ready()) == ["free"]
    assert plan.plan().batches == (("free",),)


def test_circles_that_share_operations_are_told_once() -> None:
    plan = GrowingPlan()
    for operation in (made("a", "b"), made("x", "a"), made("b", "a", "x")):
        plan.add(operation)
    plan.close()
    assert sorted(ids([operation for operation, _ in plan.take_skipped()])) == ["a", "b", "x"]
    assert plan.done


def test_nobody_passes_a_circle_that_waits_for_a_resource() -> None:
    plan = GrowingPlan()
    for operation in (
        made("first", writes=("f",)), made("a", "b", writes=("f",)), made("b", writes=("f",)),
        made("last", writes=("f",)),
    ):  # fmt: skip
        plan.add(operation)
    assert ids(plan.take_ready()) == ["first"]
    plan.close()  # b comes behind a, which needs it
    assert plan.take_ready() == []
    plan.complete("first", 1)
    assert sorted(ids([operation for operation, _ in plan.take_skipped()])) == ["a", "b"]
    assert ids(plan.take_ready()) == ["last"]


def test_what_contradicts_is_refused_and_the_plan_stays_as_it_was() -> None:
    plan = GrowingPlan()
    plan.add(made("a"))
    with pytest.raises(DuplicateOperation):
        plan.add(made("a"))
    with pytest.raises(DoubleProducer):
        plan.add(Operation(id="b", outputs=("a",)))
    with pytest.raises(ExecutionError, match="'b' does not run"):
        plan.complete("b", 1)
    plan.close()
    with pytest.raises(ExecutionError, match="comes after the plan was closed"):
        plan.add(made("c"))
    assert list(plan.operations) == ["a"]


@given(st.data())
def test_whatever_the_order_everything_ends_once_and_nothing_starts_too_early(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    names = [f"o{number}" for number in range(count)]
    some = st.lists(st.sampled_from([*names, "nobody"]), max_size=2, unique=True)
    touched = st.lists(st.sampled_from(["f", "g"]), max_size=2, unique=True)
    operations = [
        made(name, *[need for need in data.draw(some) if need != name], reads=tuple(data.draw(touched)),
             writes=tuple(data.draw(touched)))
        for name in names
    ]  # fmt: skip
    plan, waiting, running, started = GrowingPlan(), list(operations), list[Operation](), list[str]()
    while waiting or running or not plan.closed:
        does = ["add"] * bool(waiting) + ["end"] * bool(running)
        match data.draw(st.sampled_from(does or ["close"])):
            case "add":
                plan.add(waiting.pop(0))
            case "end":
                operation = running.pop(data.draw(st.integers(0, len(running) - 1)))
                if data.draw(st.booleans()):
                    plan.complete(operation.id, 1)
                else:
                    plan.fail(operation.id)
            case _:
                plan.close()
        for operation in plan.take_ready():
            assert all(plan.ended[need].status == "completed" for need in operation.inputs)
            for other in running:
                assert not {*other.writes} & {*operation.reads, *operation.writes}
                assert not {*operation.writes} & {*other.reads}
            running.append(operation)
            started.append(operation.id)
    assert plan.done
    skipped = [operation.id for operation, _ in plan.take_skipped()]
    assert sorted([*started, *skipped]) == sorted(names)
    assert set(plan.plan().operations) <= set(names)
