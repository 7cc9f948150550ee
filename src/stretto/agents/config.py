"""What an agent is made of: the fields that are stored, shown and edited, and their limits."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
AgentId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w-]+$")]
ServerName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]

DEFAULT_MODEL = "offline:surveyor"
"""The model of an agent that names none: it needs no key."""


class ModelChoice(BaseModel):
    """Which model an agent asks, and how; ``model`` is ``provider:model``.

    ``fallbacks`` are asked in their order when it cannot answer. Without ``temperature`` and ``max_tokens`` the
    provider's defaults hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(default=DEFAULT_MODEL, min_length=1, max_length=193)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=256, le=128_000)
    fallbacks: tuple[str, ...] = ()


class AgentConfig(BaseModel):
    """Describes an agent.

    ``tools`` are names of local tools, ``mcp_servers`` names of configured servers. ``max_tool_iterations`` bounds how
    often the model is asked for one task, ``history_limit`` how many earlier messages it is shown.
    ``enable_thinking`` asks the model to reason. ``plan_mode`` lets the agent answer with an execution plan.
    A ``temporary`` agent lives as long as its run, and nobody can delegate to it. ``context`` says what becomes of the
    oldest messages when a conversation outgrows the model's context window, ``max_tool_output`` how many characters of
    a tool's output the model is shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: AgentId = Field(default_factory=lambda: uuid.uuid4().hex)
    name: Name
    description: str = Field(default="", max_length=1000)
    lifecycle: Literal["permanent", "temporary"] = "permanent"
    llm: ModelChoice = Field(default_factory=lambda: ModelChoice.model_validate({}))
    tools: tuple[str, ...] = ()
    mcp_servers: tuple[ServerName, ...] = ()
    system_prompt: str = Field(default="You are a helpful assistant.", min_length=1, max_length=10_000)
    max_tool_iterations: int = Field(default=50, ge=1, le=200)
    enable_thinking: bool = True
    plan_mode: bool = False
    history_limit: int = Field(default=50, ge=1, le=1000)
    context: Literal["summarise", "trim"] = "summarise"
    max_tool_output: int = Field(default=50_000, ge=100, le=10_000_000)
