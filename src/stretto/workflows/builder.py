"""The builder: collects a workflow's settings one by one, and makes the same value as its keywords do."""

# ruff: noqa: PYI019  # a bounded self is what lets a type checker refuse a setting that the workflow does not have

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from stretto.core.aggregation import AggregationStrategy
from stretto.core.errors import DefinitionError, UnknownSetting, listed
from stretto.core.policies import ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.step import Stepish
from stretto.core.synchronization import Barrier
from stretto.workflows.condition import Case
from stretto.workflows.iteration import Break, Collect
from stretto.workflows.stages import Stage
from stretto.workflows.windows import Window

W = TypeVar("W", covariant=True)


class HasSteps(Protocol):
    """A workflow over a row of steps."""

    @property
    def steps(self) -> Any: ...


class HasBranches(Protocol):
    """A workflow over branches that may be called by name."""

    @property
    def branch_names(self) -> tuple[str, ...]: ...


class HasLimits(Protocol):
    """A workflow whose branches run within limits."""

    @property
    def limits(self) -> Any: ...


class HasErrorMode(Protocol):
    """A workflow that can say when a failure stops the siblings."""

    @property
    def error_mode(self) -> ErrorMode | None: ...


class HasAggregation(Protocol):
    """A workflow whose outcomes become one value."""

    @property
    def aggregation(self) -> AggregationStrategy: ...


class HasOnError(Protocol):
    """A workflow of steps in turn that can go on after a failure."""

    @property
    def on_error(self) -> Any: ...


class HasRollback(Protocol):
    """A workflow that can take back what it did."""

    @property
    def rollback(self) -> bool: ...


class Chooses(Protocol):
    """A workflow that chooses by conditions."""

    @property
    def otherwise(self) -> Any: ...


class Loops(Protocol):
    """A workflow with a body that is run again."""

    @property
    def body(self) -> Any: ...


class Joins(Protocol):
    """A workflow with a step behind its branches."""

    @property
    def join(self) -> Any: ...


class Meets(Protocol):
    """A workflow whose branches meet at barriers."""

    @property
    def barriers(self) -> Any: ...


class Scatters(Protocol):
    """A workflow that sends one request to many."""

    @property
    def recipients(self) -> Any: ...


class FansOut(Protocol):
    """A workflow that splits its input among workers."""

    @property
    def splitter(self) -> Any: ...


class MapsAndReduces(Protocol):
    """A workflow over the items of a collection."""

    @property
    def reduce(self) -> Any: ...


class Streams(Protocol):
    """A workflow of stages through which items flow."""

    @property
    def stages(self) -> Any: ...


class CutsWindows(Protocol):
    """A workflow over windows of a stream."""

    @property
    def window(self) -> Any: ...


S = TypeVar("S", bound="WorkflowBuilder[HasSteps]")
N = TypeVar("N", bound="WorkflowBuilder[HasBranches]")
L = TypeVar("L", bound="WorkflowBuilder[HasLimits]")
E = TypeVar("E", bound="WorkflowBuilder[HasErrorMode]")
A = TypeVar("A", bound="WorkflowBuilder[HasAggregation]")
O = TypeVar("O", bound="WorkflowBuilder[HasOnError]")  # noqa: E741  # one letter each
R = TypeVar("R", bound="WorkflowBuilder[HasRollback]")
C = TypeVar("C", bound="WorkflowBuilder[Chooses]")
P = TypeVar("P", bound="WorkflowBuilder[Loops]")
J = TypeVar("J", bound="WorkflowBuilder[Joins]")
M = TypeVar("M", bound="WorkflowBuilder[Meets]")
G = TypeVar("G", bound="WorkflowBuilder[Scatters]")
F = TypeVar("F", bound="WorkflowBuilder[FansOut]")
D = TypeVar("D", bound="WorkflowBuilder[MapsAndReduces]")
T = TypeVar("T", bound="WorkflowBuilder[Streams]")
V = TypeVar("V", bound="WorkflowBuilder[CutsWindows]")


