"""Lays a run out as the rows of a Gantt chart, which every drawing shares."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stretto.core.errors import DefinitionError
from stretto.core.events import Path
from stretto.monitoring.metrics import WorkflowMetrics, end_of, measure
from stretto.monitoring.palette import WORST_FIRST, Mark, mark_of
from stretto.monitoring.spans import Retry, RunFacts, Source, Span, fold_of

ROWS = 60
"""How many rows a drawing shows when nobody says."""
FEWEST_ROWS = 5
"""The smallest ``max_rows``."""
FAMILY = 4
"""From how many on equal siblings (items of one map, repeats of one name) may stand in one row."""
BUCKETS = 240
"""Into how many parts the time of a dense row is cut."""
FAULTS = 200
"""How many failures a dense row marks at most."""

_ITEM = re.compile(r"(\[[^\]]*\]|#\d+)+$")


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a row's time (seconds): one attempt, or all of it."""

    start: float
    end: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the chart.

    ``parent`` is the index of the row above it in ``Gantt.rows`` (-1: none). ``path`` is empty for a row that only
    gathers others. ``own`` is 1 for a span and 0 for a gathering row, ``within`` counts the spans below. A
    ``folded`` row stands for all of them; ``tally`` says how many there are of each mark, ``density`` how busy each
    part of its time was (0 to 1, of the busiest), ``faults`` when something in it failed. ``start`` and ``end`` are
    seconds since the run began, None while nothing of it ran.
    """

    key: str
    path: Path
    label: str
    depth: int
    parent: int
    kind: str
    mark: Mark
    start: float | None
    end: float | None
    duration: float
    queued: float
    bars: tuple[Bar, ...]
    critical: bool
    bottleneck: bool
    foldable: bool
    folded: bool
    own: int
    within: int
    tally: tuple[tuple[Mark, int], ...] = ()
    density: tuple[float, ...] = ()
    faults: tuple[float, ...] = ()
    note: str = ""
    span: Span | None = None

    @property
    def count(self) -> int:
        """How many spans this row stands for."""
        return self.own + (self.within if self.folded else 0)

    @property
    def fill(self) -> Mark:
        """The mark whose colour fills the row: its own, or what most of the spans in it have."""
        return max(self.tally, key=lambda pair: pair[1])[0] if self.is_dense else self.mark

    @property
    def is_dense(self) -> bool:
        """Whether the row is drawn as a profile of many spans."""
        return bool(self.density)


@dataclass(frozen=True, slots=True)
class Gantt:
    """A run's chart: its rows in the order of the tree, and its figures; its axis is ``total`` seconds long."""

    run: RunFacts
    mark: Mark
    total: float
    rows: tuple[Row, ...]
    metrics: WorkflowMetrics

    def visible(self) -> tuple[Row, ...]:
        """Returns the rows that no folded row hides; together they count every span exactly once."""
        shown: list[Row] = []
        hidden = [False] * len(self.rows)
        for index, row in enumerate(self.rows):
            above = row.parent
            hidden[index] = above >= 0 and (hidden[above] or self.rows[above].folded)
            if not hidden[index]:
                shown.append(row)
        return tuple(shown)


@dataclass(slots=True, eq=False)
class _Node:
    """A span or a gathering of siblings, before it is a row."""

    key: str
    label: str
    span: Span | None
    children: list[_Node] = field(default_factory=list["_Node"])
    open: bool = False
    within: int = 0
    opened: bool = False


@dataclass(frozen=True, slots=True)
class _Scene:
    """What laying out needs to know of the whole run."""

    sizes: dict[Path, int]
    critical: set[Path]
    bottleneck: Path | None
    max_rows: int
    crowded: bool
    now: float


def lay_out(source: Source, *, max_rows: int = ROWS, hidden: bool = False) -> Gantt:
    """Lays a run out in O(n log n), with so many rows folded that at most ``max_rows`` are visible.

    When there are too many, equal siblings (``square[0]``, ``square[1]``, …) are gathered first; then rows are unfolded
    from the top as long as there is room, small ones first; siblings that still are too many stand in a row of their
    own, the failed, the critical and the longest outside of it. With ``hidden``, the rows beneath folded ones are laid
    out, too, for a drawing in which they can be unfolded.
    """
    if max_rows < FEWEST_ROWS:
        raise DefinitionError(f"a chart of {max_rows} rows has no room; max_rows is at least {FEWEST_ROWS}")
    fold = fold_of(source)
    metrics = measure(fold)
    now = fold.now
    crowded = len(fold.spans) > max_rows
    critical = _with_ancestors(fold.spans[path] for path in metrics.critical_path if path)
    sizes = _sizes(fold.spans.values())
    scene = _Scene(sizes, critical, metrics.bottleneck, max_rows, crowded, now)
    top = _nodes(fold.root, scene)
    _unfold(top, scene, hidden=hidden)
    rows: list[Row] = []
    waiting = [(node, 0, -1) for node in reversed(top)]
    while waiting:
        node, depth, parent = waiting.pop()
        rows.append(_row(node, depth, parent, scene))
        if node.open or hidden:
            waiting.extend((child, depth + 1, len(rows) - 1) for child in reversed(node.children))
    return Gantt(fold.run, mark_of(fold.root), end_of(fold), tuple(rows), metrics)


