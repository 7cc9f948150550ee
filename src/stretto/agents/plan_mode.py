"""Plan mode: the model answers with operations that reference each other, and they start while it still writes.

After S. Kim et al., "An LLM Compiler for Parallel Function Calling", arXiv 2312.04511: a planner writes, a dataflow
executes, and a joiner (the same model, shown what came of it) answers or plans again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from stretto.agents.call import MAX_OUTPUT, Calling, CallResult, Prepared, failed, plain, prepare, shown
from stretto.agents.plan_text import PlannedCall, PlanReader, WrongPlan, call_of, problem_of, resolve
from stretto.agents.turn import OPERATION_TYPES, outcome_result
from stretto.core.errors import PlanError
from stretto.core.events import ModelDelta, PlanMade, StepSkipped
from stretto.core.outcome import Completed, Outcome, error_of
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.resources import Clock
from stretto.core.step import Branches, Context, Step
from stretto.models.messages import ToolCall
from stretto.models.model import Model, ModelCall, Reply, ToolOffer
from stretto.planning.growing import GrowingPlan
from stretto.planning.operation import Operation, OperationType
from stretto.tools.tool import Invocation, Tool, Touches

PLAN_TOOL = "ExecutePlan"
"""The name under which a model is offered to answer with a plan."""
MOST_OPERATIONS = 100
"""How many operations one plan may have."""
LEAST_SHOWN = 1000
"""How many characters of an output a model is shown at least, however many operations share what it may be shown."""
GUIDE = (
    f"When a task needs more than one tool call, call {PLAN_TOOL} once with all of them: give each an id, and write "
    "${id} or ${id.field} in the arguments of one that needs the output of another ($${ stands for ${ itself). "
    "What needs nothing of the others runs at the same time. You are shown what came of all, and then answer, or plan "
    "again."
)
"""What a model is told about plans."""


@dataclass(frozen=True, kw_only=True)
class PlanAsk:
    """What a model is asked in plan mode, and on whose behalf its operations are carried out."""

    call: ModelCall
    caller: Invocation = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Thought:
    """A model's answer, and what came of the plan in it: ``answered`` is the plan's call as the model is told of it.

    ``results`` are the operations that were carried out, in the plan's order. Without a plan both are empty.
    """

    reply: Reply
    answered: CallResult | None = None
    results: tuple[CallResult, ...] = ()


def offer_of(tools: Sequence[Tool]) -> ToolOffer:
    """Returns how a plan over these tools is offered to a model."""
    operation = PlannedCall.model_json_schema()
    operation["properties"]["tool"]["enum"] = [tool.name for tool in tools]
    operations = {"type": "array", "items": operation, "minItems": 1, "maxItems": MOST_OPERATIONS}
    return ToolOffer(
        name=PLAN_TOOL,
        description=f"Carries out several tool calls, some of which need the output of others. {GUIDE}",
        parameters={
            "type": "object",
            "properties": {"operations": operations},
            "required": ["operations"],
            "additionalProperties": False,
        },
    )


class Planning(Step[PlanAsk, Thought]):
    """Asks a model, and carries out the plan in its answer; what the answer holds besides is the caller's business.

    An operation starts as soon as its last brace has been written and what it needs is there, if calling its tool does
    no harm when the answer breaks off (it writes nothing or is idempotent, destroys nothing, and starts no agent). All
    others wait until the answer is complete, so that a broken answer can always be asked for anew.
    """

    kind: ClassVar[str] = "plan"
    transparent: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        tools: Sequence[Tool],
        *,
        limits: ParallelResourceLimits | None = None,
        max_output: int = MAX_OUTPUT,
        agent: str = "",
        name: str = "plan",
    ) -> None:
        self.name, self.model, self.agent = name, model, agent
        self.tools = {tool.name: tool for tool in tools}
        self.limits, self.max_output = limits or ParallelResourceLimits(), max_output

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the model."""
        return {"model": self.model}

    async def execute(self, input: PlanAsk, context: Context) -> Thought:
        """Asks and carries out; raises what a failed model call raises, once what was started has been stopped."""
        most = self.limits.max_concurrent_executions
        limits = replace(self.limits, max_concurrent_executions=most + 1)  # the model takes one place beside them
        async with context.branches(limits, ErrorMode.FAIL_SLOW) as branches:
            work = _Work(self, input, branches, context)
            asked = replace(input.call, tools=(*input.call.tools, offer_of(list(self.tools.values()))), listener=work)
            place = await branches.start(self.model, asked, name="model")
            while True:
                await work.start_ready()
                if work.reply is not None and work.over:
                    branches.cancel("the answer that wanted it was broken off")
                    break
                ended = await branches.changed()
                if ended is not None and ended.index == place:
                    work.answered(_reply(ended.outcome, branches))
                elif ended is not None:
                    await work.end(ended.index, ended.outcome)
        return work.thought(work.reply)


def _reply(outcome: Outcome[Reply], branches: Branches) -> Reply:
    if isinstance(outcome, Completed):
        return outcome.value
    branches.cancel("the model failed")
    error = error_of(outcome)
    raise error if error is not None else WrongPlan("the model was stopped before it had answered")


