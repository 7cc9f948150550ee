"""References such as ``${users.rows[0].name}``: read when a file is loaded, followed when its plan runs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeAlias

from stretto.core.errors import ExecutionError, ValueMissing
from stretto.planfiles.kinds import is_mapping, is_row, is_set
from stretto.planfiles.source import meant

Key: TypeAlias = str | int

NAME = r"[^\W\d][\w-]*"
"""What a datum, an input or an operation may be called."""
LONGEST_LIST = 12
"""How many names an error lists."""
_NAME = re.compile(NAME)
_STEP = re.compile(
    r"""\.(?P<field>[\w-]+)|\[\s*(?:(?P<place>-?[0-9]{1,18})|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)')\s*\]""",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"\s*")


class Misspelt(Exception):
    """A text that cannot be read: where in it (an offset), and why."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset, self.message = offset, message


@dataclass(frozen=True, slots=True)
class Reference:
    """A datum's name, and the way into its value; ``offset`` is where in its text the reference begins."""

    name: str
    path: tuple[Key, ...] = ()
    offset: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        """Shows the reference as a file would write it."""
        return f"${{{self.name}{''.join(map(_written, self.path))}}}"


def _written(key: Key) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if re.fullmatch(r"[\w-]+", key) else '["' + re.sub(r'(["\\\\])', r"\\\1", key) + '"]'


@dataclass(frozen=True, slots=True)
class Template:
    """A text with references in it; one that is a reference and nothing else keeps its value's type."""

    parts: tuple[str | Reference, ...]

    @property
    def alone(self) -> bool:
        """Whether it is a reference and nothing else."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Reference)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references, from left to right."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def value(self, scope: Scope) -> Any:
        """Returns the referred value itself, or the text with the values put in."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Reference):
            return scope.look(self.parts[0])
        return self.text(scope)

    def text(self, scope: Scope) -> str:
        """Returns the text; values that are no text are put in as JSON."""
        return "".join(
            part if isinstance(part, str) else as_text(scope.look(part), scope.operation, part) for part in self.parts
        )


def read_reference(text: str, at: int) -> tuple[Reference, int]:
    """Reads the reference that begins with ``${`` here; returns it, and the offset behind its ``}``."""
    begin = at
    at = _skip(text, at + 2)
    name = _NAME.match(text, at)
    if name is None:
        told = "a reference names a datum: ${name}, ${name.field} or ${name[0]}; write $${ for the signs themselves"
        raise Misspelt(at if at < len(text) else begin, told)
    path: list[Key] = []
    at = name.end()
    while step := _STEP.match(text, at):
        path.append(_key(step))
        at = step.end()
    end = _skip(text, at)
    if text[end : end + 1] == "}":
        return Reference(name.group(), tuple(path), begin), end + 1
    if end >= len(text):
        raise Misspelt(begin, "this reference does not end; close it with '}'")
    raise Misspelt(
        end,
        f"{text[end]!r} may not stand in a reference; after the name come .field, [0] or [\"key\"], then '}}' "
        "(what needs more is an operation's work)",
    )


def _key(step: re.Match[str]) -> Key:
    if (place := step["place"]) is not None:
        return int(place)
    if (name := step["field"]) is not None:
        return name
    quoted = step["double"] if step["double"] is not None else step["single"]
    return _ESCAPED.sub(r"\1", quoted)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def read_template(text: str) -> Template:
    """Reads a text; ``$${`` stands for ``${``. Raises ``Misspelt`` at the first reference that is none."""
    parts: list[str | Reference] = []
    kept, at = "", 0
    while (sign := text.find("${", at)) >= 0:
        if sign > at and text[sign - 1] == "$":
            kept += text[at : sign - 1] + "${"
            at = sign + 2
            continue
        kept += text[at:sign]
        reference, at = read_reference(text, sign)
        parts += [kept, reference] if kept else [reference]
        kept = ""
    kept += text[at:]
    return Template((*parts, kept) if kept or not parts else tuple(parts))


Shape: TypeAlias = "Template | list[Shape] | dict[str, Shape] | int | float | bool | None"
"""Values with templates where the texts are."""


def fill(shape: Shape, scope: Scope) -> Any:
    """Returns the values, every reference followed."""
    if isinstance(shape, Template):
        return shape.value(scope)
    if isinstance(shape, list):
        return [fill(one, scope) for one in shape]
    if isinstance(shape, dict):
        return {key: fill(one, scope) for key, one in shape.items()}
    return shape


@dataclass(frozen=True, slots=True)
class Scope:
    """What the references of an operation can point at; an ``optional`` datum that is not there counts as null."""

    operation: str
    data: Mapping[str, Any]
    optional: frozenset[str] = frozenset()

    def look(self, reference: Reference) -> Any:
        """Returns what the reference points at; raises ``ValueMissing`` telling what is there instead."""
        found, missing = self.follow(reference)
        if missing:
            raise ValueMissing(self.operation, str(reference), missing)
        return found

    def follow(self, reference: Reference) -> tuple[Any, str]:
        """Returns what the reference points at and nothing, or nothing and why there is nothing."""
        if reference.name not in self.data:
            if reference.name in self.optional:
                return None, "" if not reference.path else f"{reference.name!r} was not produced"
            return None, f"{reference.name!r} was not produced"
        value, way = self.data[reference.name], reference.name
        for key in reference.path:
            there, value = _into(value, key)
            if not there:
                return None, f"{way} {_told(value, key)}"
            way += _written(key)
        return value, ""


def _into(value: Any, key: Key) -> tuple[bool, Any]:
    """Returns whether the key is there, and what stands there, or the value itself."""
    if is_mapping(value):
        return (True, value[key]) if key in value else (False, value)
    if is_row(value):
        inside = isinstance(key, int) and -len(value) <= key < len(value)
        return (True, value[key]) if isinstance(key, int) and inside else (False, value)
    if isinstance(key, str) and key in _fields(value):
        return True, getattr(value, key)
    return False, value


def _fields(value: Any) -> list[str]:
    """Returns the fields of a dataclass or of a pydantic model."""
    if isinstance(value, type):
        return []
    held: Any = getattr(value, "__dataclass_fields__", None) or getattr(value.__class__, "model_fields", ())
    return list(held)


def _told(value: Any, key: Key) -> str:
    """Says what a value is that does not hold a key."""
    if is_mapping(value) or _fields(value):
        names = [str(name) for name in value] if is_mapping(value) else _fields(value)
        if not names:
            return f"is an empty mapping without {key!r}"
        held = ", ".join(sorted(names)[:LONGEST_LIST]) + (" …" if len(names) > LONGEST_LIST else "")
        near = meant(str(key), names)
        return f"has no {key!r}; it holds {held}" + (near if near.startswith("; did") else "")
    if isinstance(value, str):
        return f"is a text, which has no {key!r}; for data in a command's output say parse: json"
    if is_row(value):
        if isinstance(key, int):
            return f"is a list of {len(value)}, which has no place {key}; places count from 0"
        return f"is a list of {len(value)}; take one of its items first: [0]"
    return f"is {'null' if value is None else type(value).__name__}, which has no {key!r}"


def as_text(value: Any, operation: str, reference: Reference) -> str:
    """Returns a text as it is, and everything else as JSON; raises ``ExecutionError`` for what has no JSON form."""
    return value if isinstance(value, str) else as_json(value, f"operation {operation!r}: the value of {reference}")


def as_json(value: Any, owner: str) -> str:
    """Returns a value as JSON text; dataclasses, pydantic models, paths and dates have their usual forms."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_simpler, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ExecutionError(
            f"{owner} cannot be written as text: {error}; give text, numbers, lists or mappings"
        ) from error


def _simpler(value: Any) -> Any:
    if hasattr(value.__class__, "model_fields"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if is_mapping(value):
        return dict(value)
    if is_set(value):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
