"""An operation declares what it needs, what it makes and what it touches; it never says when it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

from stretto.core.errors import DefinitionError
from stretto.core.function import FunctionStep, as_step
from stretto.core.policies import positive
from stretto.core.settings import Described
from stretto.core.step import Step, Stepish, check_name

DataRef: TypeAlias = str
"""The name of a datum that one operation produces and others need."""

Condition: TypeAlias = Callable[[Mapping[DataRef, Any]], bool]
"""Says of an operation's inputs whether it runs."""


class OperationType(StrEnum):
    """What an operation is done by."""

    SUB_AGENT = "sub_agent"
    TOOL = "tool"
    MCP = "mcp"
    WORKFLOW = "workflow"
    FUNCTION = "function"


_TYPE_OF_KIND = {kind.value: kind for kind in OperationType} | {"agent": OperationType.SUB_AGENT}


@dataclass(frozen=True, kw_only=True)
class Operation(Described):
    """One thing to do in a plan.

    ``inputs`` are the data it cannot run without: when the producer of one was skipped or failed, so is this one
    skipped. ``optional_inputs`` are there when they can be: it waits for them, and copes without. ``outputs`` name what
    it makes: one output is the step's value itself, several are a mapping that holds exactly these names. ``reads``
    and ``writes`` name what else it touches (files, tables, accounts); who was declared first goes first.

    ``step`` is a step or a plain function. A function receives its inputs by the names of its parameters; one with a
    sole parameter that is called like no input, and every other step, receives the mapping ``{ref: value}``. Without a
    step the operation can be planned, and not run.

    ``when`` is asked with the inputs, and the operation is skipped when it says no; ``when=False`` switches it off.
    ``for_each`` names an input that is a collection: the step runs once for each item, and each output is the list of
    what came of them. Such a step receives the item itself when that is all it needs, otherwise the mapping in which
    the item stands in the collection's place. A not ``required`` operation may fail without failing the plan.
    ``duration`` is an estimate (seconds); without it the step's policy is asked.
    """

    id: str
    step: Stepish | None = None
    inputs: tuple[DataRef, ...] = ()
    optional_inputs: tuple[DataRef, ...] = ()
    outputs: tuple[DataRef, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    operation_type: OperationType = OperationType.FUNCTION
    when: Condition | bool | None = None
    for_each: DataRef | None = None
    required: bool = True
    duration: float | None = None

    def __post_init__(self) -> None:
        """Refuses an operation that could be neither planned nor run."""
        check_name(self.id, "an operation")
        for name in ("inputs", "optional_inputs", "outputs", "reads", "writes"):
            if held := getattr(self, name):
                object.__setattr__(self, name, self._names(name, held))
        if self.for_each is not None and self.for_each not in self.inputs:
            object.__setattr__(self, "inputs", (*self.inputs, self.for_each))
        if both := sorted(set(self.inputs) & set(self.optional_inputs)):
            raise DefinitionError(f"operation {self.id!r} names {both[0]!r} as an input and as an optional one; choose")
        if self.when is not None and not isinstance(self.when, bool) and not callable(self.when):
            raise DefinitionError(
                f"operation {self.id!r}: when must be a function of the inputs, True or False, not {self.when!r}"
            )
        positive(f"operation {self.id!r}", "duration", self.duration, zero=True)
        if self.step is not None:
            object.__setattr__(self, "step", as_step(self.step))
        object.__setattr__(self, "operation_type", self._type())
        self._check_parameters()

    def _names(self, setting: str, held: Iterable[str]) -> tuple[str, ...]:
        if isinstance(held, str):
            raise DefinitionError(
                f"operation {self.id!r}: {setting} is a tuple of names, not a text; write ({held!r},)"
            )
        names = tuple(held)
        for name in names:
            if not isinstance(name, str) or not name or not name.isprintable():
                raise DefinitionError(f"operation {self.id!r}: {setting} holds {name!r}, which is no name")
        if len(set(names)) != len(names):
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise DefinitionError(f"operation {self.id!r}: {setting} names {twice!r} twice")
        return names

    def _type(self) -> OperationType:
        if self.operation_type not in _TYPE_OF_KIND:
            known = ", ".join(OperationType)
            raise DefinitionError(
                f"operation {self.id!r}: operation_type is one of {known}, not {self.operation_type!r}"
            )
        given = _TYPE_OF_KIND[self.operation_type]
        if given is OperationType.FUNCTION and self.body is not None:
            return _TYPE_OF_KIND.get(self.body.kind, given)
        return given

    def _check_parameters(self) -> None:
        if (function := self.function) is None:
            return
        known = self.needs
        if function.reads_names and (missing := sorted(function.required - set(known))):
            named = ", ".join(repr(ref) for ref in known) or "none"
            raise DefinitionError(
                f"operation {self.id!r}: its function needs {missing[0]!r}, which is none of its inputs ({named}); "
                "declare it as an input, or give the parameter a default"
            )

    @cached_property
    def body(self) -> Step[Any, Any] | None:
        """The step as it was given, a function made one; None when there is none."""
        return None if self.step is None else as_step(self.step)

    @cached_property
    def function(self) -> FunctionStep[Any, Any] | None:
        """The step that takes the inputs by the names of its parameters, if it is a function that can."""
        return self.body.by_name(self.needs) if isinstance(self.body, FunctionStep) and not self._takes_item else None

    @property
    def needs(self) -> tuple[DataRef, ...]:
        """The data that it waits for, optional ones last."""
        return self.inputs + self.optional_inputs if self.optional_inputs else self.inputs

    @property
    def _takes_item(self) -> bool:
        return self.for_each is not None and self.needs == (self.for_each,)

    @property
    def work(self) -> Step[Any, Any]:
        """The step to run, which reads its inputs by name; raises ``DefinitionError`` when there is none."""
        if self.body is None:
            raise DefinitionError(f"operation {self.id!r} has no step, so it can be planned but not run; give it step=")
        return self.body if self.function is None else self.function

    @property
    def seconds(self) -> float | None:
        """How long it is expected to take, or None when nobody said."""
        if self.duration is not None:
            return self.duration
        return None if self.body is None else self.body.policy.duration

    def item_input(self, inputs: Mapping[DataRef, Any], item: Any) -> Any:
        """Returns what the step receives for one item of ``for_each``."""
        return item if self._takes_item else {**inputs, str(self.for_each): item}
