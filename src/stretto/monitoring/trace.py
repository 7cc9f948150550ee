"""Writes a run as a trace that Perfetto and Chrome's tracing page open.

The form is Google's "Trace Event Format": complete slices (``X``) with microseconds, instants (``i``), flows (``s``,
``f``), counters (``C``) and names (``M``).
"""

from __future__ import annotations

import heapq
import json
from typing import Any, TypeAlias

from stretto.monitoring.spans import Source, Span, SpanFold, fold_of

Record: TypeAlias = dict[str, Any]

RUN, QUEUE = 1, 2
"""The two processes of a trace: what ran, and what waited for room."""


class _Lanes:
    """Gives slices to lanes so that those of one lane nest or follow each other, as the format demands."""

    def __init__(self) -> None:
        self.count = 0
        self._free: list[tuple[float, int]] = []
        self._open: dict[int, list[tuple[float, Span | None]]] = {}
        self._lane_of: dict[int, int] = {}

    def lane(self, span: Span, start: float, end: float) -> int:
        """Returns the lane of a slice: its parent's when it fits in there, else the first that is free."""
        above = span.parent
        lane = self._lane_of.get(id(above)) if above is not None else None
        if lane is not None:
            held = self._open[lane]
            while held and held[-1][0] <= start and held[-1][1] is not above:
                held.pop()
            if held and held[-1][1] is above and end <= held[-1][0]:
                return self._keep(span, lane, end)
        if self._free and self._free[0][0] <= start:
            lane = heapq.heappop(self._free)[1]
        else:
            self.count += 1
            lane = self.count
        self._open[lane] = []
        heapq.heappush(self._free, (end, lane))
        return self._keep(span, lane, end)

    def _keep(self, span: Span, lane: int, end: float) -> int:
        self._open[lane].append((end, span))
        self._lane_of[id(span)] = lane
        return lane


def trace_of(source: Source) -> dict[str, Any]:
    """Returns a run as a trace object: ``traceEvents`` in microseconds, ``displayTimeUnit`` and ``otherData``."""
    fold = fold_of(source)
    now = fold.now
    ordered = sorted(
        (
            (one.start, -one.end, place, one.end, span)
            for place, span in enumerate(fold.spans.values())
            for one in span.executions(now)
        ),
        key=lambda found: found[:3],
    )
    running, waiting = _Lanes(), _Lanes()
    records: list[Record] = []
    places: list[tuple[float, float, Span, int]] = []
    for start, _, _, end, span in ordered:
        lane = running.lane(span, start, end)
        records.append(_slice(span, start, end, lane))
        places.append((start, end, span, lane))
    records += _queue(places, waiting)
    records += _instants(places)
    records += _counters(places)
    records.sort(key=lambda record: record["ts"])
    return {
        "traceEvents": [*_names(fold, running.count, waiting.count), *records],
        "displayTimeUnit": "ms",
        "otherData": {"run_id": fold.run.run_id, "name": fold.run.name, "started_at": fold.run.started_at},
    }


def draw_trace(source: Source) -> str:
    """Returns a run as the JSON text of a trace."""
    return json.dumps(trace_of(source), ensure_ascii=True, separators=(",", ":"))


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 3)


def _slice(span: Span, start: float, end: float, lane: int) -> Record:
    known: Record = {"path": span.path, "status": span.status}
    if span.queued:
        known["queued_ms"] = round(span.queued * 1e3, 3)
    if span.attempts > 1:
        known["attempts"] = span.attempts
    if span.source not in ("", "run"):
        known["source"] = span.source
    if span.error is not None:
        known["error"] = f"{span.error.type}: {span.error.message}"
    if span.reason:
        known["reason"] = span.reason
    begun, ended = _micro(start), _micro(end)
    return {
        "ph": "X", "name": span.name, "cat": span.kind or "step", "pid": RUN, "tid": lane, "ts": begun,
        "dur": round(ended - begun, 3), "args": known,
    }  # fmt: skip


def _queue(places: list[tuple[float, float, Span, int]], lanes: _Lanes) -> list[Record]:
    """Returns a slice for each wait, and a flow from it to the slice that it was for."""
    waits = sorted(
        (max(0.0, start - span.queued), place, start, span, lane)
        for place, (start, _, span, lane) in enumerate(places)
        if span.queued > 0 and start == span.start
    )
    records: list[Record] = []
    for number, (since, _, start, span, lane) in enumerate(waits, 1):
        alone = Span(span.path, None, span.name)
        queue = lanes.lane(alone, since, start)
        begun, ended = _micro(since), _micro(start)
        common: Record = {"name": "got room", "cat": "queue", "id": number}
        records += [
            {"ph": "X", "name": span.name, "cat": "queue", "pid": QUEUE, "tid": queue, "ts": begun,
             "dur": round(ended - begun, 3), "args": {"path": span.path}},
            {"ph": "s", **common, "pid": QUEUE, "tid": queue, "ts": begun},
            {"ph": "f", "bp": "e", **common, "pid": RUN, "tid": lane, "ts": ended},
        ]  # fmt: skip
    return records


def _instants(places: list[tuple[float, float, Span, int]]) -> list[Record]:
    return [
        {"ph": "i", "s": "t", "name": f"retry {number}: {retry.error.type}", "cat": "retry", "pid": RUN, "tid": lane,
         "ts": _micro(retry.at), "args": {"path": span.path, "error": retry.error.message, "wait_ms": retry.wait * 1e3}}
        for start, end, span, lane in places
        for number, retry in enumerate(span.retries, 1)
        if start <= retry.at <= end
    ]  # fmt: skip


def _counters(places: list[tuple[float, float, Span, int]]) -> list[Record]:
    """Returns how many operations ran, at every moment at which that changed."""
    edges: dict[float, int] = {}
    for start, end, span, _ in places:
        if not span.children:
            edges[start] = edges.get(start, 0) + 1
            edges[end] = edges.get(end, 0) - 1
    records: list[Record] = []
    running = 0
    for at, change in sorted(edges.items()):
        running += change
        if change:
            counted: Record = {"ph": "C", "name": "operations at once", "pid": RUN, "tid": 0, "ts": _micro(at)}
            records.append({**counted, "args": {"running": running}})
    return records


def _names(fold: SpanFold, running: int, waiting: int) -> list[Record]:
    """Returns the names and the order of processes and lanes."""
    name = fold.run.name or fold.run.run_id or "run"
    records: list[Record] = []
    for process, word, lanes in ((RUN, name, running), (QUEUE, "waiting for room", waiting)):
        if process == QUEUE and not lanes:
            continue
        common: Record = {"ph": "M", "pid": process, "tid": 0, "ts": 0}
        records.append({**common, "name": "process_name", "args": {"name": word}})
        records.append({**common, "name": "process_sort_index", "args": {"sort_index": process}})
        for lane in range(1, lanes + 1):
            records.append({**common, "tid": lane, "name": "thread_name", "args": {"name": f"lane {lane}"}})
            records.append({**common, "tid": lane, "name": "thread_sort_index", "args": {"sort_index": lane}})
    return records
