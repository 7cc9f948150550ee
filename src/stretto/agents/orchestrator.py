"""Executes agents by their ids: one, one with other MCP servers, or several at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, TypeAlias

from stretto.agents.agent import Agent, McpTools
from stretto.agents.registry import AgentRegistry
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.agents.turn import path_name
from stretto.core.errors import DefinitionError
from stretto.core.outcome import Outcome
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Context, Step

Runner: TypeAlias = Callable[[Step[Any, Any], Any], Awaitable[Any]]
"""What runs a step on an input: ``stretto.run``, or ``context.run`` of a step that is running already."""
Item: TypeAlias = "tuple[str, Task | str]"
"""An agent's id, and what it is to do."""


class NoRunner(DefinitionError):
    """An orchestrator was asked to execute, and was not told what runs steps."""

    def __init__(self) -> None:
        super().__init__(
            "this orchestrator describes steps only; give it what runs them: AgentOrchestrator(registry, stretto.run), "
            "or inside a step AgentOrchestrator(registry, context.run)"
        )


class Unavailable(Step[Any, Report]):
    """Stands in the place of an agent that cannot be had, and says why."""

    kind: ClassVar[str] = "agent"
    transparent: ClassVar[bool] = True

    def __init__(self, name: str, error: DefinitionError) -> None:
        self.name, self.error = name, error

    async def execute(self, input: Any, context: Context) -> Report:
        """Raises what kept the agent from being made."""
        raise self.error


class AgentsTogether(Step[Any, "list[Outcome[Report]]"]):
    """Runs agents at once, each on its own task; its value is how each of them ended, in their order."""

    kind: ClassVar[str] = "workflow"
    transparent: ClassVar[bool] = True

    def __init__(
        self, agents: Sequence[tuple[str, Step[Any, Report]]], limits: ParallelResourceLimits, name: str = "agents"
    ) -> None:
        self.name, self.agents, self.limits = name, tuple(agents), limits

    async def execute(self, input: Sequence[Task | str], context: Context) -> list[Outcome[Report]]:
        """Runs every agent on the task in its place; one that fails stops no other."""
        if len(input) != len(self.agents):
            raise DefinitionError(f"{len(self.agents)} agents take {len(self.agents)} tasks, not {len(input)}")
        async with context.branches(self.limits, ErrorMode.FAIL_SLOW) as branches:
            for (name, agent), task in zip(self.agents, input, strict=True):
                await branches.start(agent, task, name=name)
        return branches.outcomes


class AgentOrchestrator:
    """Executes the agents of a registry.

    ``run`` is what runs steps: ``stretto.run`` for runs of their own (``functools.partial(stretto.run, store=store)``
    for settings), ``context.run`` inside a step, whose children the agents then are. Without it the orchestrator only
    describes steps: ``step`` and ``together``.
    """

    def __init__(self, registry: AgentRegistry, run: Runner | None = None) -> None:
        self.registry, self._run = registry, run

    def step(self, agent_id: str, mcp: McpTools | None = None) -> Agent:
        """Returns an agent as a step whose input is a task; raises ``UnknownAgent`` and what else it lacks."""
        return self.registry.get(agent_id, mcp=mcp)

    def together(self, agent_ids: Sequence[str], limits: ParallelResourceLimits | None = None) -> AgentsTogether:
        """Returns a step whose input is one task for each agent; an agent that cannot be had fails in its place.

        Without ``limits`` all run at once.
        """
        agents: list[tuple[str, Step[Any, Report]]] = []
        for agent_id in agent_ids:
            name = path_name(agent_id)
            try:
                agents.append((name, self.step(agent_id)))
            except DefinitionError as error:
                agents.append((name, Unavailable(name, error)))
        most = ParallelResourceLimits(max_concurrent_executions=max(1, len(agents)))
        return AgentsTogether(agents, limits or most)

    async def execute(self, agent_id: str, task: Task | str) -> Report:
        """Executes an agent with the registry's MCP servers; raises what it failed with."""
        report: Report = await self._runner()(self.step(agent_id), task)
        return report

    async def execute_with_mcp(self, agent_id: str, task: Task | str, mcp_manager: McpTools | None) -> Report:
        """Executes an agent with these MCP servers in the place of the registry's; raises what it failed with."""
        report: Report = await self._runner()(self.step(agent_id, mcp_manager), task)
        return report

    async def execute_parallel(
        self, tasks: Sequence[Item], limits: ParallelResourceLimits | None = None
    ) -> list[Outcome[Report]]:
        """Executes agents at once; returns how each of them ended, in the order of the tasks.

        The whole takes about as long as the slowest. An agent that fails, or that does not exist, touches no other.
        """
        if not tasks:
            return []
        step = self.together([agent_id for agent_id, _ in tasks], limits)
        outcomes: list[Outcome[Report]] = await self._runner()(step, [task for _, task in tasks])
        return outcomes

    def _runner(self) -> Runner:
        if self._run is None:
            raise NoRunner
        return self._run