def _with_ancestors(spans: Iterable[Span]) -> set[Path]:
    found: set[Path] = set()
    for span in spans:
        above: Span | None = span
        while above is not None and above.path not in found:
            found.add(above.path)
            above = above.parent
    return found


def _sizes(spans: Iterable[Span]) -> dict[Path, int]:
    """Returns how many spans each subtree has, itself included; a fold names parents before their children."""
    sizes: dict[Path, int] = {}
    for span in reversed(list(spans)):
        sizes[span.path] = 1 + sum(sizes[child.path] for child in span.children)
    return sizes


def _nodes(parent: Span, scene: _Scene) -> list[_Node]:
    """Returns the children of a span as nodes: equal ones gathered, and those that are too many."""
    single = [_Node(span.path, span.name, span, within=scene.sizes[span.path] - 1) for span in parent.children]
    if not scene.crowded or len(single) <= FAMILY:
        return single
    families: dict[str, list[_Node]] = {}
    for node in single:
        families.setdefault(_ITEM.sub("", node.label), []).append(node)
    gathered: list[_Node] = []
    for name, members in families.items():
        if len(members) < FAMILY:
            gathered += members
        else:
            gathered.append(_gathering(f"{parent.path}/{name}[…]", f"{name} × {len(members):,}", members))
    room = max(3, scene.max_rows // 2)
    if len(gathered) <= room:
        return gathered
    ranked = sorted(gathered, key=lambda node: _importance(node, scene), reverse=True)
    rest = {id(node) for node in ranked[room - 1 :]}
    hidden = [node for node in gathered if id(node) in rest]
    kept = [node for node in gathered if id(node) not in rest]
    return [*kept, _gathering(f"{parent.path}/…", f"… {len(hidden):,} more", hidden)]


def _gathering(key: str, label: str, members: list[_Node]) -> _Node:
    within = sum(member.within + (member.span is not None) for member in members)
    return _Node(key, label, None, members, opened=True, within=within)


def _importance(node: _Node, scene: _Scene) -> tuple[bool, bool, float]:
    if node.span is None:
        return (False, True, float(node.within))
    wrong = mark_of(node.span) in ("failed", "timed_out", "abandoned", "waiting")
    return (wrong, node.span.path in scene.critical, node.span.duration(scene.now))


def _unfold(top: list[_Node], scene: _Scene, *, hidden: bool) -> None:
    """Opens nodes from the top while their rows fit; the others stay folded, with their rows beneath if ``hidden``."""
    visible, order = len(top), 0
    queue: list[tuple[int, int, int, _Node]] = []
    waiting = [(node, 0, True) for node in reversed(top)]
    while waiting or queue:
        while waiting:
            node, depth, shown = waiting.pop()
            if node.span is not None and not node.opened:
                node.opened = True
                node.children = _nodes(node.span, scene)
            if node.children and shown:
                order += 1
                heapq.heappush(queue, (depth, len(node.children), order, node))
            else:
                waiting.extend((child, depth + 1, False) for child in node.children)
        if queue:
            depth, more, _, node = heapq.heappop(queue)
            node.open = not scene.crowded or visible + more <= scene.max_rows
            visible += more if node.open else 0
            if node.open or hidden:
                waiting.extend((child, depth + 1, node.open) for child in reversed(node.children))


def _row(node: _Node, depth: int, parent: int, scene: _Scene) -> Row:
    span, foldable, now = node.span, bool(node.children), scene.now
    folded = foldable and not node.open
    below = list(_spans_below(node)) if folded or span is None else []
    start, end = _bounds(below if span is None else [span], now)
    if start is None and foldable:
        start, end = _bounds(_spans_below(node), now)
    tally = _tally(below)
    return Row(
        key=node.key,
        path=span.path if span is not None else "",
        label=node.label,
        depth=depth,
        parent=parent,
        kind=span.kind if span is not None else "",
        mark=mark_of(span) if span is not None else tally[0][0],
        start=start,
        end=end,
        duration=span.duration(now) if span is not None and span.executions(now) else (end or 0.0) - (start or 0.0),
        queued=span.queued if span is not None else 0.0,
        bars=() if foldable or span is None else _bars(span, now),
        critical=any(one.path in scene.critical for one in below) if span is None else span.path in scene.critical,
        bottleneck=span is not None and span.path == scene.bottleneck,
        foldable=foldable,
        folded=folded,
        own=0 if span is None else 1,
        within=node.within,
        tally=tally,
        density=_density(below, start, end, now) if folded and start is not None and end is not None else (),
        faults=tuple(sorted(_faults(below)))[:FAULTS] if folded else (),
        note=_note(span) if span is not None else "",
        span=span,
    )


def _spans_below(node: _Node) -> Iterator[Span]:
    """Yields the spans under a node, itself excluded."""
    nodes, spans = [node], list[Span]()
    while nodes:
        gathering = nodes.pop()
        if gathering.span is not None:
            spans.extend(gathering.span.children)
            if gathering is not node:
                yield gathering.span
        else:
            nodes.extend(gathering.children)
    while spans:
        span = spans.pop()
        yield span
        spans.extend(span.children)


def _tally(spans: list[Span]) -> tuple[tuple[Mark, int], ...]:
    counted = Counter(mark_of(span) for span in spans)
    return tuple((mark, counted[mark]) for mark in WORST_FIRST if counted[mark])


def _bounds(spans: Iterable[Span], now: float) -> tuple[float | None, float | None]:
    executions = [one for span in spans for one in span.executions(now)]
    if not executions:
        return None, None
    return min(one.start for one in executions), max(one.end for one in executions)


def _bars(span: Span, now: float) -> tuple[Bar, ...]:
    """Returns the pieces of a leaf: what earlier processes did of it, its failed attempts, and how it ended."""
    executions = span.executions(now)
    bars: list[Bar] = []
    for index, one in enumerate(executions):
        last = index == len(executions) - 1 and span.start is not None
        begin = one.start
        for retry in _within(span.retries, one.start, one.end):
            bars.append(Bar(begin, max(begin, retry.at), "failed"))
            begin = min(one.end, max(begin, retry.at + retry.wait))
        bars.append(Bar(begin, one.end, mark_of(span) if last else "cancelled"))
    return tuple(bars)


def _within(retries: tuple[Retry, ...], start: float, end: float) -> list[Retry]:
    return [retry for retry in retries if start <= retry.at <= end]


def _density(spans: list[Span], start: float, end: float, now: float) -> tuple[float, ...]:
    """Returns how many operations ran in each part of a stretch of time, as shares of the most."""
    width = (end - start) / BUCKETS
    leaves = [one for span in spans if not span.children for one in span.executions(now)]
    if width <= 0 or not leaves:
        return (1.0,)
    whole = [0.0] * (BUCKETS + 1)
    part = [0.0] * (BUCKETS + 1)
    for one in leaves:
        first, last = (one.start - start) / width, (one.end - start) / width
        low, high = min(BUCKETS - 1, int(first)), min(BUCKETS - 1, int(last))
        if low == high:
            part[low] += max(last - first, 0.05)  # what took no time still shows
        else:
            part[low] += low + 1 - first
            part[high] += last - high
            whole[low + 1] += 1
            whole[high] -= 1
    busy, running = [0.0] * BUCKETS, 0.0
    for index in range(BUCKETS):
        running += whole[index]
        busy[index] = running + part[index]
    most = max(busy)
    return tuple(round(value / most, 3) for value in busy)


def _faults(spans: list[Span]) -> Iterator[float]:
    for span in spans:
        if span.end is not None and not span.children and span.status in ("failed", "timed_out", "abandoned"):
            yield span.end


def _note(span: Span) -> str:
    """Returns what is worth saying beside the bar: where the output came from, attempts, how far it is."""
    notes = [span.source] if span.source not in ("", "run") else []
    if len(span.retries) == 1:
        notes.append("1 retry")
    elif span.retries:
        notes.append(f"{len(span.retries)} retries")
    if span.earlier:
        notes.append("resumed")
    if span.undone:
        notes.append("undone")
    if span.done is not None and not (span.end is not None and span.done == span.total):
        notes.append(f"{span.done:,}/{span.total:,}" if span.total is not None else f"{span.done:,} done")
    return " · ".join(notes)
