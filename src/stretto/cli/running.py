"""The commands that run: ``stretto run`` and ``stretto resume``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stretto.cli.screen import Screen

Durability = Literal["sync", "async", "exit"]
WhenInFlight = Literal["ask", "retry", "abort"]
OnChange = Literal["refuse", "accept", "map"]

TARGET, FOLDER, INPUT, LIMIT, TIMEOUT = (
    "stretto.target", "stretto.folder", "stretto.input", "stretto.max_concurrency", "stretto.timeout",
)  # fmt: skip
"""The labels by which a run remembers how it was started."""
LONGEST_LABEL = 100_000
"""How many characters of an input are remembered; a longer one has to be given again."""

StoreOption = Annotated[
    str | None,
    typer.Option(help="Where runs are kept: a path, postgresql://user@host/name, or memory.", metavar="PLACE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout at the end.")]
EventsOption = Annotated[bool, typer.Option("--events", help="Every event as a line of JSON on stdout as it happens.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Only the output, and errors.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Puts a value (JSON or text) into the input.", metavar="KEY=VALUE")
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", help="The input: JSON, a file that holds it, or - for stdin.", metavar="JSON|@FILE|-"
    ),
]
MostOption = Annotated[
    int | None, typer.Option("--max-concurrency", min=1, help="At most so many branches at once.", metavar="N")
]
TimeoutOption = Annotated[
    str | None, typer.Option(help="How long the run may take: 90, 90s, 15m, 12h.", metavar="DURATION")
]
InFlightOption = Annotated[
    WhenInFlight, typer.Option(help="What becomes of steps that are not idempotent and were under way.")
]
OnChangeOption = Annotated[
    OnChange | None, typer.Option(help="What happens when the code of completed steps has changed.")
]
DurabilityOption = Annotated[Durability, typer.Option(help="When a completed step is on disk.")]


@dataclass(frozen=True)
class Showing:
    """How a run is shown."""

    json: bool = False
    events: bool = False
    quiet: bool = False
    plan: bool = False
    gantt: bool = False

    @property
    def machine(self) -> str:
        """``json``, ``events`` or nothing: what is written to stdout for a program to read."""
        return "events" if self.json and self.events else "json" if self.json else ""


def run(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="flow.py, flow.py:name, module:name or plan.yaml", show_default=False)],
    input: InputOption = None,
    settings: SetOption = None,
    max_concurrency: MostOption = None,
    timeout: TimeoutOption = None,
    durability: DurabilityOption = "async",
    store: StoreOption = None,
    run_id: Annotated[str | None, typer.Option(help="The run's id; made up without one.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Says something about the run.", metavar="K=V")] = None,
    json: JsonOption = False,
    events: EventsOption = False,
    quiet: QuietOption = False,
    in_flight: InFlightOption = "ask",
    on_change: OnChangeOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Explain the plan before it runs.")] = False,
    gantt: Annotated[bool, typer.Option("--gantt", help="Draw the Gantt chart when it has ended.")] = False,
) -> None:
    """Run a workflow, a step, a function or a plan file, and watch it.

    Ctrl-C stops it in order and says what was kept; a second Ctrl-C kills. `stretto resume` goes on where it was.
    """
    from stretto.cli.inputs import pairs, read_input
    from stretto.cli.targets import find_target

    found = find_target(target)
    value = read_input(input, settings or (), found.given)
    labels = {
        **pairs(label or (), "--label"),
        **_memory(found.text, found.folder, value, max_concurrency, timeout),
    }
    showing = Showing(json, events, quiet, plan, gantt)
    _check_id(run_id, store)
    execute(
        context.obj, found.text, value, labels, showing, store=store, run_id=run_id, durability=durability,
        in_flight=in_flight, on_change=on_change or "refuse", most=max_concurrency, timeout=timeout,
    )  # fmt: skip


def resume(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run: its id or how that begins, last, or @2.")],
    target: Annotated[str | None, typer.Option(help="What to run, where the run does not remember it.")] = None,
    input: InputOption = None,
    in_flight: InFlightOption = "ask",
    on_change: OnChangeOption = None,
    map: Annotated[list[str] | None, typer.Option(help="A step that was renamed.", metavar="OLD=NEW")] = None,
    max_concurrency: MostOption = None,
    timeout: TimeoutOption = None,
    durability: DurabilityOption = "async",
    store: StoreOption = None,
    json: JsonOption = False,
    events: EventsOption = False,
    quiet: QuietOption = False,
    gantt: Annotated[bool, typer.Option("--gantt", help="Draw the Gantt chart when it has ended.")] = False,
) -> None:
    """Go on with a run that was interrupted, cancelled, or has failed; completed steps are not run again."""
    from stretto.cli.inputs import pairs, read_input
    from stretto.core.errors import DefinitionError

    id, labels = _remembered(run_id, store)
    if target is None and TARGET not in labels:
        raise DefinitionError(f"run {id!r} was not started by `stretto run`; say what it runs: --target flow.py:name")
    if input is None and INPUT not in labels and TARGET in labels:
        raise DefinitionError(f"the input of run {id!r} is too large to be remembered; give it again: --input @file")
    given = read_input(input, (), _loads(labels.get(INPUT)))
    mapping = pairs(map or (), "--map")
    limit = labels.get(LIMIT)
    execute(
        context.obj, target or labels[TARGET], given, labels, Showing(json, events, quiet, False, gantt),
        folder=labels.get(FOLDER, "") if target is None else "", store=store, run_id=id, durability=durability,
        in_flight=in_flight, on_change=on_change or ("map" if mapping else "refuse"), mapping=mapping,
        most=max_concurrency or (int(limit) if limit else None), timeout=timeout or labels.get(TIMEOUT),
    )  # fmt: skip


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _memory(target: str, folder: str, value: Any, most: int | None, timeout: str | None) -> dict[str, str]:
    remembered = {TARGET: target, FOLDER: str(Path(folder).resolve())}
    if len(text := json.dumps(value)) <= LONGEST_LABEL:
        remembered[INPUT] = text
    if most is not None:
        remembered[LIMIT] = str(most)
    if timeout is not None:
        remembered[TIMEOUT] = timeout
    return remembered


def _remembered(run_id: str, place: str | None) -> tuple[str, Mapping[str, str]]:
    from stretto.cli.places import existing, find_run
    from stretto.core.errors import RunBusy, StoreError
    from stretto.runtime.loop import drive

    async def look() -> tuple[str, Mapping[str, str]]:
        async with existing(place) as store:
            found = await store.summary(await find_run(store, run_id))
            if found.status == "completed":
                raise StoreError(f"run {found.id!r} has completed; there is nothing to go on with")
            if found.status in ("running", "queued"):
                raise RunBusy(found.id, found.owner or "another process")
            return found.id, found.labels

    return drive(look())


def _check_id(run_id: str | None, place: str | None) -> None:
    """Raises ``StoreError`` when a run of this id is there already."""
    if run_id is None or place == "memory":
        return
    from stretto.cli.places import open_store
    from stretto.core.errors import StoreError
    from stretto.runtime.loop import drive

    async def look() -> list[str]:
        async with open_store(place) as store:
            return await store.ids(run_id)

    if run_id in drive(look()):
        raise StoreError(f"there is a run {run_id!r} already; `stretto resume {run_id}` goes on with it")


def execute(
    screen: Screen,
    target: str,
    value: Any,
    labels: Mapping[str, str],
    showing: Showing,
    *,
    folder: str = "",
    store: str | None = None,
    run_id: str | None = None,
    durability: Durability = "async",
    in_flight: WhenInFlight = "ask",
    on_change: OnChange = "refuse",
    mapping: Mapping[str, str] | None = None,
    most: int | None = None,
    timeout: str | None = None,
) -> None:
    """Runs a target in this terminal, says how it ended, and leaves with the exit status for that."""
    from stretto.cli.ending import report
    from stretto.cli.execution import Session
    from stretto.cli.inputs import seconds
    from stretto.cli.places import open_store
    from stretto.cli.questions import Questions, can_ask
    from stretto.cli.targets import bounded, find_target
    from stretto.monitoring.terminal import draw_rich
    from stretto.runtime.run import RunSettings

    found = find_target(target, folder)
    step = found.runnable if most is None else bounded(found.runnable, most)
    if showing.plan and found.plan is not None:
        screen.say(found.plan.explain(limit=12))
    settings = RunSettings(
        durability=durability, labels=labels, in_flight=in_flight, on_change=on_change, mapping=mapping or {}
    )
    if run_id is not None:
        settings["run_id"] = run_id
    if timeout is not None:
        settings["timeout"] = seconds(timeout, "--timeout")
    session = Session(screen, open_store(store), _viewers(screen, showing), Questions(screen, can_ask()))
    finished = session.execute(step, value, settings)
    code = report(screen, finished, machine=showing.machine, quiet=showing.quiet)
    if showing.gantt and finished.fold.spans:
        console = screen.err if showing.machine else screen.out
        console.print()
        console.print(draw_rich(finished.fold, width=console.width, ascii=not screen.unicode), end="", soft_wrap=True)
    if code:
        raise typer.Exit(code)


def _viewers(screen: Screen, showing: Showing) -> list[Any]:
    from stretto.cli.lines import EventLines, LineView
    from stretto.cli.live import LiveView

    viewers: list[Any] = [EventLines()] if showing.events else []
    if showing.quiet or (showing.events and sys.stdout.isatty()):
        return viewers
    return [*viewers, LiveView(screen) if screen.err.is_terminal else LineView(screen)]
