"""What is sent to those who watch: news as frames of server-sent events, in channels that keep the last of them."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

import anyio
from pydantic_core import PydanticSerializationError, to_json

from stretto.agents.stream_chunks import ChunkType, StreamChunk, Told, WorkflowComplete, news_json
from stretto.agents.stream_validations import ValidationRequired

CHUNK = 65_536
"""How many bytes are sent at once, about."""
AT_ONCE = 1000
"""How many frames are sent at once at the most."""
FEW = 16
"""So many frames that were let go of may stay in a channel's list until they are cut off it together."""
OVERHEAD = 400
"""How many bytes a frame takes beside what is sent of it."""
_PLACE = re.compile(r"([0-9]{1,9})\.([0-9]{1,12})\.([0-9]{1,9})")
_SUB_AGENTS = frozenset(
    {
        ChunkType.SUB_AGENT_START, ChunkType.SUB_AGENT_PROGRESS, ChunkType.SUB_AGENT_COMPLETE,
        ChunkType.SUB_AGENT_ERROR,
    }
)  # fmt: skip


class Place(NamedTuple):
    """A place in what is told of a workflow: in which execution, after how many resumptions, after which piece."""

    ordinal: int
    resumed: int
    seq: int

    @property
    def id(self) -> str:
        """The place as the id of an event."""
        return f"{self.ordinal}.{self.seq}.{self.resumed}"


def place_of(id: str) -> Place | None:
    """Returns the place that an id names, None for what is no such id."""
    found = _PLACE.fullmatch(id)
    return None if found is None else Place(int(found[1]), int(found[3]), int(found[2]))


def name_of(told: Told) -> str:
    """Returns the name of the event that tells a piece of news."""
    if isinstance(told, StreamChunk):
        return told.chunk_type.value if told.chunk_type in _SUB_AGENTS else "workflow_stream"
    if isinstance(told, WorkflowComplete):
        return "workflow_complete"
    return "validation_required" if isinstance(told, ValidationRequired) else "validation_response"


def encoded(name: str, payload: Mapping[str, Any]) -> bytes:
    """Returns an event without its id; a text that is no Unicode is written with escapes."""
    try:
        data = to_json(payload, inf_nan_mode="null")
    except PydanticSerializationError:
        data = json.dumps(payload, default=str).encode()
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def news(told: Told) -> bytes:
    """Returns the event that tells a piece of news, without its id."""
    return encoded(name_of(told), news_json(told))


class Frame:
    """An event, encoded once for all who watch; of a run's it tells what came after ``begun``, up to ``place``.

    What is only ``announced`` stands in no log: nobody can come back after it, and a workflow's stream gives it no id.
    """

    __slots__ = ("begun", "body", "channel", "head", "place")

    def __init__(
        self, body: bytes, place: Place, begun: int, channel: Channel | None, *, announced: bool = False
    ) -> None:
        self.body, self.place, self.begun, self.channel = body, place, begun, channel
        self.head = b"" if announced else b"id: %b\n" % place.id.encode()

    @property
    def size(self) -> int:
        """How many bytes of memory it takes, about."""
        return len(self.body) + OVERHEAD


class Listener:
    """One who watches: a cursor on a channel, and a bell that is rung when there is something to send.

    It is sent nothing up to the place ``skip``. ``sending`` is since when something is being sent to it, ``last`` when
    it was sent something last (seconds of the loop's clock); ``scope`` is cancelled when that takes too long.
    """

    __slots__ = ("bell", "channel", "cursor", "last", "over", "scope", "sending", "skip")

    def __init__(self, channel: Channel, scope: anyio.CancelScope | None) -> None:
        self.channel, self.scope, self.cursor = channel, scope, channel.end
        self.skip: Place | None = None
        self.bell: anyio.Event | None = None
        self.sending: float | None = None
        self.last, self.over = 0.0, False

    async def wait(self) -> None:
        """Waits until somebody rings."""
        self.bell = anyio.Event()
        self.channel.waiting[self] = None
        await self.bell.wait()

    def ring(self) -> None:
        """Wakes it when it waits."""
        if self.bell is not None:
            self.bell.set()
            self.bell = None

    def end(self) -> None:
        """Ends what it is sent."""
        self.over = True
        self.ring()


