"""How items get from stage to stage: labelled, bounded, in order where that is wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, TypeGuard
from zlib import crc32

from stretto.core.errors import ExecutionError
from stretto.core.events import Said
from stretto.core.policies import PLAIN, ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.resources import Channel, Channels, Clock
from stretto.core.step import Context, Step

Source: TypeAlias = Iterable[Any] | AsyncIterable[Any]
WhenFull = Literal["buffer", "drop_newest", "drop_oldest", "pause"]
WHEN_FULL = ("buffer", "drop_newest", "drop_oldest", "pause")


class Item(NamedTuple):
    """A value on its way, and where it comes from.

    ``label`` is its place in the source, or the places of what it was made of: the same on every run over the same
    source, whatever the timing, so that a resumed run takes over an output only for the very same items.
    """

    label: str
    value: Any


def grouped(items: Sequence[Item]) -> Item:
    """Returns several items as one, whose value is the list of theirs."""
    labels = [item.label for item in items]
    label = f"{labels[0]}-{labels[-1]}"
    plain = all(one.isdigit() for one in labels)
    if not plain or any(int(after) != int(before) + 1 for before, after in pairwise(labels)):
        label = f"{label}~{crc32(','.join(labels).encode()):08x}"
    return Item(label, [item.value for item in items])


def is_ordered(value: object) -> TypeGuard[Iterable[Any]]:
    """Says whether the value is a row of items: not a text, and not a set, which has no order."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | set | frozenset)


def is_flowing(value: object) -> TypeGuard[AsyncIterable[Any]]:
    """Says whether the value is an async row of items."""
    return isinstance(value, AsyncIterable)


async def each(source: Source) -> AsyncGenerator[Any, None]:
    """Yields a source's values, sync or async; closes an async generator whatever happens."""
    if is_flowing(source):
        try:
            async for value in source:
                yield value
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
    elif is_ordered(source):
        for value in source:
            yield value
    else:
        raise ExecutionError(
            "a stream's source is a list, a generator or another ordered row of items, sync or async, "
            f"not {source!r:.100}; a set becomes one by sorted(…), a text by splitting it"
        )


class Pump(Step[None, None]):
    """Moves items for as long as they come: the source's reader, or a worker of a stage."""

    kind: ClassVar[str] = "stage"
    transparent: ClassVar[bool] = True

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], memory: int | None = None) -> None:
        self.name, self._work, self.began = name, work, False
        self.policy = PLAIN if memory is None else StepPolicy(memory=memory)

    async def execute(self, input: None, context: Context) -> None:
        """Works until nothing more comes."""
        self.began = True
        await self._work()


class Inlet:
    """The receiving end of a channel; lets a paused source know when there is room again."""

    def __init__(self, channel: Channel[Item], channels: Channels, low: int) -> None:
        self._channel, self._low = channel, low
        self._paused, self._resume = False, channels.open(1)

    async def receive(self, timeout: float | None = None) -> Item:
        """Takes the next item; raises ``EndOfChannel`` or ``TimeoutError``."""
        item = await self._channel.receive(timeout)
        if self._paused and len(self._channel) <= self._low:
            self._paused = False
            self._resume.offer(None)
        return item

    async def drained(self) -> None:
        """Waits until only ``low`` items are left."""
        self._paused = True
        await self._resume.receive()


class Intake:
    """Reads the source into the first channel, and does what was said for when that is full."""

    def __init__(
        self, channel: Channel[Item], inlet: Inlet, when_full: WhenFull, context: Context, offset: int
    ) -> None:
        self._channel, self._inlet, self._when_full, self._context = channel, inlet, when_full, context
        self._clock = context.resource(Clock)
        self.taken, self._offset, self.dropped, self.pauses = 0, offset, 0, 0

    async def read(self, source: Source) -> None:
        """Reads the source to its end."""
        async with aclosing(each(source)) as values:
            async for value in values:
                item = Item(str(self._offset + self.taken), value)
                self.taken += 1
                if self._when_full == "buffer":
                    await self._channel.send(item)
                elif not self._channel.offer(item):
                    await self._full(item)
        self._channel.close()
        if self.dropped:
            self._say(f"{self.dropped} of {self.taken} items were dropped because the buffer was full", "warning")
        if self.pauses:
            self._say(f"the source was paused {self.pauses} times because the buffer was full", "info")

    async def _full(self, item: Item) -> None:
        if self._when_full == "pause":
            self.pauses += 1
            await self._inlet.drained()
            await self._channel.send(item)
            return
        self.dropped += 1
        if self._when_full == "drop_oldest":
            await self._channel.receive()
            self._channel.offer(item)
        await self._clock.sleep(0)  # a source that never waits would otherwise leave the stages no turn

    def _say(self, text: str, level: str) -> None:
        self._context.emit(Said(self._context.path, self._clock.now(), text, level))


class Flow:
    """What the workers of one stage share while a stream is open."""

    def __init__(
        self,
        name: str,
        context: Context,
        inlet: Inlet,
        outlet: Channel[Item],
        limits: ParallelResourceLimits,
        workers: int,
    ) -> None:
        self.name, self.context = name, context
        self._inlet, self._outlet, self._limits, self._workers = inlet, outlet, limits, workers
        self._clock, self._channels = context.resource(Clock), context.resource(Channels)
        self._taken = self._turn = 0
        self._waiting: dict[int, Channel[Any]] = {}

    def now(self) -> float:
        """Returns the run's time (seconds)."""
        return self._clock.now()

    async def take(self, timeout: float | None = None) -> tuple[int, Item]:
        """Takes the next item and its number in this stage; raises ``EndOfChannel`` or ``TimeoutError``."""
        item = await self._inlet.receive(timeout)
        number, self._taken = self._taken, self._taken + 1
        return number, item

    async def put(self, item: Item) -> None:
        """Hands an item on, and waits while the next stage has no room."""
        await self._outlet.send(item)

    async def run(self, step: Step[Any, Any], item: Item) -> Any:
        """Runs a step on an item, within the limits' time for one execution."""
        name = f"{self.name}[{item.label}]"
        if self._limits.execution_timeout is None:
            return await self.context.run(step, item.value, name=name)
        one = replace(self._limits, max_concurrent_executions=1, max_memory_per_branch=None, max_total_memory=None)
        async with self.context.branches(one, ErrorMode.FAIL_FAST) as branches:
            await branches.start(step, item.value, name=name)
        return branches.outcomes[0].unwrap()

    async def turn(self, number: int) -> None:
        """Waits until every item that was taken before this one has been handed on."""
        if number != self._turn:
            self._waiting[number] = channel = self._channels.open(1)
            await channel.receive()

    def passed(self) -> None:
        """Says that the item whose turn it was is handed on, or left out."""
        self._turn += 1
        if (channel := self._waiting.pop(self._turn, None)) is not None:
            channel.offer(None)

    def left(self) -> None:
        """Says that a worker has ended; behind the last one nothing more comes."""
        self._workers -= 1
        if not self._workers:
            self._outlet.close()

    def say(self, text: str, level: str = "warning") -> None:
        """Tells the reader of the run something."""
        self.context.emit(Said(self.context.path, self.now(), text, level))
