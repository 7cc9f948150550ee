"""A splitter makes parts, workers do them at once, an aggregator makes one of their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.core.errors import DefinitionError, ExecutionError, UnresolvedReference
from stretto.core.function import as_step
from stretto.core.step import Context, Step, Stepish
from stretto.workflows.flow import is_ordered
from stretto.workflows.progress import Ticker
from stretto.workflows.workflow import ConcurrentWorkflow, check_memory, names_of, one_step, owner_of, put, row_of_steps


@dataclass(frozen=True, kw_only=True)
class FanOutWorkflow(ConcurrentWorkflow[Any, Any]):
    """Fans out and in: ``splitter`` makes parts of the input, ``workers`` take them, ``aggregator`` gets the outcome.

    Part i runs as ``worker[i]``. Several workers take parts in turn, unless ``router`` names the worker for a part.
    What ``aggregation`` makes of the outcomes (by default the list of values in the order of the parts) goes to
    ``aggregator``; without one it is the value.
    """

    name: str = "fan_out"
    splitter: Stepish
    workers: Sequence[Stepish]
    aggregator: Stepish | None = None
    router: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        """Refuses a fan-out without workers, or a router that is none."""
        super().__post_init__()
        put(self, "splitter", one_step(self, "splitter", self.splitter))
        workers = row_of_steps(self, "workers", self.workers)
        put(self, "workers", workers)
        check_memory(self, self.limits, workers)
        if self.aggregator is not None:
            put(self, "aggregator", one_step(self, "aggregator", self.aggregator))
        if self.router is not None and not callable(self.router):
            raise DefinitionError(f"{owner_of(self)}: router must be a function of a part, not {self.router!r}")

    def _workers(self) -> dict[str, Step[Any, Any]]:
        return dict(zip(names_of(self.workers), (as_step(worker) for worker in self.workers), strict=True))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns splitter, workers and aggregator by their roles and names."""
        held = {"splitter": as_step(self.splitter)} | self._workers()
        return held if self.aggregator is None else held | {"aggregator": as_step(self.aggregator)}

    async def execute(self, input: Any, context: Context) -> Any:
        """Splits, works, and brings together."""
        parts = await context.run(as_step(self.splitter), input, name="splitter")
        if not is_ordered(parts):
            raise ExecutionError(
                f"the splitter of {owner_of(self)} made {parts!r}; it must make a list of parts, in order"
            )
        row = list(parts)
        ticker, done = Ticker(context, len(row)), 0
        async with context.branches(self.limits, self.mode, self.aggregation) as branches:
            workers = self._workers()
            for index, part in enumerate(row):
                name = self._worker_for(index, part, workers)
                worker = workers[name]
                await branches.start(worker, part, name=f"{name}[{index}]")
            async for _ in branches.completed():
                done += 1
                ticker.reached(done)
        ticker.finished(done)
        value = self.aggregation.combine(branches.outcomes)
        return (
            value if self.aggregator is None else await context.run(as_step(self.aggregator), value, name="aggregator")
        )

    def _worker_for(self, index: int, part: Any, workers: Mapping[str, Step[Any, Any]]) -> str:
        if self.router is None:
            return list(workers)[index % len(workers)]
        name = self.router(part)
        if name not in workers:
            raise UnresolvedReference(f"the router of {owner_of(self)}", str(name), workers)
        return name
