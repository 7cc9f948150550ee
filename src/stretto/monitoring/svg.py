"""Draws a run's Gantt chart as one SVG that follows the reader's light or dark scheme."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from html import escape

from stretto.core.errors import DefinitionError
from stretto.monitoring.gantt import ROWS, Bar, Gantt, Row, lay_out
from stretto.monitoring.labels import began, captions, cells, clean, cut, figures, title
from stretto.monitoring.palette import DARK, LIGHT, LOOKS, variables
from stretto.monitoring.spans import Source
from stretto.monitoring.units import duration_text, share_text, ticks

NARROWEST = 320
"""The smallest width of a drawing (pixels)."""

_PAD = 16
_ROW = 24
_LETTER = 7.1
"""Width of one cell of 13 px text (pixels); a little more than the average, so that nothing is cut by surprise."""
_DIGIT = 6.75
"""Width of one cell of 11 px monospaced text (pixels)."""

_DARK_SELECTORS = (
    "[data-theme=dark] .stretto-gantt",
    "body[data-jp-theme-light=false] .stretto-gantt",
    "body.vscode-dark .stretto-gantt",
)
_LIGHT_SELECTORS = (
    "[data-theme=light] .stretto-gantt",
    "body[data-jp-theme-light=true] .stretto-gantt",
    "body.vscode-light .stretto-gantt",
)
_RULES = (
    ".stretto-gantt{font-family:'Inter Variable',Inter,system-ui,sans-serif;font-size:13px;color-scheme:light dark}"
    ".stretto-gantt text{fill:var(--s-fg-0)}"
    ".stretto-gantt .ground{fill:var(--s-bg-0)}"
    ".stretto-gantt .band{fill:var(--s-bg-1)}"
    ".stretto-gantt .name{font-weight:600;font-size:15px}"
    ".stretto-gantt .meta,.stretto-gantt text.meta{fill:var(--s-fg-1);font-size:12px}"
    ".stretto-gantt .meta .v{fill:var(--s-fg-0);font-weight:600}"
    ".stretto-gantt .num{font:11px 'JetBrains Mono Variable','JetBrains Mono',ui-monospace,monospace}"
    ".stretto-gantt .num{fill:var(--s-fg-1)}"
    ".stretto-gantt .hit{fill:transparent}"
    ".stretto-gantt .said{paint-order:stroke;stroke:var(--s-bg-0);stroke-width:3px;stroke-linejoin:round}"
    ".stretto-gantt .tick{fill:var(--s-fg-2)}"
    ".stretto-gantt .grid{stroke:var(--s-line);stroke-width:1}"
    ".stretto-gantt .queue{fill:var(--s-fg-2);opacity:.45}"
    ".stretto-gantt .pause{stroke:var(--s-fg-2);stroke-width:1.5;stroke-dasharray:2 3}"
    ".stretto-gantt .crit{fill:none;stroke:var(--s-crit);stroke-width:2}"
    ".stretto-gantt .crit-text{fill:var(--s-crit)}"
    ".stretto-gantt .group{font-weight:600}"
    ".stretto-gantt .faint{fill:var(--s-fg-1)}"
    ".stretto-gantt .over{stroke:var(--s-bg-0);stroke-width:5}"
    ".stretto-gantt .fault{stroke:var(--s-error);stroke-width:2}"
)


@dataclass(frozen=True, slots=True)
class _Page:
    """The measures of a drawing, in pixels; ``key`` keeps its patterns apart from those of other drawings."""

    gantt: Gantt
    rows: tuple[Row, ...]
    width: float
    left: float
    right: float
    top: float
    key: str

    def x(self, at: float) -> float:
        total = self.gantt.total
        share = 0.0 if total <= 0 else min(1.0, max(0.0, at / total))
        return self.left + share * (self.right - self.left)


def draw_svg(source: Source, *, width: int = 960, max_rows: int = ROWS, scheme: str = "auto") -> str:
    """Returns a run's chart as an SVG document of ``width`` pixels with at most ``max_rows`` rows.

    It needs nothing outside of itself. ``scheme`` is ``auto`` (the reader's choice), ``light`` or ``dark``.
    Raises ``DefinitionError`` for a width under 320 and for another scheme.
    """
    if width < NARROWEST:
        raise DefinitionError(f"a drawing {width} pixels wide has no room; width is at least {NARROWEST}")
    if scheme not in ("auto", "light", "dark"):
        raise DefinitionError(f"the scheme {scheme!r} is none of auto, light, dark")
    page = _page(lay_out(source, max_rows=max_rows), width)
    head, below = _head(page)
    body = "".join(_row(row, index, page) for index, row in enumerate(page.rows))
    height = page.top + len(page.rows) * _ROW + below
    facts = ", ".join(f"{name} {value}" for name, value in figures(page.gantt.metrics))
    words = f"{title(page.gantt)}: {LOOKS[page.gantt.mark].word}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="stretto-gantt" role="img" '
        f'aria-labelledby="{page.key}t {page.key}d" '
        f'viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}">'
        f'<title id="{page.key}t">{_text(words)}</title><desc id="{page.key}d">{_text(facts)}</desc>'
        f"<style>{_style(scheme)}</style>{_patterns(page.key)}"
        f'<rect class="ground" width="{width}" height="{height:g}" rx="8"/>{head}{_axis(page)}{body}'
        f"{_legend(page, page.top + len(page.rows) * _ROW + 22)}</svg>\n"
    )


def _text(text: str) -> str:
    return escape(clean(text), quote=True)


def _style(scheme: str) -> str:
    light, dark = variables(LIGHT, "s-"), variables(DARK, "s-")
    if scheme != "auto":
        return f".stretto-gantt{{{light if scheme == 'light' else dark}}}{_RULES}"
    return (
        f".stretto-gantt{{{light}}}@media (prefers-color-scheme:dark){{.stretto-gantt{{{dark}}}}}"
        f"{','.join(_LIGHT_SELECTORS)}{{{light}}}{','.join(_DARK_SELECTORS)}{{{dark}}}{_RULES}"
    )


def _patterns(key: str) -> str:
    """Returns the patterns that tell statuses apart without colour: stripes, hatches, dots."""

    def pattern(name: str, colour: str, size: int, turn: int, over: str) -> str:
        return (
            f'<pattern id="{key}{name}" width="{size}" height="{size}" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate({turn})"><rect width="{size}" height="{size}" fill="var(--s-{colour})"/>'
            f'<g fill="var(--s-bg-0)">{over}</g></pattern>'
        )

    return "".join(
        (
            "<defs>",
            pattern("running", "running", 12, 45, '<rect width="6" height="12" opacity=".3"/>'),
            pattern("waiting", "waiting", 4, 0, '<rect width="2" height="4" opacity=".45"/>'),
            pattern("failed", "error", 6, -45, '<rect width="1.5" height="6" opacity=".65"/>'),
            pattern("timed_out", "error", 6, 90, '<rect width="1.5" height="6" opacity=".65"/>'),
            pattern("abandoned", "error", 5, 45, '<path d="M0 0h5v1.2H1.2V5H0Z" opacity=".65"/>'),
            pattern("cancelled", "cancelled", 6, 0, '<circle cx="3" cy="3" r="1.3" opacity=".7"/>'),
            "</defs>",
        )
    )


def _fill(bar: Bar, key: str) -> str:
    return f"url(#{key}{bar.mark})" if bar.mark not in ("completed", "pending", "skipped") else f"var(--s-{bar.mark})"


def _page(gantt: Gantt, width: int) -> _Page:
    rows = gantt.visible()
    needed = max((14 * row.depth + 24 + cells(clean(row.label)) * _LETTER for row in rows), default=120.0)
    labels = min(max(110.0, needed), max(width * 0.32, 130.0))
    seed = f"{gantt.run.run_id}|{gantt.run.name}|{width}|{len(rows)}|{gantt.total}"
    key = "g" + hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:8]
    lines = len(_figure_lines(gantt, width))
    return _Page(gantt, rows, width, _PAD + labels + 8, width - _PAD - 58, 46 + 18 * lines + 34, key)


def _figure_lines(gantt: Gantt, width: float) -> list[list[tuple[str, str]]]:
    lines: list[list[tuple[str, str]]] = [[]]
    used = 0.0
    for name, value in figures(gantt.metrics):
        value = cut(value, int((width - 2 * _PAD) / 7) - len(name) - 2)
        room = (cells(name) + cells(value) + 1) * 6.9 + 18
        if lines[-1] and used + room > width - 2 * _PAD:
            lines.append([])
            used = 0.0
        lines[-1].append((name, value))
        used += room
    return lines


def _head(page: _Page) -> tuple[str, float]:
    """Returns the run's name, state and figures, and how much room the foot of the drawing needs (pixels)."""
    look = LOOKS[page.gantt.mark]
    state = f"{look.sign} {look.word}"
    when = began(page.gantt)
    room = int((page.width - 2 * _PAD) / 8.6) - cells(state) - 2
    name = cut(title(page.gantt), max(8, room))
    aside = ""
    if page.width >= 720 and when and cells(name) * 8.6 + cells(state) * 8 + cells(when) * 7 + 60 < page.width:
        aside = f'<text class="num" x="{page.width - _PAD:g}" y="27" text-anchor="end">{when}</text>'
    parts = [
        f'<text x="{_PAD}" y="28"><tspan class="name">{_text(name)}</tspan>'
        f'<tspan dx="12" style="fill:var(--s-{look.colour})">{_text(state)}</tspan></text>',
        aside,
    ]
    for index, line in enumerate(_figure_lines(page.gantt, page.width)):
        spans = "".join(
            f'<tspan dx="{18 if place else 0}">{_text(name)} </tspan><tspan class="v">{_text(value)}</tspan>'
            for place, (name, value) in enumerate(line)
        )
        parts.append(f'<text class="meta" x="{_PAD}" y="{50 + 18 * index}">{spans}</text>')
    return "".join(parts), 40.0


def _axis(page: _Page) -> str:
    bottom = page.top + len(page.rows) * _ROW
    marks = ticks(page.gantt.total, max(4, int((page.right - page.left) / 64)))
    lines = "".join(
        f'<path class="grid" d="M{page.x(mark.at):.1f} {page.top - 20:g}V{bottom:g}"/>'
        f'<text class="num tick" x="{page.x(mark.at) + 4:.1f}" y="{page.top - 9:g}">{_text(mark.label)}</text>'
        for mark in marks
    )
    bands = "".join(
        f'<rect class="band" x="{_PAD / 2:g}" y="{page.top + index * _ROW:g}" width="{page.width - _PAD:g}" '
        f'height="{_ROW}" rx="4"/>'
        for index in range(1, len(page.rows), 2)
    )
    return (
        f'<g aria-hidden="true">{bands}{lines}<path class="grid" d="M{_PAD} {page.top:g}H{page.width - _PAD:g}"/></g>'
    )


def _row(row: Row, index: int, page: _Page) -> str:
    y = page.top + index * _ROW
    look = LOOKS[row.mark]
    indent = min(14.0 * row.depth, page.left * 0.35)
    name = cut(clean(row.label), max(3, int((page.left - _PAD - 8 - indent - 20) / _LETTER)))
    kind = "group" if row.foldable else "faint" if row.start is None else ""
    return (
        f"<g><title>{_text(_tooltip(row, page.gantt))}</title>"
        f'<rect class="hit" x="{_PAD / 2:g}" y="{y:g}" width="{page.width - _PAD:g}" height="{_ROW}"/>'
        f'<text x="{_PAD + indent:g}" y="{y + 16.5:g}" style="fill:var(--s-{look.colour})">{look.sign}</text>'
        f'<text class="{kind}" x="{_PAD + indent + 19:g}" y="{y + 16.5:g}">{_text(name)}</text>'
        f"{_marks(row, y, page)}</g>"
    )


def _tooltip(row: Row, gantt: Gantt) -> str:
    """Returns what the row says when it is pointed at."""
    parts = [row.path or row.label, LOOKS[row.mark].word]
    if row.start is not None:
        parts += [f"started {duration_text(row.start)}", f"took {duration_text(row.duration)}"]
    if row.queued:
        parts.append(f"waited {duration_text(row.queued)} for room")
    parts += [f"{count:,} {LOOKS[mark].word}" for mark, count in row.tally]
    if row.span is not None:
        parts += [f"attempts {row.span.attempts}"] if row.span.attempts > 1 else []
        parts += [f"{row.span.error.type}: {row.span.error.message}"] if row.span.error is not None else []
        parts += [part for part in (row.span.reason, row.span.question, row.note) if part]
    if row.critical:
        parts.append("on the critical path")
    if row.bottleneck:
        parts.append(f"bottleneck, {share_text(gantt.metrics.bottleneck_share)} of the total")
    return " · ".join(parts)


def _marks(row: Row, y: float, page: _Page) -> str:
    texts = captions(row, page.gantt.metrics)
    colour = "" if row.mark == "completed" else f' style="fill:var(--s-{LOOKS[row.mark].colour})"'
    colour = ' style="fill:var(--s-crit)"' if row.bottleneck else colour
    if row.start is None or row.end is None:
        text = next((one for one in texts if cells(one) * _DIGIT <= page.width - page.left - _PAD), texts[-1])
        return f'<text class="num said" x="{page.left + 6:g}" y="{y + 16:g}"{colour}>{_text(text)}</text>'
    left, right = page.x(row.start), max(page.x(row.end), page.x(row.start) + 3)
    begin, drawn = left, ""
    if row.queued > 0:
        begin = page.x(row.start - row.queued)
        drawn += (
            f'<rect class="queue" x="{begin:.1f}" y="{y + 10.5:g}" width="{max(0.0, left - begin):.1f}" height="3"/>'
        )
    if row.is_dense:
        drawn += _profile(row, y, page, left, right)
    elif row.foldable:
        drawn += (
            f'<path d="M{left:.1f} {y + 15:g}v-6H{right:.1f}v6" fill="none" stroke-width="2.5" '
            f'stroke="var(--s-{LOOKS[row.mark].colour})"/>'
        )
    else:
        drawn += _bars(row, y, page, left, right)
    return drawn + _caption(texts, colour, y, page, begin, right)


def _bars(row: Row, y: float, page: _Page, left: float, right: float) -> str:
    drawn = ""
    if len(row.bars) > 1:
        drawn += f'<path class="pause" d="M{left:.1f} {y + 12:g}H{right:.1f}"/>'
    for bar in row.bars:
        x, width = page.x(bar.start), max(3.0, page.x(bar.end) - page.x(bar.start))
        box = f'x="{x:.1f}" y="{y + 5:g}" width="{width:.1f}" height="14" rx="{min(3.0, width / 3):.1f}"'
        drawn += f'<rect {box} fill="{_fill(bar, page.key)}"/>'
    if row.critical:
        drawn += (
            f'<rect class="crit" x="{left - 1:.1f}" y="{y + 4:g}" width="{right - left + 2:.1f}" height="16" rx="4"/>'
        )
    return drawn


def _profile(row: Row, y: float, page: _Page, left: float, right: float) -> str:
    """Draws how busy a dense row was, as an area over its time, and where something in it failed."""
    step = (right - left) / len(row.density)
    floor = y + 20.5
    steps = "".join(f"V{floor - max(1.5, 17 * busy):.1f}h{step:.3f}" for busy in row.density)
    area = f'<path d="M{left:.1f} {floor:g}{steps}V{floor:g}Z" fill="var(--s-{LOOKS[row.fill].colour})"/>'
    ticks = "".join(f"M{page.x(fault):.1f} {y + 2:g}v20" for fault in row.faults)
    if not ticks:
        return area
    return f'{area}<path class="over" d="{ticks}"/><path class="fault" d="{ticks}"/>'


def _caption(texts: tuple[str, ...], colour: str, y: float, page: _Page, begin: float, end: float) -> str:
    """Writes to the right of the bar where there is room, else to its left."""
    edge = page.width - _PAD / 2
    x, anchor, chosen = edge, "end", texts[-1]
    for text in texts:
        room = cells(text) * _DIGIT
        if end + 7 + room <= edge:
            x, anchor, chosen = end + 7, "start", text
            break
        if begin - 7 - room >= page.left:
            x, anchor, chosen = begin - 7, "end", text
            break
    return f'<text class="num said" x="{x:.1f}" y="{y + 16:g}" text-anchor="{anchor}"{colour}>{_text(chosen)}</text>'


def _legend(page: _Page, y: float) -> str:
    """Returns the foot of the drawing: what outline, thin line and profile mean, where they occur."""
    x, drawn = float(_PAD), ""
    outline = f'<rect class="crit" x="{{x:g}}" y="{y - 9:g}" width="18" height="10" rx="3"/>'
    thin = f'<rect class="queue" x="{{x:g}}" y="{y - 5:g}" width="18" height="3"/>'
    area = f'<path d="M{{x:g}} {y + 1:g}v-4h4v-3h5v-4h5v6h4v5Z" fill="var(--s-completed)"/>'
    for sign, words, there in (
        (outline, "critical path", any(row.critical for row in page.rows)),
        (thin, "waited for room", any(row.queued for row in page.rows)),
        (area, "many steps: how busy", any(row.is_dense for row in page.rows)),
    ):
        if there:
            drawn += sign.format(x=x) + f'<text class="meta" x="{x + 24:g}" y="{y:g}">{words}</text>'
            x += 24 + len(words) * 6.4 + 20
    return f'<g aria-hidden="true">{drawn}</g>'
