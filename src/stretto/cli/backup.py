"""The commands that copy the database, and put a copy back: ``stretto backup`` and ``stretto restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.stores.backup import Restored

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The copy.")]


def back_up(
    context: typer.Context,
    file: FileArgument,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    store: StoreOption = None,
) -> None:
    """Copy the database into a file, while runs and the server go on."""
    from stretto.cli.places import existing
    from stretto.runtime.loop import drive
    from stretto.stores import backup

    screen: Screen = context.obj

    async def copy() -> int:
        async with existing(store) as opened:
            return await backup.back_up(opened, file, replace=force)

    screen.say(f"{drive(copy()):,} bytes written to {file}")


def restore(
    context: typer.Context,
    file: FileArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there; it is kept in FILE.before-restore beside it.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Put a copy in the place of the database, when no server and no run uses it."""
    from stretto.cli.places import existing
    from stretto.runtime.loop import drive
    from stretto.stores import backup

    screen: Screen = context.obj

    async def put_back() -> Restored:
        async with existing(store) as opened:
            return await backup.restore(opened, file, replace=force)

    restored = drive(put_back())
    screen.say(f"restored: {_counted(restored.runs, 'run')}, {_counted(restored.workflows, 'workflow')}")
    if restored.before is not None:
        screen.say(f"what was there before is in {restored.before}")


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing if count == 1 else f'{thing}s'}"
