"""One request to many equals; what came back when enough answered, or when time was up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from stretto.core.aggregation import Quorum
from stretto.core.errors import NothingSucceeded, TooFewSucceeded
from stretto.core.events import StepSkipped
from stretto.core.function import as_step
from stretto.core.outcome import Completed, Outcome, error_of
from stretto.core.policies import ErrorMode, positive, whole
from stretto.core.resources import Clock
from stretto.core.step import Branches, Context, Step, Stepish
from stretto.workflows.branch import branch_names_of
from stretto.workflows.workflow import BoundedWorkflow, check_memory, check_reachable, owner_of, put, row_of_steps


@dataclass(frozen=True, kw_only=True)
class ScatterGatherWorkflow(BoundedWorkflow[Any, dict[str, Outcome[Any]]]):
    """Sends its input to all ``recipients``; the value is ``{name: outcome}`` in declared order.

    As soon as ``quorum`` of them have answered the others are cancelled; without it everybody is waited for, and one
    answer is enough. After ``deadline`` seconds those who have not answered are timed out, and those who still waited
    for room are not started: what was gathered is the value if it reaches the quorum, else ``TooFewSucceeded`` (or
    ``NothingSucceeded``) is raised. Failures are outcomes.
    """

    name: str = "scatter_gather"
    recipients: Sequence[Stepish]
    quorum: int | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        """Refuses a quorum that could never be there."""
        super().__post_init__()
        steps = row_of_steps(self, "recipients", self.recipients)
        put(self, "recipients", steps)
        branch_names_of(self, steps)
        check_memory(self, self.limits, steps)
        positive(owner_of(self), "deadline", self.deadline)
        if self.quorum is not None:
            whole(owner_of(self), "quorum", self.quorum)
            check_reachable(self, Quorum(self.quorum), len(steps))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the recipients by name."""
        steps = [as_step(recipient) for recipient in self.recipients]
        return dict(zip(branch_names_of(self, steps), steps, strict=True))

    async def execute(self, input: Any, context: Context) -> dict[str, Outcome[Any]]:
        """Asks all, and gathers."""
        enough = Quorum(self.quorum) if self.quorum is not None else None
        async with context.branches(self.limits, ErrorMode.FAIL_SLOW, enough) as branches:
            await self._scatter(input, branches, context)
        outcomes = dict(zip(self.children(), branches.outcomes, strict=True))
        succeeded = sum(isinstance(outcome, Completed) for outcome in outcomes.values())
        errors = [error for outcome in outcomes.values() if (error := error_of(outcome)) is not None]
        if not succeeded:
            raise NothingSucceeded(errors, len(outcomes))
        if succeeded < (self.quorum or 1):
            raise TooFewSucceeded(self.quorum or 1, succeeded, errors)
        return outcomes

    async def _scatter(self, input: Any, branches: Branches, context: Context) -> None:
        # A branch's time begins when it starts, so nobody is made to wait for room inside: the next one is started
        # when there is room, with what is left of the time.
        clock = context.resource(Clock)
        end = inf if self.deadline is None else clock.now() + self.deadline
        waiting = list(self.children().items())[::-1]
        started = ended = 0
        while True:
            while waiting and branches.room > 0 and (left := end - clock.now()) > 0:
                name, step = waiting.pop()
                times = [seconds for seconds in (left, self.limits.execution_timeout) if seconds not in (None, inf)]
                await branches.start(step, input, name=name, timeout=min(times, default=None))
                started += not branches.settled
            if ended >= started:
                break
            ended += await branches.changed() is not None
        for name, _ in reversed(waiting):
            branches.declare(name)
            path = f"{context.path}/{name}" if context.path else name
            context.emit(StepSkipped(path, clock.now(), f"the deadline of {self.deadline:g} s was over"))
