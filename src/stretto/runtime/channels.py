"""Bounded channels between branches of one run; who waits at one is seen by the deadlock detection."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from stretto.core.events import Path
from stretto.core.policies import whole
from stretto.core.resources import Channel, Channels, EndOfChannel
from stretto.runtime.state import RunState, was_granted


class BranchChannels(Channels):
    """Makes the channels of one run."""

    def __init__(self, state: RunState, path: Path) -> None:
        self._state, self._path = state, path

    def open(self, size: int) -> Channel[Any]:
        """Returns a channel that holds at most ``size`` items."""
        whole("a channel", "size", size)
        return BoundedChannel(self._state, self._path, size)


class BoundedChannel(Channel[Any]):
    """A bounded row of items; senders and receivers are served in order of arrival."""

    def __init__(self, state: RunState, path: Path, size: int) -> None:
        self._state, self._path, self._size = state, path, size
        self._inside: deque[Any] = deque()
        self._senders: deque[asyncio.Future[None]] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """Returns how many items are inside."""
        return len(self._inside)

    def offer(self, item: Any) -> bool:
        """Puts an item in unless the channel is full; raises ``EndOfChannel`` once it is closed."""
        if self._closed:
            raise EndOfChannel
        if len(self._inside) >= self._size:
            return False
        self._inside.append(item)
        self._wake(self._receivers)
        return True

    async def send(self, item: Any) -> None:
        """Puts an item in, and waits while the channel is full."""
        while not self.offer(item):
            await self._turn(self._senders, "room in its channel")

    async def receive(self, timeout: float | None = None) -> Any:
        """Takes an item out; raises ``EndOfChannel`` or, after ``timeout`` seconds, ``TimeoutError``."""
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        while not self._inside:
            if self._closed:
                raise EndOfChannel
            if until is not None and loop.time() >= until:
                raise TimeoutError
            await self._turn(self._receivers, "an item", until)
        item = self._inside.popleft()
        self._wake(self._senders)
        return item

    def close(self) -> None:
        """Says that no more items will be sent."""
        self._closed = True
        while self._receivers:
            self._wake(self._receivers)
        while self._senders:
            self._wake(self._senders)

    def _wake(self, row: deque[asyncio.Future[None]]) -> None:
        while row:
            future = row.popleft()
            if not future.done():
                self._state.wake(future)
                return

    async def _turn(self, row: deque[asyncio.Future[None]], what: str, until: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        row.append(future)
        try:
            if until is None:
                await self._state.wait(future, self._path, what)
                return
            timer = loop.call_at(until, self._state.wake, future)
            try:
                await future  # the clock wakes this one: it is never part of a deadlock
            finally:
                timer.cancel()
        except asyncio.CancelledError:
            if was_granted(future):
                self._wake(row)
            raise
        finally:
            if future in row:
                row.remove(future)
