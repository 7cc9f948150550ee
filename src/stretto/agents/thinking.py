"""One task in an agent's hands: the model is asked, its calls are made, until it answers or a limit is met."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stretto.agents.call import CallResult
from stretto.agents.history import CallIds, recent
from stretto.agents.output import TRIES, NoOutput, OutputInvalid, correction
from stretto.agents.plan_mode import GUIDE, PlanAsk, Thought
from stretto.agents.prompt import system_prompt
from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
from stretto.agents.task import Task
from stretto.agents.turn import Calls, Turn
from stretto.agents.window import Window
from stretto.core.ledger import Ledger
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.models.errors import ContextTooLong
from stretto.models.messages import Message, ToolCall, ToolResult, results_message, user_message
from stretto.models.model import ModelCall, Reply, ToolOffer
from stretto.tools.tool import Invocation, Tool

if TYPE_CHECKING:
    from stretto.agents.agent import Agent

BAD_TURNS = 5
"""After how many turns in a row in which no call could be made as it was written an agent gives up."""


class Thinking:
    """The state of one task: what the model is shown, what is new in the conversation, and what was done."""

    def __init__(self, agent: Agent, task: Task, tools: Sequence[Tool], servers: str, context: Context) -> None:
        self._agent, self._task, self._context = agent, task, context
        self._tools = tuple(tools)
        config = agent.config
        self._began = context.resource(Clock).now()
        self._system = system_prompt(
            config, tools=tools, now=agent.now(), locale=task.locale, servers=servers,
            iterations=config.max_tool_iterations,
        )  # fmt: skip
        self._planning = agent.planning(tools) if config.plan_mode and tools else None
        if self._planning is not None:
            self._system += f"\n\n## Plans\n{GUIDE}"
        asked = user_message(told(task))
        self._new: list[Message] = [asked]
        frame = ModelCall(
            messages=(),
            system=self._system,
            tools=tuple(
                ToolOffer(name=tool.name, description=tool.description, parameters=tool.parameters) for tool in tools
            ),
            output=None if agent.output is None else agent.output.schema,
            temperature=config.llm.temperature,
            max_tokens=config.llm.max_tokens,
            thinking=config.enable_thinking,
        )
        earlier = recent(task.history, config.history_limit, task.description)
        self._ids = CallIds(earlier)
        self._window, self._frame = Window(config, agent.model, frame, [*earlier, asked]), frame
        self._uses: list[ToolUse] = []
        self._texts: list[str] = []
        self._bad_calls = self._bad_turns = self._tries = 0
        self._iteration = 0

    async def work(self) -> Report:
        """Goes on until there is an answer, or a limit is met."""
        agent, config = self._agent, self._agent.config
        turn = agent.turn(self._tools)
        while self._iteration < config.max_tool_iterations:
            self._iteration += 1
            thought = await self._ask()
            reply = thought.reply
            calls = reply.tool_calls
            if not calls:
                report = self._answer(reply)
                if report is not None:
                    return report
            elif self._iteration == config.max_tool_iterations:
                self._leave_undone(calls)
            else:
                await self._carry_out(turn, thought)
                if self._bad_turns == BAD_TURNS:
                    return self._partial(
                        f"stopped after {BAD_TURNS} turns in a row without a tool call that could be made"
                    )
        return self._partial(
            f"stopped after {config.max_tool_iterations} answers of the model (max_tool_iterations) before the task "
            "was done"
        )

    async def _ask(self) -> Thought:
        window, context = self._window, self._context
        await window.fit(context)
        try:
            thought = await self._think()
        except ContextTooLong:
            if not await window.fit(context, refused=True):
                raise
            thought = await self._think(".shortened")  # a name of its own: resumed, the provider may take the first
        window.learn(thought.reply)
        thought = replace(thought, reply=replace(thought.reply, message=self._ids.told_apart(thought.reply.message)))
        self._add(thought.reply.message)
        if thought.reply.text:
            self._texts.append(thought.reply.text)
        return thought

    async def _think(self, again: str = "") -> Thought:
        """Asks the model, and carries out what it plans, unless it has no answer left to make use of that."""
        call = replace(self._frame, messages=tuple(self._window.messages))
        if self._planning is not None and self._iteration < self._agent.config.max_tool_iterations:
            ask = PlanAsk(call=call, caller=self._caller())
            return await self._context.run(self._planning, ask, name=f"plan{again}")
        return Thought(reply=await self._context.run(self._agent.model, call, name=f"model{again}"))

    async def _carry_out(self, turn: Turn, thought: Thought) -> None:
        """Makes the calls of an answer beside its plan, which has been carried out, and tells what came of all."""
        planned = thought.answered
        calls = [call for call in thought.reply.tool_calls if planned is None or call.name != planned.call.name]
        made: Sequence[CallResult] = ()
        if calls:
            made = await self._context.run(turn, Calls(calls=tuple(calls), caller=self._caller()), name="tools")
        if planned is None:
            self._take(made)
            return
        results = iter(made)
        told = [
            replace(planned, call=call) if call.name == planned.call.name else next(results)
            for call in thought.reply.tool_calls
        ]
        self._take(told, [*thought.results, *made])

    def _add(self, message: Message) -> None:
        self._window.add(message)
        self._new.append(message)

    def _caller(self) -> Invocation:
        config, task = self._agent.config, self._task
        return Invocation(
            arguments={}, agent_id=config.id, workflow_id=task.workflow_id, level=self._agent.level, locale=task.locale
        )

    def _take(self, results: Sequence[CallResult], uses: Sequence[CallResult] | None = None) -> None:
        """Tells the model what its calls came to; ``uses`` are those of tools, where that is something else."""
        self._add(results_message([ToolResult(result.call, result.content, result.ending) for result in results]))
        self._uses += [use_of(result, self._iteration) for result in (results if uses is None else uses)]
        plans = [] if uses is None else [result for result in results if result.bad and result not in uses]
        counted = [*(results if uses is None else uses), *plans]
        bad = sum(result.bad for result in counted)
        self._bad_calls += bad
        self._bad_turns = self._bad_turns + 1 if bad == len(counted) else 0

    def _leave_undone(self, calls: Sequence[ToolCall]) -> None:
        """Notes the calls of the last answer: the model would not learn what came of them, so they are not made."""
        error = "this call was not made: the model had no answer left (max_tool_iterations)"
        known = {tool.name: tool for tool in self._tools}
        results = [
            CallResult(
                call=call, origin=known[call.name].origin if call.name in known else "local", ending="denied",
                server=known[call.name].server if call.name in known else "", arguments={}, content=error, error=error,
            )
            for call in calls
        ]  # fmt: skip
        self._take(results)

    def _answer(self, reply: Reply) -> Report | None:
        """Returns the report of an answer, or None when the model is to answer again."""
        output = self._agent.output
        if reply.finish_reason == "length":
            return self._partial("the answer was cut off at the model's limit of output tokens (max_tokens)")
        if reply.finish_reason == "content_filter":
            return self._partial("the provider's content filter stopped the answer")
        if output is None:
            if not reply.text.strip():
                return self._partial("the model ended with an empty answer")
            return self._report(ReportStatus.SUCCESS, reply.text)
        self._tries += 1
        try:
            value = output.read(reply.text)
        except NoOutput as problem:
            if self._tries == TRIES:
                raise OutputInvalid(self._agent.name, output.name, TRIES, problem.problems) from None
            self._add(user_message(correction(problem)))
            return None
        return self._report(ReportStatus.SUCCESS, reply.text, value)

    def _partial(self, why: str) -> Report:
        said = self._texts[-1].strip() if self._texts else ""
        return replace(self._report(ReportStatus.PARTIAL, f"{said}\n\n({why})" if said else f"({why})"), error=why)

    def _report(self, status: ReportStatus, response: str, output: Any = None) -> Report:
        agent, context = self._agent, self._context
        spent = context.resource(Ledger).under(context.path)
        return Report(
            task_id=self._task.id, agent_id=agent.config.id, task=self._task.description, status=status,
            response=response, output=output, tool_uses=tuple(self._uses), messages=tuple(self._new),
            system_prompt=self._system,
            metrics=AgentMetrics(
                duration=context.resource(Clock).now() - self._began, usage=spent.usage, cost=spent.known_cost,
                iterations=self._iteration, model=agent.model.id, bad_calls=self._bad_calls,
            ),
        )  # fmt: skip


def told(task: Task) -> str:
    """Returns a task as the model is told of it: the words, and the caller's context as JSON."""
    if not task.context:
        return task.description
    return f"{task.description}\n\nContext:\n{json.dumps(task.context, ensure_ascii=False, indent=2, default=str)}"


def use_of(result: CallResult, iteration: int) -> ToolUse:
    """Returns a call's result as a report tells it."""
    return ToolUse(
        name=result.call.name, origin=result.origin, server=result.server, arguments=result.arguments,
        output=result.content if result.ending == "success" else "", success=result.ending == "success",
        error=result.error, duration=result.duration, iteration=iteration,
    )  # fmt: skip
