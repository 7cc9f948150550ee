"""Named branches at once, and one step behind them that gets every outcome by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.core.aggregation import gathered
from stretto.core.errors import BranchCancelled, BranchesFailed, listed
from stretto.core.function import as_step
from stretto.core.outcome import Completed, error_of
from stretto.core.policies import ErrorMode
from stretto.core.step import Context, Step, Stepish
from stretto.workflows.branch import branch_names_of, is_required, start_all
from stretto.workflows.workflow import (
    BoundedWorkflow,
    check_memory,
    check_mode,
    one_step,
    put,
    row_of_steps,
)


@dataclass(frozen=True, kw_only=True)
class ForkJoinWorkflow(BoundedWorkflow[Any, Any]):
    """Runs branches on the same input; ``join`` receives ``{name: outcome}`` in declared order, and makes the value.

    Every required branch (also a plain step) must succeed, optional ones may fail. With FAIL_FAST, the default, the
    first failure of a required branch stops the others and is raised; with FAIL_SLOW all run to their end and
    ``BranchesFailed`` holds every failure of a required branch.
    """

    name: str = "fork_join"
    branches: Sequence[Stepish]
    join: Stepish
    error_mode: ErrorMode | None = None

    def __post_init__(self) -> None:
        """Refuses branches of one name, or none."""
        super().__post_init__()
        check_mode(self, self.error_mode)
        steps = row_of_steps(self, "branches", self.branches)
        put(self, "branches", steps)
        put(self, "join", one_step(self, "join", self.join))
        branch_names_of(self, steps)
        check_memory(self, self.limits, steps)

    @property
    def branch_names(self) -> tuple[str, ...]:
        """The names of the branches in declared order."""
        return branch_names_of(self, [as_step(branch) for branch in self.branches])

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the branches by name, and ``join``."""
        held = dict(zip(self.branch_names, (as_step(branch) for branch in self.branches), strict=True))
        return held | {"join": as_step(self.join)}

    async def execute(self, input: Any, context: Context) -> Any:
        """Runs the branches, then the join."""
        steps, names = [as_step(branch) for branch in self.branches], self.branch_names
        async with context.branches(self.limits, self.error_mode or ErrorMode.FAIL_FAST) as branches:
            await start_all(branches, steps, names, input)
        outcomes = dict(zip(names, branches.outcomes, strict=True))
        failed = [
            n for n, s in zip(names, steps, strict=True) if is_required(s) and not isinstance(outcomes[n], Completed)
        ]
        if failed:
            errors = [error_of(outcomes[name]) or BranchCancelled(outcomes[name].status) for name in failed]
            raise BranchesFailed(
                f"{len(failed)} required of {len(steps)} branches failed: {listed(failed)}", gathered(errors)
            )
        return await context.run(as_step(self.join), outcomes, name="join")
