"""Errors as the log keeps them: their type, their words, where they began, and the first few tracebacks."""

from __future__ import annotations

import traceback

from stretto.core.events import ErrorRecord, Path
from stretto.runtime.state import RunState

MAX_TRACEBACKS = 50
"""How many tracebacks a run keeps; the errors after them are kept without."""
NOTE = "stretto: raised in step "


def origin(error: BaseException) -> Path | None:
    """Returns the path that ``note_path`` has noted on an error."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith(NOTE):
            return str(note)[len(NOTE) + 1 : -1]
    return None


def note_path(error: BaseException, path: Path) -> None:
    """Notes on an error in which step it was raised first."""
    if origin(error) is None:
        error.add_note(f"{NOTE}{path!r}")


def record(state: RunState, error: BaseException, path: Path) -> ErrorRecord:
    """Returns an error as it is kept, with its traceback where it was raised first."""
    began = origin(error)
    told = ""
    if began is None and state.tracebacks < MAX_TRACEBACKS:
        state.tracebacks += 1
        told = "".join(traceback.format_exception(error))
    return ErrorRecord(f"{type(error).__module__}.{type(error).__qualname__}", str(error), began or path, told)
