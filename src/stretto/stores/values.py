"""Large values: cut out of an event's JSON text, kept once by their digest, and put back exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

LARGE = 64 * 1024
"""Above how many characters of JSON a value is kept by reference."""
SHOWN = 200
"""How many of a large value's characters stand where it was."""

_VALUES = frozenset({"output", "value", "input", "details", "data"})
_decoder = json.JSONDecoder()


def cut(data: str) -> tuple[str, dict[str, str]]:
    """Returns an event's text with ``{"$large":[digest, size, start]}`` for its large values, and these by digest."""
    parts: list[str] = []
    large: dict[str, str] = {}
    done = 0
    for name, start, end in _fields(data):
        if end - start > LARGE and name in _VALUES:
            text = data[start:end]
            digest = hashlib.sha256(text.encode()).hexdigest()
            large[digest] = text
            parts += (data[done:start], _marker(digest, text))
            done = end
    return "".join([*parts, data[done:]]), large


def mend(data: str, large: Mapping[str, str]) -> str:
    """Puts large values, by digest, back where they were."""
    for digest, text in large.items():
        data = data.replace(_marker(digest, text), text)
    return data


def _marker(digest: str, text: str) -> str:
    held = json.dumps([digest, len(text), text[:SHOWN]], separators=(",", ":"))
    return f'{{"$large":{held}}}'


def _fields(data: str) -> Iterator[tuple[str, int, int]]:
    """Yields name, begin and end of the values of a compact JSON object; any other text has none."""
    at = 0
    try:
        while data[at] in "{,":
            name, colon = _decoder.raw_decode(data, at + 1)
            start = colon + 1
            _, at = _decoder.raw_decode(data, start)
            yield name, start, at
    except (ValueError, IndexError):
        return
