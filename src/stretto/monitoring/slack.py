"""Finds how much later each step could have ended without its run ending later, by the rule of the critical path."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from stretto.core.events import Path
from stretto.monitoring.metrics import Extent, deciders, extent_of
from stretto.monitoring.spans import SpanFold


def slacks(fold: SpanFold) -> dict[Path, float]:
    """Returns the slack of the steps of a run that has ended, in seconds, in O(n log n); those that decided it have 0.

    A step waited, as ``critical_path`` has it, for the sibling that ended last before it began; so a step could have
    ended as late as that one, for every sibling that began after it, and as late as the last of all its siblings; and
    later by what those could spare. What else the steps waited for no log tells: the slack is at most this. Steps that
    were cancelled because another one ended have none, and neither has what is below them.
    """
    found: dict[Path, float] = {}
    waiting = [(fold.root, 0.0)]
    while waiting:
        parent, spare = waiting.pop()
        ran = [(extent_of(one, fold.now), one) for one in deciders(parent)]
        for (_, span), slack in zip(ran, _spared([extent for extent, _ in ran], spare), strict=True):
            found[span.path] = slack
            if span.children:
                waiting.append((span, slack))
    return found


def _spared(extents: list[Extent], spare: float) -> list[float]:
    """Returns the slack of each of some siblings whose parent can spare so much (seconds)."""
    ends = sorted(end for start, end in extents if end > start) or sorted(end for _, end in extents)
    order = sorted(range(len(extents)), key=lambda place: extents[place])
    starts = [extents[place].start for place in order]
    latest = [0.0] * len(order) + [end + spare for end in ends[-1:]]
    found = [0.0] * len(order)
    for rank in range(len(order) - 1, -1, -1):
        start, end = extents[order[rank]]
        slack = found[order[rank]] = max(0.0, latest[max(rank + 1, bisect_left(starts, end))] - end)
        before = bisect_right(ends, start)
        latest[rank] = min(latest[rank + 1], (ends[before - 1] if before else start) + slack)
    return found


def own_times(fold: SpanFold) -> dict[Path, float]:
    """Returns how long each step of a run worked while nothing below it did, in seconds."""
    found: dict[Path, float] = {}
    for span in fold.spans.values():
        own = span.duration(fold.now)
        if span.children:
            executions = span.executions(fold.now)
            below = sorted(one for child in span.children for one in child.executions(fold.now))
            for start, end in executions:
                until = start
                for begun, ended in below:
                    if ended > until and begun < end:
                        own -= min(ended, end) - max(begun, until)
                        until = max(until, min(ended, end))
        found[span.path] = max(0.0, own)
    return found
