import pickle

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from stretto.core.errors import (
    CyclicDependency,
    DefinitionError,
    DoubleProducer,
    DuplicateOperation,
    MissingProducer,
    PlanError,
    UnreachableOperation,
)
from stretto.planning.graph import DependencyGraph
from stretto.planning.operation import Operation, OperationType
from stretto.planning.plan import analyze_dependencies
from tests.planning.samples import operations_of_a_dag


def op(id, inputs=(), outputs=(), **settings):
    return Operation(id=id, inputs=tuple(inputs), outputs=tuple(outputs), **settings)


def arrows(plan):
    return [(edge.origin, edge.target, edge.kind) for edge in plan.edges]


# the six classifications


def test_reading_five_files_is_parallel():
    plan = analyze_dependencies([op(f"read{n}", outputs=[f"text{n}"], reads=(f"file{n}",)) for n in range(5)])
    assert plan.parallel_batches == (("read0", "read1", "read2", "read3", "read4"),)


def test_reading_one_file_five_times_is_parallel_too():
    plan = analyze_dependencies([op(f"read{n}", reads=("file",)) for n in range(5)])
    assert len(plan.parallel_batches) == 1


def test_analysing_and_then_refactoring_is_sequential():
    plan = analyze_dependencies(
        [op("analyse", outputs=["findings"], reads=("code",)), op("refactor", ["findings"], writes=("code",))]
    )
    assert plan.parallel_batches == (("analyse",), ("refactor",))
    assert arrows(plan) == [("analyse", "refactor", "data"), ("analyse", "refactor", "war")]


def test_querying_users_and_messages_is_parallel():
    plan = analyze_dependencies(
        [op("users", outputs=["users"], reads=("database",)), op("messages", outputs=["messages"], reads=("database",))]
    )
    assert plan.parallel_batches == (("users", "messages"),)


def test_fetching_and_then_storing_is_sequential():
    plan = analyze_dependencies([op("fetch", outputs=["data"]), op("store", ["data"], writes=("database",))])
    assert plan.parallel_batches == (("fetch",), ("store",))


def test_two_mcp_servers_are_parallel():
    calls = [op(name, operation_type=OperationType.MCP, outputs=[name]) for name in ("serena", "context7")]
    assert analyze_dependencies(calls).parallel_batches == (("serena", "context7"),)


def test_searching_and_then_refactoring_the_matches_is_sequential():
    plan = analyze_dependencies([op("refactor", ["matches"]), op("search", outputs=["matches"])])
    assert plan.parallel_batches == (("search",), ("refactor",))


# edges and their reasons


def test_every_edge_says_why():
    plan = analyze_dependencies(
        [
            op("a", outputs=["x", "y"], writes=("file",)),
            op("b", ["x", "y"]),
            op("c", reads=("file",)),
            op("d", writes=("file",)),
            op("e", writes=("file",)),
        ]
    )
    assert [edge.because for edge in plan.edges] == [
        "'b' needs 'x' and 'y', which 'a' produces",
        "'c' reads 'file' after 'a' has written it",
        "'d' writes 'file' after 'c' has read it",
        "'e' writes 'file' after 'd' has written it",
    ]


def test_the_declared_order_decides_who_touches_a_resource_first():
    first, second = op("first", writes=("file",)), op("second", reads=("file",))
    assert arrows(analyze_dependencies([first, second])) == [("first", "second", "raw")]
    assert arrows(analyze_dependencies([second, first])) == [("second", "first", "war")]


def test_an_operation_that_reads_and_writes_waits_for_those_before_and_not_for_itself():
    plan = analyze_dependencies([op(name, reads=("file",), writes=("file",)) for name in "abc"])
    assert arrows(plan) == [("a", "b", "raw"), ("b", "c", "raw")]


def test_writers_in_a_row_make_a_chain_and_not_a_clique():
    plan = analyze_dependencies([op(f"w{n}", writes=("file",)) for n in range(200)])
    assert len(plan.edges) == 199


def test_readers_before_a_writer_make_one_edge_each():
    operations = [
        op("first", writes=("f",)),
        *(op(f"r{n}", reads=("f",)) for n in range(50)),
        op("last", writes=("f",)),
    ]
    plan = analyze_dependencies(operations)
    assert len(plan.edges) == 100
    assert ("first", "last", "waw") not in arrows(plan)


def test_a_given_datum_needs_no_producer():
    plan = analyze_dependencies([op("a", ["repository"])], given=("repository",))
    assert plan.edges == ()
    assert plan.given == ("repository",)


# what is refused


def test_a_circle_is_refused_and_named_with_its_reasons():
    operations = [
        op("before", outputs=["s"]),
        op("a", ["s", "z"], ["x"]),
        op("b", ["x"], ["y"]),
        op("c", ["y"], ["z"]),
        op("after", ["z"]),
    ]
    with pytest.raises(
        CyclicDependency, match=r"a -> b -> c -> a \('b' needs 'x', which 'a' produces; .*LoopWorkflow"
    ) as e:
        analyze_dependencies(operations)
    assert e.value.path == ("a", "b", "c", "a")
    assert len(e.value.because) == 3


def test_an_operation_that_needs_its_own_output_is_a_circle():
    with pytest.raises(CyclicDependency) as e:
        analyze_dependencies([op("a", ["x"], ["x"])])
    assert e.value.path == ("a", "a")