class Channel:
    """Frames in the order in which they were told, as far as they are kept; a cursor counts them from 0.

    A workflow's channel holds all that was told after the place ``after``, up to ``place``; both are None until
    something is known. ``publishers`` is how many tell of it now, ``begun`` how many ever did. With an ``epoch`` the
    ids of events are that and the number of the frame, otherwise their places.
    """

    def __init__(self, name: str = "", epoch: str = "") -> None:
        self.name, self._epoch = name, epoch.encode()
        self.first = self.publishers = self.begun = 0
        self.after: Place | None = None
        self.place: Place | None = None
        self.listeners: set[Listener] = set()
        self.waiting: dict[Listener, None] = {}
        self._frames: list[Frame] = []
        self._gone = 0
        self._last: tuple[int, int, bytes] = (-1, -1, b"")

    @property
    def end(self) -> int:
        """The cursor behind the last frame."""
        return self.first + len(self._frames) - self._gone

    @property
    def idle(self) -> bool:
        """Says whether nobody tells or watches anything here, and nothing is kept."""
        return not self.publishers and not self.listeners and self.first == self.end

    @property
    def oldest(self) -> Frame | None:
        """The oldest frame that is kept."""
        return self._frames[self._gone] if self._gone < len(self._frames) else None

    def add(self, frame: Frame) -> None:
        """Adds a frame; ``ring`` says so to those who wait."""
        self._frames.append(frame)
        if frame.head:
            self.place = frame.place

    def ring(self) -> None:
        """Wakes all who wait."""
        waiting, self.waiting = self.waiting, {}
        for listener in waiting:
            listener.ring()

    def drop(self) -> None:
        """Lets go of the oldest frame."""
        self.after = self._frames[self._gone].place
        self._gone += 1
        self.first += 1
        if self._gone >= FEW and 8 * self._gone > len(self._frames):
            del self._frames[: self._gone]
            self._gone = 0

    def begin(self, place: Place) -> None:
        """Says that what is told from now on comes after a place; who was told less has to come again."""
        if self.after is None:
            self.after = place
        elif not self._continues(place):
            self.first, self.after, self._gone, self._frames = self.end + 1, place, 0, []
        self.place = place

    def _continues(self, place: Place) -> bool:
        if self.place is None or place.ordinal > self.place.ordinal:
            return place.seq == 0
        return place.ordinal == self.place.ordinal and place.seq == self.place.seq

    def cursor(self, place: Place) -> int | None:
        """Returns where to go on after a place, None when not all that comes after it is here."""
        if self.after is None or self.place is None:
            return None
        if place.ordinal > self.place.ordinal and place.seq:
            return self.first  # an earlier execution goes on, and all that it tells is new
        if place < self.after or place > self.place:
            return None
        found = bisect_right(self._frames, place, self._gone, key=lambda frame: frame.place)
        if found < len(self._frames):
            frame = self._frames[found]
            if place > frame.place._replace(seq=frame.begun):
                return None  # in the midst of words that were put together
        return self.first + found - self._gone

    def passed(self, cursor: int, place: Place) -> int:
        """Returns the cursor behind the frames from a cursor on that are not after a place."""
        found = bisect_right(
            self._frames, place, max(self._gone, cursor - self.first + self._gone), key=lambda f: f.place
        )
        return self.first + found - self._gone

    def id(self, cursor: int) -> bytes:
        """Returns the id of the event before a cursor, in a channel with an epoch."""
        return b"%b-%d" % (self._epoch, cursor)

    def chunk(self, cursor: int) -> tuple[bytes, int]:
        """Returns what to send from a cursor on, and the cursor behind it; many who are at one place share it."""
        if self._last[0] == cursor and self._last[1] == self.end:
            return self._last[2], self._last[1]
        start, parts, size = cursor - self.first + self._gone, list[bytes](), 0
        for frame in self._frames[start : start + AT_ONCE]:
            cursor += 1
            parts += (b"id: %b\n" % self.id(cursor) if self._epoch else frame.head, frame.body)
            size += len(frame.body)
            if size >= CHUNK:
                break
        made = b"".join(parts)
        if len(self.listeners) > 1:
            self._last = (self.first + start - self._gone, cursor, made)
        return made, cursor
