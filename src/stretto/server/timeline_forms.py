"""What operations and streams tell of the time that steps of a run take: timelines, their updates, and one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field
from pydantic_core import to_json

from stretto.server.run_views import AgentItem, SpanItem
from stretto.stores.summary import Status as RunStatus

SpanStatus: TypeAlias = Literal[
    "pending", "running", "waiting", "completed", "failed", "timed_out", "cancelled", "skipped", "abandoned"
]  # fmt: skip
"""How a step stands; ``waiting`` is one that asks people something."""


class SpanTry(BaseModel):
    """One attempt of a step, in milliseconds since the run began; ``end_ms`` is null while it goes on."""

    start_ms: float
    end_ms: float | None
    status: SpanStatus


class TimelineSpan(BaseModel):
    """A step of a run as a timeline shows it, in milliseconds since the run began.

    ``parent`` is empty right below the run. ``start_ms`` is null while it has not begun, ``end_ms`` while it has not
    ended; ``queued_ms`` is how long it waited for room before it began. ``tries`` are given when there were several.
    ``agent`` is the id of the agent that it belongs to, ``tokens`` and ``cost`` are those of all below it, too; the
    cost is null without a known price. ``source`` is empty, or says where its output came from: run, cache, batch,
    fallback or human. The rest is known when the run has ended: ``self_ms`` is how long it worked while nothing below
    it did, ``slack_ms`` how much later it could have ended (null of what another's end has cancelled), ``critical``
    whether it is an operation that decided the run's end, ``batch`` in which stretch of operations that ran together
    it was, from 0 (null of what ran alone).
    """

    path: str
    parent: str
    name: str
    kind: str
    status: SpanStatus
    start_ms: float | None
    end_ms: float | None
    queued_ms: float
    self_ms: float | None
    slack_ms: float | None
    critical: bool
    batch: int | None
    attempts: int
    tries: list[SpanTry]
    agent: str | None
    tokens: int
    cost: float | None
    error: str | None = Field(description="What went wrong, at most 200 characters.")
    source: str


class TraceSummary(BaseModel):
    """The figures of a run in milliseconds; an operation is a step without others below it that has begun.

    ``running`` is how many operations run now. While a run goes on, ``parallelization_ratio`` counts what has run
    beside another so far, ``critical_path`` is empty and ``bottleneck`` null. The cost (US dollars) is null without a
    known price.
    """

    wall_ms: float
    work_ms: float
    operations: int
    running: int
    failures: int
    parallelization_ratio: float
    speedup_factor: float
    critical_path: list[str]
    bottleneck: str | None
    bottleneck_share: float
    tokens_input: int
    tokens_output: int
    cost: float | None
    queue_ms: float


class Timeline(BaseModel):
    """All steps of a run in the order of the tree: parents first, siblings by their start.

    ``started_at`` is in seconds since the Unix epoch, ``now`` in milliseconds since then. ``seq`` is how far into the
    log this goes: an update with a larger one goes on from here. ``total`` is the number of steps.
    """

    run_id: str
    workflow_id: str | None
    name: str
    status: RunStatus
    started_at: float
    now: float
    seq: int
    total: int
    summary: TraceSummary
    spans: list[TimelineSpan]


class SpanUpdate(BaseModel):
    """The data of a ``span_update`` event: the steps that have changed since the last one, at most 500.

    Each is told whole and takes the place of the one with its path; a new one stands behind its siblings that began at
    the same time. ``over`` says that nothing more comes of this run: load its timeline once more, which then says
    what decided its end.
    """

    run_id: str
    workflow_id: str | None
    name: str
    status: RunStatus
    started_at: float
    seq: int
    now: float
    spans: list[TimelineSpan]
    summary: TraceSummary
    over: bool


class RunUpdate(BaseModel):
    """The data of a ``run_update`` event: a run that is of no workflow has begun, or is over."""

    run_id: str
    status: RunStatus


class SpanLink(BaseModel):
    """A step that another waited for, or that waited for another: because of the data ``ref``, and why in words."""

    path: str
    ref: str
    reason: str


class SpanAttempt(BaseModel):
    """One attempt of a step, counted from 1, in milliseconds since the run began, and what went wrong in it."""

    number: int
    start_ms: float
    end_ms: float | None
    status: SpanStatus
    error: str | None


class SpanMessage(BaseModel):
    """A line that was said at a path, ``at`` seconds after the run began."""

    path: str
    at: float
    text: str
    level: str


class SpanDetails(BaseModel):
    """A step with everything that is known of it; input and output are cut where they are long, with their size.

    ``depends_on`` and ``needed_by`` are what the plan says that it stands in. ``tries`` are all of its attempts,
    ``messages`` the last lines that were said at it and below, ``events`` is how many lines of the log tell of it and
    what is below, the words of models left out.
    """

    span: SpanItem
    input: Any
    output: Any
    agent: AgentItem | None
    depends_on: list[SpanLink]
    needed_by: list[SpanLink]
    tries: list[SpanAttempt]
    messages: list[SpanMessage]
    events: int


def with_rows(told: Mapping[str, object], rows: Iterable[str]) -> bytes:
    """Returns an object as JSON text, with ``spans`` that are JSON texts already."""
    return b'%b,"spans":[%b]}' % (to_json(told, inf_nan_mode="null")[:-1], ",".join(rows).encode())
