"""Measures a run from its log: how parallel it was, what it waited for, and which chain of steps decided its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stretto.core.events import Path
from stretto.monitoring.spans import Source, Span, SpanFold, Spent, Status, fold_of


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One operation that ran alone; times in seconds since the run began."""

    path: Path
    start: float
    duration: float
    queued: float


@dataclass(frozen=True, slots=True)
class BatchMetrics:
    """Operations that ran in one unbroken stretch of overlaps; ``peak`` of them at once (times in seconds)."""

    start: float
    end: float
    operations: tuple[Path, ...]
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMetrics:
    """The figures of a run. An operation is a span without children that has started; times are in seconds.

    ``total_duration`` is wall time from the run's start to its end (to the last event while it runs).
    ``parallelization_ratio`` is the share of operations that overlapped another, ``speedup_factor`` the sum of the
    operations' durations divided by the wall time. ``critical_path`` names the operations that decided the end, in the
    order of time (see ``critical_path``), ``bottleneck`` the longest of them and ``bottleneck_share`` its share of the
    wall time. ``queue_times`` holds what waited for room. ``slot_utilization`` is the share of the available slots
    (``slots``; the peak when nobody says) that did work.

    Tokens are those of every request to a model, None when there was none: ``tokens_input`` includes ``tokens_cached``,
    ``tokens_output`` includes ``tokens_reasoning``. ``cost`` is in US dollars, and None when the price of any of the
    ``model_requests`` is unknown: then ``unpriced_requests`` says of how many, and ``known_cost`` what the others cost.
    """

    run_id: str
    name: str
    status: Status
    total_duration: float
    operations: int
    parallel_batches: tuple[BatchMetrics, ...]
    sequential_steps: tuple[StepMetrics, ...]
    parallelization_ratio: float
    speedup_factor: float
    work: float
    critical_path: tuple[Path, ...]
    bottleneck: Path | None
    bottleneck_duration: float
    bottleneck_share: float
    queue_times: Mapping[Path, float]
    total_queue_time: float
    max_queue_time: float
    retries: int
    failures: int
    peak_concurrency: int
    slots: int
    slot_utilization: float
    tokens_input: int | None = None
    tokens_output: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    cost: float | None = None
    known_cost: float | None = None
    model_requests: int = 0
    unpriced_requests: int = 0


class _Interval(NamedTuple):
    start: float
    end: float
    span: Span


def measure(source: Source, *, slots: int | None = None) -> WorkflowMetrics:
    """Measures a run in O(n log n); ``slots`` is how many operations might have run at once, where that is known."""
    fold = fold_of(source)
    now = fold.now
    spans = fold.spans.values()
    leaves = [span for span in spans if not span.children and (span.start is not None or span.earlier)]
    batches, alone = _batches(leaves, now)
    overlapped = len(leaves) - len(alone)
    wall = end_of(fold) - (fold.root.start or 0.0)
    work = sum(leaf.duration(now) for leaf in leaves)
    chain = critical_path(fold)
    longest = max(chain, key=lambda span: span.duration(now), default=None)
    longest_duration = longest.duration(now) if longest else 0.0
    queued = {span.path: span.queued for span in spans if span.queued > 0}
    peak = max((batch.peak for batch in batches), default=min(1, len(leaves)))
    room = slots or peak
    return WorkflowMetrics(
        run_id=fold.run.run_id,
        name=fold.run.name,
        status=fold.root.status,
        total_duration=wall,
        operations=len(leaves),
        parallel_batches=batches,
        sequential_steps=alone,
        parallelization_ratio=overlapped / len(leaves) if leaves else 0.0,
        speedup_factor=work / wall if wall > 0 else 1.0,
        work=work,
        critical_path=tuple(span.path for span in chain),
        bottleneck=longest.path if longest else None,
        bottleneck_duration=longest_duration,
        bottleneck_share=min(1.0, longest_duration / wall) if wall > 0 else 0.0,
        queue_times=queued,
        total_queue_time=sum(queued.values()),
        max_queue_time=max(queued.values(), default=0.0),
        retries=sum(len(span.retries) for span in spans),
        failures=sum(span.status in ("failed", "timed_out") for span in leaves),
        peak_concurrency=peak,
        slots=room,
        slot_utilization=min(1.0, work / (room * wall)) if room and wall > 0 else 0.0,
        **_spent(fold.root.spent),
    )


