"""Reads the timeline of a run from its log, as far as that goes at this moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from stretto.core.errors import RunNotFound
from stretto.core.events import Event, StepCompleted, StepStarted
from stretto.core.journal import Line
from stretto.core.records import ExecutionRow
from stretto.monitoring.timeline import KINDS, TimelineFold, milliseconds
from stretto.server.house import House
from stretto.server.preparation import LABEL
from stretto.server.run_reading import apart
from stretto.server.run_views import sendable
from stretto.server.timeline_forms import with_rows
from stretto.stores.plain import plain_event
from stretto.stores.summary import RunSummary, StepCounts

_QUEUED, _STEP = ',"queued":', ',"step":'
_RAN = '"source":"run"}'


async def timeline_json(house: House, run_id: str) -> bytes:
    """Returns the timeline of a run as JSON text, worked out beside the loop; raises ``NotKept``.

    Of a run that this server carries out, everything that was told of it by now is in it; an execution that has not
    begun has a timeline without steps.
    """
    run = house.executions.run(run_id)
    if run is not None and not run.ended.is_set():
        await run.state.log.flushed()
    try:
        summary = await house.store.summary(run_id)
    except RunNotFound:
        summary = _not_begun(await house.store.records.execution(run_id))
    lines = await house.store.lines(run_id, full=False, kinds=KINDS) if summary.events else []
    now = None if run is None or run.ended.is_set() else run.now()
    return await apart(lambda: timeline_text(summary, lines, now))


def _not_begun(row: ExecutionRow) -> RunSummary:
    """Returns how an execution stands that has no log yet."""
    return RunSummary(
        id=row.run_id, name="", status="running" if row.status == "running" else "queued", started_at=row.created_at,
        ended_at=None, duration=0.0, steps=StepCounts(), error=None, labels={LABEL: row.workflow_id}, owner=None,
        size=0, events=0,
    )  # fmt: skip


def timeline_text(summary: RunSummary, lines: Sequence[Line], now: float | None = None) -> bytes:
    """Returns what ``Timeline`` describes; a live run is told as it stands ``now`` (seconds since it began)."""
    fold = TimelineFold()
    fold.feed_all(_events(lines))
    if now is not None:
        fold.advance(now)
    rows, figures = fold.told()
    begun = fold.run.started_at
    told = {
        "run_id": summary.id, "workflow_id": summary.labels.get(LABEL), "name": fold.run.name or summary.name,
        "status": fold.root.status if fold.is_over else summary.status,
        "started_at": summary.started_at if begun is None else begun, "now": milliseconds(fold.now),
        "seq": lines[-1].seq + 1 if lines else 0, "total": len(rows), "summary": figures,
    }  # fmt: skip
    return with_rows(told, rows)


def _events(lines: Iterable[Line]) -> Iterator[Event]:
    """Yields the events of lines; of those that are most of a log only the end of their text is read."""
    kinds: dict[str, str] = {}
    for line in lines:
        _, kind, path, at, data = line
        if kind == "step_completed" and data.endswith(_RAN):
            yield StepCompleted(path, at)
        elif kind == "step_started" and (place := data.rfind(_QUEUED)) >= 0:
            queued, _, step = data[place + len(_QUEUED) : -1].partition(_STEP)
            if step not in kinds:
                kinds[step] = json.loads(step)
            yield StepStarted(path, at, None, float(queued), kinds[step])
        else:
            yield plain_event(sendable(line))
