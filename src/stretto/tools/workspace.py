"""A folder that nobody leaves: files in it are opened one name after the other, and no link leads out.

Every name of a path is opened from the folder that was opened before it, never through a link (``O_NOFOLLOW``). Links
are read and followed here, one name at a time, so that what is swapped between a look and an opening cannot lead out
either. ``..`` goes back to a folder that is held open, and never above the workspace. Source of the method:
``openat2(2)``, ``RESOLVE_BENEATH``, done in user space.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from stretto.core.errors import DefinitionError
from stretto.tools.tool import ToolFailed

Kind = Literal["file", "directory"]

MOST_LINKS = 40
"""How many links one path may lead through."""
LONGEST_PATH = 4_096
_NEEDED = ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_DIRECTORY")  # O_NONBLOCK: a FIFO must not hang
_FLAGS = sum(getattr(os, name, 0) for name in _NEEDED[:-1]) | os.O_RDONLY
_CAN = os.open in os.supports_dir_fd and all(hasattr(os, name) for name in _NEEDED)


class Workspace:
    """A folder, and what may be opened in it; paths are relative to it, with ``/``."""

    def __init__(self, root: Path | str) -> None:
        if not _CAN:
            raise DefinitionError("this system cannot open files from a folder (openat), so no workspace is safe here")
        self._named = os.path.abspath(root)
        try:
            self.root = Path(root).resolve(strict=True)
        except (OSError, ValueError) as error:
            raise DefinitionError(f"the workspace {str(root)!r} cannot be used: {error}") from error
        if not self.root.is_dir():
            raise DefinitionError(f"the workspace {str(root)!r} is no folder; name the folder that the files are in")

    def relative(self, path: str) -> str:
        """Returns a path as it is known in the workspace (``.`` is the top); raises ``ToolFailed`` for one outside.

        Nothing is looked up for that; an absolute path is taken when it begins with the workspace's own.
        """
        if "\x00" in path:
            raise ToolFailed("INVALID_INPUT", "a path cannot hold a NUL character")
        if len(path) > LONGEST_PATH:
            raise ToolFailed("INVALID_INPUT", f"a path has at most {LONGEST_PATH:,} characters")
        if path.startswith("/"):
            known = self._named if posixpath.normpath(path).startswith(f"{self._named}/") else self.root
            path = posixpath.relpath(path, known)
        plain = posixpath.normpath(path or ".")
        if plain == ".." or plain.startswith("../"):
            raise outside(path)
        return plain

    @contextmanager
    def opened(self, path: str, kind: Kind) -> Generator[int]:
        """Opens a file or folder and yields its descriptor, which is closed afterwards; raises ``ToolFailed``."""
        held = [self._top()]
        try:
            yield self._walk(held, path, kind)
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _top(self) -> int:
        try:
            return os.open(self.root, _FLAGS | os.O_DIRECTORY)
        except OSError as error:
            raise ToolFailed("NOT_FOUND", f"the workspace is gone: {error.strerror}") from error

    def _walk(self, held: list[int], path: str, kind: Kind) -> int:
        """Opens name after name; ``held`` are the folders from the workspace down to where it stands."""
        names = self.relative(path).split("/")[::-1]
        links = 0
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if len(held) == 1:
                    raise outside(path)
                os.close(held.pop())
                continue
            target = self._enter(held, name, path, last=not names, kind=kind)
            if target is not None:
                links += 1
                if links > MOST_LINKS:
                    raise ToolFailed("INVALID_INPUT", f"{path!r} leads through more than {MOST_LINKS} links")
                if target.startswith("/"):
                    target = posixpath.relpath(target, self.root)
                    if target.split("/")[0] == "..":
                        raise outside(path)
                    while len(held) > 1:
                        os.close(held.pop())
                names += target.split("/")[::-1]
        if kind == "directory" or not stat.S_ISDIR(os.fstat(held[-1]).st_mode):
            return held[-1]
        raise ToolFailed("INVALID_INPUT", f"{path!r} is a folder; list it with list_files")

    @staticmethod
    def _enter(held: list[int], name: str, path: str, *, last: bool, kind: Kind) -> str | None:
        """Opens one name and puts it on ``held``; returns where it leads instead when it is a link."""
        here = held[-1]
        try:
            mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                return os.readlink(name, dir_fd=here)
            _check_kind(mode, path, last=last, kind=kind)
            descriptor = os.open(name, _FLAGS, dir_fd=here)
        except OSError as error:
            raise _failure(error, path) from error
        held.append(descriptor)
        _check_kind(os.fstat(descriptor).st_mode, path, last=last, kind=kind)  # it may have been swapped meanwhile
        return None


def _check_kind(mode: int, path: str, *, last: bool, kind: Kind) -> None:
    if stat.S_ISDIR(mode):
        return
    if not stat.S_ISREG(mode):
        raise ToolFailed("PERMISSION_DENIED", f"{path!r} is a device, a pipe or a socket; only files can be read")
    if not last or kind == "directory":
        raise ToolFailed("INVALID_INPUT", f"{path!r} is no folder; read it with read_file")


def outside(path: str) -> ToolFailed:
    """Returns the failure that says that a path leads out."""
    return ToolFailed(
        "PERMISSION_DENIED", f"{path!r} leads out of the workspace; use paths relative to it, as list_files shows them"
    )


def _failure(error: OSError, path: str) -> ToolFailed:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ToolFailed("NOT_FOUND", f"there is no {path!r}; list_files shows what there is")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.EINVAL):  # it has become a link since the look, or ceased to be
        return ToolFailed("CONFLICT", f"{path!r} is changing right now; try again")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ToolFailed("PERMISSION_DENIED", f"{path!r} may not be read by this process")
    return ToolFailed("EXECUTION_FAILED", f"{path!r} cannot be opened: {error.strerror}")