def _spent(spent: Spent | None) -> dict[str, Any]:
    """Returns the figures of what models took; without a request they keep their defaults."""
    if spent is None:
        return {}
    return {
        "tokens_input": spent.input_tokens,
        "tokens_output": spent.output_tokens,
        "tokens_cached": spent.cached_tokens,
        "tokens_reasoning": spent.reasoning_tokens,
        "cost": spent.cost,
        "known_cost": spent.known_cost,
        "model_requests": spent.requests,
        "unpriced_requests": spent.unpriced,
    }


def end_of(fold: SpanFold) -> float:
    """Returns when the run ended, or the time of its last event while it runs (seconds); no span ends later."""
    ended = fold.root.end
    return fold.now if ended is None else max(ended, fold.now)


def _batches(leaves: list[Span], now: float) -> tuple[tuple[BatchMetrics, ...], tuple[StepMetrics, ...]]:
    """Splits the operations into stretches of overlaps and those that ran alone, sweeping once over their starts.

    Touching is not overlapping. A path that ran twice (a resumed run) is alone only if it was alone both times.
    """
    intervals = sorted(
        (_Interval(one.start, one.end, leaf) for leaf in leaves for one in leaf.executions(now)),
        key=lambda interval: (interval.start, interval.end),
    )
    groups: list[list[_Interval]] = []
    until = float("-inf")
    for interval in intervals:
        if interval.start < until:
            groups[-1].append(interval)
        else:
            groups.append([interval])
        until = max(until, interval.end)
    batches: list[BatchMetrics] = []
    together: set[Path] = set()
    for group in groups:
        if len(group) > 1:
            paths = tuple(interval.span.path for interval in group)
            together.update(paths)
            batches.append(BatchMetrics(group[0].start, max(one.end for one in group), paths, _peak(group)))
    alone = {
        interval.span.path: StepMetrics(
            interval.span.path, interval.start, interval.span.duration(now), interval.span.queued
        )
        for group in groups
        for interval in group[:1]
        if interval.span.path not in together
    }
    return tuple(batches), tuple(alone.values())


def _peak(group: list[_Interval]) -> int:
    """Returns how many intervals lay over each other at most; at one instant, ends come before starts."""
    timed = [one for one in group if one.end > one.start]
    edges = sorted([(one.start, 1) for one in timed] + [(one.end, -1) for one in timed])
    running = peak = 0
    for _, change in edges:
        running += change
        peak = max(peak, running)
    return peak


def critical_path(source: Source) -> tuple[Span, ...]:
    """Returns the operations that decided when the run ended, in the order of time.

    The rule, walked backwards from the run's end, is the one that trace viewers use: in a span, take the child that
    ended last; then, again and again, the sibling that ended last before that one began. A child with children is gone
    into in the same way. So whatever a step waited for, its data, its turn or room, is its predecessor when it ended
    just before. Cancelled spans are passed over below a span that was not cancelled itself: they ended because another
    one did. Operations that took no time are left out.
    """
    fold = fold_of(source)
    now = fold.now
    path: list[Span] = []
    waiting = [fold.root]
    while waiting:
        span = waiting.pop()
        if span.children:
            waiting.extend(reversed(_deciding(span, now)))
        elif span.duration(now) > 0:
            path.append(span)
    path.reverse()
    return tuple(path)


def _deciding(parent: Span, now: float) -> list[Span]:
    """Returns the children that decided a span's end, the last one first."""
    ran = deciders(parent)
    bounds = [(*extent_of(one, now), index) for index, one in enumerate(ran)]
    bounds.sort(key=lambda bound: (bound[1], bound[0]), reverse=True)
    chosen: list[Span] = []
    cursor = float("inf")
    for start, end, index in bounds:
        if end <= cursor:
            chosen.append(ran[index])
            cursor = start
    return chosen


def deciders(parent: Span) -> list[Span]:
    """Returns the children that may have decided a span's end: those that ran and were not cancelled by another."""
    ran = [one for one in parent.children if _extent_known(one)]
    if parent.status != "cancelled":
        ran = [one for one in ran if one.status != "cancelled"] or ran
    return ran


def _extent_known(span: Span) -> bool:
    return span.start is not None or bool(span.earlier) or bool(span.children)


class Extent(NamedTuple):
    """When a span first began and last ended (seconds since the run began)."""

    start: float
    end: float


def extent_of(span: Span, now: float) -> Extent:
    """Returns when a span first began and last ended; one that only its children tell of spans theirs."""
    if span.start is not None and not span.earlier:
        return Extent(span.start, max(now, span.start) if span.end is None else span.end)
    executions = span.executions(now)
    if executions:
        return Extent(executions[0].start, executions[-1].end)
    known = [extent_of(child, now) for child in span.children if _extent_known(child)]
    return Extent(min(start for start, _ in known), max(end for _, end in known)) if known else Extent(0.0, 0.0)
