"""The commands that run: ``stretto run`` and ``stretto resume``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

Durability = Literal["sync", "async", "exit"]
WhenInFlight = Literal["ask", "retry", "abort"]
OnChange = Literal["refuse", "accept", "map"]

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
ChangeOption = Annotated[OnChange, typer.Option(help="What happens when the code of completed steps has changed.")]
OnChangeOption = Annotated[
    OnChange | None, typer.Option(help="What happens when the code of completed steps has changed.")
]
DurabilityOption = Annotated[Durability, typer.Option(help="When a completed step is on disk.")]


def run(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="flow.py, flow.py:name, module:name or plan.yaml", show_default=False),
    ],
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
    on_change: ChangeOption = "refuse",
    plan: Annotated[bool, typer.Option("--plan", help="Explain the plan before it runs.")] = False,
    gantt: Annotated[bool, typer.Option("--gantt", help="Draw the Gantt chart when it has ended.")] = False,
) -> None:
    """Run a workflow, a step, a function or a plan file, and watch it.

    Ctrl-C stops it in order and says what was kept; a second Ctrl-C kills. `stretto resume` goes on where it was.
    """
    from stretto.cli.inputs import pairs, read_input, seconds
    from stretto.cli.places import open_store
    from stretto.cli.targets import bounded, find_target
    from stretto.cli.watching import Showing, execute, remembered
    from stretto.runtime.run import RunSettings

    found = find_target(target)
    step = found.runnable if max_concurrency is None else bounded(found.runnable, max_concurrency)
    value = found.input(read_input(input, settings or (), found.given))
    labels = {
        **pairs(label or (), "--label"),
        **remembered(found.text, found.folder, value, max_concurrency, timeout),
    }
    chosen = RunSettings(durability=durability, labels=labels, in_flight=in_flight, on_change=on_change)
    if run_id is not None:
        _check_id(run_id, store)
        chosen["run_id"] = run_id
    if timeout is not None:
        chosen["timeout"] = seconds(timeout, "--timeout")
    showing = Showing(json, events, quiet, plan, gantt)
    if code := execute(context.obj, step, value, chosen, open_store(store), showing):
        raise typer.Exit(code)


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
    from stretto.cli.inputs import pairs, read_input, seconds
    from stretto.cli.places import open_store
    from stretto.cli.targets import bounded, find_target
    from stretto.cli.watching import FOLDER, INPUT, LIMIT, TARGET, TIMEOUT, Showing, execute
    from stretto.core.errors import DefinitionError
    from stretto.runtime.run import RunSettings

    id, labels = _remembered(run_id, store)
    if target is None and TARGET not in labels:
        raise DefinitionError(f"run {id!r} was not started by `stretto run`; say what it runs: --target flow.py:name")
    if input is None and INPUT not in labels and TARGET in labels:
        raise DefinitionError(f"the input of run {id!r} is too large to be remembered; give it again: --input @file")
    found = find_target(target or labels[TARGET], labels.get(FOLDER, "") if target is None else "")
    most = max_concurrency or (int(labels[LIMIT]) if LIMIT in labels else None)
    step = found.runnable if most is None else bounded(found.runnable, most)
    mapping = pairs(map or (), "--map")
    chosen = RunSettings(
        run_id=id, durability=durability, labels=labels, in_flight=in_flight, mapping=mapping,
        on_change=on_change or ("map" if mapping else "refuse"),
    )  # fmt: skip
    if (limit := timeout or labels.get(TIMEOUT)) is not None:
        chosen["timeout"] = seconds(limit, "--timeout")
    value = found.input(read_input(input, (), _loads(labels.get(INPUT))))
    showing = Showing(json, events, quiet, False, gantt)
    if code := execute(context.obj, step, value, chosen, open_store(store), showing):
        raise typer.Exit(code)


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)


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


def _check_id(run_id: str, place: str | None) -> None:
    """Raises ``StoreError`` when a run of this id is there already."""
    if place == "memory":
        return
    from stretto.cli.places import open_store
    from stretto.core.errors import StoreError
    from stretto.runtime.loop import drive

    async def look() -> list[str]:
        async with open_store(place) as store:
            return await store.ids(run_id)

    if run_id in drive(look()):
        raise StoreError(f"there is a run {run_id!r} already; `stretto resume {run_id}` goes on with it")
