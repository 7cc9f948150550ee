import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError, ExecutionError, UnknownSetting, WrongOutputs
from stretto.planning.operation import Operation
from stretto.planning.plan import analyze_dependencies
from stretto.planning.scheduler import Schedule, produced
from tests.planning.samples import operations_of_a_dag


def op(id, inputs=(), outputs=(), **settings):
    return Operation(id=id, inputs=tuple(inputs), outputs=tuple(outputs), **settings)


def schedule_of(*operations, given=None):
    return Schedule(analyze_dependencies(operations, given=tuple(given or ())), given)


def ids(operations):
    return [operation.id for operation in operations]


def skipped(schedule):
    return {operation.id: ending.because for operation, ending in schedule.take_skipped()}


def test_an_operation_is_handed_out_the_moment_its_inputs_are_there():
    schedule = schedule_of(op("a", [], ["x"]), op("b", [], ["y"]), op("c", ["x"], ["z"]), op("d", ["y", "z"]))
    assert ids(schedule.take_ready()) == ["a", "b"]
    assert schedule.take_ready() == []
    schedule.complete("a", 1)
    assert ids(schedule.take_ready()) == ["c"]
    schedule.complete("c", 2)
    assert schedule.take_ready() == []
    schedule.complete("b", 3)
    (last,) = schedule.take_ready()
    assert schedule.inputs_of(last) == {"y": 3, "z": 2}
    schedule.complete("d", None)
    assert schedule.done
    assert schedule.data == {"x": 1, "y": 3, "z": 2}


def test_the_longest_remaining_path_goes_first_and_ties_go_as_declared():
    schedule = schedule_of(
        op("short", duration=1),
        op("tie", duration=1),
        op("first_of_many", outputs=["x"], duration=1),
        op("long", ["x"], duration=5),
        op("heavy", duration=3),
    )
    assert ids(schedule.take_ready(2)) == ["first_of_many", "heavy"]
    assert ids(schedule.take_ready(0)) == []
    assert ids(schedule.take_ready(1)) == ["short"]
    assert ids(schedule.take_ready(5)) == ["tie"]


def test_several_outputs_are_exactly_those_declared():
    operation = op("fetch", outputs=["users", "orders"])
    assert produced(operation, {"orders": 2, "users": 1}) == {"users": 1, "orders": 2}
    with pytest.raises(WrongOutputs, match=r"'fetch' declares the outputs 'users' and 'orders'.*a value of type list"):
        produced(operation, [1, 2])
    with pytest.raises(WrongOutputs, match=r"a mapping with no 'orders' and also 'order'"):
        produced(operation, {"users": 1, "order": 2})
    with pytest.raises(WrongOutputs, match=r"a mapping with no 'users'$"):
        produced(operation, {"orders": 1})
    with pytest.raises(WrongOutputs, match=r"a mapping with also '3'$"):
        produced(operation, {"users": 1, "orders": 2, 3: 4})
    assert produced(op("one", outputs=["x"]), [1]) == {"x": [1]}
    assert produced(op("none"), [1]) == {}


def test_wrong_outputs_leave_the_operation_running_so_that_it_can_fail():
    schedule = schedule_of(op("fetch", outputs=["x", "y"]))
    schedule.take_ready()
    with pytest.raises(WrongOutputs):
        schedule.complete("fetch", 1)
    schedule.fail("fetch")
    assert schedule.ended["fetch"].status == "failed"


def test_a_condition_is_asked_with_the_inputs_and_its_no_has_a_reason():
    seen = []
    schedule = schedule_of(
        op("a", outputs=["x"]),
        op("yes", ["x"], when=lambda inputs: inputs["x"] > 1),
        op("no", ["x"], ["y"], when=lambda inputs: seen.append(dict(inputs))),
        op("on", when=True),
        op("off", when=False),
        op("behind", ["y"]),
        op("further", ["y"], ["z"]),
        op("last", ["z"]),
    )
    assert ids(schedule.take_ready()) == ["a", "on"]
    schedule.complete("a", 2)
    assert ids(schedule.take_ready()) == ["yes"]
    assert seen == [{"x": 2}]
    assert skipped(schedule) == {
        "off": "it is switched off (when=False)",
        "no": "its condition does not hold",
        "further": "it needs 'y', but 'no' did not run",
        "last": "it needs 'z', but 'further' did not run because of 'no'",
        "behind": "it needs 'y', but 'no' did not run",
    }
    assert not any(ending.blocked for ending in schedule.ended.values())
    assert schedule.take_skipped() == []


