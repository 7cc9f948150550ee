"""Words for the drawings: cut to the room there is, and the same in all of them."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from stretto.monitoring.gantt import Gantt, Row
from stretto.monitoring.metrics import WorkflowMetrics
from stretto.monitoring.palette import LOOKS, Mark
from stretto.monitoring.units import cost_text, count_text, duration_text, share_text


def clean(text: str) -> str:
    """Returns a text on one line, with a sign in the place of every character that is not printable."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else " " if one in "\t\n\r\u2028\u2029" else "\ufffd" for one in text)


def cells(text: str) -> int:
    """Returns how many cells of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def cut(text: str, room: int, ellipsis: str = "…") -> str:
    """Returns a text cut to at most ``room`` cells; what is cut off is shown by an ellipsis, its end is kept."""
    if cells(text) <= room:
        return text
    if room <= cells(ellipsis):
        return ellipsis[: max(0, room)]
    tail = text[-3:] if room >= 12 and text.endswith("]") else ""
    head = text[: len(text) - len(tail)]
    while head and cells(head) + cells(tail) + cells(ellipsis) > room:
        head = head[:-1]
    return head + ellipsis + tail


def captions(row: Row, metrics: WorkflowMetrics) -> tuple[str, ...]:
    """Returns what may stand beside a row's bar, the longest first: a drawing takes the first that fits."""
    span = row.span
    if row.start is None:
        word = LOOKS[row.mark].word
        why = clean(span.question or span.reason) if span is not None else ""
        return (f"{word}: {why}", word) if why else (word,)
    took = duration_text(row.duration)
    found: list[str] = []
    if row.bottleneck:
        found += [f"{took} ◀ bottleneck {share_text(metrics.bottleneck_share)}", f"{took} ◀ bottleneck", f"{took} ◀"]
    wrong: list[tuple[Mark, int]] = [pair for pair in row.tally if pair[0] not in ("completed", "skipped")]
    if wrong:
        words = [f"{count:,} {LOOKS[mark].word}" for mark, count in wrong]
        worst, many = wrong[0]
        found += [f"{took} · {' · '.join(words)}", f"{took} · {words[0]}", f"{took} {LOOKS[worst].sign}{many:,}"]
    elif row.mark in ("failed", "timed_out", "abandoned", "cancelled", "waiting"):
        name = span.error.type if span is not None and span.error is not None else LOOKS[row.mark].word
        if row.note:
            found.append(f"{took} · {clean(name)} · {row.note}")
        found.append(f"{took} · {clean(name)}")
    elif row.note:
        found.append(f"{took} · {row.note}")
    return (*found, took)


def figures(metrics: WorkflowMetrics) -> tuple[tuple[str, str], ...]:
    """Returns the figures of a run that are worth a line, as names and values."""
    found = [
        ("total", duration_text(metrics.total_duration)),
        ("work", duration_text(metrics.work)),
        ("speed-up", f"{metrics.speedup_factor:.2f}×"),
        ("parallel", share_text(metrics.parallelization_ratio)),
        ("operations", f"{metrics.operations:,}"),
        ("at once", f"{metrics.peak_concurrency:,}"),
    ]
    if metrics.bottleneck is not None:
        found.append(("bottleneck", f"{clean(metrics.bottleneck)} ({share_text(metrics.bottleneck_share)})"))
    if metrics.total_queue_time > 0:
        found.append(("longest queue", duration_text(metrics.max_queue_time)))
    if metrics.retries:
        found.append(("retries", f"{metrics.retries:,}"))
    if metrics.failures:
        found.append(("failed", f"{metrics.failures:,}"))
    if metrics.tokens_input is not None and metrics.tokens_output is not None:
        found.append(("tokens", f"{count_text(metrics.tokens_input)} in, {count_text(metrics.tokens_output)} out"))
        found.append(("cost", "unknown" if metrics.cost is None else cost_text(metrics.cost)))
    return tuple(found)


def title(gantt: Gantt) -> str:
    """Returns the run's name, or its id where it has none."""
    return clean(gantt.run.name or gantt.run.run_id or "run")


def began(gantt: Gantt) -> str:
    """Returns when the run began, in universal time to the second; empty where the log does not say."""
    at = gantt.run.started_at
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
