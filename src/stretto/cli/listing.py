"""The commands over many runs: ``stretto runs``, ``runs prune`` and ``runs delete``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.stores.store import RunSummary

Status = Literal["queued", "running", "completed", "failed", "cancelled", "timed_out", "interrupted"]
HIDDEN = "stretto."
"""How labels begin that only the command line reads."""

runs = typer.Typer(help="List runs, newest first; prune and delete them.", invoke_without_command=True)


@runs.callback()
def list_runs(
    context: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only runs that stand so.")] = None,
    name: Annotated[str | None, typer.Option(help="Only runs of this name.")] = None,
    text: Annotated[str | None, typer.Option("--search", help="A part of id, name, error or labels.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array on stdout.")] = False,
) -> None:
    """List runs, newest first; prune and delete them."""
    if context.invoked_subcommand is not None:
        return
    from stretto.cli.places import existing
    from stretto.runtime.loop import drive

    screen: Screen = context.obj

    async def look() -> list[RunSummary]:
        async with existing(store) as opened:
            return await opened.runs(limit, status=status, name=name, text=text)

    found = drive(look())
    if as_json:
        screen.line(json.dumps([summary_json(run) for run in found], ensure_ascii=False, indent=2))
    elif not found:
        screen.say("no runs" if status or name or text else "no runs yet; `stretto examples` shows what could run")
    else:
        screen.out.print(_table(found, screen))


def summary_json(run: RunSummary) -> dict[str, Any]:
    """Returns a run's row as JSON values."""
    return {**asdict(run), "labels": shown_labels(run.labels)}


def shown_labels(labels: Any) -> dict[str, str]:
    """Returns the labels that were given by people."""
    return {name: value for name, value in labels.items() if not name.startswith(HIDDEN)}


def _table(found: list[RunSummary], screen: Screen) -> Any:
    from rich.table import Table
    from rich.text import Text

    from stretto.monitoring.labels import clean
    from stretto.monitoring.palette import LOOKS
    from stretto.monitoring.units import duration_text

    table = Table(box=None, pad_edge=False, header_style="bright_black", padding=(0, 2, 0, 0))
    for heading in ("run", "name", "status", "started"):
        table.add_column(heading, no_wrap=True)
    for heading in ("duration", "steps"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for run in found:
        look = LOOKS[MARKS.get(run.status, "pending")]
        labels = " ".join(f"{key}={value}" for key, value in shown_labels(run.labels).items())
        table.add_row(
            run.id,
            clean(run.name),
            Text(f"{look.sign if screen.unicode else look.plain} {run.status.replace('_', ' ')}", style=look.style),
            started(run.started_at),
            duration_text(run.duration),
            f"{run.steps.completed:,}/{run.steps.started:,}",
            Text(clean(run.error or labels), style="red" if run.error else "bright_black"),
        )
    return table


MARKS: dict[str, Any] = {
    "queued": "pending", "running": "running", "completed": "completed", "failed": "failed",
    "cancelled": "cancelled", "timed_out": "timed_out", "interrupted": "abandoned",
}  # fmt: skip
"""The mark of each status of a run."""


def started(at: float) -> str:
    """Returns a moment (Unix epoch) as people say it: how long ago, or the date."""
    ago = time.time() - at
    if ago < 60:
        return "just now"
    if ago < 3600:
        return f"{int(ago // 60)} min ago"
    moment = datetime.fromtimestamp(at).astimezone()
    if moment.date() == datetime.now().astimezone().date():
        return moment.strftime("%H:%M")
    return moment.strftime("%Y-%m-%d %H:%M")


@runs.command()
def prune(
    context: typer.Context,
    older_than: Annotated[
        str | None, typer.Option(help="Ended longer ago than that: 12h, 30d.", metavar="DURATION")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep the newest so many.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help=f"Only runs that stand so ({', '.join(get_args(Status))}); may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The ids as a JSON array on stdout.")] = False,
) -> None:
    """Remove runs that are over: by age, number or status. Runs that are live always stay."""
    from stretto.cli.inputs import seconds
    from stretto.cli.places import existing
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    statuses: tuple[Status, ...] = tuple(_status(word) for word in status or ())
    age = None if older_than is None else seconds(older_than, "--older-than")

    async def remove() -> list[str]:
        async with existing(store) as opened:
            return await opened.prune(older_than=age, keep=keep, statuses=statuses if status else None, dry_run=dry_run)

    gone = drive(remove())
    if as_json:
        screen.line(json.dumps(gone))
        return
    for run_id in gone if dry_run else ():
        screen.line(run_id)
    would = "would be removed" if dry_run else "removed"
    screen.say(f"{len(gone):,} {'run' if len(gone) == 1 else 'runs'} {would}")


def _status(word: str) -> Status:
    from stretto.core.errors import DefinitionError

    known: tuple[Status, ...] = get_args(Status)
    for status in known:
        if word == status:
            return status
    raise DefinitionError(f"--status takes one of {', '.join(known)}, not {word!r}")


@runs.command()
def delete(
    context: typer.Context,
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or how they begin.")],
    store: StoreOption = None,
) -> None:
    """Remove runs with all that is theirs."""
    from stretto.cli.places import existing, find_run
    from stretto.runtime.loop import drive

    screen: Screen = context.obj

    async def remove() -> list[str]:
        async with existing(store) as opened:
            found = [await find_run(opened, run_id) for run_id in run_ids]
            for run_id in dict.fromkeys(found):
                await opened.delete(run_id)
            return found

    for run_id in drive(remove()):
        screen.say(f"removed {run_id}")
