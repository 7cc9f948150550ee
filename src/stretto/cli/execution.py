"""Runs a step from the terminal: shows it while it lives, asks what it asks, and stops it in order."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from stretto.cli.questions import Questions
from stretto.cli.screen import Screen
from stretto.core.events import Event
from stretto.core.outcome import Outcome
from stretto.core.step import Step
from stretto.monitoring.spans import SpanFold
from stretto.runtime.loop import drive
from stretto.runtime.run import Run, RunSettings, start
from stretto.stores.store import Store

TICK = 0.1
"""How often what happens is shown (seconds)."""
SHARE = 10.0
"""A view that took t seconds is left alone for ``SHARE`` × t, so that it never takes more than a tenth of the time."""
CHUNK = 2000
"""How many events are folded before the loop may go on with the run."""


class Viewer(ABC):
    """Shows a run while it lives."""

    @abstractmethod
    def events(self, fold: SpanFold, fresh: Sequence[Event], first: int) -> None:
        """Takes new events, which the fold has taken already; the first stands at place ``first`` of the log."""

    def draw(self, fold: SpanFold) -> None:
        """Shows how it stands."""

    def pause(self) -> None:
        """Makes room on the terminal for a question or a message; the next ``draw`` goes on."""

    def close(self, fold: SpanFold) -> None:
        """Shows the last state."""


@dataclass
class Finished:
    """How a run ended, and what is known of it."""

    run_id: str
    name: str
    outcome: Outcome[Any]
    fold: SpanFold
    abandoned: list[str]
    began: bool
    stored: bool
    interrupts: int = 0


@dataclass
class Session:
    """One run in this terminal; ``store`` keeps it."""

    screen: Screen
    store: Store
    viewers: list[Viewer] = field(default_factory=list[Viewer])
    questions: Questions | None = None
    interrupts: int = 0
    _run: Run[Any] | None = None

    def execute(self, step: Step[Any, Any], input: Any, settings: RunSettings) -> Finished:
        """Runs a step to its end; nothing is raised when the run fails."""
        return drive(self._execute(step, input, settings), self.interrupt)

    def interrupt(self) -> None:
        """Stops the run in order, as Ctrl-C does; raises ``KeyboardInterrupt`` when none is under way."""
        self.interrupts += 1
        if self._run is None:
            raise KeyboardInterrupt
        self._pause()
        if self.questions is not None:
            self.questions.stopping = True
        self.screen.say("\nstopping in order; Ctrl-C again kills", "yellow")
        self._run.cancel("interrupted from the terminal")

    async def _execute(self, step: Step[Any, Any], input: Any, settings: RunSettings) -> Finished:
        async with self.store:
            await self.store.runs(1)  # opens it, or says why it cannot be, before the run's clock starts
            return await self.carry_out(step, input, settings)

    async def carry_out(self, step: Step[Any, Any], input: Any, settings: RunSettings) -> Finished:
        """Runs a step to its end, in a loop that runs and with a store that is open already."""
        settings["store"] = self.store
        fold, cursor = SpanFold(), 0
        try:
            async with start(step, input, **settings) as run:
                self._run = run
                cursor = await self._follow(run, fold)
        finally:
            self._run = None
        self._feed(run, fold, cursor)
        for viewer in self.viewers:
            viewer.close(fold)
        stored = self.store.__class__.__name__ != "MemoryStore"
        return Finished(run.id, run.step.name, run.outcome, fold, run.abandoned, bool(run.log), stored, self.interrupts)

    async def _follow(self, run: Run[Any], fold: SpanFold) -> int:
        """Folds and shows what happens until the run has ended; returns how much of the log was taken."""
        cursor, next_draw = 0, 0.0
        pause = TICK
        while not run.ended.is_set():
            with anyio.move_on_after(pause):
                await run.ended.wait()
            began = time.monotonic()
            cursor = self._feed(run, fold, cursor, CHUNK * 10)
            if self.questions is not None:
                self.questions.look(run, fold, self._pause)
            if began >= next_draw and not (self.questions is not None and self.questions.open):
                fold.advance(run.now())
                for viewer in self.viewers:
                    viewer.draw(fold)
                next_draw = began + SHARE * (time.monotonic() - began)
            pause = max(TICK, SHARE * (time.monotonic() - began) if len(run.log) > CHUNK else 0.0)
        return cursor

    def _feed(self, run: Run[Any], fold: SpanFold, cursor: int, most: int | None = None) -> int:
        log = run.log
        while cursor < len(log):
            fresh = log[cursor : cursor + (most or CHUNK)]
            fold.feed_all(fresh)
            for viewer in self.viewers:
                viewer.events(fold, fresh, cursor)
            cursor += len(fresh)
            if most is not None:
                break
        return cursor

    def _pause(self) -> None:
        for viewer in self.viewers:
            viewer.pause()
