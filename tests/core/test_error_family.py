"""The family of errors is what its drawing says; each tells the thing, the value and the way out, and travels."""

import ast
import copy
import inspect
import pickle
from types import ModuleType
from typing import Any

import pytest

from stretto.core import checks, errors
from stretto.core.errors import (
    BarrierBroken,
    BranchCancelled,
    BranchesFailed,
    BreakConditionMet,
    CircuitOpen,
    CodeChanged,
    CommandFailed,
    CyclicDependency,
    DatabaseRefused,
    DeadlockError,
    DefinitionError,
    DelegationForbidden,
    DoubleProducer,
    DuplicateOperation,
    ExecutionError,
    FileProblem,
    HumanAborted,
    LateItem,
    MemoryExceeded,
    MissingProducer,
    NestingTooDeep,
    NothingSucceeded,
    NotSendable,
    OutputNotStorable,
    OutputTooLarge,
    PlanError,
    PlanFileError,
    ProcessDied,
    ProcessRaised,
    ProgramMissing,
    RunBusy,
    RunNotFound,
    StepTimeout,
    StoreError,
    StrettoError,
    TooFewSucceeded,
    UnknownSetting,
    UnreachableOperation,
    UnresolvedReference,
    ValueMissing,
    WrongBatch,
    WrongOutputs,
    listed,
)

MARKS = "*x-."  # by depth

