"""The command ``stretto``: its commands, its options for all of them, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from stretto.cli import (
    agents,
    approvals,
    backup,
    chat,
    desktop,
    explaining,
    gallery,
    health,
    listing,
    mcp,
    models,
    running,
    serving,
    showing,
    steering,
)
from stretto.cli.exits import Exit, table
from stretto.cli.screen import Screen
from stretto.core.errors import StrettoError

_ANYWHERE = ("--no-color", "--debug")


class Commands(TyperGroup):
    """Takes the options for all commands anywhere on the line, and turns errors into sentences and exit statuses."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes ``--no-color`` and ``--debug`` out, wherever they stand before ``--``."""
        end = args.index("--") if "--" in args else len(args)
        given = {option for option in _ANYWHERE if option in args[:end]}
        kept = [arg for place, arg in enumerate(args) if place >= end or arg not in _ANYWHERE]
        ctx.obj = Screen(colour="--no-color" not in given, debug="--debug" in given)
        return super().parse_args(ctx, kept)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (StrettoError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                _drop_output()
                raise typer.Exit(Exit.PIPE) from None
            from stretto.cli.failures import tell

            raise typer.Exit(tell(ctx.obj, error)) from error
        except KeyboardInterrupt:
            ctx.obj.say("interrupted", "yellow")
            raise typer.Exit(Exit.INTERRUPTED) from None


def _drop_output() -> None:
    """Sends what is still to be written to nowhere, so that Python's last flush does not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(null, stream.fileno())


app = typer.Typer(
    name="stretto",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=f"[bold]Exit statuses[/bold]\n\n{table()}",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(context: typer.Context, asked: bool) -> None:
    if asked:
        health.version(context)
        raise typer.Exit


@app.callback()
def stretto(
    _: bool = typer.Option(
        False, "--version", callback=_tell_version, is_eager=True, help="Say which version this is, and leave."
    ),
    no_color: bool = typer.Option(
        False, "--no-color", help="No colours; NO_COLOR=1 says the same. May stand anywhere."
    ),
    debug: bool = typer.Option(False, "--debug", help="Whole tracebacks. May stand anywhere."),
) -> None:
    """Run the steps of workflows together, watch them, stop them, and go on with them.

    Results go to stdout, everything about the way there to stderr.
    """


app.command()(running.run)
app.command()(running.resume)
app.command()(explaining.plan)
app.add_typer(listing.runs, name="runs")
app.command()(showing.show)
app.command()(showing.gantt)
app.command()(steering.cancel)
app.command()(steering.answer)
app.command()(steering.questions)
app.command()(approvals.approvals)
app.command()(approvals.approve)
app.command()(approvals.reject)
app.command()(chat.chat)
app.command()(serving.serve)
app.command()(desktop.desktop)
app.add_typer(agents.agents, name="agents")
app.add_typer(models.models, name="models")
app.add_typer(mcp.mcp, name="mcp")
app.command("backup")(backup.back_up)
app.command()(backup.restore)
app.add_typer(gallery.examples, name="examples")
app.command()(health.doctor)
app.command()(health.version)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and leaves with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        app(args=None if arguments is None else list(arguments), prog_name="stretto", standalone_mode=True)
    finally:
        _drop_output()
