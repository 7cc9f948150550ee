"""The page that lists every operation: made of the OpenAPI document, readable without scripts or the network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from string import Template
from typing import Any

Held = Mapping[str, Any]
_CODE = re.compile("`+([^`]+)`+")


def operations_page(template: str, document: Held) -> str:
    """Returns the page, its operations in groups, in the order of the document."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            group = (operation.get("tags") or ["Others"])[0]
            groups.setdefault(group, []).append(_operation(path, method, operation, document))
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in groups)
    shown = "\n".join(f'<h2 id="{_anchor(name)}">{escape(name)}</h2>\n{"".join(held)}' for name, held in groups.items())
    version = escape(document["info"]["version"])
    return Template(template).substitute(version=version, groups=links, operations=shown)


def _anchor(name: str) -> str:
    return "".join(one if one.isalnum() else "-" for one in name.lower())


def _operation(path: str, method: str, operation: Held, document: Held) -> str:
    name, what = escape(operation.get("operationId", "")), escape(operation.get("summary", ""))
    body = _first_schema(operation.get("requestBody", {}))
    inside = [
        f"<p>{_words(operation.get('description', ''))}</p><p class='quiet'>Operation <code>{name}</code></p>",
        _table("Parameters", [_parameter(each) for each in operation.get("parameters", [])]),
        _table("Body", list(_fields(body, document))),
        _table("Answers", [_answer(status, held) for status, held in sorted(operation["responses"].items())]),
    ]
    return (
        f"<details id='{name}'><summary><span class='method'>{escape(method.upper())}</span>"
        f"<span class='path'>{escape(path)}</span><span class='what'>{what}</span></summary>"
        f"<div class='inside'>{''.join(inside)}</div></details>\n"
    )


def _words(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{escape(a)}</code></td><td>{escape(b)}</td><td>{_words(c)}</td></tr>" for a, b, c in rows
    )
    return f"<h3>{title}</h3><table><tbody>{cells}</tbody></table>"


def _parameter(said: Held) -> tuple[str, str, str]:
    needed = ", needed" if said.get("required") else ""
    return said["name"], f"{said['in']}, {_kind(said.get('schema', {}))}{needed}", said.get("description", "")


def _answer(status: str, said: Held) -> tuple[str, str, str]:
    schema = _first_schema(said)
    return status, _kind(schema) if schema else "", said.get("description", "")


def _first_schema(said: Held) -> Held:
    for held in said.get("content", {}).values():
        found: Held = held.get("schema", {})
        return found
    return {}


def _fields(schema: Held, document: Held) -> Iterator[tuple[str, str, str]]:
    named = document["components"]["schemas"].get(_reference(schema), schema)
    needed = named.get("required", ())
    for name, held in named.get("properties", {}).items():
        yield name, _kind(held) + (", needed" if name in needed else ""), held.get("description", "")
    if "properties" not in named and schema:
        yield "body", _kind(schema), ""


def _reference(schema: Held) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _kind(schema: Held) -> str:
    """Returns what a value is, in a few words."""
    if name := _reference(schema):
        return name
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[several]))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("const") or schema.get("type") or "anything")
