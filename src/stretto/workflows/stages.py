"""What stands between a stream's source and its end: map, filter, batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.function import as_step
from stretto.core.policies import positive, whole
from stretto.core.resources import EndOfChannel
from stretto.core.settings import Described
from stretto.core.step import Step, Stepish, check_name
from stretto.workflows.condition import Condition, Conditional, as_condition, is_step, verdict
from stretto.workflows.flow import Flow, Item, grouped


class Stage(Described, ABC):
    """Takes items, and hands on what it makes of them."""

    name: str

    @property
    def workers(self) -> int:
        """How many items it works on at once."""
        return 1

    @property
    def step(self) -> Step[Any, Any] | None:
        """The step that it runs, if any."""
        return None

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the step by name."""
        return {} if self.step is None else {self.step.name: self.step}

    @abstractmethod
    async def work(self, flow: Flow) -> None:
        """Works until no more items come; every worker of the stage does this."""


async def items_of(flow: Flow) -> AsyncIterator[tuple[int, Item]]:
    """Yields the items that come, and their numbers, until none is left."""
    while True:
        try:
            taken = await flow.take()
        except EndOfChannel:
            return
        yield taken


@dataclass(frozen=True)
class Map(Stage):
    """Runs a step on every item, ``concurrency`` items at once; hands them on in order unless ``ordered`` is false."""

    does: Stepish
    _: KW_ONLY
    concurrency: int = 1
    ordered: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        """Refuses what is no step."""
        step = as_step(self.does)
        object.__setattr__(self, "does", step)
        object.__setattr__(self, "name", check_name(self.name or step.name, "a Map"))
        whole(f"Map {self.name!r}", "concurrency", self.concurrency)

    @property
    def workers(self) -> int:
        return self.concurrency

    @property
    def step(self) -> Step[Any, Any]:
        return as_step(self.does)

    async def work(self, flow: Flow) -> None:
        """Maps items."""
        async for number, item in items_of(flow):
            output = Item(item.label, await flow.run(self.step, item))
            if self.ordered:
                await flow.turn(number)
            await flow.put(output)
            if self.ordered:
                flow.passed()


@dataclass(frozen=True)
class Filter(Stage):
    """Hands on the items for which a condition holds: a value such as ``Exists("mail")``, a function, or a step."""

    keeps: Conditional
    _: KW_ONLY
    name: str = ""

    def __post_init__(self) -> None:
        """Refuses what is no condition."""
        condition = as_condition(self.keeps, "a Filter")
        object.__setattr__(self, "keeps", condition)
        own = condition.name if isinstance(condition, Step) else ""
        object.__setattr__(self, "name", check_name(self.name or own or "filter", "a Filter"))

    @property
    def step(self) -> Step[Any, Any] | None:
        return self.keeps if is_step(self.keeps) else None

    async def work(self, flow: Flow) -> None:
        """Filters items."""
        async for _, item in items_of(flow):
            if await self._holds(item, flow):
                await flow.put(item)

    async def _holds(self, item: Item, flow: Flow) -> bool:
        try:
            if isinstance(self.keeps, Condition):
                return self.keeps.holds(item.value)
            return verdict(await flow.run(as_step(self.keeps), item), self.name)
        except Exception as error:
            error.add_note(f"in filter {self.name!r} at item {item.label} of {flow.context.path!r}")
            raise


@dataclass(frozen=True)
class Batch(Stage):
    """Hands items on as lists of ``size``; after ``seconds`` also a smaller one, and at the end what is left."""

    size: int
    seconds: float | None = None
    _: KW_ONLY
    name: str = "batch"

    def __post_init__(self) -> None:
        """Refuses a batch of nothing."""
        check_name(self.name, "a Batch")
        whole(f"Batch {self.name!r}", "size", self.size)
        positive(f"Batch {self.name!r}", "seconds", self.seconds)

    async def work(self, flow: Flow) -> None:
        """Gathers items; a batch's time begins with its first one."""
        held: list[Item] = []
        end: float | None = None
        while True:
            left = None if end is None else end - flow.now()
            try:
                if left is not None and left <= 0:
                    raise TimeoutError
                _, item = await flow.take(left)
            except TimeoutError:
                await flow.put(grouped(held))
                held, end = [], None
                continue
            except EndOfChannel:
                break
            if not held and self.seconds is not None:
                end = flow.now() + self.seconds
            held.append(item)
            if len(held) == self.size:
                await flow.put(grouped(held))
                held, end = [], None
        if held:
            await flow.put(grouped(held))


def as_stage(stage: Stage | Stepish) -> Stage:
    """Returns a stage for what is one already, or a Map of a step or function."""
    if isinstance(stage, Stage):
        return stage
    if not callable(stage) and not isinstance(stage, Step):
        raise DefinitionError(f"a stage is a step, a function, Map, Filter or Batch, not {stage!r}")
    return Map(stage)
