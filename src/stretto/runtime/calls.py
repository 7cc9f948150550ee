"""A function call on its way to another process and back: the request, the answer, and what went wrong between."""

from __future__ import annotations

import io
import pickle
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from stretto.core.errors import DefinitionError, MemoryExceeded, NotSendable, ProcessDied, ProcessRaised
from stretto.core.step import Step
from stretto.runtime.child import MAIN, rebuild

LENGTH = 8
"""How many bytes say how long an answer is."""
TAIL = 4_000
"""How many bytes of what a process wrote last an error shows."""


def request(
    path: str, function: Callable[..., Any], args: Sequence[Any], keywords: Mapping[str, Any], memory: int | None
) -> bytes:
    """Returns what a child reads from its stdin; raises ``DefinitionError`` or ``NotSendable``."""
    header = {**place(path, function), "memory": memory, "path": sys.path, "argv": sys.argv, "main": _main()}
    try:
        return pickle.dumps(header) + pickle.dumps((tuple(args), dict(keywords)))
    except Exception as error:
        raise NotSendable(path, "the input", f"{type(error).__name__}: {error}") from error


def place(path: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Returns where another process finds a function: module, file and qualified name."""
    name, qualname = str(function.__module__), str(function.__qualname__)
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None and name == "__main__":
        raise DefinitionError(
            f"{path!r}: {qualname!r} was defined in an interactive session, where no other process finds it; "
            "put it into a file and import it"
        )
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not function and (getattr(found, "function", None) is not function or not isinstance(found, Step)):
        raise DefinitionError(
            f"{path!r}: another process would look for {name}:{qualname}, but that is "
            f"{'nothing' if found is None else 'something else'} here; "
            "isolation='process' needs a function at a module's top level under its own name"
        )
    return {"module": name, "file": file, "qualname": qualname}


def _main() -> dict[str, Any]:
    module = sys.modules["__main__"]
    spec = getattr(module, "__spec__", None)
    return {"module": spec.name if spec is not None else None, "file": getattr(module, "__file__", None)}


class Answer:
    """Gathers a child's answer; ``complete`` is told once when all of it is there."""

    def __init__(self, complete: Callable[[], None]) -> None:
        self._data = bytearray()
        self._complete = complete

    def __call__(self, data: bytes) -> None:
        """Takes a piece in."""
        self._data += data
        if self.is_complete:
            self._complete()

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there."""
        return len(self._data) >= LENGTH and len(self._data) >= LENGTH + int.from_bytes(self._data[:LENGTH], "big")

    def open(self, path: str, memory: int | None) -> Any:
        """Returns the output; raises what the function raised, ``MemoryExceeded`` or ``NotSendable``."""
        try:
            kind, *held = _Reader(io.BytesIO(self._data[LENGTH:])).load()
        except Exception as error:
            raise NotSendable(path, "the output", f"{type(error).__name__}: {error}") from error
        if kind == "value":
            return held[0]
        if kind == "memory":
            raise MemoryExceeded(path, memory or 0)
        if kind == "unsendable":
            raise NotSendable(path, "the output", held[0])
        raise self._error(path, *held)

    def _error(self, path: str, how: bytes | None, kind: str, message: str, told: str) -> BaseException:
        error: BaseException = ProcessRaised(path, kind, message)
        if how is not None:
            try:
                error = rebuild(_Reader(io.BytesIO(how)).load())
            except Exception as unreadable:  # noqa: BLE001  # its class is not to be had here: its words must do
                error.__cause__ = unreadable
        error.add_note(f"in the process of {path!r}:\n{told.rstrip()}")
        return error


class _Reader(pickle.Unpickler):
    """Reads what a child wrote; its copy of the main program is our main program."""

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class("__main__" if module == MAIN else module, name)


class Printed:
    """Passes what a process prints to our stderr, line by line, and keeps the end of it for error texts."""

    def __init__(self) -> None:
        self._line = b""
        self._tail = b""

    def __call__(self, data: bytes) -> None:
        """Takes a piece in."""
        self._tail = (self._tail + data)[-TAIL:]
        lines, newline, self._line = (self._line + data).rpartition(b"\n")
        self._show(lines + newline)

    def close(self) -> str:
        """Shows the last line, if it has no end, and returns the tail."""
        self._show(self._line)
        self._line = b""
        return self._tail.decode("utf-8", "replace").strip()

    def _show(self, data: bytes) -> None:
        with suppress(OSError, ValueError, AttributeError):  # no stderr, or a closed one: the step is none the worse
            sys.stderr.write(data.decode("utf-8", "replace"))
            sys.stderr.flush()


def died(path: str, status: int, tail: str) -> ProcessDied:
    """Returns the error of a process that ended without an answer."""
    if status >= 0:
        return ProcessDied(path, f"exited with status {status} without an answer", tail)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return ProcessDied(path, f"was killed by {name}", tail)
