"""What the offline model has read of a workspace: folded from its tools' results, and the calls that read more."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stretto.models.offline_json import fields_of, items_of, json_value, plain_text, was_cut
from stretto.models.offline_languages import FETCHED, is_its_own
from stretto.models.offline_rule import Asked
from stretto.models.offline_sight import Sight, Told

LIST, READ, SEARCH = "list_files", "read_file", "search_files"
_MCP = "mcp__"
MOST_LISTED = 10_000
"""How many files and folders are listed."""


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text; ``whole`` is False when a tool gave only its beginning."""

    content: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A line in which a search found something; ``line`` counts from 1."""

    path: str
    line: int
    text: str


@dataclass
class Workspace:
    """What is known of a workspace: sizes are in bytes, None where no tool has told them."""

    sizes: dict[str, int | None] = field(default_factory=dict[str, "int | None"])
    texts: dict[str, Text] = field(default_factory=dict[str, Text])
    hits: list[Hit] = field(default_factory=list[Hit])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    listed: bool = False
    cut: bool = False
    searched: bool = False
    search_cut: bool = False

    @cached_property
    def own(self) -> dict[str, int | None]:
        """The files that belong to the repository itself, by path."""
        return {path: size for path, size in sorted(self.sizes.items()) if is_its_own(path)}


def workspace(sight: Sight) -> Workspace:
    """Returns what the tools have told of the workspace in this task, and nothing else."""
    seen = Workspace()
    for told in sight.results:
        read = _READERS.get(_role(told.tool))
        if read is not None:
            read(seen, told)
    return seen


def list_call(sight: Sight) -> Asked | None:
    """Returns the call that lists all files with their sizes, or else the one that lists them without."""
    if LIST not in sight.offers:
        return tree_call(sight)
    most = {"max_entries": MOST_LISTED} if sight.takes(LIST, "max_entries") else {}
    return Asked(LIST, {"recursive": True, **most})


def tree_call(sight: Sight) -> Asked | None:
    """Returns the call of an MCP server that lists all files, without sizes."""
    tool = _mcp_tool(sight, "directory_tree")
    if tool is None:
        return None
    leave_out = {"excludePatterns": list(FETCHED)} if sight.takes(tool, "excludePatterns") else {}
    return Asked(tool, {"path": ".", **leave_out})


def read_call(sight: Sight, path: str) -> Asked | None:
    """Returns the call that reads a file: of an MCP server where one offers it, else of the tools at hand."""
    tool = _mcp_tool(sight, "read_text_file") or (READ if READ in sight.offers else None)
    return Asked(tool, {"path": path}) if tool is not None else None


def search_call(sight: Sight, pattern: str) -> Asked | None:
    """Returns the call that searches all files for a regular expression."""
    return Asked(SEARCH, {"pattern": pattern, "regex": True}) if sight.takes(SEARCH, "pattern", "regex") else None


def _mcp_tool(sight: Sight, role: str) -> str | None:
    return next((name for name in sorted(sight.offers) if name.startswith(_MCP) and _role(name) == role), None)


def _role(tool: str) -> str:
    """Returns what a tool does: its own name, or the one that an MCP server gives it."""
    return tool.rpartition("__")[2] if tool.startswith(_MCP) else tool


def _listed(seen: Workspace, told: Told) -> None:
    given = fields_of(json_value(told.content))
    if not told.ok or "entries" not in given:
        seen.refused["."] = plain_text(told.content)[:200]
        return
    seen.listed = True
    seen.cut = was_cut(told.content) or bool(given.get("truncated"))
    entries = items_of(given["entries"])
    for entry in map(fields_of, entries[:-1] if was_cut(told.content) else entries):
        if entry.get("type") == "file" and isinstance(entry.get("size"), int):
            seen.sizes[str(entry.get("path"))] = entry["size"]


def _tree(seen: Workspace, told: Told) -> None:
    nodes = json_value(plain_text(told.content), partial=was_cut(told.content))
    if not told.ok or not isinstance(nodes, list):
        seen.refused["."] = plain_text(told.content)[:200]
        return
    seen.listed, seen.cut = True, was_cut(told.content)
    for path in _leaves(items_of(nodes), ""):
        seen.sizes.setdefault(path, None)


def _leaves(nodes: list[Any], above: str) -> Iterator[str]:
    for node in nodes:
        given = fields_of(node)
        path = posixpath.join(above, str(given.get("name", "")))
        if given.get("type") == "directory":
            yield from _leaves(items_of(given.get("children")), path)
        elif given.get("type") == "file":
            yield path


def _read(seen: Workspace, told: Told) -> None:
    """Takes a file's text from a tool that gives it with what else there is to say of it."""
    given = fields_of(json_value(told.content)) if told.ok else {}
    content = given.get("content")
    cut = was_cut(told.content) or bool(given.get("truncated"))
    _keep(seen, told, content if isinstance(content, str) else plain_text(told.content), cut)


def _read_through_server(seen: Workspace, told: Told) -> None:
    _keep(seen, told, plain_text(told.content), was_cut(told.content))


def _keep(seen: Workspace, told: Told, text: str, cut: bool) -> None:
    path = str(told.arguments.get("path", ""))
    if not told.ok:
        seen.refused[path] = text[:200]
        return
    if "\0" in text or text.count("\ufffd") > len(text) // 20:
        seen.refused[path] = "it holds no text"
    else:
        seen.texts[path] = Text(text, not cut)


def _found(seen: Workspace, told: Told) -> None:
    if not told.ok:
        return
    given = fields_of(json_value(told.content))
    seen.searched = True
    seen.search_cut = was_cut(told.content) or bool(given.get("truncated"))
    hits = items_of(given.get("matches"))
    for hit in map(fields_of, hits[:-1] if was_cut(told.content) else hits):
        seen.hits.append(Hit(str(hit.get("path")), int(hit.get("line", 0)), str(hit.get("text", "")).strip()))


_READERS: dict[str, Callable[[Workspace, Told], None]] = {
    LIST: _listed, "directory_tree": _tree, READ: _read, "read_text_file": _read_through_server, SEARCH: _found,
}  # fmt: skip
