"""Agents by their ids: what they are made of, who can be delegated to, and where their descriptions are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, Protocol

from pydantic import ValidationError

from stretto.agents.agent import Agent, McpTools
from stretto.agents.config import AgentConfig
from stretto.agents.crew import Crew, Delegation
from stretto.agents.delegation import (
    DELEGATION_TOOLS,
    DelegateTaskTool,
    DelegationTool,
    ParallelTasksTool,
    SpawnAgentTool,
)
from stretto.core.archive import Archive, Document
from stretto.core.errors import DefinitionError, listed
from stretto.models.model import Model
from stretto.tools.tool import Tool

DOCUMENTS = "agent"
"""The kind of document that describes an agent in an archive."""
FOR_SUB_AGENTS = ("InternalReportTool",)
"""The tools that a primary agent is not offered."""
_TOOLS: dict[str, type[DelegationTool]] = {
    tool.__name__: tool for tool in (SpawnAgentTool, DelegateTaskTool, ParallelTasksTool)
}


class UnknownAgent(DefinitionError):
    """An id that no agent has."""

    def __init__(self, id: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(id, names, 3)
        there = f"there are {listed(names[:20])}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        super().__init__(f"there is no agent {id!r}; " + (f"did you mean {listed(near)}?" if near else there))
        self.id, self.near = id, tuple(near)


class AgentTaken(DefinitionError):
    """An id or a name that another agent has already."""

    def __init__(self, what: Literal["id", "name"], value: str, id: str) -> None:
        super().__init__(f"the {what} {value!r} is taken by the agent {id!r}; choose another, or replace that one")
        self.what, self.value, self.id = what, value, id


class BrokenAgent(DefinitionError):
    """A stored description of which no agent can be made; ``problems`` say what is wrong in it and where."""

    def __init__(self, id: str, name: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"the stored agent {name!r} ({id!r}) cannot be used: {'; '.join(problems)}; correct it")
        self.id, self.name, self.problems = id, name, problems


class NoServers(DefinitionError):
    """An agent names MCP servers where there are none."""

    def __init__(self, agent: str, servers: Sequence[str]) -> None:
        super().__init__(
            f"agent {agent!r} names the MCP servers {listed(servers)}, and no servers were given; "
            "give the registry mcp=, use execute_with_mcp, or leave mcp_servers out"
        )
        self.agent, self.servers = agent, tuple(servers)


class ToolSource(Protocol):
    """Where tools come from; ``ToolRegistry`` is one."""

    def find(self, names: Iterable[str], /) -> tuple[Tool, ...]:
        """Returns the tools of these names; raises ``DefinitionError`` for one that is unknown."""
        ...


class ModelSource(Protocol):
    """Where models come from; ``Models`` is one."""

    def get(self, model: str, /, fallbacks: Sequence[str] = ()) -> Model:
        """Returns the model of that id; raises ``DefinitionError`` when it is unknown or its key is missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSummary:
    """An agent in a list."""

    id: str
    name: str
    lifecycle: Literal["permanent", "temporary"]
    provider: str
    model: str
    tools_count: int
    mcp_servers_count: int


