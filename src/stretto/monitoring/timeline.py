"""Tells a run's spans as rows of a timeline: all of them, or those that changed since they were told last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NamedTuple

from stretto.core import events as core
from stretto.core.events import Event, Path
from stretto.monitoring.metrics import WorkflowMetrics, end_of, measure
from stretto.monitoring.slack import own_times, slacks
from stretto.monitoring.spans import Span, SpanFold

LONGEST_ERROR = 200
"""How many characters of an error a row tells."""
KINDS = frozenset(
    {
        "run_started", "run_resumed", "run_ended", "step_started", "step_completed", "step_failed", "step_timed_out",
        "step_cancelled", "step_skipped", "step_retrying", "step_abandoned", "step_undone", "asked", "answered",
        "model_used", "agent_started",
    }
)  # fmt: skip
"""The kinds of events that rows are made of; the others are passed over."""


class _Part(NamedTuple):
    """What a span adds to the figures of a run that goes on."""

    operations: float = 0
    work: float = 0.0
    running: float = 0
    since: float = 0.0
    failures: float = 0
    queued: float = 0.0


_NOTHING = _Part()


class TimelineFold(SpanFold):
    """The spans of a run and the agents that they belong to; ``changed`` are those not told yet, by path.

    ``seq`` is how many events were fed. Feeding is O(1) per event, as it is below, and so is telling per span.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.changed: dict[Path, Span] = {}
        self.agents: dict[Path, str] = {}
        self._alone: dict[Path, Span] = {}
        self._together: set[Path] = set()
        self._parts: dict[Path, _Part] = {}
        self._total = _NOTHING
        super().__init__()
        self._take = {kind: take for kind, take in self._take.items() if kind.kind in KINDS}
        self._take[core.AgentStarted] = self._agent_started

    def feed(self, event: Event) -> None:
        """Takes one event."""
        self.seq += 1
        if event.at > self.now:
            self.now = event.at
        take = self._take.get(type(event))
        if take is not None:
            take(event)
            span = self.spans.get(event.path)
            if span is not None:
                self.changed[event.path] = span

    def span(self, path: Path) -> Span:
        """Returns the span of a path, made (with those above it) when the log had not named it yet."""
        known = len(self.spans)
        found = super().span(path)
        if len(self.spans) > known:
            self._changes(found)
            if (above := found.parent) is not None and len(above.children) == 1:
                self._changes(above)
                self._alone.pop(above.path, None)
                self._together.discard(above.path)
        return found

    def _changes(self, span: Span) -> None:
        if span is not self.root:
            self.changed[span.path] = span

    def _run_resumed(self, event: core.RunResumed) -> None:
        for span in self.live():
            self._changes(span)
        self._alone.clear()
        super()._run_resumed(event)

    def _started(self, event: core.StepStarted) -> None:
        super()._started(event)
        span = self.spans[event.path]
        if not span.children:
            self._alone[span.path] = span
            if len(self._alone) > 1:
                self._together.update(islice(reversed(self._alone), 2) if len(self._alone) == 2 else (span.path,))

    def _end(self, event: Event, status: Any) -> Span:
        self._alone.pop(event.path, None)
        return super()._end(event, status)

    def _was_answered(self, event: core.Answered) -> None:
        if (span := self._asked.get(event.request_id)) is not None:
            self._changes(span)
        super()._was_answered(event)

    def _model_used(self, event: core.ModelUsed) -> None:
        super()._model_used(event)
        span: Span | None = self.spans.get(event.path)
        while span is not None:
            self._changes(span)
            span = span.parent

    def _agent_started(self, event: core.AgentStarted) -> None:
        if self.agents.get(event.path) == event.agent_id:
            return
        self.agents[event.path] = event.agent_id
        below = [span for span in (self.spans.get(event.path),) if span is not None]
        while below:
            span = below.pop()
            self._changes(span)
            below += span.children

    # -- what is told --------------------------------------------------------------------------------------------------

    def agent_of(self, span: Span | None) -> str | None:
        """Returns the id of the agent that a span belongs to: the nearest one at it or above it."""
        while span is not None:
            if span.path in self.agents:
                return self.agents[span.path]
            span = span.parent
        return None

    def changes(self, most: int) -> list[str]:
        """Returns the rows of at most so many spans that have changed, those that changed first, and forgets that."""
        found = list(islice(self.changed.values(), most))
        for span in found:
            self._tell(span)
        return [row_of(span, self.agent_of(span)) for span in found]

    def told(self) -> tuple[list[str], dict[str, Any]]:
        """Returns the rows of all spans in the order of the tree, siblings by their start, and the run's figures.

        When the run has ended the rows tell also what decided its end.
        """
        if not self.is_over:
            for span in list(self.changed.values()):
                self._tell(span)
            return [row_of(span, agent) for span, agent in self._in_order()], self.counted()
        figures = measure(self)
        critical, spare, own = set(figures.critical_path), slacks(self), own_times(self)
        batches = {path: place for place, batch in enumerate(figures.parallel_batches) for path in batch.operations}
        rows = [
            row_of(span, agent, own[span.path], spare.get(span.path), span.path in critical, batches.get(span.path))
            for span, agent in self._in_order()
        ]
        return rows, self._spent() | _measured(figures)

    def _tell(self, span: Span) -> None:
        """Takes a span for told, and counts what it adds to the figures now."""
        del self.changed[span.path]
        old, new = self._parts.get(span.path, _NOTHING), _part_of(span)
        if old != new:
            self._parts[span.path] = new
            self._total = _Part(
                *(whole - before + after for whole, before, after in zip(self._total, old, new, strict=True))
            )

    def _in_order(self) -> Iterator[tuple[Span, str | None]]:
        waiting = [(self.root, self.agents.get(""))]
        while waiting:
            span, agent = waiting.pop()
            if span is not self.root:
                yield span, agent
            if span.children:
                below = sorted(span.children, key=_begun)
                waiting += [(each, self.agents.get(each.path, agent)) for each in reversed(below)]

    def measured(self) -> dict[str, Any]:
        """Returns the figures of a run that has ended, in O(n log n)."""
        return self._spent() | _measured(measure(self))

    def _spent(self) -> dict[str, Any]:
        spent = self.root.spent
        return {
            "tokens_input": 0 if spent is None else spent.input_tokens,
            "tokens_output": 0 if spent is None else spent.output_tokens,
            "cost": None if spent is None else spent.cost,
        }

    def counted(self) -> dict[str, Any]:
        """Returns the figures of a run that goes on, as far as its spans were told."""
        total = self._total
        wall = end_of(self) - (self.root.start or 0.0)
        work = total.work + total.running * self.now - total.since
        return self._spent() | {
            "wall_ms": milliseconds(wall), "work_ms": milliseconds(work), "operations": int(total.operations),
            "running": int(total.running), "failures": int(total.failures),
            "parallelization_ratio": min(1.0, len(self._together) / total.operations) if total.operations else 0.0,
            "speedup_factor": work / wall if wall > 0 else 1.0, "critical_path": [], "bottleneck": None,
            "bottleneck_share": 0.0, "queue_ms": milliseconds(total.queued),
        }  # fmt: skip


