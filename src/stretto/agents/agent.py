"""An agent is a step that thinks: it asks its model, makes the calls that the model asks for, and reports."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeAlias, TypedDict, Unpack

from stretto.agents.call import shown
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.agents.output import OutputType
from stretto.agents.plan_mode import Planning
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.agents.thinking import Thinking
from stretto.agents.turn import Turn, path_name
from stretto.agents.validation import is_mapping
from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.events import AgentStarted
from stretto.core.policies import PLAIN, ParallelResourceLimits, StepPolicy
from stretto.core.step import Context, Step
from stretto.models.model import Model
from stretto.tools.tool import Tool

TASK_SHOWN = 2000
"""How many characters of its task an agent tells the log."""


class McpTools(Protocol):
    """The MCP servers of a run, as an agent sees them."""

    async def tools(self, servers: Sequence[str]) -> Sequence[Tool]:
        """Returns the tools of these servers."""
        ...

    def describe(self, servers: Sequence[str]) -> str:
        """Returns these servers in words for a system prompt; empty when there are none."""
        ...


class AgentFields(TypedDict, total=False):
    """What of a configuration can be given to ``Agent`` by name; see ``AgentConfig`` for what each means."""

    id: str
    name: str
    description: str
    system_prompt: str
    mcp_servers: Sequence[str]
    temperature: float
    max_tokens: int
    max_tool_iterations: int
    max_tool_output: int
    enable_thinking: bool
    plan_mode: bool
    history_limit: int
    context: str


def local_time() -> datetime:
    """Returns the present in this machine's time zone."""
    return datetime.now().astimezone()


Given: TypeAlias = "Task | Report | str | Mapping[str, Any]"
"""What an agent can be given as its task."""