def test_a_condition_that_raises_makes_its_operation_fail():
    schedule = schedule_of(op("a", outputs=["x"], when=lambda inputs: inputs["nothing"]), op("b", ["x"]))
    assert schedule.take_ready() == []
    (_, ending), (_, behind) = schedule.take_skipped()
    assert (ending.status, ending.because) == ("failed", "its condition raised KeyError: 'nothing'")
    assert isinstance(ending.error, KeyError)
    assert behind.blocked
    assert schedule.done


def test_a_join_copes_without_an_optional_input():
    schedule = schedule_of(
        op("a", outputs=["x"], when=False),
        op("b", outputs=["y"]),
        Operation(id="join", inputs=("y",), optional_inputs=("x",)),
    )
    schedule.take_ready()
    schedule.complete("b", 1)
    (join,) = schedule.take_ready()
    assert schedule.inputs_of(join) == {"y": 1}


def test_an_optional_input_is_waited_for():
    schedule = schedule_of(op("a", outputs=["x"]), Operation(id="join", optional_inputs=("x",)))
    schedule.take_ready()
    schedule.complete("a", 7)
    (join,) = schedule.take_ready()
    assert schedule.inputs_of(join) == {"x": 7}


def test_what_needs_the_data_of_a_failure_is_not_started_and_the_rest_goes_on():
    schedule = schedule_of(
        op("a", outputs=["x"]),
        op("b", ["x"], ["y"]),
        op("c", ["y"]),
        op("free"),
        Operation(id="d", optional_inputs=("x",)),
    )
    schedule.take_ready()
    schedule.fail("a", "no network")
    assert schedule.ended["a"].because == "no network"
    assert skipped(schedule) == {
        "b": "it needs 'x', but 'a' failed",
        "c": "it needs 'y', but 'b' did not run because of 'a'",
    }
    assert schedule.ended["c"].blocked
    assert schedule.ended["c"].root == "a"
    assert ids(schedule.take_ready()) == ["d"]
    schedule.complete("free", None)
    schedule.complete("d", None)
    assert schedule.done


def test_what_reads_a_resource_that_a_failure_left_unwritten_is_not_started():
    schedule = schedule_of(
        op("write", writes=("file",)), op("read", reads=("file",)), op("overwrite", writes=("file",))
    )
    schedule.take_ready()
    schedule.fail("write")
    assert skipped(schedule) == {"read": "it reads 'file' as 'write' leaves it, but 'write' failed"}
    assert ids(schedule.take_ready()) == ["overwrite"]


def test_what_only_waited_its_turn_goes_on_behind_a_failure_and_behind_a_skip():
    schedule = schedule_of(op("first", writes=("file",)), op("second", writes=("file",)), op("read", reads=("file",)))
    schedule.take_ready()
    schedule.fail("first")
    schedule.take_ready()
    schedule.skip("read", "not today") if "read" not in schedule.ended else None
    schedule.complete("second", None)
    assert skipped(schedule) == {"read": "not today"}
    schedule = schedule_of(op("write", writes=("file",), when=False), op("read", reads=("file",)))
    assert ids(schedule.take_ready()) == ["read"]


def test_a_skipped_operation_still_keeps_the_order_of_those_around_it():
    schedule = schedule_of(*(op(name, writes=("file",)) for name in ("a", "b", "c")))
    schedule.take_ready()
    schedule.skip("b", "not wanted")
    assert schedule.take_ready() == []
    assert "b" not in schedule.ended
    schedule.complete("a", None)
    assert skipped(schedule) == {"b": "not wanted"}
    assert ids(schedule.take_ready()) == ["c"]