class Collected(Generic[W]):
    """The settings said so far; every call returns a new builder, and leaves this one as it is."""

    def __init__(self, workflow: type[W], settings: dict[str, Any]) -> None:
        self._workflow, self._settings = workflow, settings

    def _known(self) -> dict[str, bool]:
        """Returns the settings that the workflow takes, and whether it needs them."""
        if not is_dataclass(self._workflow):
            raise DefinitionError(
                f"{self._workflow.__name__} is not a dataclass, so it has no builder; call it instead"
            )
        return {f.name: f.default is MISSING and f.default_factory is MISSING for f in fields(self._workflow) if f.init}

    def _with(self, **settings: Any) -> Self:
        known = self._known()
        for setting in settings:
            if setting not in known:
                raise UnknownSetting(self._workflow.__name__, setting, known)
        return type(self)(self._workflow, self._settings | settings)

    def _adding(self, setting: str, *values: Any) -> Self:
        return self._with(**{setting: (*self._settings.get(setting, ()), *values)})

    def _limiting(self, **limits: Any) -> Self:
        self._with(limits=None)
        return self._with(limits=replace(self._settings.get("limits", ParallelResourceLimits()), **limits))

    def build(self) -> W:
        """Makes the workflow; raises ``DefinitionError`` for what is missing or contradicts itself."""
        missing = [name for name, needed in self._known().items() if needed and name not in self._settings]
        if missing:
            raise DefinitionError(
                f"{self._workflow.__name__} cannot be built without {listed(missing)}; say what it is first"
            )
        return self._workflow(**self._settings)


