"""What a run does with its store: when it writes, what it refuses, and what becomes of it when the store breaks."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stretto.core.errors import OutputNotStorable, RunBusy, StoreError
from stretto.core.function import step
from stretto.core.journal import Line
from stretto.core.outcome import Completed, Failed
from stretto.core.step import Context
from stretto.runtime.run import Run, start
from stretto.stores.memory import MemoryStore
from stretto.workflows.sequential import SequentialWorkflow
from tests.runtime.stage import good, kinds, named, sleeper, together, virtually, watch


class Watched(MemoryStore):
    """Notes what is written in ``story``, takes its time for it, and breaks when it is told to."""

    def __init__(self, story: list[str] | None = None, seconds: float = 0.0, break_at: str = "") -> None:
        super().__init__()
        self.story = [] if story is None else story
        self.seconds, self.break_at = seconds, break_at

    async def append(self, run_id: str, lines: Sequence[Line]) -> None:
        await asyncio.sleep(self.seconds)
        for line in lines:
            if f"{line.kind} {line.path}".strip() == self.break_at:
                raise StoreError("the disk is full")
        self.story += [f"kept {line.kind} {line.path}".strip() for line in lines]
        await super().append(run_id, lines)

    async def release(self, run_id: str, owner: str) -> None:
        if self.break_at == "release":
            raise StoreError("the disk is gone")
        await super().release(run_id, owner)


def row(story: list[str], idempotent: bool = False) -> Any:
    def noting(name: str) -> Any:
        async def note(x: Any) -> Any:
            story.append(f"ran {name}")
            return x

        return named(name, note, idempotent=idempotent)

    return SequentialWorkflow(name="row", steps=(noting("a"), noting("b")))


def test_sync_keeps_the_end_of_a_step_before_its_successor_begins() -> None:
    story: list[str] = []
    run = watch(row(story, idempotent=True), 1, store=Watched(story, seconds=1), durability="sync")
    assert run.outcome == Completed(1)
    assert story.index("kept step_completed row/a") < story.index("ran b")


def test_sync_keeps_the_beginning_of_a_step_that_must_not_run_twice_before_it_does_anything() -> None:
    story: list[str] = []
    watch(row(story), 1, store=Watched(story, seconds=1), durability="sync")
    assert story.index("kept step_started row/a") < story.index("ran a")
    assert story.index("kept step_started row/b") < story.index("ran b")


def test_async_does_not_wait_for_the_store() -> None:
    story: list[str] = []
    run = watch(row(story), 1, store=Watched(story, seconds=1), durability="async")
    assert story[:2] == ["ran a", "ran b"]
    assert story[-1] == "kept run_ended"
    assert len([line for line in story if line.startswith("kept")]) == len(run.log)


def test_exit_writes_at_the_end_only() -> None:
    story: list[str] = []
    store = Watched(story)

    @step
    async def slow(x: Any) -> None:
        await asyncio.sleep(100)
        story.append("ran")

    watch(slow, store=store, durability="exit")
    assert story[0] == "ran"
    assert story[-1] == "kept run_ended"


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("break_at", ["run_started", "step_started row/a", "step_completed row/a", "run_ended"])
def test_a_run_whose_store_breaks_ends_with_that_error(durability: Any, break_at: str) -> None:
    run = watch(row([]), 1, store=Watched(break_at=break_at), durability=durability)
    assert isinstance(run.outcome, Failed)
    assert str(run.outcome.error) == "the disk is full"
    assert run.ended.is_set()


def test_a_run_whose_store_breaks_does_not_go_on_working() -> None:
    story: list[str] = []
    slow = SequentialWorkflow(name="row", steps=(sleeper(10, "a"), sleeper(10, "b"), row(story)))
    run = watch(together(slow, slow), store=Watched(break_at="step_started all/row/b"))
    assert isinstance(run.outcome, Failed)
    assert story == []
    assert run.log[-1].at < 12
    assert run.log[-1].status == "failed"  # type: ignore[attr-defined]


def test_a_store_that_cannot_let_a_run_go_is_its_outcome_and_nobody_waits_for_ever() -> None:
    async def main() -> Run[Any]:
        async with start(good, 1, store=Watched(break_at="release")) as run:
            with pytest.raises(StoreError, match="the disk is gone"):
                await run.result()
        return run

    assert virtually(main).outcome.status == "failed"


def test_an_output_that_cannot_be_stored_is_refused_with_the_path_and_the_run_is_kept() -> None:
    @step
    async def odd(x: Any) -> Any:
        return object()

    store = MemoryStore()
    run = watch(SequentialWorkflow(name="row", steps=(good, odd)), 1, store=store, run_id="kept")
    with pytest.raises(OutputNotStorable, match="step 'row/odd' returned"):
        run.outcome.unwrap()
    assert kinds(run, "row/odd") == ["step_started", "step_failed"]
    assert virtually(lambda: store.events("kept"))[-1].status == "failed"
    assert watch(odd).outcome.status == "completed"  # without a store nothing must be storable


def test_one_run_is_written_by_one_at_a_time() -> None:
    async def main() -> Any:
        store = MemoryStore()
        async with start(sleeper(10), store=store, run_id="mine") as first:
            await asyncio.sleep(1)
            async with start(good, store=store, run_id="mine") as second:
                pass
        return first.outcome, second.outcome

    first, second = virtually(main)
    assert first.status == "completed"
    assert isinstance(second.error, RunBusy)


def test_events_are_read_live_and_from_any_place() -> None:
    async def main() -> Any:
        async with start(together(sleeper(1, "a"), sleeper(2, "b"))) as run:
            live = [(event.kind, asyncio.get_running_loop().time()) async for event in run.events()]
            later = [event.kind async for event in run.events(since=3)]
        return live, later, kinds(run)

    live, later, everything = virtually(main)
    assert [kind for kind, _ in live] == everything
    assert later == everything[3:]
    assert [at for kind, at in live if kind == "step_completed"] == [1, 2, 2]


def test_what_somebody_left_behind_says_after_the_end_is_not_in_the_log() -> None:
    contexts: list[Context] = []

    @step
    async def keeps(x: Any, context: Context) -> None:
        contexts.append(context)

    run = watch(keeps)
    count = len(run.log)
    contexts[0].emit(run.log[0])
    assert len(run.log) == count
