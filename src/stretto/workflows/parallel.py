"""Different steps on the same input, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stretto.core.aggregation import FirstSuccess, Quorum
from stretto.core.errors import DefinitionError
from stretto.core.function import as_step
from stretto.core.step import Context, Step
from stretto.core.synchronization import Barrier
from stretto.workflows.branch import branch_names_of, check_required, insists, is_required, start_all
from stretto.workflows.workflow import (
    ConcurrentWorkflow,
    StepsWorkflow,
    check_kind,
    check_memory,
    check_reachable,
    owner_of,
    put,
)


@dataclass(frozen=True, kw_only=True)
class ParallelWorkflow(StepsWorkflow[Any, Any], ConcurrentWorkflow[Any, Any]):
    """Runs all steps on the same input, within ``limits``; the value is what ``aggregation`` makes of the outcomes.

    A step may be a ``ParallelBranch``: a required one must succeed whatever the aggregation says, an optional one may
    fail. Name in ``barriers`` those at which the steps meet: it is checked that all parties can run at once.
    """

    name: str = "parallel"
    barriers: Sequence[Barrier] = ()

    def __post_init__(self) -> None:
        """Refuses what contradicts itself or could never be met."""
        super().__post_init__()
        put(self, "barriers", tuple(self.barriers))
        steps = [as_step(step) for step in self.steps]
        branch_names_of(self, steps)
        check_memory(self, self.limits, steps)
        check_reachable(self, self.aggregation, len(steps))
        forced = [step.name for step in steps if insists(step)]
        if forced and isinstance(self.aggregation, FirstSuccess | Quorum):
            raise DefinitionError(
                f"{owner_of(self)}: branch {forced[0]!r} is required, and {self.aggregation} cancels who is late; "
                "say required=False, or choose another aggregation"
            )
        for barrier in self.barriers:
            check_kind(self, "barriers", barrier, Barrier)
            self._check_room(barrier, len(steps))

    def _check_room(self, barrier: Barrier, steps: int) -> None:
        room = self.limits.max_concurrent_executions
        if steps < barrier.parties:
            raise DefinitionError(
                f"{owner_of(self)}: barrier {barrier.name!r} waits for {barrier.parties} parties, and there are "
                f"only {steps} steps; lower its parties or add steps"
            )
        if room < barrier.parties:
            raise DefinitionError(
                f"{owner_of(self)}: barrier {barrier.name!r} waits for {barrier.parties} parties, and only {room} "
                f"may run at once; raise max_concurrent_executions to at least {barrier.parties}"
            )

    @cached_property
    def branch_names(self) -> tuple[str, ...]:
        """The names under which the steps run, in declared order."""
        return branch_names_of(self, [as_step(step) for step in self.steps])

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps by name."""
        return dict(zip(self.branch_names, (as_step(step) for step in self.steps), strict=True))

    async def execute(self, input: Any, context: Context) -> Any:
        """Runs the steps at once."""
        steps = [as_step(step) for step in self.steps]
        names = self.branch_names
        async with context.branches(self.limits, self.mode, self.aggregation) as branches:
            await start_all(branches, steps, names, input)
        outcomes = branches.outcomes
        check_required(names, steps, outcomes)
        optional = [place for place, step in enumerate(steps) if not is_required(step)]
        return self.aggregation.combine(outcomes, optional)
