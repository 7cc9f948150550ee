"""Runs a step from the terminal: shows it while it lives, reads its mailbox, and stops it in order."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from stretto.cli.questions import Questions
from stretto.cli.screen import Screen
from stretto.core.errors import DefinitionError, StoreError
from stretto.core.events import Event
from stretto.core.outcome import Outcome
from stretto.core.step import Answer, Step
from stretto.monitoring.spans import SpanFold
from stretto.runtime.loop import drive
from stretto.runtime.run import Run, RunSettings, start
from stretto.stores.store import Store

TICK = 0.1
"""How often what happens is shown (seconds)."""
POLL = 0.5
"""How often the store's mailbox is looked into (seconds)."""
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
    """One run in this terminal; ``store`` keeps it and carries messages to it."""

    screen: Screen
    store: Store
    viewers: list[Viewer] = field(default_factory=list[Viewer])
    questions: Questions | None = None
    interrupts: int = 0
    _run: Run[Any] | None = None
    _told: set[str] = field(default_factory=set[str])

    def execute(self, step: Step[Any, Any], input: Any, settings: RunSettings) -> Finished:
        """Runs a step to its end; nothing is raised when the run fails."""
        return drive(self._execute(step, input, settings), self._interrupt)

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self._run is None:
            raise KeyboardInterrupt
        self._pause()
        self.screen.say("\nstopping in order; Ctrl-C again kills", "yellow")
        self._run.cancel("interrupted from the terminal")

    async def _execute(self, step: Step[Any, Any], input: Any, settings: RunSettings) -> Finished:
        async with self.store:
            await self.store.runs(1)  # opens it, or says why it cannot be, before the run's clock starts
            settings["store"] = self.store
            fold, cursor = SpanFold(), 0
            async with start(step, input, **settings) as run:
                self._run = run
                cursor = await self._follow(run, fold)
            self._feed(run, fold, cursor)
            for viewer in self.viewers:
                viewer.close(fold)
            stored = self.store.__class__.__name__ != "MemoryStore"
            return Finished(
                run.id, run.step.name, run.outcome, fold, run.abandoned, bool(run.log), stored, self.interrupts
            )

    async def _follow(self, run: Run[Any], fold: SpanFold) -> int:
        """Folds and shows what happens until the run has ended; returns how much of the log was taken."""
        cursor, next_draw, next_poll = 0, 0.0, time.monotonic() + POLL
        pause = TICK
        while not run.ended.is_set():
            with anyio.move_on_after(pause):
                await run.ended.wait()
            began = time.monotonic()
            cursor = self._feed(run, fold, cursor, CHUNK * 10)
            if began >= next_poll:
                await self._poll(run)
                next_poll = time.monotonic() + POLL
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

    async def _poll(self, run: Run[Any]) -> None:
        """Looks for what others have said: cancel, or an answer."""
        try:
            if await self.store.cancel_requested(run.id):
                run.cancel("cancelled by `stretto cancel`")
            if run.questions:
                for request_id, answer in (await self.store.answers(run.id)).items():
                    self._answer(run, request_id, answer)
        except StoreError as error:
            self._warn(f"the run's mailbox cannot be read: {error}")

    def _answer(self, run: Run[Any], request_id: str, answer: Answer) -> None:
        try:
            run.answer(request_id, answer.choice, value=answer.value, reason=answer.reason, by=answer.by)
        except DefinitionError as error:
            self._warn(f"an answer was passed over: {error}")

    def _warn(self, text: str) -> None:
        """Says something once."""
        if text not in self._told:
            self._told.add(text)
            self._pause()
            self.screen.say(text, "yellow")
