"""Draws a run's Gantt chart in a terminal, with eighths of a cell, or in plain ASCII."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from stretto.monitoring.gantt import Bar, Gantt, Row, lay_out
from stretto.monitoring.labels import captions, cells, clean, cut, figures, title
from stretto.monitoring.palette import LOOKS, Mark
from stretto.monitoring.spans import Source
from stretto.monitoring.units import duration_text, ticks

if TYPE_CHECKING:
    from rich.text import Text

NARROWEST, WIDEST = 60, 200
"""The widths (cells) that a chart adapts to; it is never drawn narrower or wider."""
TERMINAL_ROWS = 40
"""How many rows a chart in a terminal shows when nobody says."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_PLAIN_LEVELS = ".:-=+*#@"
_FILLS: dict[Mark, tuple[str, str]] = {
    "running": ("▒", "~"),
    "waiting": ("▒", "~"),
    "failed": ("▓", "x"),
    "timed_out": ("▓", "t"),
    "abandoned": ("▓", "?"),
    "cancelled": ("▚", "-"),
}
_MARGIN = 10
"""Cells to the right of the axis, so that a duration has room beside the longest bar."""
_CRITICAL = "dark_orange"
_FAINT = "bright_black"
_TO_ASCII = str.maketrans(
    {"…": "~", "·": ",", "◀": "<", "×": "x", "µ": "u", "◆": "*", "░": "."}
    | {look.sign: look.plain for look in LOOKS.values()}
)

Piece = tuple[str, str]
"""A text and the name of its style."""


