"""Going on where a run was: the completed is not run again, the interrupted decided, changed code noticed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from stretto.core.decisions import Decisions
from stretto.core.errors import CodeChanged, ExecutionError, HumanAborted
from stretto.core.events import (
    TERMINAL,
    Event,
    Path,
    RunStarted,
    StepAbandoned,
    StepCompleted,
    StepStarted,
    StepUndone,
    name_of,
)
from stretto.core.outcome import Completed
from stretto.core.step import Request, Step
from stretto.runtime.people import ask_anew

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext

OnChange = Literal["refuse", "accept", "map"]
WhenInFlight = Literal["ask", "retry", "abort"]


@dataclass
class Replay:
    """What a log says that need not be done again."""

    done: dict[Path, Any] = field(default_factory=dict[Path, Any])
    in_flight: set[Path] = field(default_factory=set[Path])
    decisions: Decisions = field(default_factory=Decisions)
    started: RunStarted | None = None


def replay(events: Iterable[Event]) -> Replay:
    """Folds a log into what is completed, what may have been under way, and what humans have answered.

    A step that was started and has no end, was cancelled, timed out or abandoned counts as in flight: how far it came
    is not known. One that raised does not: it said so. What was undone is to be done again, and undone again.
    """
    found = Replay()
    for event in events:
        found.decisions.record(event)
        if isinstance(event, StepCompleted):
            found.done[event.path] = event.output
            found.in_flight.discard(event.path)
        elif isinstance(event, StepStarted | StepAbandoned):
            if event.path not in found.done:
                found.in_flight.add(event.path)
        elif event.kind in TERMINAL:
            if event.kind == "step_failed":
                found.in_flight.discard(event.path)
        elif isinstance(event, RunStarted):
            found.started = event
        elif isinstance(event, StepUndone) and event.error is None:
            undone = [path for path in found.done if _is_at(path, event.path) or _is_at(path, f"{event.path}.undo")]
            for path in undone:
                del found.done[path]
    return found


def _is_at(path: Path, top: Path) -> bool:
    return path == top or path.startswith(top + "/")


def check_code(
    run_id: str,
    found: Replay,
    now: Mapping[str, str],
    on_change: OnChange = "refuse",
    mapping: Mapping[str, str] | None = None,
) -> None:
    """Raises ``CodeChanged`` when completed work was done by code that is another now; renames paths by ``mapping``.

    Steps that are new, or that have completed nothing yet, may change freely: that is compatible.
    """
    if mapping:
        found.done = {_renamed(path, mapping): output for path, output in found.done.items()}
        found.in_flight = {_renamed(path, mapping) for path in found.in_flight}
        found.decisions = found.decisions.renamed(partial(_renamed, mapping=mapping))
    then = {
        _renamed(path, mapping or {}): digest for path, digest in (found.started.code if found.started else {}).items()
    }
    finished = {_declared(path) for path in found.done}
    changes: dict[str, str] = {}
    for path, digest in then.items():
        if path not in finished:
            continue
        if path not in now:
            changes[path] = "is gone or renamed, and had completed (needs mapping)"
        elif now[path] != digest and on_change == "refuse":
            changes[path] = "has changed since it completed"
    if changes and on_change != "accept":
        raise CodeChanged(run_id, changes)


def _renamed(path: Path, mapping: Mapping[str, str]) -> Path:
    for old, new in mapping.items():
        if path == old or path.startswith((old + "/", old + "[", old + "#", old + "?")):
            return new + path[len(old) :]
    return path


def _declared(path: Path) -> str:
    """Returns the path without items and repeats, as a definition knows it."""
    return "/".join(name.partition("[")[0].partition("#")[0] for name in path.split("/"))


async def settle_in_flight(child: RunContext, step: Step[Any, Any]) -> Completed[Any] | None:
    """Decides about a step that was under way when the run's process ended.

    Returns None when it shall run again, or the value that a human gave in its place.
    """
    state, path = child.state, child.path
    state.in_flight.discard(path)
    if step.transparent or step.policy.idempotent or state.when_in_flight == "retry":
        return None
    question = f"step {path!r} was under way when the run was interrupted, and may have done something already"
    if state.when_in_flight == "abort":
        raise ExecutionError(
            f"{question}; it is not idempotent, so it is not run again unasked: resume with in_flight='retry' or "
            "'ask', or say idempotent=True"
        )
    request = Request(
        question=f"{question}: run {name_of(path)!r} again, skip it with a value, or abort?",
        choices=("retry", "skip", "abort"),
        topic="decision",
    )
    answer = await ask_anew(child, request, "again")
    if answer.choice == "skip":
        return Completed(answer.value)
    if answer.choice == "retry":
        return None
    raise HumanAborted(path, question, answer.reason)
