"""What is said to the database about workflows, executions and rows, as functions of a connection.

Who writes locks the workflow first, so that no two writers wait for each other in a circle.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from stretto.core.errors import RunBusy
from stretto.core.records import ExecutionRow, ExecutionState, Fold, Found, Row, RowTable, WorkflowRow, WorkflowState
from stretto.stores import queries
from stretto.stores import record_rules as rules
from stretto.stores.archive_rules import IdTaken, check_bounds, json_text, not_kept
from stretto.stores.archive_schema import conversation, memory, todo, todo_need
from stretto.stores.bulk import insert_rows
from stretto.stores.dialects import insert_new
from stretto.stores.schema import run
from stretto.stores.workflow_schema import execution, rows, workflow

_WORKFLOW = [column for column in workflow.c if column.name not in ("key", "words")]
_LIGHT = [column for column in execution.c if column.name not in ("key", "data")]
_ROW = "id, workflow_id, run_id, ordinal, status, created_at, data"
_THEN_ROW = (
    "ON CONFLICT (id) DO UPDATE SET workflow_id = excluded.workflow_id, run_id = excluded.run_id, "
    "ordinal = excluded.ordinal, status = excluded.status, created_at = excluded.created_at, data = excluded.data"
)
_SUMMED = (
    "status", "updated_at", "completed_at", "total_tokens_input", "total_tokens_output", "total_cost_usd", "model_id",
    "current_context_tokens",
)  # fmt: skip
_NEAR = 200  # ids among which one is looked for that is near


def _then(key: str, names: Iterable[str]) -> str:
    return f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"


# -- workflows ---------------------------------------------------------------------------------------------------------


def add_workflow(connection: sa.Connection, row: WorkflowRow) -> None:
    """Keeps a workflow."""
    if not insert_new(connection, workflow, _workflow_values(row)):
        raise IdTaken("workflow", row.id)


def one_workflow(connection: sa.Connection, id: str, lock: bool = False) -> WorkflowRow:
    """Returns a workflow."""
    asked = sa.select(*_WORKFLOW).where(workflow.c.id == id)
    held = connection.execute(asked.with_for_update() if lock else asked).mappings().one_or_none()
    if held is None:
        newest = sa.select(workflow.c.id).order_by(workflow.c.updated_at.desc()).limit(_NEAR)
        raise not_kept("workflow", id, connection.scalars(newest))
    return WorkflowRow(**held)


def workflows(
    connection: sa.Connection, text: str | None, status: WorkflowState | None, limit: int, offset: int
) -> tuple[list[WorkflowRow], int]:
    """Returns workflows, last changed first, and how many there are."""
    check_bounds(limit, offset)
    kept: list[sa.ColumnElement[bool]] = []
    if text is not None:
        kept.append(workflow.c.words.contains(text.casefold(), autoescape=True))
    if status is not None:
        kept.append(workflow.c.status == status)
    total = connection.scalar(sa.select(sa.func.count()).select_from(workflow).where(*kept)) or 0
    asked = sa.select(*_WORKFLOW).where(*kept).order_by(workflow.c.updated_at.desc(), workflow.c.key.desc())
    found = connection.execute(asked.limit(limit).offset(offset))
    return [WorkflowRow(**held) for held in found.mappings()], total


def change_workflow(connection: sa.Connection, id: str, changes: Mapping[str, Any]) -> WorkflowRow:
    """Changes fields of a workflow."""
    changed = rules.changed_workflow(one_workflow(connection, id, lock=True), changes)
    connection.execute(sa.update(workflow).where(workflow.c.id == id).values(_workflow_values(changed)))
    return changed


def silent_workflows(connection: sa.Connection, before: float) -> list[str]:
    """Returns the workflows that nothing happened to since then, oldest first."""
    to_be_done = sa.select(execution.c.key).where(
        execution.c.workflow_id == workflow.c.id, execution.c.status.in_(rules.TO_BE_DONE)
    )
    asked = sa.select(workflow.c.id).where(workflow.c.updated_at < before, ~to_be_done.exists())
    return list(connection.scalars(asked.order_by(workflow.c.updated_at, workflow.c.key)))


def delete_workflow(connection: sa.Connection, id: str) -> None:
    """Removes a workflow with everything that is its own."""
    one_workflow(connection, id, lock=True)
    of_workflow = sa.select(execution.c.run_id).where(execution.c.workflow_id == id)
    run_ids = list(connection.scalars(of_workflow))
    gone = set(queries.remove(connection, run_ids))
    left = sa.select(run.c.id, run.c.owner).where(run.c.id.in_(of_workflow))
    for run_id, owner in connection.execute(left):
        if run_id not in gone:
            raise RunBusy(run_id, owner or "another process")
    tasks = sa.select(todo.c.key).where(todo.c.workflow_id == id)
    connection.execute(sa.delete(todo_need).where(todo_need.c.todo.in_(tasks)))
    connection.execute(sa.delete(todo).where(todo.c.workflow_id == id))
    connection.execute(sa.delete(memory).where(memory.c.workflow_id == id))
    connection.execute(sa.delete(conversation).where(conversation.c.id == id))
    connection.execute(sa.delete(workflow).where(workflow.c.id == id))


def _workflow_values(row: WorkflowRow) -> dict[str, Any]:
    return asdict(row) | {"words": rules.words_of(row.name, row.agent_id)}


def _settle(connection: sa.Connection, workflow_ids: Collection[str]) -> None:
    """Writes what workflows' executions amount to, with as few statements as can be."""
    held: dict[str, list[Any]] = {id: [] for id in workflow_ids}
    for row in connection.execute(sa.select(*_LIGHT).where(execution.c.workflow_id.in_(held))):
        held[row.workflow_id].append(row)
    names = [column.name for column in workflow.c if column.name != "key"]
    asked = sa.select(workflow).where(workflow.c.id.in_(held))
    settled = [{**row, **rules.standing_of(held[row["id"]])} for row in connection.execute(asked).mappings()]
    values = [tuple(row[name] for name in names) for row in settled]
    insert_rows(connection, f"workflow ({', '.join(names)})", values, _then("id", _SUMMED))


