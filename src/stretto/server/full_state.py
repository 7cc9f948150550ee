"""Everything that is known of a workflow, read from the rows that are kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import to_json

from stretto.agents.result import WorkflowStatus
from stretto.agents.workflow_rows import (
    STATE_FIELDS,
    Workflow,
    WorkflowExecution,
    WorkflowFullState,
    WorkflowSpan,
    WorkflowTask,
    item_of,
)
from stretto.core.archive import Todo
from stretto.core.errors import RunNotFound
from stretto.core.events import PlanMade
from stretto.core.records import ROW_TABLES, ExecutionRow, ExecutionState, RowTable, WorkflowRow
from stretto.monitoring.spans import Span, SpanFold
from stretto.stores.plain import plain_event
from stretto.stores.store import Store

OPEN: tuple[ExecutionState, ...] = ("queued", "running", "interrupted")
"""The states of an execution that is not over."""
MOST_SPANS, SPANS_OF_A_PAGE = 2_000, 500
"""How many steps a run may have for its spans to be told, in a whole state and in a page; those of others are asked
for by themselves."""
SPAN_KINDS = frozenset(
    {
        "run_started", "run_resumed", "run_ended", "step_started", "step_completed", "step_failed", "step_timed_out",
        "step_cancelled", "step_skipped", "step_retrying", "step_abandoned",
    }
)  # fmt: skip
"""The kinds of lines that spans are made of."""


async def full_state(store: Store, workflow_id: str, *, limit: int | None = None) -> WorkflowFullState:
    """Returns everything that is known of a workflow, of each kind of row the last ``limit``; raises ``NotKept``."""
    rest = await _rest(store, workflow_id, limit)
    rows: dict[str, Any] = {}
    for table in ROW_TABLES:
        found = await store.records.rows(table, workflow_id, **rest.part(table, limit))
        rows[STATE_FIELDS[table]] = tuple(item_of(table, row) for row in found)
    return WorkflowFullState(**rest.told(), **rows)


async def state_json(store: Store, workflow_id: str, *, limit: int | None = None) -> bytes:
    """Returns the same as JSON text: rows are passed on as they are kept, nobody reads them on the way."""
    rest = await _rest(store, workflow_id, limit)
    parts: list[bytes] = []
    for table in ROW_TABLES:
        texts = await store.records.row_texts(table, workflow_id, **rest.part(table, limit))
        parts.append(f'"{STATE_FIELDS[table]}":[{",".join(texts)}]'.encode())
    parts += [f'"{name}":'.encode() + to_json(value) for name, value in rest.told().items()]
    return b"{" + b",".join(parts) + b"}"


@dataclass(frozen=True)
class _Rest:
    """What a state holds beside the rows of its tables, and how many rows each of them has."""

    workflow: Workflow
    tasks: tuple[WorkflowTask, ...]
    executions: tuple[WorkflowExecution, ...]
    plan: Mapping[str, Any] | None
    spans: tuple[WorkflowSpan, ...]
    counts: Mapping[RowTable, int]
    steps: int

    def part(self, table: RowTable, limit: int | None) -> dict[str, int]:
        """Returns which rows of a table are told: the last ones."""
        return {} if limit is None else {"limit": limit, "offset": max(0, self.counts[table] - limit)}

    def told(self) -> dict[str, Any]:
        """Returns what stands in the state as it is."""
        told = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("counts", "steps")
        }
        totals = {STATE_FIELDS[table]: count for table, count in self.counts.items()}
        return told | {"totals": totals | {"spans": self.steps}}


async def _rest(store: Store, workflow_id: str, limit: int | None) -> _Rest:
    """Reads what is not in the tables of rows, and counts those first, so that no page begins behind its end."""
    records = store.records
    workflow = await records.workflow(workflow_id)
    counts = await records.row_counts(workflow_id)
    executions = await records.executions(workflow_id=workflow_id, statuses=OPEN)
    run_ids = {row.run_id for row in executions}
    for message in await records.rows("message", workflow_id, limit=1, offset=max(0, counts["message"] - 1)):
        if message["run_id"] not in run_ids:
            executions.append(await records.execution(message["run_id"]))
    executions.sort(key=lambda row: row.ordinal)
    begun = [row for row in executions if row.status != "queued"]
    run = _RunOf(None, (), 0)
    if begun:
        run = await _run_of(store, begun[-1].run_id, MOST_SPANS if limit is None else SPANS_OF_A_PAGE)
    return _Rest(
        workflow=workflow_of(workflow),
        tasks=tuple(task_of(todo) for todo in await store.archive.todos(workflow_id)),
        executions=tuple(map(execution_of, executions)),
        plan=run.plan,
        spans=run.spans,
        counts=counts,
        steps=run.steps,
    )


class _RunOf(NamedTuple):
    """What the log of the last execution tells."""

    plan: Mapping[str, Any] | None
    spans: tuple[WorkflowSpan, ...]
    steps: int


async def _run_of(store: Store, run_id: str, most: int) -> _RunOf:
    """Reads the last plan of a run, and its spans when it has no more steps than that."""
    try:
        steps = (await store.summary(run_id)).steps.started
        kinds = {"plan_made"} if steps > most else SPAN_KINDS | {"plan_made"}
        lines = await store.lines(run_id, full=False, kinds=kinds)
    except RunNotFound:  # it has not begun
        return _RunOf(None, (), 0)
    plan: Mapping[str, Any] | None = None
    spans = SpanFold()
    for line in lines:
        event = plain_event(line)
        if isinstance(event, PlanMade):
            plan = event.plan
        else:
            spans.feed(event)
    return _RunOf(plan, tuple(map(span_of, spans.spans.values())), len(spans.spans) or steps)


def workflow_of(row: WorkflowRow) -> Workflow:
    """Returns a workflow as commands tell it."""
    return Workflow(
        id=row.id, name=row.name, agent_id=row.agent_id, status=WorkflowStatus(row.status),
        created_at=_time(row.created_at), updated_at=_time(row.updated_at), completed_at=_maybe(row.completed_at),
        total_tokens_input=row.total_tokens_input, total_tokens_output=row.total_tokens_output,
        total_cost_usd=row.total_cost_usd, model_id=row.model_id, current_context_tokens=row.current_context_tokens,
    )  # fmt: skip


def task_of(todo: Todo) -> WorkflowTask:
    """Returns an item of a to-do list as a state tells it."""
    return WorkflowTask(
        id=todo.id, workflow_id=todo.workflow_id, name=todo.name, status=todo.status, priority=todo.priority,
        description=todo.description, agent_assigned=todo.agent_assigned, dependencies=todo.dependencies,
        duration_ms=todo.duration_ms, created_at=_time(todo.created_at), completed_at=_maybe(todo.completed_at),
    )  # fmt: skip


def execution_of(row: ExecutionRow) -> WorkflowExecution:
    """Returns an execution as a state tells it."""
    return WorkflowExecution(
        run_id=row.run_id, ordinal=row.ordinal, message=row.message, agent_id=row.agent_id, status=row.status,
        error=row.error, created_at=_time(row.created_at), started_at=_maybe(row.started_at),
        ended_at=_maybe(row.ended_at),
    )  # fmt: skip


def span_of(span: Span) -> WorkflowSpan:
    """Returns a span as a state tells it."""
    return WorkflowSpan(
        path=span.path, kind=span.kind, status=span.status, start=span.start, end=span.end, queued=span.queued,
        attempts=span.attempts,
    )  # fmt: skip


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