@dataclass(slots=True)
class _Canvas:
    """A row of cells that is painted on, and then read as pieces of one style each."""

    width: int
    signs: list[str] = field(default_factory=list[str])
    styles: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.signs, self.styles = [" "] * self.width, [""] * self.width

    def put(self, at: int, text: str, style: str) -> None:
        for index, sign in enumerate(text, at):
            if 0 <= index < self.width:
                self.signs[index], self.styles[index] = sign, style

    def write(self, at: int, text: str, style: str) -> None:
        """Puts a text in which wide characters take two cells."""
        for sign in text:
            room = cells(sign)
            if 0 <= at < self.width and room:
                self.put(at, sign, style)
                if room == 2 and at + 1 < self.width:
                    self.signs[at + 1], self.styles[at + 1] = "", style
            at += room

    def pieces(self) -> list[Piece]:
        pairs = zip(self.styles, self.signs, strict=True)
        return [("".join(sign for _, sign in run), style) for style, run in groupby(pairs, key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class _Paper:
    """The measures of a drawing, in cells: labels, then the chart, whose axis ends ``_MARGIN`` before its edge."""

    gantt: Gantt
    labels: int
    chart: int
    ascii: bool

    def x(self, at: float) -> float:
        total = self.gantt.total
        return 0.0 if total <= 0 else min(1.0, max(0.0, at / total)) * (self.chart - _MARGIN)


def draw_terminal(source: Source, *, width: int = 100, max_rows: int = TERMINAL_ROWS, ascii: bool = False) -> str:
    """Returns a run's chart as plain text, ``width`` cells wide (60 to 200) and with at most ``max_rows`` rows.

    ``ascii`` keeps to ASCII in everything but the names of steps.
    """
    drawn = _draw(lay_out(source, max_rows=max_rows), width, ascii)
    return "\n".join("".join(text for text, _ in line).rstrip() for line in drawn) + "\n"


def draw_rich(source: Source, *, width: int = 100, max_rows: int = TERMINAL_ROWS, ascii: bool = False) -> Text:
    """Returns the same chart as a ``rich`` text, in colours."""
    from rich.text import Text

    drawn = Text(no_wrap=True, overflow="crop", end="")
    for line in _draw(lay_out(source, max_rows=max_rows), width, ascii):
        for text, style in line:
            drawn.append(text, style or None)
        drawn.append("\n")
    return drawn


def _draw(gantt: Gantt, width: int, ascii: bool) -> list[list[Piece]]:
    width = min(WIDEST, max(NARROWEST, width))
    rows = gantt.visible()
    needed = max((2 * row.depth + cells(clean(row.label)) + 2 for row in rows), default=12)
    labels = min(max(12, needed), max(22, width * 34 // 100))
    paper = _Paper(gantt, labels, width - labels - 3, ascii)
    lines = [_head(gantt, width, ascii), [], *_axis(paper)]
    lines += [_line(row, paper) for row in rows]
    lines += [[], *_foot(gantt, rows, width)]
    return [[(text.translate(_TO_ASCII), style) for text, style in line] for line in lines] if ascii else lines


def _sign(mark: Mark, ascii: bool) -> str:
    return LOOKS[mark].plain if ascii else LOOKS[mark].sign


def _head(gantt: Gantt, width: int, ascii: bool) -> list[Piece]:
    look = LOOKS[gantt.mark]
    state = f"{look.word} · {duration_text(gantt.metrics.total_duration)}"
    name = cut(title(gantt), width - cells(state) - 4)
    return [(_sign(gantt.mark, ascii), f"bold {look.style}"), (f" {name}", "bold"), (f"  {state}", look.style)]


def _axis(paper: _Paper) -> list[list[Piece]]:
    marks = ticks(paper.gantt.total, max((paper.chart - _MARGIN) // 12, min(6, (paper.chart - _MARGIN) // 8)))
    words, rule = _Canvas(paper.chart), _Canvas(paper.chart)
    line, tick = ("-", "+") if paper.ascii else ("─", "┬")
    rule.put(0, line * (paper.chart - _MARGIN + 1), _FAINT)
    for mark in marks:
        at = round(paper.x(mark.at))
        words.put(at, mark.label, _FAINT)
        rule.put(at, tick, _FAINT)
    gap = (" " * (paper.labels + 3), "")
    return [[gap, *words.pieces()], [gap, *rule.pieces()]]


def _line(row: Row, paper: _Paper) -> list[Piece]:
    look = LOOKS[row.mark]
    indent = "  " * min(row.depth, max(0, paper.labels // 4 - 2))
    name = cut(clean(row.label), paper.labels - len(indent) - 2)
    pad = " " * (paper.labels - len(indent) - 2 - cells(name))
    critical = ("*" if paper.ascii else "◆") if row.critical and (not row.foldable or row.folded) else " "
    canvas = _Canvas(paper.chart)
    _paint(row, canvas, paper)
    faint = _FAINT if row.start is None else "bold" if row.foldable else ""
    return [
        (indent, ""),
        (_sign(row.mark, paper.ascii), look.style),
        (f" {name}{pad}", faint),
        (f" {critical} ", _CRITICAL),
        *canvas.pieces(),
    ]


def _paint(row: Row, canvas: _Canvas, paper: _Paper) -> None:
    if row.start is None or row.end is None:
        text = next((one for one in captions(row, paper.gantt.metrics) if cells(one) <= canvas.width), "")
        canvas.write(0, text, LOOKS[row.mark].style)
        return
    left, right = paper.x(row.start), paper.x(row.end)
    if row.queued > 0:
        begin = int(paper.x(row.start - row.queued))
        canvas.put(begin, ("." if paper.ascii else "░") * (int(left) - begin), _FAINT)
        occupied = begin
    else:
        occupied = int(left)
    if row.is_dense:
        _paint_density(row, canvas, paper, left, right)
    elif row.foldable:
        _paint_bracket(row, canvas, paper, left, right)
    else:
        if len(row.bars) > 1:
            canvas.put(int(left), ("." if paper.ascii else "┄") * max(1, int(right) - int(left)), _FAINT)
        for bar in row.bars:
            _paint_bar(bar, canvas, paper)
    _caption(row, canvas, paper, occupied, max(int(left) + 1, int(right + 0.999)))


def _paint_bar(bar: Bar, canvas: _Canvas, paper: _Paper) -> None:
    left, right, style = paper.x(bar.start), paper.x(bar.end), LOOKS[bar.mark].style
    first, last = int(left), int(right)
    fill = _FILLS.get(bar.mark)
    if fill is not None or paper.ascii:
        sign = (fill or ("█", "#"))[paper.ascii]
        canvas.put(first, sign * max(1, round(right) - first), style)
        return
    if first == last:
        canvas.put(first, "▐" if left - first > 0.5 else _EIGHTHS[max(1, round((right - left) * 8))], style)
        return
    covered = first + 1 - left
    canvas.put(first, "█" if covered > 0.75 else "▐" if covered > 0.25 else "", style)
    canvas.put(first + 1, "█" * (last - first - 1), style)
    if (part := round((right - last) * 8)) > 0:
        canvas.put(last, _EIGHTHS[part], style)


def _paint_bracket(row: Row, canvas: _Canvas, paper: _Paper, left: float, right: float) -> None:
    first, last = int(left), max(int(left) + 1, round(right))
    style = LOOKS[row.mark].style
    if paper.ascii:
        canvas.put(first, "=" * (last - first), style)
    elif last - first == 1:
        canvas.put(first, "━", style)
    else:
        canvas.put(first, "╺" + "━" * (last - first - 2) + "╸", style)


def _paint_density(row: Row, canvas: _Canvas, paper: _Paper, left: float, right: float) -> None:
    levels = _PLAIN_LEVELS if paper.ascii else _LEVELS
    first, last = int(left), max(int(left) + 1, round(right))
    many = len(row.density)
    for cell in range(first, last):
        low = (cell - first) * many // (last - first)
        high = max(low + 1, (cell - first + 1) * many // (last - first))
        busy = sum(row.density[low:high]) / (high - low)
        if busy > 0:
            canvas.put(cell, levels[min(7, int(busy * 8))], LOOKS[row.fill].style)
    for fault in row.faults:
        canvas.put(min(last - 1, int(paper.x(fault))), _sign("failed", paper.ascii), LOOKS["failed"].style)


def _caption(row: Row, canvas: _Canvas, paper: _Paper, begin: int, end: int) -> None:
    """Writes beside the bar: to its right where there is room, else to its left."""
    style = _CRITICAL if row.bottleneck else _FAINT if row.mark == "completed" else LOOKS[row.mark].style
    texts = captions(row, paper.gantt.metrics)
    for text in texts:
        room = cells(text)
        if end + 1 + room <= canvas.width:
            canvas.write(end + 1, text, style)
            return
        if room + 1 <= begin:
            canvas.write(begin - 1 - room, text, style)
            return
    canvas.write(max(0, canvas.width - cells(texts[-1])), texts[-1], style)


def _foot(gantt: Gantt, rows: tuple[Row, ...], width: int) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[]]
    used = 0
    for name, value in figures(gantt.metrics):
        value = cut(value, width - len(name) - 1)
        room = len(name) + 1 + cells(value)
        if used and used + 3 + room > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append(("   ", ""))
        lines[-1] += [(f"{name} ", _FAINT), (value, "bold")]
        used += room + (3 if used else 0)
    legend = [
        ("◆ critical path", any(row.critical for row in rows)),
        ("◀ bottleneck", any(row.bottleneck for row in rows)),
        ("░ waited for room", any(row.queued for row in rows)),
    ]
    known = "   ".join(text for text, there in legend if there)
    return [*lines, [(known, _FAINT)]] if known else lines