def _lock(connection: sa.Connection, workflow_ids: Iterable[str]) -> None:
    ids = sorted(set(workflow_ids))
    asked = sa.select(workflow.c.id).where(workflow.c.id.in_(ids)).order_by(workflow.c.id)
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(asked.with_for_update())


# -- executions --------------------------------------------------------------------------------------------------------


def add_execution(connection: sa.Connection, row: ExecutionRow) -> ExecutionRow:
    """Keeps an execution behind those of its workflow."""
    one_workflow(connection, row.workflow_id, lock=True)
    last = sa.select(sa.func.max(execution.c.ordinal)).where(execution.c.workflow_id == row.workflow_id)
    new = replace(row, ordinal=(connection.scalar(last) or 0) + 1)
    if not insert_new(connection, execution, _execution_values(new)):
        raise IdTaken("execution", row.run_id)
    _settle(connection, [row.workflow_id])
    return new


def one_execution(connection: sa.Connection, run_id: str) -> ExecutionRow:
    """Returns an execution."""
    held = connection.execute(sa.select(execution).where(execution.c.run_id == run_id)).mappings().one_or_none()
    if held is None:
        newest = sa.select(execution.c.run_id).order_by(execution.c.key.desc()).limit(_NEAR)
        raise not_kept("execution", run_id, connection.scalars(newest))
    return _execution(held)


def executions(
    connection: sa.Connection,
    workflow_id: str | None,
    statuses: Collection[ExecutionState],
    limit: int | None,
    offset: int,
) -> list[ExecutionRow]:
    """Returns executions in the order in which they were asked for."""
    check_bounds(limit, offset)
    asked = sa.select(execution).order_by(execution.c.key)
    if workflow_id is not None:
        asked = asked.where(execution.c.workflow_id == workflow_id)
    if statuses:
        asked = asked.where(execution.c.status.in_(sorted(statuses)))
    return [_execution(row) for row in connection.execute(_page(asked, limit, offset)).mappings()]


def change_execution(
    connection: sa.Connection, run_id: str, expected: Collection[ExecutionState], changes: Mapping[str, Any]
) -> ExecutionRow:
    """Changes fields of an execution, and its workflow's with them."""
    rules.check_execution_fields(changes)
    _lock(connection, [one_execution(connection, run_id).workflow_id])
    held = one_execution(connection, run_id)
    rules.check_stands(run_id, held.status, expected)
    changed = replace(held, **changes)
    connection.execute(sa.update(execution).where(execution.c.run_id == run_id).values(_execution_values(changed)))
    _settle(connection, [held.workflow_id])
    return changed


def delete_execution(connection: sa.Connection, run_id: str) -> None:
    """Removes an execution that is queued."""
    _lock(connection, [one_execution(connection, run_id).workflow_id])
    held = one_execution(connection, run_id)
    rules.check_stands(run_id, held.status, rules.QUEUED)
    connection.execute(sa.delete(execution).where(execution.c.run_id == run_id))
    _settle(connection, [held.workflow_id])


def _execution_values(row: ExecutionRow) -> dict[str, Any]:
    held = {name: getattr(row, name) for name in row.__dataclass_fields__}
    return {name: held[name] for name in held if name not in rules.IN_DATA} | {"data": rules.data_of(row.run_id, held)}


