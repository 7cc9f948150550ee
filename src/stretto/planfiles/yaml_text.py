"""Reads YAML with places: the values of YAML 1.2, so that ``on`` and ``no`` are text, and nothing is constructed.

Read from the parser's events, not from its objects: so duplicate keys are seen, aliases are counted before they are
followed, and no depth of nesting ends the interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from stretto.planfiles.document import DEEPEST, Node, Scalar, Style
from stretto.planfiles.source import Problems, Source

LARGEST_EXPANSION = 100_000
"""How many values aliases may stand for, all together."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_BASED = re.compile(r"0x[0-9a-fA-F]{1,4000}|0o[0-7]{1,4000}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_STYLES: dict[str | None, Style] = {"'": "single", '"': "double", "|": "block", ">": "block"}
_TAG = "tag:yaml.org,2002:"


def _at(event: Any) -> int:
    """Returns the offset at which an event begins."""
    return int(event.start_mark.index)


def _end(event: Any) -> int:
    return int(event.end_mark.index)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read."""

    node: Node
    anchor: str | None
    key: Node | None = None
    merged: list[Node] = field(default_factory=list[Node])


def read_yaml(source: Source, problems: Problems) -> Node:
    """Returns the document; raises ``PlanFileError`` where it is no YAML, and notes what else is wrong."""
    if found := _UNPRINTABLE.search(source.text):
        raise source.refuse(
            found.start(), f"the character {found.group()!r} may not stand in YAML; escape it or take it out"
        )
    try:
        return _Reader(source, problems).read(yaml.parse(source.text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        at = mark.index if mark else 0
        flow = "${" in source.line(source.mark(at).line)
        hint = "; between { } or [ ] a text with ${…} needs quotes" if flow else ""
        raise source.refuse(at, f"this is no YAML: {said}{hint}") from None


class _Reader:
    def __init__(self, source: Source, problems: Problems) -> None:
        self._source, self._problems = source, problems
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._expanded = 0
        self._root: Node | None = None

    def read(self, events: Iterator[Any]) -> Node:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._source.refuse(_at(event), "a plan file holds one document; remove this '---'")
            elif isinstance(event, yaml.AliasEvent):
                self._place(self._alias(event))
            elif isinstance(event, yaml.ScalarEvent):
                node = self._scalar(event)
                self._remember(event.anchor, node)
                self._place(node)
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self._finish(_end(event))
        if self._root is None:
            raise self._source.refuse(0, "the file is empty; a plan needs at least 'operations:'")
        return self._root

    def _begin(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        start = _at(event)
        if len(self._open) >= DEEPEST:
            raise self._source.refuse(start, f"the document is nested deeper than {DEEPEST} levels")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._check_tag(event.tag, ("map",) if mapping else ("seq",), start)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(Node(start, start, {} if mapping else []), event.anchor))

    def _finish(self, end: int) -> None:
        closed = self._open.pop()
        node = closed.node
        node.end = end
        for merged in closed.merged:
            for key, value in merged.mapping.items():
                if key not in node.mapping:
                    node.mapping[key], node.keys[key] = value, merged.keys[key]
        self._remember(closed.anchor, node)
        self._place(node)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        start, name = _at(event), str(event.anchor)
        if name not in self._anchors:
            raise self._source.refuse(start, f"there is no anchor '&{name}' above this alias")
        node = self._anchors[name]
        if node is None:
            raise self._source.refuse(start, f"'*{name}' stands inside the value that it names, which never ends")
        self._expanded += node.size
        if self._expanded > LARGEST_EXPANSION:
            raise self._source.refuse(
                start, f"aliases stand for more than {LARGEST_EXPANSION:,} values; write fewer of them"
            )
        return node

    def _place(self, node: Node) -> None:
        if not self._open:
            self._root = node
            return
        around = self._open[-1]
        around.node.size += node.size
        if isinstance(around.node.content, list):
            around.node.content.append(node)
        elif around.key is None:
            if isinstance(node.content, list | dict):
                raise self._source.refuse(node.start, "a key is a text, not a list or a mapping")
            around.key = node
        else:
            key, around.key = around.key, None
            self._put(around, key, node)

    def _put(self, around: _Open, key: Node, node: Node) -> None:
        if key.raw == "<<" and key.style == "plain":
            merged = node.items or [node]
            if not all(isinstance(one.content, dict) for one in merged):
                self._problems.add(node.start, "'<<' takes a mapping, or a list of mappings")
            around.merged += merged
        elif key.raw in around.node.mapping:
            first = self._source.mark(around.node.keys[key.raw].start)
            self._problems.add(key.start, f"the key {key.raw!r} stands here twice; the first is at {first}")
        else:
            around.node.mapping[key.raw], around.node.keys[key.raw] = node, key

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        start, text = _at(event), str(event.value)
        style = _STYLES.get(event.style, "plain")
        node = Node(start, _end(event), text, text, style)
        if event.tag is None or event.tag == "!":
            if style == "plain" and event.tag is None:
                node.content = resolve(text)
            return node
        self._check_tag(event.tag, ("str", "int", "float", "bool", "null"), start)
        wanted = event.tag.removeprefix(_TAG)
        value = resolve(text)
        fits = {
            "int": type(value) is int,
            "float": type(value) in (int, float),
            "bool": type(value) is bool,
            "null": value is None,
        }
        if wanted != "str":
            if fits.get(wanted):
                node.content = value
            else:
                self._problems.add(start, f"{text!r} is no {wanted}, as its tag !!{wanted} says")
        return node

    def _check_tag(self, tag: str | None, known: tuple[str, ...], start: int) -> None:
        if tag not in (None, "!") and tag not in [_TAG + name for name in known]:
            shown = str(tag).replace(_TAG, "!!")
            self._problems.add(start, f"the tag {shown} is not known here; a plan holds plain values only")


def resolve(text: str) -> Scalar:
    """Returns what an unquoted text means in YAML 1.2's core schema; a number with leading zeros stays text."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 16 if text[1] == "x" else 8)
    return float(text) if _FLOAT.fullmatch(text) else text
