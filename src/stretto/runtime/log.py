"""The run's log: written once, in order, read from any place, and kept by one writer that commits in groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

from stretto.core.codec import decode, encode
from stretto.core.events import Event, ModelDelta
from stretto.core.journal import Durability, Journal, Line

GROUP = 8000
"""How many lines the writer commits at once at the most."""
INTERVAL = 0.05
"""How long a writer gathers lines between two commits for which nobody waits (seconds): it shares the interpreter with
the run."""
EACH, LONGEST = 0.02, 1.0
"""How much longer a ``sync`` writer gathers words for each log that is being written, and how long at the most
(seconds): as many as there are, they do not keep the disk and the interpreter busy with what nobody waits for."""


_new_line: Callable[[type[Line], tuple[int, str, str, float, str]], Line]
# What Line(…) calls in the end, in half its time.
_new_line = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # of what, it asks


class EventLog:
    """An append-only list of events that readers follow at their own pace.

    With a journal every event is encoded when it is appended, so that what is stored is what the value was at that
    moment; ``write`` commits what has gathered since the last commit, and ``writers`` counts the logs that are being
    written. With ``retain`` no more than about that many of the events that are kept stay in memory: ``dropped`` counts
    those that do not, and readers find them in the journal.
    """

    __slots__ = (
        "_awaited",
        "_closed",
        "_encoded",
        "_gathering",
        "_news",
        "_pending",
        "_sync",
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
    writers: ClassVar[int] = 0

    def __init__(
        self, run_id: str, now: Callable[[], float], journal: Journal | None = None, retain: int | None = None
    ) -> None:
        self.run_id, self.now, self.journal, self.retain = run_id, now, journal, retain
        self.dropped = 0
        self.events: list[Event] = []
        self.broken: BaseException | None = None
        self.first = self._written = self._encoded = self._awaited = 0
        self._pending: list[Line] = []
        self._news: list[asyncio.Future[None]] = []
        self._gathering: asyncio.Future[None] | None = None
        self._closed = self._sync = False

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
            if self._sync and type(event) is not ModelDelta:
                self._hasten()
        self.events.append(event)
        if self._news:
            self._announce()

    def _hasten(self) -> None:
        """Has a ``sync`` writer commit all that was appended without gathering more."""
        self._awaited = self._encoded
        if self._sync:
            self._gathered()

    def _announce(self) -> None:
        news, self._news = self._news, []
        for waiter in news:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._news.append(waiter)
        await waiter

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
        """Commits lines in groups until the log is closed and all of them are kept (``exit``: only then).

        What is ``sync`` lets the words of models gather, for which nobody waits, and nothing else.
        """
        if self.journal is None:
            return
        self._sync = durability == "sync"
        EventLog.writers += 1
        try:
            await self._write(self.journal, durability)
        finally:
            EventLog.writers -= 1

    async def _write(self, journal: Journal, durability: Durability) -> None:
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
            if durability == "exit" or self._closed:
                continue
            if not self._sync:
                await self._gather(INTERVAL)
            elif self._awaited <= self._written:
                await self._gather(min(LONGEST, max(INTERVAL, EACH * EventLog.writers)))

    async def _gather(self, seconds: float) -> None:
        """Lets lines gather for a while, or until the log is closed or somebody waits for them."""
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
        if self._written < goal:
            self._hasten()
        while self._written < goal:
            if self.broken is not None:
                raise self.broken
            await self._wait()
