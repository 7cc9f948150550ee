"""Tools by which a primary agent hands work to others: spawn a sub-agent, delegate to an agent, run a batch of tasks.

The others run as children of the call, through the door: what they do, take and cost lies below its path. They are
offered none of these tools, and the door refuses what they would start all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from stretto.agents.agent import Agent, McpTools
from stretto.agents.call import PASSED_ON, words
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.agents.crew import Crew, Job, described
from stretto.agents.delegation_arguments import Delegate, ExecuteBatch, ListAgents, ListChildren, Spawn, Terminate
from stretto.agents.markdown import batch_report
from stretto.agents.prompt import first_sentence
from stretto.agents.report import Report, ReportStatus
from stretto.agents.task import Task
from stretto.agents.turn import path_name
from stretto.core.errors import DefinitionError, listed
from stretto.core.ledger import Ledger, Usage
from stretto.core.outcome import Completed, Outcome, TimedOut, error_of
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.tools.local import LocalTool
from stretto.tools.tool import Invocation, ToolFailed, ToolRisk, WrongArguments

DELEGATION_TOOLS = ("SpawnAgentTool", "DelegateTaskTool", "ParallelTasksTool")
"""The tools that only a primary agent is offered; a configuration names those that it wants."""

CHILD_PROMPT = (
    "You are {name}, a sub-agent. Another agent has given you one task and sees nothing but your last answer. "
    "Keep to that task. Use your tools to find out and to check, rather than to guess. You cannot start or ask other "
    "agents. Answer with a report in Markdown: first a summary of two or three sentences, then what you found or did "
    "with its evidence, last what remains open or failed. Say plainly what you could not do."
)
"""The system prompt of a sub-agent that was given none."""


class Agents(Protocol):
    """Who can be delegated to, and how an agent is made of a configuration; ``AgentRegistry`` is it."""

    def config(self, id: str) -> AgentConfig:
        """Returns a configuration; raises ``DefinitionError`` for an id that is unknown."""
        ...

    def make(self, config: AgentConfig, *, level: int = 1, parent_id: str = "", mcp: McpTools | None = None) -> Agent:
        """Makes an agent; raises ``DefinitionError`` when it names what is not there."""
        ...

    def delegates(self, but: str = "") -> Sequence[AgentConfig]:
        """Returns the configurations of all permanent agents but one."""
        ...


class DelegationTool(LocalTool):
    """A tool of one agent, ``parent``, by which it hands work to others; it shares ``crew`` with its like.

    A call touches nothing of its own, so calls of one turn run at once; what sub-agents write is between them.
    """

    transparent: ClassVar[bool] = True
    origin = "sub_agent"
    risk: ToolRisk = "medium"

    def __init__(self, agents: Agents, parent: AgentConfig, crew: Crew, mcp: McpTools | None = None) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.agents, self.parent, self.crew, self.mcp = agents, parent, crew, mcp

    def risk_of(self, arguments: Mapping[str, Any]) -> ToolRisk:
        """Says that looking and stopping do little harm: only what gives work to others bears the tool's risk."""
        return self.risk if isinstance(self.parsed(arguments), Spawn | Delegate | ExecuteBatch) else "low"

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        """Does what is asked, for a primary agent."""
        if Invocation.of(input).level != 1:
            raise ToolFailed("PERMISSION_DENIED", "only the primary agent delegates; do this task with your own tools")
        return await super().execute(input, context)

    def _target(self, agent_id: str) -> Agent:
        """Returns an agent to which this one may delegate."""
        if agent_id == self.parent.id:
            raise ToolFailed("INVALID_INPUT", f"you are {agent_id!r} yourself; delegate to another agent")
        try:
            config = self.agents.config(agent_id)
        except DefinitionError as error:
            raise ToolFailed("NOT_FOUND", str(error)) from error
        if config.lifecycle == "temporary":
            raise ToolFailed("PERMISSION_DENIED", f"{agent_id!r} is a temporary agent; nobody can delegate to it")
        return self._made(config)

    def _made(self, config: AgentConfig) -> Agent:
        try:
            return self.agents.make(config, level=2, parent_id=self.parent.id, mcp=self.mcp)
        except DefinitionError as error:
            raise ToolFailed("INVALID_INPUT", str(error)) from error

    def _task(self, prompt: str, call: Invocation, id: str) -> Task:
        return Task(description=prompt, id=id, workflow_id=call.workflow_id, locale=call.locale)

    async def _alone(self, agent: Agent, name: str, prompt: str, call: Invocation, context: Context) -> Report:
        """Runs one child; raises ``ToolFailed`` with what became of it when it hands no report back."""
        task = self._task(prompt, call, f"{context.path}/{name}")
        [outcome] = await self.crew.run([Job(agent=agent, task=task, name=name)], context)
        pass_on(outcome)
        if isinstance(outcome, Completed) and outcome.value.status is not ReportStatus.FAILED:
            return outcome.value
        code, why = failure(agent.config.name, outcome)
        raise ToolFailed(code, why) from error_of(outcome)


