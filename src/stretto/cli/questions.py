"""Asks the person at the terminal what a run asks, without ever blocking the run."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable
from typing import Any

from stretto.cli.screen import Screen
from stretto.cli.values import short
from stretto.core.codec import preview
from stretto.core.errors import DefinitionError
from stretto.core.events import Answered, Asked, Event
from stretto.monitoring.spans import SpanFold
from stretto.runtime.run import Run


def open_questions(events: list[Event]) -> dict[str, Asked]:
    """Returns the questions of a log that have no answer in it, by their ids, in order."""
    found: dict[str, Asked] = {}
    for event in events:
        if isinstance(event, Asked):
            found[event.request_id] = event
        elif isinstance(event, Answered):
            found.pop(event.request_id, None)
    return found


def choose(asked: Asked, text: str) -> str:
    """Returns the choice that a text means: the word, a beginning of it, or its number; raises ``DefinitionError``."""
    text = text.strip()
    if not asked.choices:
        return text
    if text in asked.choices:
        return text
    if text.isdigit() and 1 <= int(text) <= len(asked.choices):
        return asked.choices[int(text) - 1]
    near = [choice for choice in asked.choices if text and choice.casefold().startswith(text.casefold())]
    if len(near) != 1:
        raise DefinitionError(f"{text!r} is none of the choices; choose {', '.join(asked.choices)}")
    return near[0]


class Questions:
    """Shows open questions, and reads the answers from a terminal line by line."""

    def __init__(self, screen: Screen, interactive: bool) -> None:
        self._screen, self._interactive = screen, interactive
        self.open: Asked | None = None
        self._said: set[str] = set()
        self._choice = ""
        self._read = 0

    def look(self, run: Run[Any], fold: SpanFold, make_room: Callable[[], None]) -> None:
        """Asks the next question, takes what was typed, and notices what was answered elsewhere."""
        if self.open is not None and self.open.request_id not in run.questions:
            self._screen.say("answered elsewhere", "bright_black")
            self.open = None
        waiting = run.questions
        if not waiting:
            return
        if not self._interactive:
            self._tell(run, waiting, make_room)
            return
        if self.open is None:
            asked = open_questions(run.log).get(waiting[0])
            if asked is not None:
                make_room()
                self._ask(asked)
        elif line_ready():
            self._take(run)

    def _tell(self, run: Run[Any], waiting: list[str], make_room: Callable[[], None]) -> None:
        for request_id in waiting:
            if request_id not in self._said:
                self._said.add(request_id)
                asked = open_questions(run.log)[request_id]
                make_room()
                self._show(asked)
                words = "|".join(asked.choices) or "TEXT"
                self._screen.say(f"  waiting; answer from another terminal: stretto answer {run.id} {words}", "yellow")

    def _show(self, asked: Asked) -> None:
        self._screen.say(f"? {asked.question}", "bold yellow")
        self._screen.say(f"  asked by {asked.path}" + (f": {asked.reason}" if asked.reason else ""), "bright_black")
        if asked.details is not None:
            self._screen.say(f"  {short(preview(asked.details), 600)}")

    def _ask(self, asked: Asked) -> None:
        self.open, self._choice = asked, ""
        self._show(asked)
        numbered = "  ".join(f"{number} {choice}" for number, choice in enumerate(asked.choices, 1))
        self._prompt(f"  {numbered} > " if numbered else "  > ")

    def _prompt(self, text: str) -> None:
        self._screen.err.print(text, end="", style="yellow")
        self._screen.err.file.flush()

    def _take(self, run: Run[Any]) -> None:
        asked = self.open
        line = sys.stdin.readline()
        if asked is None:
            return
        if not line:  # end of input: nobody will type any more
            self._interactive, self.open = False, None
            self._screen.say("")
            return
        if not self._choice:
            self._choose(run, asked, line)
        else:
            self._answer(run, asked, _value(line))

    def _choose(self, run: Run[Any], asked: Asked, line: str) -> None:
        try:
            self._choice = choose(asked, line)
        except DefinitionError as error:
            self._prompt(f"  {error} > ")
            return
        if self._choice == "skip":
            self._prompt("  its value in place of the step's (JSON or text, empty for none) > ")
            return
        self._answer(run, asked, None)

    def _answer(self, run: Run[Any], asked: Asked, value: Any) -> None:
        run.answer(asked.request_id, self._choice, value=value, by="terminal")
        self.open = None


def _value(line: str) -> Any:
    text = line.strip()
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def line_ready() -> bool:
    """Says whether a line was typed that can be read without waiting."""
    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):
        return False


def can_ask() -> bool:
    """Says whether somebody sits at this terminal and can be asked."""
    return sys.platform != "win32" and sys.stdin.isatty() and sys.stderr.isatty()
