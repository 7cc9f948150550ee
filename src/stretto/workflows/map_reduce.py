"""One step on every item of a collection, and another that makes one of all the values."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sized
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

from stretto.core.errors import DefinitionError, ExecutionError
from stretto.core.function import as_step
from stretto.core.policies import PLAIN, StepPolicy, whole
from stretto.core.step import Branches, Context, Step, Stepish
from stretto.workflows.flow import each, is_flowing, is_ordered
from stretto.workflows.progress import Ticker
from stretto.workflows.workflow import ConcurrentWorkflow, check_memory, one_step, owner_of, put


@dataclass(frozen=True, kw_only=True)
class MapReduceWorkflow(ConcurrentWorkflow[Any, Any]):
    """Runs ``map`` on every item of its input, within ``limits``, as ``map[0]``, ``map[1]`` and so on.

    The input is an iterable or an async iterable, and is read only as fast as there is room, so it may be endless as
    long as something (a failure, the first success, a timeout) ends the work; a set is refused, because a resumed run
    must find its items in the same order. ``reduce`` receives what ``aggregation`` makes of the outcomes (by default
    the list of values in the order of the items), whichever ended first; without it that is the value. With ``combine``
    and ``chunk`` the items are taken in chunks: one branch maps a chunk's items one after another and combines their
    values, and ``reduce`` receives the chunks' values.
    """

    name: str = "map_reduce"
    map: Stepish
    reduce: Stepish | None = None
    combine: Stepish | None = None
    chunk: int | None = None

    def __post_init__(self) -> None:
        """Refuses half a partition."""
        super().__post_init__()
        put(self, "map", one_step(self, "map", self.map))
        check_memory(self, self.limits, [as_step(self.map)])
        for setting in ("reduce", "combine"):
            if (given := getattr(self, setting)) is not None:
                put(self, setting, one_step(self, setting, given))
        if (self.combine is None) != (self.chunk is None):
            raise DefinitionError(f"{owner_of(self)}: combine= needs chunk= (how many items), and the other way round")
        if self.chunk is not None:
            whole(owner_of(self), "chunk", self.chunk)

    def _each(self) -> Step[Any, Any]:
        """Returns what one branch runs: the map, or a chunk of it."""
        return as_step(self.map) if self.combine is None else _Chunk(as_step(self.map), as_step(self.combine))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns what the branches run, and ``reduce``."""
        each_one = self._each()
        held = {each_one.name: each_one}
        return held if self.reduce is None else held | {"reduce": as_step(self.reduce)}

    async def execute(self, input: Any, context: Context) -> Any:
        """Maps, then reduces."""
        count = None
        if isinstance(input, Sized):
            count = len(input) if self.chunk is None else -(-len(input) // self.chunk)
        mapped = _Mapping(context, count, self.limits.max_concurrent_executions)
        async with context.branches(self.limits, self.mode, self.aggregation) as branches:
            items = _checked(input) if self.chunk is None else _chunks(input, self.chunk)
            await mapped.start_each(branches, self._each(), items)
            await mapped.watch(branches)
        mapped.ticker.finished(mapped.done)
        value = self.aggregation.combine(branches.outcomes)
        return value if self.reduce is None else await context.run(as_step(self.reduce), value, name="reduce")


class _Mapping:
    """Starts branches for items, and counts those that ended."""

    def __init__(self, context: Context, total: int | None, room: int) -> None:
        self.ticker, self._room, self.done = Ticker(context, total), room, 0

    async def start_each(
        self, branches: Branches, step: Step[Any, Any], items: Iterable[Any] | AsyncIterable[Any]
    ) -> None:
        """Starts the step on each item as there is room, until nobody wants more."""
        index = 0
        if isinstance(items, AsyncIterable):
            async with aclosing(each(items)) as flowing:
                async for item in flowing:
                    if branches.settled:
                        return
                    await branches.start(step, item, name=f"{step.name}[{index}]")
                    index += 1
                    if index > self._room:
                        self._started(index)
            return
        for item in items:
            if branches.settled:
                return
            await branches.start(step, item, name=f"{step.name}[{index}]")
            index += 1
            if index > self._room:
                self._started(index)

    def _started(self, count: int) -> None:
        self.done = count - self._room  # no more than there is room for can still be running
        self.ticker.reached(self.done)

    async def watch(self, branches: Branches) -> None:
        """Counts the branches as they end."""
        ended = 0
        async for _ in branches.completed():
            ended += 1
            if ended > self.done:
                self.done = ended
                self.ticker.reached(ended)


class _Chunk(Step[list[Any], Any]):
    """Maps a chunk's items in turn, and combines their values."""

    kind: ClassVar[str] = "chunk"
    transparent: ClassVar[bool] = True

    def __init__(self, map: Step[Any, Any], combine: Step[Any, Any]) -> None:
        self.name, self._map, self._combine = "chunk", map, combine
        self.policy = PLAIN if map.policy.memory is None else StepPolicy(memory=map.policy.memory)

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the step for an item, and the one for the chunk."""
        return {self._map.name: self._map, "combine": self._combine}

    async def execute(self, input: list[Any], context: Context) -> Any:
        """Runs the items one after another, then the combination."""
        values = [
            await context.run(self._map, item, name=f"{self._map.name}[{place}]") for place, item in enumerate(input)
        ]
        return await context.run(self._combine, values, name="combine")


def _checked(input: Any) -> Iterable[Any] | AsyncIterable[Any]:
    if is_flowing(input) or is_ordered(input):
        return input
    raise ExecutionError(
        "the input of a MapReduceWorkflow is a list, a generator or another ordered collection of items, "
        f"not {input!r:.100}; a set becomes one by sorted(…), a text by splitting it"
    )


async def _chunks(input: Any, size: int) -> AsyncIterator[list[Any]]:
    chunk: list[Any] = []
    async with aclosing(each(_checked(input))) as items:
        async for item in items:
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
    if chunk:
        yield chunk
