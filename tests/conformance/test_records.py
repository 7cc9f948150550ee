"""What every store's records of workflows must do: in memory, in a SQLite file, in PostgreSQL."""

import asyncio
import time
from dataclasses import replace

import pytest

from stretto.core.archive import Conversation, Memory, NotKept, StoredMessage, Todo
from stretto.core.errors import DefinitionError, RunBusy, RunNotFound, StoreError, UnknownSetting
from stretto.core.journal import owner_of_this_process
from stretto.core.records import ROW_TABLES, ExecutionRow, Fold, Records, WorkflowRow
from stretto.stores.archive_rules import IdTaken
from stretto.stores.memory import MemoryStore
from stretto.stores.record_rules import ExecutionStands
from stretto.stores.retention import forget_old
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.stores.logs import ended, keep, started, step, written
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request, tmp_path):
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "sqlite":
        made = SqlStore(tmp_path / "runs.db")
    else:
        made = SqlStore(await empty_tables())
    async with made:
        yield made


@pytest.fixture
def records(store) -> Records:
    return store.records


def workflow(id: str, **more) -> WorkflowRow:
    return WorkflowRow(**{"id": id, "name": f"Name of {id}", "agent_id": "agent", **more})


def execution(run_id: str, workflow_id: str = "w", **more) -> ExecutionRow:
    return ExecutionRow(
        **{"run_id": run_id, "workflow_id": workflow_id, "message": "hello", "agent_id": "agent", **more}
    )


def tool(id: str, at: float = 1.0, **more) -> dict:
    return {"id": id, "created_at": at, **more}


# -- workflows ---------------------------------------------------------------------------------------------------------


async def test_a_workflow_comes_back_as_it_was_given(records):
    given = WorkflowRow(
        id="w", name="Ünïcode 😀 \u202e", agent_id="a-1", status="error", created_at=1.25, updated_at=0.1 + 0.2,
        completed_at=3.5, total_tokens_input=2**40, total_tokens_output=7, total_cost_usd=None, model_id="m:x",
        current_context_tokens=2**33,
    )  # fmt: skip
    await records.add_workflow(given)
    assert await records.workflow("w") == given
    with pytest.raises(IdTaken, match="workflow 'w' is there already"):
        await records.add_workflow(workflow("w"))
    assert await records.workflow("w") == given


async def test_what_is_not_there_is_told_with_what_is_near(records):
    await records.add_workflow(workflow("workflow-1"))
    await records.add_execution(execution("run-1", "workflow-1"))
    await records.keep([Fold(run_id="run-1", workflow_id="workflow-1", lines=1, rows={"message": [tool("row-1")]})])
    with pytest.raises(NotKept, match="there is no workflow 'workflow-2'; did you mean 'workflow-1'"):
        await records.workflow("workflow-2")
    with pytest.raises(NotKept, match="there is no execution 'run-2'; did you mean 'run-1'"):
        await records.execution("run-2")
    with pytest.raises(NotKept, match="there is no message 'row-2'; did you mean 'row-1'"):
        await records.row("message", "row-2")
    for asked in (
        records.change_workflow("x", name="y"), records.delete_workflow("x"), records.row("user_question", "x"),
        records.add_execution(execution("r", "x")), records.change_execution("x", error="y"),
        records.delete_execution("x"),
    ):  # fmt: skip
        with pytest.raises(NotKept):
            await asked
    assert await records.executions(workflow_id="x") == []
    assert await records.rows("message", "x") == []


