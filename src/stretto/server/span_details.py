"""Tells one step of a run with everything that its log holds of it, and its place in the plan it stands in."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from stretto.core.events import EVENTS, Path, Said, StepRetrying, parent_of
from stretto.core.journal import Line
from stretto.core.preview import preview
from stretto.monitoring.spans import MESSAGES_KEPT, Span, SpanFold
from stretto.monitoring.timeline import tries_of
from stretto.server.house import House
from stretto.server.plan_views import PlanItem
from stretto.server.problems import Problem
from stretto.server.run_reading import agents_of, apart, plans
from stretto.server.run_views import AgentItem, sendable, shown, span_of
from stretto.server.timeline_forms import SpanAttempt, SpanDetails, SpanLink, SpanMessage
from stretto.stores.plain import plain_event, readable

_KINDS = frozenset(EVENTS) - {"model_delta"}
_RUN = ("run_started", "run_resumed")


async def details(house: House, run_id: str, path: Path) -> SpanDetails:
    """Returns what is known of a step; raises ``RunNotFound``, and ``Problem`` for a path that the log never names.

    Only lines about the step and what is below it are read as more than text.
    """
    lines = await house.store.lines(run_id, full=False, kinds=_KINDS)
    made = await plans(house, run_id)
    found = await apart(lambda: _details(lines, path, made))
    if found is None:
        raise Problem(404, "not_found", f"run {run_id!r} has no step {path!r}; its timeline names the steps it has")
    return found


def _details(lines: Sequence[Line], path: Path, made: Sequence[PlanItem]) -> SpanDetails | None:
    below = f"{path}/"
    mine = [sendable(line) for line in lines if line.path == path or line.path.startswith(below)]
    if not mine:
        return None
    events = [plain_event(line) for line in mine]
    fold = SpanFold(plain_event(sendable(line)) for line in lines if line.kind in _RUN)
    fold.feed_all(events)
    fold.advance(lines[-1].at)
    span = fold.span(path)
    said: deque[SpanMessage] = deque(maxlen=MESSAGES_KEPT)
    for event in events:
        if isinstance(event, Said):
            said.append(SpanMessage(path=event.path, at=event.at, text=shown(event.text), level=event.level))
    failed = [shown(one.error.message) for one in events if isinstance(one, StepRetrying) and one.path == path]
    before, after = _links(made, path)
    return SpanDetails(
        span=span_of(span, fold.now), input=_value(mine, path, "step_started", "input"),
        output=_value(mine, path, "step_completed", "output"), agent=_agent(lines, path), depends_on=before,
        needed_by=after, tries=_attempts(span, failed), messages=list(said), events=len(mine),
    )  # fmt: skip


def _value(lines: Sequence[Line], path: Path, kind: str, name: str) -> Any:
    """Returns a value of the last line of a kind, cut with its size where it is long."""
    last = next((line for line in reversed(lines) if line.path == path and line.kind == kind), None)
    return None if last is None else preview(readable(json.loads(last.data)[name]))


def _agent(lines: Sequence[Line], path: Path) -> AgentItem | None:
    found = {item.path: item for item in agents_of([sendable(line) for line in lines if line.kind == "agent_started"])}
    while path and path not in found:
        path = parent_of(path)
    return found.get(path)


def _attempts(span: Span, failed: Sequence[str]) -> list[SpanAttempt]:
    """Returns all attempts of a step; what went wrong in those that failed is told in their order."""
    if span.start is None and not span.earlier:
        return []
    why = iter(failed)
    last = None if span.error is None else shown(span.error.message)
    tries = tries_of(span, all=True)
    return [
        SpanAttempt(
            number=number, start_ms=one["start_ms"], end_ms=one["end_ms"], status=one["status"],
            error=last if number == len(tries) else next(why, None) if one["status"] == "failed" else None,
        )
        for number, one in enumerate(tries, 1)
    ]  # fmt: skip


def _links(made: Sequence[PlanItem], path: Path) -> tuple[list[SpanLink], list[SpanLink]]:
    """Returns what a step waited for, and what waited for it, by the last plan that holds it."""
    for plan in reversed(made):
        paths = {one.id: one.path for batch in plan.batches for one in batch.operations}
        mine = next((id for id, held in paths.items() if held == path), None)
        if mine is not None:
            before = [
                SpanLink(path=paths[edge.origin], ref=ref, reason=edge.reason)
                for edge in plan.edges
                if edge.target == mine
                for ref in edge.refs or [""]
            ]
            after = [
                SpanLink(path=paths[edge.target], ref=ref, reason=edge.reason)
                for edge in plan.edges
                if edge.origin == mine
                for ref in edge.refs or [""]
            ]
            return before, after
    return [], []
