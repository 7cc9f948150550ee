"""Rows beside the logs: all of them, none twice, none before its log, and none lost when a store refuses."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from stretto.agents.call import CallResult
from stretto.core.codec import encode
from stretto.core.errors import StoreError
from stretto.core.events import (
    AgentStarted,
    ErrorRecord,
    Event,
    ModelDelta,
    ModelUsed,
    RunEnded,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepRetrying,
    StepStarted,
)
from stretto.core.journal import Line
from stretto.core.records import ROW_TABLES, ExecutionRow, Fold, WorkflowRow
from stretto.models.messages import ToolCall
from stretto.server import projection as projections
from stretto.server.projection import Projection, Projector
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.agents.test_row_fold import CREW

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: Any, tmp_path: Any) -> Any:
    async with MemoryStore() if request.param == "memory" else SqlStore(tmp_path / "runs.db") as made:
        yield made


async def execution(store: Store, run_id: str = "r", workflow_id: str = "w") -> ExecutionRow:
    await store.records.add_workflow(WorkflowRow(id=workflow_id, name="Work", agent_id="lead"))
    row = ExecutionRow(run_id=run_id, workflow_id=workflow_id, message="look at it", agent_id="lead", created_at=1.0)
    return await store.records.add_execution(row)


def of_run(run_id: str, events: Sequence[Event] = CREW) -> list[Event]:
    return [replace(event, run_id=run_id) if isinstance(event, RunStarted) else event for event in events]


def begun(*more: Event) -> list[Event]:
    return [
        RunStarted("", 0.0, "r", "lead", 100.0),
        AgentStarted("lead", 0.0, "lead", "Lead", model="x:big", task="look at it"),
        StepStarted("lead/model", 1.0, step="model"),
        *more,
    ]


async def kept(store: Store) -> dict[str, list[Any]]:
    return {table: list(await store.records.rows(table, "w")) for table in ROW_TABLES}


class Watched:
    """Hands on to a store's records, and remembers what it was given; refuses while ``why`` is set."""

    def __init__(self, store: Store) -> None:
        self.given: list[list[Fold]] = []
        self.why = ""
        self.refused: set[str] = set()
        self._keep = store.records.keep
        self.held = anyio.Event()
        self.held.set()
        self.reached = anyio.Event()

    async def keep(self, folds: Sequence[Fold]) -> None:
        self.reached.set()
        await self.held.wait()
        if self.why or any(fold.run_id in self.refused for fold in folds):
            raise StoreError(self.why or "no")
        self.given.append(list(folds))
        await self._keep(folds)

    @property
    def ids(self) -> list[str]:
        return [str(row["id"]) for folds in self.given for fold in folds for rows in fold.rows.values() for row in rows]


def watched(store: Store) -> tuple[Watched, Projector]:
    records = Watched(store)
    made: Any = records
    return records, Projector(made)


async def settled(store: Store, events: Sequence[Event], *cuts: int) -> None:
    """Projects a log in pieces, each written."""
    _, projector = watched(store)
    projection = projector.projection(await store.records.execution("r"))
    for first, last in zip((0, *cuts), (*cuts, len(events)), strict=True):
        projection.take(events[first:last])
        await projector._write([projection])
    await projector.settle(projection)


async def test_a_log_in_pieces_is_written_as_it_is_at_once(store: Store) -> None:
    await execution(store)
    log = of_run("r")
    await settled(store, log, 5, 20, 60, len(log) - 1)
    pieces = await kept(store)
    async with MemoryStore() as other:
        await execution(other)
        await settled(other, log)
        assert await kept(other) == pieces
    assert {table: len(rows) for table, rows in pieces.items()} == {
        "message": 2, "tool_execution": 5, "thinking_step": 2, "sub_agent_execution": 3, "validation_request": 0,
        "user_question": 0,
    }  # fmt: skip
    row = await store.records.execution("r")
    assert (row.status, row.lines, row.error, row.model_id) == ("completed", len(log), None, "openai:big")
    assert (row.ended_at, row.started_at) == (pytest.approx(log[0].started_at + log[-1].at), log[0].started_at)
    assert row.result is not None
    assert (row.result["response"], row.result["metrics"]["model"]) == ("All done.", "big")
    assert len(row.result["tool_executions"]) == 4
    workflow = await store.records.workflow("w")
    assert (workflow.status, workflow.total_tokens_input) == ("completed", row.tokens_input)


