"""Folds a run's events into spans: what ran, from when to when, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from stretto.core import events as core
from stretto.core.events import ErrorRecord, Event, Path, name_of, parent_of

Status: TypeAlias = Literal[
    "pending", "running", "completed", "failed", "timed_out", "cancelled", "skipped", "abandoned"
]  # fmt: skip
STATUSES: dict[str, Status] = {
    "pending": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "timed_out": "timed_out",
    "cancelled": "cancelled",
    "skipped": "skipped",
    "abandoned": "abandoned",
}
"""Every status by its word."""

MESSAGES_KEPT = 50
"""How many of a span's last messages are kept; ``Span.said`` counts them all."""


@dataclass(frozen=True, slots=True)
class Message:
    """A line that a step said, ``at`` seconds into the run."""

    at: float
    text: str
    level: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed attempt: it ended ``at`` seconds into the run, and the next began ``wait`` seconds later."""

    at: float
    wait: float
    error: ErrorRecord


class Execution(NamedTuple):
    """One execution of a path, in seconds since the run began."""

    start: float
    end: float


@dataclass(slots=True)
class Spent:
    """What models took for a path and all below it: requests, tokens, and US dollars.

    ``input_tokens`` includes ``cached_tokens``, ``output_tokens`` includes ``reasoning_tokens``. ``known_cost`` is that
    of the requests whose price is known; the others are ``unpriced``. The tokens of ``estimated`` ones are a guess.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    known_cost: float = 0.0
    unpriced: int = 0
    estimated: int = 0

    @property
    def cost(self) -> float | None:
        """What all of it cost (US dollars), or None when the price of any request is unknown."""
        return None if self.unpriced else self.known_cost

    def add(self, used: core.ModelUsed) -> None:
        """Adds a request."""
        self.requests += 1
        self.input_tokens += used.input_tokens
        self.output_tokens += used.output_tokens
        self.cached_tokens += used.cached_tokens
        self.reasoning_tokens += used.reasoning_tokens
        self.estimated += used.estimated
        if used.cost is None:
            self.unpriced += 1
        else:
            self.known_cost += used.cost


@dataclass(slots=True)
class Span:
    """What is known of one path.

    ``start`` and ``end`` are seconds since the run began and belong to the latest execution; ``earlier`` holds the
    ones before a resume. ``start`` is None while the step waits or when it was skipped. ``queued`` is how long it
    waited for room before ``start`` (seconds). ``source`` says where a completed step's output came from: run, cache,
    batch, fallback or human. ``question`` is what a human is being asked now. ``seconds`` is the limit that a timed-out
    step exceeded. ``undone`` tells whether the step was rolled back. ``spent`` is what models took for it and all below
    it, None when no model was asked.
    """

    path: Path
    parent: Span | None
    name: str
    kind: str = ""
    start: float | None = None
    end: float | None = None
    queued: float = 0.0
    status: Status = "pending"
    attempts: int = 0
    error: ErrorRecord | None = None
    source: str = ""
    reason: str = ""
    seconds: float | None = None
    question: str = ""
    undone: bool = False
    done: int | None = None
    total: int | None = None
    said: int = 0
    messages: tuple[Message, ...] = ()
    retries: tuple[Retry, ...] = ()
    earlier: tuple[Execution, ...] = ()
    spent: Spent | None = None
    children: list[Span] = field(default_factory=list["Span"])

    @property
    def progress(self) -> tuple[int, int | None] | None:
        """How many items are through, and of how many (None: nobody knows); None when nothing was said of it."""
        return None if self.done is None else (self.done, self.total)

    @property
    def is_live(self) -> bool:
        """Whether the step has started and not ended."""
        return self.start is not None and self.end is None

    def executions(self, now: float) -> tuple[Execution, ...]:
        """Returns every execution in order; one that has not ended lasts until ``now``."""
        if self.start is None:
            return self.earlier
        latest = Execution(self.start, max(now, self.start) if self.end is None else self.end)
        return (*self.earlier, latest) if self.earlier else (latest,)

    def duration(self, now: float) -> float:
        """Returns how long it ran, all executions together (seconds); one that has not ended lasts until ``now``."""
        if not self.earlier:
            return 0.0 if self.start is None else max(0.0, (now if self.end is None else self.end) - self.start)
        return sum(execution.end - execution.start for execution in self.executions(now))


@dataclass(slots=True)
class RunFacts:
    """What the log says of the run itself; ``started_at`` is in seconds since the Unix epoch."""

    run_id: str = ""
    name: str = ""
    started_at: float | None = None
    resumed: int = 0
    labels: dict[str, str] = field(default_factory=dict[str, str])


