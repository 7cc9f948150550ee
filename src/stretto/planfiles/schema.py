"""The JSON Schema of plan files, made of the model, for editors and for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stretto.planfiles.kinds import is_list, is_object
from stretto.planfiles.model import PlanEntry

SHIPPED = Path(__file__).with_name("plan.schema.json")
"""Where the schema is shipped; a test holds that it is the one that is made here."""
_EXAMPLE: dict[str, Any] = {
    "name": "sizes",
    "inputs": {"directory": "."},
    "operations": [
        {"id": "files", "run": ["find", "${directory}", "-type", "f"], "parse": "lines", "idempotent": True},
        {"id": "size", "for_each": "${files}", "run": ["wc", "-c", "${item}"], "timeout": "10s"},
        {"id": "report", "run": ["sort", "-n"], "stdin": "${size}", "when": "length ${files} > 0"},
    ],
}


def plan_schema() -> dict[str, Any]:
    """Returns the schema (draft 2020-12)."""
    made = PlanEntry.model_json_schema(by_alias=True)
    made.pop("title", None)
    _close(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Stretto plan",
        **made,
        "examples": [_EXAMPLE],
    }


def _close(schema: Any) -> None:
    """Says of mappings whose keys are names that they have no others."""
    if is_object(schema):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for inner in schema.values():
            _close(inner)
    elif is_list(schema):
        for inner in schema:
            _close(inner)


def shipped_text() -> str:
    """Returns the text of the shipped schema as it should be."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"
