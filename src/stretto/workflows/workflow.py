"""What every workflow is: a frozen step made of steps, with a name, a timeout and a policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from stretto.core.aggregation import AggregationStrategy, AllSuccess, FirstSuccess, PartialSuccess, Quorum
from stretto.core.errors import DefinitionError, listed
from stretto.core.function import as_step
from stretto.core.policies import PLAIN, ErrorMode, ParallelResourceLimits, StepPolicy, positive
from stretto.core.settings import Described
from stretto.core.step import In, Out, Step, Stepish, check_name
from stretto.workflows.builder import WorkflowBuilder


@dataclass(frozen=True, kw_only=True)
class Workflow(Described, Step[In, Out]):
    """A step made of steps; ``timeout`` bounds the whole of it (seconds), ``policy`` is that of any step.

    Two equal descriptions are equal values, and a value holds nothing of a run: it can be run as often as one likes,
    also at once.
    """

    kind: ClassVar[str] = "workflow"
    transparent: ClassVar[bool] = True

    name: str = "workflow"
    timeout: float | None = None
    policy: StepPolicy = PLAIN

    def __post_init__(self) -> None:
        """Refuses what could never run, and puts the timeout where the door reads it."""
        owner = f"{type(self).__name__} {self.name!r}"
        check_name(self.name, f"a {type(self).__name__}")
        positive(owner, "timeout", self.timeout)
        if self.timeout is None:
            return
        if self.policy.timeout not in (None, self.timeout):
            raise DefinitionError(
                f"{owner} has the timeout {self.timeout:g} and its policy has {self.policy.timeout!r}; give one of them"
            )
        put(self, "policy", replace(self.policy, timeout=self.timeout))

    @classmethod
    def builder(cls, name: str | None = None) -> WorkflowBuilder[Self]:
        """Returns a builder for this kind of workflow; what it builds equals what the keywords make."""
        return WorkflowBuilder(cls, {} if name is None else {"name": name})


@dataclass(frozen=True, kw_only=True)
class StepsWorkflow(Workflow[In, Out]):
    """A workflow over a row of steps (at least one)."""

    steps: Sequence[Stepish]

    def __post_init__(self) -> None:
        """Makes steps of functions, and refuses an empty row."""
        super().__post_init__()
        put(self, "steps", row_of_steps(self, "steps", self.steps))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps by name."""
        return named(self.steps)


@dataclass(frozen=True, kw_only=True)
class BoundedWorkflow(Workflow[In, Out]):
    """A workflow whose branches run at once, within limits."""

    limits: ParallelResourceLimits = field(default_factory=ParallelResourceLimits)

    def __post_init__(self) -> None:
        """Refuses limits that are none."""
        super().__post_init__()
        check_kind(self, "limits", self.limits, ParallelResourceLimits)


@dataclass(frozen=True, kw_only=True)
class ConcurrentWorkflow(BoundedWorkflow[In, Out]):
    """A workflow whose branches become one value.

    Without ``error_mode`` the mode is the aggregation's own: FAIL_FAST for AllSuccess, FAIL_SLOW for the others.
    """

    error_mode: ErrorMode | None = None
    aggregation: AggregationStrategy = field(default_factory=AllSuccess)

    def __post_init__(self) -> None:
        """Refuses contradictions between mode and strategy."""
        super().__post_init__()
        check_mode(self, self.error_mode)
        check_kind(self, "aggregation", self.aggregation, AggregationStrategy)
        if isinstance(self.aggregation, FirstSuccess) and self.error_mode is ErrorMode.FAIL_FAST:
            raise DefinitionError(
                f"{owner_of(self)}: FirstSuccess waits for a success although others fail, FAIL_FAST stops at "
                "the first failure; leave error_mode out, or choose another aggregation"
            )

    @property
    def mode(self) -> ErrorMode:
        """When a failing branch stops its siblings."""
        return self.error_mode if self.error_mode is not None else self.aggregation.default_mode


def owner_of(step: Step[Any, Any]) -> str:
    """Returns how messages name a workflow: its kind and its name."""
    return f"{type(step).__name__} {step.name!r}"


def put(workflow: Step[Any, Any], setting: str, value: object) -> None:
    """Puts a setting's checked form in its place while a frozen workflow is being made."""
    object.__setattr__(workflow, setting, value)