class SpanFold:
    """The spans of a run, after every event fed so far.

    ``root`` is the run as a span (its path is empty), ``spans`` every other one by path, in the order in which the log
    first names them. ``now`` is the time of the last event. Feeding is O(1) per event.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.run = RunFacts()
        self.root = Span(path="", parent=None, name="", kind="run")
        self.spans: dict[Path, Span] = {}
        self.now = 0.0
        self._live: dict[Path, Span] = {}
        self._asked: dict[str, Span] = {}
        self._take: dict[type[Event], Callable[[Any], None]] = {
            core.RunStarted: self._run_started,
            core.RunResumed: self._run_resumed,
            core.RunEnded: self._run_ended,
            core.StepStarted: self._started,
            core.StepCompleted: self._completed,
            core.StepFailed: self._failed,
            core.StepTimedOut: self._timed_out,
            core.StepCancelled: self._cancelled,
            core.StepSkipped: self._skipped,
            core.StepRetrying: self._retrying,
            core.StepAbandoned: self._abandoned,
            core.StepUndone: self._undone,
            core.Asked: self._was_asked,
            core.Answered: self._was_answered,
            core.Progress: self._progress,
            core.Said: self._said,
            core.ModelUsed: self._model_used,
        }
        self.feed_all(events)

    def feed(self, event: Event) -> None:
        """Takes one event; kinds that say nothing of spans only move the clock."""
        if event.at > self.now:
            self.now = event.at
        take = self._take.get(type(event))
        if take is not None:
            take(event)

    def advance(self, now: float) -> None:
        """Moves the clock to ``now`` seconds into the run, so that what runs grows while nothing is said."""
        self.now = max(self.now, now)

    def feed_all(self, events: Iterable[Event]) -> None:
        """Takes events in order."""
        for event in events:
            self.feed(event)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.root.end is not None

    def live(self) -> Iterator[Span]:
        """Yields the spans that have started and not ended, in the order of their start."""
        return iter(self._live.values())

    def span(self, path: Path) -> Span:
        """Returns the span of a path, made (with those above it) when the log had not named it yet."""
        if not path:
            return self.root
        found = self.spans.get(path)
        if found is None:
            parent = self.span(parent_of(path))
            found = self.spans[path] = Span(path, parent, name_of(path))
            parent.children.append(found)
        return found

    def _run_started(self, event: core.RunStarted) -> None:
        run = self.run
        run.run_id, run.name, run.started_at, run.labels = event.run_id, event.name, event.started_at, event.labels
        self.root.name = event.name
        self.root.start, self.root.status = event.at, "running"

    def _run_resumed(self, event: core.RunResumed) -> None:
        self.run.resumed += 1
        self.root.end, self.root.status, self.root.error = None, "running", None
        for span in self._live.values():
            self._put_back(span, event.at)
            span.status, span.end, span.question = "pending", None, ""
        self._live.clear()

    def _run_ended(self, event: core.RunEnded) -> None:
        self.root.status = STATUSES.get(event.status, "failed")
        self.root.end, self.root.error = max(event.at, self.root.start or 0.0), event.error

    def _put_back(self, span: Span, at: float) -> None:
        """Keeps the execution that a new one replaces; one that never ended lasted until ``at`` at most."""
        if span.start is None:
            return
        end = max(span.start, at) if span.end is None else span.end
        span.earlier = (*span.earlier, Execution(span.start, end))
        span.start = None

    def _started(self, event: core.StepStarted) -> None:
        span = self.spans.get(event.path) or self.span(event.path)
        if span.start is not None:
            self._put_back(span, event.at)
        span.start = max(event.at, span.earlier[-1].end) if span.earlier else event.at
        span.end, span.status = None, "running"
        span.queued, span.kind = event.queued if event.queued > 0 else 0.0, event.step
        span.attempts += 1
        span.error, span.source, span.reason = None, "", ""
        self._live[event.path] = span

    def _end(self, event: Event, status: Status) -> Span:
        span = self.spans.get(event.path) or self.span(event.path)
        self._live.pop(event.path, None)
        if span.start is None:
            span.start = max(event.at, span.earlier[-1].end) if span.earlier else event.at
        span.end, span.question = event.at if event.at > span.start else span.start, ""
        if span.status != "abandoned":
            span.status = status
        return span

    def _completed(self, event: core.StepCompleted) -> None:
        self._end(event, "completed").source = event.source

    def _failed(self, event: core.StepFailed) -> None:
        self._end(event, "failed").error = event.error

    def _timed_out(self, event: core.StepTimedOut) -> None:
        span = self._end(event, "timed_out")
        span.seconds, span.reason = event.seconds, f"took longer than its {event.level}'s {event.seconds:g} s"

    def _cancelled(self, event: core.StepCancelled) -> None:
        self._end(event, "cancelled").reason = event.reason

    def _abandoned(self, event: core.StepAbandoned) -> None:
        span = self._end(event, "abandoned")
        span.status, span.reason = (
            "abandoned",
            f"did not stop within {event.waited:g} s; its {event.where} may still run",
        )

    def _skipped(self, event: core.StepSkipped) -> None:
        span = self.span(event.path)
        if span.start is None:
            span.status, span.reason = "skipped", event.because

    def _retrying(self, event: core.StepRetrying) -> None:
        span = self.span(event.path)
        span.retries = (*span.retries, Retry(event.at, event.wait, event.error))
        span.attempts = max(span.attempts, len(span.retries) + 1)

    def _undone(self, event: core.StepUndone) -> None:
        span = self.span(event.path)
        span.undone = event.error is None
        span.error = event.error or span.error

    def _was_asked(self, event: core.Asked) -> None:
        span = self._asked[event.request_id] = self.span(event.path)
        span.question = event.question

    def _was_answered(self, event: core.Answered) -> None:
        span = self._asked.pop(event.request_id, None)
        if span is not None:
            span.question = ""

    def _progress(self, event: core.Progress) -> None:
        span = self.span(event.path)
        span.done, span.total = event.done, event.total

    def _said(self, event: core.Said) -> None:
        span = self.span(event.path)
        span.said += 1
        span.messages = (*span.messages[1 - MESSAGES_KEPT :], Message(event.at, event.text, event.level))

    def _model_used(self, event: core.ModelUsed) -> None:
        """Counts a request for its path and for everything above it, up to the run."""
        span: Span | None = self.span(event.path)
        while span is not None:
            if span.spent is None:
                span.spent = Spent()
            span.spent.add(event)
            span = span.parent


Source: TypeAlias = SpanFold | Iterable[Event]
"""What every drawing and measure takes: a run's events, or a fold that has been fed with them."""


def fold_of(source: Source) -> SpanFold:
    """Returns the fold of a run's events; a fold stands for itself."""
    return source if isinstance(source, SpanFold) else SpanFold(source)