class SpawnAgentTool(DelegationTool):
    """Starts sub-agents that live for one task."""

    models = (Spawn, ListChildren, Terminate)
    description = (
        "Starts a sub-agent for one task and returns its report. It sees nothing of this conversation: put everything "
        "it needs into the prompt. Several spawns in one answer run at the same time; terminate reaches only "
        "sub-agents that other calls of the same answer have started."
    )

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        if isinstance(asked, Terminate):
            child = self.crew.stop(asked.child_id, context)
            return {"success": True, **described(child), "status": "terminated"}
        if isinstance(asked, Spawn):
            return await self._spawn(asked, call, context)
        children = [described(child) for child in self.crew.living(context)]
        return {"children": children, "remaining_slots": self.crew.room(context)}

    async def _spawn(self, wanted: Spawn, call: Invocation, context: Context) -> Any:
        name = path_name(wanted.name)
        digest = hashlib.sha256(f"{context.path}/{name}".encode()).hexdigest()
        config = child_of(self.parent, wanted, f"sub_{digest[:12]}")
        agent = self._made(config)
        report = await self._alone(agent, name, wanted.prompt, call, context)
        return {"success": True, "child_id": config.id, "name": config.name, **handed_back(report)}


class DelegateTaskTool(DelegationTool):
    """Gives a task to another agent, which works with its own configuration."""

    models = (Delegate, ListAgents)
    description = (
        "Gives a task to another agent, by its id, and returns its report. It works with its own prompt, model and "
        "tools, and sees nothing of this conversation. Several delegations in one answer run at the same time."
    )

    def briefing(self) -> str:
        """Returns the agents that a task can be given to, by their ids."""
        return "\n".join(
            f"- {config.id} ({config.name}): {first_sentence(config.description)}"
            for config in self.agents.delegates(but=self.parent.id)
        )

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        if isinstance(asked, Delegate):
            agent = self._target(asked.agent_id)
            name = path_name(asked.agent_id)
            report = await self._alone(agent, name, asked.prompt, call, context)
            return {"success": True, "agent_id": agent.config.id, **handed_back(report)}
        agents = [
            {
                "id": config.id, "name": config.name, "description": config.description,
                "tools": _own_tools(config), "mcp_servers": list(config.mcp_servers),
            }
            for config in self.agents.delegates(but=self.parent.id)
        ]  # fmt: skip
        return {"agents": agents, "remaining_slots": self.crew.room(context)}


