"""When what happened is on disk: before the next step begins, with the next group, or at the end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from stretto.core.errors import StoreError
from stretto.core.events import ModelDelta, Said
from stretto.core.function import step
from stretto.core.journal import Line
from stretto.core.step import Context
from stretto.runtime.log import EventLog
from stretto.stores.memory import MemoryStore
from stretto.workflows.sequential import SequentialWorkflow
from tests.runtime.stage import named, watch

STARTS_AND_ENDS = ("step_started", "step_completed")


class Disk(MemoryStore):
    """A store that takes its time, and knows what is written."""

    def __init__(self, broken_after: int | None = None) -> None:
        super().__init__()
        self.written: list[tuple[str, str]] = []
        self.groups = 0
        self._broken_after = broken_after

    async def append(self, run_id: str, lines: Sequence[Line]) -> None:
        await asyncio.sleep(0.01)
        if self._broken_after is not None and self.groups >= self._broken_after:
            raise StoreError("the disk is full")
        await super().append(run_id, lines)
        self.groups += 1
        self.written += [(line.kind, line.path) for line in lines]


def row_of_three(disk: Disk, seen: list[set[tuple[str, str]]], **settings: Any) -> SequentialWorkflow:
    """Returns three steps in turn, each of which looks at what is on disk when it begins."""

    async def look(x: Any) -> Any:
        seen.append({line for line in disk.written if line[0] in STARTS_AND_ENDS})
        return x

    return SequentialWorkflow(name="row", steps=tuple(named(name, look, **settings) for name in "abc"))


def test_sync_has_a_completion_on_disk_before_its_successor_starts() -> None:
    disk, seen = Disk(), list[set[tuple[str, str]]]()
    watch(row_of_three(disk, seen), store=disk, durability="sync")
    assert ("step_completed", "row/a") in seen[1]
    assert {("step_completed", "row/a"), ("step_completed", "row/b")} <= seen[2]


def test_sync_has_the_start_of_what_may_not_run_twice_on_disk_before_it_begins() -> None:
    disk, seen = Disk(), list[set[tuple[str, str]]]()
    watch(row_of_three(disk, seen), store=disk, durability="sync")
    assert all(("step_started", f"row/{name}") in held for name, held in zip("abc", seen, strict=True))
    disk, seen = Disk(), []
    watch(row_of_three(disk, seen, idempotent=True), store=disk, durability="sync")
    assert ("step_started", "row/c") not in seen[2]


def words_then_a_remark(disk: Disk, seen: list[list[str]]) -> Any:
    """Returns a step that says a hundred words within a second, and then something that is no word of a model."""

    @step(name="talk")
    async def talk(x: Any, context: Context) -> None:
        for _ in range(100):
            context.emit(ModelDelta(text="word "))
            await asyncio.sleep(0.01)
        seen.append([kind for kind, _ in disk.written])
        context.emit(Said(text="a remark"))
        await asyncio.sleep(0.03)
        seen.append([kind for kind, _ in disk.written])

    return talk


def test_sync_lets_words_gather_and_writes_everything_else_at_once() -> None:
    disk, seen = Disk(), list[list[str]]()
    ran = watch(words_then_a_remark(disk, seen), store=disk, durability="sync")
    assert disk.groups < 30
    assert 80 < seen[0].count("model_delta") <= 100
    assert seen[1].count("model_delta") == 100
    assert seen[1][-1] == "said"
    assert [kind for kind, _ in disk.written] == [event.kind for event in ran.log]


def test_the_more_runs_write_the_longer_the_words_of_each_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventLog, "writers", 200)
    disk, seen = Disk(), list[list[str]]()
    watch(words_then_a_remark(disk, seen), store=disk, durability="sync")
    assert disk.groups < 10
    assert seen[1][-1] == "said"
    assert EventLog.writers == 200


def test_async_does_not_wait_for_the_disk_and_writes_in_groups() -> None:
    disk, seen = Disk(), list[set[tuple[str, str]]]()
    ran = watch(row_of_three(disk, seen), store=disk, durability="async")
    assert seen == [set()] * 3
    assert disk.groups < len(ran.log)
    assert [kind for kind, _ in disk.written] == [event.kind for event in ran.log]


def test_async_is_what_is_done_unless_something_else_is_said() -> None:
    disk, other = Disk(), Disk()
    watch(row_of_three(disk, []), store=disk)
    watch(row_of_three(other, []), store=other, durability="async")
    assert (disk.groups, len(disk.written)) == (other.groups, len(other.written))


def test_exit_writes_everything_at_the_end() -> None:
    disk = Disk()

    async def late(x: Any) -> int:
        await asyncio.sleep(3600)
        return len(disk.written)

    ran = watch(SequentialWorkflow(name="row", steps=(named("late", late),)), store=disk, durability="exit")
    assert ran.outcome.unwrap() == 0
    assert disk.groups == 1
    assert [kind for kind, _ in disk.written] == [event.kind for event in ran.log]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_run_whose_store_breaks_says_so(durability: str) -> None:
    disk = Disk(broken_after=1 if durability == "sync" else 0)
    ran = watch(row_of_three(disk, []), store=disk, durability=durability)
    assert ran.outcome.status == "failed"
    with pytest.raises(StoreError, match="the disk is full"):
        ran.outcome.unwrap()
