"""Carries what runs tell to those who watch: encoded once, kept for those who come back, and sent to all at once."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio

from stretto.agents.stream_chunks import ChunkFold, ChunkType, StreamChunk, Told, WorkflowComplete
from stretto.configuring.settings import ServerTable
from stretto.core.events import Event, RunResumed, RunStarted
from stretto.server.frames import Channel, Frame, Listener, Place, encoded, news, place_of
from stretto.server.replay import Replay, catch_up
from stretto.stores.store import Store

LONGEST = 0.04
"""How long words are gathered at the most (seconds)."""
CALM, BUSY = 2_000.0, 20_000.0
"""At how many pieces of news and sent chunks per second words begin to be gathered, and are gathered longest."""
MEMORY = 0.5
"""For how long the load is remembered (seconds)."""
PILE = 64
"""So many events at once are a sign of load by themselves."""
REPLAYS = 4
"""How many logs are read at once for those who come back."""
FLOCK = 50
"""So many clients get their signs of life at once; the next ones a moment later."""
RETRY = b"retry: 1000\n"
"""How soon a client is to come back (milliseconds), which a stream begins with."""
_WORDS = (ChunkType.TOKEN, ChunkType.REASONING)


class Load:
    """How much is told and sent per second."""

    def __init__(self) -> None:
        self._count = self._at = 0.0

    def add(self, count: int) -> None:
        """Counts what was told or sent just now."""
        self._count = self.per_second * MEMORY + count

    @property
    def per_second(self) -> float:
        """The rate of the last moments."""
        now = anyio.current_time()
        if now > self._at:
            self._count *= math.exp((self._at - now) / MEMORY)
            self._at = now
        return self._count / MEMORY

    @property
    def pause(self) -> float:
        """How long to gather words (seconds)."""
        return LONGEST * min(1.0, max(0.0, (self.per_second - CALM) / (BUSY - CALM)))


class Publisher:
    """Tells the hub what one run has to tell, in its order.

    What a run told before it was resumed is not told again. Words of one answer that come behind each other may be put
    together under load; the piece of news that they become bears the last one's number.
    """

    def __init__(self, hub: Hub, channel: Channel, ordinal: int) -> None:
        self._hub, self._channel, self._ordinal = hub, channel, ordinal
        self._fold = ChunkFold(channel.name)
        self._resumed = self._seq = 0
        self._begun = self._closed = self._past = False
        self._created = time.time()
        self._end: list[Told] = []
        channel.publishers += 1
        channel.begun += 1

    @property
    def pause(self) -> float:
        """How long to gather before the next ``take`` (seconds): nothing, or a little under load."""
        return self._hub.load.pause

    def take(self, events: Sequence[Event]) -> None:
        """Tells the next events; the end of the run is kept back until ``close``."""
        past = self._told_before(events)
        for event in events[:past]:
            self._resumed += isinstance(event, RunResumed)
            for told in self._fold.take(event):
                self._seq = told.seq
        if not self._begun:
            self._channel.begin(Place(self._ordinal, self._resumed, self._seq))
            self._begun = True
        found = [told for event in events[past:] for told in self._fold.take(event)]
        count = len(found)
        if len(events) >= PILE or self.pause:
            found = _together(found)
        for told in found:
            if isinstance(told, WorkflowComplete):
                self._end.append(told)
            else:
                self._tell(told)
        self._hub.told(self._channel, count)

    def _told_before(self, events: Sequence[Event]) -> int:
        """Returns how many of the events are of an earlier process: those up to where the run was resumed."""
        for index in range(len(events) - 1, -1, -1):
            if isinstance(events[index], RunResumed):
                self._past = False
                return index + 1
        if isinstance(events[0], RunStarted) and events[0].started_at < self._created:
            self._past = True  # it cannot be resumed
        return len(events) if self._past else 0

    def close(self, *, tell: bool = True) -> None:
        """Tells the end of the run, when its log has one; without ``tell`` that is not on disk, and not told."""
        if self._closed:
            return
        self._closed = True
        end = self._end if tell else []
        for told in end:
            self._tell(told)
        self._channel.publishers -= 1
        self._hub.told(self._channel, len(end))
        self._hub.tidy(self._channel)

    def _tell(self, told: Told) -> None:
        begun, self._seq = self._seq, told.seq
        self._hub.keep(Frame(news(told), Place(self._ordinal, self._resumed, told.seq), begun, self._channel))


def _together(found: Sequence[Told]) -> list[Told]:
    """Puts words of one answer together that come behind each other."""
    made: list[Told] = []
    words: list[StreamChunk] = []
    for told in found:
        alike = isinstance(told, StreamChunk) and told.chunk_type in _WORDS
        if words and not (alike and _of_one_answer(words[-1], told)):
            made.append(_joined(words))
            words = []
        if alike and isinstance(told, StreamChunk):
            words.append(told)
        else:
            made.append(told)
    return [*made, _joined(words)] if words else made


def _of_one_answer(one: StreamChunk, other: Told) -> bool:
    return isinstance(other, StreamChunk) and (one.chunk_type, one.path, one.attempt) == (
        other.chunk_type, other.path, other.attempt,
    )  # fmt: skip


def _joined(words: Sequence[StreamChunk]) -> StreamChunk:
    if len(words) == 1:
        return words[0]
    return replace(words[-1], content="".join(word.content or "" for word in words))


class Hub:
    """Holds what was told last, and hands it to every stream.

    All that is told stands in one channel, of at most ``buffer`` bytes, what a workflow tells also in its own. A stream
    is a cursor on a channel; it has neither a task nor a queue. Whoever falls behind what is kept, or takes nothing for
    ``send_timeout`` seconds, is disconnected, and can come back with the id of the last event that it has.
    """

    def __init__(self, store: Store, settings: ServerTable) -> None:
        self._store, self._settings = store, settings
        self._epoch = secrets.token_hex(4)
        self._all = Channel(epoch=self._epoch)
        self._channels: dict[str, Channel] = {}
        self._listeners: set[Listener] = set()
        self._turn = anyio.Semaphore(REPLAYS)
        self.size = 0
        self._closed = False
        self._came = anyio.Event()
        self.load = Load()

    @property
    def watching(self) -> int:
        """How many streams there are."""
        return len(self._listeners)

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches everything."""
        return bool(self._all.listeners)

    async def watched(self) -> None:
        """Waits until somebody watches everything."""
        while not self._all.listeners:
            self._came = anyio.Event()
            await self._came.wait()

    @property
    def channels(self) -> int:
        """Of how many workflows there is something at hand."""
        return len(self._channels)

    # -- what is told --------------------------------------------------------------------------------------------------

    def publisher(self, workflow_id: str, run_id: str, ordinal: int) -> Publisher:
        """Returns who tells of one run: the execution ``ordinal`` of a workflow."""
        return Publisher(self, self._channel(workflow_id), ordinal)

    def announce(self, name: str, payload: Mapping[str, Any]) -> None:
        """Tells something that stands in no log to those who watch everything, or the workflow that it names."""
        channel = self._channels.get(str(payload.get("workflow_id")))
        place = channel.place if channel is not None and channel.place is not None else Place(0, 0, 0)
        self.keep(Frame(encoded(name, payload), place, place.seq, channel, announced=True))
        self.told(channel, 1)

    def announce_to_all(self, name: str, data: bytes) -> None:
        """Tells something that is JSON text already to those who watch everything, and only to them."""
        self.keep(Frame(b"event: %b\ndata: %b\n\n" % (name.encode(), data), Place(0, 0, 0), 0, None, announced=True))
        self.told(None, 1)

    def keep(self, frame: Frame) -> None:
        """Keeps a frame, and lets go of the oldest ones for which there is no room."""
        self._all.add(frame)
        if frame.channel is not None:
            frame.channel.add(frame)
        self.size += frame.size
        while self.size > self._settings.buffer and (oldest := self._all.oldest) not in (frame, None):
            assert oldest is not None
            self.size -= oldest.size
            self._all.drop()
            if oldest.channel is not None and oldest.channel.oldest is oldest:
                oldest.channel.drop()
                self.tidy(oldest.channel)

    def told(self, channel: Channel | None, count: int) -> None:
        """Says that so much news was kept: wakes those who wait for it."""
        if count:
            self.load.add(count)
            self._all.ring()
            if channel is not None:
                channel.ring()

    def forget(self, workflow_id: str) -> None:
        """Ends the streams of a workflow that is gone."""
        channel = self._channels.pop(workflow_id, None)
        if channel is not None:
            for listener in list(channel.listeners):
                listener.end()

    def _channel(self, workflow_id: str) -> Channel:
        return self._channels.setdefault(workflow_id, Channel(workflow_id))

    def tidy(self, channel: Channel) -> None:
        """Lets go of a channel that nobody needs."""
        if channel.idle and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]

    # -- who watches ---------------------------------------------------------------------------------------------------

    async def stream(
        self,
        workflow_id: str | None = None,
        last_event_id: str | None = None,
        *,
        follow: bool = True,
        scope: anyio.CancelScope | None = None,
    ) -> AsyncGenerator[bytes]:
        """Yields server-sent events, of one workflow or of all, after the last one that somebody has or from now on.

        Without ``follow`` it ends when everything was sent that there is. ``scope`` is cancelled when what was yielded
        is not taken in time.
        """
        channel = self._all if workflow_id is None else self._channel(workflow_id)
        listener = Listener(channel, scope)
        channel.listeners.add(listener)
        self._listeners.add(listener)
        if channel is self._all:
            self._came.set()
        try:
            async with aclosing(self._sent_to(listener, last_event_id, follow)) as chunks:
                async for chunk in chunks:
                    listener.sending = anyio.current_time()
                    self.load.add(1)
                    yield chunk
                    listener.last, listener.sending = anyio.current_time(), None
        finally:
            self._listeners.discard(listener)
            channel.listeners.discard(listener)
            channel.waiting.pop(listener, None)
            self.tidy(channel)

    async def _sent_to(self, listener: Listener, last_event_id: str | None, follow: bool) -> AsyncGenerator[bytes]:
        channel = listener.channel
        if channel is self._all:
            yield self._begin_all(listener, last_event_id)
        else:
            async with aclosing(self._begin(listener, last_event_id)) as chunks:
                async for chunk in chunks:
                    if listener.over or self._closed:
                        return
                    yield chunk
        while not (listener.over or self._closed or listener.cursor < channel.first):
            if listener.skip is not None:
                listener.cursor = channel.passed(listener.cursor, listener.skip)
            if listener.cursor < channel.end:
                chunk, listener.cursor = channel.chunk(listener.cursor)
                yield chunk
            elif not follow:
                return
            else:
                await listener.wait()
                if listener.cursor == channel.end and not listener.over and not self._closed:
                    yield b":\n\n"
        if self._closed:
            yield b": the server stops\n\n"

    def _begin_all(self, listener: Listener, last_event_id: str | None) -> bytes:
        """Sets the cursor of one who watches everything; returns what its stream begins with."""
        channel = listener.channel
        beginning = b"%bid: %b\n" % (RETRY, channel.id(channel.end))
        if not last_event_id:
            return beginning + b"\n"
        epoch, _, number = last_event_id.partition("-")
        if epoch != self._epoch or not (number.isascii() and number.isdigit() and len(number) < 19):
            return beginning + encoded("stream_reset", {"reason": "unknown"})
        cursor = int(number)
        if cursor > channel.end:
            return beginning + encoded("stream_reset", {"reason": "unknown"})
        if cursor < channel.first:
            return beginning + encoded("stream_reset", {"reason": "too_old"})
        listener.cursor = cursor
        return RETRY + b"\n"

    async def _begin(self, listener: Listener, last_event_id: str | None) -> AsyncGenerator[bytes]:
        """Sets the cursor of one who watches a workflow; yields what it has missed and what is no longer at hand."""
        channel = listener.channel
        place = place_of(last_event_id) if last_event_id else None
        place = place and max(place, Place(1, 0, 0))
        replay = Replay(self._store, channel.name, place or Place(0, 0, 0), self._turn)
        if last_event_id and (place is None or not (channel.cursor(place) is not None or await replay.known())):
            now = await self._now(channel)
            yield b"%bid: %b\n%b" % (RETRY, now.id.encode(), encoded("stream_reset", {"reason": "unknown"}))
        elif place is None:
            now = await self._now(channel)
            yield b"%bid: %b\n\n" % (RETRY, now.id.encode())
        else:
            yield RETRY + b"\n"
            async with aclosing(catch_up(replay, channel, self._settings.send_timeout)) as chunks:
                async for chunk in chunks:
                    yield chunk
            cursor = channel.cursor(replay.place)
            if cursor is None and channel.publishers and not replay.ahead(channel):
                listener.over = True  # what was told does not come to disk
            listener.skip = replay.place if replay.ahead(channel) else None
            listener.cursor = channel.end if cursor is None else cursor

    async def _now(self, channel: Channel) -> Place:
        """Returns the place from which on a workflow is told to one who has seen nothing of it."""
        if channel.place is not None:
            return channel.place
        rows = await self._store.records.executions(workflow_id=channel.name)
        if channel.place is not None or not rows:
            return channel.place or Place(1, 0, 0)
        over = rows[-1].status in ("completed", "error", "cancelled")
        return Place(rows[-1].ordinal + over, 0, 0)

    async def work(self) -> None:
        """Gives signs of life to those who hear nothing, and disconnects those who take nothing."""
        heartbeat, patience = self._settings.heartbeat, self._settings.send_timeout
        tick = min(heartbeat, patience) / 4
        while True:
            await anyio.sleep(tick)
            now = anyio.current_time()
            for listener in list(self._listeners):
                if listener.sending is not None and now - listener.sending > patience:
                    listener.end()
                    if listener.scope is not None:
                        listener.scope.cancel("it takes nothing")
            quiet = [each for each in self._listeners if each.bell is not None and now - each.last >= heartbeat - tick]
            for number, listener in enumerate(quiet, 1):
                listener.ring()
                if number % FLOCK == 0:
                    await anyio.sleep(0.005)

    def close(self) -> None:
        """Ends every stream."""
        self._closed = True
        for listener in list(self._listeners):
            listener.end()
