"""The commands that look at one run: ``stretto show`` and ``stretto gantt``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption
from stretto.core.events import Event, RunEnded

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.monitoring.spans import SpanFold
    from stretto.stores.store import RunSummary

IdArgument = Annotated[
    str, typer.Argument(metavar="[ID]", help="The run: its id or how that begins, last, or @2.", show_default=False)
]
TREE_ROWS = 60
"""How many lines of a run's tree are shown."""
ERRORS = 10
"""How many errors are told."""


def load(run_id: str, place: str | None) -> tuple[RunSummary, list[Event]]:
    """Returns a run's summary and its events; raises ``RunNotFound`` and what the store raises."""
    from stretto.cli.places import existing, find_run
    from stretto.runtime.loop import drive
    from stretto.stores.plain import told

    async def look() -> tuple[RunSummary, list[Event]]:
        async with existing(place) as store:
            found = await find_run(store, run_id)
            return await store.summary(found), await told(store, found)

    return drive(look())


def show(
    context: typer.Context,
    run_id: IdArgument = "last",
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    events: Annotated[bool, typer.Option("--events", help="The log as lines of JSON on stdout.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many lines of the tree.")] = TREE_ROWS,
) -> None:
    """Show what happened in a run: every step with its outcome, errors, figures and output."""
    from stretto.cli.lines import event_line
    from stretto.monitoring.spans import SpanFold

    screen: Screen = context.obj
    summary, log = load(run_id, store)
    if events:
        for place, event in enumerate(log):
            screen.out.file.write(event_line(place, event) + "\n")
        return
    fold = SpanFold(log)
    if as_json:
        screen.line(json.dumps(_document(summary, log, fold), ensure_ascii=False, indent=2))
        return
    _write(screen, summary, log, fold, rows)


def _document(summary: RunSummary, log: list[Event], fold: SpanFold) -> dict[str, Any]:
    from stretto.cli.ending import document
    from stretto.cli.listing import shown_labels
    from stretto.cli.values import readable

    ended = next((event for event in reversed(log) if isinstance(event, RunEnded)), None)
    over = ended is not None and fold.root.end is not None
    output = readable(ended.output) if over and ended is not None and ended.status == "completed" else None
    steps = [
        {
            "path": span.path, "status": span.status, "start": span.start, "end": span.end,
            "duration": span.duration(fold.now), "queued": span.queued, "attempts": span.attempts,
            "source": span.source, "reason": span.reason,
            "error": None if span.error is None else {"type": span.error.type, "message": span.error.message},
        }
        for span in fold.spans.values()
    ]  # fmt: skip
    made = document(summary.id, summary.status, output, fold.root.error, fold)
    return {**made, "started_at": summary.started_at, "labels": shown_labels(summary.labels), "steps": steps}


def _write(screen: Screen, summary: RunSummary, log: list[Event], fold: SpanFold, most: int) -> None:
    from stretto.cli.ending import headline, output_rows, write_rows
    from stretto.cli.listing import MARKS, shown_labels, started
    from stretto.cli.live import picture
    from stretto.cli.screen import command
    from stretto.cli.tree import Interest
    from stretto.cli.values import readable
    from stretto.monitoring.labels import clean
    from stretto.monitoring.palette import LOOKS

    first, style, figures = headline(summary.name, summary.status, fold)
    if summary.status in ("interrupted", "running", "queued"):
        look = LOOKS[MARKS[summary.status]]
        first, style = f"{look.sign} {summary.name} is {summary.status}", look.style
    screen.result(clean(first), f"bold {style}")
    rows = [("run", f"{summary.id}   started {started(summary.started_at)}")]
    if labels := shown_labels(summary.labels):
        rows.append(("labels", " ".join(f"{key}={value}" for key, value in labels.items())))
    if fold.run.resumed:
        rows.append(("resumed", "once" if fold.run.resumed == 1 else f"{fold.run.resumed} times"))
    write_rows(screen, [*rows, *figures])
    screen.result()
    interest = Interest()
    interest.take(fold, log)
    screen.out.print(
        picture(interest, fold, screen.out.width - 1, most, unicode=screen.unicode), end="", soft_wrap=True
    )
    _write_errors(screen, fold)
    ended = next((event for event in reversed(log) if isinstance(event, RunEnded)), None)
    if ended is not None and ended.status == "completed" and fold.root.end is not None:
        screen.result()
        write_rows(screen, output_rows(readable(ended.output)))
    if summary.status in ("interrupted", "failed", "cancelled", "timed_out"):
        screen.result()
        screen.result(f"go on with: {command()} resume {summary.id}", "yellow")


def _write_errors(screen: Screen, fold: SpanFold) -> None:
    """Writes the errors where they were raised first, with the last lines of their tracebacks."""
    from stretto.monitoring.labels import clean

    seen: set[tuple[str, str, str]] = set()
    failed = [span for span in fold.spans.values() if span.error is not None]
    for span in failed:
        error = span.error
        if (
            error is None
            or (error.path or span.path) != span.path
            or (key := (error.path, error.type, error.message)) in seen
        ):
            continue
        seen.add(key)
        if len(seen) > ERRORS:
            continue
        screen.result()
        screen.result(f"{clean(span.path)}", "bold red")
        screen.result(f"  {error.type.removeprefix('builtins.')}: {clean(error.message)}", "red")
        for line in _last_frames(error.traceback):
            screen.result(f"  {clean(line)}", "bright_black")
    if len(seen) > ERRORS:
        screen.result(f"… {len(seen) - ERRORS:,} more errors", "red")


def _last_frames(traceback: str) -> list[str]:
    """Returns the lines of a kept traceback that belong to the user's files."""
    lines = traceback.splitlines()
    kept: list[str] = []
    for place, line in enumerate(lines):
        if line.startswith('  File "') and "/stretto/" not in line.replace("\\", "/") and "/asyncio/" not in line:
            kept.append(line.strip())
            if place + 1 < len(lines) and lines[place + 1].startswith("    "):
                kept.append("  " + lines[place + 1].strip())
    return kept[-6:]


def gantt(
    context: typer.Context,
    run_id: IdArgument = "last",
    svg: Annotated[Path | None, typer.Option(help="Write it as a picture.", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as a page that opens offline.", metavar="FILE")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write a trace for Perfetto and Chrome.", metavar="FILE")] = None,
    width: Annotated[int | None, typer.Option(min=60, max=200, help="How many columns wide.")] = None,
    rows: Annotated[int, typer.Option(min=5, help="How many rows.")] = 40,
    store: StoreOption = None,
) -> None:
    """Draw a run's Gantt chart: in the terminal, or into files."""
    from stretto.monitoring.html import draw_html
    from stretto.monitoring.spans import SpanFold
    from stretto.monitoring.svg import draw_svg
    from stretto.monitoring.terminal import draw_rich
    from stretto.monitoring.trace import draw_trace

    screen: Screen = context.obj
    _, log = load(run_id, store)
    fold = SpanFold(log)
    for path, draw in ((svg, draw_svg), (html, draw_html), (trace, draw_trace)):
        if path is not None:
            path.write_text(draw(fold), "utf-8")
            screen.say(f"wrote {path}")
    if svg is None and html is None and trace is None:
        drawn = draw_rich(fold, width=width or screen.out.width, max_rows=rows, ascii=not screen.unicode)
        screen.out.print(drawn, end="", soft_wrap=True)
