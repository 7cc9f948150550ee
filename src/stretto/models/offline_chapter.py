"""A chapter of a survey: what it wants to read, what it computes from that, and what it writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from stretto.models.offline_files import Workspace
from stretto.models.offline_sight import Sight

Number = int | float


class Chapter(ABC):
    """One side of a repository; ``focus`` and ``words`` are how a task asks for it, in English and in French."""

    focus: ClassVar[str]
    words: ClassVar[frozenset[str]]

    @abstractmethod
    def title(self, sight: Sight) -> str:
        """Returns the heading of its part."""

    def reads(self, seen: Workspace) -> Sequence[str]:
        """Returns the files that it wants to read, the most telling first, of those that are listed."""
        return ()

    def searches(self) -> Sequence[str]:
        """Returns the patterns that it wants to search all files for."""
        return ()

    def sums(self, seen: Workspace) -> Mapping[str, str]:
        """Returns the expressions that it wants computed, by the name of what they tell."""
        return {}

    @abstractmethod
    def write(self, seen: Workspace, sums: Mapping[str, Number], sight: Sight) -> Iterable[str]:
        """Yields the lines of its part, from what was read and nothing else."""


def code(text: str) -> str:
    """Returns a name or an excerpt as Markdown code: one line, and no mark in it can end the code early."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"`{(line[:117] + '…' if len(line) > 120 else line).replace('`', chr(39))}`"


def codes(names: Iterable[str], sight: Sight, most: int = 8) -> str:
    """Returns names as Markdown code, at most so many, and says how many more there are."""
    given = list(names)
    shown = ", ".join(code(name) for name in given[:most])
    more = len(given) - most
    return shown if more <= 0 else sight.say(f"{shown} and {more} more", f"{shown} et {more} de plus")


def number(value: Number) -> str:
    """Returns a number for the reader."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"