class AgentRegistry:
    """Holds configurations of agents, permanent ones and temporary ones, and makes agents of them.

    ``tools`` and ``models`` are where an agent's tools and model come from, ``mcp`` the servers that it may name. A
    tool that is unknown is refused when an agent is added, a model when the agent is got: its key may come later.
    ``delegation`` bounds what a primary agent that names delegation tools may start.
    """

    def __init__(
        self,
        configs: Iterable[AgentConfig] = (),
        *,
        tools: ToolSource,
        models: ModelSource,
        mcp: McpTools | None = None,
        delegation: Delegation | None = None,
    ) -> None:
        self.tools, self.models, self.mcp = tools, models, mcp
        self.delegation = delegation or Delegation()
        self._permanent: dict[str, AgentConfig] = {}
        self._temporary: dict[str, AgentConfig] = {}
        self._broken: dict[str, BrokenAgent] = {}
        for config in configs:
            self.add(config)

    def add(self, config: AgentConfig, *, replace: bool = False) -> None:
        """Adds an agent; raises ``AgentTaken``, and ``UnknownTool`` for a tool that does not exist.

        ``replace`` puts it in the place of the one with its id. No two permanent agents have one name.
        """
        known = {**self._permanent, **self._temporary}
        if config.id in known and not replace:
            raise AgentTaken("id", config.id, config.id)
        if config.lifecycle == "permanent":
            named = next((one for one in self._permanent.values() if one.name == config.name), None)
            if named is not None and named.id != config.id:
                raise AgentTaken("name", config.name, named.id)
        self.tools.find(name for name in config.tools if name not in _TOOLS)
        for place in (self._permanent, self._temporary, self._broken):
            place.pop(config.id, None)
        (self._permanent if config.lifecycle == "permanent" else self._temporary)[config.id] = config

    def remove(self, id: str) -> AgentConfig | None:
        """Removes an agent and returns its configuration, None for a broken one; raises ``UnknownAgent``."""
        if self._broken.pop(id, None) is not None:
            return None
        config = self.config(id)
        self._permanent.pop(id, None)
        self._temporary.pop(id, None)
        return config

    def config(self, id: str) -> AgentConfig:
        """Returns an agent's configuration; raises ``UnknownAgent``, and ``BrokenAgent`` for one that is unusable."""
        found = self._permanent.get(id) or self._temporary.get(id)
        if found is not None:
            return found
        if id in self._broken:
            broken = self._broken[id]
            raise BrokenAgent(broken.id, broken.name, broken.problems)
        raise UnknownAgent(id, {**self._permanent, **self._temporary})

    def get(self, id: str, *, level: int = 1, parent_id: str = "", mcp: McpTools | None = None) -> Agent:
        """Returns the agent of that id, made anew; ``mcp`` takes the place of the registry's servers."""
        return self.make(self.config(id), level=level, parent_id=parent_id, mcp=mcp)

    def make(self, config: AgentConfig, *, level: int = 1, parent_id: str = "", mcp: McpTools | None = None) -> Agent:
        """Makes an agent of a configuration, which need not be one of the registry's.

        Below level 1 it gets none of the delegation tools that it names. Raises ``UnknownTool``, ``NoServers`` and what
        the models raise.
        """
        servers = mcp if mcp is not None else self.mcp
        if config.mcp_servers and servers is None:
            raise NoServers(config.name, config.mcp_servers)
        model = self.models.get(config.llm.model, config.llm.fallbacks)
        left_out = (*DELEGATION_TOOLS, *(FOR_SUB_AGENTS if level == 1 else ()))
        found = self.tools.find(name for name in config.tools if name not in left_out)
        tools = {tool.name: tool for tool in found}
        if level == 1:
            crew = Crew(self.delegation)
            tools |= {name: _TOOLS[name](self, config, crew, servers) for name in config.tools if name in _TOOLS}
        ordered = [tools[name] for name in dict.fromkeys(config.tools) if name in tools]
        return Agent(config, model=model, tools=ordered, mcp=servers, level=level, parent_id=parent_id)

    def delegates(self, but: str = "") -> tuple[AgentConfig, ...]:
        """Returns the permanent agents, by name, without the one that is called ``but``."""
        return tuple(config for config in _ordered(self._permanent.values()) if config.id != but)

    def summaries(self) -> tuple[AgentSummary, ...]:
        """Returns what a list of agents shows: the permanent ones by name, then the temporary ones."""
        return tuple(map(summary, (*_ordered(self._permanent.values()), *_ordered(self._temporary.values()))))

    @property
    def broken(self) -> tuple[BrokenAgent, ...]:
        """The stored agents that could not be loaded, by name, each with what is wrong."""
        return tuple(sorted(self._broken.values(), key=lambda one: (one.name, one.id)))

    async def load(self, archive: Archive) -> tuple[BrokenAgent, ...]:
        """Adds the agents that an archive describes, in the place of those with their ids; returns the broken ones."""
        for document in await archive.documents(DOCUMENTS):
            self._broken.pop(document.id, None)
            try:
                self.add(described_by(document), replace=True)
            except BrokenAgent as broken:
                self._break(broken)
            except DefinitionError as error:
                self._break(BrokenAgent(document.id, document.name, (str(error),)))
        return self.broken

    def _break(self, broken: BrokenAgent) -> None:
        self._permanent.pop(broken.id, None)
        self._broken[broken.id] = broken

    async def save(self, archive: Archive, *ids: str) -> None:
        """Keeps agents in an archive, without ``ids`` all permanent ones; raises ``DefinitionError`` for others."""
        for id in ids or tuple(self._permanent):
            config = self.config(id)
            if config.lifecycle == "temporary":
                raise DefinitionError(f"agent {id!r} is temporary and is not kept; make it permanent to save it")
            body: dict[str, Any] = config.model_dump(mode="json", exclude={"id", "name"})
            await archive.put_document(Document(kind=DOCUMENTS, id=id, name=config.name, body=body))

    async def delete(self, archive: Archive, id: str) -> None:
        """Removes an agent here and from an archive."""
        await archive.delete_document(DOCUMENTS, id)
        if id in self._permanent or id in self._broken:
            self.remove(id)


def described_by(document: Document) -> AgentConfig:
    """Returns the permanent agent that a document describes; raises ``BrokenAgent`` with every problem."""
    try:
        config = AgentConfig.model_validate({**document.body, "id": document.id, "name": document.name})
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise BrokenAgent(document.id, document.name, tuple(problems)) from None
    if config.lifecycle == "temporary":
        raise BrokenAgent(document.id, document.name, ("lifecycle: a stored agent is permanent",))
    return config


def summary(config: AgentConfig) -> AgentSummary:
    """Returns an agent as a list shows it."""
    provider, _, model = config.llm.model.partition(":")
    return AgentSummary(
        id=config.id, name=config.name, lifecycle=config.lifecycle, provider=provider, model=model,
        tools_count=len(config.tools), mcp_servers_count=len(config.mcp_servers),
    )  # fmt: skip


def _ordered(configs: Iterable[AgentConfig]) -> list[AgentConfig]:
    return sorted(configs, key=lambda config: (config.name, config.id))
