"""Where the command writes: results to stdout, everything about the way there to stderr."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and what turns the direction of writing."""


@dataclass
class Screen:
    """The two consoles of one command; ``colour=False`` keeps them plain, as ``NO_COLOR`` does."""

    colour: bool = True
    debug: bool = False
    stdin: TextIO = field(default_factory=lambda: sys.stdin)

    @cached_property
    def out(self) -> Console:
        """Results."""
        return self._console(sys.stdout)

    @cached_property
    def err(self) -> Console:
        """Progress, questions and errors."""
        return self._console(sys.stderr)

    def _console(self, file: TextIO) -> Console:
        from rich.console import Console

        width = None if file.isatty() or "COLUMNS" in os.environ else 100
        plain = not self.colour or bool(os.environ.get("NO_COLOR"))
        return Console(
            file=file,
            no_color=plain,
            highlight=False,
            emoji=False,
            markup=False,
            width=width,
            soft_wrap=not file.isatty(),
        )

    @property
    def unicode(self) -> bool:
        """Whether signs beyond ASCII can be written to both."""
        names = [getattr(file, "encoding", None) or "utf-8" for file in (sys.stdout, sys.stderr)]
        return all(name.lower().replace("-", "").startswith("utf") for name in names)

    def say(self, text: str = "", style: str = "") -> None:
        """Writes a line to stderr."""
        self.err.print(harmless(text), style=style or None)

    def line(self, text: str) -> None:
        """Writes a line to stdout as it is, for machines and for copying; a terminal gets no control characters."""
        sys.stdout.write((harmless(text) if sys.stdout.isatty() else text) + "\n")
        sys.stdout.flush()

    def result(self, text: str = "", style: str = "") -> None:
        """Writes a line of the result to stdout."""
        self.out.print(harmless(text), style=style or None)


def harmless(text: str) -> str:
    """Returns a text that cannot steer a terminal: with a sign for control characters and turns of direction.

    Whatever is written may hold what a model, a server or a file says: names, questions, errors, results.
    """
    return text if text.isprintable() else _STEERING.sub("\ufffd", text)


def command() -> str:
    """Returns how this command is called from where we are: by its name, or by its place where no PATH leads to it."""
    if shutil.which("stretto"):
        return "stretto"
    beside = Path(sys.executable).with_name("stretto")
    if not beside.is_file():
        return "python -m stretto"
    here = Path.cwd()
    return str(beside.relative_to(here)) if beside.is_relative_to(here) else str(beside)
