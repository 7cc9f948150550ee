"""Reads the timeline of a run from its log, as far as that goes at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from stretto.core.journal import Line
from stretto.monitoring.timeline import KINDS, TimelineFold, milliseconds
from stretto.server.house import House
from stretto.server.preparation import LABEL
from stretto.server.run_reading import apart
from stretto.server.run_views import sendable
from stretto.stores.plain import plain_event
from stretto.stores.summary import RunSummary


async def timeline_json(house: House, run_id: str) -> bytes:
    """Returns the timeline of a run as JSON text, worked out beside the loop; raises ``RunNotFound``.

    Of a run that this server carries out, everything that was told of it by now is in it.
    """
    run = house.executions.run(run_id)
    if run is not None and not run.ended.is_set():
        await run.state.log.flushed()
    summary = await house.store.summary(run_id)
    lines = await house.store.lines(run_id, full=False, kinds=KINDS) if summary.events else []
    now = None if run is None or run.ended.is_set() else run.now()
    return await apart(lambda: to_json(timeline(summary, lines, now), inf_nan_mode="null"))


def timeline(summary: RunSummary, lines: Sequence[Line], now: float | None = None) -> dict[str, Any]:
    """Returns what ``Timeline`` describes; a live run is told as it stands ``now`` (seconds since it began)."""
    fold = TimelineFold()
    fold.feed_all(plain_event(sendable(line)) for line in lines)
    if now is not None:
        fold.advance(now)
    rows = fold.rows()
    begun = fold.run.started_at
    return {
        "run_id": summary.id, "workflow_id": summary.labels.get(LABEL), "name": fold.run.name or summary.name,
        "status": fold.root.status if fold.is_over else summary.status,
        "started_at": summary.started_at if begun is None else begun, "now": milliseconds(fold.now),
        "seq": lines[-1].seq + 1 if lines else 0, "total": len(rows), "summary": fold.summary(), "spans": rows,
    }  # fmt: skip
