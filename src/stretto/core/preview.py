"""Values as people see them in a log: short, whatever they are, and never the reason why something fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import fields
from itertools import islice
from math import isfinite
from typing import Any

from stretto.core.classes import is_dataclass, is_model

PREVIEW_ITEMS = 20
"""How many items of a collection a preview shows."""
PREVIEW_TEXT = 500
"""How many characters of a text a preview shows."""
PREVIEW_TOTAL = 10_000
"""How many characters a preview has, about, all its items together."""

_class_of: Callable[[object], type[object]] = type
_ROWS = frozenset((list, tuple, set, frozenset, deque))
_SCALARS = frozenset((int, float, bool, type(None)))
_LONG, _LOW = 10**100, -(10**100)
_MARKS = 10  # characters that an item takes beside its text, about: quotes, brackets, a number


def preview(value: Any, depth: int = 3) -> Any:
    """Returns a short JSON form for people to look at; it never fails, and says the size of what it cut.

    Collections show their first items, dataclasses and pydantic models their fields (those with ``repr=False`` left
    out), to ``depth`` levels; of what lies beyond nothing is read. Objects of other classes show their ``repr``.
    """
    kind = _class_of(value)
    if kind is str and len(value) <= PREVIEW_TEXT:
        return value
    if kind in _SCALARS:
        return _number(value)
    return _Cut().shown(value, depth)


class _Cut:
    """Cuts one value, and counts what it shows of it."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = PREVIEW_TOTAL

    def shown(self, value: Any, depth: int) -> Any:
        self._left -= _MARKS
        kind = _class_of(value)
        if kind is str:
            return self._text(value)
        if kind in _SCALARS:
            return _number(value)
        try:
            return self._shown(value, depth)
        except Exception as error:  # noqa: BLE001  # whatever a repr or a length raises, a preview must not
            return {"$repr": f"<{type(value).__qualname__} that cannot be shown: {type(error).__name__}>"}

    def _shown(self, value: Any, depth: int) -> Any:
        kind = _class_of(value)
        if kind is dict:
            return self._fields(value.items(), len(value), depth) if depth else self._size(value)
        if kind in _ROWS:
            return self._items(value, depth) if depth else self._size(value)
        if (named := _named_parts(value, kind)) is not None:
            held = self._fields(named, len(named), depth) if depth else f"{len(named)} fields"
            return {"$data": [kind.__qualname__, held]}
        if hasattr(value, "__len__") and len(value) > PREVIEW_ITEMS and not hasattr(value, "get_secret_value"):
            return self._size(value)
        return {"$repr": self._spent(repr(value)[:PREVIEW_TEXT])}

    def _spent(self, text: str) -> str:
        self._left -= len(text)
        return text

    def _text(self, text: str) -> Any:
        shown = self._spent(text[:PREVIEW_TEXT])
        return shown if len(shown) == len(text) else {"$cut": shown, "size": len(text)}

    def _size(self, value: Any) -> Any:
        return {"$cut": self._spent(f"{type(value).__qualname__} of {len(value)}"), "size": len(value)}

    def _items(self, items: Any, depth: int) -> Any:
        shown: list[Any] = []
        for item in islice(items, PREVIEW_ITEMS):
            if self._left <= 0:
                break
            shown.append(self.shown(item, depth - 1))
        return shown if len(shown) == len(items) else {"$cut": shown, "size": len(items)}

    def _fields(self, pairs: Iterable[tuple[Any, Any]], size: int, depth: int) -> Any:
        shown: dict[str, Any] = {}
        taken = 0
        for key, item in islice(pairs, PREVIEW_ITEMS):
            if self._left <= 0:
                break
            shown[self._spent(str(key)[:PREVIEW_TEXT])] = self.shown(item, depth - 1)
            taken += 1
        return shown if taken == size else {"$cut": shown, "size": size}


def _number(value: Any) -> Any:
    """Returns what JSON can hold of None, a truth value or a number."""
    if type(value) is float:
        return value if isfinite(value) else {"$float": repr(value)}
    if type(value) is int and not _LOW < value < _LONG:
        return {"$repr": f"<int of {value.bit_length():,} bits>"}
    return value


def _named_parts(value: Any, kind: type[object]) -> list[tuple[Any, Any]] | None:
    """Returns the fields of a record, unless it says itself how it is shown; else None."""
    if is_model(kind):
        return list(value.__repr_args__())
    if is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):  # the generated one is wrapped against circles
        return [(field.name, getattr(value, field.name)) for field in fields(value) if field.repr]
    return None
