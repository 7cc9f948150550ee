"""Validates by schemas that servers wrote: no expression and no reference in them can hold this process up.

Expressions are matched by an engine whose time grows with the text only (Rust's ``regex``, which pydantic brings);
what it cannot read, as look-around, is not checked here. Everything else is counted, and ends at a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.validators import validator_for
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable

MOST_CHECKS = 300_000
"""How many comparisons one value may take."""
LONGEST_MATCHED = 100_000
"""How many characters of a text an expression is matched against; longer texts are not matched."""
LONGEST_PATTERN = 1_000
MOST_PROBLEMS = 20
_EMPTY: Any = Registry[Any]()

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class TooMuchToCheck(ValueError):
    """A schema that asks for more comparisons than a value is worth."""

    def __init__(self) -> None:
        super().__init__(f"the schema asks for more than {MOST_CHECKS:,} comparisons")


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator | None:
    if len(pattern) > LONGEST_PATTERN:
        return None
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None


def _matches(pattern: str, text: str) -> bool | None:
    """Says whether an expression is found in a text; None when that is not looked at."""
    matcher = _matcher(pattern)
    return None if matcher is None or len(text) > LONGEST_MATCHED else matcher.isinstance_python(text)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and _matches(pattern, value) is False:
        yield ValidationError(f"{value[:100]!r} does not match {pattern[:100]!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    for pattern, below in patterns.items() if validator.is_type(value, "object") else ():
        for name, each in value.items():
            if _matches(pattern, name):
                yield from validator.descend(each, below, path=name, schema_path=pattern)


def _additional_properties(validator: Any, below: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in value:
        if name not in known and all(_matches(pattern, name) is False for pattern in patterns):
            if below is False:
                yield ValidationError(f"{name[:100]!r} is not among its properties")
            else:
                yield from validator.descend(value[name], below, path=name)


def _unique(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(value, "array") and len({repr(each) for each in value}) < len(value):
        yield ValidationError("it holds something twice")


_OURS: Mapping[str, Keyword] = {
    "pattern": _pattern, "patternProperties": _pattern_properties, "additionalProperties": _additional_properties,
    "uniqueItems": _unique,
}  # fmt: skip
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_UNCHECKED = ("unevaluatedProperties", "unevaluatedItems")
"""Keywords that match expressions on their own, and that no tool needs."""


def _size(said: Any) -> int:
    return len(said) if type(said) in (dict, list) else 0


_LEFT: ContextVar[list[int]] = ContextVar("stretto_mcp_comparisons")


def _counted(name: str, keyword: Keyword) -> Keyword:
    """Returns a keyword that takes its share of what is left each time it is looked at; references take most."""

    def look(validator: Any, said: Any, value: Any, schema: Any) -> Iterator[ValidationError] | None:
        left = _LEFT.get()
        left[0] -= 20 if name in _REFERENCES else 1 + _size(said)
        if left[0] < 0:
            raise TooMuchToCheck
        return keyword(validator, said, value, schema)

    return look


@cache
def _bounded(known: Any) -> Any:
    """Returns a class of validators whose every keyword is counted."""
    words = {**known.VALIDATORS, **{name: ours for name, ours in _OURS.items() if name in known.VALIDATORS}}
    library: Any = validators  # whose functions tell no types
    bounded: Any = library.extend(known, {name: _counted(name, look) for name, look in words.items()})
    for name in _UNCHECKED:
        bounded.VALIDATORS.pop(name, None)
    return bounded


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises ``SchemaError`` of jsonschema for what is no JSON Schema; expressions in it are not compiled for that."""
    found: Any = validator_for(schema, default=Draft202012Validator)
    found.check_schema(schema, format_checker=None)


def problems_of(schema: Mapping[str, Any], value: object) -> tuple[str, ...]:
    """Returns where and why a value does not follow a schema; a schema that nobody can follow is a problem, too."""
    found: list[str] = []
    library: Any = validators  # whose functions tell no types
    fitting: Any = library.validator_for(schema, default=Draft202012Validator)
    made = _bounded(fitting)(schema, registry=_EMPTY)
    token = _LEFT.set([MOST_CHECKS])
    try:
        for error in made.iter_errors(value):
            where = ".".join(str(part) for part in error.absolute_path)
            found.append(f"{where}: {error.message}"[:300] if where else error.message[:300])
            if len(found) == MOST_PROBLEMS:
                break
    except (Unresolvable, RecursionError, TooMuchToCheck) as error:
        found.append(f"the schema cannot be followed: {error}"[:300])
    finally:
        _LEFT.reset(token)
    return tuple(found)
