"""The arguments of the delegation tools, one model per operation; its docstring is what the model is told of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stretto.agents.config import Name, ServerName
from stretto.tools.arguments import Arguments

Prompt = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100_000,
        pattern=r"\S",
        description="The task in full (TASK, CONTEXT, FOCUS, REPORT): the other agent sees nothing of this "
        "conversation, and hands back one report.",
    ),
]


class Spawn(Arguments):
    """start a sub-agent of your own for one task, wait for it and return its report."""

    operation: Literal["spawn"]
    name: Annotated[Name, Field(description="What the sub-agent is called.")]
    prompt: Prompt
    system_prompt: str | None = Field(
        None, min_length=1, max_length=10_000, description="What it is; without one it is told to focus and report."
    )
    tools: tuple[str, ...] | None = Field(None, description="Names of its tools; without it those that you have.")
    mcp_servers: tuple[ServerName, ...] | None = Field(
        None, description="Names of its MCP servers; without it those that you have."
    )
    provider: str | None = Field(None, min_length=1, max_length=64, description="With model: whose model it asks.")
    model: str | None = Field(None, min_length=1, max_length=128, description="The model it asks; without one yours.")

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if self.provider is not None and self.model is None:
            raise ValueError("provider names nothing without a model; say both, or the model as provider:model")
        return self


class ListChildren(Arguments):
    """list your sub-agents that are at work, and how many more may start."""

    operation: Literal["list_children"]


class Terminate(Arguments):
    """stop a sub-agent that another call started and that is still at work."""

    operation: Literal["terminate"]
    child_id: Annotated[str, Field(min_length=1, max_length=128, description="Its child_id, or its name.")]


class Delegate(Arguments):
    """give a task to another agent, wait for it and return its report."""

    operation: Literal["delegate"]
    agent_id: Annotated[str, Field(min_length=1, max_length=128, description="Its id, as list_agents tells it.")]
    prompt: Prompt


class ListAgents(Arguments):
    """list the agents to which you can delegate."""

    operation: Literal["list_agents"]


class BatchTask(Arguments):
    """One task of a batch."""

    agent_id: Annotated[str, Field(min_length=1, max_length=128, description="Whose task it is; see list_agents.")]
    prompt: Prompt


class ExecuteBatch(Arguments):
    """give tasks to agents, all at the same time; one that fails stops no other."""

    operation: Literal["execute_batch"] = "execute_batch"
    tasks: tuple[BatchTask, ...] = Field(min_length=1, description="The tasks; an agent may have several.")
