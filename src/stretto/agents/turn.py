"""The tool calls of one turn, through the planner: they run together unless what one writes another touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from stretto.agents.call import MAX_OUTPUT, Calling, CallResult, Prepared, failed, prepare
from stretto.core.errors import BranchCancelled, OutputNotStorable
from stretto.core.events import PlanMade
from stretto.core.outcome import Completed, Outcome, error_of
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Context, Step
from stretto.models.messages import ToolCall
from stretto.planning.operation import Operation, OperationType
from stretto.planning.plan import ExecutionPlan, analyze_dependencies
from stretto.planning.scheduler import Schedule
from stretto.tools.tool import Invocation, Tool, Touches

ANYTHING = "anything"
"""The resource that stands for what a call touches when nobody can tell."""
OPERATION_TYPES: Mapping[str, OperationType] = {
    "local": OperationType.TOOL, "mcp": OperationType.MCP, "sub_agent": OperationType.SUB_AGENT,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The calls that a model asks for in one turn; ``caller`` is an invocation without arguments."""

    calls: tuple[ToolCall, ...]
    caller: Invocation = field(repr=False)


class Turn(Step[Calls, "tuple[CallResult, ...]"]):
    """Makes the calls of one turn, and returns their results in the order of the calls.

    What conflicts runs in the order of the calls, everything else at once within ``limits``. A call that fails is a
    result: the others go on, also those that had to wait for it. A call that a human has edited so that it touches
    something else is made after all others, as ``<call>.edited``.
    """

    kind: ClassVar[str] = "tools"
    transparent: ClassVar[bool] = True

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        limits: ParallelResourceLimits | None = None,
        max_output: int = MAX_OUTPUT,
        agent: str = "",
        name: str = "tools",
    ) -> None:
        self.name, self.agent = name, agent
        self.tools = {tool.name: tool for tool in tools}
        self.limits, self.max_output = limits or ParallelResourceLimits(), max_output

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the tools, each behind the step that asks whether it may be called."""
        return {path_name(name): self._calling(path_name(name), tool) for name, tool in self.tools.items()}

    async def execute(self, input: Calls, context: Context) -> tuple[CallResult, ...]:
        """Plans the calls, tells the plan when there is more than one, and makes them."""
        prepared = [prepare(call, self.tools, input.caller) for call in input.calls]
        plan, steps = self.plan(prepared)
        if len(prepared) > 1:
            context.emit(PlanMade(plan=plan.to_json(self.limits.max_concurrent_executions)))
        schedule = Schedule(plan)
        started: dict[int, str] = {}
        results: dict[str, CallResult] = {}
        by_id = dict(zip(plan.operations, prepared, strict=True))
        async with context.branches(self.limits, ErrorMode.FAIL_SLOW) as branches:
            while not schedule.done:
                for operation in schedule.take_ready(branches.room):
                    place = await branches.start(
                        steps[operation.id],
                        by_id[operation.id],
                        name=operation.id,
                        priority=plan.remaining[operation.id],
                    )
                    started[place] = operation.id
                ended = await branches.changed()
                if ended is not None:
                    id = started[ended.index]
                    results[id] = outcome_result(ended.outcome, by_id[id], steps[id].tool)
                    schedule.complete(id, None)
        for id in plan.operations:
            edited = results[id].later
            if edited is not None:  # what it touches now was not planned, so it waits until it is alone
                each = replace(
                    by_id[id], arguments=edited, invocation=by_id[id].invocation.with_arguments(edited), allowed=True
                )
                results[id] = await context.run(steps[id], each, name=f"{id}.edited")
        return tuple(results[id] for id in plan.operations)

    def plan(self, prepared: Sequence[Prepared]) -> tuple[ExecutionPlan, dict[str, Calling]]:
        """Returns the plan of the calls, and the step of each operation."""
        ids = _ids([path_name(each.call.name) for each in prepared])
        touched = resolved([each.touches for each in prepared])
        steps = {id: self._calling(id, self.tools.get(each.call.name)) for id, each in zip(ids, prepared, strict=True)}
        operations = [
            Operation(
                id=id,
                step=step,
                reads=touches.reads,
                writes=touches.writes,
                operation_type=OperationType.TOOL if step.tool is None else OPERATION_TYPES[step.tool.origin],
                duration=None if step.tool is None else step.tool.policy.duration,
            )
            for (id, step), touches in zip(steps.items(), touched, strict=True)
        ]
        return analyze_dependencies(operations), steps

    def _calling(self, name: str, tool: Tool | None) -> Calling:
        return Calling(name, tool, max_output=self.max_output, agent=self.agent, puts_off=True)


def outcome_result(outcome: Outcome[CallResult], prepared: Prepared, tool: Tool | None) -> CallResult:
    """Returns what a call came to; one that was stopped alone is told as failed, an error not its own is raised."""
    if isinstance(outcome, Completed):
        return outcome.value
    error = error_of(outcome)
    if error is None:
        return failed(prepared, tool, f"it was stopped: {getattr(outcome, 'reason', '')}")
    if isinstance(error, TimeoutError | BranchCancelled | OutputNotStorable):
        return failed(prepared, tool, str(error))
    raise error


def path_name(name: str) -> str:
    """Returns a name that a path can hold, whatever a model made up."""
    kept = "".join(letter if letter.isprintable() and letter not in "/#[]" else "_" for letter in name)
    return kept[:100] or "unnamed"


def _ids(names: Iterable[str]) -> list[str]:
    counts: dict[str, int] = {}
    found: list[str] = []
    for name in names:
        count = counts[name] = counts.get(name, 0) + 1
        found.append(name if count == 1 else f"{name}#{count}")
    return found


def resolved(touched: Sequence[Touches]) -> list[Touches]:
    """Returns what each call touches by names that are equal where two calls meet.

    ``src/*`` becomes every name below ``src`` that another call of the turn touches, itself included. A call of which
    nobody knows writes ``anything``, which every other that touches something reads where there is such a call.
    """
    told = [
        replace(each, reads=tuple(map(_printable, each.reads)), writes=tuple(map(_printable, each.writes)))
        for each in touched
    ]
    every = dict.fromkeys(name for each in told for name in (*each.reads, *each.writes))
    anything = () if all(each.known for each in told) else (ANYTHING,)
    below = {wide: [name for name in every if _covers(wide, name)] for wide in every if _is_wide(wide)}
    found: list[Touches] = []
    for each in told:
        if not each.known:
            found.append(Touches(writes=anything))
            continue
        reads, writes = _widened(each.reads, below), _widened(each.writes, below)
        found.append(Touches(reads=(*reads, *(anything if reads or writes else ())), writes=writes))
    return found


def _printable(name: str) -> str:
    """Returns a name that a plan can hold: a model may have written a line feed into a path."""
    return name if name and name.isprintable() else ascii(name)


def _is_wide(name: str) -> bool:
    return name == "*" or name.endswith("/*")


def _widened(names: Sequence[str], below: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    found = dict.fromkeys(names)
    for name in names:
        found.update(dict.fromkeys(below.get(name, ())))
    return tuple(found)


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) or name == pattern[:-2]