class Agent(Step[Given, Report]):
    """A model with a prompt, tools and a limit, as a step; its input is a task, its output a report.

    It takes a configuration, or the fields of one by name: ``Agent(name="helper", model=model, tools=[search])``.
    ``limits`` bound how many calls of one turn run at once. ``output_type`` is what the answer is read as (a pydantic
    model, a dataclass, whatever pydantic validates). ``now`` is the clock of the system prompt. ``level`` counts from
    1, the primary agent; ``parent_id`` is the agent that delegates to this one.

    An agent holds nothing of a run: one value can work on any number of tasks at once.
    """

    kind: ClassVar[str] = "agent"
    transparent: ClassVar[bool] = True

    def __init__(
        self,
        config: AgentConfig | None = None,
        *,
        model: Model,
        tools: Sequence[Tool] = (),
        mcp: McpTools | None = None,
        level: int = 1,
        parent_id: str = "",
        limits: ParallelResourceLimits | None = None,
        output_type: Any = None,
        now: Callable[[], datetime] = local_time,
        policy: StepPolicy = PLAIN,
        **fields: Unpack[AgentFields],
    ) -> None:
        _check_parts(model, tools)
        if config is not None and fields:
            raise DefinitionError(f"an agent takes a configuration or {', '.join(fields)} by name, not both")
        self.config = config if config is not None else configured(fields, model, tools)
        self.name, self.policy = path_name(self.config.name), policy
        self.model, self.tools, self.mcp = model, _distinct(self.config.name, tools), mcp
        self.level, self.parent_id = level, parent_id
        self.limits = limits or ParallelResourceLimits()
        self.output = None if output_type in (None, str) else OutputType(output_type)
        self.now = now

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the model, the turn with its tools, and in plan mode what carries out plans."""
        made: dict[str, Step[Any, Any]] = {"model": self.model, "tools": self.turn(self.tools)}
        return made | ({"plan": self.planning(self.tools)} if self.config.plan_mode else {})

    def turn(self, tools: Sequence[Tool]) -> Turn:
        """Returns the step that makes the calls of one turn with these tools."""
        return Turn(tools, limits=self.limits, max_output=self.config.max_tool_output, agent=self.config.name)

    def planning(self, tools: Sequence[Tool]) -> Planning:
        """Returns the step that asks the model, and carries out what it plans with these tools."""
        config = self.config
        return Planning(self.model, tools, limits=self.limits, max_output=config.max_tool_output, agent=config.name)

    async def execute(self, input: Given, context: Context) -> Report:
        """Works on a task; raises what a failed model call raises, and ``OutputInvalid``.

        A text is the task in words, a report stands for its response, and a mapping with a ``description`` for the
        fields of a ``Task``. Any other mapping, as an operation of a plan receives it, is told as JSON, or as its only
        value.
        """
        task = task_of(input, context.path, self.config.name)
        config = self.config
        tools = self.tools
        if self.mcp is not None and config.mcp_servers:
            tools = _distinct(config.name, (*tools, *await self.mcp.tools(config.mcp_servers)))
        context.emit(
            AgentStarted(
                agent_id=config.id, name=config.name, parent_id=self.parent_id, level=self.level, model=self.model.id,
                task=task.description[:TASK_SHOWN], tools=[tool.name for tool in tools],
                mcp_servers=list(config.mcp_servers),
            )
        )  # fmt: skip
        servers = self.mcp.describe(config.mcp_servers) if self.mcp is not None and config.mcp_servers else ""
        return await Thinking(self, task, tools, servers, context).work()


def task_of(input: object, id: str, agent: str) -> Task:
    """Returns the task that an agent was given; raises ``DefinitionError`` when there are no words in it."""
    task = _task_of(input, id)
    if task is None:
        kind = type(input).__name__
        raise DefinitionError(f"agent {agent!r} takes a text, a Task, a Report or a mapping as its task, not {kind}")
    if not task.description.strip():
        raise DefinitionError(f"agent {agent!r} was given a task without words; say what it is to do")
    return task


def _task_of(input: object, id: str) -> Task | None:
    if isinstance(input, Task):
        return input
    if isinstance(input, Report):
        return Task(description=input.response, id=id)
    if isinstance(input, str):
        return Task(description=input, id=id)
    if not is_mapping(input):
        return None
    if "description" in input:
        try:
            fields: dict[str, Any] = {"id": id, **input}
            return Task(**fields)
        except TypeError as error:
            raise DefinitionError(f"a task cannot be made of {', '.join(map(repr, input))}: {error}") from None
    only = _task_of(next(iter(input.values())), id) if len(input) == 1 else None
    return only or Task(description=shown(input, sys.maxsize)[0], id=id)


def _check_parts(model: object, tools: Sequence[object]) -> None:
    """Raises ``DefinitionError`` for a name in the place of a model or a tool, with the way to what it names."""
    if not isinstance(model, Model):
        raise DefinitionError(f"an agent's model is a Model, not {model!r}; Models().get('provider:model') returns one")
    for tool in tools:
        if not isinstance(tool, Tool):
            raise DefinitionError(
                f"an agent's tool is a Tool, not {tool!r}; make one with @tool, or ToolRegistry.builtin().find([...])"
            )


def configured(fields: AgentFields, model: Model, tools: Sequence[Tool]) -> AgentConfig:
    """Returns the configuration of an agent that was described by name; its id is made of its name."""
    known = AgentFields.__annotations__
    for field in fields:
        if field not in known:
            raise UnknownSetting("Agent", field, known)
    given: dict[str, Any] = {"name": "agent", **fields}
    given.setdefault("id", re.sub(r"[^\w-]+", "-", str(given["name"])) or "agent")
    asked = {name: given.pop(name) for name in ("temperature", "max_tokens") if name in given}
    given["mcp_servers"] = tuple(given.get("mcp_servers", ()))
    choice = ModelChoice.model_validate({"model": model.id, **asked})
    return AgentConfig.model_validate({**given, "llm": choice, "tools": tuple(tool.name for tool in tools)})


def _distinct(agent: str, tools: Sequence[Tool]) -> tuple[Tool, ...]:
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"agent {agent!r} has two tools that are called {name!r}; rename one of them")
    return tuple(tools)
