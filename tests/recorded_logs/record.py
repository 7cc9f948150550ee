"""Records what a server tells of true runs, for the tests of the page: ``python -m tests.recorded_logs.record``.

The runs take place in a whole server, without sockets, on a clock that jumps; ids and times are always the same.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import anyio

from stretto import ParallelWorkflow, SequentialWorkflow, step
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.configuring.settings import Settings
from stretto.core.events import ModelUsed
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.models.model import Model
from stretto.models.resolve import Models
from stretto.runtime.virtual import VirtualClock
from stretto.server import people, run_steering, span_updates
from stretto.server.house import House, open_house
from stretto.server.people_forms import Approval
from stretto.server.timelines import timeline_json
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel

FOLDER = Path(__file__).parent
START = 1_790_000_000.0
"""When every recorded run begins (seconds since the Unix epoch)."""
CHUNKS = frozenset(
    {
        "workflow_stream", "sub_agent_start", "sub_agent_progress", "sub_agent_complete", "sub_agent_error",
        "validation_required", "validation_response", "workflow_complete",
    }
)  # fmt: skip
SUM = ("CalculatorTool", {"operation": "add", "a": 1, "b": 2})
PRODUCT = ("CalculatorTool", {"operation": "multiply", "a": 3, "b": 4})


def scripted(id: str, *script: Any, **more: Any) -> ScriptedModel:
    return ScriptedModel(*script, id=f"scripted:{id}", tokens_per_second=20, **more)


def agent(id: str, *tools: str, model: str = "", **fields: Any) -> AgentConfig:
    choice = ModelChoice.model_validate({"model": model or f"scripted:{id}"})
    return AgentConfig(id=id, name=id, llm=choice, tools=tools, **fields)


class Stage:
    """What one recording begins with: agents, their models, library workflows and settings."""

    def __init__(self, *agents: AgentConfig, models: tuple[Model, ...] = (), mode: str = "auto") -> None:
        self.agents, self.models = agents, {model.id: model for model in models}
        self.settings = {"approvals": {"mode": mode, "auto_approve_low": False}}
        self.steps = {flow.name: flow for flow in (LIBRARY,)}


Play = Callable[[House], Coroutine[Any, Any, tuple[str, str | None]]]
"""Plays a recording, and returns its run and its workflow."""


async def ask(house: House, agent_id: str, message: str) -> tuple[str, str]:
    """Has a new workflow execute a message; returns its run's id and its own."""
    workflow_id = await house.service.create_workflow("A workflow", agent_id)
    return (await house.service.execute_workflow_streaming(workflow_id, message)).run_id, workflow_id


def plain(agent_id: str, message: str) -> Play:
    """Plays one execution to its end."""

    async def play(house: House) -> tuple[str, str | None]:
        run_id, workflow_id = await ask(house, agent_id, message)
        await house.executions.wait(run_id)
        return run_id, workflow_id

    return play


async def approved(house: House) -> tuple[str, str | None]:
    """Plays an execution that asks whether it may, and is allowed to after a while."""
    run_id, workflow_id = await ask(house, "clerk", "Add them.")
    await anyio.sleep(5)
    [waiting] = (await people.validations(house, ["pending"], workflow_id, 9, 0))[0]
    await people.approve(house, waiting.id, Approval.model_validate({"by": "a person"}))
    await house.executions.wait(run_id)
    return run_id, workflow_id


async def cancelled(house: House) -> tuple[str, str | None]:
    """Plays an execution that is cancelled while its sub-agent speaks."""
    run_id, workflow_id = await ask(house, "lead", "Look at it.")
    await anyio.sleep(2.5)
    await house.service.cancel_workflow_streaming(workflow_id)
    return run_id, workflow_id


async def of_the_library(house: House) -> tuple[str, str | None]:
    """Plays a run of a library workflow with branches, a retry and a failure that is passed over."""
    run_id = await run_steering.start(house, "survey", 3, {})
    run = house.executions.run(run_id)
    assert run is not None
    await run.ended.wait()
    await anyio.sleep(1)
    return run_id, None


TRIED: list[int] = []


@step
async def measure(number: int, context: Context) -> int:
    await context.resource(Clock).sleep(number)
    context.emit(ModelUsed(model="m", input_tokens=10, output_tokens=5, cost=0.25))
    return number * 2


@step(retry=RetryPolicy(wait=0.5, jitter=0), idempotent=True)
async def count(number: int, context: Context) -> int:
    await context.resource(Clock).sleep(0.25)
    TRIED.append(number)
    if len(TRIED) < 3:
        raise OSError("not yet")
    return number


@step
async def report(found: Any) -> str:
    return str(found)


LIBRARY = SequentialWorkflow(name="survey", steps=(ParallelWorkflow(name="look", steps=(measure, count)), report))
TODO = {"operation": "create", "name": "Look", "description": "at everything", "priority": 1}
DELEGATED = ("DelegateTaskTool", {"operation": "delegate", "agent_id": "kid", "prompt": "add it"})
BATCH = (
    "ParallelTasksTool",
    {
        "operation": "execute_batch",
        "tasks": [{"agent_id": "kid", "prompt": "add it"}, {"agent_id": "kid", "prompt": "add it again"}],
    },
)
CREW = (agent("lead", *DELEGATION_TOOLS, "TodoTool", "CalculatorTool"), agent("kid", "CalculatorTool"))