class _Work:
    """One answer and its plan: what has been read, what runs, and what came of it. It listens to the model."""

    def __init__(self, planning: Planning, input: PlanAsk, branches: Branches, context: Context) -> None:
        self._planning, self._input, self._branches, self._context = planning, input, branches, context
        self.reply: Reply | None = None
        self._began = context.resource(Clock).now()
        self._begin()

    def _begin(self) -> None:
        """Forgets everything that was read: what runs already is of an answer that does not count."""
        self._reader, self._text, self._call_id = PlanReader(), "", ""
        self._plan = GrowingPlan()
        self._calls: dict[str, PlannedCall] = {}
        self._asked: dict[str, ToolCall] = {}
        self._running: dict[int, str] = {}
        self._results: dict[str, CallResult] = {}
        self._problems: list[str] = []
        self._seen: list[str] = []

    # -- what the model writes -----------------------------------------------------------------------------------------

    def heard(self, delta: ModelDelta) -> None:
        """Takes the next piece of the answer."""
        if delta.part != "tool_call" or delta.tool != PLAN_TOOL or (self._call_id and delta.call_id != self._call_id):
            return
        self._call_id = delta.call_id
        self._read(delta.text)
        self._branches.nudge()

    def restart(self) -> bool:
        """Begins anew: nothing that was started so far does any harm."""
        self._begin()
        return True

    def _read(self, text: str) -> None:
        self._text += text
        for written in self._reader.feed(text):
            self._add(written)

    def _add(self, written: Any) -> None:
        try:
            call = call_of(written)
            if len(self._calls) == MOST_OPERATIONS:
                raise WrongPlan(f"operation {call.id!r} is one too many; a plan has at most {MOST_OPERATIONS}")
            self._plan.add(self._operation(call))
        except (WrongPlan, PlanError) as error:
            self._problems.append(str(error))
        else:
            self._calls[call.id] = call

    def _operation(self, call: PlannedCall) -> Operation:
        tool = self._planning.tools.get(call.tool)
        touches = met(_touches(tool, call), self._seen)
        self._seen += [name for name in (*touches.reads, *touches.writes) if name not in self._seen]
        return Operation(
            id=call.id,
            inputs=tuple(dict.fromkeys((*call.references, *call.after))),
            outputs=(call.id,),
            reads=touches.reads,
            writes=touches.writes,
            operation_type=OperationType.TOOL if tool is None else OPERATION_TYPES[tool.origin],
            duration=None if tool is None else tool.policy.duration,
        )

    def answered(self, reply: Reply) -> None:
        """Takes the whole answer: what the log held already was never heard, and is read now."""
        self.reply = reply
        plans = [call for call in reply.tool_calls if call.name == PLAN_TOOL]
        whole = plans[0].arguments if plans else ""
        if not whole.startswith(self._text):
            self._begin()
        self._read(whole[len(self._text) :])
        if plans:
            self._call_id = plans[0].id
            self._problems += self._reader.problems
            self._problems += [problem] if (problem := problem_of(whole)) else []
        self._problems += [f"only the first {PLAN_TOOL} of an answer is carried out"] * (len(plans) > 1)
        self._plan.close()
        if len(self._calls) > 1:
            plan = self._plan.plan().to_json(self._planning.limits.max_concurrent_executions)
            self._context.emit(PlanMade(plan=plan))

    # -- what is carried out -------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether everything that counts has ended."""
        return self._plan.done and not self._running

    async def start_ready(self) -> None:
        """Starts what may start now."""
        plan = self._plan
        held: list[Operation] = []
        room = self._planning.limits.max_concurrent_executions - len(self._running)
        while room > 0 and (taken := plan.take_ready(1)):
            if self.reply is None and not self._harmless(taken[0]):
                held.append(taken[0])
                continue
            if await self._start(taken[0]):
                room -= 1
            if plan is not self._plan:  # the answer was begun anew while this waited for room
                return
        for operation in held:
            plan.put_back(operation)
        for operation, ending in plan.take_skipped():
            self._skip(operation, ending.because)

    def _harmless(self, operation: Operation) -> bool:
        tool = self._planning.tools.get(self._calls[operation.id].tool)
        if tool is None:
            return True
        quiet = not operation.writes or tool.policy.idempotent
        return quiet and not tool.destructive and tool.origin != "sub_agent"

    async def _start(self, operation: Operation) -> bool:
        planned = self._calls[operation.id]
        call = ToolCall(f"{self._call_id or PLAN_TOOL}.{planned.id}", planned.tool, "{}")
        try:
            arguments = resolve(planned.arguments, self._plan.data)
        except WrongPlan as error:
            self._fail(operation, failed(self._empty(call), self._tool(planned), error.problem, bad=True))
            return False
        call = replace(call, arguments=json.dumps(arguments, default=str))
        self._asked[operation.id] = call
        await self._run(operation.id, planned, call)
        return True

    async def _run(self, id: str, planned: PlannedCall, call: ToolCall) -> None:
        planning = self._planning
        prepared = prepare(call, planning.tools, self._input.caller)
        name = self._name(id)
        step = Calling(
            name, self._tool(planned), max_output=planning.max_output, agent=planning.agent, keep_output=True
        )
        running = self._running
        running[await self._branches.start(step, prepared, name=name)] = id

    def _name(self, id: str) -> str:
        """Returns what an operation is called in its path; as no id holds a point, nothing else is called so.

        An answer that breaks off has started nothing but what does no harm, and the log may hold that under any id. So
        what may do harm is called otherwise: after a crash it is found where it was, whatever had been broken off.
        """
        if not self._harmless(self._plan.operations[id]):
            return f"{id}.once"
        return f"{id}.call" if id == "model" else id

    def _tool(self, planned: PlannedCall) -> Tool | None:
        return self._planning.tools.get(planned.tool)

    def _empty(self, call: ToolCall) -> Prepared:
        return Prepared(arguments={}, call=call, invocation=self._input.caller)

    async def end(self, place: int, outcome: Outcome[CallResult]) -> None:
        """Takes what came of a branch; one of an answer that does not count is forgotten.

        When a run was resumed, the log may hold what a broken answer wanted under this name: then it is done again.
        """
        id = self._running.pop(place, None)
        if id is None:
            return
        call, planned = self._asked[id], self._calls[id]
        result = outcome_result(outcome, self._empty(call), self._tool(planned))
        if (result.call.name, result.call.arguments) != (call.name, call.arguments):
            await self._run(id, planned, call)
            return
        self._results[id] = result
        if result.ending == "success":
            self._plan.complete(id, plain(result.output))
        else:
            self._plan.fail(id, result.error)

    def _fail(self, operation: Operation, result: CallResult) -> None:
        self._results[operation.id] = result
        self._plan.fail(operation.id, result.error)

    def _skip(self, operation: Operation, because: str) -> None:
        planned = self._calls[operation.id]
        call = ToolCall(f"{self._call_id or PLAN_TOOL}.{planned.id}", planned.tool, json.dumps(planned.arguments))
        self._results[operation.id] = failed(self._empty(call), self._tool(planned), f"it was not run: {because}")
        path, name = self._context.path, self._name(operation.id)
        at = self._context.resource(Clock).now()
        self._context.emit(StepSkipped(f"{path}/{name}" if path else name, at, because))

    # -- what came of it -----------------------------------------------------------------------------------------------

    def thought(self, reply: Reply) -> Thought:
        """Returns the answer with what came of its plan."""
        plans = [call for call in reply.tool_calls if call.name == PLAN_TOOL]
        if not plans:
            return Thought(reply=reply)
        results = tuple(replace(self._results[id], output=None) for id in self._calls)  # the log holds each already
        each = max(LEAST_SHOWN, self._planning.max_output // max(1, len(results)))
        told: dict[str, Any] = {"results": {id: _told(self._results[id], each) for id in self._calls}}
        if self._problems:
            told["problems"] = self._problems
        answered = CallResult(
            call=plans[0], origin="local", server="", arguments={"operations": len(self._calls)},
            content=json.dumps(told, ensure_ascii=False), ending="success" if self._calls else "failed",
            error="" if self._calls else "; ".join(self._problems), bad=not self._calls,
            duration=self._context.resource(Clock).now() - self._began,
        )  # fmt: skip
        return Thought(reply=reply, answered=answered, results=results)


def _told(result: CallResult, limit: int) -> dict[str, Any]:
    text, _ = shown(result.content, limit)
    return {"status": "completed" if result.ending == "success" else result.ending, "output": text}


def _touches(tool: Tool | None, call: PlannedCall) -> Touches:
    """Says what an operation touches; what a reference will name nobody knows, and it counts as anything."""
    if tool is None:
        return Touches()
    try:
        touches = tool.touches(tool.check(call.arguments) if not call.references else call.arguments)
    except Exception:  # noqa: BLE001  # told when it is called; until then nobody knows what it touches
        return Touches(known=False)
    if not touches.known or any("${" in name for name in touches.writes):
        return Touches(known=False)
    return replace(touches, reads=tuple("*" if "${" in name else name for name in touches.reads))


def met(touches: Touches, seen: Sequence[str]) -> Touches:
    """Returns what an operation touches by the names that those before it have used, where they mean the same.

    ``src/*`` means everything below ``src``, and ``*`` everything; who does not know writes everything.
    """
    if not touches.known:
        return Touches(writes=tuple(dict.fromkeys((*seen, "*"))))
    return Touches(reads=_met(touches.reads, seen), writes=_met(touches.writes, seen))


def _met(names: Sequence[str], seen: Sequence[str]) -> tuple[str, ...]:
    same = (other for other in seen if any(_covers(name, other) or _covers(other, name) for name in names))
    return tuple(dict.fromkeys((*names, *same)))


def _covers(pattern: str, name: str) -> bool:
    return pattern == "*" or (pattern.endswith("/*") and (name.startswith(pattern[:-1]) or name == pattern[:-2]))