def test_what_is_ready_can_be_skipped_before_it_is_taken():
    schedule = schedule_of(op("a"), op("b"))
    schedule.skip("a", "not wanted")
    assert ids(schedule.take_ready()) == ["b"]
    assert skipped(schedule) == {"a": "not wanted"}


def test_an_operation_ends_once_and_only_after_it_was_taken():
    schedule = schedule_of(op("a"), op("b"))
    with pytest.raises(ExecutionError, match="operation 'a' is not started"):
        schedule.complete("a", None)
    schedule.take_ready()
    schedule.complete("a", None)
    with pytest.raises(ExecutionError, match="operation 'a' is completed"):
        schedule.fail("a")
    with pytest.raises(ExecutionError, match="operation 'a' is completed and cannot be skipped"):
        schedule.skip("a", "late")
    with pytest.raises(ExecutionError, match="operation 'b' is running and cannot be skipped"):
        schedule.skip("b", "late")
    with pytest.raises(DefinitionError, match="no operation 'z' to skip; the plan has 'a' and 'b'"):
        schedule.skip("z", "unknown")


def test_the_input_is_what_was_given_no_more_and_no_less():
    plan = analyze_dependencies([op("a", ["x"]), Operation(id="b", optional_inputs=("y",))], given=("x", "y", "z"))
    assert Schedule(plan, {"x": 1}).data == {"x": 1}
    with pytest.raises(DefinitionError, match="the plan needs 'x' as its input, which holds nothing"):
        Schedule(plan)
    with pytest.raises(DefinitionError, match="the plan needs 'x' as its input, which holds 'y'"):
        Schedule(plan, {"y": 1})
    with pytest.raises(UnknownSetting, match="the plan's input takes no 'depth'; it takes x, y, z"):
        Schedule(plan, {"x": 1, "depth": 2})
    with pytest.raises(DefinitionError, match=r"a plan's input is a mapping {name: value}, not list"):
        Schedule(plan, [1])
    with pytest.raises(UnknownSetting, match="it takes nothing"):
        Schedule(analyze_dependencies([op("a")]), {"x": 1})


def test_the_input_is_not_changed():
    given = {"x": 1}
    schedule = schedule_of(op("a", ["x"], ["y"]), given=given)
    schedule.take_ready()
    schedule.complete("a", 2)
    assert given == {"x": 1}


def test_a_chain_of_twenty_thousand_is_skipped_without_recursion():
    operations = [op("o0", outputs=["d0"])] + [op(f"o{n}", [f"d{n - 1}"], [f"d{n}"]) for n in range(1, 20_000)]
    schedule = schedule_of(*operations)
    schedule.take_ready()
    schedule.fail("o0")
    assert schedule.done
    assert len(schedule.take_skipped()) == 19_999
    assert schedule.ended["o19999"].root == "o0"


@given_(operations_of_a_dag(), st.data())
@settings(max_examples=100, deadline=None)
def test_nothing_starts_before_its_producers_and_everything_ends_exactly_once(operations, data):
    plan = analyze_dependencies(operations)
    schedule = Schedule(plan)
    running, told, starts = [], [], []
    while not schedule.done:
        room = data.draw(st.integers(1, 3))
        for operation in schedule.take_ready(room):
            assert all(edge.origin in schedule.ended for edge in plan.graph.incoming(operation.id))
            assert set(operation.inputs) <= set(schedule.inputs_of(operation))
            running.append(operation.id)
            starts.append(operation.id)
        told += [operation.id for operation, _ in schedule.take_skipped()]
        if running:
            id = running.pop(data.draw(st.integers(0, len(running) - 1)))
            schedule.fail(id) if data.draw(st.booleans()) else schedule.complete(id, id)
    told += [operation.id for operation, _ in schedule.take_skipped()]
    assert sorted(starts + told) == sorted(plan.operations)
    assert not running
    for id, ending in schedule.ended.items():
        assert ending.status == ("skipped" if id in told else ending.status)
        assert (ending.status == "completed") == (f"d{id[1:]}" in schedule.data)
