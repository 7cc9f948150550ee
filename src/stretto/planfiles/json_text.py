"""Reads JSON with places; duplicate keys are seen, and so is what JSON does not know."""

from __future__ import annotations

import json
import re

from stretto.planfiles.document import DEEPEST, Node
from stretto.planfiles.source import Problems, Source

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile("true|false|null")


def read_json(source: Source, problems: Problems) -> Node:
    """Returns the document; raises ``PlanFileError`` where it is no JSON, and notes duplicate keys."""
    reader = _Reader(source, problems)
    node = reader.value(reader.space(0), 0)
    end = reader.space(node.end)
    if end < len(source.text):
        raise source.refuse(end, "this is no JSON: something follows the end of the document")
    return node


class _Reader:
    def __init__(self, source: Source, problems: Problems) -> None:
        self._source, self._text, self._problems = source, source.text, problems

    def space(self, at: int) -> int:
        """Returns the offset behind white space."""
        found = _SPACE.match(self._text, at)
        return found.end() if found else at

    def value(self, at: int, depth: int) -> Node:
        """Reads the value that begins here."""
        if depth > DEEPEST:
            raise self._source.refuse(at, f"the document is nested deeper than {DEEPEST} levels")
        first = self._text[at : at + 1]
        if first == "{":
            return self._mapping(at, depth)
        if first == "[":
            return self._list(at, depth)
        if first == '"':
            return self._string(at)
        if word := _WORD.match(self._text, at):
            return Node(at, word.end(), _WORDS[word.group()], word.group())
        if number := _NUMBER.match(self._text, at):
            return self._number(number)
        raise self._wrong(at, "a value")

    def _number(self, found: re.Match[str]) -> Node:
        text = found.group()
        try:
            value = float(text) if found.group(1) or found.group(2) else int(text)
        except ValueError:
            raise self._source.refuse(found.start(), "this number has too many digits") from None
        return Node(found.start(), found.end(), value, text)

    def _string(self, at: int) -> Node:
        found = _STRING.match(self._text, at)
        if found is None:
            raise self._source.refuse(at, "this is no JSON: the text that begins here does not end on its line")
        try:
            value = str(json.loads(found.group()))
        except json.JSONDecodeError as error:
            raise self._source.refuse(at + error.pos, f"this is no JSON: {error.msg}") from None
        return Node(at, found.end(), value, value, "double")

    def _list(self, at: int, depth: int) -> Node:
        inside: list[Node] = []
        node = Node(at, at, inside)
        here = self.space(at + 1)
        while self._text[here : here + 1] != "]":
            if inside:
                here = self.space(self._expect(here, ",", "',' or ']'"))
            inside.append(item := self.value(here, depth + 1))
            node.size += item.size
            here = self.space(item.end)
        node.end = here + 1
        return node

    def _mapping(self, at: int, depth: int) -> Node:
        inside: dict[str, Node] = {}
        node = Node(at, at, inside)
        here = self.space(at + 1)
        first = True
        while self._text[here : here + 1] != "}":
            if not first:
                here = self.space(self._expect(here, ",", "',' or '}'"))
            first = False
            if self._text[here : here + 1] != '"':
                raise self._wrong(here, "a key in double quotes")
            key = self._string(here)
            here = self.space(self._expect(self.space(key.end), ":", "':'"))
            value = self.value(here, depth + 1)
            if key.raw in inside:
                place = self._source.mark(node.keys[key.raw].start)
                self._problems.add(key.start, f"the key {key.raw!r} stands here twice; the first is at {place}")
            else:
                inside[key.raw], node.keys[key.raw] = value, key
            node.size += value.size
            here = self.space(value.end)
        node.end = here + 1
        return node

    def _expect(self, at: int, sign: str, told: str) -> int:
        if self._text[at : at + 1] != sign:
            raise self._wrong(at, told)
        return at + 1

    def _wrong(self, at: int, wanted: str) -> Exception:
        found = f"not {self._text[at]!r}" if at < len(self._text) else "but the file ends"
        return self._source.refuse(at, f"this is no JSON: here stands {wanted}, {found}")
