"""The run's log: written once, in order, read from any place, and kept by one writer that commits in groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from stretto.core.codec import decode, encode
from stretto.core.events import Event
from stretto.core.journal import Durability, Journal, Line

GROUP = 8000
"""How many lines the writer commits at once at the most."""
INTERVAL = 0.05
"""How long an ``async`` writer gathers lines between two commits (seconds): it shares the interpreter with the run."""


_new_line: Callable[[type[Line], tuple[int, str, str, float, str]], Line]
# What Line(…) calls in the end, in half its time.
_new_line = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # of what, it asks


class EventLog:
    """An append-only list of events that readers follow at their own pace.

    With a journal every event is encoded when it is appended, so that what is stored is what the value was at that
    moment; ``write`` commits what has gathered since the last commit. With ``retain`` no more than about that many of
    the events that are kept stay in memory: ``dropped`` counts those that do not, and readers find them in the journal.
    """

    __slots__ = (
        "_closed",
        "_encoded",
        "_gathering",
        "_news",
        "_pending",
        "_written",
        "broken",
        "dropped",
        "events",
        "first",
        "journal",
        "now",
        "retain",
        "run_id",
    )

    def __init__(
        self, run_id: str, now: Callable[[], float], journal: Journal | None = None, retain: int | None = None
    ) -> None:
        self.run_id, self.now, self.journal, self.retain = run_id, now, journal, retain
        self.dropped = 0
        self.events: list[Event] = []
        self.broken: BaseException | None = None
        self.first = self._written = self._encoded = 0
        self._pending: list[Line] = []
        self._news: asyncio.Future[None] | None = None
        self._gathering: asyncio.Future[None] | None = None
        self._closed = False

    def begin(self, first: int) -> None:
        """Goes on after the ``first`` lines that the journal has already."""
        self.first = self._written = self._encoded = first

    def append(self, event: Event) -> None:
        """Adds an event; raises ``OutputNotStorable`` before it is added when a journal could not keep it."""
        if self._closed:
            return
        if self.journal is not None:
            line = (self._encoded, event.kind, event.path, event.at, encode(event))
            self._pending.append(_new_line(Line, line))
            self._encoded += 1
        self.events.append(event)
        if self._news is not None:
            self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    async def _wait(self) -> None:
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._news)

    def close(self) -> None:
        """Says that nothing more will be appended."""
        self._closed = True
        self._announce()
        self._gathered()

    async def since(self, cursor: int = 0) -> AsyncIterator[Event]:
        """Yields the events from a place on, live, until the run has ended."""
        async for events in self.batches(cursor):
            for event in events:
                yield event

    async def batches(self, cursor: int = 0) -> AsyncIterator[list[Event]]:
        """Yields the events from a place on, all that are there at once, live, until the run has ended."""
        while True:
            if cursor < self.dropped and self.journal is not None:
                kept = await self.journal.read(self.run_id, cursor)
                found = [decode(*line[1:]) for line in kept]
            else:
                found = self.events[cursor - self.dropped :]
            if found:
                cursor += len(found)
                yield found
            elif self._closed:
                return
            else:
                await self._wait()

    def _drop(self) -> None:
        """Lets go of events that are kept, a good many at once."""
        if self.retain is not None:
            surplus = self._written - self.retain - self.dropped
            if surplus > self.retain:
                del self.events[:surplus]
                self.dropped += surplus

    async def write(self, durability: Durability) -> None:
        """Commits lines in groups until the log is closed and all of them are kept (``exit``: only then)."""
        journal = self.journal
        if journal is None:
            return
        while True:
            while not self._pending or (durability == "exit" and not self._closed):
                if self._closed and not self._pending:
                    return
                await self._wait()
            group, self._pending = self._pending[:GROUP], self._pending[GROUP:]
            try:
                await journal.append(self.run_id, group)
            except Exception as error:
                self.broken = error
                self._announce()
                raise
            self._written = group[-1].seq + 1
            self._drop()
            self._announce()
            if durability == "async" and not self._closed:
                await self._gather(INTERVAL)

    async def _gather(self, seconds: float) -> None:
        """Lets lines gather for a while, or until the log is closed."""
        loop = asyncio.get_running_loop()
        self._gathering = loop.create_future()
        timer = loop.call_later(seconds, self._gathered)
        try:
            await self._gathering
        finally:
            timer.cancel()

    def _gathered(self) -> None:
        if self._gathering is not None and not self._gathering.done():
            self._gathering.set_result(None)

    async def flushed(self) -> None:
        """Waits until everything appended so far is durable; raises what broke the store."""
        if self.journal is None:
            return
        goal = self._encoded
        while self._written < goal:
            if self.broken is not None:
                raise self.broken
            await self._wait()
