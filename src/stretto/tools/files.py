"""Tools that read the files of a workspace: list_files, read_file, search_files; none of them ever leaves it."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import anyio
from pydantic import Field

from stretto.core.policies import StepPolicy
from stretto.core.resources import Workers
from stretto.core.step import Context
from stretto.tools.arguments import Arguments, Line
from stretto.tools.file_walk import (
    LARGEST,
    MOST_SECONDS,
    SAMPLE,
    Search,
    Walk,
    chosen,
    encoding_of,
    read_bytes,
    search,
    shown,
)
from stretto.tools.local import LocalTool
from stretto.tools.tool import Invocation, ToolFailed, ToolOperation, Touches
from stretto.tools.workspace import LONGEST_PATH, Workspace

MOST_BYTES = 40_000
"""How many bytes of a file one answer holds."""
MOST_SCANNED = 64 * 1024 * 1024
"""How many bytes are gone through to reach a line."""
_HARMLESS = re.compile(r"[^*+?{(]*")
"""A regular expression that repeats nothing and has no groups, whose alternatives would multiply: it is quick."""

PathText = Annotated[str, Field(max_length=LONGEST_PATH, description="Relative to the workspace; '.' is its top.")]
Glob = Annotated[Line, Field(min_length=1, max_length=256)]


class ListFiles(Arguments):
    """Describes a listing."""

    path: PathText = "."
    recursive: bool = Field(False, description="Whether folders are gone into; .git, node_modules and such are not.")
    include: tuple[Glob, ...] = Field((), max_length=20, description="Only files like these: *.py, src/**.")
    max_entries: int = Field(1_000, ge=1, le=10_000, description="At most so many, 1 to 10,000.")


class ReadFile(Arguments):
    """Describes what to read."""

    path: PathText
    start_line: int = Field(1, ge=1, description="The first line to read, from 1.")
    end_line: int | None = Field(None, ge=1, description="The last line to read; left out, to the end.")


class SearchFiles(Arguments):
    """Describes a search."""

    pattern: Line = Field(min_length=1, max_length=1_000, description="A text, or with regex a regular expression.")
    path: PathText = "."
    regex: bool = Field(False, description="Whether the pattern is a regular expression in Python's form.")
    ignore_case: bool = False
    include: tuple[Glob, ...] = Field((), max_length=20, description="Only files like these: *.py, src/**.")
    max_results: int = Field(100, ge=1, le=1_000, description="At most so many lines, 1 to 1,000.")


class FileTool(LocalTool):
    """Reads in one workspace, beside the event loop."""

    operation: ToolOperation = "file_op"
    policy = StepPolicy(idempotent=True)

    def __init__(self, workspace: Workspace | Path | str) -> None:
        """Takes the folder that is not left; raises ``DefinitionError`` when it is none."""
        super().__init__()
        self.workspace = workspace if isinstance(workspace, Workspace) else Workspace(workspace)

    def below(self, path: str) -> Touches:
        """Says that a folder and all below it are read, or the one file that is named."""
        plain = self.workspace.relative(path)
        return Touches(reads=("*",) if plain == "." else (f"file:{plain}", f"file:{plain}/*"))


class ListFilesTool(FileTool):
    """Lists what is in a folder, or in all folders below it; links are told and not followed."""

    name = "list_files"
    description = "Lists the files and folders of the workspace with their sizes in bytes."
    models = (ListFiles,)

    def touched(self, asked: Any) -> Touches:
        """Says that the folder is read."""
        return self.below(asked.path)

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Lists."""
        return await context.resource(Workers).thread(self._list, asked)

    def _list(self, asked: ListFiles) -> dict[str, Any]:
        walk, fits = Walk(self.workspace), chosen(asked.include)
        entries: list[dict[str, Any]] = []
        path = self.workspace.relative(asked.path)
        for found in walk.entries(path, recursive=asked.recursive):
            if found.type == "directory" and asked.include:
                continue
            if fits(found.path):
                if len(entries) == asked.max_entries:
                    walk.stopped = f"there are more than {asked.max_entries} entries"
                    break
                size = {"size": found.size} if found.type == "file" else {}
                entries.append({"path": shown(found.path), "type": found.type} | size)
        return {
            "path": shown(path), "entries": entries, "skipped_folders": [shown(p) for p in walk.skipped[:50]],
            "unreadable": walk.unreadable, "truncated": bool(walk.stopped), "reason": walk.stopped,
        }  # fmt: skip


