"""Tells those who watch everything how the steps of the runs of this server go on, gathered a few times a second."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from stretto.core.events import Event, ModelDelta
from stretto.monitoring.timeline import TimelineFold, milliseconds
from stretto.runtime.run import Run
from stretto.server.hub import LONGEST, Hub
from stretto.server.timeline_forms import with_rows
from stretto.stores.summary import Status

GATHER = 0.1
"""How long changes gather before they are told (seconds), and how much longer at the most under load."""
SHARE = 10.0
"""How many times as long as telling took it waits at least before it tells again: others need the processor."""
MOST = 500
"""How many steps one event tells of at the most."""
FEW = 1000
"""The figures of a run with more steps are measured beside the loop."""


class SpanTeller:
    """Folds the log of one run; what has changed is told by ``SpanUpdates``, the rest when it is closed."""

    def __init__(self, updates: SpanUpdates, run: Run[Any], workflow_id: str | None) -> None:
        self._updates, self.run, self.workflow_id = updates, run, workflow_id
        self.fold, self.over = TimelineFold(), False

    def take(self, events: Sequence[Event]) -> None:
        """Takes the next events of the run's log, from its beginning; words of models cost next to nothing."""
        fold = self.fold
        for event in events:
            if type(event) is ModelDelta:
                fold.seq += 1
            else:
                fold.feed(event)
        if fold.changed:
            self._updates.awake(self)

    @property
    def status(self) -> Status:
        """How the run stands, as far as its log tells; one that is over without an end is interrupted."""
        match self.fold.root.status:
            case "completed" | "failed" | "cancelled" | "timed_out" as ended:
                return ended
            case _:
                return "interrupted" if self.run.ended.is_set() else "running"

    def told(self, figures: Mapping[str, Any], rows: Sequence[str], *, over: bool) -> bytes:
        """Returns what ``SpanUpdate`` describes, as JSON text."""
        fold, run = self.fold, self.run
        begun = fold.run.started_at
        told = {
            "run_id": run.id, "workflow_id": self.workflow_id, "name": fold.run.name or run.step.name,
            "status": self.status, "started_at": time.time() if begun is None else begun, "seq": fold.seq,
            "now": milliseconds(fold.now), "over": over, "summary": figures,
        }  # fmt: skip
        return with_rows(told, rows)

    async def close(self) -> None:
        """Tells what has not been told, and that nothing more comes; the rows of the run are written by now."""
        await self._updates.end(self)


class SpanUpdates:
    """Announces ``span_update`` events for runs.

    While nobody watches, changes only gather, at most one for each step of a run that goes on. Whoever comes loads the
    timelines that it shows; whoever comes back is told what has gathered.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._changed: dict[SpanTeller, None] = {}
        self._wake = anyio.Event()

    def follow(self, run: Run[Any], workflow_id: str | None = None) -> SpanTeller:
        """Returns what tells of a run."""
        return SpanTeller(self, run, workflow_id)

    def awake(self, teller: SpanTeller) -> None:
        """Takes that steps of a run have changed."""
        self._changed[teller] = None
        self._wake.set()

    async def work(self) -> None:
        """Tells what changed every now and then, until it is cancelled."""
        while True:
            await self._wake.wait()
            await self._hub.watched()
            await anyio.sleep(GATHER * (1 + self._hub.load.pause / LONGEST))
            self._wake = anyio.Event()
            changed, self._changed = self._changed, {}
            took = 0.0
            for teller in changed:
                took += await self._tell(teller)
            await anyio.sleep(took * SHARE)

    async def end(self, teller: SpanTeller) -> None:
        """Tells the last of a run; while nobody watches, of as many steps as one event takes."""
        self._changed.pop(teller, None)
        fold = teller.fold
        if self._hub.is_watched and len(fold.changed) > MOST:
            await self._tell(teller, least=MOST)
        rows = fold.changes(MOST)
        if not fold.is_over:
            figures = fold.counted()
        elif len(fold.spans) <= FEW:
            figures = fold.measured()
        else:
            figures = await anyio.to_thread.run_sync(fold.measured)
        teller.over = True
        self._hub.announce_to_all("span_update", teller.told(figures, rows, over=True))

    async def _tell(self, teller: SpanTeller, least: int = 0) -> float:
        """Tells what has changed in a run until no more than ``least`` is left, and returns how long that took."""
        fold, run, took = teller.fold, teller.run, 0.0
        for _ in range(0, len(fold.changed) - least, MOST):
            if teller.over:
                break
            began = time.perf_counter()
            if not run.ended.is_set():
                fold.advance(run.now())
            rows = fold.changes(MOST)
            self._hub.announce_to_all("span_update", teller.told(fold.counted(), rows, over=False))
            took += time.perf_counter() - began
            await anyio.lowlevel.checkpoint()
        return took