def _execution(row: sa.RowMapping) -> ExecutionRow:
    held: dict[str, Any] = {**row}
    del held["key"]
    return ExecutionRow(**json.loads(held.pop("data")), **held)


# -- rows --------------------------------------------------------------------------------------------------------------


def keep(connection: sa.Connection, folds: Sequence[Fold]) -> None:
    """Writes what logs amount to.

    Statements are few, whatever the number of folds: beside a busy event loop each of them waits for the interpreter.
    """
    for fold in folds:
        rules.check_execution_fields(fold.execution)
    _lock(connection, (fold.workflow_id for fold in folds))
    asked = sa.select(*_LIGHT).where(execution.c.run_id.in_({fold.run_id for fold in folds}))
    light: dict[str, dict[str, Any]] = {row["run_id"]: {**row} for row in connection.execute(asked).mappings()}
    there = [fold for fold in folds if light.get(fold.run_id, {}).get("workflow_id") == fold.workflow_id]
    if not there:
        return
    for name, table in rows.items():
        values = (
            _row_values(fold, light[fold.run_id]["ordinal"], row) for fold in there for row in fold.rows.get(name, ())
        )
        insert_rows(connection, f"{table.name} ({_ROW})", values, _THEN_ROW)
        for fold in there:
            if gone := fold.removed.get(name):
                connection.execute(sa.delete(table).where(table.c.run_id == fold.run_id, table.c.id.in_(gone)))
    for fold in there:
        light[fold.run_id] |= {**fold.execution, "lines": fold.lines}
        if any(name in fold.execution for name in rules.IN_DATA):
            changed = replace(one_execution(connection, fold.run_id), **fold.execution)
            data = _execution_values(changed)["data"]
            connection.execute(sa.update(execution).where(execution.c.run_id == fold.run_id).values(data=data))
    names = [column.name for column in _LIGHT]
    executed = [(*(light[run_id][name] for name in names), "") for run_id in {fold.run_id for fold in there}]
    insert_rows(connection, f"execution ({', '.join(names)}, data)", executed, _then("run_id", names[3:]))
    _settle(connection, {fold.workflow_id for fold in there})


def _row_values(fold: Fold, ordinal: int, row: Row) -> tuple[Any, ...]:
    text = json_text("row", row["id"], row)
    return row["id"], fold.workflow_id, fold.run_id, ordinal, row.get("status"), rules.created_at(row), text


def row_texts(
    connection: sa.Connection, table: RowTable, workflow_id: str, limit: int | None, offset: int
) -> list[str]:
    """Returns a workflow's rows of one table as JSON texts."""
    check_bounds(limit, offset)
    kept = rows[table]
    asked = sa.select(kept.c.data).where(kept.c.workflow_id == workflow_id)
    ordered = asked.order_by(kept.c.ordinal, kept.c.created_at, kept.c.key)
    return list(connection.scalars(_page(ordered, limit, offset)))


def row_counts(connection: sa.Connection, workflow_id: str) -> dict[RowTable, int]:
    """Returns how many rows a workflow has in each table."""
    counts = [
        sa.select(sa.func.count()).select_from(kept).where(kept.c.workflow_id == workflow_id).scalar_subquery()
        for kept in rows.values()
    ]
    return dict(zip(rows, connection.execute(sa.select(*counts)).one(), strict=True))


def one_row(connection: sa.Connection, table: RowTable, id: str) -> Row:
    """Returns one row."""
    kept = rows[table]
    held = connection.execute(sa.select(kept).where(kept.c.id == id)).one_or_none()
    if held is None:
        newest = sa.select(kept.c.id).order_by(kept.c.key.desc()).limit(_NEAR)
        raise not_kept(table.replace("_", " "), id, connection.scalars(newest))
    return _row(held)


def find_rows(connection: sa.Connection, table: RowTable, statuses: Collection[str], limit: int, offset: int) -> Found:
    """Returns rows of all workflows, newest first."""
    check_bounds(limit, offset)
    kept = rows[table]
    wanted = [kept.c.status.in_(sorted(statuses))] if statuses else []
    total = connection.scalar(sa.select(sa.func.count()).select_from(kept).where(*wanted)) or 0
    asked = sa.select(kept).where(*wanted).order_by(kept.c.created_at.desc(), kept.c.key.desc())
    return Found([_row(held) for held in connection.execute(asked.limit(limit).offset(offset))], total)


def _row(held: Any) -> Row:
    return {**json.loads(held.data), "workflow_id": held.workflow_id, "run_id": held.run_id}


def _page(asked: sa.Select[Any], limit: int | None, offset: int) -> sa.Select[Any]:
    if limit is None:
        return asked.offset(offset) if offset else asked
    return asked.limit(limit).offset(offset)
