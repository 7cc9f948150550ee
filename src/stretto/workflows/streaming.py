"""Stages joined by bounded channels: a slow stage slows the source, and nothing piles up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

from stretto.core.errors import DefinitionError
from stretto.core.events import Progress
from stretto.core.function import as_step
from stretto.core.outcome import NotStarted
from stretto.core.policies import ErrorMode, whole
from stretto.core.resources import Channel, Channels, Clock, EndOfChannel
from stretto.core.step import Branches, Context, Step, Stepish
from stretto.workflows.flow import WHEN_FULL, Flow, Inlet, Intake, Item, Pump, Source, WhenFull, each
from stretto.workflows.stages import Stage, as_stage
from stretto.workflows.workflow import BoundedWorkflow, check_word, distinct, one_step, owner_of, put

Opener: TypeAlias = Callable[[int], Source]
"""Opens a source at a position (items from 0)."""


class Stream:
    """An open stream: iterate over it for what comes out."""

    def __init__(self, outlet: Channel[Item], intake: Intake) -> None:
        self._outlet, self._intake, self.ended = outlet, intake, False

    async def items(self) -> AsyncIterator[Item]:
        """Yields what comes out, with its label."""
        while True:
            try:
                item = await self._outlet.receive()
            except EndOfChannel:
                self.ended = True
                return
            yield item

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yields what comes out."""
        async for item in self.items():
            yield item.value

    @property
    def dropped(self) -> int:
        """How many items of the source were dropped so far."""
        return self._intake.dropped

    @property
    def pauses(self) -> int:
        """How often the source was paused so far."""
        return self._intake.pauses

    @property
    def taken(self) -> int:
        """How many items were taken from the source so far."""
        return self._intake.taken