class WorkflowBuilder(Collected[W]):
    """Says a workflow's settings in words; ``build`` returns the frozen workflow.

    Every method belongs to the workflows that have its setting: on another one it raises ``UnknownSetting``, and a
    type checker refuses it.
    """

    def with_name(self, name: str) -> Self:
        """Names the workflow."""
        return self._with(name=name)

    def with_timeout(self, seconds: float) -> Self:
        """Bounds each branch of a workflow that has ``limits``, and the whole of any other (seconds)."""
        if "limits" in self._known():
            return self._limiting(execution_timeout=seconds)
        return self._with(timeout=seconds)

    def with_total_timeout(self, seconds: float) -> Self:
        """Bounds the whole workflow (seconds)."""
        return self._with(timeout=seconds)

    def with_policy(self, policy: StepPolicy) -> Self:
        """Says how the workflow as a step is executed."""
        return self._with(policy=policy)

    def add_step(self: S, step: Stepish) -> S:
        """Adds a step behind the others."""
        return self._adding("steps", step)

    def with_steps(self: S, *steps: Stepish) -> S:
        """Says all the steps at once."""
        return self._with(steps=steps)

    def with_limits(self: L, limits: ParallelResourceLimits) -> L:
        """Says all five limits at once."""
        return self._with(limits=limits)

    def with_max_concurrency(self: L, executions: int) -> L:
        """Says how many branches run at once; the other limits stay."""
        return self._limiting(max_concurrent_executions=executions)

    def with_max_memory_per_branch(self: L, size: int) -> L:
        """Says how many bytes a branch reserves; the other limits stay."""
        return self._limiting(max_memory_per_branch=size)

    def with_max_total_memory(self: L, size: int) -> L:
        """Says how many bytes all live branches reserve; the other limits stay."""
        return self._limiting(max_total_memory=size)

    def with_execution_timeout(self: L, seconds: float) -> L:
        """Bounds each branch (seconds); the other limits stay."""
        return self._limiting(execution_timeout=seconds)

    def with_cancellation_timeout(self: L, seconds: float) -> L:
        """Says how long a cancelled branch may take to stop (seconds); the other limits stay."""
        return self._limiting(cancellation_timeout=seconds)

    def with_error_mode(self: E, mode: ErrorMode) -> E:
        """Says when a failing branch stops its siblings."""
        return self._with(error_mode=mode)

    def with_aggregation(self: A, strategy: AggregationStrategy) -> A:
        """Says what counts as success, and what the value is."""
        return self._with(aggregation=strategy)

    def with_on_error(self: O, on_error: str) -> O:
        """Says what happens after a failure."""
        return self._with(on_error=on_error)

    def with_rollback(self: R, rollback: bool) -> R:
        """Says whether what was done is undone after a failure."""
        return self._with(rollback=rollback)

    def add_case(self: C, condition: Any, step: Stepish, name: str | None = None) -> C:
        """Adds a branch that is taken when its condition holds."""
        return self._adding("branches", Case(condition, step, name=name))

    def with_otherwise(self: C, step: Stepish) -> C:
        """Says what runs when no condition holds."""
        return self._with(otherwise=step)

    def with_match(self: C, match: str) -> C:
        """Says whether the first branch that holds runs, or all."""
        return self._with(match=match)

    def with_body(self: P, body: Stepish) -> P:
        """Says what is run again and again."""
        return self._with(body=body)

    def with_over(self: P, over: Any) -> P:
        """Says how often, or over which items."""
        return self._with(over=over)

    def with_while(self: P, condition: Any) -> P:
        """Loops while the condition holds for the last output."""
        return self._with(while_=condition)

    def with_until(self: P, condition: Any) -> P:
        """Loops until the condition holds for the last output."""
        return self._with(until=condition)

    def with_max_iterations(self: P, iterations: int) -> P:
        """Says how many iterations there are at most."""
        return self._with(max_iterations=iterations)

    def add_break(self: P, condition: Any, message: str) -> P:
        """Adds a break condition with its message."""
        return self._adding("breaks", Break(condition, message))

    def with_collect(self: P, collect: Collect) -> P:
        """Says which outputs are kept."""
        return self._with(collect=collect)

    def with_carry(self: P, carry: bool) -> P:
        """Says whether the body receives the last output beside its item."""
        return self._with(carry=carry)

    def with_delay(self: P, seconds: float) -> P:
        """Waits between iterations (seconds)."""
        return self._with(delay=seconds)

    def with_detailed(self: P, detailed: bool) -> P:
        """Says whether the value is a LoopResult."""
        return self._with(detailed=detailed)

    def with_barriers(self: M, *barriers: Barrier) -> M:
        """Names the barriers at which the branches meet."""
        return self._with(barriers=barriers)

    def add_branch(self: N, branch: Stepish) -> N:
        """Adds a branch, best a ParallelBranch."""
        return self._adding("branches" if "branches" in self._known() else "steps", branch)

    def with_join(self: J, step: Stepish) -> J:
        """Says what receives the outcomes by name."""
        return self._with(join=step)

    def add_recipient(self: G, step: Stepish) -> G:
        """Adds one to whom the request is sent."""
        return self._adding("recipients", step)

    def with_quorum(self: G, answers: int) -> G:
        """Says how many answers are enough."""
        return self._with(quorum=answers)

    def with_deadline(self: G, seconds: float) -> G:
        """Says how long answers are gathered (seconds)."""
        return self._with(deadline=seconds)

    def with_splitter(self: F, step: Stepish) -> F:
        """Says what makes the parts."""
        return self._with(splitter=step)

    def add_worker(self: F, step: Stepish) -> F:
        """Adds a worker."""
        return self._adding("workers", step)

    def with_router(self: F, router: Callable[[Any], str]) -> F:
        """Says which worker gets a part, by the worker's name."""
        return self._with(router=router)

    def with_aggregator(self: F, step: Stepish) -> F:
        """Says what makes one of the workers' values."""
        return self._with(aggregator=step)

    def with_map(self: D, step: Stepish) -> D:
        """Says what is done to each item."""
        return self._with(map=step)

    def with_reduce(self: D, step: Stepish) -> D:
        """Says what makes one of all the values."""
        return self._with(reduce=step)

    def with_combine(self: D, step: Stepish, chunk: int) -> D:
        """Reduces chunks of items on their own before the rest."""
        return self._with(combine=step, chunk=chunk)

    def add_stage(self: T, stage: Stage | Stepish) -> T:
        """Adds a stage behind the others."""
        return self._adding("stages", stage)

    def with_sink(self: T, step: Stepish) -> T:
        """Says where the items flow to."""
        return self._with(sink=step)

    def with_buffer(self: T, items: int) -> T:
        """Says how many items wait between two stages."""
        return self._with(buffer=items)

    def with_when_full(self: T, when_full: str) -> T:
        """Says what happens to the source when the buffer is full."""
        return self._with(when_full=when_full)

    def with_checkpoint_every(self: T, items: int) -> T:
        """Says after how many items a resumed run can go on."""
        return self._with(checkpoint_every=items)

    def with_window(self: V, window: Window) -> V:
        """Says how windows are cut."""
        return self._with(window=window)

    def with_time(self: V, time: Callable[[Any], float], lateness: float = 0) -> V:
        """Says when an item happened, and how late one may come (seconds)."""
        return self._with(time=time, lateness=lateness)

    def with_late(self: V, late: str) -> V:
        """Says what happens to an item whose window is closed."""
        return self._with(late=late)
