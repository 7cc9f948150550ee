"""The server as an MCP server over streamable HTTP, asked by the protocol's own client."""

from contextlib import asynccontextmanager

import anyio
import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from stretto import Request, SequentialWorkflow, step
from stretto.agents.config import AgentConfig, ModelChoice
from stretto.core.resources import Clock
from stretto.testing import ScriptedModel

pytestmark = pytest.mark.anyio
STARTED = []
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "somebody", "version": "1"},
    },
}  # fmt: skip


@pytest.fixture
def anyio_backend():
    return "asyncio"


def agent(id="helper", model="scripted:model"):
    choice = ModelChoice.model_validate({"model": model})
    return AgentConfig.model_validate({"id": id, "name": id, "llm": choice})


@step
async def double(x):
    return 2 * x


@step
async def ask(x, context):
    return (await context.ask(Request(question="May it?"))).choice


@step
async def slow(x, context):
    STARTED.append(x)
    await context.resource(Clock).sleep(600)


STEPS = {each.name: SequentialWorkflow(name=each.name, steps=(each,)) for each in (double, ask, slow)}


async def yes(context, params):
    return ElicitResult(action="accept", content={"answer": "approve"})


@asynccontextmanager
async def calling(serve, **client):
    models = [ScriptedModel("It is done.", forever=True)]
    agents = [agent(), agent("broken", "openai:no-key")]
    async with serve(models=models, agents=agents, steps=STEPS, settings={"server": {"grace": 0}}) as served:
        async with Client(f"{served.url}/mcp", mode="legacy", **client) as session:
            yield session, served


def text(result):
    return "".join(part.text for part in result.content)


async def test_tools_agents_and_workflows_are_tools_and_their_calls_are_runs(serve):
    async with calling(serve) as (session, served):
        names = [tool.name for tool in (await session.list_tools()).tools]
        done = await session.call_tool("agent_helper", {"task": "Do it."})
        doubled = await session.call_tool("workflow_double", {"input": 4})
        counted = await session.call_tool("CalculatorTool", {"expression": "6*7"})
        unknown = await session.call_tool("nothing", {})
        runs = await served.store.runs()
        served.house.room.registry.add(agent("later"))
        later = [tool.name for tool in (await session.list_tools()).tools]
    assert {"agent_helper", "workflow_double", "workflow_ask", "CalculatorTool"} <= set(names)
    assert "agent_broken" not in names
    assert set(later) - set(names) == {"agent_later"}
    assert (text(done), text(doubled)) == ("It is done.", "8")
    assert "42" in text(counted)
    assert unknown.is_error
    assert [run.labels["stretto.face"] for run in runs] == ["mcp"] * 3


async def test_what_a_call_asks_is_asked_through_its_client(serve):
    async with calling(serve, elicitation_callback=yes) as (session, _):
        answered = await session.call_tool("workflow_ask", {"input": 1})
    assert text(answered) == "approve"


async def test_a_client_that_cannot_ask_is_told_so(serve):
    async with calling(serve) as (session, _):
        refused = await session.call_tool("workflow_ask", {"input": 1})
    assert refused.is_error
    assert "May it?" in text(refused)


async def test_a_call_that_its_client_cancels_is_cancelled(serve):
    STARTED.clear()
    async with calling(serve) as (session, served):
        with anyio.move_on_after(60) as scope:
            async with anyio.create_task_group() as tasks:

                async def leave():
                    while not STARTED:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                    scope.cancel()

                tasks.start_soon(leave)
                await session.call_tool("workflow_slow", {"input": 1})
        with anyio.fail_after(20):
            while served.house.executions.running:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        (run,) = await served.store.runs()
    assert run.status == "cancelled"


async def test_sessions_have_ids_and_end_when_they_are_deleted(serve):
    async with serve() as served:
        begun = await served.client.post("/mcp", json=INITIALIZE, headers=HEADERS)
        id = begun.headers["mcp-session-id"]
        own = {**HEADERS, "mcp-session-id": id}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        noted = await served.client.post("/mcp", json=ready, headers=own)
        strange = await served.client.post("/mcp", json=ready, headers={**own, "mcp-session-id": "nobody"})
        ended = await served.client.delete("/mcp", headers=own)
        late = await served.client.post("/mcp", json=ready, headers=own)
        modern = await served.client.post(
            "/mcp", json=INITIALIZE, headers={**HEADERS, "mcp-protocol-version": "2026-07-28"}
        )
        wrong = await served.client.put("/mcp")
    assert begun.status_code == 200
    assert (noted.status_code, ended.status_code) == (202, 200)
    assert (strange.status_code, late.status_code) == (404, 404)
    assert (modern.status_code, wrong.status_code) == (400, 405)


async def test_pages_of_other_origins_and_other_names_are_refused(serve):
    async with serve() as served:
        for header in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            answer = await served.client.post("/mcp", json=INITIALIZE, headers={**HEADERS, **header})
            assert answer.status_code in (400, 403, 421)
