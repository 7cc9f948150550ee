"""The text of a file, the places in it, and what is wrong at them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from stretto.core.errors import FileProblem, PlanFileError

LARGEST_FILE = 64 * 2**20
"""Up to which size a file is read (bytes)."""
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1, columns are characters."""

    line: int
    column: int

    def __str__(self) -> str:
        """Shows the place as editors take it."""
        return f"{self.line}:{self.column}"


@dataclass(frozen=True)
class Source:
    """A file's name and text."""

    path: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    def mark(self, offset: int) -> Mark:
        """Returns the place of a character."""
        line = bisect_right(self._starts, offset)
        return Mark(line, offset - self._starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """Returns the text of a line, its end left out."""
        begin = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[begin:end].rstrip("\r\n")

    def problem(self, offset: int, message: str) -> FileProblem:
        """Returns what is wrong at a character."""
        mark = self.mark(offset)
        return FileProblem(mark.line, mark.column, message, self.line(mark.line))

    def refuse(self, offset: int, message: str) -> PlanFileError:
        """Returns the error for a file that is wrong at this one place."""
        return PlanFileError(self.path, [self.problem(offset, message)])


class Problems:
    """Gathers everything that is wrong with a file, so that it is told at once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._found: dict[FileProblem, None] = {}

    def __bool__(self) -> bool:
        """Says whether anything is wrong."""
        return bool(self._found)

    def add(self, offset: int, message: str) -> None:
        """Notes a problem; the same one at the same place is told once."""
        self._found.setdefault(self.source.problem(offset, message))

    def check(self) -> None:
        """Raises ``PlanFileError`` with all that was found, in the order of the file."""
        if self._found:
            raise PlanFileError(self.source.path, sorted(self._found, key=lambda problem: problem[:2]))


def read_source(path: Path) -> Source:
    """Reads a file as UTF-8; raises ``PlanFileError`` when it is not there, no text, or larger than a plan can be."""
    shown = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise PlanFileError(shown, [FileProblem(0, 0, f"cannot be read: {error.strerror or error}")]) from error
    if len(data) > LARGEST_FILE:
        told = f"is larger than {LARGEST_FILE:,} bytes, which no plan file needs"
        raise PlanFileError(shown, [FileProblem(0, 0, told)])
    try:
        return Source(shown, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        good = Source(shown, data[: error.start].decode("utf-8-sig", "replace"))
        told = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise good.refuse(len(good.text), told) from error


def meant(word: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean 'x'?`` for the nearest known word, or the words there are."""
    words = sorted(set(known))
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(words[:20])}" + (" …" if len(words) > 20 else "") if words else ""
