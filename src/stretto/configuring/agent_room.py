"""The one place where settings and a store become agents: models, tools, servers, approvals, put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync

from stretto.agents.agent import Agent
from stretto.agents.demonstration import Demonstration
from stretto.agents.registry import AgentRegistry, BrokenAgent
from stretto.agents.validation import Approvals, ApprovalSettings
from stretto.configuring.agent_files import KnownAgent, demonstration_of, described_here, known_agents
from stretto.configuring.kept_models import describe
from stretto.configuring.kept_servers import may_start_programs, read_servers
from stretto.configuring.kept_settings import Choice, in_force, read_choice
from stretto.configuring.model_settings import models_of
from stretto.configuring.settings import Settings, where_said
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


class AgentRoom:
    """Everything that agents need, made of settings and of what an archive describes.

    ``given`` is what files, environment and options say, ``settings`` what is in force: where nothing is given, what
    the archive holds counts. ``agents`` can be used, ``broken`` cannot, and say why (``unusable`` are those of them
    whose description can be read); ``problems`` says the same of settings, providers and models. ``note`` says what the
    demonstration's agents lack. ``configured`` are the servers of files, beside which ``servers`` has those of the
    archive.

    Whoever changes what the archive describes holds ``changing`` meanwhile, and calls ``renew``. What runs goes on as
    it began: with the agents, approvals and models that it was given.
    """

    def __init__(
        self, given: Settings, store: Store, *, models: Models, tools: ToolRegistry, servers: McpServers,
        configured: McpConfig,
    ) -> None:  # fmt: skip
        self.given, self.settings, self.store = given, given, store
        self.models, self.tools, self.servers, self.configured = models, tools, servers, configured
        self.registry = AgentRegistry(tools=tools, models=models, mcp=servers)
        self.approvals = Approvals(given.approvals)
        self.agents: tuple[KnownAgent, ...] = ()
        self.broken: tuple[BrokenAgent, ...] = ()
        self.unusable: dict[str, KnownAgent] = {}
        self.problems: dict[str, str] = {}
        self.note = ""
        self.embedder: Embedder | None = None
        self.choice = Choice()
        self.said = where_said()
        self.changing = anyio.Lock()
        self._embeds: str | None = None
        self._here = described_here(given)

    async def renew(self) -> None:
        """Reads anew what the archive describes; the next execution is carried out with it.

        What cannot be used there is told in ``broken`` and ``problems``, and leaves the rest alone. Raises
        ``DefinitionError`` for an embedder that is given and cannot be had.
        """
        archive = self.store.archive
        choice, trouble = await read_choice(archive)
        problems = {"settings": trouble} if trouble else {}
        try:
            settings = in_force(self.given, choice)
        except DefinitionError as error:
            settings, problems["settings"] = self.given, str(error)
        problems |= await describe(self.models, settings, archive)
        embedder = self.embedder
        try:
            if settings.embedder != self._embeds or not str(settings.embedder).startswith("model2vec:"):
                embedder = await self.embedder_of(settings.embedder)
        except DefinitionError as error:
            if settings.embedder == self.given.embedder:
                raise
            embedder, problems["embedder"] = None, str(error)
        shown = demonstration_of(settings)
        agents, broken = await known_agents(settings, archive, self._here)
        registry = AgentRegistry(tools=self.tools, models=self.models, mcp=self.servers)
        usable: list[KnownAgent] = []
        unusable: dict[str, KnownAgent] = {}
        for agent in agents:
            try:
                registry.add(agent.config, replace=True)
                usable.append(agent)
            except DefinitionError as error:
                broken.append(BrokenAgent(agent.config.id, agent.config.name, (str(error),)))
                unusable[agent.config.id] = agent
        self.unusable = unusable
        self.choice, self.settings, self.problems, self.embedder = choice, settings, problems, embedder
        self._embeds = settings.embedder if embedder is not None else None
        self.registry, self.agents, self.broken, self.note = registry, tuple(usable), tuple(broken), shown.note
        self.approvals = Approvals(_approvals(settings.approvals, shown, usable))

    async def embedder_of(self, id: str | None) -> Embedder | None:
        """Returns the embedder of an id, loaded in a thread; raises ``DefinitionError`` when it cannot be had."""
        return None if id is None else await run_sync(self.models.embedder, id)

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
        config = servers_of(settings, demonstration_of(settings).servers)
        kept = await read_servers(store.archive, programs=may_start_programs(settings.server))
        servers = await stack.enter_async_context(McpServers(McpConfig({**kept.config.servers, **config.servers})))
        room = AgentRoom(settings, store, models=models, tools=tools, servers=servers, configured=config)
        await room.renew()
        yield room


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
