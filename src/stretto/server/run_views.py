"""What operations tell of runs: a run, its events, its spans and its questions, as JSON that people expect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stretto.core.events import Asked, ErrorRecord
from stretto.core.journal import Line
from stretto.core.preview import preview
from stretto.monitoring.metrics import WorkflowMetrics
from stretto.monitoring.spans import Span, Status
from stretto.server.preparation import LABEL
from stretto.server.rerunning import RERUN
from stretto.stores.plain import readable
from stretto.stores.summary import RunSummary, StepCounts
from stretto.stores.summary import Status as RunStatus

SHOWN = 2000
"""How many characters of an error or a label are shown."""
_VALUES = frozenset({"output", "value", "input", "details", "data"})

EventKind = Literal[
    "run_started", "run_resumed", "run_ended", "step_started", "step_completed", "step_failed", "step_timed_out",
    "step_cancelled", "step_skipped", "step_retrying", "step_abandoned", "step_undone", "asked", "answered", "progress",
    "said", "model_delta", "model_used", "agent_started", "history_shortened", "plan_made", "task_changed",
]  # fmt: skip
"""Every kind of event that a log holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetrics(WorkflowMetrics):
    """The figures of a run; times are in seconds, the cost in US dollars, None when a price is unknown."""


def run_metrics(found: WorkflowMetrics) -> RunMetrics:
    """Returns figures under the name by which clients tell them from those of a result."""
    return RunMetrics(**{field.name: getattr(found, field.name) for field in fields(found)})


class RunItem(BaseModel):
    """A run in one row.

    ``started_at`` and ``ended_at`` are in seconds since the Unix epoch, ``duration`` is in seconds (of a live run: so
    far), ``size`` in characters of its log's JSON, ``events`` how many lines that is. ``here`` says whether this server
    runs it. A run of a workflow's execution bears its ``workflow_id``, a repetition the run that it repeats.
    """

    id: str
    name: str
    status: RunStatus
    started_at: float
    ended_at: float | None
    duration: float
    steps: StepCounts
    error: str | None
    labels: dict[str, str]
    owner: str | None
    size: int
    events: int
    here: bool
    workflow_id: str | None
    rerun_of: str | None


class Failure(BaseModel):
    """An error as the log keeps it: its type, its words, and the path at which it was raised first."""

    type: str
    message: str
    path: str


class AgentItem(BaseModel):
    """An agent that worked in a run; ``level`` counts from 1, the primary one."""

    path: str
    agent_id: str
    name: str
    parent_id: str
    level: int
    model: str


class RunDetail(RunItem):
    """A run with what went in and came out, large values cut; ``resumed`` says how often it went on after an end."""

    input: Any
    output: Any
    failure: Failure | None
    resumed: int
    agents: list[AgentItem]


class EventItem(BaseModel):
    """An event of a run: ``seq`` is its place in the log from 0, ``at`` in seconds since the run began.

    ``data`` are the event's own fields. A value is cut: ``$cut`` stands for the beginning of what is longer, with its
    ``size``, and ``{"size", "begins"}`` for what is kept apart. The operation for one event tells it whole.
    """

    seq: int
    kind: str
    path: str
    at: float
    data: dict[str, Any]


class RetryItem(BaseModel):
    """A failed attempt; it ended ``at``, and the next began ``wait`` seconds later."""

    at: float
    wait: float
    error: Failure


class SaidItem(BaseModel):
    """A line that a step said."""

    at: float
    text: str
    level: str


class SpentItem(BaseModel):
    """What models took for a path and all below it; ``cost`` is in US dollars, None when a price is unknown."""

    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: float | None
    known_cost: float
    unpriced: int


class SpanItem(BaseModel):
    """A step of a run; times are in seconds since the run began, ``duration`` is of all its executions together.

    ``queued`` is how long it waited for room, ``source`` says where its output came from: run, cache, batch, fallback
    or human. ``children`` counts the steps right below.
    """

    path: str
    parent_path: str
    name: str
    kind: str
    status: Status
    start: float | None
    end: float | None
    duration: float
    queued: float
    attempts: int
    source: str
    reason: str
    error: Failure | None
    retries: list[RetryItem]
    question: str
    undone: bool
    done: int | None
    total: int | None
    said: int
    messages: list[SaidItem]
    spent: SpentItem | None
    children: int


