"""Walks a workspace, bounded in time and number: what is there, and in which lines something stands."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any

from stretto.tools.tool import ToolFailed
from stretto.tools.workspace import Workspace

SKIPPED = frozenset({
    ".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".nox", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".hypothesis",
})  # fmt: skip
"""Folders that are not gone into unless they are named: they hold what was fetched or made."""
MOST_VISITED = 200_000
"""How many names one walk looks at."""
MOST_SECONDS = 20.0
"""How long one walk takes at most, in seconds."""
LARGEST = 2 * 1024 * 1024
"""Files above so many bytes are not searched."""
LONGEST_LINE = 300
"""How many characters of a line a match shows."""
SAMPLE = 8_192
"""How many bytes are looked at to tell text from anything else."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something in a folder; ``type`` is file, directory, link or other, ``size`` is in bytes."""

    path: str
    type: str
    size: int


@dataclass(slots=True)
class Walk:
    """One walk: what it left out, and why it ended early, if it did."""

    workspace: Workspace
    skipped: list[str] = field(default_factory=list[str])
    unreadable: int = 0
    stopped: str = ""
    _visited: int = 0
    _until: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)

    def over(self) -> bool:
        """Says whether the walk has taken what it may."""
        if self._visited >= MOST_VISITED:
            self.stopped = f"more than {MOST_VISITED:,} names were looked at"
        elif time.monotonic() > self._until:
            self.stopped = f"it took longer than {MOST_SECONDS:g} s"
        return bool(self.stopped)

    def entries(self, path: str, *, recursive: bool) -> Iterator[Found]:
        """Yields what is in a folder, folder by folder, by name; links are told and not followed."""
        folders = [path]
        while folders and not self.over():
            here = folders.pop()
            below: list[str] = []
            for found in self._one(here, first=here == path):
                self._visited += 1
                if self.over():
                    return
                yield found
                if recursive and found.type == "directory":
                    if found.path.rpartition("/")[2] in SKIPPED:
                        self.skipped.append(found.path)
                    else:
                        below.append(found.path)
            folders += reversed(below)

    def _one(self, path: str, *, first: bool) -> list[Found]:
        try:
            with self.workspace.opened(path, "directory") as descriptor:
                names = sorted(os.listdir(descriptor))
                return [_looked(descriptor, path, name) for name in names]
        except (ToolFailed, OSError):
            if first:
                raise
            self.unreadable += 1
            return []


def _looked(descriptor: int, folder: str, name: str) -> Found:
    path = name if folder == "." else f"{folder}/{name}"
    try:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except OSError:  # it went away meanwhile
        return Found(path, "other", 0)
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"))
    kind = next((word for is_kind, word in kinds if is_kind(status.st_mode)), "other")
    return Found(path, kind, status.st_size if kind == "file" else 0)


def shown(path: str) -> str:
    """Returns a path that JSON can hold: bytes that are no text become a question mark."""
    return os.fsencode(path).decode("utf-8", "replace")


def chosen(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Returns what says whether a path matches one of the patterns (``*.py``, ``src/**``); none match all.

    A pattern without ``/`` is for the name alone; ``*`` stands for any part of a path, ``**/`` also for no folder.
    """
    if not patterns:
        return lambda path: True
    whole: list[re.Pattern[str]] = []
    names: list[re.Pattern[str]] = []
    for pattern in patterns:
        pattern = pattern.removeprefix("./")
        (whole if "/" in pattern else names).append(re.compile(translate(pattern)))
        if pattern.startswith("**/"):
            rest = pattern.removeprefix("**/")
            (whole if "/" in rest else names).append(re.compile(translate(rest)))
    return lambda path: any(p.match(path) for p in whole) or any(p.match(path.rpartition("/")[2]) for p in names)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and where; without ``regex`` the pattern is a text."""

    root: str
    pattern: str
    path: str = "."
    regex: bool = False
    ignore_case: bool = False
    include: tuple[str, ...] = ()
    maximum: int = 100


def search(asked: Search) -> dict[str, Any]:
    """Returns the lines that match, and what was left out; a module-level function, so that a process can run it."""
    flags = re.IGNORECASE if asked.ignore_case else re.NOFLAG
    wanted = re.compile(asked.pattern if asked.regex else re.escape(asked.pattern), flags)
    walk, fits = Walk(Workspace(asked.root)), chosen(asked.include)
    matches: list[dict[str, Any]] = []
    searched = binary = large = 0
    for found in _files(walk, asked.path):
        if not fits(found.path):
            continue
        if found.size > LARGEST:
            large += 1
            continue
        try:
            data = _content(walk.workspace, found.path)
        except (ToolFailed, OSError):
            walk.unreadable += 1
            continue
        if data is None:
            binary += 1
            continue
        searched += 1
        for number, line in enumerate(data.replace("\r\n", "\n").split("\n"), 1):
            if wanted.search(line):
                matches.append({"path": shown(found.path), "line": number, "text": _cut(line)})
                if len(matches) > asked.maximum:
                    walk.stopped = f"there are more than {asked.maximum} matches"
                    break
        if walk.stopped:
            break
    return {
        "matches": matches[: asked.maximum], "files_searched": searched, "skipped_binary": binary,
        "skipped_large": large, "unreadable": walk.unreadable, "skipped_folders": [shown(p) for p in walk.skipped[:50]],
        "truncated": bool(walk.stopped), "reason": walk.stopped,
    }  # fmt: skip


def _files(walk: Walk, path: str) -> Iterator[Found]:
    """Yields the files of a folder and of all below, or the one file that is named."""
    try:
        for found in walk.entries(path, recursive=True):
            if found.type == "file":
                yield found
    except ToolFailed as error:
        if error.code != "INVALID_INPUT":
            raise
        with walk.workspace.opened(path, "file") as descriptor:
            size = os.fstat(descriptor).st_size
        yield Found(walk.workspace.relative(path), "file", size)


def _content(workspace: Workspace, path: str) -> str | None:
    """Returns a file's text, or None when it holds none."""
    with workspace.opened(path, "file") as descriptor:
        data = read_bytes(descriptor, LARGEST)
    encoding = encoding_of(data[:SAMPLE])
    return None if encoding is None else data.decode(encoding, "replace")


def read_bytes(descriptor: int, most: int) -> bytes:
    """Returns at most so many bytes from where the descriptor stands."""
    parts: list[bytes] = []
    while most > 0 and (part := os.read(descriptor, min(most, 1 << 16))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def encoding_of(sample: bytes) -> str | None:
    """Returns how a text is encoded, by its mark or by its bytes; None for what is no text."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if sample.startswith(mark):
            return encoding
    return None if b"\x00" in sample else "utf-8"


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
