"""The commands that reach into a run of another process: ``cancel``, ``answer`` and ``questions``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.core.events import Asked
    from stretto.stores.store import RunSummary, Store

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
        from stretto.cli.questions import choose

        async with existing(store) as opened:
            found = await find_run(opened, run_id)
            waiting = await unanswered(opened, found)
            if not words:
                return found, waiting, None
            asked = _which(found, waiting, words[0] if len(words) == 2 else None)
            choice = choose(asked, words[-1])
            await opened.post_answer(found, asked.request_id, choice, given, reason, by or _user())
            return found, [asked], choice

    found, asked, choice = drive(post())
    if choice is not None:
        screen.result(f"answered {choice!r} to {asked[0].request_id}: {asked[0].question}")
    elif not asked:
        screen.say(f"run {found} asks nothing")
    else:
        _list(screen, [(found, one) for one in asked])


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "another terminal"


def _which(run_id: str, waiting: list[Asked], named: str | None) -> Asked:
    from stretto.core.errors import StoreError, listed

    if named is not None:
        found = [one for one in waiting if one.request_id == named] or [
            one for one in waiting if one.request_id.startswith(named)
        ]
        if len(found) == 1:
            return found[0]
        asks = listed(one.request_id for one in waiting)
        raise StoreError(f"{named!r} is no open question of run {run_id!r}; it asks {asks}")
    if not waiting:
        raise StoreError(f"run {run_id!r} asks nothing (any more)")
    if len(waiting) > 1:
        ids = listed(one.request_id for one in waiting)
        raise StoreError(f"run {run_id!r} asks {len(waiting)} questions; name one of {ids}")
    return waiting[0]


async def unanswered(store: Store, run_id: str) -> list[Asked]:
    """Returns the questions of a run that nobody has answered, neither in its log nor in its mailbox."""
    from stretto.cli.places import told
    from stretto.cli.questions import open_questions

    posted = await store.answers(run_id)
    asked = open_questions(await told(store, run_id))
    return [one for request_id, one in asked.items() if request_id not in posted]


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

        async with existing(store) as opened:
            runs = [*await opened.runs(None, status="running"), *await opened.runs(None, status="interrupted")]
            return [(run.id, asked) for run in runs for asked in await unanswered(opened, run.id)]

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
    from stretto.cli.values import short

    for run_id, asked in found:
        screen.result(f"? {asked.question}", "bold yellow")
        screen.result(
            f"  {run_id}  {asked.request_id}" + (f"  ({asked.reason})" if asked.reason else ""), "bright_black"
        )
        if asked.details is not None:
            screen.result(f"  {short(asked.details, 600)}")
        words = "|".join(asked.choices) or "TEXT"
        named = f" '{asked.request_id}'" if len(found) > 1 else ""
        screen.result(f"  stretto answer {run_id}{named} {words}")
