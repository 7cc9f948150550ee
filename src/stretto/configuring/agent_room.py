"""The one place where settings and a store become agents: models, tools, servers, approvals, put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from stretto.agents.agent import Agent
from stretto.agents.demonstration import Demonstration
from stretto.agents.registry import AgentRegistry, BrokenAgent
from stretto.agents.validation import Approvals, ApprovalSettings
from stretto.configuring.agent_files import KnownAgent, demonstration_of, known_agents
from stretto.configuring.kept_servers import may_start_programs, read_servers
from stretto.configuring.model_settings import models_of
from stretto.configuring.settings import Settings
from stretto.core.errors import DefinitionError
from stretto.core.ledger import Budget
from stretto.core.resources import Embedder
from stretto.models.resolve import Models
from stretto.runtime.run import RunSettings
from stretto.stores.store import Store
from stretto.tools.mcp.config import McpConfig
from stretto.tools.mcp.servers import McpServers
from stretto.tools.registry import ToolRegistry

DEFAULT_AGENT = "surveyor"
"""The agent that is spoken to when neither settings nor command line name one."""


@dataclass(frozen=True, kw_only=True)
class AgentRoom:
    """Everything that agents need, made of settings.

    ``agents`` can be used, ``broken`` cannot, and say why. ``note`` says what the demonstration's agents lack.
    ``configured`` are the servers of files, beside which ``servers`` has those of the archive. Whoever changes what
    stands in the room holds ``changing`` meanwhile.
    """

    settings: Settings
    store: Store
    models: Models
    tools: ToolRegistry
    registry: AgentRegistry
    approvals: Approvals
    agents: tuple[KnownAgent, ...]
    broken: tuple[BrokenAgent, ...]
    servers: McpServers
    note: str = ""
    embedder: Embedder | None = None
    configured: McpConfig = field(default_factory=McpConfig)
    changing: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def default_agent(self) -> str:
        """The id of the agent that is spoken to when none is named."""
        return self.settings.agent or DEFAULT_AGENT

    def agent(self, id: str | None = None) -> Agent:
        """Returns an agent, by default the one of the settings; raises what ``AgentRegistry.get`` raises."""
        wanted = id or self.default_agent
        for broken in self.broken:
            if broken.id == wanted:
                raise broken
        return self.registry.get(wanted)

    def use_model(self, id: str) -> None:
        """Lets all agents ask this model alone, not those that they name; raises what ``Models.get`` raises."""
        self.models.get(id)
        for known in self.agents:
            choice = known.config.llm.model_copy(update={"model": id, "fallbacks": ()})
            self.registry.add(known.config.model_copy(update={"llm": choice}), replace=True)

    def resources(self) -> Sequence[Any]:
        """Returns what steps obtain from their context: the archive, the approvals, the servers, the embedder."""
        given = (self.store.archive, self.approvals, self.servers, self.embedder)
        return tuple(each for each in given if each is not None)

    def run_settings(self) -> RunSettings:
        """Returns what a run of these agents is given: store, resources and budget."""
        told = self.settings.budget
        budget = None if told is None else Budget(tokens=told.tokens, cost=told.cost)
        return RunSettings(store=self.store, resources=self.resources(), budget=budget)


@asynccontextmanager
async def agent_room(settings: Settings, store: Store) -> AsyncGenerator[AgentRoom]:
    """Puts the parts together, and closes models and servers at the end; the store stays open.

    Raises ``DefinitionError`` for settings that cannot work. Servers are connected to when an agent needs them.
    """
    models = models_of(settings)
    tools = tools_of(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(models)
        shown = demonstration_of(settings)
        config = servers_of(settings, shown.servers)
        kept = await read_servers(store.archive, programs=may_start_programs(settings.server))
        servers = await stack.enter_async_context(McpServers(McpConfig({**kept.config.servers, **config.servers})))
        agents, broken = await known_agents(settings, store.archive)
        registry = AgentRegistry(tools=tools, models=models, mcp=servers)
        usable: list[KnownAgent] = []
        for agent in agents:
            try:
                registry.add(agent.config, replace=True)
                usable.append(agent)
            except DefinitionError as error:
                broken.append(BrokenAgent(agent.config.id, agent.config.name, (str(error),)))
        yield AgentRoom(
            settings=settings,
            store=store,
            models=models,
            tools=tools,
            registry=registry,
            approvals=Approvals(_approvals(settings.approvals, shown, usable)),
            agents=tuple(usable),
            broken=tuple(broken),
            note=shown.note,
            servers=servers,
            configured=config,
            embedder=None if settings.embedder is None else models.embedder(settings.embedder),
        )


def _approvals(settings: ApprovalSettings, shown: Demonstration, agents: Sequence[KnownAgent]) -> ApprovalSettings:
    """Returns the settings' rules, and behind them those of the demonstration's agents that nobody has replaced."""
    own = {known.config.id for known in agents if known.origin == "demonstration"}
    rules = [rule for rule in shown.rules if rule.agent in own]
    return settings.model_copy(update={"rules": (*settings.rules, *rules)})


def tools_of(settings: Settings) -> ToolRegistry:
    """Returns the tools of this package; those that read files read in the workspace, or else where we are."""
    workspace = settings.workspace or Path.cwd()
    if not workspace.is_dir():
        raise DefinitionError(
            f"the workspace {str(workspace)!r} is no directory; set workspace to one, or leave it out"
        )
    return ToolRegistry.builtin(workspace)


def servers_of(settings: Settings, also: McpConfig) -> McpConfig:
    """Returns the MCP servers of the settings' file, before those of ``also``.

    Raises ``DefinitionError`` when there is no such file, ``McpConfigError`` for what it cannot say.
    """
    path = settings.mcp_servers
    if path is None:
        return also
    if not path.is_file():
        raise DefinitionError(f"mcp_servers: there is no file {str(path)!r}; it is a JSON file with mcpServers")
    return McpConfig({**also.servers, **McpConfig.load(path).servers})
