"""What a run's log amounts to: its summary, folded line by line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

from stretto.core.errors import StoreError
from stretto.core.events import step_name
from stretto.core.journal import Line

Status = Literal["queued", "running", "completed", "failed", "cancelled", "timed_out", "interrupted"]
"""How a run stands; ``interrupted`` is one without an end whose process is gone."""
OPEN: tuple[Status, Status] = ("queued", "running")
"""How a run without an end stands while its process lives."""

_PLACE, _KIND, _DATA = itemgetter(0), itemgetter(1), itemgetter(4)
_NUMBER = "0123456789]"
_RAN = '"source":"run"}'  # how the text of a step that really ran ends


@dataclass(frozen=True)
class StepCounts:
    """How often steps of a run began and ended; a step that resume runs again counts twice."""

    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    skipped: int = 0
    retried: int = 0


@dataclass(frozen=True)
class RunSummary:
    """A run in one row.

    ``started_at`` and ``ended_at`` are in seconds since the Unix epoch, ``duration`` is in seconds (of a live run: so
    far), ``size`` in characters of its log's JSON text, ``events`` how many lines that is; ``error`` is one sentence.
    """

    id: str
    name: str
    status: Status
    started_at: float
    ended_at: float | None
    duration: float
    steps: StepCounts
    error: str | None
    labels: Mapping[str, str]
    owner: str | None
    size: int
    events: int


@dataclass(slots=True)
class Tally:
    """The running sum of a run's lines; ``at`` is the last line's time, ``in_flight`` when live steps began."""

    id: str
    started_at: float
    name: str = ""
    status: Status = "queued"
    at: float = 0.0
    lines: int = 0
    size: int = 0
    error: str | None = None
    labels: dict[str, str] = field(default_factory=dict[str, str])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    in_flight: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, lines: Sequence[Line]) -> dict[str, list[float]]:
        """Adds lines, at least one, and returns how long the steps that they complete took (seconds, oldest first).

        Raises ``StoreError`` when the lines do not stand directly behind the last ones, and adds none then.
        """
        self._check_places(lines)
        counts, in_flight = self.counts, self.in_flight
        durations: dict[str, list[float]] = {}
        names: dict[str, str] = {}
        for kind, count in Counter(map(_KIND, lines)).items():
            counts[kind] = counts.get(kind, 0) + count
        for _, kind, path, at, data in lines:
            if kind == "step_started":
                in_flight[path] = at
            elif kind == "step_completed":
                began = in_flight.pop(path, None)
                if began is not None and data.endswith(_RAN):
                    place = path.rstrip(_NUMBER)  # 10,000 repeats or items of a step have one name: it is cut once
                    name = names.get(place)
                    if name is None:
                        name = step_name(path)
                        durations.setdefault(name, [])
                        if place.endswith(("#", "[")):
                            names[place] = name
                    durations[name].append(at - began)
            elif kind in _ENDS_STEP:
                in_flight.pop(path, None)
            elif kind in _TURNS:
                self._turn(kind, at, data)
        self.lines += len(lines)
        self.size += sum(map(len, map(_DATA, lines)))
        self.at = lines[-1].at
        return durations

    def _check_places(self, lines: Sequence[Line]) -> None:
        first = self.lines
        places = list(map(_PLACE, lines))
        if places != list(range(first, first + len(places))):
            wrong = next(
                place
                for place, wanted in zip(places, range(first, first + len(places)), strict=True)
                if place != wanted
            )
            what = "which is taken" if wrong < first else f"and leaves a gap: the next place is {first}"
            raise StoreError(f"run {self.id!r} cannot have a line at place {wrong}, {what}")

    def _turn(self, kind: str, at: float, data: str) -> None:
        held: dict[str, Any] = json.loads(data)
        if kind == "run_ended":
            self.status = status_of(held["status"])
            error = held.get("error")
            told = f"{error['type']}: {error['message']}" if error else None
            self.error = told and told.encode("utf-8", "replace").decode()  # a file's name may be no Unicode
            return
        self.status, self.error = "running", None
        if kind == "run_started":
            self.started_at = held["started_at"]
            self.name, self.labels = held["name"], held.get("labels", {})

    def summary(self, owner: str | None, alive: bool, now: float) -> RunSummary:
        """Returns the summary of the run at ``now`` (seconds since the Unix epoch)."""
        status: Status = self.status if self.status not in OPEN or alive else "interrupted"
        ended_at = None if self.status in OPEN else self.started_at + self.at
        duration = max(0.0, now - self.started_at) if status in OPEN else self.at
        counted = {name: self.counts.get(kind, 0) for name, kind in COUNTED.items()}
        return RunSummary(
            self.id, self.name, status, self.started_at, ended_at, duration, StepCounts(**counted), self.error,
            dict(self.labels), owner, self.size, self.lines,
        )  # fmt: skip

    def words(self) -> str:
        """Returns what a search by text looks through."""
        return "\n".join(
            [self.id, self.name, self.error or "", *(f"{k}={v}" for k, v in self.labels.items())]
        ).casefold()


_ENDS_STEP = frozenset({"step_failed", "step_timed_out", "step_cancelled"})
_TURNS = frozenset({"run_started", "run_resumed", "run_ended"})
COUNTED = {
    "started": "step_started",
    "completed": "step_completed",
    "failed": "step_failed",
    "cancelled": "step_cancelled",
    "timed_out": "step_timed_out",
    "skipped": "step_skipped",
    "retried": "step_retrying",
}
"""The fields of ``StepCounts`` and the kinds of events that they count."""
_STATUSES: dict[str, Status] = {
    "queued": "queued", "running": "running", "completed": "completed", "failed": "failed",
    "cancelled": "cancelled", "timed_out": "timed_out", "interrupted": "interrupted",
}  # fmt: skip


def status_of(text: str) -> Status:
    """Returns a status by its word; raises ``StoreError`` for a word that is none."""
    if text not in _STATUSES:
        raise StoreError(
            f"the log says that the run is {text!r}, which is no status; it was written by a newer version"
        )
    return _STATUSES[text]
