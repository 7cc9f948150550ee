"""The flows of the seed, by the numbers of their steps: 7 of an execution, 21 of a stream, 4 together, 5 of a stop."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from stretto.agents.orchestrator import AgentOrchestrator
from stretto.core.ledger import Usage
from stretto.core.outcome import Completed
from stretto.runtime.run import run
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, Served, agent

pytestmark = pytest.mark.anyio
NOBODY = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def listening(served: Served, workflow_id: str) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    """Listens to a workflow: yields the names and the data of its events."""

    async def events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        name = ""
        async for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    async with served.client.stream("GET", f"/api/workflows/{workflow_id}/events") as answer:
        assert answer.status_code == 200
        yield events(answer.aiter_lines())


async def to_the_end(events: AsyncIterator[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    with anyio.fail_after(60):
        async for name, told in events:
            found.append((name, told))
            if name == "workflow_complete":
                return found
    raise AssertionError("the stream ended before the workflow did")


def calculating() -> ScriptedModel:
    """Reasons, calculates, and says what came of it."""
    spent = Usage(input_tokens=100, output_tokens=10)
    asked = Scripted(
        reasoning="Six times seven.",
        calls=(("CalculatorTool", {"operation": "multiply", "a": 6, "b": 7}),),
        usage=spent,
        cost=0.5,
    )
    return ScriptedModel(asked, Scripted(text="It is 42.", usage=spent, cost=0.25), forever=True)


async def test_the_7_steps_of_an_execution(serve: Serve) -> None:
    async with serve(models=[calculating()], agents=[agent(tools=("CalculatorTool",))]) as served:
        workflow_id = await served.create()
        execute = f"/api/workflows/{workflow_id}/execute"
        # 1 validation: of the id, the message and the agent
        assert (await served.client.post("/api/workflows/x/execute", json={"message": "m"})).status_code == 422
        assert (await served.client.post(execute, json={"message": ""})).status_code == 422
        assert (await served.client.post(execute, json={"message": "m", "agent_id": "no such"})).status_code == 422
        # 2 the workflow is loaded
        unknown = await served.client.post(f"/api/workflows/{NOBODY}/execute", json={"message": "m"})
        assert unknown.status_code == 404
        # 3 to 7: a task, its execution by the agent, who it was, the result, and the answer with it
        made = await served.client.post(execute, json={"message": "What is 6 * 7?"})
        assert made.status_code == 200, made.text
        result = made.json()
        executions = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
    assert [each["message"] for each in executions] == ["What is 6 * 7?"]  # what was refused left nothing
    [call] = result["tool_executions"]
    assert (call["tool_name"], call["success"], call["iteration"]) == ("CalculatorTool", True, 1)
    assert result["tools_used"] == ["CalculatorTool"]
    metrics = result["metrics"]
    assert (metrics["provider"], metrics["model"]) == ("scripted", "model")
    assert (metrics["tokens_input"], metrics["tokens_output"], metrics["cost_usd"]) == (200, 20, 0.75)
    assert result["response"] == "It is 42."


async def test_the_21_steps_of_a_stream(serve: Serve) -> None:
    model = calculating()
    async with serve(models=[model], agents=[agent(tools=("CalculatorTool",))]) as served:
        workflow_id = await served.create()
        execute = f"/api/workflows/{workflow_id}/execute/stream"
        # 1 validation, 3 the workflow is loaded: what is refused leaves neither events nor rows
        assert (await served.client.post(execute, json={"message": " "})).status_code == 422
        assert (
            await served.client.post(execute.replace(workflow_id, NOBODY), json={"message": "m"})
        ).status_code == 404
        async with listening(served, workflow_id) as events:
            asked = await served.client.post(execute, json={"message": "What is 6 * 7?"})
            assert asked.status_code == 202
            told = await to_the_end(events)
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        again = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "And then?"})
        # 21 nothing is held any more
        assert served.house.executions.running == 0
    chunks = [(data["chunk_type"], data) for name, data in told if name == "workflow_stream"]
    kinds = [kind for place, (kind, _) in enumerate(chunks) if place == 0 or chunks[place - 1][0] != kind]
    # 9 the agent starts, 5 reasoning as the model makes it, a call, 14 words as the model makes them, 10 the agent ends
    assert kinds == ["tool_start", "reasoning", "tool_start", "tool_end", "token", "tool_end"]
    assert chunks[0][1]["tool"] == chunks[-1][1]["tool"] == "helper"
    assert chunks[-1][1]["outcome"] == "success"
    assert [data["content"] for kind, data in chunks if kind == "token"] == ["It ", "is ", "42."]
    assert [data["seq"] for _, data in chunks] == sorted({data["seq"] for _, data in chunks})
    assert {data["run_id"] for _, data in chunks} == {asked.json()["run_id"]}
    # 20 the end is told last, when everything is kept
    assert (told[-1][0], told[-1][1]["status"]) == ("workflow_complete", "completed")
    # 4 and 6: thinking belongs to the message that was answered; 13 and 12: it is kept with what it took
    [thought] = state["thinking_steps"]
    assert thought["content"] == "Six times seven."
    answer = state["messages"][-1]
    assert thought["message_id"] == answer["id"]
    assert answer["duration_ms"] is not None
    # 18 the calls are kept, 15 and 16 with their prices, 17 and the sums of the workflow
    [call] = state["tool_executions"]
    assert (call["tool_name"], call["message_id"]) == ("CalculatorTool", answer["id"])
    workflow = state["workflow"]
    assert (workflow["total_tokens_input"], workflow["total_tokens_output"]) == (200, 20)
    assert workflow["total_cost_usd"] == answer["cost_usd"] == 0.75
    assert workflow["current_context_tokens"] == 100
    assert workflow["model_id"] == "scripted:model"
    # 7 and 8: what was said before is the context of the next task, 11 its system prompt is that of the agent
    assert again.status_code == 200
    shown = json.dumps(model.seen[-1].messages)
    assert "What is 6 * 7?" in shown
    assert "It is 42." in shown
    # 19 the result is the same as of the other way
    assert again.json()["response"] == "It is 42."


async def test_the_4_steps_of_parallel_execution(serve: Serve) -> None:
    slow = ScriptedModel(*["one two three four"] * 3, tokens_per_second=10)
    agents = [agent("a"), agent("b"), agent("c")]
    async with serve(models=[slow], agents=agents) as served:
        orchestrator = AgentOrchestrator(served.house.room.registry, run)
        # 1 and 2: each agent is run, together; 3 in the order of the input; 4 about as long as the slowest
        began = anyio.current_time()
        outcomes = await orchestrator.execute_parallel([("a", "x"), ("nobody", "x"), ("b", "x"), ("c", "x")])
        took = anyio.current_time() - began
    assert [type(outcome).__name__ for outcome in outcomes] == ["Completed", "Failed", "Completed", "Completed"]
    assert [outcome.value.agent_id for outcome in outcomes if isinstance(outcome, Completed)] == ["a", "b", "c"]
    assert took < 3 * 0.4


async def test_the_5_steps_of_a_cancellation(serve: Serve) -> None:
    long = Scripted(text=" ".join(["word"] * 500), usage=Usage(input_tokens=10, output_tokens=500))
    async with serve(models=[ScriptedModel(long, tokens_per_second=100)]) as served:
        # 1 the id is looked at
        assert (await served.client.post("/api/workflows/x/cancel")).status_code == 422
        assert (await served.client.post(f"/api/workflows/{NOBODY}/cancel")).status_code == 404
        workflow_id = await served.create()
        async with listening(served, workflow_id) as events:
            asked = await served.ask(workflow_id)
            await served.heard(asked["run_id"], 12)
            # 2 to 4: told to stop, it stops in the middle of a model's answer
            stopped = await served.client.post(f"/api/workflows/{workflow_id}/cancel")
            assert stopped.json() == {"cancelled": True}
            told = await to_the_end(events)
        # 5 everybody is told, nothing is held, and what was done is kept
        assert (told[-1][0], told[-1][1]["status"]) == ("workflow_complete", "cancelled")
        assert served.house.executions.running == 0
        said = [data for name, data in told if name == "workflow_stream" and data["chunk_type"] == "token"]
        assert 0 < len(said) < 500
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        assert state["messages"][-1]["content"].startswith("word word")
