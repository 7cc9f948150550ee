"""Which tools a server says that it has: its pages read to a limit, each tool checked, nothing taken on trust."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema.exceptions import SchemaError
from mcp.client import Client
from mcp_types import Tool as ToolSaid
from mcp_types import ToolAnnotations

from stretto.tools.mcp.results import cleaned
from stretto.tools.mcp.schemas import MOST_PROBLEMS, check_schema

MOST_TOOLS = 500
"""How many tools of one server are offered."""
MOST_PAGES = 50
MOST_DESCRIPTION = 4_000
"""How many characters of a tool's description are kept."""
MOST_SCHEMA = 100_000
"""How large a schema may be, as JSON text."""
LONGEST_NAME = 64
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True)
class ListedTool:
    """A tool as it is offered: ``name`` is ours, ``remote`` the server's own."""

    name: str
    remote: str
    description: str
    parameters: Mapping[str, Any]
    annotations: ToolAnnotations = field(default_factory=ToolAnnotations)
    output: Mapping[str, Any] | None = None
    output_problem: str = ""


@dataclass(frozen=True)
class Listing:
    """The tools of a server, and what was wrong with others."""

    tools: tuple[ListedTool, ...] = ()
    problems: tuple[str, ...] = ()


def offered_name(server: str, tool: str) -> str:
    """Returns ``mcp__{server}__{tool}`` as providers take it: at most 64 letters, digits, ``_`` and ``-``.

    A name that had to be changed, or that another pair could share, ends with a digest of the pair.
    """
    plain = _ILLEGAL.sub("_", tool)
    name = f"mcp__{server}__{plain}"
    unclear = "__" in server or server.endswith("_") or tool.startswith("_")
    if plain == tool and tool and not unclear and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(f"{server}\0{tool}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}_{digest}"


async def read_listing(client: Client, server: str, secrets: Sequence[str]) -> Listing:
    """Asks for all pages of a server's tools; what cannot be offered is told in ``problems``."""
    said: list[ToolSaid] = []
    problems: list[str] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        said += page.tools
        cursor = page.next_cursor
        if cursor is None or len(said) > MOST_TOOLS:
            break
    if cursor is not None or len(said) > MOST_TOOLS:
        problems.append(f"it has more than {MOST_TOOLS} tools, or pages without end: the first ones are offered")
    found: dict[str, ListedTool] = {}
    for tool in said[:MOST_TOOLS]:
        listed = _listed(server, tool, secrets)
        if isinstance(listed, str):
            problems.append(listed)
        elif listed.name in found:
            problems.append(f"it has two tools called {tool.name[:80]!r}: the first one is offered")
        else:
            found[listed.name] = listed
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"and {len(problems) - MOST_PROBLEMS:,} more"]
    return Listing(tuple(found.values()), tuple(problems))


def _listed(server: str, tool: ToolSaid, secrets: Sequence[str]) -> ListedTool | str:
    """Returns the tool as it is offered, or why it is not."""
    shown = repr(cleaned(tool.name, secrets)[:80])
    if not tool.name.strip():
        return "it has a tool without a name, which is not offered"
    if problem := unusable(tool.input_schema):
        return f"tool {shown} is not offered: its inputSchema {problem}"
    if tool.input_schema.get("type", "object") != "object":
        return f"tool {shown} is not offered: its inputSchema does not describe an object"
    description = cleaned(tool.description or tool.title or "", secrets)
    if len(description) > MOST_DESCRIPTION:
        description = f"{description[:MOST_DESCRIPTION]}… (cut, {len(description):,} characters)"
    return ListedTool(
        offered_name(server, tool.name), tool.name, description, tool.input_schema,
        tool.annotations or ToolAnnotations(), tool.output_schema,
        "" if tool.output_schema is None else unusable(tool.output_schema),
    )  # fmt: skip


def unusable(schema: Mapping[str, Any]) -> str:
    """Returns what is wrong with a schema, nothing when it can be used."""
    try:
        size = len(json.dumps(schema))
    except (ValueError, RecursionError):
        return "cannot be written as JSON"
    if size > MOST_SCHEMA:
        return f"has {size:,} characters, {MOST_SCHEMA:,} are the most"
    try:
        check_schema(schema)
    except (SchemaError, RecursionError) as error:
        words = error.message if isinstance(error, SchemaError) else "it is nested too deep"
        return f"is no JSON Schema: {cleaned(words)[:200]}"
    return ""