async def test_the_message_is_there_whole_as_soon_as_the_run_begins(store: Store) -> None:
    row = await execution(store)
    _, projector = watched(store)
    projection = projector.projection(row)
    projection.take(begun()[:1])
    await projector._write([projection])
    [message] = await store.records.rows("message", "w")
    assert (message["role"], message["content"], message["run_id"]) == ("user", "look at it", "r")
    assert (await store.records.execution("r")).status == "running"


async def test_what_goes_on_writes_nothing_again_that_is_written(store: Store) -> None:
    log = [*of_run("r")[:-1], RunResumed("", CREW[-1].at, 3), replace(CREW[-1], at=CREW[-1].at + 1)]
    first = 40
    await execution(store)
    records, projector = watched(store)
    projection = projector.projection(await store.records.execution("r"))
    projection.take(log[:first])
    await projector.settle(projection)
    then = set(records.ids)
    records, projector = watched(store)
    row = await store.records.execution("r")
    assert row.lines == first
    projection = projector.projection(row)
    projection.take(log[: first - 10])
    await projector._write([projection])
    assert not records.given
    projection.take(log[first - 10 : first])
    assert not projection.has_changed
    projection.take(log[first:])
    await projector.settle(projection)
    assert then - set(records.ids), "some of what was written did not change"
    assert len(records.given) == 1
    goes_on = await kept(store)
    async with MemoryStore() as other:
        await execution(other)
        await settled(other, log)
        assert await kept(other) == goes_on


async def test_an_execution_that_fails_says_why(store: Store) -> None:
    for place, (ended, status, error) in enumerate(
        (
            (RunEnded("", 2.0, "failed", None, ErrorRecord("E", "no model")), "error", "no model"),
            (RunEnded("", 2.0, "timed_out"), "error", "the run was timed out"),
            (RunEnded("", 2.0, "cancelled", "cancelled by the user"), "cancelled", "cancelled by the user"),
        )
    ):
        row = await execution(store, f"r{place}", f"w{place}")
        projector = Projector(store.records)
        projection = projector.projection(row)
        projection.take(of_run(f"r{place}", begun(ModelUsed("lead/model", 1.5, "x:big", 7, 3), ended)))
        await projector.settle(projection)
        row = await store.records.execution(f"r{place}")
        assert (row.status, row.error, row.result) == (status, error, None)
        assert (row.tokens_input, row.tokens_output, row.cost_usd, row.context_tokens) == (7, 3, None, 7)
        assert row.ended_at == 102.0


async def test_lines_that_change_no_row_are_not_written_before_the_last(store: Store) -> None:
    records, projector = watched(store)
    projection = projector.projection(await execution(store))
    projection.take(begun())
    await projector._write([projection])
    projection.take([ModelDelta("lead/model", 2.0, "tool_call", "{", 0, "read", "1")] * 3)
    await projector._write([projection])
    assert len(records.given) == 1
    await projector.settle(projection)
    assert (await store.records.execution("r")).lines == len(begun()) + 3


async def test_rows_wait_for_their_log_to_be_on_disk(store: Store) -> None:
    records, projector = watched(store)
    projection = projector.projection(await execution(store))
    on_disk = anyio.Event()
    projection.flushed = on_disk.wait
    projection.take(begun())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(projector.settle, projection)
        await anyio.wait_all_tasks_blocked()
        assert not records.given
        on_disk.set()
    assert records.given


