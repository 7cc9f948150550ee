"""Tells again, from the logs of runs, what somebody has missed of a workflow."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import TypeAlias

import anyio
import anyio.lowlevel

from stretto.agents.stream_chunks import ChunkFold
from stretto.core.codec import decode
from stretto.core.errors import RunNotFound
from stretto.core.events import RunResumed
from stretto.core.records import ExecutionRow
from stretto.server.frames import CHUNK, Channel, Place, news
from stretto.stores.store import Store

PAUSE = 0.05
"""How long to wait before a log is read again that lacks what was told (seconds): it is written in groups."""
A_WHILE = 100
"""After so many events that were read, others get their turn."""

Piece: TypeAlias = tuple[Place, bytes]
"""A place, and the event that leads to it; nothing where an execution begins or goes on."""


class Replay:
    """Reads what comes after a place from the store; ``place`` is how far it was told.

    What an execution has taken over from the one that it repeats is not told again.
    """

    def __init__(self, store: Store, workflow_id: str, place: Place, turn: anyio.Semaphore) -> None:
        self._store, self._workflow_id, self._turn = store, workflow_id, turn
        self._from = self.place = place
        self._ordinal = self._line = self._resumed = self._seq = 0
        self._fold = ChunkFold(workflow_id)

    async def known(self) -> bool:
        """Says whether the workflow has the execution that the place is in, or it would be the next one."""
        rows = await self._rows(0)
        return self._from.ordinal <= (rows[-1].ordinal if rows else 0) + 1

    def ahead(self, channel: Channel) -> bool:
        """Says whether the place is the beginning of an execution that comes after the one that is being told of."""
        at = channel.place
        return at is not None and self._from.ordinal > at.ordinal and self._from == Place(self._from.ordinal, 0, 0)

    async def read(self) -> list[Piece]:
        """Returns what is on disk now and was not read before."""
        pieces: list[Piece] = []
        async with self._turn:
            for row in await self._rows(max(self._from.ordinal, self._ordinal)):
                pieces += await self._execution(row)
        return [piece for piece in pieces if piece[0] > self._from]

    async def _rows(self, ordinal: int) -> list[ExecutionRow]:
        rows = await self._store.records.executions(workflow_id=self._workflow_id)
        return [row for row in rows if row.ordinal >= ordinal]

    async def _execution(self, row: ExecutionRow) -> list[Piece]:
        pieces: list[Piece] = []
        try:
            lines = await self._store.lines(row.run_id, self._line if row.ordinal == self._ordinal else 0)
        except RunNotFound:  # it is queued
            return pieces
        if row.ordinal != self._ordinal and lines:
            self._ordinal, self._resumed, self._seq = row.ordinal, 0, 0
            self._fold = ChunkFold(self._workflow_id)
            pieces.append((Place(row.ordinal, 0, 0), b""))
        for line in lines:
            self._line = line.seq + 1
            event = decode(line.kind, line.path, line.at, line.data)
            if isinstance(event, RunResumed):
                self._resumed += 1
                pieces.append((Place(row.ordinal, self._resumed, self._seq), b""))
            for told in self._fold.take(event):
                self._seq = told.seq
                place = Place(row.ordinal, self._resumed, told.seq)
                if place > self._from and (row.rerun is None or told.ts >= row.created_at):
                    pieces.append((place, b"id: %b\n%b" % (place.id.encode(), news(told))))
            if line.seq % A_WHILE == 0:
                await anyio.lowlevel.checkpoint()
        return pieces


async def catch_up(replay: Replay, channel: Channel, patience: float) -> AsyncGenerator[bytes]:
    """Yields what comes before the frames of a channel, until those follow on ``replay.place``.

    It also ends when nobody tells anything and all that is on disk was told, and when the log lacks what was told and
    does not come any further for ``patience`` seconds.
    """
    held: deque[Piece] = deque()
    until = anyio.current_time() + patience
    while not replay.ahead(channel) and channel.cursor(replay.place) is None:
        begun = -1 if channel.publishers else channel.begun
        came = await replay.read()
        held += came
        alone = channel.begun == begun
        count = len(held) if alone else _joinable(held, channel)
        if alone and not count:
            return
        if came or count:
            until = anyio.current_time() + patience
        elif anyio.current_time() > until:
            return
        else:
            await anyio.sleep(PAUSE)
        while count:
            size, parts = 0, list[bytes]()
            while count and size < CHUNK:
                replay.place, body = held.popleft()
                parts.append(body)
                size, count = size + len(body), count - 1
            if size:
                yield b"".join(parts)


def _joinable(held: deque[Piece], channel: Channel) -> int:
    """Returns how many of the pieces come before the channel's frames, or up to a place that those follow on."""
    for index in range(len(held) - 1, -1, -1):
        place = held[index][0]
        if channel.after is not None and (place <= channel.after or channel.cursor(place) is not None):
            return index + 1
    return 0
