"""Going on from a log: nothing completed runs twice, what was under way is decided, changed code is noticed."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.codec import decode, encode
from stretto.core.errors import CodeChanged, DefinitionError, ExecutionError, HumanAborted
from stretto.core.events import Event, StepAbandoned, StepCompleted, StepStarted
from stretto.core.function import step
from stretto.core.outcome import Completed
from stretto.core.step import Context, Request
from stretto.runtime.replay import replay
from stretto.runtime.run import Run, start
from stretto.stores.memory import MemoryStore
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.sequential import SequentialWorkflow
from tests.runtime.stage import go, kinds, named, told, virtually, watch

Shape = Any


class Bench:
    """Makes workflows of shapes, and counts how often each of their steps is executed."""

    def __init__(self) -> None:
        self.ran: Counter[str] = Counter()

    def make(self, shape: Shape, name: str = "top") -> Any:
        kind, *parts = shape
        made = [self.make(part, f"p{place}") for place, part in enumerate(parts)]
        if kind == "sequence":
            return SequentialWorkflow(name=name, steps=tuple(made))
        if kind == "parallel":
            return ParallelWorkflow(name=name, steps=tuple(made))
        if kind == "map":
            return MapReduceWorkflow(name=name, map=self.leaf("item"), reduce=self.leaf("reduced"))
        return self.leaf(name)

    def leaf(self, name: str) -> Any:
        async def work(x: Any, context: Context) -> Any:
            self.ran[context.path] += 1
            await asyncio.sleep(0)
            return [name, *x][:4] if isinstance(x, list) else [name, x]

        return named(name, work, idempotent=True)


leaves = st.sampled_from([("leaf",), ("map",)])
shapes = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, parts: (kind, *parts),
        st.sampled_from(["sequence", "parallel"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@given(shapes, st.integers(0, 1000))
@settings(max_examples=12, deadline=None)
def test_a_run_cut_anywhere_and_resumed_ends_as_if_it_had_not_been_cut(shape: Shape, seed: int) -> None:
    whole = watch(Bench().make(shape), ["x"], seed=seed)
    expected = whole.outcome.unwrap()
    kept = [decode(event.kind, event.path, event.at, encode(event)) for event in whole.log]
    for cut in range(len(kept)):
        bench = Bench()
        resumed = watch(bench.make(shape), ["x"], seed=seed + cut, resume=kept[:cut])
        assert resumed.outcome == Completed(expected)
        done = {event.path for event in kept[:cut] if isinstance(event, StepCompleted)}
        assert not done & set(bench.ran)
        assert set(bench.ran.values()) <= {1}
        finished = Counter(event.path for event in resumed.log if isinstance(event, StepCompleted))
        assert set(finished.values()) <= {1}


def test_a_run_can_be_resumed_again_and_again() -> None:
    ran: list[str] = []
    broken = {"b", "c"}

    def work(name: str) -> Any:
        async def do(x: Any) -> Any:
            ran.append(name)
            if name in broken:
                broken.remove(name)
                raise OSError(name)
            return x + 1

        return named(name, do)

    sequence = SequentialWorkflow(name="row", steps=(work("a"), work("b"), work("c")))
    first = watch(sequence, 0)
    second = watch(sequence, 0, resume=first.log)
    third = watch(sequence, 0, resume=second.log)
    assert [run.outcome.status for run in (first, second, third)] == ["failed", "failed", "completed"]
    assert third.outcome == Completed(3)
    assert ran == ["a", "b", "b", "c", "c"]
    fourth = watch(sequence, 0, resume=third.log)
    assert fourth.outcome == Completed(3)
    assert len(ran) == 5


def test_a_run_goes_on_under_its_id_in_its_store() -> None:
    store, ran = MemoryStore(), list[str]()

    def work(name: str) -> Any:
        async def do(x: Any) -> Any:
            ran.append(name)
            if ran.count("b") == 1 and name == "b":
                raise OSError
            return x

        return named(name, do)

    sequence = SequentialWorkflow(name="row", steps=(work("a"), work("b")))
    assert watch(sequence, 7, store=store, run_id="mine").outcome.status == "failed"
    again = watch(sequence, 7, store=store, run_id="mine")
    assert again.outcome == Completed(7)
    assert ran == ["a", "b", "b"]
    assert kinds(again)[0] == "run_started"
    assert kinds(again).count("run_resumed") == 1


def in_flight(idempotent: bool = False, questions: int = 0) -> tuple[Any, list[Event], list[int]]:
    """Returns a step that runs another, the log of a process that died inside that one, and its executions."""
    ran: list[int] = []

    async def pay(x: Any, context: Context) -> str:
        for _ in range(questions):
            assert (await context.ask(Request(question="sure?"))).approved
        ran.append(1)
        return "paid"

    pays = named("pays", pay, idempotent=idempotent)

    work = SequentialWorkflow(name="top", steps=(pays,))
    log = _answering(work).log
    dead = [event for event in log if not (isinstance(event, StepCompleted) or event.kind == "run_ended")]
    ran.clear()
    return work, dead, ran


def _answering(work: Any, *choices: str, **given: Any) -> Run[Any]:
    async def main() -> Run[Any]:
        left = list(choices)
        async with start(work, **given) as run:
            while run.outcome.status == "not_started":
                await asyncio.sleep(1)
                for question in run.questions:
                    run.answer(question, left.pop(0) if left else "approve", value="by hand", reason="I say so")
        return run

    made: Run[Any] = virtually(main)
    return made


def test_an_idempotent_step_that_was_under_way_runs_again_unasked() -> None:
    work, dead, ran = in_flight(idempotent=True)
    assert go(work, resume=dead) == "paid"
    assert ran == [1]


@pytest.mark.parametrize(("choice", "value", "times"), [("retry", "paid", 1), ("skip", "by hand", 0)])
def test_a_step_that_was_under_way_runs_again_or_is_skipped_as_a_human_says(
    choice: str, value: str, times: int
) -> None:
    work, dead, ran = in_flight()
    run = _answering(work, choice, resume=dead)
    assert run.outcome == Completed(value)
    assert len(ran) == times
    (asked,) = told(run, "asked")
    assert asked.request_id == "top/pays?again1"
    assert asked.choices == ["retry", "skip", "abort"]
    (completed,) = told(run, "step_completed", "top/pays")
    assert completed.source == ("run" if choice == "retry" else "human")


def test_a_step_that_was_under_way_is_aborted_when_a_human_says_so_and_asked_about_again_later() -> None:
    work, dead, ran = in_flight()
    run = _answering(work, "abort", resume=dead)
    with pytest.raises(HumanAborted, match="I say so"):
        run.outcome.unwrap()
    again = _answering(work, "retry", resume=run.log)
    assert again.outcome == Completed("paid")
    assert [asked.request_id for asked in told(again, "asked")] == ["top/pays?again1", "top/pays?again2"]
    assert ran == [1]


def test_a_step_that_dies_twice_is_asked_about_twice() -> None:
    work, dead, ran = in_flight()
    once = _answering(work, "retry", resume=dead)
    dead_again = [event for event in once.log if not (isinstance(event, StepCompleted) or event.kind == "run_ended")]
    ran.clear()
    twice = _answering(work, "skip", resume=dead_again)
    assert twice.outcome == Completed("by hand")
    assert ran == []


def test_a_decision_about_a_step_does_not_take_the_answer_to_a_question_of_its_own() -> None:
    work, dead, ran = in_flight(questions=2)
    run = _answering(work, "retry", resume=dead)
    assert run.outcome == Completed("paid")
    assert [asked.request_id for asked in told(run, "asked")] == ["top/pays?1", "top/pays?2", "top/pays?again1"]
    assert ran == [1]


def test_steps_under_way_run_again_or_stop_the_run_when_it_was_told_so() -> None:
    work, dead, ran = in_flight()
    assert go(work, resume=dead, in_flight="retry") == "paid"
    with pytest.raises(ExecutionError, match="it is not idempotent, so it is not run again unasked"):
        go(work, resume=dead, in_flight="abort")
    assert ran == [1]


def test_what_was_undone_is_done_and_undone_again() -> None:
    did: list[str] = []

    async def undo(x: Any) -> None:
        did.append("unbook")

    async def book(x: Any) -> str:
        did.append("book")
        return "booked"

    async def pay(x: Any) -> str:
        did.append("pay")
        if did.count("pay") < 3:
            raise OSError("declined")
        return "paid"

    row = SequentialWorkflow(name="row", steps=(named("book", book, undo=undo), named("pay", pay)))
    first = watch(row)
    second = watch(row, resume=first.log)
    third = watch(row, resume=second.log)
    assert third.outcome == Completed("paid")
    assert did == ["book", "pay", "unbook"] * 2 + ["book", "pay"]


def test_repeats_and_items_keep_their_places() -> None:
    ran: list[str] = []

    async def work(x: Any, context: Context) -> Any:
        ran.append(context.path)
        if context.path == "top/part#2/work[1]" and broken:
            raise broken.pop()
        return x

    broken = [OSError()]
    each = named("work", work)

    @step(idempotent=True)
    async def top(x: Any, context: Context) -> Any:
        parts = MapReduceWorkflow(name="part", map=each)
        return [await context.run(parts, [1, 2]), await context.run(parts, [3, 4])]

    first = watch(top)
    ran.clear()
    second = watch(top, resume=first.log)
    assert second.outcome == Completed([[1, 2], [3, 4]])
    assert ran == ["top/part#2/work[1]"]


def versions(then: str, now: str, **given: Any) -> Run[Any]:
    """Runs a row whose second step fails, and resumes it with another version of the first."""
    tries: list[int] = []

    async def first(x: Any) -> str:
        return "first"

    async def second(x: Any) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError
        return f"{x} second"

    def row(version: str, name: str = "first") -> Any:
        return SequentialWorkflow(name="row", steps=(named(name, first, version=version), named("second", second)))

    failed = watch(row(then))
    return watch(row(now, given.pop("name", "first")), resume=failed.log, **given)


def test_changed_code_of_what_has_completed_is_refused_and_named() -> None:
    with pytest.raises(CodeChanged) as caught:
        versions("1", "2").outcome.unwrap()
    assert caught.value.changes == {"row/first": "has changed since it completed"}
    assert versions("1", "1").outcome == Completed("first second")


def test_changed_code_is_accepted_when_that_is_said() -> None:
    assert versions("1", "2", on_change="accept").outcome == Completed("first second")


def test_a_renamed_step_needs_a_mapping_and_goes_on_with_one() -> None:
    with pytest.raises(CodeChanged, match="is gone or renamed"):
        versions("1", "1", name="begin").outcome.unwrap()
    mapped = versions("1", "2", name="begin", on_change="map", mapping={"row/first": "row/begin"})
    assert mapped.outcome == Completed("first second")
    assert "step_started" not in kinds(mapped, "row/begin")


def test_changed_code_of_what_has_not_completed_is_compatible() -> None:
    async def one(x: Any) -> str:
        raise OSError

    async def other(x: Any) -> str:
        return "now it works"

    failed = watch(SequentialWorkflow(name="row", steps=(named("only", one),)))
    assert go(SequentialWorkflow(name="row", steps=(named("only", other),)), resume=failed.log) == "now it works"


def test_answers_are_found_under_new_names() -> None:
    tries: list[int] = []

    async def ask(x: Any, context: Context) -> str:
        answer = await context.ask(Request(question="sure?"))
        tries.append(1)
        if len(tries) == 1:
            raise OSError
        return answer.choice

    failed = _answering(SequentialWorkflow(name="row", steps=(named("old", ask),)))
    renamed = SequentialWorkflow(name="row", steps=(named("new", ask),))
    assert go(renamed, resume=failed.log, on_change="map", mapping={"row/old": "row/new"}) == "approve"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mapping": {"a": "b"}}, "belong together"),
        ({"on_change": "map"}, "belong together"),
        ({"on_change": "ignore"}, "on_change must be one of refuse, accept, map, not 'ignore'"),
        ({"in_flight": "skip"}, "in_flight must be one of ask, retry, abort, not 'skip'"),
        ({"durability": "later"}, "durability must be one of sync, async, exit, not 'later'"),
        ({"run_id": "a/b"}, "a run cannot be called 'a/b'"),
        ({"timeout": 0}, "timeout must be greater than 0"),
        ({"max_depth": 0}, "max_depth must be a whole number of at least 1"),
        ({"tiemout": 3}, "run takes no 'tiemout'"),
    ],
)
def test_settings_that_no_run_could_follow_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        watch(named("any", lambda x: x), **given)


def test_a_log_folds_into_what_is_done_and_what_was_under_way() -> None:
    events: list[Event] = [
        StepStarted("a", 0),
        StepCompleted("a", 1, "A"),
        StepAbandoned("a", 2, 1.0),
        StepStarted("b", 3),
        StepAbandoned("c", 4, 1.0),
    ]
    found = replay(events)
    assert found.done == {"a": "A"}
    assert found.in_flight == {"b", "c"}
