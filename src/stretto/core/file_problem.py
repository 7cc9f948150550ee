"""One thing that is wrong with a file, and where."""

from __future__ import annotations

from typing import NamedTuple


class FileProblem(NamedTuple):
    """What is wrong at one place of a file: line and column count from 1, line 0 is the file as a whole."""

    line: int
    column: int
    message: str
    text: str = ""

    def render(self, path: str) -> str:
        """Returns ``path:line:column: message``, the line and a caret under the place."""
        if not self.line:
            return f"{path}: {self.message}"
        cut = max(0, self.column - 100)
        shown, before = self.text[cut : cut + 140].rstrip(), self.text[cut : self.column - 1]
        gap = "".join(letter if letter == "\t" else " " for letter in before)
        margin = " " * len(str(self.line))
        told = f"{path}:{self.line}:{self.column}: {self.message}"
        return f"{told}\n  {self.line} | {shown}\n  {margin} | {gap}^"
