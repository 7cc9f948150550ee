"""A named row of steps that runs beside others: required or optional, with a timeout of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

from stretto.core.aggregation import gathered
from stretto.core.errors import BranchCancelled, BranchesFailed, DefinitionError, listed
from stretto.core.outcome import Cancelled, Completed, NotStarted, Outcome
from stretto.core.policies import PLAIN, StepPolicy, positive
from stretto.core.settings import Described
from stretto.core.step import Branches, Context, Step, Stepish, check_name
from stretto.workflows.sequential import in_turn
from stretto.workflows.workflow import check_flag, distinct, named, owner_of, put, row_of_steps


@dataclass(frozen=True)
class ParallelBranch(Described, Step[Any, Any]):
    """Steps in turn under one name, to run beside other branches.

    A ``required`` branch must succeed, whatever the aggregation says; an optional one may fail without stopping its
    siblings. ``timeout`` (seconds) replaces the limits' ``execution_timeout``. The branch reserves as much memory as
    the neediest of its steps. When a step fails, what the steps before it did is undone in reverse order, as in a
    ``SequentialWorkflow``.
    """

    kind: ClassVar[str] = "branch"
    transparent: ClassVar[bool] = True

    name: str
    steps: Sequence[Stepish]
    _: KW_ONLY
    required: bool = True
    timeout: float | None = None
    policy: StepPolicy = PLAIN

    def __post_init__(self) -> None:
        """Refuses a branch that could never run."""
        check_name(self.name, "a ParallelBranch")
        check_flag(self, "required", self.required)
        positive(owner_of(self), "timeout", self.timeout)
        if self.timeout is not None:
            if self.policy.timeout not in (None, self.timeout):
                raise DefinitionError(f"{owner_of(self)} has a timeout and a policy with another; give one of them")
            put(self, "policy", replace(self.policy, timeout=self.timeout))
        row = row_of_steps(self, "steps", self.steps)
        put(self, "steps", row)
        if self.policy.memory is None and (memory := max((step.policy.memory or 0 for step in row), default=0)):
            put(self, "policy", replace(self.policy, memory=memory))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps by name."""
        return named(self.steps)

    async def execute(self, input: Any, context: Context) -> Any:
        """Runs the steps in turn, each on the last one's output."""
        return await in_turn(self.steps, input, context, rollback=True)

    def with_timeout(self, seconds: float) -> ParallelBranch:
        """Returns the branch with this timeout (seconds)."""
        return replace(self, timeout=seconds, policy=replace(self.policy, timeout=None))

    def optional(self) -> ParallelBranch:
        """Returns the branch as one that may fail."""
        return replace(self, required=False)


def is_required(step: Stepish) -> bool:
    """Says whether a branch must succeed for its siblings to go on; a plain step must."""
    return not isinstance(step, ParallelBranch) or step.required


def insists(step: Stepish) -> bool:
    """Says whether somebody said that this branch must succeed, whatever the aggregation says."""
    return isinstance(step, ParallelBranch) and step.required


def branch_names_of(owner: Step[Any, Any], steps: Iterable[Step[Any, Any]]) -> tuple[str, ...]:
    """Returns a name for every branch; raises ``DefinitionError`` for two ParallelBranches of one name."""
    row = list(steps)
    given = [step.name for step in row if isinstance(step, ParallelBranch)]
    if double := sorted({name for name in given if given.count(name) > 1}):
        raise DefinitionError(
            f"{owner_of(owner)} has two branches called {listed(double)}; give them names that differ"
        )
    return tuple(distinct([step.name for step in row]))


async def start_all(branches: Branches, row: Sequence[Step[Any, Any]], names: Sequence[str], input: Any) -> None:
    """Starts every step on the same input, in the order in which they were declared."""
    for step, name in zip(row, names, strict=True):
        if isinstance(step, ParallelBranch):
            await branches.start(step, input, name=name, timeout=step.timeout, required=step.required)
        else:
            await branches.start(step, input, name=name)


def check_required(names: Sequence[str], steps: Sequence[Stepish], outcomes: Sequence[Outcome[Any]]) -> None:
    """Raises ``BranchesFailed`` naming every required branch that did not succeed."""
    errors: list[BaseException] = []
    missing: list[str] = []
    for name, step, outcome in zip(names, steps, outcomes, strict=True):
        if isinstance(outcome, Completed) or not insists(step):
            continue
        missing.append(name)
        errors.append(BranchCancelled(outcome.reason) if isinstance(outcome, Cancelled | NotStarted) else outcome.error)
    if errors:
        raise BranchesFailed(
            f"{len(errors)} required of {len(outcomes)} branches failed: {listed(missing)}", gathered(errors)
        )