# each error, and what its message must tell: the thing, the value, the way out
SAMPLES: list[tuple[StrettoError, tuple[str, ...]]] = [
    (StrettoError("said"), ("said",)),
    (DefinitionError("said"), ("said",)),
    (PlanError("said"), ("said",)),
    (ExecutionError("said"), ("said",)),
    (StoreError("said"), ("said",)),
    (UnknownSetting("@step", "tiemout", ["timeout", "name"]), ("@step", "'tiemout'", "name, timeout")),
    (UnresolvedReference("the router", "b", ["d", "a"]), ("the router", "'b'", "can refer to 'a' and 'd'")),
    (PlanFileError("p.yaml", [FileProblem(2, 3, "bad", "a: b")]), ("p.yaml:2:3: bad", "  2 | a: b\n    |   ^")),
    (CyclicDependency(["a", "b", "a"], ["b reads x"]), ("a -> b -> a (b reads x)", "LoopWorkflow")),
    (CyclicDependency(["a", "a"]), ("a -> a;", "remove one of these inputs")),
    (MissingProducer("report", "rows"), ("'report'", "'rows'", "given=('rows',)")),
    (MissingProducer("report", "rows", "row"), ("'report'", "'rows'", "did you mean 'row'?")),
    (DoubleProducer("rows", ["a", "b"]), ("'rows'", "'a' and 'b'", "rename one of them")),
    (DuplicateOperation("a"), ("'a'", "rename one of them")),
    (UnreachableOperation("a", "its condition is never true"), ("'a'", "its condition is never true")),
    (StepTimeout("a/b", 2.5, "branch"), ("branch 'a/b'", "2.5 s")),
    (NothingSucceeded([ValueError("x"), KeyError("y")]), ("none of 2 branches", "ValueError: x; KeyError: 'y'")),
    (NothingSucceeded([], 3), ("none of 3 branches", "no branch was started")),
    (TooFewSucceeded(3, 1, [ValueError("x")]), ("1 branches succeeded", "at least 3", "ValueError: x")),
    (TooFewSucceeded(3, 2, []), ("2 branches", "at least 3", "start more, or ask for fewer")),
    (BranchesFailed("1 of 2 branches failed", [ValueError("x")]), ("1 of 2 branches failed",)),
    (BranchCancelled("a sibling failed"), ("no value", "a sibling failed")),
    (NestingTooDeep(32, "a/b"), ("'a/b'", "32", "raise max_depth")),
    (DelegationForbidden("a/sub"), ("'a/sub'", "only the primary agent delegates")),
    (DeadlockError(["'a' for barrier 'x'", "'b' for 'a'"]), ("'a' for barrier 'x'; 'b' for 'a'",)),
    (BarrierBroken("barrier 'x' lost a party"), ("barrier 'x' lost a party",)),
    (CircuitOpen("search", 5, 29.96), ("'search'", "5 failures", "30 s")),
    (ProcessDied("a", "was killed", "oops"), ("'a'", "was killed", ": oops")),
    (ProcessDied("a", "was killed"), ("the process of 'a' was killed",)),
    (MemoryExceeded("a", 1_000_000), ("'a'", "1,000,000 bytes")),
    (ProcessRaised("a", "m.Odd", "no"), ("'a'", "m.Odd", "no")),
    (NotSendable("a", "the input", "a lock"), ("the input of 'a'", "a lock", "module's top level")),
    (ProgramMissing("a", "no 'gitt'", "install it"), ("'a'", "no 'gitt'", "install it")),
    (CommandFailed("a", "git", 3, "fatal"), ("'git' of 'a'", "status 3", "fatal")),
    (CommandFailed("a", "git", -9, ""), ("killed by signal 9", "wrote nothing to stderr")),
    (ValueMissing("a", "${b.c}", "b is a list"), ("'a'", "${b.c}", "b is a list")),
    (OutputTooLarge("a", 1000), ("'a'", "1,000 bytes", "write to a file")),
    (WrongBatch("a", 3, "2 outputs"), ("'a'", "3 inputs", "2 outputs")),
    (WrongOutputs("a", ["x", "y"], "a list"), ("'a'", "'x' and 'y'", "a list")),
    (OutputNotStorable("a", "m.Lock", "no form"), ("'a'", "m.Lock", "no form", "dataclasses")),
    (BreakConditionMet("found it"), ("found it",)),
    (LateItem(3, 5.5), ("time 3", "5.5", "late='drop'")),
    (HumanAborted("a", "delete it?", "no way"), ("'a'", "delete it?", ": no way")),
    (HumanAborted("a", "delete it?"), ("refused by a human (delete it?)",)),
    (RunNotFound("r1", ["r2", "r3"]), ("'r1'", "did you mean 'r2' and 'r3'?")),
    (RunNotFound("r1"), ("'r1'", "`stretto runs`")),
    (RunBusy("r1", "host:1"), ("'r1'", "host:1", "wait for it")),
    (DatabaseRefused("a.db", "it is a picture"), ("a.db", "it is a picture", "not changed")),
    (CodeChanged("r1", {"a/b": "is gone"}), ("'r1'", "a/b: is gone", "on_change='map'")),
    (checks.CheckFailed("said"), ("said",)),
    (checks.Hung(["'a' waits"], 3.5), ("'a' waits", "3.5 s")),
    (checks.Hung([], 1), ("no task is left", "nothing is left to wait for")),
    (checks.OrderDependent("w", (1, 2), ("3", "4")), ("'w'", "seed 1 gives 3, seed 2 gives 4", "look for")),
    (checks.NotReproducible("w", 7, ("1", "2")), ("'w'", "1 and then 2", "seed 7", "make it anew")),
    (checks.NeverMatched(["a*"], ["c", "b"]), ("preparation for 'a*'", "'b' and 'c'", "correct the name")),
    (checks.UnusedFault(["a"], []), ("the fault for 'a'", "the run had nothing")),
    (checks.UnusedOutput(["a"], ["b"]), ("the output for 'a'", "'b'")),
    (checks.UnusedAnswer(["a"], ["b"]), ("the answer for 'a'", "'b'")),
    (checks.UnexpectedQuestion("a", "May I?", ["Who?"]), ("'a'", "'May I?'", "'Who?'", "answers={...}")),
    (checks.UnexpectedCall("a", 2), ("'a'", "only 2 outputs", "add one")),
    (checks.SomethingLeft(["t"], [], ["p", "q"]), ("tasks: t; processes: p, q",)),
]


