"""Runs a plan as dataflow: each operation starts the moment its own inputs are there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stretto.core.aggregation import gathered, require
from stretto.core.errors import BranchCancelled, BranchesFailed, DefinitionError, WrongOutputs
from stretto.core.events import PlanMade, StepSkipped
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.resources import Clock
from stretto.core.step import Branch, Branches, Context, Step
from stretto.planning.operation import Operation
from stretto.planning.plan import ExecutionPlan
from stretto.planning.scheduler import Schedule, produced
from stretto.workflows.progress import Ticker
from stretto.workflows.workflow import BoundedWorkflow, check_kind, check_memory, check_mode

TOLD = 20
"""Of how many operations an error says that they were not started."""
LARGEST = 2_000
"""A plan of more operations and edges together is not told in the log: it would outweigh what it tells of."""


@dataclass(frozen=True)
class EachItem(Step[Mapping[str, Any], Any]):
    """Runs the step of a ``for_each`` operation once for each item; its outputs are lists in the items' order.

    The items' branches are called ``id[0]``, ``id[1]``, and so on. With several outputs each becomes a list of its own.
    """

    kind: ClassVar[str] = "workflow"
    transparent: ClassVar[bool] = True

    name: str
    operation: Operation
    limits: ParallelResourceLimits
    mode: ErrorMode

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the step under the name of the operation."""
        return {self.name: self.operation.work}

    async def execute(self, input: Mapping[str, Any], context: Context) -> Any:
        """Maps; raises ``DefinitionError`` when the input is no collection with an order."""
        items = self._items(input)
        inputs = (self.operation.item_input(input, item) for item in items)
        work = Each(self.operation, self.operation.work, self.limits, self.mode)
        return await work.over(inputs, len(items), context)

    def _items(self, input: Mapping[str, Any]) -> Sequence[Any]:
        ref = str(self.operation.for_each)
        items: Any = input[ref]
        if not _is_row(items):
            raise DefinitionError(
                f"operation {self.name!r} runs for each of {ref!r}, which must be a list or another sequence, "
                f"not {type(items).__name__}"
            )
        row: Sequence[Any] = items
        return row


@dataclass(frozen=True)
class Each:
    """One step on many inputs at once, for an operation that is mapped over a collection."""

    operation: Operation
    step: Step[Any, Any]
    limits: ParallelResourceLimits
    mode: ErrorMode

    async def over(self, inputs: Iterable[Any], count: int, context: Context) -> Any:
        """Runs the step on ``count`` inputs as ``id[0]``, ``id[1]`` and so on; returns the values in their order.

        Of an operation with several outputs it returns a list for each of them. Raises as the error mode says.
        """
        id, outputs = self.operation.id, self.operation.outputs
        ticker, done = Ticker(context, count), 0
        async with context.branches(self.limits, self.mode) as branches:
            for place, input in enumerate(inputs):
                if branches.settled:
                    break
                await branches.start(self.step, input, name=f"{id}[{place}]")
                ticker.reached(place + 1 - self.limits.max_concurrent_executions)
            async for _ in branches.completed():
                done += 1
                ticker.reached(done)
        ticker.finished(done)
        require(branches.outcomes)
        values = [outcome.unwrap() for outcome in branches.outcomes]
        if len(outputs) < 2:
            return values
        rows = [produced(self.operation, value) for value in values]
        return {ref: [row[ref] for row in rows] for ref in outputs}