def test_data_against_the_declared_order_of_a_resource_are_a_circle():
    with pytest.raises(CyclicDependency, match="'early' reads 'file' after 'late' has written it"):
        analyze_dependencies([op("late", ["x"], writes=("file",)), op("early", outputs=["x"], reads=("file",))])


def test_a_missing_producer_is_named_and_the_nearest_name_offered():
    with pytest.raises(MissingProducer, match=r"operation 'b' needs 'usres', .*did you mean 'users'"):
        analyze_dependencies([op("a", outputs=["users"]), op("b", ["usres"])])
    with pytest.raises(MissingProducer, match=r"name it in given=\('nothing_like_it',\)"):
        analyze_dependencies([op("b", ["nothing_like_it"])])
    with pytest.raises(MissingProducer, match="did you mean 'repository'"):
        analyze_dependencies([op("b", optional_inputs=("repositroy",))], given=("repository",))


def test_two_producers_of_one_datum_are_refused():
    with pytest.raises(DoubleProducer, match="'x' is produced by 'a' and 'b'"):
        analyze_dependencies([op("a", outputs=["x"]), op("b", outputs=["x"])])
    with pytest.raises(DoubleProducer, match="'x' is produced by \"the plan's input"):
        analyze_dependencies([op("a", outputs=["x"])], given=("x",))


def test_two_operations_of_one_id_are_refused():
    with pytest.raises(DuplicateOperation, match="two operations have the id 'a'"):
        analyze_dependencies([op("a"), op("a")])


def test_an_operation_behind_one_that_is_switched_off_is_unreachable():
    off = op("upload", outputs=["url"], when=False)
    with pytest.raises(
        UnreachableOperation, match="'mail' can never run: it needs 'url' from 'upload', which is switched off"
    ):
        analyze_dependencies([off, op("mail", ["url"])])
    analyze_dependencies([off, op("mail", optional_inputs=("url",)), op("both", ["url"], when=False)])


def test_given_is_a_tuple_of_names():
    with pytest.raises(DefinitionError, match=r"write \('users',\)"):
        analyze_dependencies([], given="users")


def test_every_refusal_is_a_plan_error():
    for error in (CyclicDependency, MissingProducer, DoubleProducer, DuplicateOperation, UnreachableOperation):
        assert issubclass(error, PlanError)


# the graph by itself


def test_a_graph_knows_its_neighbours_in_declared_order():
    graph = DependencyGraph()
    for node in ("a", "b", "c", "a"):
        graph.add_node(node)
    graph.add_edge("a", "c", about=["x"])
    graph.add_edge("a", "c", "war", ["file"])
    edge = graph.add_edge("b", "c")
    assert graph.nodes == ("a", "b", "c")
    assert graph.predecessors("c") == ("a", "b")
    assert graph.successors("a") == ("c",)
    assert edge.because == "'c' needs what is not named, which 'b' produces"
    assert graph.parallel_batches() == (("a", "b"), ("c",))


def test_an_edge_to_an_unknown_node_is_refused():
    graph = DependencyGraph()
    graph.add_node("a")
    with pytest.raises(DefinitionError, match="there is no node 'b'"):
        graph.add_edge("a", "b")


def test_no_operations_make_an_empty_plan():
    plan = analyze_dependencies([])
    assert (plan.batches, plan.edges, plan.critical_path) == ((), (), ())
    assert plan.estimate().speedup == 1.0


# any plan


@given_(operations_of_a_dag())
@settings(max_examples=80, deadline=None)
def test_every_batch_needs_only_those_before_it_and_comes_as_early_as_it_can(operations):
    plan = analyze_dependencies(operations)
    level = {id: number for number, batch in enumerate(plan.batches) for id in batch}
    assert sorted(level) == sorted(plan.operations)
    for id in plan.operations:
        before = [level[edge.origin] for edge in plan.graph.incoming(id)]
        assert level[id] == max(before, default=-1) + 1


@given_(operations_of_a_dag())
@settings(max_examples=60, deadline=None)
def test_any_two_that_touch_a_resource_of_which_one_writes_are_ordered_as_declared(operations):
    plan = analyze_dependencies(operations)
    reach = {}
    for id in reversed([id for batch in plan.batches for id in batch]):
        reach[id] = {id}.union(*(reach[next_] for next_ in plan.graph.successors(id)))
    for place, one in enumerate(operations):
        for other in operations[place + 1 :]:
            touch = set(one.writes) & {*other.reads, *other.writes} or set(one.reads) & set(other.writes)
            assert not touch or other.id in reach[one.id]


@given_(operations_of_a_dag(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_one_plan_has_one_description(operations, random):
    plan = analyze_dependencies(operations)
    assert analyze_dependencies(operations) == plan
    assert hash(analyze_dependencies(operations)) == hash(plan)
    assert pickle.loads(pickle.dumps(plan)).explain() == plan.explain()
    assert analyze_dependencies(operations).to_json() == plan.to_json()


@given_(st.integers(2, 12), st.data())
def test_a_circle_is_always_found_and_really_one(count, data):
    operations = [op(f"o{n}", [f"d{(n + 1) % count}"], [f"d{n}"]) for n in range(count)]
    extra = [op(f"x{n}", [f"d{data.draw(st.integers(0, count - 1))}"]) for n in range(3)]
    shuffled = data.draw(st.permutations(operations + extra))
    with pytest.raises(CyclicDependency) as e:
        analyze_dependencies(shuffled)
    path = e.value.path
    assert path[0] == path[-1]
    assert len(set(path)) == len(path) - 1 == count
    assert path[0] == next(operation.id for operation in shuffled if operation.id.startswith("o"))
