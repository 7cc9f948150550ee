"""Asks the person at the terminal what a run asks, one question after the other, without ever blocking the run."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from stretto.cli.editor import Editing, editor_of
from stretto.cli.requests import Reply, lines_of, prompt_of, read_edit, read_reply
from stretto.cli.screen import Screen
from stretto.core.errors import DefinitionError
from stretto.core.events import Asked
from stretto.monitoring.spans import SpanFold
from stretto.runtime.run import Run

Stage = Literal["choice", "value", "edit", "reason"]
"""What is typed next: the choice, a value in place of a step's, edited arguments, or why something is rejected."""


class Questions:
    """Shows open questions, and reads the answers from a terminal line by line.

    ``stopping`` says that the run is being stopped from here: then nothing is said of questions that end with it.
    """

    def __init__(self, screen: Screen, interactive: bool) -> None:
        self._screen, self._interactive = screen, interactive
        self.open: Asked | None = None
        self._said: set[str] = set()
        self._stage: Stage = "choice"
        self._reply = Reply("")
        self._editing: Editing | None = None
        self._prompted = ""
        self.stopping = False

    def look(self, run: Run[Any], fold: SpanFold, make_room: Callable[[], None]) -> None:
        """Asks the next question, takes what was typed, and notices what was answered elsewhere."""
        waiting = run.questions
        if self.open is not None and self.open.request_id not in waiting:
            if self._editing is not None:
                self._editing.stop()
                self._editing = None
            if not self.stopping:
                self._screen.say("\nanswered elsewhere, or no longer asked", "bright_black")
            self.open = None
        if not waiting:
            return
        if not self._interactive:
            self._tell(run, waiting, make_room)
        elif self.open is None:
            asked = run.state.decisions.asked[waiting[0]]
            make_room()
            self._ask(asked, f"1 of {len(waiting)}" if len(waiting) > 1 else "")
        elif self._editing is not None:
            if self._editing.done:
                self._take_edit(run, self.open, self._editing)
        elif line_ready():
            self._take(run)

    def _tell(self, run: Run[Any], waiting: list[str], make_room: Callable[[], None]) -> None:
        for request_id in waiting:
            if request_id not in self._said:
                self._said.add(request_id)
                asked = run.state.decisions.asked[request_id]
                make_room()
                self._show(asked, "")
                words = "|".join(asked.choices) or "TEXT"
                self._screen.say(f"  waiting; answer from another terminal: stretto answer {run.id} {words}", "yellow")

    def _show(self, asked: Asked, counter: str) -> None:
        for text, style in lines_of(asked, counter):
            self._screen.say(text, style)

    def _ask(self, asked: Asked, counter: str) -> None:
        self.open, self._stage = asked, "choice"
        forget_typed()
        self._show(asked, counter)
        self._prompt(prompt_of(asked))

    def _prompt(self, text: str) -> None:
        self._prompted = text
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
        try:
            self._read(run, asked, line)
        except DefinitionError as error:
            self._screen.say(f"  {error}", "yellow")
            self._prompt(self._prompted)

    def _read(self, run: Run[Any], asked: Asked, line: str) -> None:
        """Takes a line in the place where it was typed; raises ``DefinitionError`` for what is no answer there."""
        if self._stage == "choice":
            self._choose(run, asked, line)
        elif self._stage == "value":
            self._answer(run, asked, self._reply._replace(value=_value(line)))
        elif self._stage == "edit":
            self._answer(run, asked, Reply("approve", read_edit(line)))
        else:
            self._answer(run, asked, self._reply._replace(reason=line.strip()))

    def _choose(self, run: Run[Any], asked: Asked, line: str) -> None:
        if asked.topic == "approval" and asked.value is not None:
            word, _, rest = line.strip().partition(" ")
            if word.casefold() in ("e", "edit"):
                self._edit(run, asked, rest.strip())
                return
        reply = self._reply = read_reply(asked, line)
        if reply.choice == "skip" and asked.topic == "decision":
            self._stage = "value"
            self._prompt("  its value in place of the step's (JSON or text, empty for none) > ")
        elif reply.choice == "reject" and asked.topic == "approval" and not reply.reason:
            self._stage = "reason"
            self._prompt("  why (empty for no reason) > ")
        else:
            self._answer(run, asked, reply)

    def _edit(self, run: Run[Any], asked: Asked, text: str) -> None:
        """Takes edited arguments from behind the ``e``, from the user's editor, or from the next line."""
        if text:
            self._answer(run, asked, Reply("approve", read_edit(text)))
        elif editor_of() is not None:
            self._editing = Editing(asked.value)
        else:
            self._stage = "edit"
            self._screen.say(f"  {json.dumps(asked.value, ensure_ascii=False)}")
            self._prompt("  the arguments as they shall be, as JSON > ")

    def _take_edit(self, run: Run[Any], asked: Asked, editing: Editing) -> None:
        self._editing = None
        try:
            self._answer(run, asked, Reply("approve", editing.result()))
        except DefinitionError as error:
            self._screen.say(f"  {error}", "yellow")
            self._prompt(prompt_of(asked))

    def _answer(self, run: Run[Any], asked: Asked, reply: Reply) -> None:
        run.answer(asked.request_id, reply.choice, value=reply.value, reason=reply.reason, by="terminal")
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


def forget_typed() -> None:
    """Drops what was typed before a question could be read: it is no answer to that."""
    if sys.platform != "win32" and sys.stdin.isatty():
        import termios

        with suppress(termios.error):  # the terminal is gone
            termios.tcflush(sys.stdin, termios.TCIFLUSH)


def can_ask() -> bool:
    """Says whether somebody sits at this terminal and can be asked."""
    return sys.platform != "win32" and sys.stdin.isatty() and sys.stderr.isatty()