def _is_row(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


class PlannedMap(Step[Mapping[str, Any], Any]):
    """An operation's step that runs branches of its own, within the limits of the plan that it stands in."""

    @abstractmethod
    def within(self, limits: ParallelResourceLimits, mode: ErrorMode) -> Step[Mapping[str, Any], Any]:
        """Returns the step with the plan's limits and error mode."""


@dataclass(frozen=True, kw_only=True)
class PlannedWorkflow(BoundedWorkflow[Mapping[str, Any], dict[str, Any]]):
    """Runs an execution plan; its input is a mapping of what was given, its value that and all that was produced.

    There is no barrier between batches. When room is short, the operation with the longest remaining path goes first.
    FAIL_FAST (the default) raises the first failure of a required operation. FAIL_SLOW goes on with whatever does not
    need what failed, and raises ``BranchesFailed`` at the end; what stood behind a failure is told as not started.
    """

    name: str = "plan"
    plan: ExecutionPlan
    error_mode: ErrorMode = ErrorMode.FAIL_FAST

    def __post_init__(self) -> None:
        """Refuses a plan of which an operation has nothing to run, or takes more memory than there may be."""
        super().__post_init__()
        check_kind(self, "plan", self.plan, ExecutionPlan)
        check_mode(self, self.error_mode)
        if not self.plan.operations:
            raise DefinitionError(f"PlannedWorkflow {self.name!r} has a plan without operations; give at least one")
        check_memory(self, self.limits, [operation.work for operation in self.plan.operations.values()])

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns what each operation runs, by its id."""
        return {id: self.step_of(operation) for id, operation in self.plan.operations.items()}

    def step_of(self, operation: Operation) -> Step[Any, Any]:
        """Returns what runs under an operation's id: its step, or the map over its items."""
        if operation.for_each is None:
            work = operation.work
            return work.within(self.limits, self.error_mode) if isinstance(work, PlannedMap) else work
        return EachItem(operation.id, operation, self.limits, self.error_mode)

    async def execute(self, input: Mapping[str, Any] | None, context: Context) -> dict[str, Any]:
        """Runs the plan; raises ``DefinitionError`` before anything starts when the input is not what was given."""
        schedule = Schedule(self.plan, input)
        if len(self.plan.operations) + len(self.plan.edges) <= LARGEST:
            context.emit(PlanMade(plan=self.plan.to_json(self.limits.max_concurrent_executions)))
        async with context.branches(self.limits, self.error_mode) as branches:
            flow = _Flow(self, schedule, branches, context)
            await flow.start()
            while flow.running:
                branch = await branches.changed()
                if branch is not None:
                    flow.end(branch)
                await flow.start()
            flow.tell_unstarted()
        flow.require()
        return dict(schedule.data)


class _Flow:
    """One execution of a plan: what runs where, and which failures count."""

    def __init__(self, workflow: PlannedWorkflow, schedule: Schedule, branches: Branches, context: Context) -> None:
        self._workflow, self._schedule, self._branches, self._context = workflow, schedule, branches, context
        self._started: dict[int, Operation] = {}
        self.running = 0
        self._errors: list[BaseException] = []
        self._behind: list[str] = []

    async def start(self) -> None:
        """Starts as much as there is room for, and tells what is skipped."""
        while not self._branches.settled:
            taken = self._schedule.take_ready(self._branches.room)
            self._tell_skipped()
            for operation in taken:
                index = await self._branches.start(
                    self._workflow.step_of(operation),
                    self._schedule.inputs_of(operation),
                    name=operation.id,
                    required=operation.required,
                    priority=self._workflow.plan.remaining[operation.id],
                )
                self._started[index] = operation
                self.running += 1
            if not taken:
                return

    def end(self, branch: Branch[Any]) -> None:
        """Takes an outcome: its data, or its failure."""
        operation, outcome = self._started[branch.index], branch.outcome
        self.running -= 1
        if self._branches.settled:  # a failure has stopped the plan, and is raised when the block is left
            return
        if isinstance(outcome, Completed):
            try:
                self._schedule.complete(operation.id, outcome.value)
            except WrongOutputs as error:
                self._fail(operation, error)
                self._schedule.fail(operation.id)
            return
        if operation.required:
            self._errors.append(_error_of(outcome))
        self._schedule.fail(operation.id)

    def _fail(self, operation: Operation, error: Exception) -> None:
        """Notes a failure that no branch has raised."""
        if not operation.required:
            return
        error.add_note(f"in operation {operation.id!r} at {self._context.path!r}")
        if self._workflow.error_mode is ErrorMode.FAIL_FAST:
            raise error
        self._errors.append(error)

    def _tell_skipped(self) -> None:
        for operation, ending in self._schedule.take_skipped():
            self._tell(operation, ending.because)
            if ending.error is not None:
                self._fail(operation, ending.error)
            elif ending.blocked:
                self._behind.append(f"{operation.id!r} was not started: {ending.because}")

    def tell_unstarted(self) -> None:
        """Tells of every operation that a failure kept from being started."""
        if self._schedule.done:
            return
        started = {operation.id for operation in self._started.values()}
        for operation in self._workflow.plan.operations.values():
            if operation.id not in started and operation.id not in self._schedule.ended:
                self._tell(operation, "another operation failed, and the plan stops at the first failure")

    def _tell(self, operation: Operation, because: str) -> None:
        path, at = self._context.path, self._context.resource(Clock).now()
        self._branches.declare(operation.id)
        self._context.emit(StepSkipped(f"{path}/{operation.id}" if path else operation.id, at, because))

    def require(self) -> None:
        """Raises ``BranchesFailed`` with every failure of a required operation."""
        if not self._errors:
            return
        count = len(self._workflow.plan.operations)
        failed = BranchesFailed(f"{len(self._errors)} of {count} operations failed", gathered(self._errors))
        for line in self._behind[:TOLD]:
            failed.add_note(line)
        if len(self._behind) > TOLD:
            failed.add_note(f"and {len(self._behind) - TOLD:,} more operations were not started")
        raise failed


def _error_of(outcome: Failed | TimedOut | Cancelled | NotStarted) -> BaseException:
    return outcome.error if isinstance(outcome, Failed | TimedOut) else BranchCancelled(outcome.reason)
