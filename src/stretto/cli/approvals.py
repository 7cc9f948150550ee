"""The commands for those who allow what agents want to do: ``approvals``, ``approve`` and ``reject``."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.requests import Line, Waiting
    from stretto.cli.screen import Screen
    from stretto.core.events import Asked

AGAIN = 1.0
"""How often ``--watch`` looks (seconds)."""

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run: its id or how that begins, last, or @2.")]
RequestArgument = Annotated[
    str | None, typer.Argument(metavar="REQUEST", help="What was asked, where there is more: its id, or how it begins.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; the agent is told.")]
ByOption = Annotated[str, typer.Option(help="Who says so; without it your name on this machine.")]


def approvals(
    context: typer.Context,
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="One run only: its id or how that begins, last, or @2.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show what comes and goes, until Ctrl-C.")] = False,
    store: StoreOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON array on stdout; with --watch one per change.")
    ] = False,
) -> None:
    """List the calls that wait for somebody to allow them, in all runs, the oldest first."""
    from stretto.cli.places import existing, find_run
    from stretto.cli.requests import waiting
    from stretto.runtime.loop import drive

    screen: Screen = context.obj

    async def look() -> None:
        import anyio

        async with existing(store) as opened:
            one = None if run_id is None else await find_run(opened, run_id)
            before: list[tuple[str, str]] | None = None
            while True:
                found = await waiting(opened, one)
                ids = [(each.run_id, each.asked.request_id) for each in found]
                if ids != before:
                    before = ids
                    _tell(screen, found, as_json=as_json, clear=watch)
                if not watch:
                    return
                await anyio.sleep(AGAIN)

    drive(look())


def _tell(screen: Screen, found: list[Waiting], *, as_json: bool, clear: bool) -> None:
    asked = [one for one in found if one.asked.topic == "approval"]
    if as_json:
        text = json.dumps([row(one) for one in asked], ensure_ascii=False, indent=None if clear else 2)
        screen.line(text)
        return
    if clear and screen.out.is_terminal:
        screen.out.clear()
    for number, one in enumerate(asked):
        if number:
            screen.result()
        for text, style in listed_lines(one):
            screen.result(text, style)
    if not asked:
        screen.say("nothing waits for an approval")
    if others := len(found) - len(asked):
        what = "question waits" if others == 1 else "questions wait"
        screen.say(f"{others} other {what}: stretto questions", "bright_black")


def listed_lines(one: Waiting) -> list[Line]:
    """Returns a request with its run, its age, and the commands that answer it."""
    import shlex

    from stretto.cli.listing import started
    from stretto.cli.requests import lines_of
    from stretto.monitoring.labels import clean

    asked = one.asked
    age = f" · asked {started(asked.asked_at)}" if asked.asked_at else ""
    state = "" if one.live else "; the run is interrupted and takes the answer when it is resumed"
    told = f"  run {one.run_id} ({clean(one.run_name)}){age}{state}"
    request = shlex.quote(asked.request_id)
    answers = f"  stretto approve {one.run_id} {request}   or: reject"
    return [*lines_of(asked), (told, "bright_black"), (answers, "")]


def row(one: Waiting) -> dict[str, Any]:
    """Returns a request for programs; times are in seconds, those of the day since the Unix epoch."""
    from stretto.cli.requests import agent_of
    from stretto.cli.values import readable

    asked = one.asked
    return {
        "request_id": asked.request_id, "run_id": one.run_id, "run_name": one.run_name, "live": one.live,
        "path": asked.path, "agent_id": agent_of(asked), "operation": asked.question, "topic": asked.topic,
        "risk": asked.risk,
        "reason": asked.reason, "arguments": readable(asked.value), "details": readable(asked.details),
        "choices": asked.choices, "asked_at": asked.asked_at, "age": max(0.0, time.time() - asked.asked_at),
        "deadline": None if one.deadline == math.inf else one.deadline, "default": asked.default,
    }  # fmt: skip


def approve(
    context: typer.Context,
    run_id: RunArgument,
    request: RequestArgument = None,
    edit: Annotated[
        str | None, typer.Option(help="The arguments as they shall be: JSON, @file, or - for stdin.", metavar="JSON")
    ] = None,
    editor: Annotated[bool, typer.Option("--editor", help="Edit the arguments in $VISUAL or $EDITOR.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Also all further calls of this tool in this run.")] = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    store: StoreOption = None,
) -> None:
    """Allow a call that a run asks about, as it is or with other arguments."""
    from stretto.cli.inputs import read_input
    from stretto.core.errors import DefinitionError

    if edit is not None and editor:
        raise DefinitionError("--edit and --editor say the same thing twice; give one of them")
    value = None
    if edit is not None:
        from stretto.cli.requests import read_edit

        value = read_edit(json.dumps(read_input(edit)))
    choice = "approve_all" if all_ else "approve"
    _post(context.obj, run_id, request, choice, store, value=value, reason=reason, by=by, edited=editor)


def reject(
    context: typer.Context,
    run_id: RunArgument,
    request: RequestArgument = None,
    reason: ReasonOption = "",
    by: ByOption = "",
    store: StoreOption = None,
) -> None:
    """Refuse a call that a run asks about, and say why."""
    _post(context.obj, run_id, request, "reject", store, reason=reason, by=by)


def _post(
    screen: Screen,
    text: str,
    request: str | None,
    choice: str,
    place: str | None,
    *,
    value: Any = None,
    reason: str = "",
    by: str = "",
    edited: bool = False,
) -> None:
    from stretto.runtime.loop import drive

    async def post() -> Waiting:
        from stretto.cli.places import existing, find_run
        from stretto.cli.requests import choose, find_request, waiting
        from stretto.cli.steering import user
        from stretto.stores.questions import whole

        async with existing(place) as store:
            run_id = await find_run(store, text)
            found = [one for one in await waiting(store, run_id) if "approve" in one.asked.choices]
            asked = find_request(run_id, [one.asked for one in found], request)
            given = _edited(await whole(store, run_id, asked)) if edited else value
            chosen = choose(asked, choice)
            await store.post_answer(run_id, asked.request_id, chosen, given, reason, by or user())
            return next(one for one in found if one.asked is asked)

    one = drive(post())
    word = {"approve": "approved", "approve_all": "approved with all of its kind", "reject": "rejected"}[choice]
    screen.result(f"{word}: {one.asked.question} ({one.asked.request_id} of run {one.run_id})")
    if not one.live:
        screen.say(
            f"the run is interrupted; it takes the answer when it goes on: stretto resume {one.run_id}", "yellow"
        )


def _edited(asked: Asked) -> dict[str, Any]:
    from stretto.cli.editor import Editing
    from stretto.cli.values import readable
    from stretto.core.errors import DefinitionError

    if asked.value is None:
        raise DefinitionError(f"{asked.request_id!r} has nothing that can be edited; approve or reject it as it is")
    return Editing(readable(asked.value)).result()