async def test_rows_of_a_log_that_broke_are_not_written(store: Store) -> None:
    records, projector = watched(store)
    projection = projector.projection(await execution(store))

    async def broken() -> None:
        raise StoreError("the disk is full")

    projection.flushed = broken
    projection.take(begun())
    with pytest.raises(StoreError, match="disk is full"):
        await projector.settle(projection)
    assert not records.given


async def test_what_is_taken_while_rows_are_written_is_not_lost(store: Store) -> None:
    records, projector = watched(store)
    projection = projector.projection(await execution(store))
    records.held = anyio.Event()
    first = begun(ModelDelta("lead/model", 1.0, "text", "one "))
    projection.take(first)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(projector._write, [projection])
        await records.reached.wait()
        projection.take([ModelDelta("lead/model", 2.0, "text", "two")])
        tasks.start_soon(projector.settle, projection)
        await anyio.wait_all_tasks_blocked()
        records.held.set()
    assert [row["content"] for row in await store.records.rows("message", "w")] == ["look at it", "one two"]
    assert (await store.records.execution("r")).lines == len(first) + 1


async def test_words_that_broke_off_are_removed(store: Store) -> None:
    projector = Projector(store.records)
    projection = projector.projection(await execution(store))
    projection.take(
        begun(ModelDelta("lead/model", 1.0, "text", "half an"), ModelDelta("lead/model", 1.0, "reasoning", "h"))
    )
    await projector._write([projection])
    assert len(await store.records.rows("message", "w")) == 2
    projection.take([StepRetrying("lead/model", 2.0, 1, ErrorRecord("E", "gone"), 0.0)])
    projection.gather()
    projection.take([ModelDelta("lead/model", 3.0, "reasoning", "again")])
    await projector.settle(projection)
    assert [row["role"] for row in await store.records.rows("message", "w")] == ["user"]
    assert [row["content"] for row in await store.records.rows("thinking_step", "w")] == ["again"]


# -- a store that refuses ----------------------------------------------------------------------------------------------


async def working(projector: Projector, monkeypatch: pytest.MonkeyPatch, tasks: Any) -> None:
    monkeypatch.setattr(projections, "INTERVAL", 0.01)
    monkeypatch.setattr(projections, "RETRY", 0.01)
    tasks.start_soon(projector.work)


async def until(done: Any) -> None:
    with anyio.fail_after(20):
        while not await done():  # noqa: ASYNC110  # nothing tells when a store has written
            await anyio.sleep(0.005)