def drawn(module: ModuleType) -> list[tuple[str, str | None, str | None]]:
    """Returns what the docstring draws, in order: name, parent, and what it is also."""
    found: list[tuple[str, str | None, str | None]] = []
    line_of_parents: list[str] = []
    for line in (module.__doc__ or "").splitlines()[2:]:
        mark, name, *words = line.split()
        depth = (len(line) - len(line.lstrip())) // 2
        assert MARKS[depth] == mark, line
        also = words[2] if words[:1] == ["also"] else None
        found.append((name, line_of_parents[depth - 1] if depth else None, also))
        line_of_parents[depth:] = [name]
    return found


def classes_of(module: ModuleType) -> list[type[Any]]:
    names = [node.name for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef)]
    return [vars(module)[name] for name in names]


@pytest.mark.parametrize("module", [errors, checks])
def test_the_tree_is_drawn_as_it_is_in_the_order_in_which_it_stands(module):
    tree = drawn(module)
    own = [cls.__name__ for cls in classes_of(module)]
    assert [name for name, _, _ in tree if name in own] == own
    assert {name for name, _, _ in tree} - set(own) == ({"StrettoError"} if module is checks else set())
    for name, parent, also in tree:
        cls = vars(module)[name]
        assert {base.__name__ for base in cls.__bases__} == {one for one in (parent or "Exception", also) if one}, name


def test_every_error_has_a_sample_here():
    known = {cls for module in (errors, checks) for cls in classes_of(module)}
    assert {type(error) for error, _ in SAMPLES} == known


@pytest.mark.parametrize(("error", "told"), SAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_tells_the_thing_the_value_and_the_way_out(error, told):
    for part in told:
        assert part in str(error)


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", [error for error, _ in SAMPLES], ids=lambda value: type(value).__name__)
def test_an_error_travels_between_processes(error, again):
    error.__notes__ = ["in step 'a'"]
    made = again(error)
    assert type(made) is type(error)
    assert (str(made), repr(made.args)) == (str(error), repr(error.args))
    assert repr(vars(made)) == repr(vars(error))


def test_an_error_without_attributes_travels_too():
    made = pickle.loads(pickle.dumps(StoreError("a", 1)))
    assert (made.args, vars(made)) == (("a", 1), {})


def test_a_group_of_failures_stays_one_when_it_is_split():
    group = BranchesFailed("2 failed", [ValueError("a"), StepTimeout("x", 1)])
    late, rest = group.split(TimeoutError)
    assert isinstance(late, BranchesFailed)
    assert isinstance(rest, BranchesFailed)
    assert [str(error) for error in rest.exceptions] == ["a"]
    assert group.derive([KeyError("b")]).message == "2 failed"
    caught = []
    try:
        raise group
    except* TimeoutError as timeouts:
        caught.append(timeouts)
    except* ValueError as values:
        caught.append(values)
    assert [type(part) for part in caught] == [BranchesFailed, BranchesFailed]


def test_a_timeout_is_caught_as_pythons_own():
    assert isinstance(StepTimeout("a", 1), TimeoutError)
    assert isinstance(BranchesFailed("m", [ValueError()]), ExceptionGroup)
    assert issubclass(checks.Hung, AssertionError)


@pytest.mark.parametrize(
    ("names", "told"),
    [([], "nothing"), (["a"], "'a'"), (["a", "b"], "'a' and 'b'"), (["a", "b", "c"], "'a', 'b' and 'c'")],
)
def test_names_are_joined_as_in_a_sentence(names, told):
    assert listed(iter(names)) == told


def test_a_problem_of_a_file_shows_its_line_and_its_place():
    assert FileProblem(0, 0, "it is empty").render("p.yaml") == "p.yaml: it is empty"
    assert FileProblem(12, 2, "bad", "\tx").render("p") == "p:12:2: bad\n  12 | \tx\n     | \t^"
    long = FileProblem(1, 300, "bad", "x" * 400).render("p").splitlines()
    assert len(long[1]) == len("  1 | ") + 140
    assert long[2].index("^") == len("  1 | ") + 99


def test_a_file_with_several_problems_tells_each():
    error = PlanFileError("p.yaml", [FileProblem(0, 0, "one"), FileProblem(0, 0, "two")])
    assert str(error) == "p.yaml has 2 problems:\np.yaml: one\np.yaml: two"
    assert len(error.problems) == 2
