"""Lets somebody edit a value in the editor of their choice, beside a run that goes on meanwhile."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from stretto.cli.requests import read_edit
from stretto.core.errors import DefinitionError


def editor_of() -> list[str] | None:
    """Returns the command line of the user's editor (``$VISUAL``, ``$EDITOR``), None when there is none."""
    return shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "") or None


class Editing:
    """A value that is being edited in a program of its own."""

    def __init__(self, value: Any) -> None:
        command = editor_of()
        if command is None:
            raise DefinitionError("there is no editor: set $VISUAL or $EDITOR, or give the arguments as JSON")
        descriptor, name = tempfile.mkstemp(suffix=".json", prefix="stretto-")
        self._path = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        try:
            self._process = subprocess.Popen([*command, name])
        except OSError as error:
            self._path.unlink()
            raise DefinitionError(f"the editor {command[0]!r} cannot be started: {error.strerror}") from None

    @property
    def done(self) -> bool:
        """Whether the editor has been left."""
        return self._process.poll() is not None

    def result(self) -> dict[str, Any]:
        """Waits for the editor, and returns what was written; raises ``DefinitionError`` when it is no JSON object."""
        status = self._process.wait()
        try:
            if status:
                raise DefinitionError(f"the editor ended with status {status}; nothing was taken from it")
            return read_edit(self._path.read_text("utf-8"))
        finally:
            self._path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Ends the editor, because nobody waits for the answer any more."""
        self._process.terminate()
        self._process.wait()
        self._path.unlink(missing_ok=True)