def check_kind(owner: Step[Any, Any], setting: str, value: object, kind: type) -> None:
    """Raises ``DefinitionError`` unless the value is of this type."""
    if not isinstance(value, kind):
        raise DefinitionError(f"{owner_of(owner)}: {setting} must be a {kind.__name__}, not {value!r}")


def check_mode(owner: Step[Any, Any], mode: object) -> None:
    """Raises ``DefinitionError`` unless the value is an ``ErrorMode`` or None."""
    if mode is not None:
        check_kind(owner, "error_mode", mode, ErrorMode)


def check_word(owner: Step[Any, Any], setting: str, value: str, words: Sequence[str]) -> None:
    """Raises ``DefinitionError`` unless the value is one of the words."""
    if value not in words:
        raise DefinitionError(f"{owner_of(owner)}: {setting} must be one of {listed(words)}, not {value!r}")


def check_flag(owner: Step[Any, Any], setting: str, value: object) -> None:
    """Raises ``DefinitionError`` unless the value is True or False."""
    if not isinstance(value, bool):
        raise DefinitionError(f"{owner_of(owner)}: {setting} must be True or False, not {value!r}")


def one_step(owner: Step[Any, Any], setting: str, value: Stepish) -> Step[Any, Any]:
    """Returns a setting's step; raises ``DefinitionError`` when it is neither a step nor a function."""
    try:
        return as_step(value)
    except DefinitionError as error:
        error.add_note(f"in {setting} of {owner_of(owner)}")
        raise


def row_of_steps(owner: Step[Any, Any], setting: str, values: Sequence[Stepish]) -> tuple[Step[Any, Any], ...]:
    """Returns a setting's steps; raises ``DefinitionError`` when there is none."""
    if isinstance(values, Step) or callable(values):
        raise DefinitionError(f"{owner_of(owner)}: {setting} must be a row of steps; write {setting}=(a, b)")
    if isinstance(values, set | frozenset):
        raise DefinitionError(
            f"{owner_of(owner)}: {setting} must have an order, which a set has not; write {setting}=(a, b)"
        )
    row = tuple(one_step(owner, setting, value) for value in values)
    if not row:
        raise DefinitionError(f"{owner_of(owner)} has no {setting}, so there is nothing to run; give at least one")
    return row


def names_of(steps: Iterable[Stepish]) -> list[str]:
    """Returns a name for each step: its own, and ``#2``, ``#3`` behind repeats."""
    return distinct([as_step(step).name for step in steps])


def distinct(names: Sequence[str]) -> list[str]:
    """Returns the names with ``#2``, ``#3`` behind repeats."""
    given: list[str] = []
    counts: dict[str, int] = {}
    taken = set(names)
    for name in names:
        counts[name] = count = counts.get(name, 0) + 1
        chosen = name
        while count > 1 and (chosen := f"{name}#{count}") in taken:
            counts[name] = count = count + 1
        taken.add(chosen)
        given.append(chosen)
    return given


def named(steps: Sequence[Stepish]) -> dict[str, Step[Any, Any]]:
    """Returns the steps by name."""
    return dict(zip(names_of(steps), (as_step(step) for step in steps), strict=True))


def check_memory(owner: Step[Any, Any], limits: ParallelResourceLimits, steps: Iterable[Step[Any, Any]]) -> None:
    """Raises ``DefinitionError`` for a step that reserves more memory than all branches may together."""
    for step in steps:
        if limits.max_total_memory is not None and (step.policy.memory or 0) > limits.max_total_memory:
            raise DefinitionError(
                f"{owner_of(owner)}: step {step.name!r} reserves {step.policy.memory:,} bytes, more than "
                f"max_total_memory ({limits.max_total_memory:,} bytes), so it could never start; "
                "raise the limit or lower memory="
            )


def check_reachable(owner: Step[Any, Any], strategy: AggregationStrategy, branches: int) -> None:
    """Raises ``DefinitionError`` when more branches must succeed than there are."""
    wanted = (
        strategy.minimum
        if isinstance(strategy, PartialSuccess)
        else strategy.needed
        if isinstance(strategy, Quorum)
        else 0
    )
    if wanted > branches:
        raise DefinitionError(
            f"{owner_of(owner)}: {strategy} asks for {wanted} successes, and there are only {branches} branches; "
            "lower the number or add branches"
        )
