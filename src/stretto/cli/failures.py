"""Tells of errors: one clear sentence, the path, and of a traceback only the frames of the user's own code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stretto.cli.exits import Exit, exit_of_error
from stretto.cli.screen import Screen, harmless
from stretto.cli.targets import TargetBroken
from stretto.core.errors import CodeChanged, StrettoError
from stretto.monitoring.labels import clean
from stretto.runtime.records import NOTE, origin

FRAMES = 6
"""How many frames of a traceback are shown."""
MEMBERS = 10
"""How many errors of a group are shown."""
_OURS = str(Path(__file__).resolve().parents[1])
_MACHINERY = ("<frozen ", "importlib", "asyncio", "concurrent", "anyio", "multiprocessing", "threading.py", "runpy.py")


def tell(screen: Screen, error: BaseException) -> Exit:
    """Writes an error that a command ended with to stderr, and returns the exit status for it."""
    if screen.debug:
        screen.err.print(harmless("".join(traceback.format_exception(error))), soft_wrap=True)
    for place, line in enumerate(str(error).splitlines() or [type(error).__name__]):
        screen.say(f"{'stretto: ' if not place else '  '}{clean(line)}", "red")
    _tell_way_out(screen, error)
    for note in getattr(error, "__notes__", ()):
        if not note.startswith(NOTE):
            screen.say(f"  {clean(note)}", "bright_black")
    if isinstance(error, TargetBroken) and error.__cause__ is not None:
        for line in user_frames(error.__cause__):
            screen.say(line, "bright_black")
    return exit_of_error(error)


def _tell_way_out(screen: Screen, error: BaseException) -> None:
    if isinstance(error, CodeChanged):
        screen.say("  on the command line: --on-change accept, or --map OLD=NEW for steps that were renamed", "yellow")


def tell_failure(screen: Screen, error: BaseException, indent: str = "") -> None:
    """Writes what made a run fail: where, what, and the user's frames; the members of a group one by one."""
    where = origin(error)
    if where:
        screen.say(f"{indent}in {clean(where)}", "red")
    message = str(error)
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    for line in told.splitlines()[:20]:
        screen.say(f"{indent}{clean(line)}", "red")
    _tell_way_out(screen, error)
    for note in getattr(error, "__notes__", ()):
        if not note.startswith(NOTE):
            screen.say(f"{indent}  {clean(note)}", "bright_black")
    if members := _members(error):
        for member in members[:MEMBERS]:
            tell_failure(screen, member, indent + "  ")
        if len(members) > MEMBERS:
            screen.say(f"{indent}  … {len(members) - MEMBERS:,} more errors", "red")
    elif not isinstance(error, StrettoError) and not screen.debug:
        for line in user_frames(error):
            screen.say(indent + line, "bright_black")
    if screen.debug and not indent:
        screen.err.print(harmless("".join(traceback.format_exception(error))), soft_wrap=True)


def _members(error: BaseException) -> tuple[BaseException, ...]:
    held: Any = error
    members: tuple[BaseException, ...] = held.exceptions if hasattr(held, "exceptions") else ()
    return members


def user_frames(error: BaseException) -> Iterator[str]:
    """Yields the last frames of an error's traceback that are neither Stretto's nor Python's machinery."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    if len(frames) > FRAMES:
        yield f"  … {len(frames) - FRAMES} more frames"
    for frame in frames[-FRAMES:]:
        yield f"  {_near(frame.filename)}:{frame.lineno} in {frame.name}"
        if frame.line:
            yield f"    {clean(frame.line.strip())}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and not isinstance(cause, StrettoError) and frames:
        yield f"  because of {type(cause).__name__}: {clean(str(cause))}"


def _is_users(filename: str) -> bool:
    if filename.startswith(_OURS):
        return False
    return not any(part in filename for part in _MACHINERY)


def _near(filename: str) -> str:
    """Returns a file's name from the working directory where it lies below that."""
    path = Path(filename)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return filename
