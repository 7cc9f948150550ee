"""Puts an answer of the offline model into the shape of a schema, where its facts fill it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stretto.models.offline_json import fields_of
from stretto.models.offline_rule import Move

_OF_TYPE: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip
_TEXTS = ("answer", "text", "report", "response", "summary", "markdown")


def shaped(schema: Mapping[str, Any], move: Move) -> str | None:
    """Returns JSON text that follows the schema, or None when a required property is none of the answer's facts.

    Facts fill the properties that bear their names; a property named as an answer is (``answer``, ``report``,
    ``summary`` ...) takes its text.
    """
    properties = fields_of(schema.get("properties"))
    if schema.get("type") != "object":
        return None
    known: dict[str, Any] = {**dict.fromkeys(_TEXTS, move.text), **move.facts}
    filled: dict[str, Any] = {}
    for name, wanted in properties.items():
        if name in known and _fits(known[name], wanted):
            filled[name] = known[name]
        elif name in schema.get("required", ()):
            return None
    return json.dumps(filled, ensure_ascii=False)


def _fits(value: Any, wanted: Mapping[str, Any]) -> bool:
    if "enum" in wanted:
        return value in wanted["enum"]
    expected = _OF_TYPE.get(str(wanted.get("type")), ())
    return isinstance(value, expected) and (not isinstance(value, bool) or wanted.get("type") == "boolean")