def _measured(found: WorkflowMetrics) -> dict[str, Any]:
    return {
        "wall_ms": milliseconds(found.total_duration), "work_ms": milliseconds(found.work),
        "operations": found.operations, "running": 0, "failures": found.failures,
        "parallelization_ratio": found.parallelization_ratio, "speedup_factor": found.speedup_factor,
        "critical_path": [sendable(path) for path in found.critical_path],
        "bottleneck": None if found.bottleneck is None else sendable(found.bottleneck),
        "bottleneck_share": found.bottleneck_share, "queue_ms": milliseconds(found.total_queue_time),
    }  # fmt: skip


def milliseconds(seconds: float) -> float:
    """Returns seconds as milliseconds, to the microsecond."""
    return round(seconds * 1e3, 3)


def _begun(span: Span) -> tuple[bool, float]:
    first = span.earlier[0].start if span.earlier else span.start
    return (True, 0.0) if first is None else (False, round(first * 1e3, 3))


def _part_of(span: Span) -> _Part:
    if span.children or (span.start is None and not span.earlier):
        return _Part(queued=span.queued)
    live = span.start if span.is_live else None
    before = sum(one.end - one.start for one in span.earlier) if live is not None else span.duration(0.0)
    bad = span.status in ("failed", "timed_out")
    return _Part(1, before, int(live is not None), live or 0.0, int(bad), span.queued)


