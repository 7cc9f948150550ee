"""What only records on disk must do: leave nothing behind, write with few statements, and be quick."""

import time

import pytest
import sqlalchemy as sa
import sqlalchemy.event

from stretto.core.archive import Conversation, Memory, StoredMessage, Todo
from stretto.core.records import ROW_TABLES, ExecutionRow, Fold, WorkflowRow
from stretto.core.step import Answer
from stretto.stores.schema import metadata
from stretto.stores.sql import SqlStore
from stretto.stores.store import answer_text
from tests.stores.logs import ended, keep, started, step
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def row(id: str, at: float = 1.0, **more) -> dict:
    return {"id": id, "created_at": at, **more}


def counts(connection: sa.Connection) -> dict[str, int]:
    names = [*metadata.tables, *(["memory_words"] if connection.dialect.name == "sqlite" else [])]
    return {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_deleted_workflow_leaves_no_row_in_any_table(tmp_path, kind):
    place = tmp_path / "runs.db" if kind == "sqlite" else await empty_tables()
    async with SqlStore(place) as store:
        await store.records.add_workflow(WorkflowRow(id="w", name="n", agent_id="a"))
        await store.records.add_execution(ExecutionRow(run_id="r", workflow_id="w", message="m", agent_id="a"))
        await keep(store, "r", [started("r"), *step("a", 0.0, 1.0, "x" * 100_000)])
        await store._post("r", "question", answer_text(Answer(choice="yes")))
        await keep(store, "other", [started("other"), *step("b", 0.0, 1.0, "y" * 100_000), ended(2.0)])
        await store.records.keep(
            [Fold(run_id="r", workflow_id="w", lines=3, rows={table: [row("x")] for table in ROW_TABLES})]
        )
        archive = store.archive
        await archive.add_memory(Memory(id="m", type="context", content="words", workflow_id="w"))
        await archive.add_todo(Todo(id="t1", workflow_id="w", name="first"))
        await archive.add_todo(Todo(id="t2", workflow_id="w", name="second", dependencies=("t1",)))
        await archive.begin_conversation(Conversation(id="w", title="t", agent_id="a", created_at=1.0, updated_at=1.0))
        await archive.add_messages("w", [StoredMessage(seq=0, role="user", body={}, at=1.0)])
        held = await store.database.read(counts)
        assert [name for name, count in held.items() if not count] == ["document"]
        await store.records.delete_workflow("w")
        left = {name: count for name, count in (await store.database.read(counts)).items() if count}
        assert left == {"run": 1, "event": 4, "value": 1, "event_value": 1, "step_duration": 2}


async def test_folds_of_many_workflows_are_written_with_few_statements(tmp_path):
    async with SqlStore(tmp_path / "runs.db") as store:
        folds = []
        for number in range(100):
            workflow_id, run_id = f"w{number}", f"r{number}"
            await store.records.add_workflow(WorkflowRow(id=workflow_id, name="n", agent_id="a"))
            await store.records.add_execution(
                ExecutionRow(run_id=run_id, workflow_id=workflow_id, message="m", agent_id="a")
            )
            told = {"status": "running", "tokens_output": number}
            folds.append(
                Fold(run_id=run_id, workflow_id=workflow_id, lines=1, rows={"message": [row(run_id)]}, execution=told)
            )
        statements: list[str] = []
        engine = store.database._reader
        sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *held: statements.append(held[2]))
        await store.records.keep(folds)
        assert len(statements) < 10, statements
        assert (await store.records.workflow("w7")).total_tokens_output == 7


async def test_ten_thousand_rows_are_written_and_read_in_a_moment(tmp_path):
    async with SqlStore(tmp_path / "runs.db") as store:
        await store.records.add_workflow(WorkflowRow(id="w", name="n", agent_id="a"))
        await store.records.add_execution(ExecutionRow(run_id="r", workflow_id="w", message="m", agent_id="a"))
        rows = [row(f"r/{number}", float(number), output="x" * 300) for number in range(10_000)]
        began = time.monotonic()
        await store.records.keep([Fold(run_id="r", workflow_id="w", lines=1, rows={"tool_execution": rows})])
        assert time.monotonic() - began < 5
        began = time.monotonic()
        assert await store.records.rows("tool_execution", "w") == rows
        assert time.monotonic() - began < 3


async def test_a_page_of_rows_and_a_search_by_status_read_no_more_than_they_need(tmp_path):
    async with SqlStore(tmp_path / "runs.db") as store:
        await store.runs()

        def plan(connection: sa.Connection, question: str) -> str:
            return " ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}"))

        for question, index in (
            ("SELECT data FROM tool_execution WHERE workflow_id = 'w' ORDER BY ordinal, created_at, key LIMIT 9",
             "tool_execution_of_workflow"),
            ("SELECT data FROM user_question WHERE status = 'pending' ORDER BY created_at DESC, key DESC LIMIT 9",
             "user_question_newest"),
            ("SELECT * FROM workflow ORDER BY updated_at DESC, key DESC LIMIT 9", "workflow_changed"),
            ("SELECT * FROM execution WHERE status IN ('queued', 'running')", "execution_status"),
        ):  # fmt: skip
            told = await store.database.read(plan, question)
            assert index in told
            assert "TEMP B-TREE" not in told