class ParallelTasksTool(DelegationTool):
    """Gives tasks to agents, all at once, and goes on when some of them fail."""

    models = (ExecuteBatch,)
    description = (
        "Gives tasks to agents, by their ids, all at the same time, and returns what each came to in the order of the "
        "tasks. It succeeds when all have succeeded; one that fails stops no other."
    )
    risk: ToolRisk = "high"

    def __init__(self, agents: Agents, parent: AgentConfig, crew: Crew, mcp: McpTools | None = None) -> None:
        super().__init__(agents, parent, crew, mcp)
        properties = self.parameters["properties"]
        tasks = {**properties["tasks"], "maxItems": crew.settings.max_children}
        self.parameters = {**self.parameters, "properties": {**properties, "tasks": tasks}}

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the tasks; raises ``WrongArguments``, also for more tasks than may run at once."""
        checked = super().check(arguments)
        count, most = len(checked["tasks"]), self.crew.settings.max_children
        if count > most:
            raise WrongArguments(self.name, (f"tasks: there are {count}, and at most {most} may run at once",))
        return checked

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        clock = context.resource(Clock)
        began = clock.now()
        jobs: list[Job] = []
        for place, wanted in enumerate(asked.tasks, 1):
            agent, name = self._target(wanted.agent_id), path_name(wanted.agent_id)
            task = self._task(wanted.prompt, call, f"{context.path}/{place}")
            jobs.append(Job(agent=agent, task=task, name=name))
        outcomes = await self.crew.run(jobs, context)
        for outcome in outcomes:
            pass_on(outcome)
        rows = [_row(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]
        failed = [row for row in rows if not row["success"] and row["status"] != ReportStatus.PARTIAL]
        if len(failed) == len(rows):
            told = "; ".join(f"{row['agent_id']}: {row['error']}" for row in rows)
            raise ToolFailed("EXECUTION_FAILED", f"all {len(rows)} tasks of the batch failed: {told}")
        asked = [(job.agent.config.id, job.task.description) for job in jobs]
        took, spent = clock.now() - began, context.resource(Ledger).under(context.path)  # what failed has cost, too
        return {
            "success": all(row["success"] for row in rows),
            "completed": len(rows) - len(failed),
            "failed": len(failed),
            "results": rows,
            "metrics": _metrics(took, spent.usage, spent.known_cost),
            "aggregated_report": batch_report(context.path, asked, outcomes, took, details=False, spent=spent),
        }


def child_of(parent: AgentConfig, wanted: Spawn, id: str) -> AgentConfig:
    """Returns the configuration of a sub-agent: its parent's, but for the delegation tools and what was asked for."""
    tools = wanted.tools if wanted.tools is not None else tuple(_own_tools(parent))
    forbidden = [tool for tool in tools if tool in DELEGATION_TOOLS]
    if forbidden:
        raise ToolFailed("INVALID_INPUT", f"sub-agents do not delegate; leave {listed(forbidden)} out of its tools")
    servers = wanted.mcp_servers if wanted.mcp_servers is not None else parent.mcp_servers
    return parent.model_copy(
        update={
            "id": id, "name": wanted.name, "description": "", "lifecycle": "temporary", "plan_mode": False,
            "llm": _model_of(parent.llm, wanted), "tools": tuple(dict.fromkeys(tools)), "mcp_servers": servers,
            "system_prompt": wanted.system_prompt or CHILD_PROMPT.format(name=wanted.name),
        }
    )  # fmt: skip


def _model_of(parents: ModelChoice, wanted: Spawn) -> ModelChoice:
    if wanted.model is None:
        return parents
    provider = wanted.provider or ("" if ":" in wanted.model else parents.model.partition(":")[0])
    named = not provider or wanted.model.startswith(f"{provider}:")
    return parents.model_copy(
        update={"model": wanted.model if named else f"{provider}:{wanted.model}", "fallbacks": ()}
    )


def _own_tools(config: AgentConfig) -> list[str]:
    return [tool for tool in config.tools if tool not in DELEGATION_TOOLS]


def pass_on(outcome: Outcome[Report]) -> None:
    """Raises what is not the child's own failure: a human who ends the run, and what is no ``Exception``."""
    error = error_of(outcome)
    if error is not None and (isinstance(error, PASSED_ON) or not isinstance(error, Exception)):
        raise error


def failure(name: str, outcome: Outcome[Report]) -> tuple[str, str]:
    """Returns the code and the words for a child that handed no report back."""
    if isinstance(outcome, Completed):
        return "EXECUTION_FAILED", f"the sub-agent {name!r} failed: {outcome.value.error}"
    if isinstance(outcome, TimedOut):
        return "TIMEOUT", f"the sub-agent {name!r} was stopped: it worked longer than {outcome.error.seconds:g} s"
    error = error_of(outcome)
    if error is None:
        return "CANCELLED", f"the sub-agent {name!r} was stopped: {getattr(outcome, 'reason', '')}"
    return "EXECUTION_FAILED", f"the sub-agent {name!r} failed: {words(error)}"


def handed_back(report: Report) -> dict[str, Any]:
    """Returns a child's report as a model is told of it."""
    took = report.metrics
    metrics = _metrics(took.duration, took.usage, took.cost)
    return {"status": report.status.value, "report": report.response, "metrics": metrics}


def _metrics(duration: float, usage: Usage, cost: float | None) -> dict[str, Any]:
    return {
        "duration_ms": round(duration * 1000), "tokens_input": usage.input_tokens,
        "tokens_output": usage.output_tokens, "cost_usd": cost,
    }  # fmt: skip


def _row(job: Job, outcome: Outcome[Report]) -> dict[str, Any]:
    """Returns one result of a batch, without its text: that stands in the batch's report, once."""
    row: dict[str, Any] = {"agent_id": job.agent.config.id, "name": job.agent.config.name}
    if isinstance(outcome, Completed) and outcome.value.status is not ReportStatus.FAILED:
        told = handed_back(outcome.value)
        return {**row, "success": told["status"] == "success", "status": told["status"], "metrics": told["metrics"]}
    status = "failed" if isinstance(outcome, Completed) else outcome.status
    return {**row, "success": False, "status": status, "error": failure(job.agent.config.name, outcome)[1]}