class ReadFileTool(FileTool):
    """Reads a text file, or some of its lines; what is no text is told as such."""

    name = "read_file"
    description = (
        f"Reads a text file of the workspace, or the lines from start_line to end_line. At most {MOST_BYTES:,} "
        "bytes at once: next_line says where to go on."
    )
    models = (ReadFile,)

    def touched(self, asked: Any) -> Touches:
        """Says that the file is read."""
        return Touches(reads=(f"file:{self.workspace.relative(asked.path)}",))

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Reads."""
        if asked.end_line is not None and asked.end_line < asked.start_line:
            raise ToolFailed("INVALID_INPUT", f"end_line {asked.end_line} lies before start_line {asked.start_line}")
        return await context.resource(Workers).thread(self._read, asked)

    def _read(self, asked: ReadFile) -> dict[str, Any]:
        path = self.workspace.relative(asked.path)
        with self.workspace.opened(path, "file") as descriptor:
            size = os.fstat(descriptor).st_size
            sample = read_bytes(descriptor, SAMPLE)
            encoding = encoding_of(sample)
            if encoding is None:
                raise ToolFailed("BINARY_FILE", f"{path!r} ({size:,} bytes) holds no text, so there is nothing to read")
            os.lseek(descriptor, 0, os.SEEK_SET)
            with open(descriptor, "rb", closefd=False) as stream:
                plain = _narrowed(stream, path) if encoding == "utf-16" else stream
                lines, content, next_line = _lines(plain, asked)
        text, encoding = _decoded(content, encoding)
        return {
            "path": shown(path), "content": text, "encoding": encoding, "size": size, "start_line": asked.start_line,
            "lines": lines, "truncated": next_line is not None, "next_line": next_line,
        }  # fmt: skip


def _lines(stream: IO[bytes], asked: ReadFile) -> tuple[int, bytes, int | None]:
    """Returns how many lines were taken, their bytes, and the line to go on with when that was not all."""
    taken: list[bytes] = []
    number, scanned, size = 0, 0, 0
    for line, length in _each_line(stream):
        number, scanned = number + 1, scanned + length
        if asked.end_line is not None and number > asked.end_line:
            return len(taken), b"".join(taken), None
        if scanned > MOST_SCANNED:
            raise ToolFailed("LIMIT_REACHED", f"line {number} of {asked.path!r} lies too far within; search instead")
        if number >= asked.start_line:
            if size + len(line) > MOST_BYTES and taken:
                return len(taken), b"".join(taken), number
            taken.append(line)
            size += len(line)
    if not taken and asked.start_line > max(1, number):
        raise ToolFailed("INVALID_INPUT", f"{asked.path!r} has {number} lines; there is no line {asked.start_line}")
    return len(taken), b"".join(taken), None


def _each_line(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yields each line, cut where it is too long to be shown, and how many bytes it really has."""
    while line := stream.readline(MOST_BYTES):
        length, whole = len(line), line.endswith(b"\n") or len(line) < MOST_BYTES
        while not whole and (more := stream.readline(1 << 20)):
            length, whole = length + len(more), more.endswith(b"\n") or length > MOST_SCANNED
        if length > len(line):
            start = line[: MOST_BYTES - 100]
            while start and start[-1] & 0xC0 == 0x80:  # not within a letter
                start = start[:-1]
            line = start[:-1] + f"… [this line has {length:,} bytes and was cut here]\n".encode()
        yield line, length


def _narrowed(stream: IO[bytes], path: str) -> IO[bytes]:
    """Returns a text in UTF-16 as one in UTF-8; it is held in memory, so it must not be large."""
    data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ToolFailed("LIMIT_REACHED", f"{path!r} is UTF-16 and has more than {LARGEST:,} bytes")
    return io.BytesIO(data.decode("utf-16", "replace").encode("utf-8", "replace"))


def _decoded(content: bytes, encoding: str) -> tuple[str, str]:
    """Returns the text, and the encoding that it had: Latin-1 when it is no UTF-8, since it takes any bytes."""
    if encoding == "utf-16":
        return content.decode("utf-8", "replace"), encoding
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


class SearchFilesTool(FileTool):
    """Searches the text files of a folder and of all below it.

    A regular expression that could take long runs in a process of its own, which is killed when time is up: inside
    this one nothing could stop it.
    """

    name = "search_files"
    description = (
        "Finds the lines of the workspace's text files that hold a text or match a regular expression. Skips binary "
        "files, files above 2 MiB, .git, node_modules and such."
    )
    models = (SearchFiles,)

    def touched(self, asked: Any) -> Touches:
        """Says that the folder is read."""
        return self.below(asked.path)

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Searches."""
        workers = context.resource(Workers)
        if asked.regex:
            await workers.thread(_check_expression, asked.pattern)  # large sets of letters take seconds to compile
        wanted = Search(
            root=str(self.workspace.root), pattern=asked.pattern, path=self.workspace.relative(asked.path),
            regex=asked.regex, ignore_case=asked.ignore_case, include=asked.include, maximum=asked.max_results,
        )  # fmt: skip
        if not asked.regex or _HARMLESS.fullmatch(asked.pattern):
            return await workers.thread(search, wanted)
        with anyio.move_on_after(MOST_SECONDS + 5.0):
            return await workers.process(search, wanted)
        raise ToolFailed(
            "TIMEOUT",
            f"{asked.pattern!r} took longer than {MOST_SECONDS + 5.0:g} s and was stopped; search for a text, for a "
            "simpler expression, or in fewer files",
        )


def _check_expression(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as of a set that will mean something else one day
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolFailed(
            "INVALID_INPUT", f"{pattern!r} is no regular expression: {error}; escape it, or leave regex out"
        ) from error


def file_tools(workspace: Workspace | Path | str) -> Sequence[FileTool]:
    """Returns the three tools that read files, for one workspace."""
    place = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
    return ListFilesTool(place), ReadFileTool(place), SearchFilesTool(place)
