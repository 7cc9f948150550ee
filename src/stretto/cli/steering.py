"""The commands that reach into a run of another process: ``cancel``, ``answer`` and ``questions``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.core.events import Asked
    from stretto.stores.store import RunSummary

AGAIN = 0.2
"""How often a run is looked at while something is waited for (seconds)."""


def cancel(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run: its id or how that begins, last, or @2.")],
    wait: Annotated[str, typer.Option(help="How long to wait for its end.", metavar="DURATION")] = "30s",
    store: StoreOption = None,
) -> None:
    """Ask the process that runs a run to stop it in order, and say what happened."""
    from stretto.cli.exits import Exit
    from stretto.cli.inputs import seconds
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    patience = seconds(wait, "--wait")
    summary = drive(_cancel(run_id, patience, store))
    done = summary.steps.completed
    if summary.status in ("running", "queued"):
        screen.say(
            f"run {summary.id} was asked to stop and still runs in {summary.owner} after {patience:g} s; "
            "it looks into its mailbox twice a second, unless a step of it blocks the event loop",
            "yellow",
        )
        raise typer.Exit(Exit.TIMED_OUT)
    kept = f"{done:,} completed {'step is' if done == 1 else 'steps are'} kept"
    if summary.status == "completed":
        screen.result(f"run {summary.id} had completed before it could be cancelled")
    elif summary.status == "cancelled":
        screen.result(f"run {summary.id} is cancelled; {kept}; go on with: stretto resume {summary.id}")
    else:
        screen.result(f"run {summary.id} is {summary.status.replace('_', ' ')}; {kept}")


async def _cancel(text: str, patience: float, place: str | None) -> RunSummary:
    import anyio

    from stretto.cli.places import existing, find_run

    async with existing(place) as store:
        run_id = await find_run(store, text)
        await store.request_cancel(run_id)
        summary = await store.summary(run_id)
        with anyio.move_on_after(patience):
            while summary.status in ("running", "queued"):
                await anyio.sleep(AGAIN)
                summary = await store.summary(run_id)
        return summary


def answer(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run: its id or how that begins, last, or @2.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REQUEST] CHOICE", help="What was asked, where there is more; the choice."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    value: Annotated[str | None, typer.Option(help="A value that goes with the answer.", metavar="JSON")] = None,
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    store: StoreOption = None,
) -> None:
    """Answer what a run asks, from any terminal; without a choice, show what it asks."""
    from stretto.cli.inputs import read_input
    from stretto.core.errors import DefinitionError
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    if words is not None and len(words) > 2:
        raise DefinitionError("answer takes a choice, or the id of a question and a choice; reasons go into --reason")
    given = None if value is None else read_input(value)

    async def post() -> tuple[str, list[Asked], str | None]:
        from stretto.cli.places import existing, find_run
        from stretto.cli.requests import find_request, read_reply
        from stretto.stores.questions import unanswered

        async with existing(store) as opened:
            found = await find_run(opened, run_id)
            waiting = await unanswered(opened, found)
            if not words:
                return found, waiting, None
            asked = find_request(found, waiting, words[0] if len(words) == 2 else None)
            reply = read_reply(asked, words[-1])
            sent = reply.value if value is None else given
            await opened.post_answer(found, asked.request_id, reply.choice, sent, reason or reply.reason, by or user())
            return found, [asked], reply.choice

    found, asked, choice = drive(post())
    if choice is not None:
        screen.result(f"answered {choice!r} to {asked[0].request_id}: {asked[0].question}")
    elif not asked:
        screen.say(f"run {found} asks nothing")
    else:
        _list(screen, [(found, one) for one in asked])


def user() -> str:
    """Returns who sits at this terminal."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "another terminal"


def questions(
    context: typer.Context,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array on stdout.")] = False,
) -> None:
    """List what runs ask and nobody has answered yet."""
    from stretto.runtime.loop import drive

    screen: Screen = context.obj

    async def look() -> list[tuple[str, Asked]]:
        from stretto.cli.places import existing
        from stretto.cli.requests import waiting

        async with existing(store) as opened:
            return [(one.run_id, one.asked) for one in await waiting(opened)]

    found = drive(look())
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "run_id": run_id, "request_id": asked.request_id, "path": asked.path, "question": asked.question,
                "choices": asked.choices, "reason": asked.reason, "details": asked.details,
            }
            for run_id, asked in found
        ]  # fmt: skip
        screen.line(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not found:
        screen.say("nobody asks anything")
    else:
        _list(screen, found)


def _list(screen: Screen, found: list[tuple[str, Asked]]) -> None:
    import shlex

    from stretto.cli.requests import form_of, lines_of

    for run_id, asked in found:
        for text, style in lines_of(asked):
            screen.result(text, style)
        words = "|".join(asked.choices) or "TEXT"
        if form_of(asked) is not None:
            words = "skip, or its answer"
        named = f" {shlex.quote(asked.request_id)}" if len(found) > 1 else ""
        screen.result(f"  stretto answer {run_id}{named} {words}")
