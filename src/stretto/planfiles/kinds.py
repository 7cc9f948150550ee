"""Says what kind a value is, in a way that type checkers understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from stretto.core.function import FunctionStep
from stretto.core.step import Step


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Says whether a value is a mapping."""
    return isinstance(value, Mapping)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Says whether a value of a JSON document is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Says whether a value of a document is a list."""
    return isinstance(value, list)


def is_row(value: object) -> TypeGuard[Sequence[Any]]:
    """Says whether a value is a sequence of items, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def is_set(value: object) -> TypeGuard[set[Any] | frozenset[Any]]:
    """Says whether a value is a set."""
    return isinstance(value, set | frozenset)


def is_step(value: object) -> TypeGuard[Step[Any, Any]]:
    """Says whether a value is a step."""
    return isinstance(value, Step)


def is_function(value: object) -> TypeGuard[FunctionStep[Any, Any]]:
    """Says whether a value is a function as a step."""
    return isinstance(value, FunctionStep)
