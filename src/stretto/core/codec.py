"""Values and events as JSON text, exactly: what comes back equals what went in, or the store refuses it.

Plain JSON values stand as themselves. Everything else is an object with one key that begins with ``$``: ``$tuple``,
``$set``, ``$frozenset``, ``$bytes`` (base64), ``$map`` (a dict whose keys are not all text, or begin with ``$``),
``$time`` (ISO 8601), ``$date``, ``$delta`` (seconds), ``$path``, ``$uuid``, ``$decimal``, ``$enum``, ``$data`` (a
dataclass), ``$model`` (a pydantic model), ``$error`` (an exception: class, arguments and attributes, no traceback),
``$large`` (a value that a store left out). Classes are named ``module:qualname`` and imported when they come back.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import importlib
import json
import pathlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from stretto.core.errors import OutputNotStorable, StoreError
from stretto.core.events import EVENTS, ErrorRecord, Event, StepCompleted, StepStarted

PREVIEW_ITEMS = 20
"""How many items of a collection a preview shows."""
PREVIEW_TEXT = 500
"""How many characters of a text a preview shows."""


@dataclass(frozen=True)
class LargeValue:
    """Stands for a value that a store did not fetch: its digest, its size (characters of JSON), and how it begins."""

    digest: str
    size: int
    start: str


_class_of: Callable[[object], type[object]] = type
_PLAIN = (str, int, float, bool, type(None))


class NotStorable(TypeError):
    """A value without a stored form; ``kind`` names its type."""

    def __init__(self, value: Any, why: str) -> None:
        super().__init__(why)
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"


def _class_name(value: Any) -> str:
    cls = _class_of(value)
    if "<" in cls.__qualname__:
        raise NotStorable(value, "its class is defined inside a function, where no other process can find it")
    return f"{cls.__module__}:{cls.__qualname__}"


_SIMPLE: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: ("$bytes", lambda v: base64.b64encode(v).decode(), base64.b64decode),
    datetime.datetime: ("$time", lambda v: v.isoformat(), datetime.datetime.fromisoformat),
    datetime.date: ("$date", lambda v: v.isoformat(), datetime.date.fromisoformat),
    datetime.timedelta: ("$delta", lambda v: v.total_seconds(), lambda s: datetime.timedelta(seconds=s)),
    uuid.UUID: ("$uuid", str, uuid.UUID),
    decimal.Decimal: ("$decimal", str, decimal.Decimal),
}
_READ: dict[str, Callable[[Any], Any]] = {tag: read for tag, _, read in _SIMPLE.values()}
_READ["$path"] = pathlib.Path


def to_plain(value: Any) -> Any:
    """Returns the JSON form of a value; raises ``NotStorable`` where there is none."""
    kind = _class_of(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [item if type(item) in _PLAIN else to_plain(item) for item in value]
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: item if type(item) in _PLAIN else to_plain(item) for key, item in value.items()}
        return {"$map": [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    if kind is tuple:
        return {"$tuple": [to_plain(item) for item in value]}
    if kind in (set, frozenset):
        return {f"${kind.__name__}": sorted((to_plain(item) for item in value), key=repr)}
    if kind in _SIMPLE:
        tag, write, _ = _SIMPLE[kind]
        return {tag: write(value)}
    return _object(value)


def _object(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return {"$enum": [_class_name(value), value.name]}
    if isinstance(value, pathlib.PurePath):
        return {"$path": str(value)}
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        held = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        return {"$data": [_class_name(value), held]}
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return {"$model": [_class_name(value), value.model_dump(mode="json")]}
    if isinstance(value, BaseException):
        return {"$error": _error_parts(value)}
    raise NotStorable(value, "no stored form is known for this type")


def _error_parts(error: BaseException) -> list[Any]:
    """Returns class, arguments and attributes; what cannot be found or stored again is told in words."""
    try:
        given: Any = error.__reduce__()[1] if isinstance(error, OSError) else error.args  # where its file's name is
        name, arguments = _class_name(error), to_plain(list(given))
    except NotStorable:
        return ["stretto.core.errors:ExecutionError", [f"{type(error).__qualname__}: {error}"], {}]
    held: dict[str, Any] = {}
    for key, item in vars(error).items():
        try:
            held[key] = to_plain(item)
        except NotStorable:
            held[key] = repr(item)[:PREVIEW_TEXT]
    return [name, arguments, held]


def _error(name: str, arguments: list[Any], held: dict[str, Any]) -> BaseException:
    cls = _named_class(name)
    given = [from_plain(item) for item in arguments]
    own = any("__init__" in vars(one) for one in cls.__mro__ if one.__module__ != "builtins")
    made: BaseException = cls.__new__(cls, *given) if own else cls(*given)  # its own __init__ takes other arguments
    if own:
        made.args = tuple(given)
    vars(made).update((key, from_plain(item)) for key, item in held.items())
    return made


def from_plain(plain: Any) -> Any:
    """Returns the value of a JSON form; raises ``StoreError`` when its class is gone."""
    kind = _class_of(plain)
    if kind is list:
        return [from_plain(item) for item in plain]
    if kind is not dict:
        return plain
    if len(plain) == 1:
        ((tag, held),) = plain.items()
        if tag.startswith("$"):
            return _tagged(tag, held)
    return {key: from_plain(item) for key, item in plain.items()}


def _tagged(tag: str, held: Any) -> Any:
    match tag:
        case "$tuple":
            return tuple(from_plain(item) for item in held)
        case "$set":
            return {from_plain(item) for item in held}
        case "$frozenset":
            return frozenset(from_plain(item) for item in held)
        case "$map":
            return {from_plain(key): from_plain(item) for key, item in held}
        case "$enum":
            return _named_class(held[0])[held[1]]
        case "$large":
            return LargeValue(*held)
        case "$model":
            return _named_class(held[0]).model_validate(held[1])
        case "$data":
            return _dataclass(_named_class(held[0]), {key: from_plain(item) for key, item in held[1].items()})
        case "$error":
            return _error(*held)
        case _ if tag in _READ:
            return _READ[tag](held)
        case _:
            raise StoreError(f"a stored value has the unknown form {tag!r}; it was written by a newer version")


def _named_class(name: str) -> Any:
    module, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise StoreError(f"a stored value is a {qualname} of {module!r}, which cannot be imported: {error}") from error
    if not _restorable(found):
        raise StoreError(f"a stored value names {name!r}, which is no dataclass, enumeration, error or pydantic model")
    return found


def _restorable(found: object) -> bool:
    if not isinstance(found, type):
        return False
    if isinstance(found, enum.EnumMeta):
        return True
    return BaseException in found.__mro__ or hasattr(found, "__dataclass_fields__") or hasattr(found, "model_validate")


def _dataclass(cls: Any, held: dict[str, Any]) -> Any:
    made = object.__new__(cls)
    for field in fields(cls):
        if field.name not in held:
            raise StoreError(f"a stored {cls.__qualname__} has no {field.name!r}: its class has changed since")
        object.__setattr__(made, field.name, held[field.name])
    return made


def preview(value: Any, depth: int = 3) -> Any:
    """Returns a short JSON form for people to look at; it never fails, and says the size of what it cut."""
    kind = _class_of(value)
    if kind is str:
        return value if len(value) <= PREVIEW_TEXT else {"$cut": value[:PREVIEW_TEXT], "size": len(value)}
    if kind in _PLAIN:
        return value
    if depth and kind in (list, tuple):
        shown = [preview(item, depth - 1) for item in value[:PREVIEW_ITEMS]]
        return shown if len(value) <= PREVIEW_ITEMS else {"$cut": shown, "size": len(value)}
    if depth and kind is dict:
        some: dict[str, Any] = {}
        for key in value:
            if len(some) == PREVIEW_ITEMS:
                return {"$cut": some, "size": len(value)}
            some[str(key)] = preview(value[key], depth - 1)
        return some
    if hasattr(value, "__len__") and len(value) > PREVIEW_ITEMS:
        return {"$cut": f"{kind.__qualname__} of {len(value)}", "size": len(value)}
    return {"$repr": _repr(value)}


def _repr(value: Any) -> str:
    try:
        shown = repr(value)
    except Exception as error:  # noqa: BLE001  # whatever a repr raises, a preview must not
        shown = f"<{type(value).__qualname__} whose repr raises {type(error).__name__}>"
    return shown[:PREVIEW_TEXT]


_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _dumps(plain: Any) -> str:
    text = _TEXT(plain)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # half a pair, as in the name of a file that is not UTF-8: escaped, it can be kept
        return json.dumps(plain, separators=(",", ":"))
    return text


_quoted = lru_cache(maxsize=256)(_dumps)
"""The JSON text of a word that comes again and again."""


def encode(event: Event) -> str:
    """Returns the JSON text of an event's own fields (without kind, path and time).

    Raises ``OutputNotStorable`` naming the path when an output has no stored form. Inputs and details are previews.
    """
    if isinstance(event, StepStarted):
        given = event.input
        shown = str(given) if type(given) is int else _dumps(preview(given))
        queued = f"{event.queued:.6f}" if event.queued else "0"
        return f'{{"input":{shown},"queued":{queued},"step":{_quoted(event.step)}}}'
    if isinstance(event, StepCompleted):
        made = event.output
        kept = str(made) if type(made) is int else _dumps(_output(made, event.path))
        return f'{{"output":{kept},"source":"{event.source}"}}'
    held: dict[str, Any] = {}
    for field in fields(event):
        if field.name in ("path", "at"):
            continue
        value = getattr(event, field.name)
        if isinstance(value, ErrorRecord):
            value = {f.name: getattr(value, f.name) for f in fields(value)}
        elif field.name in ("output", "value"):
            value = _output(value, event.path)
        elif field.name in ("input", "details", "data"):
            value = preview(value)
        held[field.name] = value
    return _dumps(held)


def _output(value: Any, path: str) -> Any:
    if type(value) in _PLAIN:
        return value
    try:
        return to_plain(value)
    except NotStorable as error:
        raise OutputNotStorable(path or "the run", error.kind, str(error)) from None
    except RecursionError:
        raise OutputNotStorable(
            path or "the run", type(value).__qualname__, "it holds itself, or is nested too deep"
        ) from None


def decode(kind: str, path: str, at: float, data: str) -> Event:
    """Returns the event that ``encode`` was given; inputs come back as their previews."""
    if kind not in EVENTS:
        raise StoreError(f"the log holds an event of the unknown kind {kind!r}; it was written by a newer version")
    held = json.loads(data)
    if held.get("error") is not None:
        held["error"] = ErrorRecord(**held["error"])
    for name in ("output", "value"):
        if name in held:
            held[name] = from_plain(held[name])
    return EVENTS[kind](path=path, at=at, **held)
