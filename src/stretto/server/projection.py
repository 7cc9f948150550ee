"""Folds the logs of running executions into rows, and writes them beside the logs."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from stretto.core.events import Event, RunEnded
from stretto.core.records import ExecutionRow, Fold, Records


class Projection:
    """Folds the log of one execution."""

    def __init__(self, row: ExecutionRow) -> None:
        self.row, self.lines = row, 0
        self.ended: RunEnded | None = None

    def take(self, events: Sequence[Event]) -> None:
        """Takes the next events of the log, from its beginning."""
        self.lines += len(events)
        self.ended = next((event for event in events if isinstance(event, RunEnded)), self.ended)


class Projector:
    """Writes what projections have gathered, those of all executions together."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def projection(self, row: ExecutionRow) -> Projection:
        """Returns what folds the log of an execution."""
        return Projection(row)

    async def work(self) -> None:
        """Writes every now and then, until it is cancelled."""
        await anyio.sleep_forever()

    async def settle(self, projection: Projection) -> None:
        """Writes what a projection has gathered; it is on disk when this returns, and needed no longer."""
        states = {"completed": "completed", "cancelled": "cancelled"}
        changes = {}
        if projection.ended is not None:
            changes = {"status": states.get(projection.ended.status, "error")}
        row = projection.row
        await self._records.keep(
            [Fold(run_id=row.run_id, workflow_id=row.workflow_id, lines=projection.lines, execution=changes)]
        )
