"""A server's records in this process's memory, with everything that those in a database do."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stretto.core.records import (
    ROW_TABLES,
    ExecutionRow,
    ExecutionState,
    Fold,
    Found,
    Records,
    Row,
    RowTable,
    WorkflowRow,
    WorkflowState,
)
from stretto.stores import record_rules as rules
from stretto.stores.archive_rules import IdTaken, check_bounds, json_text, not_kept


@dataclass(frozen=True, slots=True)
class _Kept:
    workflow_id: str
    run_id: str
    ordinal: int
    status: str | None
    created_at: float
    text: str

    def row(self) -> Row:
        return {**json.loads(self.text), "workflow_id": self.workflow_id, "run_id": self.run_id}


class MemoryRecords(Records):
    """Keeps what it is given until the process ends.

    ``check_open`` raises when the store is closed. ``forget`` removes what else belongs to a workflow, given its id
    and the ids of its runs, and raises ``RunBusy`` before it has removed anything.
    """

    def __init__(self, check_open: Callable[[], None], forget: Callable[[str, Sequence[str]], None]) -> None:
        self._check_open, self._forget = check_open, forget
        self._workflows: dict[str, WorkflowRow] = {}
        self._executions: dict[str, ExecutionRow] = {}
        self._rows: dict[RowTable, dict[str, _Kept]] = {table: {} for table in ROW_TABLES}

    # -- workflows -----------------------------------------------------------------------------------------------------

    async def add_workflow(self, row: WorkflowRow) -> None:
        self._check_open()
        if row.id in self._workflows:
            raise IdTaken("workflow", row.id)
        self._workflows[row.id] = row

    async def workflow(self, id: str) -> WorkflowRow:
        self._check_open()
        if id not in self._workflows:
            raise not_kept("workflow", id, self._workflows)
        return self._workflows[id]

    async def workflows(
        self, *, text: str | None = None, status: WorkflowState | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[WorkflowRow], int]:
        self._check_open()
        check_bounds(limit, offset)
        found = [
            row
            for row in reversed(self._workflows.values())
            if (text is None or text.casefold() in rules.words_of(row.name, row.agent_id))
            and status in (None, row.status)
        ]
        return sorted(found, key=lambda row: -row.updated_at)[offset : offset + limit], len(found)

    async def change_workflow(self, id: str, **changes: Any) -> WorkflowRow:
        changed = self._workflows[id] = rules.changed_workflow(await self.workflow(id), changes)
        return changed

    async def silent_workflows(self, before: float) -> list[str]:
        self._check_open()
        busy = {row.workflow_id for row in self._executions.values() if row.status in rules.TO_BE_DONE}
        found = [row for row in self._workflows.values() if row.updated_at < before and row.id not in busy]
        return [row.id for row in sorted(found, key=lambda row: row.updated_at)]

    async def delete_workflow(self, id: str) -> None:
        await self.workflow(id)
        run_ids = [row.run_id for row in self._of(id)]
        self._forget(id, run_ids)
        for run_id in run_ids:
            del self._executions[run_id]
        for table, kept in self._rows.items():
            self._rows[table] = {row_id: row for row_id, row in kept.items() if row.workflow_id != id}
        del self._workflows[id]

    def _of(self, workflow_id: str) -> list[ExecutionRow]:
        return [row for row in self._executions.values() if row.workflow_id == workflow_id]

    def _settle(self, workflow_id: str) -> None:
        self._workflows[workflow_id] = replace(self._workflows[workflow_id], **rules.standing_of(self._of(workflow_id)))

    # -- executions ----------------------------------------------------------------------------------------------------

    async def add_execution(self, row: ExecutionRow) -> ExecutionRow:
        await self.workflow(row.workflow_id)
        if row.run_id in self._executions:
            raise IdTaken("execution", row.run_id)
        last = max((held.ordinal for held in self._of(row.workflow_id)), default=0)
        return self._put(replace(row, ordinal=last + 1))

    async def execution(self, run_id: str) -> ExecutionRow:
        self._check_open()
        if run_id not in self._executions:
            raise not_kept("execution", run_id, self._executions)
        return _copied(self._executions[run_id])

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        statuses: Collection[ExecutionState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[ExecutionRow]:
        self._check_open()
        check_bounds(limit, offset)
        found = [
            row
            for row in self._executions.values()
            if workflow_id in (None, row.workflow_id) and (not statuses or row.status in statuses)
        ]
        return [_copied(row) for row in _page(found, limit, offset)]

    async def change_execution(
        self, run_id: str, *, expected: Collection[ExecutionState] = (), **changes: Any
    ) -> ExecutionRow:
        rules.check_execution_fields(changes)
        held = await self.execution(run_id)
        rules.check_stands(run_id, held.status, expected)
        return self._put(replace(held, **changes))

    async def delete_execution(self, run_id: str) -> None:
        held = await self.execution(run_id)
        rules.check_stands(run_id, held.status, rules.QUEUED)
        del self._executions[run_id]
        self._settle(held.workflow_id)

    def _put(self, row: ExecutionRow) -> ExecutionRow:
        self._executions[row.run_id] = _copied(row)
        self._settle(row.workflow_id)
        return row

    # -- rows ----------------------------------------------------------------------------------------------------------

    async def keep(self, folds: Sequence[Fold]) -> None:
        self._check_open()
        for fold in folds:
            rules.check_execution_fields(fold.execution)
        there = [fold for fold in folds if self._is_of(fold)]
        executed: dict[str, ExecutionRow] = {}
        new: dict[RowTable, dict[str, _Kept]] = {table: {} for table in ROW_TABLES}
        for fold in there:
            changes: Mapping[str, Any] = {**fold.execution, "lines": fold.lines}
            held = executed.get(fold.run_id, self._executions[fold.run_id])
            executed[fold.run_id] = _copied(replace(held, **changes))
            for table, rows in fold.rows.items():
                for row in rows:
                    text = json_text("row", row["id"], row)
                    new[table][row["id"]] = _Kept(
                        fold.workflow_id, fold.run_id, held.ordinal, row.get("status"), rules.created_at(row), text
                    )
        for table, kept in new.items():  # from here on nothing can be refused
            self._rows[table].update(kept)
        for fold in there:
            for table, gone in fold.removed.items():
                for row_id in gone:
                    self._rows[table].pop(row_id, None)
        for changed in executed.values():
            self._put(changed)

    def _is_of(self, fold: Fold) -> bool:
        held = self._executions.get(fold.run_id)
        return held is not None and held.workflow_id == fold.workflow_id

    async def rows(self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0) -> list[Row]:
        return [json.loads(text) for text in await self.row_texts(table, workflow_id, limit=limit, offset=offset)]

    async def row_texts(
        self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0
    ) -> list[str]:
        self._check_open()
        check_bounds(limit, offset)
        found = (row for row in self._rows[table].values() if row.workflow_id == workflow_id)
        ordered = sorted(found, key=lambda row: (row.ordinal, row.created_at))
        return [row.text for row in _page(ordered, limit, offset)]

    async def row_counts(self, workflow_id: str) -> dict[RowTable, int]:
        self._check_open()
        return {
            table: sum(row.workflow_id == workflow_id for row in kept.values()) for table, kept in self._rows.items()
        }

    async def row(self, table: RowTable, id: str) -> Row:
        self._check_open()
        if id not in self._rows[table]:
            raise not_kept(table.replace("_", " "), id, self._rows[table])
        return self._rows[table][id].row()

    async def find_rows(
        self, table: RowTable, *, statuses: Collection[str] = (), limit: int = 50, offset: int = 0
    ) -> Found:
        self._check_open()
        check_bounds(limit, offset)
        held = reversed(self._rows[table].values())
        found = [row for row in held if not statuses or row.status in statuses]
        newest = sorted(found, key=lambda row: -row.created_at)
        return Found([row.row() for row in newest[offset : offset + limit]], len(found))


def _page(found: Iterable[Any], limit: int | None, offset: int) -> list[Any]:
    return list(found)[offset : None if limit is None else offset + limit]


def _copied(row: ExecutionRow) -> ExecutionRow:
    """Returns an execution whose JSON values are nobody else's."""
    held = json.loads(rules.data_of(row.run_id, {name: getattr(row, name) for name in rules.IN_DATA}))
    return replace(row, **held)
