"""The builder: collects a workflow's settings one by one, and makes the same value as its keywords do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from stretto.core.aggregation import AggregationStrategy
from stretto.core.errors import DefinitionError, UnknownSetting, listed
from stretto.core.policies import ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.step import Stepish
from stretto.core.synchronization import Barrier
from stretto.workflows.condition import Case
from stretto.workflows.iteration import Break, Collect
from stretto.workflows.stages import Stage
from stretto.workflows.windows import Window

W = TypeVar("W")


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


S = TypeVar("S", bound=HasSteps)
N = TypeVar("N", bound=HasBranches)
L = TypeVar("L", bound=HasLimits)
E = TypeVar("E", bound=HasErrorMode)
A = TypeVar("A", bound=HasAggregation)
O = TypeVar("O", bound=HasOnError)  # noqa: E741  # one letter each
R = TypeVar("R", bound=HasRollback)
C = TypeVar("C", bound=Chooses)
P = TypeVar("P", bound=Loops)
J = TypeVar("J", bound=Joins)
M = TypeVar("M", bound=Meets)
G = TypeVar("G", bound=Scatters)
F = TypeVar("F", bound=FansOut)
D = TypeVar("D", bound=MapsAndReduces)
T = TypeVar("T", bound=Streams)
V = TypeVar("V", bound=CutsWindows)


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

    def _with(self, **settings: Any) -> WorkflowBuilder[Any]:
        known = self._known()
        for setting in settings:
            if setting not in known:
                raise UnknownSetting(self._workflow.__name__, setting, known)
        return WorkflowBuilder(self._workflow, self._settings | settings)

    def _adding(self, setting: str, *values: Any) -> WorkflowBuilder[Any]:
        return self._with(**{setting: (*self._settings.get(setting, ()), *values)})

    def _limiting(self, **limits: Any) -> WorkflowBuilder[Any]:
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

    def with_name(self, name: str) -> WorkflowBuilder[W]:
        """Names the workflow."""
        return self._with(name=name)

    def with_timeout(self, seconds: float) -> WorkflowBuilder[W]:
        """Bounds the whole workflow (seconds)."""
        return self._with(timeout=seconds)

    def with_policy(self, policy: StepPolicy) -> WorkflowBuilder[W]:
        """Says how the workflow as a step is executed."""
        return self._with(policy=policy)

    def add_step(self: WorkflowBuilder[S], step: Stepish) -> WorkflowBuilder[S]:
        """Adds a step behind the others."""
        return self._adding("steps", step)

    def with_steps(self: WorkflowBuilder[S], *steps: Stepish) -> WorkflowBuilder[S]:
        """Says all the steps at once."""
        return self._with(steps=steps)

    def with_limits(self: WorkflowBuilder[L], limits: ParallelResourceLimits) -> WorkflowBuilder[L]:
        """Says all five limits at once."""
        return self._with(limits=limits)

    def with_max_concurrency(self: WorkflowBuilder[L], executions: int) -> WorkflowBuilder[L]:
        """Says how many branches run at once; the other limits stay."""
        return self._limiting(max_concurrent_executions=executions)

    def with_max_memory_per_branch(self: WorkflowBuilder[L], size: int) -> WorkflowBuilder[L]:
        """Says how many bytes a branch reserves; the other limits stay."""
        return self._limiting(max_memory_per_branch=size)

    def with_max_total_memory(self: WorkflowBuilder[L], size: int) -> WorkflowBuilder[L]:
        """Says how many bytes all live branches reserve; the other limits stay."""
        return self._limiting(max_total_memory=size)

    def with_execution_timeout(self: WorkflowBuilder[L], seconds: float) -> WorkflowBuilder[L]:
        """Bounds each branch (seconds); the other limits stay."""
        return self._limiting(execution_timeout=seconds)

    def with_cancellation_timeout(self: WorkflowBuilder[L], seconds: float) -> WorkflowBuilder[L]:
        """Says how long a cancelled branch may take to stop (seconds); the other limits stay."""
        return self._limiting(cancellation_timeout=seconds)

    def with_error_mode(self: WorkflowBuilder[E], mode: ErrorMode) -> WorkflowBuilder[E]:
        """Says when a failing branch stops its siblings."""
        return self._with(error_mode=mode)

    def with_aggregation(self: WorkflowBuilder[A], strategy: AggregationStrategy) -> WorkflowBuilder[A]:
        """Says what counts as success, and what the value is."""
        return self._with(aggregation=strategy)

    def with_on_error(self: WorkflowBuilder[O], on_error: str) -> WorkflowBuilder[O]:
        """Says what happens after a failure."""
        return self._with(on_error=on_error)

    def with_rollback(self: WorkflowBuilder[R], rollback: bool) -> WorkflowBuilder[R]:
        """Says whether what was done is undone after a failure."""
        return self._with(rollback=rollback)

    def add_case(
        self: WorkflowBuilder[C], condition: Any, step: Stepish, name: str | None = None
    ) -> WorkflowBuilder[C]:
        """Adds a branch that is taken when its condition holds."""
        return self._adding("branches", Case(condition, step, name=name))

    def with_otherwise(self: WorkflowBuilder[C], step: Stepish) -> WorkflowBuilder[C]:
        """Says what runs when no condition holds."""
        return self._with(otherwise=step)

    def with_match(self: WorkflowBuilder[C], match: str) -> WorkflowBuilder[C]:
        """Says whether the first branch that holds runs, or all."""
        return self._with(match=match)

    def with_body(self: WorkflowBuilder[P], body: Stepish) -> WorkflowBuilder[P]:
        """Says what is run again and again."""
        return self._with(body=body)

    def with_over(self: WorkflowBuilder[P], over: Any) -> WorkflowBuilder[P]:
        """Says how often, or over which items."""
        return self._with(over=over)

    def with_while(self: WorkflowBuilder[P], condition: Any) -> WorkflowBuilder[P]:
        """Loops while the condition holds for the last output."""
        return self._with(while_=condition)

    def with_until(self: WorkflowBuilder[P], condition: Any) -> WorkflowBuilder[P]:
        """Loops until the condition holds for the last output."""
        return self._with(until=condition)

    def with_max_iterations(self: WorkflowBuilder[P], iterations: int) -> WorkflowBuilder[P]:
        """Says how many iterations there are at most."""
        return self._with(max_iterations=iterations)

    def add_break(self: WorkflowBuilder[P], condition: Any, message: str) -> WorkflowBuilder[P]:
        """Adds a break condition with its message."""
        return self._adding("breaks", Break(condition, message))

    def with_collect(self: WorkflowBuilder[P], collect: Collect) -> WorkflowBuilder[P]:
        """Says which outputs are kept."""
        return self._with(collect=collect)

    def with_carry(self: WorkflowBuilder[P], carry: bool) -> WorkflowBuilder[P]:
        """Says whether the body receives the last output beside its item."""
        return self._with(carry=carry)

    def with_delay(self: WorkflowBuilder[P], seconds: float) -> WorkflowBuilder[P]:
        """Waits between iterations (seconds)."""
        return self._with(delay=seconds)

    def with_detailed(self: WorkflowBuilder[P], detailed: bool) -> WorkflowBuilder[P]:
        """Says whether the value is a LoopResult."""
        return self._with(detailed=detailed)

    def with_barriers(self: WorkflowBuilder[M], *barriers: Barrier) -> WorkflowBuilder[M]:
        """Names the barriers at which the branches meet."""
        return self._with(barriers=barriers)

    def add_branch(self: WorkflowBuilder[N], branch: Stepish) -> WorkflowBuilder[N]:
        """Adds a branch, best a ParallelBranch."""
        return self._adding("branches" if "branches" in self._known() else "steps", branch)

    def with_join(self: WorkflowBuilder[J], step: Stepish) -> WorkflowBuilder[J]:
        """Says what receives the outcomes by name."""
        return self._with(join=step)

    def add_recipient(self: WorkflowBuilder[G], step: Stepish) -> WorkflowBuilder[G]:
        """Adds one to whom the request is sent."""
        return self._adding("recipients", step)

    def with_quorum(self: WorkflowBuilder[G], answers: int) -> WorkflowBuilder[G]:
        """Says how many answers are enough."""
        return self._with(quorum=answers)

    def with_deadline(self: WorkflowBuilder[G], seconds: float) -> WorkflowBuilder[G]:
        """Says how long answers are gathered (seconds)."""
        return self._with(deadline=seconds)

    def with_splitter(self: WorkflowBuilder[F], step: Stepish) -> WorkflowBuilder[F]:
        """Says what makes the parts."""
        return self._with(splitter=step)

    def add_worker(self: WorkflowBuilder[F], step: Stepish) -> WorkflowBuilder[F]:
        """Adds a worker."""
        return self._adding("workers", step)

    def with_router(self: WorkflowBuilder[F], router: Callable[[Any], str]) -> WorkflowBuilder[F]:
        """Says which worker gets a part, by the worker's name."""
        return self._with(router=router)

    def with_aggregator(self: WorkflowBuilder[F], step: Stepish) -> WorkflowBuilder[F]:
        """Says what makes one of the workers' values."""
        return self._with(aggregator=step)

    def with_map(self: WorkflowBuilder[D], step: Stepish) -> WorkflowBuilder[D]:
        """Says what is done to each item."""
        return self._with(map=step)

    def with_reduce(self: WorkflowBuilder[D], step: Stepish) -> WorkflowBuilder[D]:
        """Says what makes one of all the values."""
        return self._with(reduce=step)

    def with_combine(self: WorkflowBuilder[D], step: Stepish, chunk: int) -> WorkflowBuilder[D]:
        """Reduces chunks of items on their own before the rest."""
        return self._with(combine=step, chunk=chunk)

    def add_stage(self: WorkflowBuilder[T], stage: Stage | Stepish) -> WorkflowBuilder[T]:
        """Adds a stage behind the others."""
        return self._adding("stages", stage)

    def with_sink(self: WorkflowBuilder[T], step: Stepish) -> WorkflowBuilder[T]:
        """Says where the items flow to."""
        return self._with(sink=step)

    def with_buffer(self: WorkflowBuilder[T], items: int) -> WorkflowBuilder[T]:
        """Says how many items wait between two stages."""
        return self._with(buffer=items)

    def with_when_full(self: WorkflowBuilder[T], when_full: str) -> WorkflowBuilder[T]:
        """Says what happens to the source when the buffer is full."""
        return self._with(when_full=when_full)

    def with_checkpoint_every(self: WorkflowBuilder[T], items: int) -> WorkflowBuilder[T]:
        """Says after how many items a resumed run can go on."""
        return self._with(checkpoint_every=items)

    def with_window(self: WorkflowBuilder[V], window: Window) -> WorkflowBuilder[V]:
        """Says how windows are cut."""
        return self._with(window=window)

    def with_time(self: WorkflowBuilder[V], time: Callable[[Any], float], lateness: float = 0) -> WorkflowBuilder[V]:
        """Says when an item happened, and how late one may come (seconds)."""
        return self._with(time=time, lateness=lateness)

    def with_late(self: WorkflowBuilder[V], late: str) -> WorkflowBuilder[V]:
        """Says what happens to an item whose window is closed."""
        return self._with(late=late)
