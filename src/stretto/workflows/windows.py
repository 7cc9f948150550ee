"""Windows over a stream: tumbling or sliding, by count or by time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf
from typing import Any, Literal

from stretto.core.errors import DefinitionError, LateItem
from stretto.core.policies import positive, whole
from stretto.core.resources import EndOfChannel
from stretto.workflows.flow import Flow, Item, grouped
from stretto.workflows.stages import Stage, items_of

Late = Literal["drop", "next", "error"]


@dataclass(frozen=True)
class Window:
    """How a stream is cut: ``Window.tumbling(count=10)``, ``Window.sliding(seconds=60, every=10)``.

    Window number k holds the items of ``size`` from ``k * every`` on: items counted from 0, or seconds.
    """

    by: Literal["count", "seconds"]
    size: float
    every: float

    def __post_init__(self) -> None:
        """Refuses windows that hold nothing, or leave items out."""
        if self.by == "count":
            for setting in ("size", "every"):
                whole("Window", setting, getattr(self, setting))
        positive("Window", "size", self.size)
        positive("Window", "every", self.every)
        if self.every > self.size:
            raise DefinitionError(
                f"Window: every ({self.every:g}) is more than the size ({self.size:g}), so items between two windows "
                "would be lost; filter them out instead, or make the windows larger"
            )

    @classmethod
    def tumbling(cls, *, count: int | None = None, seconds: float | None = None) -> Window:
        """Returns windows side by side."""
        by, size = _one_of(count, seconds)
        return cls(by, size, size)

    @classmethod
    def sliding(cls, *, count: int | None = None, seconds: float | None = None, every: float) -> Window:
        """Returns windows that begin every so many items or seconds, and overlap."""
        by, size = _one_of(count, seconds)
        return cls(by, size, every)


def _one_of(count: int | None, seconds: float | None) -> tuple[Literal["count", "seconds"], float]:
    if count is not None and seconds is None:
        return "count", count
    if seconds is not None and count is None:
        return "seconds", seconds
    raise DefinitionError("Window: give either count= or seconds=")


@dataclass(frozen=True, kw_only=True)
class Cut(Stage):
    """The stage that makes lists of items: the windows."""

    window: Window
    time: Callable[[Any], float] | None = None
    lateness: float = 0.0
    late: Late = "drop"
    name: str = "window"

    async def work(self, flow: Flow) -> None:
        """Cuts windows until the source ends; what is open then is flushed."""
        if self.window.by == "count":
            await self._by_count(flow)
        elif self.time is None:
            await self._by_clock(flow)
        else:
            await self._by_event(flow, self.time)

    async def _by_count(self, flow: Flow) -> None:
        size, every = int(self.window.size), int(self.window.every)
        held: deque[Item] = deque(maxlen=size)
        seen = made = shown = 0
        async for _, item in items_of(flow):
            held.append(item)
            seen += 1
            if seen == made * every + size:
                await flow.put(grouped(list(held)))
                made, shown = made + 1, seen
        if seen > shown:  # the last window: the next one as far as it came, if it holds something new
            await flow.put(grouped(list(held)[made * every - seen :]))

    async def _by_clock(self, flow: Flow) -> None:
        opened, panes = flow.now(), _Panes(self.window, first=0)
        while True:
            for group in panes.closed(flow.now() - opened):
                await flow.put(group)
            end = panes.next_end()
            try:
                _, item = await flow.take(None if end is None else max(0.0, opened + end - flow.now()))
            except TimeoutError:
                continue
            except EndOfChannel:
                break
            now = flow.now() - opened
            for group in panes.closed(now):
                await flow.put(group)
            panes.add(now, item)
        for group in panes.closed(inf):
            await flow.put(group)

    async def _by_event(self, flow: Flow, time: Callable[[Any], float]) -> None:
        panes, watermark, dropped = _Panes(self.window), -inf, 0
        async for _, item in items_of(flow):
            at = time(item.value)
            watermark = max(watermark, at - self.lateness)
            for group in panes.closed(watermark):
                await flow.put(group)
            if panes.add(at, item, watermark):
                continue
            if self.late == "error":
                raise LateItem(at, watermark)
            if self.late == "drop":
                dropped += 1
            else:
                panes.add_to_next(item, watermark)
        for group in panes.closed(inf):
            await flow.put(group)
        if dropped:
            flow.say(f"{dropped} late items were dropped: their windows were closed")


class _Panes:
    """The windows that are open, by number."""

    def __init__(self, window: Window, first: int | None = None) -> None:
        self._size, self._every, self._first = window.size, window.every, first
        self._open: dict[int, list[Item]] = {}

    def add(self, at: float, item: Item, watermark: float = -inf) -> bool:
        """Puts an item into every window that holds its time and is not closed; says whether there was one."""
        number = floor(at / self._every)
        found = False
        while self._end(number) > at:
            if self._end(number) > watermark and (self._first is None or number >= self._first):
                self._open.setdefault(number, []).append(item)
                found = True
            number -= 1
        return found

    def add_to_next(self, item: Item, watermark: float) -> None:
        """Puts a late item into the first window that is not closed."""
        number = floor(watermark / self._every)
        while self._end(number - 1) > watermark:
            number -= 1
        self._open.setdefault(number, []).append(item)

    def closed(self, mark: float) -> list[Item]:
        """Takes out the windows that end at or before ``mark``, in order, as one item each."""
        numbers = sorted(number for number in self._open if self._end(number) <= mark)
        return [grouped(self._open.pop(number)) for number in numbers]

    def next_end(self) -> float | None:
        """Returns when the next open window ends."""
        return self._end(min(self._open)) if self._open else None

    def _end(self, number: int) -> float:
        return number * self._every + self._size