@dataclass(frozen=True, kw_only=True)
class StreamingWorkflow(BoundedWorkflow[Any, Any]):
    """Lets the items of a source flow through stages that all work at once.

    A stage is a step or function (a ``Map``), ``Map``, ``Filter`` or ``Batch``. Between two stages wait at most
    ``buffer`` items, then the earlier one waits. ``when_full`` says what becomes of the source then: it waits
    (``"buffer"``), what comes is dropped (``"drop_newest"``), or what waits longest (``"drop_oldest"``; both counted
    and told), or it is left alone until half of the buffer is empty (``"pause"``). A stage that fails ends the stream
    with its error. The source and every worker of a stage hold one of ``limits.max_concurrent_executions`` and their
    memory for as long as the stream is open; ``execution_timeout`` bounds a step's work on one item.

    ``open`` gives the stream a lifetime of its own. Run as a step its value is the list of what came out, or, with
    a ``sink`` that is run on every item, how many there were.

    With ``checkpoint_every`` n items of the source are a segment: a step whose end is in the log (with its position as
    ``Progress``), all stages drained. A resumed run takes finished segments over from the log and reads the source
    from the position behind them: a function as input is called with that position, of any other source as many items
    are read and thrown away. In an unfinished segment, and without checkpoints, the source is read again from the
    segment's beginning, and only steps that had finished an item are not run again for it. So a source must give the
    same items again, and batches end at a checkpoint.
    """

    name: str = "streaming"
    stages: Sequence[Stage | Stepish]
    sink: Stepish | None = None
    buffer: int = 16
    when_full: WhenFull = "buffer"
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        """Refuses a stream without stages, or with more of them than may run at once."""
        super().__post_init__()
        owner = owner_of(self)
        if isinstance(self.stages, Stage | Step) or callable(self.stages):
            raise DefinitionError(f"{owner}: stages must be a row; write stages=(a, b)")
        put(self, "stages", tuple(as_stage(stage) for stage in self.stages))
        if not self.stages:
            raise DefinitionError(f"{owner} has no stages, so nothing would happen to the items; give at least one")
        whole(owner, "buffer", self.buffer)
        check_word(self, "when_full", self.when_full, WHEN_FULL)
        if self.checkpoint_every is not None:
            whole(owner, "checkpoint_every", self.checkpoint_every)
        if self.sink is not None:
            put(self, "sink", one_step(self, "sink", self.sink))
        self._check_room()

    def _check_room(self) -> None:
        owner, limits = owner_of(self), self.limits
        needed = 1 + sum(stage.workers for stage in self.row())
        if needed > limits.max_concurrent_executions:
            raise DefinitionError(
                f"{owner}: the source and the workers of its stages are {needed}, and only "
                f"{limits.max_concurrent_executions} may run at once, so the stream would stand still; "
                f"raise max_concurrent_executions to at least {needed}"
            )
        each_one = [limits.max_memory_per_branch or 0]
        for stage in self.row():
            own = stage.step.policy.memory if stage.step is not None else None
            each_one += [own or limits.max_memory_per_branch or 0] * stage.workers
        if limits.max_total_memory is not None and sum(each_one) > limits.max_total_memory:
            raise DefinitionError(
                f"{owner}: source and stages reserve {sum(each_one):,} bytes, more than max_total_memory "
                f"({limits.max_total_memory:,} bytes), so the stream would stand still; raise it, or lower concurrency"
            )

    def row(self) -> tuple[Stage, ...]:
        """Returns all stages in order, those included that the workflow adds itself."""
        return tuple(as_stage(stage) for stage in self.stages)

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps of the stages and the sink, inside a segment when there are checkpoints."""
        if self.checkpoint_every is not None:
            return {"segment": _Segment(self, _Reader(()), 0)}
        return self.inner()

    def inner(self) -> dict[str, Step[Any, Any]]:
        """Returns the steps of the stages and the sink."""
        names = self._names()
        held = {name: step for name, stage in zip(names, self.row(), strict=True) if (step := stage.step) is not None}
        return held if self.sink is None else held | {"sink": as_step(self.sink)}

    def _names(self) -> list[str]:
        """Returns a name for every stage."""
        return distinct(["source", "sink", *(stage.name for stage in self.row())])[2:]

    @asynccontextmanager
    async def open(self, source: Source, context: Context, *, position: int = 0) -> AsyncGenerator[Stream, None]:
        """Opens the stream over a source for the block; leaving the block stops what is still under way.

        ``position`` is the place of the source's first item, from 0.
        """
        channels = context.resource(Channels)
        limits = replace(self.limits, execution_timeout=None)
        async with context.branches(limits, ErrorMode.FAIL_FAST) as branches:
            channel = channels.open(self.buffer)
            inlet = Inlet(channel, channels, low=self.buffer // 2)
            intake = Intake(channel, inlet, self.when_full, context, position)
            pumps = [Pump("source", lambda: intake.read(source))]
            row = self.row()
            for name, stage in zip(self._names(), row, strict=True):
                channel = channels.open(self.buffer)
                pumps += _workers(stage, name, Flow(name, context, inlet, channel, self.limits, stage.workers))
                inlet = Inlet(channel, channels, low=0)
            await _start(pumps, branches, context)
            stream = Stream(channel, intake)
            try:
                yield stream
            finally:
                if not stream.ended:
                    branches.cancel("the stream was closed")

    async def execute(self, input: Any, context: Context) -> Any:
        """Lets the whole input flow through."""
        if self.checkpoint_every is None:
            return await self.through(_opened(input, 0), context)
        outputs: list[Any] = []
        count = position = number = 0
        async with aclosing(_Reader(input)) as reader:
            while True:
                segment = _Segment(self, reader, position)
                taken, came = await context.run(segment, None, name=f"segment[{number}]")
                position, number = position + taken, number + 1
                if self.sink is None:
                    outputs += came
                else:
                    count += came
                context.emit(Progress(context.path, context.resource(Clock).now(), position, None, "checkpoint"))
                if taken < self.checkpoint_every:
                    return outputs if self.sink is None else count

    async def through(self, source: Source, context: Context, position: int = 0) -> Any:
        """Lets a source flow through, into a list or the sink."""
        outputs: list[Any] = []
        count = 0
        async with self.open(source, context, position=position) as stream:
            async for item in stream.items():
                if self.sink is None:
                    outputs.append(item.value)
                    continue
                sink = as_step(self.sink)
                await context.run(sink, item.value, name=f"sink[{item.label}]")
                count += 1
        return outputs if self.sink is None else count


def _workers(stage: Stage, name: str, flow: Flow) -> list[Pump]:
    async def work() -> None:
        await stage.work(flow)
        flow.left()

    memory = stage.step.policy.memory if stage.step is not None else None
    names = [name] if stage.workers == 1 else [f"{name}.{number}" for number in range(1, stage.workers + 1)]
    return [Pump(one, work, memory) for one in names]


async def _start(pumps: Sequence[Pump], branches: Branches, context: Context) -> None:
    """Starts the pumps; in a resumed run those that had ended start anew, because their channels are gone."""
    clock = context.resource(Clock)
    for pump in pumps:
        pump.began = False
    waiting = {await branches.start(pump, None, name=pump.name): pump for pump in pumps}
    while waiting and not branches.settled:
        await clock.sleep(0)
        outcomes = branches.outcomes
        for place, pump in list(waiting.items()):
            if pump.began:
                del waiting[place]
            elif not isinstance(outcomes[place], NotStarted):
                del waiting[place]
                waiting[await branches.start(pump, None, name=pump.name)] = pump


def _opened(source: Any, position: int) -> Source:
    opener: Any = source
    return opener(position) if callable(source) else source  # type: ignore[no-any-return]  # each() checks what it is


class _Reader:
    """A source that is read from position to position."""

    def __init__(self, source: Any) -> None:
        self._source, self._position = source, 0
        self._items: AsyncGenerator[Any, None] | None = None

    async def aclose(self) -> None:
        """Closes the source."""
        if self._items is not None:
            await self._items.aclose()

    async def read(self, position: int, count: int) -> AsyncIterator[Any]:
        """Yields at most ``count`` items from a position on."""
        if self._items is None:
            self._items = each(_opened(self._source, position))
            self._position = position if callable(self._source) else 0
        while self._position < position:
            self._position += 1
            await anext(self._items, None)
        for _ in range(count):
            try:
                item = await anext(self._items)
            except StopAsyncIteration:
                return
            self._position += 1
            yield item


class _Segment(Step[None, Any]):
    """A part of a stream between two checkpoints; its output is how many items it took, and what came of them."""

    kind: ClassVar[str] = "segment"
    transparent: ClassVar[bool] = True
    name = "segment"

    def __init__(self, workflow: StreamingWorkflow, reader: _Reader, position: int) -> None:
        self._workflow, self._reader, self._position = workflow, reader, position
        self.taken = 0

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps that the items pass."""
        return self._workflow.inner()

    async def execute(self, input: None, context: Context) -> Any:
        """Lets the segment's items flow through."""
        came = await self._workflow.through(self._counted(), context, self._position)
        return self.taken, came

    async def _counted(self) -> AsyncIterator[Any]:
        async for item in self._reader.read(self._position, self._workflow.checkpoint_every or 1):
            self.taken += 1
            yield item
