"""Reads tool results as a model is shown them: text, or JSON as text, perhaps cut."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from pydantic_core import from_json

_CUT = re.compile(r"\n\[The output was cut here: [\d,]+ of its [\d,]+ characters are shown\.\]\Z")


def plain_text(content: Any) -> str:
    """Returns a result's text: as it is, or out of the object with nothing but ``content`` that MCP servers give."""
    given = fields_of(json_value(content))
    inner = given.get("content") if len(given) == 1 else None
    if isinstance(inner, str):
        return inner
    return _CUT.sub("", content) if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def json_value(content: Any, *, partial: bool = False) -> Any:
    """Returns a result as JSON values, None when it is no JSON; of text that was cut (or is ``partial``) its start."""
    if not isinstance(content, str):
        return content
    whole = _CUT.sub("", content)
    try:
        return from_json(whole, allow_partial="trailing-strings" if partial or whole != content else False)
    except ValueError:
        return None


def was_cut(content: Any) -> bool:
    """Says whether only the beginning of a result is shown."""
    return isinstance(content, str) and _CUT.search(content) is not None


def fields_of(value: Any) -> dict[str, Any]:
    """Returns a JSON object's fields, none for any other value."""
    return value if _is_object(value) else {}


def items_of(value: Any) -> list[Any]:
    """Returns a JSON array's items, none for any other value."""
    return value if _is_array(value) else []


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_array(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