def stages() -> dict[str, tuple[Stage, Play]]:
    """Returns what is recorded, by its name; models are made anew, for they remember how far they are."""
    TRIED.clear()
    kid = scripted("kid", *[Scripted(text="I add.", calls=(SUM,)), "It is 3."] * 3)
    begin = Scripted(text="I look at all of it.", reasoning="How do I begin?", calls=(DELEGATED, SUM, PRODUCT))
    broken = scripted(
        "broken", *[RuntimeError("the model is out of order")] * 2,
        policy=StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=0.5, jitter=0)),
    )  # fmt: skip
    retried = (agent("broken"),)
    return {
        "parallel_tools": (
            Stage(CREW[1], models=(scripted("kid", Scripted(text="Both.", calls=(SUM, PRODUCT)), "3 and 12."),)),
            plain("kid", "Add and multiply."),
        ),
        "sub_agents": (
            Stage(*CREW, models=(scripted("lead", begin, Scripted(calls=(BATCH,)), "All is well."), kid)),
            plain("lead", "Look at it."),
        ),
        "tasks": (
            Stage(*CREW, models=(scripted("lead", Scripted(calls=(("TodoTool", TODO),)), "It is noted."), kid)),
            plain("lead", "Note it."),
        ),
        "approval": (
            Stage(
                agent("clerk", "CalculatorTool"), mode="manual",
                models=(scripted("clerk", Scripted(text="May I?", calls=(SUM,)), "It is 3."),),
            ),
            approved,
        ),
        "failure": (Stage(*retried, models=(broken,)), plain("broken", "Do it.")),
        "cancellation": (Stage(*CREW, models=(scripted("lead", begin, "Never."), kid)), cancelled),
        "offline_model": (
            Stage(agent("reader", "CalculatorTool", model="offline:reader")), plain("reader", "What is 12 * 7 + 5?")
        ),
        "library_run": (Stage(), of_the_library),
    }  # fmt: skip


@contextmanager
def standing(clock: VirtualClock, models: dict[str, Model]) -> Iterator[None]:
    """Has times follow a clock, ids come in one order, and models be found by their ids."""
    chance, get = random.Random(1), Models.get

    def look(found: Models, id: str, fallbacks: Any = ()) -> Model:
        return models[id] if id in models else get(found, id, fallbacks)

    def new_id() -> uuid.UUID:
        return uuid.UUID(int=chance.getrandbits(128), version=4)

    still = SimpleNamespace(perf_counter=lambda: 0.0, time=lambda: START + clock.elapsed)
    with (
        patch("time.time", lambda: START + clock.elapsed),
        patch("uuid.uuid4", new_id),
        patch.object(span_updates, "time", still),
        patch.object(Models, "get", look),
        patch("stretto.agents.agent.local_time", lambda: datetime.fromtimestamp(START, UTC)),
    ):
        yield


async def played(stage: Stage, play: Play) -> dict[str, Any]:
    """Plays a recording in a server of its own, and returns what that told."""
    settings = Settings.model_validate({"agents": {one.id: one for one in stage.agents}, **stage.settings})
    async with open_house(settings, MemoryStore(), stage.steps) as house:
        heard: list[bytes] = []

        async def listen() -> None:
            async for chunk in house.hub.stream():
                heard.append(chunk)  # noqa: PERF401  # it never ends

        house.supervisor.beside(listen, "listening")
        await anyio.sleep(0.01)
        with anyio.fail_after(600):
            run_id, workflow_id = await play(house)
        await anyio.sleep(1)
        state = None if workflow_id is None else json.loads(await house.service.state_json(workflow_id))
        timeline = json.loads(await timeline_json(house, run_id))
    blocks = [dict(line.partition(": ")[::2] for line in text.split("\n")) for text in _blocks(heard)]
    told = [(block["event"], json.loads(block["data"])) for block in blocks if "data" in block]
    return {
        "chunks": [{"event": name, "data": data} for name, data in told if name in CHUNKS],
        "span_updates": [data for name, data in told if name == "span_update"],
        "run_updates": [data for name, data in told if name == "run_update"],
        "state": state,
        "timeline": timeline,
    }


def _blocks(heard: list[bytes]) -> list[str]:
    return [block for block in b"".join(heard).decode().split("\n\n") if block]


def recorded(name: str) -> dict[str, Any]:
    """Returns what a recording holds, recorded anew."""
    stage, play = stages()[name]
    clock = VirtualClock()
    with standing(clock, stage.models):
        found: dict[str, Any] = clock.run(played(stage, play))
    return {"name": name, **found}


def text_of(recording: dict[str, Any]) -> str:
    """Returns a recording as it stands in its file."""
    return json.dumps(recording, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in stages():
        (FOLDER / f"{name}.json").write_text(text_of(recorded(name)), encoding="utf-8")
