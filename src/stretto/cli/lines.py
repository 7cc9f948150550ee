"""Shows a run as plain lines: for logs of continuous integration, for pipes, and for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from stretto.cli.execution import Viewer
from stretto.cli.screen import Screen
from stretto.cli.values import readable
from stretto.core import events as core
from stretto.core.codec import encode, preview
from stretto.core.errors import OutputNotStorable
from stretto.core.events import Event
from stretto.monitoring.labels import clean
from stretto.monitoring.spans import SpanFold
from stretto.monitoring.units import duration_text

MOST_FAILURES = 20
"""How many failing items are told one by one."""
EVERY = 1.0
"""How many seconds lie between two lines about the progress of one step."""


class LineView(Viewer):
    """Writes a line when a step starts and ends; of the items of a map, only failures, retries and progress."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._told: dict[str, float] = {}
        self._failures = 0

    def events(self, fold: SpanFold, fresh: Sequence[Event], first: int) -> None:
        for event in fresh:
            text = self._text(fold, event)
            if text:
                mark = f" {event.path}" if event.path else ""
                self._screen.say(clean(f"{event.at:9.3f} s  {text[0]:<10}{mark}{'  ' if text[1] else ''}{text[1]}"))

    def _text(self, fold: SpanFold, event: Event) -> tuple[str, str] | None:
        item = "[" in event.path
        match event:
            case core.RunStarted():
                return ("run", f"{event.run_id} ({event.name}) started")
            case core.RunResumed():
                return ("run", f"resumed; {event.completed:,} steps are done already")
            case core.StepStarted() if not item:
                return ("started", f"after {duration_text(event.queued)} in the queue" if event.queued > 0.001 else "")
            case core.StepCompleted() if not item:
                source = "" if event.source == "run" else f" ({event.source})"
                return ("completed", duration_text(fold.span(event.path).duration(event.at)) + source)
            case core.StepFailed():
                return self._failure(item, f"{_bare(event.error.type)}: {event.error.message}")
            case core.StepTimedOut():
                return self._failure(item, f"after {event.seconds:g} s", "timed out")
            case core.StepRetrying():
                why = f"attempt {event.attempt} failed ({_bare(event.error.type)}: {event.error.message})"
                return self._failure(item, f"{why}; next in {duration_text(event.wait)}", "retrying")
            case core.Progress():
                return self._progress(event)
            case core.Asked():
                return ("asks", event.question)
            case core.Answered():
                return ("answered", f"{event.choice}{f' by {event.by}' if event.by else ''}")
            case _:
                return self._rest(event, item)

    def _rest(self, event: Event, item: bool) -> tuple[str, str] | None:
        match event:
            case core.StepCancelled() if not item:
                return ("cancelled", event.reason)
            case core.StepSkipped() if not item:
                return ("skipped", event.because)
            case core.StepAbandoned():
                return ("abandoned", f"did not stop within {event.waited:g} s")
            case core.StepUndone():
                return ("undone", "" if event.error is None else f"failed: {event.error.message}")
            case core.Said() if event.level != "debug" and not item:
                return (event.level, event.text)
            case _:
                return None

    def _failure(self, item: bool, text: str, word: str = "failed") -> tuple[str, str] | None:
        if item:
            self._failures += 1
            if self._failures > MOST_FAILURES:
                return None
            if self._failures == MOST_FAILURES:
                text += "; further failures of items are not shown here"
        return (word, text)

    def _progress(self, event: core.Progress) -> tuple[str, str] | None:
        last = self._told.get(event.path)
        if (last is not None and event.at - last < EVERY) and event.done != event.total:
            return None
        self._told[event.path] = event.at
        total = "" if event.total is None else f" of {event.total:,}"
        return ("progress", f"{event.done:,}{total}{f' ({event.text})' if event.text else ''}")


def _bare(kind: str) -> str:
    return kind.rpartition(".")[2]


class EventLines(Viewer):
    """Writes every event to stdout as a line of JSON; a reader that goes away does not stop the run."""

    def __init__(self) -> None:
        self._open = True

    def events(self, fold: SpanFold, fresh: Sequence[Event], first: int) -> None:
        if not self._open:
            return
        try:
            sys.stdout.write("".join(f"{event_line(first + place, event)}\n" for place, event in enumerate(fresh)))
            sys.stdout.flush()
        except BrokenPipeError:
            self._open = False


def event_line(place: int, event: Event) -> str:
    """Returns an event as one line of JSON: its place, kind, path and time, and its own fields."""
    head = {"seq": place, "kind": event.kind, "path": event.path, "at": round(event.at, 6)}
    try:
        own = readable(json.loads(encode(event)))
    except OutputNotStorable:
        own = {"output": readable(preview(getattr(event, "output", None)))}
    return json.dumps(head | own, ensure_ascii=False, separators=(",", ":"))
