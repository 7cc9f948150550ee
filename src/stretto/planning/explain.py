"""A plan in words: its batches, the reason of every edge, the critical path, what it will take, and advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from stretto.planning.graph import DependencyGraph, Edge, EdgeKind
from stretto.planning.simulation import Estimate

DEFAULT_LIMIT = 30
"""How many lines each part of an explanation has at most, unless it is told."""
WIDTH = 100
"""At how many characters a row of names goes on in the next line."""

_KINDS: dict[EdgeKind, str] = {
    "data": "for data",
    "raw": "to read after a write",
    "war": "to write after a read",
    "waw": "to write after a write",
}


def explain(
    given: Sequence[str],
    graph: DependencyGraph,
    batches: Sequence[Sequence[str]],
    critical_path: Sequence[str],
    estimate: Estimate,
    advice: Sequence[str],
    limit: int | None,
) -> str:
    """Returns the explanation; each part has at most ``limit`` lines and says what it left out."""
    edges = graph.edges
    parts = [_head(given, batches, edges), _batches(batches, limit)]
    if edges:
        parts.append(_reasons(edges, limit))
    if critical_path:
        parts.append(_critical(critical_path, estimate, limit))
        parts.append(["Estimate", *_estimate(estimate)])
    if advice:
        parts.append(["Advice", *(f"  {line}" for line in _first(advice, limit, "more"))])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def counted(count: int, one: str, many: str) -> str:
    """Says how many, in the right number."""
    return f"{count:,} {one if count == 1 else many}"


def seconds(value: float) -> str:
    """Says a duration."""
    return f"{value:,.3g} s" if value < 1000 else f"{value:,.0f} s"


def _head(given: Sequence[str], batches: Sequence[Sequence[str]], edges: Sequence[Edge]) -> list[str]:
    operations = counted(sum(map(len, batches)), "operation", "operations")
    lines = [f"{operations} in {counted(len(batches), 'batch', 'batches')}"]
    if (widest := max(map(len, batches), default=0)) > 1:
        lines[0] += f", up to {widest:,} at once"
    if given:
        lines += _row("Given: ", given, ", ", None)
    if edges:
        kinds = Counter(edge.kind for edge in edges)
        told = ", ".join(f"{kinds[kind]:,} {words}" for kind, words in _KINDS.items() if kinds[kind])
        lines.append(f"{counted(len(edges), 'dependency', 'dependencies')}: {told}")
    return lines


def _batches(batches: Sequence[Sequence[str]], limit: int | None) -> list[str]:
    digits = len(str(len(batches)))
    rows: list[str] = []
    shown = batches if limit is None else batches[:limit]
    for number, batch in enumerate(shown, start=1):
        rows += _row(f"  {number:>{digits}}  ", batch, " · ", limit)
    if len(shown) < len(batches):
        rows.append(f"  … and {len(batches) - len(shown):,} more batches")
    return ["Batches (each needs only those above it)", *rows]


def _reasons(edges: Sequence[Edge], limit: int | None) -> list[str]:
    shown = edges if limit is None else edges[:limit]
    arrows = [f"{edge.origin} → {edge.target}" for edge in shown]
    width = min(max(map(len, arrows), default=0), 40)
    lines = [f"{arrow:<{width}}  {edge.because}" for arrow, edge in zip(arrows, shown, strict=True)]
    if len(shown) < len(edges):
        lines.append(f"… and {len(edges) - len(shown):,} more; explain(limit=None) tells them all")
    return ["Why this order", *(f"  {line}" for line in lines)]


def _critical(path: Sequence[str], estimate: Estimate, limit: int | None) -> list[str]:
    return [f"Critical path ({seconds(estimate.critical_path)})", *_row("  ", path, " → ", limit)]


def _estimate(estimate: Estimate) -> list[str]:
    lines = [
        f"  {seconds(estimate.sequential)} one after another, {seconds(estimate.makespan)} with {estimate.slots} "
        f"at a time ({estimate.speedup:.3g} × faster); never below {seconds(estimate.at_best)}"
    ]
    if unknown := estimate.operations - estimate.known:
        who = "no duration is known" if not estimate.known else f"{unknown:,} durations are unknown"
        lines.append(f"  ({who}; each counts as 1 s: say duration=)")
    return lines


def _first(lines: Sequence[str], limit: int | None, what: str) -> Iterable[str]:
    yield from lines if limit is None else lines[:limit]
    if limit is not None and len(lines) > limit:
        yield f"… and {len(lines) - limit:,} {what}"


def _row(head: str, names: Sequence[str], between: str, limit: int | None) -> list[str]:
    """Returns lines of names; those after the first are indented as far as the head reaches."""
    shown = list(names if limit is None else names[:limit])
    if len(shown) < len(names):
        shown.append(f"… and {len(names) - len(shown):,} more")
    lines: list[str] = []
    line = head
    for place, name in enumerate(shown):
        word = name + (between if place < len(shown) - 1 else "")
        if len(line) > len(head) and len(line) + len(word.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = " " * len(head)
        line += word
    return [*lines, line.rstrip()]