class QuestionItem(BaseModel):
    """What a run asks and nobody has answered; ``choices`` that are empty take any text.

    With a ``timeout`` (seconds) the ``default`` stands when that is over, counted from ``asked_at``.
    """

    request_id: str
    path: str
    question: str
    choices: list[str]
    reason: str
    topic: str
    risk: str
    timeout: float | None
    default: str | None
    asked_at: float
    details: Any
    value: Any


class LibraryItem(BaseModel):
    """A workflow that can be run by its name; ``steps`` are those that it is made of."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "survey", "kind": "workflow", "about": ""}})

    name: str
    kind: str
    about: str
    steps: list[str] = Field(description="The names of the steps right below.")


def item_of(summary: RunSummary, here: bool) -> RunItem:
    """Returns a run as lists tell it."""
    labels = summary.labels
    return RunItem(
        id=summary.id, name=summary.name, status=summary.status, started_at=summary.started_at,
        ended_at=summary.ended_at, duration=summary.duration, steps=summary.steps,
        error=None if summary.error is None else shown(summary.error),
        labels={name: shown(value) for name, value in labels.items()}, owner=summary.owner, size=summary.size,
        events=summary.events, here=here, workflow_id=labels.get(LABEL), rerun_of=labels.get(RERUN),
    )  # fmt: skip


def shown(text: str) -> str:
    """Returns a text that can be sent, cut with its length when it is long."""
    text = text if text.isascii() else text.encode("utf-8", "replace").decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def sendable(line: Line) -> Line:
    """Returns a line whose texts can be sent: half a Unicode pair, as in the name of a file, becomes ``?``."""
    if "\\ud" not in line.data:
        return line
    whole = json.dumps(json.loads(line.data), ensure_ascii=False).encode("utf-8", "replace").decode()
    return line._replace(data=whole)


def event_of(line: Line, whole: bool = False) -> EventItem:
    """Returns a line of the log; its values are cut unless they are asked for ``whole``."""
    held: Mapping[str, Any] = json.loads(line.data)
    data = {name: readable(value) for name, value in held.items()}
    if not whole:
        data |= {name: preview(data[name]) for name in _VALUES & data.keys()}
    return EventItem(seq=line.seq, kind=line.kind, path=line.path, at=line.at, data=data)


def failure_of(error: ErrorRecord | None) -> Failure | None:
    """Returns an error without its traceback."""
    return None if error is None else Failure(type=error.type, message=shown(error.message), path=error.path)


def span_of(span: Span, now: float) -> SpanItem:
    """Returns a step as it stood at ``now`` (seconds since the run began)."""
    spent = span.spent
    return SpanItem(
        path=span.path, parent_path="" if span.parent is None else span.parent.path, name=span.name, kind=span.kind,
        status=span.status, start=span.start, end=span.end, duration=span.duration(now), queued=span.queued,
        attempts=span.attempts, source=span.source, reason=span.reason, error=failure_of(span.error),
        retries=[
            RetryItem(at=one.at, wait=one.wait, error=found)
            for one in span.retries
            if (found := failure_of(one.error)) is not None
        ],
        question=span.question, undone=span.undone, done=span.done, total=span.total, said=span.said,
        messages=[SaidItem(at=one.at, text=shown(one.text), level=one.level) for one in span.messages],
        spent=None if spent is None else SpentItem(
            requests=spent.requests, input_tokens=spent.input_tokens, output_tokens=spent.output_tokens,
            cached_tokens=spent.cached_tokens, reasoning_tokens=spent.reasoning_tokens, cost=spent.cost,
            known_cost=spent.known_cost, unpriced=spent.unpriced,
        ),
        children=len(span.children),
    )  # fmt: skip


def question_of(asked: Asked) -> QuestionItem:
    """Returns a question as the log tells it."""
    return QuestionItem(
        request_id=asked.request_id, path=asked.path, question=asked.question, choices=asked.choices,
        reason=asked.reason, topic=asked.topic, risk=asked.risk, timeout=asked.timeout, default=asked.default,
        asked_at=asked.asked_at, details=readable(asked.details), value=preview(readable(asked.value)),
    )  # fmt: skip
