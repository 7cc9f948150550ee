"""Shows a turn of a chat while it lives: the answer as it is written, reasoning folded, what runs as a tree below."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from stretto.cli.chat_crew import Crew, CrewRow, spent_text
from stretto.cli.execution import Viewer
from stretto.cli.live import PLAIN_SPINNER, SPINNER
from stretto.cli.screen import Screen
from stretto.core import events as core
from stretto.core.events import Event, Path, parent_of
from stretto.monitoring.labels import cells, clean, cut
from stretto.monitoring.palette import LOOKS, Mark
from stretto.monitoring.spans import SpanFold
from stretto.monitoring.units import count_text, duration_text

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_FAINT = "bright_black"
_KEPT = "\n\t\u200c\u200d"
"""What is written although it is not printable: the ends of lines, tabs, and what parts and joins letters and emoji."""
MOST_ROWS = 16
"""How many lines the tree of what runs has at the most."""


class ChatView(Viewer):
    """Writes the primary agent's words to stdout as they come, and everything else to stderr.

    On a terminal what runs is drawn in place; what has ended stays as a line. ``reasoning`` shows the model's
    reasoning in full instead of a line about it, ``words=False`` leaves the answer to whoever reads stdout at the end.
    """

    def __init__(self, screen: Screen, *, reasoning: bool = False, words: bool = True) -> None:
        self._screen, self._reasoning, self._words = screen, reasoning, words
        self.crew = Crew()
        self.text = ""
        self._open_line = False
        self._thinking: tuple[float, int, str] | None = None
        self._told: set[Path] = set()
        self._live: Live | None = None
        self._frame = 0

    # -- what happens --------------------------------------------------------------------------------------------------

    def events(self, fold: SpanFold, fresh: Sequence[Event], first: int) -> None:
        for event in fresh:
            self.crew.take(event)
            if isinstance(event, core.ModelDelta):
                self._delta(event)
            else:
                self._other(fold, event)

    def _delta(self, event: core.ModelDelta) -> None:
        crew = self.crew
        if crew.primary is None or crew.owner(event.path) is not crew.primary:
            return
        if event.part == "reasoning":
            began, words, last = self._thinking or (event.at, 0, " ")
            begun = sum(was.isspace() and not is_.isspace() for was, is_ in pairwise(last + event.text))
            self._thinking = (began, words + begun, (last + event.text)[-1])
            if self._reasoning:
                self._write(event.text, faint=True)
            return
        self._thought(event.at)
        if event.part == "text":
            self.text += event.text
            if self._words:
                self._write(event.text)

    def _thought(self, at: float) -> None:
        """Folds the reasoning that has ended into a line."""
        if self._thinking is None:
            return
        began, words, _ = self._thinking
        self._thinking = None
        if self._reasoning:
            self._end_line(err=True)
        else:
            self._line(f"▸ thought for {duration_text(at - began)} ({words:,} words)", _FAINT)

    def _other(self, fold: SpanFold, event: Event) -> None:
        crew = self.crew
        match event:
            case core.StepCompleted() | core.StepFailed() | core.StepCancelled() | core.StepTimedOut():
                if crew.belongs_to_primary(event.path):
                    self._ended(fold, event.path)
            case core.StepRetrying() if crew.owner(event.path) is not None:
                why = f"{event.error.type.rpartition('.')[2]}: {event.error.message}"
                self._line(f"! {why.rstrip('.')}; trying again in {duration_text(event.wait)}", "yellow")
                self.text = ""
            case core.RunResumed():
                self._end_line()  # what stands there was written before the process died, and is begun again
                self.text, self._thinking = "", None
            case core.HistoryShortened():
                kept = f"{count_text(event.tokens_before)} → {count_text(event.tokens_after)} tokens"
                self._line(f"▸ {event.dropped} earlier messages {event.how} ({kept})", _FAINT)
            case core.TaskChanged():
                self._told.add(parent_of(event.path))
                box = {"completed": "☑", "deleted": "☒"}.get(event.change, "☑" if event.status == "completed" else "☐")
                self._line(f"{box} {clean(event.name)} ({event.status.replace('_', ' ')})", _FAINT)
            case core.Said() if event.level in ("warning", "error"):
                self._line(f"! {clean(event.text)}", "yellow" if event.level == "warning" else "red")
            case _:
                pass

    def _ended(self, fold: SpanFold, path: str) -> None:
        """Leaves a line for a call that has ended, and one for each agent that it started."""
        if path in self._told and path not in self.crew.errors:
            return
        span = fold.spans[path]
        mark: Mark = "failed" if span.status == "completed" and path in self.crew.errors else span.status
        told = self.crew.errors.get(path) or self.crew.arguments[path]
        row = CrewRow(0, mark, clean(span.name), told, span, False)
        below = [each for each in self.crew.rows(fold, below=path, live=False) if each.agent]
        for each in (row, *below):
            self._line_of(each._replace(depth=0 if each is row else 1), fold)

    # -- how it stands -------------------------------------------------------------------------------------------------

    def draw(self, fold: SpanFold) -> None:
        if not self._screen.err.is_terminal:
            return
        rows = list(self.crew.rows(fold))
        head = self._head(fold) if not rows else ""
        if (not rows and not head) or self._open_line:
            self._stop_drawing()
            return
        if self._live is None:
            from rich.live import Live

            both = self._screen.out.is_terminal
            self._live = Live(
                console=self._screen.err, auto_refresh=False, transient=True, redirect_stdout=both, redirect_stderr=both
            )
            self._live.start()
        self._frame += 1
        self._live.update(self._picture(rows, head, fold), refresh=True)

    def _head(self, fold: SpanFold) -> str:
        member = self.crew.primary
        if member is None:
            return "starting"
        since = fold.spans[member.path].duration(fold.now) if member.path in fold.spans else 0.0
        if self._thinking is not None:
            return f"thinking, {self._thinking[1]:,} words · {duration_text(fold.now - self._thinking[0])}"
        return f"{member.doing} · {duration_text(since)}" if member.doing else ""

    def _picture(self, rows: list[CrewRow], head: str, fold: SpanFold) -> Text:
        from rich.text import Text

        drawn = Text(no_wrap=True, overflow="crop", end="")
        if head:
            drawn.append(f"{self._spinner()} {head}", "cyan")
        for row in rows[:MOST_ROWS]:
            for text, style in self._pieces(row, fold):
                drawn.append(text, style or None)
            drawn.append("\n")
        if len(rows) > MOST_ROWS:
            drawn.append(f"  … {len(rows) - MOST_ROWS} more", _FAINT)
        return drawn

    def _pieces(self, row: CrewRow, fold: SpanFold) -> list[tuple[str, str]]:
        look = LOOKS[row.mark]
        sign = self._spinner() if row.mark == "running" else look.sign if self._screen.unicode else look.plain
        width = self._screen.err.width - 1
        indent = "  " * row.depth
        took = duration_text(row.span.duration(fold.now)) if row.span.start is not None else ""
        name = cut(row.name, max(8, width // 3))
        room = width - cells(indent) - 2 - cells(name) - 2 - cells(took) - 1
        told = cut(row.told, max(0, room))
        gap = " " * max(1, room - cells(told) + 1)
        telling = "red" if row.mark == "failed" else "yellow" if row.mark == "waiting" else _FAINT
        name_style = "bold" if row.agent else ""
        return [
            (f"{indent}{sign} ", look.style),
            (name, name_style),
            ("  ", ""),
            (told, telling),
            (gap, ""),
            (took, _FAINT),
        ]

    def _spinner(self) -> str:
        frames = SPINNER if self._screen.unicode else PLAIN_SPINNER
        return frames[self._frame % len(frames)]

    def pause(self) -> None:
        self._stop_drawing()
        self._end_line()

    def _stop_drawing(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self, fold: SpanFold) -> None:
        self._thought(fold.now)
        self._stop_drawing()
        self._end_line()

    # -- what is written -----------------------------------------------------------------------------------------------

    def _write(self, text: str, *, faint: bool = False) -> None:
        """Writes a piece of a model's words; no control character of it reaches the terminal."""
        self._stop_drawing()
        safe = self.safe(text)
        if faint:
            self._screen.err.print(safe, style=_FAINT, end="", soft_wrap=True)
            self._screen.err.file.flush()
        else:
            sys.stdout.write(safe)
            sys.stdout.flush()
        self._open_line = not safe.endswith("\n") if safe else self._open_line

    @staticmethod
    def safe(text: str) -> str:
        """Returns a model's words without control characters: none may move the cursor or set a title."""
        return "".join(one if one.isprintable() or one in _KEPT else "\ufffd" for one in text)

    def _end_line(self, *, err: bool = False) -> None:
        if self._open_line:
            (sys.stderr if err else sys.stdout).write("\n")
            (sys.stderr if err else sys.stdout).flush()
            self._open_line = False

    def _line(self, text: str, style: str) -> None:
        self._stop_drawing()
        self._end_line()
        text = clean(text)
        plain = text if self._screen.unicode else text.encode("ascii", "replace").decode()
        shown = cut(plain, self._screen.err.width - 1) if self._screen.err.is_terminal else plain
        self._screen.err.print(shown, style=style)

    def _line_of(self, row: CrewRow, fold: SpanFold) -> None:
        from rich.text import Text

        self._stop_drawing()
        self._end_line()
        drawn = Text(no_wrap=True, overflow="crop")
        for text, style in self._pieces(row, fold):
            drawn.append(text, style or None)
        self._screen.err.print(drawn)

    def summary(self, fold: SpanFold) -> str:
        """Returns what the turn took: the model, calls of models and tools, tokens, cost and time."""
        members = list(self.crew.members.values())
        primary = self.crew.primary
        asked, calls = sum(each.asked for each in members), sum(each.calls for each in members)
        tokens_in, tokens_out = sum(each.tokens_in for each in members), sum(each.tokens_out for each in members)
        cached, reasoning = sum(each.cached for each in members), sum(each.reasoning for each in members)
        parts = [primary.model] if primary is not None else []
        parts.append(f"{asked} {'answer' if asked == 1 else 'answers'}")
        if calls:
            parts.append(f"{calls} {'call' if calls == 1 else 'calls'}")
        if len(members) > 1:
            parts.append(f"{len(members) - 1} sub-{'agent' if len(members) == 2 else 'agents'}")
        held = f" ({count_text(cached)} cached)" if cached else ""
        thought = f" ({count_text(reasoning)} reasoning)" if reasoning else ""
        parts.append(f"{count_text(tokens_in)} in{held}, {count_text(tokens_out)} out{thought}")
        parts.append(spent_text(sum(each.cost for each in members), sum(each.unpriced for each in members)))
        parts.append(duration_text(fold.now))
        return " · ".join(parts)
