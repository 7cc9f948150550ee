"""What is said of agents over HTTP: the fields of a request, and what is told of an agent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stretto.agents.config import AgentId, ServerName
from stretto.configuring.agent_files import KnownAgent, Origin
from stretto.configuring.settings import ModelId
from stretto.server.dependencies import Text

VISIBLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
"""The pattern of a name: one line, with something in it that can be seen."""
ToolName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.-]+$")]


class ModelWish(BaseModel):
    """Which model an agent asks; without ``model`` that of the settings, without the others what the model has."""

    model_config = ConfigDict(extra="forbid")

    model: ModelId | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=256, le=128_000)
    fallbacks: list[ModelId] = Field(default_factory=list[str], max_length=10)


class AgentRequest(BaseModel):
    """Describes an agent; what is left out has its default. ``tools`` and ``mcp_servers`` must exist."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, pattern=VISIBLE)
    description: Text = Field("", max_length=1000)
    llm: ModelWish = Field(default_factory=lambda: ModelWish.model_validate({}))
    tools: list[ToolName] = Field(default_factory=list[str], max_length=100)
    mcp_servers: list[ServerName] = Field(default_factory=list[str], max_length=100)
    system_prompt: Text = Field("You are a helpful assistant.", min_length=1, max_length=10_000)
    max_tool_iterations: int = Field(50, ge=1, le=200)
    enable_thinking: bool = True
    plan_mode: bool = False
    history_limit: int = Field(50, ge=1, le=1000)
    context: Literal["summarise", "trim"] = "summarise"
    max_tool_output: int = Field(50_000, ge=100, le=10_000_000)

    def body(self) -> dict[str, Any]:
        """Returns what is kept: what was said, so that a model which is not named is always that of the settings."""
        return self.model_dump(mode="json", exclude={"name"}, exclude_none=True)


class NewAgentRequest(AgentRequest):
    """Describes an agent that is new; without an ``id`` it gets one."""

    id: AgentId | None = None


class CopyRequest(BaseModel):
    """How the copy of a thing is called; without a ``name`` like the thing itself, with a number."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=64, pattern=VISIBLE)


class AgentSummary(BaseModel):
    """An agent in a list; ``problems`` say why it cannot be used, ``changeable`` whether it can be changed here.

    ``origin`` is where it is described, ``where`` the file, if it is one. ``model`` is the one that is asked now.
    """

    id: str
    name: str
    description: str
    lifecycle: Literal["permanent", "temporary"]
    provider: str
    model: str
    tools_count: int
    mcp_servers_count: int
    origin: Origin
    where: str
    changeable: bool
    problems: list[str]


class LlmSettings(BaseModel):
    """Which model an agent names, and how it asks; None is the model of the settings, or the model's own default."""

    model: str | None
    temperature: float | None
    max_tokens: int | None
    fallbacks: list[str]


class AgentDetails(AgentSummary):
    """An agent with everything that is said of it; times are seconds since the Unix epoch, None where unknown."""

    llm: LlmSettings
    tools: list[str]
    mcp_servers: list[str]
    system_prompt: str
    max_tool_iterations: int
    enable_thinking: bool
    plan_mode: bool
    history_limit: int
    context: Literal["summarise", "trim"]
    max_tool_output: int
    created_at: float | None
    updated_at: float | None


class OfferedTool(BaseModel):
    """A tool that an agent may name; ``sub_agents`` marks those by which a primary agent starts others.

    ``used_by`` are the ids of the agents that name it.
    """

    name: str
    description: str
    sub_agents: bool
    used_by: list[str]


def summary_of(known: KnownAgent, problems: list[str]) -> AgentSummary:
    """Returns an agent as a list shows it."""
    config = known.config
    provider, _, model = config.llm.model.partition(":")
    return AgentSummary(
        id=config.id, name=config.name, description=config.description, lifecycle=config.lifecycle, provider=provider,
        model=model, tools_count=len(config.tools), mcp_servers_count=len(config.mcp_servers), origin=known.origin,
        where=known.where, changeable=known.origin in ("stored", "demonstration"), problems=problems,
    )  # fmt: skip


def details_of(
    known: KnownAgent, problems: list[str], model: str | None, created_at: float | None, updated_at: float | None
) -> AgentDetails:
    """Returns an agent with everything that is said of it; ``model`` is the one that it names itself."""
    config = known.config
    told = config.model_dump(exclude={"llm", "tools", "mcp_servers"})
    llm = LlmSettings(
        model=model, temperature=config.llm.temperature, max_tokens=config.llm.max_tokens,
        fallbacks=list(config.llm.fallbacks),
    )  # fmt: skip
    return AgentDetails(
        **{**summary_of(known, problems).model_dump(), **told},
        llm=llm, tools=list(config.tools), mcp_servers=list(config.mcp_servers), created_at=created_at,
        updated_at=updated_at,
    )  # fmt: skip
