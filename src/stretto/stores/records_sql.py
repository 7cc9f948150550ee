"""A server's records in a database, beside the runs; each method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from stretto.core.records import (
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
from stretto.stores import record_queries as queries
from stretto.stores.database import Database


class SqlRecords(Records):
    """Keeps what it is given in the tables of ``workflow_schema``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- workflows -----------------------------------------------------------------------------------------------------

    async def add_workflow(self, row: WorkflowRow) -> None:
        await self._database.write(queries.add_workflow, row)

    async def workflow(self, id: str) -> WorkflowRow:
        return await self._database.read(queries.one_workflow, id)

    async def workflows(
        self, *, text: str | None = None, status: WorkflowState | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[WorkflowRow], int]:
        return await self._database.read(queries.workflows, text, status, limit, offset)

    async def change_workflow(self, id: str, **changes: Any) -> WorkflowRow:
        return await self._database.write(queries.change_workflow, id, changes)

    async def silent_workflows(self, before: float) -> list[str]:
        return await self._database.read(queries.silent_workflows, before)

    async def delete_workflow(self, id: str) -> None:
        await self._database.write(queries.delete_workflow, id)

    # -- executions ----------------------------------------------------------------------------------------------------

    async def add_execution(self, row: ExecutionRow) -> ExecutionRow:
        return await self._database.write(queries.add_execution, row)

    async def execution(self, run_id: str) -> ExecutionRow:
        return await self._database.read(queries.one_execution, run_id)

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        statuses: Collection[ExecutionState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[ExecutionRow]:
        return await self._database.read(queries.executions, workflow_id, statuses, limit, offset)

    async def change_execution(
        self, run_id: str, *, expected: Collection[ExecutionState] = (), **changes: Any
    ) -> ExecutionRow:
        return await self._database.write(queries.change_execution, run_id, expected, changes)

    async def delete_execution(self, run_id: str) -> None:
        await self._database.write(queries.delete_execution, run_id)

    # -- rows ----------------------------------------------------------------------------------------------------------

    async def keep(self, folds: Sequence[Fold]) -> None:
        if folds:
            await self._database.write(queries.keep, folds)

    async def rows(self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0) -> list[Row]:
        return [json.loads(text) for text in await self.row_texts(table, workflow_id, limit=limit, offset=offset)]

    async def row_texts(
        self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0
    ) -> list[str]:
        return await self._database.read(queries.row_texts, table, workflow_id, limit, offset)

    async def row_counts(self, workflow_id: str) -> dict[RowTable, int]:
        return await self._database.read(queries.row_counts, workflow_id)

    async def row(self, table: RowTable, id: str) -> Row:
        return await self._database.read(queries.one_row, table, id)

    async def find_rows(
        self, table: RowTable, *, statuses: Collection[str] = (), limit: int = 50, offset: int = 0
    ) -> Found:
        return await self._database.read(queries.find_rows, table, statuses, limit, offset)
