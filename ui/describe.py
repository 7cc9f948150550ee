"""Writes the server's operations, as the page's types are generated from them: `python ui/describe.py FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stretto.configuring.settings import Settings
from stretto.server.app import create_app
from stretto.stores.memory import MemoryStore

PROBLEM = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}


def described() -> dict[str, Any]:
    """Returns the document of the operations below ``/api``; every refusal is one and the same problem there."""
    document = create_app(Settings(), MemoryStore()).openapi()
    paths = {path: item for path, item in document["paths"].items() if path.startswith("/api/")}
    for item in paths.values():
        for operation in item.values():
            kept = {status: told for status, told in operation["responses"].items() if status.startswith("2")}
            operation["responses"] = kept | {"default": PROBLEM}
    schemas = document["components"]["schemas"]
    wanted, found = json.dumps(paths), set[str]()
    while True:
        more = {name for name in schemas if f'"#/components/schemas/{name}"' in wanted} - found
        if not more:
            break
        found |= more
        wanted = json.dumps([schemas[name] for name in sorted(more)])
    document["components"] = {"schemas": {name: schemas[name] for name in sorted(found)}}
    return document | {"paths": paths}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(described(), indent=1, sort_keys=True), encoding="utf-8")
