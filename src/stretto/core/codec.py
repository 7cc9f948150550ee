"""Values and events as JSON text, exactly: what comes back equals what went in, or the store refuses it.

Plain JSON values stand as themselves. Everything else is an object with one key that begins with ``$``: ``$tuple``,
``$set``, ``$frozenset``, ``$bytes`` (base64), ``$map`` (a dict whose keys are not all text, or begin with ``$``),
``$int`` (too long for decimal text: hexadecimal), ``$float`` (nan, inf, -inf), ``$time`` (ISO 8601, with the zone's
name in brackets as in RFC 9557), ``$date``, ``$delta`` (days, seconds, microseconds), ``$path``, ``$posix`` and
``$windows`` (pure paths), ``$range``, ``$uuid``, ``$decimal``, ``$enum`` (the member's name, or a flag's number),
``$data`` (a dataclass or a named tuple), ``$model`` (a pydantic model), ``$error`` (an exception: class, arguments and
attributes, no traceback), ``$large`` (a value that a store left out). Classes are named ``module:qualname``;
``core/classes.py`` says which of them may come back.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from math import isfinite
from typing import Any

from stretto.core.classes import class_named, is_dataclass, is_error, is_model, is_named_tuple, name_of_class
from stretto.core.errors import OutputNotStorable, StoreError
from stretto.core.events import EVENTS, ErrorRecord, Event, StepCompleted, StepStarted
from stretto.core.preview import PREVIEW_ITEMS, PREVIEW_TEXT, preview

__all__ = [
    "PREVIEW_ITEMS", "PREVIEW_TEXT", "LargeValue", "NotStorable", "decode", "encode", "from_plain", "preview",
    "to_plain",
]  # fmt: skip

DEEPEST = 150
"""How many levels deep a stored value may be: what is written with so many can be read on any stack."""
_LONG, _LOW = (
    10**600,
    -(10**600),
)  # longer decimal text is refused by ``int`` when ``sys.set_int_max_str_digits`` is at its lowest


@dataclass(frozen=True)
class LargeValue:
    """Stands for a value that a store did not fetch: its digest, its size (characters of JSON), and how it begins."""

    digest: str
    size: int
    start: str


_class_of: Callable[[object], type[object]] = type
_TEXTUAL = frozenset((str, bool, type(None)))


class NotStorable(TypeError):
    """A value without a stored form; ``kind`` names its type."""

    def __init__(self, value: Any, why: str) -> None:
        super().__init__(why)
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"


def _class_name(value: Any) -> str:
    name = name_of_class(_class_of(value))
    if name is None:
        raise NotStorable(value, "no other process finds its class under this name; define it at a module's top level")
    return name


def _time(value: datetime.datetime) -> str:
    zone = value.tzinfo
    named = isinstance(zone, zoneinfo.ZoneInfo) and zone.key
    return f"{value.isoformat()}[{named}]" if named else value.isoformat()


def _time_of(text: str) -> datetime.datetime:
    told, _, name = text.partition("[")
    found = datetime.datetime.fromisoformat(told)
    if not name:
        return found
    made = found.replace(tzinfo=zoneinfo.ZoneInfo(name.rstrip("]")))
    return made if made.utcoffset() == found.utcoffset() else made.replace(fold=1)


_SIMPLE: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    int: ("$int", hex, lambda text: int(text, 16)),
    float: ("$float", repr, float),
    bytes: ("$bytes", lambda v: base64.b64encode(v).decode(), base64.b64decode),
    datetime.datetime: ("$time", _time, _time_of),
    datetime.date: ("$date", lambda v: v.isoformat(), datetime.date.fromisoformat),
    datetime.timedelta: ("$delta", lambda v: [v.days, v.seconds, v.microseconds], lambda v: datetime.timedelta(*v)),
    range: ("$range", lambda v: [v.start, v.stop, v.step], lambda v: range(*v)),
    uuid.UUID: ("$uuid", str, uuid.UUID),
    decimal.Decimal: ("$decimal", str, decimal.Decimal),
    pathlib.PurePosixPath: ("$posix", str, pathlib.PurePosixPath),
    pathlib.PureWindowsPath: ("$windows", str, pathlib.PureWindowsPath),
    type(pathlib.Path()): ("$path", str, pathlib.Path),
}
_READ: dict[str, Callable[[Any], Any]] = {tag: read for tag, _, read in _SIMPLE.values()}


def to_plain(value: Any) -> Any:
    """Returns the JSON form of a value; raises ``NotStorable`` where there is none."""
    try:
        return _plain(value, DEEPEST)
    except RecursionError:
        raise NotStorable(value, f"it holds itself, or is nested more than {DEEPEST} levels deep") from None


def _plain(value: Any, room: int) -> Any:
    kind = _class_of(value)
    if kind in _TEXTUAL or (kind is int and _LOW < value < _LONG) or (kind is float and isfinite(value)):
        return value
    if not room:
        raise RecursionError
    room -= 1
    if kind is list:
        return [
            item if (k := _class_of(item)) in _TEXTUAL or (k is int and _LOW < item < _LONG) else _plain(item, room)
            for item in value
        ]
    if kind is dict:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: item if type(item) in _TEXTUAL else _plain(item, room) for key, item in value.items()}
        return {"$map": [[_plain(key, room), _plain(item, room)] for key, item in value.items()]}
    if kind is tuple:
        return {"$tuple": [_plain(item, room) for item in value]}
    if kind in (set, frozenset):
        return {f"${kind.__name__}": sorted((_plain(item, room) for item in value), key=repr)}
    if kind in _SIMPLE:
        tag, write, _ = _SIMPLE[kind]
        return {tag: write(value)}
    return _object(value, kind, room)


def _object(value: Any, kind: type[object], room: int) -> Any:
    if isinstance(value, enum.Enum):
        return {"$enum": [_class_name(value), value.value if isinstance(value, enum.Flag) else value.name]}
    if is_error(kind):
        return {"$error": _error_parts(value, room)}
    if is_dataclass(kind) or is_named_tuple(kind):
        names = value._fields if is_named_tuple(kind) else [field.name for field in fields(value)]
        return {"$data": [_class_name(value), {name: _held(value, name, room) for name in names}]}
    if is_model(kind):
        return {"$model": [_class_name(value), *_model_parts(value, kind, room)]}
    raise NotStorable(value, "no stored form is known for this type")


def _held(value: Any, name: str, room: int) -> Any:
    try:
        return _plain(getattr(value, name), room)
    except AttributeError:
        raise NotStorable(value, f"its field {name!r} was never set") from None


def _model_parts(model: Any, cls: Any, room: int) -> list[Any]:
    """Returns fields, names of those that were given, extra and private values; or one dump that is as good."""
    try:
        held = {name: _held(model, name, room) for name in cls.__pydantic_fields__}
        beside = [_plain(part, room) for part in (model.__pydantic_extra__, model.__pydantic_private__)]
        return [held, sorted(model.__pydantic_fields_set__), *beside]
    except NotStorable:
        dump = _dump_as_good(model, cls)
        if dump is None:
            raise
        return [_plain(dump, room)]


def _dump_as_good(model: Any, cls: Any) -> Any:
    try:
        dump = model.model_dump(mode="json", by_alias=True, round_trip=True)
        return dump if cls.model_validate(dump) == model else None
    except ValueError:  # pydantic's own: no dump can be made, or none can be read
        return None


def _model(cls: Any, held: Any, *beside: Any) -> Any:
    if not beside:
        return cls.model_validate(_value(held))
    given, extra, private = beside
    _check_fields(cls, held, cls.__pydantic_fields__)
    state = {"__dict__": {name: _value(item) for name, item in held.items()}, "__pydantic_fields_set__": set(given)}
    made = cls.__new__(cls)
    made.__setstate__(state | {"__pydantic_extra__": _value(extra), "__pydantic_private__": _value(private)})
    return made


def _error_parts(error: BaseException, room: int) -> list[Any]:
    """Returns class, arguments and attributes; what cannot be found or stored again is told in words."""
    try:
        given: Any = error.args if not isinstance(error, OSError) else OSError.__reduce__(error)[1]  # with its file
        name, arguments = _class_name(error), _plain(list(given), room)
    except NotStorable:
        return ["stretto.core.errors:ExecutionError", [f"{type(error).__qualname__}: {error}"], {}]
    held: dict[str, Any] = {}
    for key, item in vars(error).items():
        try:
            held[key] = _plain(item, room)
        except NotStorable:
            held[key] = repr(item)[:PREVIEW_TEXT]
    return [name, arguments, held]


def _error(cls: Any, arguments: list[Any], held: dict[str, Any]) -> BaseException:
    given = [_value(item) for item in arguments]
    own = any("__init__" in vars(one) for one in cls.__mro__ if one.__module__ != "builtins")
    made: BaseException = cls.__new__(cls, *given) if own else cls(*given)  # its own __init__ takes other arguments
    if own:
        made.args = tuple(given)
    vars(made).update((key, _value(item)) for key, item in held.items())
    return made


def from_plain(plain: Any) -> Any:
    """Returns the value of a JSON form; raises ``StoreError`` when it is none, or its class is gone or has changed."""
    try:
        return _value(plain)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"a stored value cannot be read: {type(error).__name__}: {error}") from error


def _value(plain: Any) -> Any:
    kind = _class_of(plain)
    if kind is list:
        return [_value(item) for item in plain]
    if kind is not dict:
        return plain
    if len(plain) == 1:
        ((tag, held),) = plain.items()
        if tag.startswith("$"):
            return _tagged(tag, held)
    return {key: _value(item) for key, item in plain.items()}


def _tagged(tag: str, held: Any) -> Any:
    match tag:
        case "$tuple":
            return tuple([_value(item) for item in held])
        case "$set":
            return {_value(item) for item in held}
        case "$frozenset":
            return frozenset([_value(item) for item in held])
        case "$map":
            return {_value(key): _value(item) for key, item in held}
        case "$enum":
            cls = class_named(held[0], tag)
            return cls[held[1]] if isinstance(held[1], str) else cls(held[1])
        case "$large":
            return LargeValue(*held)
        case "$model":
            return _model(class_named(held[0], tag), *held[1:])
        case "$data":
            return _record(class_named(held[0], tag), {key: _value(item) for key, item in held[1].items()})
        case "$error":
            return _error(class_named(held[0], tag), *held[1:])
        case _ if tag in _READ:
            return _READ[tag](held)
        case _:
            raise StoreError(f"a stored value has the unknown form {tag!r}; it was written by a newer version")


def _check_fields(cls: Any, held: dict[str, Any], names: Any) -> None:
    for name in names:
        if name not in held:
            raise StoreError(f"a stored {cls.__qualname__} has no {name!r}: its class has changed since")
    for name in held:
        if name not in names:
            raise StoreError(f"a stored {cls.__qualname__} has {name!r}, which its class no longer has")


def _record(cls: Any, held: dict[str, Any]) -> Any:
    if is_named_tuple(cls):
        _check_fields(cls, held, cls._fields)
        return cls._make(held[name] for name in cls._fields)
    _check_fields(cls, held, [field.name for field in fields(cls)])
    made = object.__new__(cls)
    for name, item in held.items():
        object.__setattr__(made, name, item)
    return made


_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _dumps(plain: Any) -> str:
    if plain is None:
        return "null"
    text = repr(plain) if type(plain) is float else _TEXT(plain)
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
        if type(given) is int and _LOW < given < _LONG and not event.queued:  # what a wide fan-out says most
            return f'{{"input":{given},"queued":0,"step":{_quoted(event.step)}}}'
        queued = f"{event.queued:.6f}" if event.queued else "0"
        return f'{{"input":{_dumps(preview(given))},"queued":{queued},"step":{_quoted(event.step)}}}'
    if isinstance(event, StepCompleted):
        made = event.output
        if type(made) is int and _LOW < made < _LONG:
            return f'{{"output":{made},"source":{_quoted(event.source)}}}'
        return f'{{"output":{_dumps(_output(made, event.path))},"source":{_quoted(event.source)}}}'
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
    if type(value) in _TEXTUAL:
        return value
    try:
        return to_plain(value)
    except NotStorable as error:
        raise OutputNotStorable(path or "the run", error.kind, str(error)) from None


def decode(kind: str, path: str, at: float, data: str) -> Event:
    """Returns the event that ``encode`` was given; inputs come back as their previews."""
    if kind not in EVENTS:
        raise StoreError(f"the log holds an event of the unknown kind {kind!r}; it was written by a newer version")
    try:
        held = json.loads(data)
        if held.get("error") is not None:
            held["error"] = ErrorRecord(**held["error"])
        for name in ("output", "value"):
            if name in held:
                held[name] = from_plain(held[name])
        return EVENTS[kind](path=path, at=at, **held)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"the log's {kind} of {path or 'the run'!r} cannot be read: {error}") from error