async def test_what_a_full_disk_does_not_take_is_written_later(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records, projector = watched(store)
    projection = projector.projection(await execution(store))
    projection.take(of_run("r"))
    records.why = "the disk is full"
    with pytest.raises(StoreError, match="disk is full"):
        await projector.settle(projection)
    assert await store.records.rows("message", "w") == []
    async with anyio.create_task_group() as tasks:
        await working(projector, monkeypatch, tasks)

        async def told() -> bool:
            return "disk is full" in caplog.text

        await until(told)
        records.why = ""

        async def written() -> bool:
            return (await store.records.execution("r")).lines == len(CREW)

        await until(written)
        tasks.cancel_scope.cancel()
    assert len(await store.records.rows("message", "w")) == 2
    assert not projector._live
    assert not projector._settled


async def test_one_that_a_store_refuses_holds_up_no_other(store: Store) -> None:
    records, projector = watched(store)
    made = {id: projector.projection(await execution(store, f"r-{id}", id)) for id in ("w", "v", "u")}
    for id, projection in made.items():
        projection.take(of_run(f"r-{id}"))
    records.refused = {"r-v"}
    failed = await projector._write(list(made.values()))
    assert list(failed) == [made["v"]]
    assert [len(await store.records.rows("message", id)) for id in made] == [2, 0, 2]
    records.refused = set()
    await projector.settle(made["v"])
    assert len(await store.records.rows("message", "v")) == 2


async def test_all_that_has_gathered_is_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    records, projector = watched(store)
    for place in range(5):
        projector.projection(await execution(store, f"r{place}", f"w{place}")).take(of_run(f"r{place}"))
    async with anyio.create_task_group() as tasks:
        await working(projector, monkeypatch, tasks)

        async def written() -> bool:
            return bool(records.given)

        await until(written)
        tasks.cancel_scope.cancel()
    assert [len(folds) for folds in records.given] == [5]


async def test_rows_of_a_workflow_that_was_deleted_are_gone_for_good(store: Store) -> None:
    projector = Projector(store.records)
    projection = projector.projection(await execution(store))
    projection.take(of_run("r")[:30])
    await projector._write([projection])
    await store.records.delete_workflow("w")
    projection.take(of_run("r")[30:])
    await projector.settle(projection)
    assert all(not rows for rows in (await kept(store)).values())


# -- after a crash -----------------------------------------------------------------------------------------------------


async def test_a_stored_log_is_folded_anew_where_its_rows_lag_behind(store: Store) -> None:
    row = await execution(store)
    await store.claim("r", "me:1:0:1")
    lines = [Line(place, event.kind, event.path, event.at, encode(event)) for place, event in enumerate(of_run("r"))]
    await store.append("r", lines)
    await store.release("r", "me:1:0:1")
    projector = Projector(store.records)
    projection = projector.projection(row)
    projection.take(of_run("r")[:30])
    await projector.settle(projection)
    row = await store.records.execution("r")
    assert (row.lines, row.status) == (30, "running")
    records, projector = watched(store)
    await projector.refold(store, row)
    row = await store.records.execution("r")
    assert (row.lines, row.status) == (len(lines), "completed")
    records.given.clear()
    await projector.refold(store, row)
    assert not records.ids
    await projector.refold(store, replace(row, run_id="it has not begun"))


async def test_rows_that_tell_more_than_a_log_are_set_right(store: Store) -> None:
    await execution(store)
    await settled(store, of_run("r"))
    row = await store.records.execution("r")
    projector = Projector(store.records)
    projection = projector.projection(row)
    projection.take(of_run("r")[:30])
    await projector.settle(projection)
    row = await store.records.execution("r")
    assert (row.lines, row.status, row.result) == (30, "running", None)


async def test_nothing_that_was_followed_writes_nothing(store: Store) -> None:
    records, projector = watched(store)
    await projector.settle(projector.projection(await execution(store)))
    assert not records.given


async def test_no_value_of_a_tool_makes_a_row_that_cannot_be_written(store: Store) -> None:
    call = ToolCall("1", "read", "{}")
    odd = {"nan": float("nan"), "set": {1}, "deep": [{"half": "\ud83d", "nul": "\x00"}]}
    result = CallResult(call=call, origin="local", server="", arguments=odd, content="\x00 \ud83d")
    log = begun(StepStarted("lead/tools/read", 1.0, step="call"), StepCompleted("lead/tools/read", 2.0, result))
    row = await execution(store)
    projector = Projector(store.records)
    projection = projector.projection(row)
    projection.take(log)
    await projector.settle(projection)
    [text] = await store.records.row_texts("tool_execution", "w")
    told = json.loads(text, parse_constant=partial(pytest.fail))
    assert (told["input_params"]["nan"], told["input_params"]["set"]) == ("NaN", [1])
    assert told["output_result"] == "\x00 \ud83d"


def test_taking_an_event_costs_next_to_nothing() -> None:
    projection = Projection(ExecutionRow(run_id="r", workflow_id="w", message="m", agent_id="a"))
    log = begun(*(ModelDelta("lead/model", 2.0, "text", "word ") for _ in range(20_000)))
    began = time.thread_time()
    projection.take(log)
    projection.gather()
    assert time.thread_time() - began < 1.0  # it takes 0.02 s, whatever else runs