def row_of(
    span: Span, agent: str | None, own: float | None = None, slack: float | None = None, critical: bool = False,
    batch: int | None = None,
) -> str:  # fmt: skip
    """Returns a span as JSON text, which many thousand can be made of at once: ``TimelineSpan`` says what it holds."""
    first = span.earlier[0].start if span.earlier else span.start
    last = span.end if span.start is not None or not span.earlier else span.earlier[-1].end
    spent, above = span.spent, span.parent
    tokens, cost = (0, None) if spent is None else (spent.input_tokens + spent.output_tokens, spent.cost)
    tries = json.dumps(tries_of(span), separators=(",", ":")) if span.earlier or span.retries else "[]"
    error = "null" if span.error is None and not span.reason else _error(span)
    return (
        f'{{"path":{_text(span.path)},"parent":{_text(above.path if above else "")},"name":{_text(span.name)},'
        f'"kind":{_text(span.kind)},"status":"{"waiting" if span.question else span.status}",'
        f'"start_ms":{_milliseconds(first)},"end_ms":{_milliseconds(last)},"queued_ms":{_milliseconds(span.queued)},'
        f'"self_ms":{_milliseconds(own)},"slack_ms":{_milliseconds(slack)},'
        f'"critical":{"true" if critical else "false"},"batch":{"null" if batch is None else batch},'
        f'"attempts":{span.attempts},"tries":{tries},'
        f'"agent":{"null" if agent is None else _text(agent)},"tokens":{tokens},'
        f'"cost":{"null" if cost is None else repr(cost)},"error":{error},"source":{_text(span.source)}}}'
    )


def _milliseconds(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds * 1e3:.3f}" if seconds else "0.0"


def _text(text: str) -> str:
    return _quoted(text if text.isascii() else sendable(text))


def _error(span: Span) -> str:
    if span.error is not None:
        text = span.error.message or span.error.type
    elif span.status in ("timed_out", "abandoned"):
        text = span.reason
    else:
        return "null"
    return _text(text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…")


def tries_of(span: Span, *, all: bool = False) -> list[dict[str, Any]]:
    """Returns each attempt of a step, with when it began and ended and how; one alone only if ``all`` are wanted."""
    found: list[dict[str, Any]] = []
    executions = span.executions(float("inf"))
    for place, (start, end) in enumerate(executions):
        last = place == len(executions) - 1 and span.start is not None
        begun = start
        for retry in span.retries:
            if start <= retry.at <= end and retry.at >= begun:
                found.append(_try(begun, retry.at, "failed"))
                begun = min(end, retry.at + retry.wait)
        found.append(_try(begun, end, span.status if last else "cancelled"))
    return found if all or len(found) > 1 else []


def _try(start: float, end: float, status: str) -> dict[str, Any]:
    ended = None if end == float("inf") else milliseconds(end)
    return {"start_ms": milliseconds(start), "end_ms": ended, "status": status}


def sendable(text: str) -> str:
    """Returns a text that is Unicode: half a pair in it becomes ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
