"""Everything that is known of a workflow: how it stands, what was said, called and thought, folded from a run's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from stretto.agents.result import WorkflowStatus
from stretto.agents.row_fold import RowFold
from stretto.agents.workflow_rows import STATE_FIELDS, Workflow, WorkflowFullState, WorkflowRowItem, WorkflowTask
from stretto.core.errors import DefinitionError
from stretto.core.events import Event, PlanMade, TaskChanged
from stretto.core.records import ROW_TABLES, RowTable


def workflow_state(
    events: Iterable[Event], *, id: str = "", name: str = "", agent_id: str = "", created_at: datetime | None = None
) -> WorkflowFullState:
    """Returns what the log of one run says of a workflow, while the run goes on or afterwards; see ``WorkflowFold``."""
    fold = WorkflowFold(id=id, name=name, agent_id=agent_id, created_at=created_at)
    for event in events:
        fold.take(event)
    return fold.state()


class WorkflowFold:
    """Folds the log of one run, event by event, into what is known of the workflow that it carries out.

    ``id`` and ``name`` are those of the workflow, by default of the run; ``agent_id`` by default that of the first
    agent at work, ``created_at`` when the run began. A run whose process has died is running, as far as a log knows;
    one that was cancelled leaves the workflow idle. Of tasks it knows what the log says: no description, no needs.
    """

    def __init__(self, *, id: str = "", name: str = "", agent_id: str = "", created_at: datetime | None = None) -> None:
        self._name, self._agent_id, self._created_at = name, agent_id, created_at
        self._rows = RowFold(id)
        self._kept: dict[RowTable, dict[str, WorkflowRowItem]] = {table: {} for table in ROW_TABLES}
        self._tasks: dict[str, WorkflowTask] = {}
        self._plan: Mapping[str, Any] | None = None

    def take(self, event: Event) -> None:
        """Takes the next event of the log."""
        self._rows.take(event)
        if isinstance(event, TaskChanged):
            self._task(event)
        elif isinstance(event, PlanMade):
            self._plan = event.plan

    def _task(self, event: TaskChanged) -> None:
        if event.change == "deleted":
            self._tasks.pop(event.task_id, None)
            return
        now, frame = self._rows.frame.time(event.at), self._rows.frame
        known = self._tasks.get(event.task_id)
        made = known or WorkflowTask(
            id=event.task_id, workflow_id=frame.workflow_id, name=event.name, status=event.status,
            priority=event.priority, agent_assigned=frame.agent_id(event.path) or None, created_at=now,
        )  # fmt: skip
        self._tasks[event.task_id] = replace(
            made, name=event.name, status=event.status, priority=event.priority,
            completed_at=now if event.status == "completed" else None,
        )  # fmt: skip

    def state(self) -> WorkflowFullState:
        """Returns what is known so far; raises ``DefinitionError`` when nothing says when the workflow was created."""
        changes = self._rows.changes()
        for table, kept in self._kept.items():
            kept.update((row.id, row) for row in changes.rows.get(table, ()))
            for id in changes.removed.get(table, ()):
                kept.pop(id, None)
        told: dict[str, Any] = {STATE_FIELDS[table]: tuple(kept.values()) for table, kept in self._kept.items()}
        return WorkflowFullState(workflow=self._workflow(), tasks=tuple(self._tasks.values()), plan=self._plan, **told)

    def _workflow(self) -> Workflow:
        fold = self._rows
        run, frame, ledger = fold.frame.run, fold.frame, fold.ledger
        if run is None and self._created_at is None:
            raise DefinitionError("a log without its beginning does not say when its workflow was created; created_at=")
        first = next(iter(frame.followed.agents.values()), None)
        created = self._created_at or frame.time(0.0)
        return Workflow(
            id=frame.workflow_id,
            name=self._name or (run.name if run is not None else ""),
            agent_id=self._agent_id or (first.agent_id if first is not None else ""),
            status=self._status(),
            created_at=created,
            updated_at=created if run is None else frame.time(fold.now),
            completed_at=None if fold.ended is None else frame.time(fold.ended.at),
            total_tokens_input=ledger.usage.input_tokens,
            total_tokens_output=ledger.usage.output_tokens,
            total_cost_usd=None if ledger.unpriced else ledger.cost,
            model_id=None if first is None else first.model,
            current_context_tokens=fold.context_tokens,
        )

    def _status(self) -> WorkflowStatus:
        if self._rows.frame.run is None:
            return WorkflowStatus.IDLE
        if self._rows.ended is None:
            return WorkflowStatus.RUNNING
        ended = {"completed": WorkflowStatus.COMPLETED, "cancelled": WorkflowStatus.IDLE}
        return ended.get(self._rows.ended.status, WorkflowStatus.ERROR)