async def test_workflows_are_listed_last_changed_first_by_text_and_status_and_in_pages(records):
    for number in range(5):
        status = "error" if number % 2 else "idle"
        await records.add_workflow(
            workflow(f"w{number}", name=f"Straße {number} 50%_", updated_at=float(number // 2), status=status)
        )
    assert [row.id for row in (await records.workflows())[0]] == ["w4", "w3", "w2", "w1", "w0"]
    found, total = await records.workflows(limit=2, offset=1)
    assert ([row.id for row in found], total) == (["w3", "w2"], 5)
    assert [row.id for row in (await records.workflows(status="error"))[0]] == ["w3", "w1"]
    assert (await records.workflows(status="error", limit=1))[1] == 2
    for text, count in (("STRASSE 3", 1), ("AGENT", 5), ("50%_", 5), ("5_%", 0), ("w3", 0), ("", 5)):
        assert (await records.workflows(text=text))[1] == count, text
    assert (await records.workflows(text="straße", status="idle", offset=9)) == ([], 3)
    assert await records.workflows(limit=0) == ([], 5)
    with pytest.raises(DefinitionError, match="must be 0 or more"):
        await records.workflows(limit=-1)


async def test_a_changed_workflow_is_found_by_its_new_name_and_stands_first(records):
    await records.add_workflow(workflow("w1", name="old"))
    await records.add_workflow(workflow("w2", updated_at=1.0))
    changed = await records.change_workflow("w1", name="new")
    assert (changed.name, changed.updated_at > 1) == ("new", True)
    assert await records.workflow("w1") == changed
    assert [row.id for row in (await records.workflows())[0]] == ["w1", "w2"]
    assert (await records.workflows(text="old"))[1] == 0
    assert (await records.workflows(text="new"))[1] == 1
    assert (await records.change_workflow("w1", updated_at=5.0)).updated_at == 5.0
    for name in ("key", "colour"):
        with pytest.raises(UnknownSetting, match=f"takes no '{name}'; it takes agent_id"):
            await records.change_workflow("w1", **{name: "x"})


# -- executions --------------------------------------------------------------------------------------------------------


async def test_an_execution_comes_back_as_it_was_given_whatever_its_text(records):
    await records.add_workflow(workflow("w"))
    given = ExecutionRow(
        run_id="r", workflow_id="w", message='a \x00 \udc80 \u2028 "quoted" 😀', agent_id="a", locale="fr",
        created_at=1.5, error="broke \x00", result={"n": [1, 2.5, None], "é": {}}, rerun={"run_id": "x", "mode": "all"},
        lines=3, tokens_input=2**40, tokens_output=1, cost_usd=None, model_id="m", context_tokens=9,
    )  # fmt: skip
    added = await records.add_execution(given)
    assert added == replace(given, ordinal=1)
    assert await records.execution("r") == added
    assert await records.executions() == [added]
    with pytest.raises(IdTaken, match="execution 'r' is there already"):
        await records.add_execution(given)
    with pytest.raises(StoreError, match="the body of execution 'r' is no JSON"):
        await records.change_execution("r", result={"x": object()})
    assert await records.execution("r") == added


async def test_executions_are_numbered_per_workflow_in_the_order_in_which_they_were_asked_for(records):
    for id in ("w", "v"):
        await records.add_workflow(workflow(id))
    for run_id, workflow_id in (("r3", "w"), ("r1", "v"), ("r2", "w"), ("r0", "w")):
        await records.add_execution(execution(run_id, workflow_id, created_at=7.0))
    assert [(row.run_id, row.ordinal) for row in await records.executions(workflow_id="w")] == [
        ("r3", 1), ("r2", 2), ("r0", 3),
    ]  # fmt: skip
    assert [row.run_id for row in await records.executions(limit=2, offset=1)] == ["r1", "r2"]
    assert [row.run_id for row in await records.executions(offset=2)] == ["r2", "r0"]
    await records.change_execution("r2", status="running")
    assert [row.run_id for row in await records.executions(statuses={"running"})] == ["r2"]
    assert [row.run_id for row in await records.executions(workflow_id="v", statuses=("queued", "error"))] == ["r1"]


async def test_a_change_that_came_too_late_is_refused_and_changes_nothing(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r"))
    changed = await records.change_execution("r", expected=("queued", "interrupted"), status="running", started_at=2.0)
    with pytest.raises(ExecutionStands, match="execution 'r' is running by now, not queued or error"):
        await records.change_execution("r", expected=("queued", "error"), message="other")
    with pytest.raises(ExecutionStands, match="is running by now, not queued"):
        await records.delete_execution("r")
    for name in ("ordinal", "workflow_id", "colour"):
        with pytest.raises(UnknownSetting, match=f"a change of an execution takes no '{name}'"):
            await records.change_execution("r", **{name: 1})
    assert await records.execution("r") == changed


async def test_a_workflow_stands_as_its_executions_do(records):
    await records.add_workflow(workflow("w", model_id="first"))

    async def now() -> tuple:
        row = await records.workflow("w")
        return row.status, row.completed_at

    await records.add_execution(execution("r1"))
    assert await now() == ("idle", None)
    await records.change_execution("r1", status="running", started_at=1.0)
    assert await now() == ("running", None)
    await records.add_execution(execution("r2"))
    await records.change_execution("r1", status="completed", ended_at=2.0)
    assert await now() == ("completed", 2.0)
    await records.change_execution("r2", status="running", started_at=3.0)
    assert await now() == ("running", None)
    for status, expected in (("error", "error"), ("interrupted", "error"), ("cancelled", "idle")):
        await records.change_execution("r2", status=status, ended_at=4.0)
        assert await now() == (expected, None)
    await records.change_execution("r1", ended_at=5.0)  # it was resumed after the other
    assert await now() == ("completed", 5.0)
    assert (await records.workflow("w")).model_id == "first"


async def test_an_execution_without_times_stands_by_what_it_has(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r1", status="completed", created_at=3.0))
    await records.add_execution(execution("r2", status="error", created_at=1.0, started_at=2.0))
    held = await records.workflow("w")
    assert (held.status, held.completed_at) == ("completed", 3.0)


async def test_a_workflow_sums_up_what_its_executions_took(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(
        execution("r1", tokens_input=10, tokens_output=1, cost_usd=0.25, model_id="m1", context_tokens=9)
    )
    await records.add_execution(execution("r2"))
    await records.change_execution("r2", tokens_input=5, tokens_output=2, cost_usd=0.5)
    held = await records.workflow("w")
    assert (held.total_tokens_input, held.total_tokens_output, held.total_cost_usd) == (15, 3, 0.75)
    assert (held.model_id, held.current_context_tokens) == ("m1", 9)
    await records.change_execution("r2", cost_usd=None, model_id="m2", context_tokens=4)
    held = await records.workflow("w")
    assert (held.total_cost_usd, held.model_id, held.current_context_tokens) == (None, "m2", 4)
    await records.add_execution(execution("r3", tokens_input=100))
    await records.delete_execution("r3")
    assert (await records.workflow("w")).total_tokens_input == 15
    with pytest.raises(NotKept):
        await records.execution("r3")


# -- rows --------------------------------------------------------------------------------------------------------------


async def test_rows_are_written_by_their_ids_and_read_in_the_order_of_their_creation(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r"))
    first = [tool("b", 2.0, text="x \x00 \udc80 😀"), tool("a", 2.0, n=[1, None]), tool("c", 1.0)]
    await records.keep([Fold(run_id="r", workflow_id="w", lines=3, rows={"tool_execution": first})])
    assert await records.rows("tool_execution", "w") == [first[2], first[0], first[1]]
    changed = tool("b", 2.0, text="changed", status="completed")
    await records.keep([Fold(run_id="r", workflow_id="w", lines=5, rows={"tool_execution": [changed, tool("d", 3.0)]})])
    assert await records.rows("tool_execution", "w") == [first[2], changed, first[1], tool("d", 3.0)]
    assert await records.rows("tool_execution", "w", limit=2, offset=1) == [changed, first[1]]
    assert await records.rows("tool_execution", "w", offset=3) == [tool("d", 3.0)]
    assert await records.row_texts("tool_execution", "w", limit=1) == ['{"id":"c","created_at":1.0}']
    assert await records.row("tool_execution", "b") == {**changed, "workflow_id": "w", "run_id": "r"}
    assert (await records.execution("r")).lines == 5
    assert await records.rows("message", "w") == []
    assert await records.row_counts("w") == {table: 4 if table == "tool_execution" else 0 for table in ROW_TABLES}


async def test_rows_stand_in_the_order_of_their_executions_whatever_clocks_say(records):
    await records.add_workflow(workflow("w"))
    for number in (1, 2):
        await records.add_execution(execution(f"r{number}"))
    for run_id, at in (("r2", 1.0), ("r1", 9.0)):
        rows = {"message": [tool(f"{run_id}-later", at + 1), tool(f"{run_id}-first", at)]}
        await records.keep([Fold(run_id=run_id, workflow_id="w", lines=1, rows=rows)])
    told = [row["id"] for row in await records.rows("message", "w")]
    assert told == ["r1-first", "r1-later", "r2-first", "r2-later"]


async def test_every_table_keeps_rows_of_its_own(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r"))
    rows = {table: [tool("same", text=table)] for table in ROW_TABLES}
    await records.keep([Fold(run_id="r", workflow_id="w", lines=1, rows=rows)])
    for table in ROW_TABLES:
        assert await records.rows(table, "w") == rows[table]


async def test_what_folds_tell_of_executions_is_kept_with_their_rows_and_sums(records):
    await records.add_workflow(workflow("w"))
    await records.add_workflow(workflow("v"))
    for run_id, workflow_id in (("r1", "w"), ("r2", "w"), ("r3", "v")):
        await records.add_execution(execution(run_id, workflow_id, message=f"for {run_id}"))
    told = {"status": "completed", "started_at": 1.0, "ended_at": 2.0, "result": {"report": "é"}, "tokens_input": 4}
    await records.keep(
        [
            Fold(run_id="r1", workflow_id="w", lines=9, execution=told),
            Fold(run_id="r2", workflow_id="w", lines=2, execution={"status": "running", "tokens_input": 3}),
            Fold(run_id="r3", workflow_id="v", lines=1, rows={"message": [tool("m")]}),
            Fold(run_id="r2", workflow_id="w", lines=4, execution={"cost_usd": None, "model_id": "m", "error": "no"}),
        ]
    )
    held = {row.run_id: row for row in await records.executions()}
    assert held["r1"] == execution("r1", message="for r1", ordinal=1, lines=9, **told)
    assert held["r2"] == execution(
        "r2", message="for r2", ordinal=2, lines=4, status="running", tokens_input=3, cost_usd=None, model_id="m",
        error="no",
    )  # fmt: skip
    assert held["r3"] == execution("r3", "v", message="for r3", ordinal=1, lines=1)
    row = await records.workflow("w")
    assert (row.status, row.total_tokens_input, row.total_cost_usd, row.model_id) == ("running", 7, None, "m")
    assert (await records.workflow("v")).status == "idle"
    await records.keep([])


async def test_a_fold_of_what_is_gone_is_passed_over_and_the_others_are_kept(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r"))
    await records.keep(
        [
            Fold(run_id="gone", workflow_id="w", lines=1, rows={"message": [tool("m1")]}),
            Fold(run_id="r", workflow_id="gone", lines=7, rows={"message": [tool("m2")]}),
            Fold(run_id="r", workflow_id="w", lines=2, rows={"message": [tool("m3")]}),
        ]
    )
    assert await records.rows("message", "w") == [tool("m3")]
    assert (await records.find_rows("message")).total == 1
    assert (await records.execution("r")).lines == 2
    await records.keep([Fold(run_id="gone", workflow_id="gone", lines=1)])


async def test_folds_are_kept_all_or_none(records):
    await records.add_workflow(workflow("w"))
    await records.add_execution(execution("r"))
    good = Fold(run_id="r", workflow_id="w", lines=2, rows={"message": [tool("m")]}, execution={"status": "running"})
    for bad in (
        Fold(run_id="r", workflow_id="w", lines=3, rows={"thinking_step": [tool("t", text=object())]}),
        Fold(run_id="r", workflow_id="w", lines=3, execution={"result": {"x": object()}}),
        Fold(run_id="r", workflow_id="w", lines=3, execution={"colour": "red"}),
    ):
        with pytest.raises((StoreError, DefinitionError)):
            await records.keep([good, bad])
        assert await records.rows("message", "w") == []
        assert await records.execution("r") == execution("r", ordinal=1)
        assert (await records.workflow("w")).status == "idle"


async def test_rows_of_all_workflows_are_found_by_their_status_newest_first(records):
    for id in ("w", "v"):
        await records.add_workflow(workflow(id))
        await records.add_execution(execution(f"r-{id}", id))
        await records.keep(
            [
                Fold(
                    run_id=f"r-{id}", workflow_id=id, lines=1,
                    rows={
                        "user_question": [
                            tool(f"{id}1", 1.0, status="pending"), tool(f"{id}2", 2.0, status="answered"),
                            tool(f"{id}3", 3.0, status="pending"),
                        ]
                    },
                )
            ]
        )  # fmt: skip
    found = await records.find_rows("user_question", statuses=("pending",))
    assert ([row["id"] for row in found.rows], found.total) == (["v3", "w3", "v1", "w1"], 4)
    assert found.rows[1] == {**tool("w3", 3.0, status="pending"), "workflow_id": "w", "run_id": "r-w"}
    page = await records.find_rows("user_question", limit=2, offset=2)
    assert ([row["id"] for row in page.rows], page.total) == (["v2", "w2"], 6)
    assert await records.find_rows("user_question", statuses=("expired",)) == ([], 0)
    assert await records.find_rows("message") == ([], 0)


async def test_many_writers_at_once_get_in_nobodys_way(records):
    ids = [f"w{number}" for number in range(4)]
    for id in ids:
        await records.add_workflow(workflow(id))
        await records.add_execution(execution(f"r-{id}", id))

    def told(number: int, *of: str) -> list[Fold]:
        return [
            Fold(run_id=f"r-{id}", workflow_id=id, lines=number, rows={"message": [tool(f"{id}-{number}")]})
            for id in of
        ]

    async def delete(id: str) -> None:
        await records.delete_workflow(id)

    await asyncio.gather(
        *(records.keep(told(number, *(ids if number % 2 else reversed(ids)))) for number in range(8)),
        *(records.add_execution(execution(f"more-{number}", ids[number % 3])) for number in range(9)),
        *(records.change_execution(f"r-{id}", status="running", tokens_input=5) for id in ids[:3]),
        *(records.change_workflow(id, name="new") for id in ids[:3]),
        delete(ids[3]),
    )
    for id in ids[:3]:
        assert [row.ordinal for row in await records.executions(workflow_id=id)] == [1, 2, 3, 4]
        assert (await records.row_counts(id))["message"] == 8
        held = await records.workflow(id)
        assert (held.name, held.status, held.total_tokens_input) == ("new", "running", 5)
    assert (await records.find_rows("message")).total == 24


# -- deletion ----------------------------------------------------------------------------------------------------------


async def full_house(store, id: str) -> None:
    """Keeps a workflow that has something in every table."""
    records, archive = store.records, store.archive
    await records.add_workflow(workflow(id))
    for number in (1, 2):
        run_id = f"{id}-r{number}"
        await records.add_execution(execution(run_id, id))
        big = {"text": f"{id}{number}" * 50_000}
        await keep(store, run_id, [started(run_id), *step("a", 0.1, 0.2, big), ended(0.3)])
        rows = {table: [tool(f"{run_id}-{table}")] for table in ROW_TABLES}
        await records.keep([Fold(run_id=run_id, workflow_id=id, lines=4, rows=rows)])
    await archive.add_memory(Memory(id=f"{id}-m", type="context", content="of it", workflow_id=id))
    await archive.add_todo(Todo(id="t1", workflow_id=id, name="first"))
    await archive.add_todo(Todo(id="t2", workflow_id=id, name="second", dependencies=("t1",)))
    await archive.begin_conversation(Conversation(id=id, title="t", agent_id="a", created_at=1.0, updated_at=1.0))
    await archive.add_messages(id, [StoredMessage(seq=0, role="user", body={"text": "hi"}, at=1.0)])


async def test_a_deleted_workflow_takes_all_that_is_its_own_with_it_and_nothing_else(store):
    for id in ("w", "v"):
        await full_house(store, id)
    await store.archive.add_memory(Memory(id="general", type="knowledge", content="of all"))
    await keep(store, "other")
    await store.records.delete_workflow("w")
    with pytest.raises(NotKept):
        await store.records.workflow("w")
    for run_id in ("w-r1", "w-r2"):
        with pytest.raises(NotKept):
            await store.records.execution(run_id)
        with pytest.raises(RunNotFound):
            await store.summary(run_id)
    assert {run.id for run in await store.runs()} == {"v-r1", "v-r2", "other"}
    assert {found.id for found in await store.archive.memories()} == {"v-m", "general"}
    assert await store.archive.todos("w") == []
    assert [found.id for found in await store.archive.conversations()] == ["v"]
    for table in ROW_TABLES:
        assert await store.records.rows(table, "w") == []
        assert [row["id"] for row in await store.records.rows(table, "v")] == [f"v-r1-{table}", f"v-r2-{table}"]
    assert len(await store.events("v-r1")) == 4
    assert [todo.id for todo in await store.archive.todos("v")] == ["t1", "t2"]
    assert len(await store.archive.messages("v")) == 1
    await full_house(store, "w")  # its ids are free again


async def test_a_workflow_whose_run_is_live_is_not_deleted_and_loses_nothing(store):
    await full_house(store, "w")
    owner = owner_of_this_process()
    await store.claim("w-r2", owner)
    with pytest.raises(RunBusy, match="run 'w-r2' is being written by"):
        await store.records.delete_workflow("w")
    assert {run.id for run in await store.runs()} == {"w-r1", "w-r2"}
    assert len(await store.records.executions(workflow_id="w")) == 2
    assert len(await store.archive.todos("w")) == 2
    await store.release("w-r2", owner)
    await store.records.delete_workflow("w")
    assert await store.runs() == []


async def test_a_claimed_run_without_a_line_keeps_its_workflow(store):
    await store.records.add_workflow(workflow("w"))
    await store.records.add_execution(execution("r"))
    await store.claim("r", owner_of_this_process())
    with pytest.raises(RunBusy):
        await store.records.delete_workflow("w")


async def test_a_closed_store_keeps_no_records(tmp_path):
    for made in (MemoryStore(), SqlStore(tmp_path / "runs.db")):
        await made.close()
        with pytest.raises(StoreError, match="the store is closed"):
            await made.records.workflows()
        with pytest.raises(StoreError, match="the store is closed"):
            await made.records.keep([Fold(run_id="r", workflow_id="w", lines=0)])


async def test_what_was_given_or_returned_can_be_changed_without_changing_what_is_kept(records):
    await records.add_workflow(workflow("w"))
    result, row = {"steps": [1]}, {"id": "m", "created_at": 1.0, "parts": [1]}
    await records.add_execution(execution("r", result=result))
    await records.keep([Fold(run_id="r", workflow_id="w", lines=1, rows={"message": [row]})])
    result["steps"].append(2)
    row["parts"].append(2)
    (await records.execution("r")).result["steps"].append(3)
    (await records.rows("message", "w"))[0]["parts"].append(3)
    assert (await records.execution("r")).result == {"steps": [1]}
    assert (await records.rows("message", "w"))[0]["parts"] == [1]


# -- retention ---------------------------------------------------------------------------------------------------------


async def test_what_nothing_happened_to_for_long_is_forgotten_and_nothing_else(store, monkeypatch):
    records, archive = store.records, store.archive
    for id in ("old", "queued", "kept"):
        await records.add_workflow(workflow(id))
        await records.add_execution(execution(f"{id}-r", id))
        await keep(store, f"{id}-r")
    for id in ("old", "kept"):
        await records.change_execution(f"{id}-r", status="completed", ended_at=1.0)
    await keep(store, "alone")
    owner = owner_of_this_process()
    await store.claim("live", owner)
    await store.append("live", written([started("live")]))
    await archive.add_memory(Memory(id="m", type="context", content="x", expires_at=1.0))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10 * 86_400)
    await records.change_workflow("kept", name="touched")
    await keep(store, "young", started_at=now + 9 * 86_400)
    assert await records.silent_workflows(now + 86_400) == ["old"]
    assert await store.silent(now + 86_400) == ["alone"]
    assert await forget_old(store, None) == ([], [], 1)
    assert await forget_old(store, 20) == ([], [], 0)
    assert await forget_old(store, 9.5) == (["old"], ["alone"], 0)
    assert {run.id for run in await store.runs()} == {"queued-r", "kept-r", "live", "young"}
    assert {row.id for row in (await records.workflows())[0]} == {"queued", "kept"}
    assert await forget_old(store, 9.5) == ([], [], 0)
    await store.release("live", owner)


async def test_a_workflow_that_has_just_been_gone_on_with_is_not_forgotten(store, monkeypatch):
    await store.records.add_workflow(workflow("w"))
    await store.records.add_execution(execution("r", status="interrupted"))
    await store.records.change_workflow("w", updated_at=1.0)
    await keep(store, "r", release=False)
    assert await forget_old(store, 1) == ([], [], 0)
    assert (await store.records.workflow("w")).status == "error"
