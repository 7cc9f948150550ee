"""Digests of the code behind steps, so that a resumed run notices when its code is another.

A digest is made of bytecode, constants and the small settings of a workflow: comments and formatting do not count, the
Python version does (another one compiles otherwise, and what cannot be compared counts as changed). A step that
declares a ``version`` has that instead.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from types import CodeType
from typing import Any, TypeAlias

from stretto.core.function import FunctionStep
from stretto.core.step import Step

_Known: TypeAlias = dict[int, tuple[Step[Any, Any], str]]
"""Digests of the steps that were met already, by identity; the steps are held so that no other takes their number."""

MAX_DEPTH = 32
"""How deep a definition is looked into; one that holds itself ends there."""


def fingerprints(step: Step[Any, Any]) -> dict[str, str]:
    """Returns a digest for a step and for every step it is made of, by path."""
    prints: dict[str, str] = {}
    _collect(step, step.name, prints, {}, 0)
    return prints


def _collect(step: Step[Any, Any], path: str, prints: dict[str, str], known: _Known, depth: int) -> None:
    seen = known.get(id(step))
    if seen is None:
        seen = known[id(step)] = step, fingerprint(step)
    prints[path] = seen[1]
    if depth < MAX_DEPTH:
        for name, child in step.children().items():
            _collect(child, f"{path}/{name}", prints, known, depth + 1)


def fingerprint(step: Step[Any, Any]) -> str:
    """Returns a digest of one step: its declared version, or else its code."""
    if step.policy.version:
        return f"version {step.policy.version}"
    found = hashlib.sha256("\n".join(_facts(step)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{sys.implementation.cache_tag} {found}"


def _facts(step: Step[Any, Any]) -> Iterator[str]:
    if isinstance(step, FunctionStep):
        yield from _code(step.function)
        return
    yield f"{type(step).__module__}:{type(step).__qualname__}"
    yield from _code(type(step).execute)
    settings: Mapping[str, Any] = getattr(step, "__dataclass_fields__", {})
    for name in settings:
        value: Any = getattr(step, name)
        if isinstance(value, str | int | float | bool | None):
            yield f"{name}={value!r}"
        elif callable(value) and not isinstance(value, Step):
            yield from _code(value)


def _code(function: Any) -> Iterator[str]:
    """Yields what a function does: its own code, that of the functions inside, and its defaults."""
    if isinstance(function, partial):
        yield from _code(function.func)
        yield f"{_small(function.args)} {_small(function.keywords)}"
        return
    function = getattr(function, "__func__", function)
    kind: Any = function.__class__
    called: Any = kind.__dict__.get("__call__")
    code: Any = getattr(function, "__code__", None) or getattr(called, "__code__", None)
    if code is None:
        yield f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"
        return
    yield from _compiled(code)
    yield _small(getattr(function, "__defaults__", None))


def _compiled(code: CodeType) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _compiled(constant)
        else:
            yield _small(constant)


def _small(value: Any) -> str:
    """Returns a text for a value that is the same in every process."""
    kind: Any = value.__class__
    if kind is tuple:
        return f"({', '.join(_small(item) for item in value)})"
    if kind is frozenset:
        return f"{{{', '.join(sorted(_small(item) for item in value))}}}"
    if kind is dict:
        return f"{{{', '.join(f'{_small(key)}: {_small(value[key])}' for key in value)}}}"
    return repr(value) if isinstance(value, str | bytes | int | float | complex | None) else str(kind.__qualname__)


def individual(step: Step[Any, Any]) -> object:
    """Returns what tells a step from another of the same code: the function that holds a closure or an object."""
    function = step.function if isinstance(step, FunctionStep) else None
    held = getattr(function, "__closure__", None) or hasattr(function, "__self__")
    return function if held else None
