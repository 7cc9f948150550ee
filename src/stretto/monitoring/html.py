"""Draws a run as one HTML page that opens offline: an interactive chart, a table and the figures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from stretto.monitoring.gantt import ROWS, Gantt, Row, lay_out
from stretto.monitoring.labels import began, captions, clean, figures, title
from stretto.monitoring.palette import DARK, LIGHT, LOOKS, variables
from stretto.monitoring.spans import Source, Span

_CRITICAL, _BOTTLENECK, _FOLDABLE, _FOLDED, _OWN = 1, 2, 4, 8, 16
_BLANK = re.compile(r"\{\{(\w+)\}\}")
_MESSAGES_SHOWN = 12


@cache
def _asset(name: str) -> str:
    return files("stretto.monitoring").joinpath("page").joinpath(name).read_text("utf-8")


def _filled(template: str, blanks: dict[str, str]) -> str:
    """Returns a template with its blanks filled in one pass, so that nothing which is filled in can be a blank."""
    return _BLANK.sub(lambda blank: blanks[blank.group(1)], template)


def draw_html(source: Source, *, max_rows: int = ROWS) -> str:
    """Returns a run as a page without a single external request; its policy forbids the network.

    Every span is in it, 10,000 as well as five; at first so many rows are folded that at most ``max_rows`` show.
    """
    gantt = lay_out(source, max_rows=max_rows, hidden=True)
    look = LOOKS[gantt.mark]
    style = _filled(_asset("page.css"), {"light": variables(LIGHT), "dark": variables(DARK)})
    script = _asset("page.js")
    pairs = figures(gantt.metrics)
    return _filled(
        _asset("page.html"),
        {
            "title": escape(f"{title(gantt)} – {look.word}"),
            "name": escape(title(gantt)),
            "colour": look.colour,
            "sign": look.sign,
            "word": look.word,
            "began": began(gantt),
            "figures": "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs),
            "style": style,
            "style_hash": _digest(style),
            "script": script,
            "script_hash": _digest(script),
            "data": embedded(_data(gantt, pairs)),
        },
    )


def _digest(text: str) -> str:
    """Returns what a content security policy calls an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(plain: Any) -> str:
    """Returns JSON that may stand inside of a script element: no ``<``, no ``&``, nothing outside of ASCII."""
    text = json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _data(gantt: Gantt, pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return {
        "total": _round(gantt.total),
        "spans": sum(row.own for row in gantt.rows),
        "bottleneck_share": _round(gantt.metrics.bottleneck_share),
        "figures": pairs,
        "marks": {mark: {"sign": look.sign, "word": look.word, "colour": look.colour} for mark, look in LOOKS.items()},
        "rows": [_row(row, gantt) for row in gantt.rows],
    }


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 7)


def _row(row: Row, gantt: Gantt) -> list[Any]:
    flags = (
        _CRITICAL * row.critical
        + _BOTTLENECK * row.bottleneck
        + _FOLDABLE * row.foldable
        + _FOLDED * row.folded
        + _OWN * row.own
    )
    said = captions(row, gantt.metrics)
    plain = len(row.bars) == 1 and row.bars[0].mark == row.mark
    bars = None if plain or not row.bars else [[_round(bar.start), _round(bar.end), bar.mark] for bar in row.bars]
    times = [_round(row.start), _round(row.end), _round(row.duration), _round(row.queued)]
    described = [row.path, clean(row.label), row.depth, row.parent, row.kind, row.mark]
    return [*described, *times, flags, bars, None if len(said) == 1 and row.start is not None else said, _more(row)]


def _more(row: Row) -> dict[str, Any] | None:
    """Returns what only some rows have."""
    found: dict[str, Any] = _of_span(row.span) if row.span is not None else {}
    if row.foldable:
        found["within"] = row.within
    if row.tally:
        found["tally"] = ", ".join(f"{count:,} {LOOKS[mark].word}" for mark, count in row.tally)
        found["fill"] = row.fill
    return found or None


def _of_span(span: Span) -> dict[str, Any]:
    known: dict[str, Any] = {
        "attempts": span.attempts if span.attempts > 1 else 0,
        "source": span.source if span.source != "run" else "",
        "reason": span.reason,
        "question": span.question,
        "error": f"{span.error.type}: {span.error.message}" if span.error is not None else "",
        "messages": "\n".join(f"{one.at:.3f} s  {one.level}  {one.text}" for one in span.messages[-_MESSAGES_SHOWN:]),
    }
    if span.progress is not None:
        done, total = span.progress
        known["progress"] = f"{done:,}" if total is None else f"{done:,} of {total:,}"
    return {name: value for name, value in known.items() if value}
