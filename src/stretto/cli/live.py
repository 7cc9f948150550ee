"""Shows a run on a terminal while it lives: a tree that moves, progress, and the bottleneck so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stretto.cli.execution import Viewer
from stretto.cli.screen import Screen
from stretto.cli.tree import Interest, TreeRow
from stretto.core import events as core
from stretto.core.events import Event
from stretto.monitoring.labels import cells, clean, cut
from stretto.monitoring.palette import LOOKS
from stretto.monitoring.spans import Span, SpanFold
from stretto.monitoring.units import duration_text

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_SPINNER = "|/-\\"
BAR = 14
"""How wide a bar of progress is (cells)."""
FINAL_ROWS = 30
"""How many lines of the tree stay on the terminal when the run is over."""
_FAINT = "bright_black"
_ASCII = str.maketrans({"├": "|", "└": "`", "─": "-", "│": "|", "…": "~", "━": "=", "·": ",", "×": "x", "µ": "u"})


class LiveView(Viewer):
    """Draws the tree in place, at most ten times a second."""

    def __init__(self, screen: Screen) -> None:
        self._screen, self._interest = screen, Interest()
        self._live: Live | None = None

    def events(self, fold: SpanFold, fresh: Sequence[Event], first: int) -> None:
        self._interest.take(fold, fresh)
        for event in fresh:
            if isinstance(event, core.Said) and event.level in ("warning", "error"):
                style = "yellow" if event.level == "warning" else "red"
                self._screen.say(clean(f"{event.path}: {event.text}"), style)

    def draw(self, fold: SpanFold) -> None:
        if self._live is None:
            from rich.live import Live

            both = self._screen.out.is_terminal
            self._live = Live(
                console=self._screen.err, auto_refresh=False, transient=True, redirect_stdout=both, redirect_stderr=both
            )
            self._live.start()
        room = max(6, self._screen.err.height - 3)
        self._live.update(self._picture(fold, room), refresh=True)

    def pause(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self, fold: SpanFold) -> None:
        self.pause()
        if fold.spans:
            width, unicode = self._screen.err.width - 1, self._screen.unicode
            self._screen.err.print(picture(self._interest, fold, width, FINAL_ROWS, unicode=unicode), end="")

    def _picture(self, fold: SpanFold, room: int) -> Text:
        width, unicode = self._screen.err.width - 1, self._screen.unicode
        drawn = picture(self._interest, fold, width, room, unicode=unicode, final=False)
        for text, style in self._foot(fold, width):
            drawn.append(text, style or None)
        return drawn

    def _foot(self, fold: SpanFold, width: int) -> list[tuple[str, str]]:
        counted = self._interest
        running = sum(1 for _ in fold.live())
        told = f"{duration_text(fold.now)} · {counted.completed:,} done · {running:,} running"
        if counted.failed:
            told += f" · {counted.failed:,} failed"
        if counted.retries:
            told += f" · {counted.retries:,} {'retry' if counted.retries == 1 else 'retries'}"
        seconds, path = counted.bottleneck(fold)
        head = f"   bottleneck so far {duration_text(seconds)} "
        room = width - cells(told) - cells(head)
        longest = head + _tail(clean(path), room) if path and room > 8 else ""
        pieces = [(told, "bold"), (longest, "dark_orange")]
        return pieces if self._screen.unicode else [(text.translate(_ASCII), style) for text, style in pieces]


def picture(
    interest: Interest, fold: SpanFold, width: int, room: int, *, unicode: bool = True, final: bool = True
) -> Text:
    """Returns a run's tree as at most ``room`` lines of text, ``width`` cells wide."""
    from rich.text import Text

    drawn = Text(no_wrap=True, overflow="crop", end="")
    for row in interest.rows(fold, room, final=final):
        for text, style in _row(row, fold, width, unicode):
            drawn.append(text, style or None)
        drawn.append("\n")
    return drawn


def _row(row: TreeRow, fold: SpanFold, width: int, unicode: bool) -> list[tuple[str, str]]:
    look = LOOKS[row.mark]
    if row.span is None:
        pieces = [(row.guide, _FAINT), (cut(row.text, width - cells(row.guide)), _FAINT)]
        return pieces if unicode else [(text.translate(_ASCII), style) for text, style in pieces]
    sign = (look.sign if unicode else look.plain) if row.mark != "running" else _spinner(unicode)
    took = _took(row.span, fold)
    told, told_style = _told(row)
    right = width - 10
    name_room = max(16, right - max(30, cells(told) + 2) - cells(row.guide) - 2)
    name = cut(clean(row.text), name_room)
    pad = " " * (name_room - cells(name) + 1)
    told = cut(told, max(0, right - cells(row.guide) - 2 - name_room - 1))
    gap = " " * max(1, width - cells(row.guide) - 2 - name_room - 1 - cells(told) - cells(took))
    style = "bold" if row.mark in ("running", "waiting") else "" if row.mark == "completed" else look.style
    pieces = [
        (row.guide, _FAINT), (f"{sign} ", look.style), (name, style), (pad, ""), (told, told_style), (gap, ""),
        (took, _FAINT if row.mark == "completed" else look.style),
    ]  # fmt: skip
    return pieces if unicode else [(text.translate(_ASCII), style) for text, style in pieces]


def _tail(path: str, room: int) -> str:
    """Returns the end of a path, which tells more than its beginning."""
    while cells(path) > room and "/" in path.lstrip("…/"):
        path = "…/" + path.lstrip("…/").partition("/")[2]
    return cut(path, room)


def _spinner(unicode: bool) -> str:
    frames = SPINNER if unicode else PLAIN_SPINNER
    return frames[int(time.monotonic() * 10) % len(frames)]


def _took(span: Span, fold: SpanFold) -> str:
    return duration_text(span.duration(fold.now)) if span.start is not None else ""


def _told(row: TreeRow) -> tuple[str, str]:
    """Returns what is to be said of a span: a question, an error, progress, retries, and where its output came from."""
    span = row.span
    if span is None:
        return "", ""
    if span.question:
        return clean(span.question), "yellow"
    if span.error is not None and span.status != "completed":
        return clean(f"{span.error.type.rpartition('.')[2]}: {span.error.message}"), "red"
    if row.mark in ("skipped", "timed_out", "cancelled", "abandoned"):
        return clean(span.reason), LOOKS[row.mark].style
    notes: list[str] = []
    if row.done is not None and not (span.end is not None and row.done == row.total):
        notes.append(_bar(row.done, row.total))
    elif row.done is not None:
        notes.append(f"{row.done:,} items")
    if span.retries:
        notes.append(f"{len(span.retries)} {'retry' if len(span.retries) == 1 else 'retries'}")
    if span.source not in ("", "run"):
        notes.append(span.source)
    if span.queued > 0.5:
        notes.append(f"queued {duration_text(span.queued)}")
    if span.messages and span.end is None:
        notes.append(clean(span.messages[-1].text))
    return " · ".join(notes), "cyan" if row.mark == "running" else _FAINT


def _bar(done: int, total: int | None) -> str:
    if not total:
        return f"{done:,} done"
    full = min(BAR, BAR * done // total)
    return f"{'━' * full}{'─' * (BAR - full)} {done:,}/{total:,}"
