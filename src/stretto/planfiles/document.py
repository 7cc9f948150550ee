"""A document as nodes that know their place: what YAML and JSON are read into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Style: TypeAlias = Literal["plain", "single", "double", "block"]

DEEPEST = 64
"""How deep a document may be nested."""
_ESCAPE = {"x": 4, "u": 6, "U": 10}


@dataclass(slots=True, eq=False)
class Node:
    """A value with the offsets at which it begins and ends.

    ``content`` is a scalar, a list of nodes, or a mapping of nodes; ``keys`` holds the nodes of a mapping's keys.
    ``raw`` is a scalar's text as it was written, quotes and escapes resolved. ``size`` counts the node and all inside.
    """

    start: int
    end: int
    content: Scalar | list[Node] | dict[str, Node]
    raw: str = ""
    style: Style = "plain"
    keys: dict[str, Node] = field(default_factory=dict[str, "Node"])
    size: int = 1

    @property
    def mapping(self) -> dict[str, Node]:
        """The content of a mapping; nothing for what is none."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The content of a list; nothing for what is none."""
        return self.content if isinstance(self.content, list) else []

    def plain(self) -> Any:
        """Returns the value without its places."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def at(self, path: tuple[str | int, ...]) -> tuple[Node, Node]:
        """Returns the node at a path, or the deepest that there is on the way, and the node of the last key."""
        node, key = self, self
        for step in path:
            if isinstance(step, str) and step in node.mapping:
                node, key = node.mapping[step], node.keys[step]
            elif isinstance(step, int) and step < len(node.items):
                node = key = node.items[step]
            else:
                break
        return node, key

    def offset_of(self, text: str, place: int) -> int:
        """Returns the offset in the file of the character at ``place`` of a scalar's text.

        Goes through the written and the meant text side by side: escapes, doubled quotes, folded lines and
        indentation are where they differ.
        """
        at = self.start + (self.style in ("single", "double"))
        if self.style == "block":
            at = text.index("\n", at) + 1
        done = 0
        while at < self.end:
            width, made = self._unit(text, at, self.raw[done : done + 1])
            if done >= place and made:
                break
            at, done = at + width, done + made
        return min(at, self.end)

    def _unit(self, text: str, at: int, meant: str) -> tuple[int, int]:
        """Returns how many written characters stand for how many meant ones."""
        written = text[at]
        if self.style == "double" and written == "\\":
            following = text[at + 1 : at + 2]
            if following in "\r\n":
                return 2, 0
            width = _ESCAPE.get(following, 2)
            pair = following == "u" and re.match(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]", text[at : at + 12])
            return (12, 1) if pair else (width, 1)
        if self.style == "single" and text.startswith("''", at):
            return 2, 1
        if written == meant:
            return 1, 1
        return (1, 0) if written.isspace() else (0 if meant.isspace() else 1, 1)
