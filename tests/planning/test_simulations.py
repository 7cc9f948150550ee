import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError
from stretto.core.function import step
from stretto.planning.operation import Operation
from stretto.planning.plan import DEFAULT_SLOTS, analyze_dependencies
from tests.planning.samples import operations_of_a_dag


def chain_beside_small_ones():
    return analyze_dependencies(
        [
            *(Operation(id=f"small{n}", duration=1) for n in range(4)),
            Operation(id="a", outputs=("x",), duration=2),
            Operation(id="b", inputs=("x",), duration=2),
        ]
    )


def test_the_critical_path_is_the_longest_and_counts_unknown_durations_as_one():
    plan = analyze_dependencies(
        [
            Operation(id="a", outputs=("x",)),
            Operation(id="quick", inputs=("x",), outputs=("y",), duration=0.5),
            Operation(id="slow", step=step(duration=4)(lambda x: x), inputs=("x",), outputs=("z",)),
            Operation(id="end", inputs=("y", "z")),
        ]
    )
    assert plan.critical_path == ("a", "slow", "end")
    assert plan.remaining == {"a": 6, "quick": 1.5, "slow": 5, "end": 1}
    assert plan.durations == {"a": 1, "quick": 0.5, "slow": 4, "end": 1}


def test_of_equal_paths_the_one_declared_first_is_critical():
    plan = analyze_dependencies([Operation(id="b"), Operation(id="a")])
    assert plan.critical_path == ("b",)


def test_the_longest_remaining_path_goes_first_when_room_is_short():
    table = chain_beside_small_ones().simulate(slots=2)
    assert table.makespan == 4
    assert table.intervals["a"] == (0, 2)
    assert table.intervals["b"] == (2, 4)
    assert table.intervals["small3"] == (3, 4)


def test_without_a_bound_the_makespan_is_the_critical_path():
    assert chain_beside_small_ones().simulate().makespan == 4
    assert chain_beside_small_ones().simulate(slots=1).makespan == 8


def test_durations_can_be_others_than_the_plan_knows():
    plan = chain_beside_small_ones()
    assert plan.simulate(dict.fromkeys(plan.operations, 10.0), slots=6).makespan == 20


def test_a_simulation_refuses_what_it_cannot_play():
    plan = chain_beside_small_ones()
    with pytest.raises(DefinitionError, match="slots must be a whole number of at least 1, not 0"):
        plan.simulate(slots=0)
    with pytest.raises(DefinitionError, match="no duration for operation 'small1'"):
        plan.simulate({"small0": 1})
    with pytest.raises(DefinitionError, match="operation 'a': duration must be zero or more, not -3"):
        plan.simulate(dict.fromkeys(plan.operations, 1.0) | {"a": -3})


def test_the_estimate_says_what_slots_bring():
    estimate = chain_beside_small_ones().estimate(slots=2)
    assert vars(estimate) == {
        "sequential": 8,
        "critical_path": 4,
        "slots": 2,
        "at_best": 4,
        "makespan": 4,
        "speedup": 2,
        "operations": 6,
        "known": 6,
    }
    assert chain_beside_small_ones().estimate(slots=1).at_best == 8
    assert chain_beside_small_ones().estimate().slots == DEFAULT_SLOTS


@given(operations_of_a_dag(), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_the_makespan_keeps_grahams_bound_and_never_uses_more_than_its_slots(operations, slots):
    plan = analyze_dependencies(operations)
    total = sum(plan.durations.values())
    critical = max(plan.remaining.values())
    table = plan.simulate(slots=slots)
    assert max(critical, total / slots) - 1e-9 <= table.makespan <= critical + total / slots + 1e-9
    assert plan.simulate().makespan == pytest.approx(critical)
    for edge in plan.edges:
        assert table.intervals[edge.origin][1] <= table.intervals[edge.target][0]
    for begin, end in table.intervals.values():
        if end > begin:
            assert sum(b <= begin < e for b, e in table.intervals.values()) <= slots
    path = [plan.durations[id] for id in plan.critical_path]
    assert sum(path) == pytest.approx(critical)


def random_operations(count, edges_each):
    choose = random.Random(7)
    operations = []
    for place in range(count):
        earlier = {choose.randrange(max(0, place - 300), place) for _ in range(edges_each)} if place else ()
        operations.append(Operation(id=f"o{place}", inputs=tuple(f"d{n}" for n in earlier), outputs=(f"d{place}",)))
    return operations


def test_ten_thousand_operations_are_analysed_and_explained_in_a_moment():
    operations = random_operations(10_000, 5)
    began = time.thread_time()  # its own, whatever else runs
    plan = analyze_dependencies(operations)
    text = plan.explain()
    took = time.thread_time() - began
    assert len(plan.edges) > 49_000
    assert len(text) < 20_000
    assert took < 5, took  # a wide margin: it takes a third of a second
