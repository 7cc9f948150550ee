"""The first step whose condition holds, or all whose conditions hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from stretto.core.errors import DefinitionError, ExecutionError
from stretto.core.function import as_step
from stretto.core.policies import ParallelResourceLimits
from stretto.core.step import Context, Step, Stepish
from stretto.workflows.condition import Case, Conditional, as_condition, decide, describe, is_step
from stretto.workflows.workflow import Workflow, check_kind, check_word, distinct, one_step, owner_of, put

Choice: TypeAlias = Case | tuple[Conditional, Stepish]


class NoConditionHeld(ExecutionError):
    """No condition held, and nothing was said for that."""

    def __init__(self, workflow: str, conditions: Sequence[str]) -> None:
        super().__init__(
            f"no condition of {workflow} held ({', '.join(conditions)}) and there is no default branch; "
            "say otherwise=, or otherwise=PASS to hand the input on"
        )
        self.workflow, self.conditions = workflow, tuple(conditions)


class PassThrough(Step[Any, Any]):
    """Hands its input on as it is; ``PASS`` is one."""

    kind: ClassVar[str] = "pass"
    transparent: ClassVar[bool] = True
    name = "pass"

    async def execute(self, input: Any, context: Context) -> Any:
        """Returns the input."""
        return input


PASS = PassThrough()


@dataclass(frozen=True, kw_only=True)
class ConditionalWorkflow(Workflow[Any, Any]):
    """Runs the first step whose condition holds for the input; its output is the value.

    Conditions are asked in declared order: values such as ``GreaterThan("score", 8)``, plain functions of the input,
    or steps (also async functions) that return True or False; text is never one. A condition that raises ends the
    workflow, with a note that names it. ``otherwise`` runs when none holds; without it ``NoConditionHeld`` is raised.
    With ``match="all"`` every step whose condition holds runs, at once and within ``limits`` (ten at a time unless
    they say otherwise), and the value is a dict by name in declared order (``otherwise`` alone, if none holds).
    """

    name: str = "conditional"
    branches: Sequence[Choice]
    otherwise: Stepish | None = None
    match: Literal["first", "all"] = "first"
    limits: ParallelResourceLimits | None = None

    def __post_init__(self) -> None:
        """Refuses conditions that are none, and settings that nothing would read."""
        super().__post_init__()
        check_word(self, "match", self.match, ("first", "all"))
        if self.limits is not None:
            check_kind(self, "limits", self.limits, ParallelResourceLimits)
            if self.match == "first":
                raise DefinitionError(
                    f"{owner_of(self)}: limits are read with match='all' only; say that, or leave them out"
                )
        if not self.branches:
            raise DefinitionError(
                f"{owner_of(self)} has no branches, so nothing could be chosen; give at least one (condition, step)"
            )
        cases = tuple(self._case(choice) for choice in self.branches)
        names = distinct([case.name or as_step(case.step).name for case in cases])
        put(self, "branches", tuple(Case(c.condition, c.step, name=n) for c, n in zip(cases, names, strict=True)))
        if self.otherwise is not None:
            put(self, "otherwise", one_step(self, "otherwise", self.otherwise))

    def _case(self, choice: Choice) -> Case:
        if isinstance(choice, Case):
            return choice
        if not isinstance(choice, tuple) or len(choice) != 2:
            raise DefinitionError(
                f"{owner_of(self)}: a branch is (condition, step) or Case(condition, step), not {choice!r}"
            )
        return Case(choice[0], one_step(self, "branches", choice[1]))

    def _cases(self) -> list[tuple[str, Case]]:
        return [(case.name or "", case) for case in self.branches if isinstance(case, Case)]

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps by the names of their branches, deciding steps, and ``otherwise``."""
        held = {name: as_step(case.step) for name, case in self._cases()}
        held |= {f"{n}.condition": c.condition for n, c in self._cases() if is_step(c.condition)}
        return held if self.otherwise is None else held | {"otherwise": as_step(self.otherwise)}

    async def execute(self, input: Any, context: Context) -> Any:
        """Asks the conditions, and runs what they chose."""
        held: list[tuple[str, Case]] = []
        for name, case in self._cases():
            condition = as_condition(case.condition, owner_of(self))
            if await decide(condition, input, context, owner_of(self), f"{name}.condition"):
                if self.match == "first":
                    return await context.run(as_step(case.step), input, name=name)
                held.append((name, case))
        if not held:
            return await self._default(input, context)
        async with context.branches(self.limits) as branches:
            for name, case in held:
                await branches.start(as_step(case.step), input, name=name)
        return {name: outcome.unwrap() for (name, _), outcome in zip(held, branches.outcomes, strict=True)}

    async def _default(self, input: Any, context: Context) -> Any:
        if self.otherwise is None:
            raise NoConditionHeld(owner_of(self), [describe(case.condition) for _, case in self._cases()])
        return await context.run(as_step(self.otherwise), input, name="otherwise")
