"""Writes several calls as one plan where plans are on offer, and reads what came of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stretto.models.offline_json import fields_of, items_of

PLAN_TOOL = "ExecutePlan"
"""The name under which a plan over other tools is offered."""


def plan_of(calls: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Returns the arguments of a plan whose operations do not need each other, named ``c1``, ``c2`` ..."""
    return {
        "operations": [
            {"id": f"c{place}", "tool": tool, "arguments": _replaced(dict(arguments), "${", "$${")}
            for place, (tool, arguments) in enumerate(calls, 1)
        ]
    }


def operations_of(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields id, tool and arguments of a plan's operations."""
    for operation in map(fields_of, items_of(arguments.get("operations"))):
        given = fields_of(_replaced(operation.get("arguments"), "$${", "${"))
        yield str(operation.get("id")), str(operation.get("tool")), given


def _replaced(value: Any, old: str, new: str) -> Any:
    """Replaces in all texts: ``${`` begins a reference in a plan, and ``$${`` stands for it as text."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in items_of(value)]
    if isinstance(value, dict):
        return {key: _replaced(item, old, new) for key, item in fields_of(value).items()}
    return value
