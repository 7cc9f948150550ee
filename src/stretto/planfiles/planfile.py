"""A plan file, loaded: what is to be done, with what, and where each part of it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Context
from stretto.planfiles.kinds import is_mapping
from stretto.planfiles.model import DefaultsEntry
from stretto.planfiles.source import Mark
from stretto.planfiles.validation import shown
from stretto.planning.plan import ExecutionPlan
from stretto.workflows.planned import PlannedWorkflow

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "list": (list, tuple),
    "mapping": (dict, Mapping),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PlanInput:
    """A datum that a plan is given: its type's word, whether it must be given, and its default."""

    type: str
    required: bool
    default: Any
    description: str

    def accepts(self, value: Any) -> bool:
        """Says whether a value is of the type."""
        if self.type == "any":
            return True
        return isinstance(value, _KINDS[self.type]) and (self.type == "boolean" or not isinstance(value, bool))


@dataclass(frozen=True, kw_only=True)
class FileWorkflow(PlannedWorkflow):
    """Runs the plan of a file; what its input leaves out is ``given``, and what it holds must be of the right type."""

    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: Mapping[str, PlanInput] = field(default_factory=dict[str, PlanInput])

    async def execute(self, input: Mapping[str, Any] | None, context: Context) -> dict[str, Any]:
        """Runs the plan; raises ``DefinitionError`` before anything starts when the input is not what was declared."""
        return await super().execute(self.complete({} if input is None else input), context)

    def complete(self, input: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the input with what is given in place of what it lacks."""
        if not is_mapping(input):
            raise DefinitionError(f"the input of plan {self.name!r} is a mapping {{name: value}}, not {shown(input)}")
        for name, value in input.items():
            if name not in self.inputs:
                raise UnknownSetting(f"the plan {self.name!r}", str(name), self.inputs or ("no input",))
            if not self.inputs[name].accepts(value):
                raise DefinitionError(
                    f"the input {name!r} of plan {self.name!r} should be of type {self.inputs[name].type}, "
                    f"not {shown(value)}"
                )
        return {**self.given, **input}


@dataclass(frozen=True, kw_only=True)
class LoadedPlan:
    """A plan file's content.

    ``plan`` can be explained and drawn; ``workflow`` runs it on ``given``, the inputs' defaults and what replaces them.
    ``marks`` says where each operation stands, ``descriptions`` what each is for, ``notes`` what is odd about the file.
    ``format`` is ``stretto`` or ``wfformat``.
    """

    path: Path
    name: str
    description: str
    plan: ExecutionPlan
    given: Mapping[str, Any]
    inputs: Mapping[str, PlanInput]
    marks: Mapping[str, Mark]
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    defaults: DefaultsEntry = field(default_factory=DefaultsEntry)
    limits: ParallelResourceLimits = field(default_factory=ParallelResourceLimits)
    error_mode: ErrorMode = ErrorMode.FAIL_FAST
    timeout: float | None = None
    format: str = "stretto"

    @cached_property
    def workflow(self) -> FileWorkflow:
        """What runs the plan; raises ``DefinitionError`` for a workflow instance, which has no code."""
        if self.format == "wfformat":
            raise DefinitionError(
                f"{self.path} is a WfFormat instance: it says which tasks there were and how long they took, not what "
                "they do, so it can be planned and explained, and not be run"
            )
        return FileWorkflow(
            name=self.name,
            plan=self.plan,
            limits=self.limits,
            error_mode=self.error_mode,
            timeout=self.timeout,
            given=self.given,
            inputs=self.inputs,
        )

    def with_input(self, input: Mapping[str, Any]) -> LoadedPlan:
        """Returns the plan with other data given; raises ``DefinitionError`` for a wrong name or type."""
        return replace(self, given=self.workflow.complete(input))
