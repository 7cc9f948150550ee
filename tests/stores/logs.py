"""Logs to store: short ones with what a test asks for."""

from stretto.core.codec import encode
from stretto.core.events import ErrorRecord, Event, RunEnded, RunStarted, StepCompleted, StepFailed, StepStarted
from stretto.core.journal import Line, owner_of_this_process

DEAD = "elsewhere:1:0"
"""An owner on another machine, which is alive until it has been silent for long."""


def written(events: list[Event], first: int = 0) -> list[Line]:
    """Returns events as lines."""
    return [Line(first + at, event.kind, event.path, event.at, encode(event)) for at, event in enumerate(events)]


def started(run_id: str, name: str = "survey", started_at: float = 1000.0, **labels: str) -> RunStarted:
    """Returns the first event of a run."""
    return RunStarted("", 0.0, run_id, name, started_at, None, {}, labels)


def step(path: str, began: float, ended: float, output: object = None, source: str = "run") -> list[Event]:
    """Returns the events of a step that completed."""
    return [StepStarted(path, began), StepCompleted(path, ended, output, source)]


def failed(path: str, began: float, ended: float) -> list[Event]:
    """Returns the events of a step that raised."""
    return [StepStarted(path, began), StepFailed(path, ended, ErrorRecord("ValueError", "no", path))]


def ended(at: float, status: str = "completed", error: ErrorRecord | None = None) -> RunEnded:
    """Returns the last event of a run."""
    return RunEnded("", at, status, None, error)


async def keep(store, run_id: str, events: list[Event] | None = None, *, release: bool = True, **said) -> str:
    """Stores a run, which is a short one that completed unless events are given, and returns its owner."""
    if events is None:
        events = [started(run_id, **said), *step("look", 0.0, 2.0, 1), ended(5.0)]
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    await store.append(run_id, written(events))
    if release:
        await store.release(run_id, owner)
    return owner
