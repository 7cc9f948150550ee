"""What the tests of delegation share: scripted models by name, agents that use them, and runs on a virtual clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from stretto.agents.config import AgentConfig, ModelChoice
from stretto.agents.crew import Delegation
from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.agents.registry import AgentRegistry
from stretto.core.errors import DefinitionError
from stretto.core.events import Event
from stretto.core.step import Step
from stretto.models.model import Model
from stretto.runtime.run import Run, start
from stretto.runtime.virtual import VirtualClock
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.function import tool
from stretto.tools.registry import ToolRegistry
from stretto.tools.tool import Tool


@tool(reads=(), idempotent=True)
def look(what: str) -> str:
    """Looks at something."""
    return f"{what} is fine"


@tool(reads=(), idempotent=True)
async def wait(seconds: float) -> str:
    """Waits."""
    await asyncio.sleep(seconds)
    return "waited"


class Scripts:
    """Models by their names behind ``test:``, as ``Models`` gives them."""

    def __init__(self, models: dict[str, ScriptedModel]) -> None:
        self.models = models

    def get(self, model: str, fallbacks: Sequence[str] = ()) -> Model:
        name = model.partition(":")[2]
        if name not in self.models:
            raise DefinitionError(f"there is no model {model!r}")
        return self.models[name]


def scripted(*script: Any, **settings: Any) -> ScriptedModel:
    return ScriptedModel(*script, **settings)


def agent(id: str, **fields: Any) -> AgentConfig:
    """Returns the configuration of an agent that is called as its model is."""
    model = fields.pop("model", f"test:{id}")
    return AgentConfig(id=id, name=fields.pop("name", id), llm=ModelChoice(model=model), **fields)


def lead(*more: str, **fields: Any) -> AgentConfig:
    return agent("lead", tools=(*more, *DELEGATION_TOOLS), **fields)


def registry(
    *configs: AgentConfig, delegation: Delegation | None = None, tools: Sequence[Tool] = (), **models: ScriptedModel
) -> AgentRegistry:
    return AgentRegistry(
        configs, tools=ToolRegistry((look, wait, *tools)), models=Scripts(models), delegation=delegation
    )


def spawn(name: str, prompt: str = "do it", **more: Any) -> tuple[str, dict[str, Any]]:
    return "SpawnAgentTool", {"operation": "spawn", "name": name, "prompt": prompt, **more}


def delegate(agent_id: str, prompt: str = "do it") -> tuple[str, dict[str, Any]]:
    return "DelegateTaskTool", {"operation": "delegate", "agent_id": agent_id, "prompt": prompt}


def batch(*tasks: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    given = [{"agent_id": agent_id, "prompt": prompt} for agent_id, prompt in tasks]
    return "ParallelTasksTool", {"operation": "execute_batch", "tasks": given}


def calls(*asked: tuple[str, Any], **more: Any) -> Scripted:
    return Scripted(calls=asked, **more)


def watch(step: Step[Any, Any], task: Any = "go", **settings: Any) -> Run[Any]:
    """Runs a step to its end on a clock that jumps, and returns the run."""

    async def main() -> Run[Any]:
        async with start(step, task, **settings) as run:
            pass
        return run

    run: Run[Any] = VirtualClock().run(main())
    return run


def outputs(run: Run[Any]) -> list[Any]:
    """Returns what the model of the first agent was told by each of its calls: JSON as values, errors as text."""
    report = run.outcome.unwrap()
    return [json.loads(use.output) if use.success else use.error for use in report.tool_uses]


def ended(log: list[Event], kind: str = "step_completed") -> list[str]:
    return [event.path for event in log if event.kind == kind]


def at(log: list[Event], kind: str, path: str) -> float:
    [event] = [event for event in log if event.kind == kind and event.path == path]
    return event.at
