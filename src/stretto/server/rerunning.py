"""Decides what of an earlier run a repetition keeps, and hands that on as the beginning of its log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from stretto.core.errors import DefinitionError, StoreError, listed
from stretto.core.events import (
    TERMINAL,
    AgentStarted,
    Answered,
    Asked,
    Event,
    HistoryShortened,
    Path,
    PlanMade,
    RunStarted,
    Said,
    StepCompleted,
    StepStarted,
    TaskChanged,
    parent_of,
)
from stretto.runtime.replay import replay

RERUN = "stretto.rerun"
"""The label by which a run says which run it repeats."""
Mode = Literal["all", "failed", "step"]
"""What is run again: everything, what failed, or a step with all that came after it."""
MODES: tuple[Mode, ...] = ("all", "failed", "step")
_TOLD = (AgentStarted, PlanMade, TaskChanged, Said, HistoryShortened, Asked, Answered)


class NothingFailed(StoreError):
    """Nothing in a run failed, so that nothing can be run again for that reason."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"nothing failed in run {run_id!r}; run all of it again, or from a step on")
        self.run_id = run_id


class StepNotRun(StoreError):
    """A step from which a run shall be repeated has never begun in it."""

    def __init__(self, run_id: str, path: Path, near: Sequence[Path]) -> None:
        hint = f"did you mean {listed(near)}?" if near else "its spans name the steps that have"
        super().__init__(f"no step {path!r} has begun in run {run_id!r}; {hint}")
        self.run_id, self.path, self.near = run_id, path, tuple(near)


def events_for(
    events: Iterable[Event],
    mode: str,
    path: Path | None = None,
    *,
    code: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> list[Event]:
    """Returns what a repetition of a run goes on from: nothing, or a beginning and the steps that it keeps.

    Kept steps took no time and no tokens in the repetition: they stand at its beginning with the source ``cache``, and
    are not run. ``failed`` keeps what has completed, and of a run that went on in spite of a failure nothing that may
    have used what came of it. ``step`` keeps what had begun before ``path`` ended and is neither in it nor around it.
    ``code`` are the fingerprints of the code as it is now, when kept steps may have been done by another; ``labels``
    are those of the repetition. Raises ``NothingFailed``, ``StepNotRun``, and ``DefinitionError`` for another mode.
    """
    log = _Log(events)
    if mode not in MODES:
        raise DefinitionError(f"mode must be one of {', '.join(MODES)}, not {mode!r:.80}")
    if mode == "all":
        return []
    again = log.failed() if mode == "failed" else log.from_step(path or "")
    kept = list(log.kept(again))
    if not kept or log.run is None:
        return []
    begun = replace(log.run, at=0.0, started_at=time.time(), code=dict(log.run.code if code is None else code))
    begun.labels = {**(log.run.labels if labels is None else labels), RERUN: log.run.run_id}
    return [begun, *kept]


class _Log:
    """What the log of a run says of its steps: where in it each began and ended last, and which are done."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self.done = set(replay(self.events).done)
        self.run: RunStarted | None = None
        self.began: dict[Path, int] = {}
        self.ended: dict[Path, int] = {}
        self.failures: set[Path] = set()
        for place, event in enumerate(self.events):
            if isinstance(event, RunStarted):
                self.run = event
            elif isinstance(event, StepStarted):
                self.began[event.path] = place
                self.ended.pop(event.path, None)
            elif isinstance(event, StepCompleted):
                self.began.setdefault(event.path, place)
                self.ended[event.path] = place
            elif event.kind in TERMINAL:
                self.ended[event.path] = place
                if event.kind != "step_cancelled":
                    self.failures.add(event.path)

    @property
    def run_id(self) -> str:
        return "" if self.run is None else self.run.run_id

    def failed(self) -> set[Path]:
        """Returns what is to be run again besides what has not completed; raises ``NothingFailed``."""
        survivors = {
            path: next((above for above in _above(path) if above in self.done), None)
            for path in self.began
            if path not in self.done
        }
        if None in survivors.values():  # what stopped the run has stopped all that is around it
            return set()
        again: set[Path] = set()
        for path, survivor in survivors.items():
            if path in self.failures and survivor is not None:  # a branch that lost a race was cancelled: no failure
                again |= self._redone({*_above(path)}, self.ended[survivor])
        if not again:
            raise NothingFailed(self.run_id)
        return again

    def from_step(self, path: Path) -> set[Path]:
        """Returns a step, all in and around it, and what began after its end; raises ``StepNotRun``."""
        if path not in self.began:
            raise StepNotRun(self.run_id, path, get_close_matches(path, self.began, 3, 0.5))
        within = {other for other in self.began if other.startswith(path + "/")}
        again = {path, *within, *_above(path)}
        return again if path not in self.ended else self._redone(again, self.ended[path])

    def _redone(self, again: set[Path], end: int) -> set[Path]:
        """Adds what began after a place in the log, save in branches that went on beside it and are kept."""
        for path, place in sorted(self.began.items(), key=lambda pair: pair[1]):
            around = next((above for above in _above(path) if above in self.began), None)
            if place > end and (around is None or around in again):
                again.add(path)
        return again

    def kept(self, again: set[Path]) -> Iterator[Event]:
        """Yields the events that tell of the steps that are kept, at the time 0."""
        kept = self.done - again
        for place, event in enumerate(self.events):
            if event.path not in kept:
                continue
            if isinstance(event, StepStarted) and place == self.began[event.path]:
                yield replace(event, at=0.0, queued=0.0)
            elif isinstance(event, StepCompleted) and place == self.ended[event.path]:
                yield replace(event, at=0.0, source="cache")
            elif isinstance(event, _TOLD):
                yield replace(event, at=0.0)


def _above(path: Path) -> list[Path]:
    """Returns the paths around a path, the nearest first."""
    found: list[Path] = []
    while path := parent_of(path):
        found.append(path)
    return found
