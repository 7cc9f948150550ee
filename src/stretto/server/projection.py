"""Folds the logs of running executions into rows, and writes them beside the logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from stretto.agents.result import WorkflowResult
from stretto.agents.row_fold import RowFold
from stretto.agents.workflow_rows import json_value, row_of
from stretto.core.codec import decode
from stretto.core.errors import RunNotFound, StoreError
from stretto.core.events import Event, RunEnded
from stretto.core.records import ROW_TABLES, ExecutionRow, ExecutionState, Fold, Records, Row, RowTable
from stretto.stores.store import Store

INTERVAL = 0.25
"""How long rows gather between two writes (seconds)."""
SHARE = 4.0
"""How many times as long as it wrote the projector waits at least before it writes again: others need the processor."""
RETRY = 2.0
"""How long it waits when a store did not take what was written (seconds)."""
AT_ONCE = 500
"""How many lines of a stored log are folded before others have their turn."""
log = logging.getLogger("stretto.server")

_ENDED: Mapping[str, ExecutionState] = {"completed": "completed", "cancelled": "cancelled"}
_TOLD = (
    "status", "started_at", "ended_at", "error", "result", "tokens_input", "tokens_output", "cost_usd", "model_id",
    "context_tokens",
)  # fmt: skip


class Projection:
    """Folds the log of one execution, from its beginning; what the rows tell of already is not written again.

    ``flushed`` waits until the log is on disk as far as it was appended: rows never tell of more than the log does.
    """

    def __init__(self, row: ExecutionRow) -> None:
        self.row, self.lines = row, 0
        self.flushed: Callable[[], Awaitable[None]] | None = None
        self._known = row.lines
        self._fold = RowFold(row.workflow_id, message=row.message, not_before=row.created_at)
        self._kept: dict[str, Any] = {name: getattr(row, name) for name in _TOLD}
        self._rows: dict[RowTable, dict[str, Row]] = {table: {} for table in ROW_TABLES}
        self._removed: dict[RowTable, dict[str, None]] = {table: {} for table in ROW_TABLES}
        self._gathered = self._written = row.lines
        self._now: dict[str, Any] = {}
        self._last = False

    def take(self, events: Sequence[Event]) -> None:
        """Takes the next events of the log, from its beginning; this costs next to nothing."""
        take = self._fold.take
        if self.lines >= self._known:
            for event in events:
                take(event)
            self.lines += len(events)
            return
        for event in events:
            take(event)
            self.lines += 1
            if self.lines == self._known:
                self._fold.changes()
                self._kept |= self._standing()

    @property
    def has_changed(self) -> bool:
        """Says whether there is anything to gather or to write."""
        return self.lines > self._gathered or self._gathered != self._written

    def gather(self, *, last: bool = False) -> None:
        """Makes the rows that are to be written, behind those that are known; the ``last`` time of all there are."""
        self._last = self._last or last
        if self.lines <= self._gathered and not (last and 0 < self.lines < self._known):
            return
        self._gathered, self._now = self.lines, self._standing()
        changes = self._fold.changes()
        for table, rows in changes.rows.items():
            self._rows[table].update((row.id, row_of(row)) for row in rows)
            for row in rows:
                self._removed[table].pop(row.id, None)
        for table, ids in changes.removed.items():
            for id in ids:
                self._rows[table].pop(id, None)
                self._removed[table][id] = None

    def gathered(self) -> Fold | None:
        """Returns what is to be written now, None when nothing is: of lines alone only the last ones are told."""
        if self._gathered == self._written:
            return None
        rows: dict[RowTable, list[Row]] = {table: list(held.values()) for table, held in self._rows.items() if held}
        removed: dict[RowTable, list[str]] = {table: list(ids) for table, ids in self._removed.items() if ids}
        execution = {name: value for name, value in self._now.items() if value != self._kept[name]}
        if not (rows or removed or execution or self._last):
            return None
        return Fold(
            run_id=self.row.run_id, workflow_id=self.row.workflow_id, lines=self._gathered, rows=rows, removed=removed,
            execution=execution,
        )  # fmt: skip

    def written(self, fold: Fold) -> None:
        """Takes that this is on disk; more may have been gathered meanwhile."""
        self._written = fold.lines
        self._kept |= fold.execution
        for table, rows in fold.rows.items():
            for row in rows:
                if self._rows[table].get(row["id"]) is row:
                    del self._rows[table][row["id"]]
        for table, ids in fold.removed.items():
            for id in ids:
                self._removed[table].pop(id, None)

    def _standing(self) -> dict[str, Any]:
        """Returns how the execution stands, as far as the log tells."""
        fold, row = self._fold, self.row
        run, ended, ledger = fold.frame.run, fold.ended, fold.ledger
        if run is None:
            return {}
        first = next(iter(fold.frame.followed.agents.values()), None)
        report = fold.report if ended is not None and ended.status == "completed" else None
        return {
            "status": "running" if ended is None else _ENDED.get(ended.status, "error"),
            "started_at": row.started_at or run.started_at,
            "ended_at": None if ended is None else fold.frame.time(ended.at).timestamp(),
            "error": None if ended is None else _why(ended),
            "result": None if report is None else json_value(WorkflowResult.of(report)),
            "tokens_input": ledger.usage.input_tokens,
            "tokens_output": ledger.usage.output_tokens,
            "cost_usd": None if ledger.unpriced else ledger.cost,
            "model_id": None if first is None else first.model,
            "context_tokens": fold.context_tokens,
        }


def _why(ended: RunEnded) -> str | None:
    """Returns why a run is not completed."""
    if ended.status == "completed":
        return None
    if ended.error is not None:
        return ended.error.message
    return str(ended.output or f"the run was {ended.status.replace('_', ' ')}")


class Projector:
    """Writes what projections have gathered, those of all executions together."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._live: dict[Projection, None] = {}
        self._settled: set[Projection] = set()
        self._writing = anyio.Lock()

    def projection(self, row: ExecutionRow) -> Projection:
        """Returns what folds the log of an execution."""
        made = Projection(row)
        self._live[made] = None
        return made

    async def work(self) -> None:
        """Writes every now and then, until it is cancelled; what a store does not take is written later."""
        pause = INTERVAL
        while True:
            await anyio.sleep(pause)
            began = time.perf_counter()
            failed = await self._write([each for each in self._live if each.has_changed])
            pause = max(INTERVAL, SHARE * (time.perf_counter() - began))
            if failed:
                pause = max(pause, RETRY)
                why = next(iter(failed.values()))
                log.error("the rows of %s executions were not written; they are kept: %s", len(failed), why)

    async def catch_up(self) -> None:
        """Writes what executions have told by now, so that whoever was told it finds it in the tables.

        What the store does not take is written later, as ever.
        """
        if changed := [each for each in self._live if each.has_changed]:
            await self._write(changed)

    async def settle(self, projection: Projection) -> None:
        """Writes what a projection has gathered; it is on disk when this returns, and needed no longer.

        Raises ``StoreError`` when the store does not take it; then it is written as soon as the store does.
        """
        projection.gather(last=True)
        self._settled.add(projection)
        failed = await self._write([projection])
        if projection in failed:
            raise failed[projection]

    async def refold(self, store: Store, row: ExecutionRow) -> None:
        """Writes the rows that a stored log amounts to, where they do not tell all of it, as after a crash."""
        try:
            lines = await store.lines(row.run_id)
        except RunNotFound:  # it has not begun
            return
        projection = self.projection(row)
        for place in range(0, len(lines), AT_ONCE):
            projection.take([decode(*line[1:]) for line in lines[place : place + AT_ONCE]])
            await anyio.lowlevel.checkpoint()
        await self.settle(projection)

    async def _write(self, projections: Iterable[Projection]) -> dict[Projection, Exception]:
        """Writes what has changed in one transaction, and returns what was not taken, and why."""
        failed: dict[Projection, Exception] = {}
        flushed: list[Projection] = []
        for projection in projections:
            projection.gather()
            try:
                if projection.flushed is not None:
                    await projection.flushed()
            except Exception as error:  # noqa: BLE001  # what broke the log; it ends before what the rows would tell
                failed[projection] = error
                self._settled.discard(projection)
                self._live.pop(projection, None)
            else:
                flushed.append(projection)
        async with self._writing:
            failed |= await self._keep({each: fold for each in flushed if (fold := each.gathered()) is not None})
        for projection in [each for each in self._settled if not each.has_changed]:
            self._settled.remove(projection)
            self._live.pop(projection, None)
        return failed

    async def _keep(self, folds: Mapping[Projection, Fold]) -> dict[Projection, StoreError]:
        """Keeps folds together; what a store refuses so it is given one by one."""
        if not folds:
            return {}
        try:
            await self._records.keep(list(folds.values()))
        except StoreError as error:
            if len(folds) == 1:
                return dict.fromkeys(folds, error)
            failed: dict[Projection, StoreError] = {}
            for projection, fold in folds.items():
                failed |= await self._keep({projection: fold})
            return failed
        for projection, fold in folds.items():
            projection.written(fold)
        return {}
