"""Tools, agents and workflows as tools of an MCP server, called by the library's own client, over stdio and HTTP."""

import asyncio
import json
import socket
import sys

import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp_types import ElicitResult

from stretto import Request, SequentialWorkflow, run, start, step
from stretto.agents import Agent
from stretto.agents.serving import Served, ServedTwice, http_app, mcp_server
from stretto.core.events import Asked, Progress, Said
from stretto.core.resources import Clock
from stretto.testing.scripted import ScriptedModel
from stretto.tools import ToolFailed, tool
from stretto.tools.mcp import McpServers

ENDED = []


@tool
async def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@tool(destructive=True)
async def wipe(name: str) -> dict:
    """Wipes a name."""
    raise ToolFailed("NOT_FOUND", f"there is no {name}")


@step
async def double(x):
    return 2 * x


@step
async def ask(given, context):
    answer = await context.ask(Request(question="May it?", choices=("approve", "reject"), reason="it costs"))
    return answer.choice


@step
async def slow(given, context):
    context.emit(Said(text="begun"))
    try:
        await context.resource(Clock).sleep(30)
    finally:
        ENDED.append("slow")


@step
async def broken(given):
    raise ZeroDivisionError("by nothing")


twice = SequentialWorkflow(name="twice", steps=(double, double))


def served():
    agent = Agent(name="helper", id="helper", description="Helps.", model=ScriptedModel("It is done."))
    steps = [Served.workflow(each.name, each) for each in (twice, ask, slow, broken)]
    planned = Served.workflow("planned", double, given={"x": None, "y": 3}, description="Has inputs with names.")
    return [Served.tool(add), Served.tool(wipe), Served.agent(agent), *steps, planned]


class Serving:
    """The server on a free port of this loop."""

    async def __aenter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = uvicorn.Config(
            http_app(mcp_server(served(), start)), host="127.0.0.1", port=self.port, log_level="error", lifespan="on"
        )
        self.server = uvicorn.Server(config)
        self.server.capture_signals = contextless
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return f"http://127.0.0.1:{self.port}/mcp"

    async def __aexit__(self, *_):
        self.server.should_exit = self.server.force_exit = True
        await self.task


class contextless:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def over_http(story):
    async def told():
        async with Serving() as url, McpServers({"mcpServers": {"own": {"url": url}}}) as servers:
            tools = {tool.name.removeprefix("mcp__own__"): tool for tool in await servers.tools()}
            return await story(tools)

    return asyncio.run(asyncio.wait_for(told(), 30))


async def failure(tool, arguments):
    with pytest.raises(ToolFailed) as failed:
        await run(tool, arguments)
    return str(failed.value)


def test_tools_agents_and_workflows_are_listed_with_what_they_take():
    async def story(tools):
        return tools

    tools = over_http(story)
    assert list(tools) == ["add", "wipe", "agent_helper", "twice", "ask", "slow", "broken", "planned"]
    assert set(tools["add"].parameters["properties"]) == {"a", "b"}
    assert (tools["add"].destructive, tools["wipe"].destructive) == (False, True)
    assert tools["agent_helper"].description == "Helps."
    assert tools["planned"].parameters["required"] == ["x"]
    assert "twice" in tools["twice"].description


def test_each_is_called_and_answers():
    async def story(tools):
        return [
            await run(tools["add"], {"a": 1, "b": 2}),
            await run(tools["agent_helper"], {"task": "Do it.", "context": {"k": 1}, "locale": "en"}),
            await run(tools["twice"], {"input": 3}),
            await failure(tools["wipe"], {"name": "x"}),
            await failure(tools["broken"], {}),
        ]

    added, agent, workflow, failed, broke = over_http(story)
    assert (added, agent, workflow) == ("3", "It is done.", "12")
    assert failed == "[MCP_ERROR] [NOT_FOUND] there is no x"
    assert broke == "[MCP_ERROR] ZeroDivisionError: by nothing"


def test_the_progress_of_the_run_reaches_the_caller():
    async def story(tools):
        async with start(tools["twice"], {"input": 1}) as running:
            await running.result()
        return [event.text for event in running.log if isinstance(event, Progress)]

    texts = over_http(story)
    assert texts == ["twice/double is completed", "twice/double#2 is completed", "twice is completed"]


def test_a_call_that_is_cancelled_cancels_its_run():
    async def story(tools):
        ENDED.clear()
        async with start(tools["slow"], {}) as running:
            async for event in running.events():
                if isinstance(event, Progress):
                    running.cancel()
        while not ENDED:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return await run(tools["add"], {"a": 1, "b": 1})

    assert over_http(story) == "2"


def test_what_a_run_asks_is_asked_through_the_client():
    async def story(tools):
        answers = []
        for choice in ("approve", "decline"):
            async with start(tools["ask"], {}) as running:
                async for event in running.events():
                    if isinstance(event, Asked):
                        answers.append((event.question, event.choices))
                        running.answer(event.request_id, choice)
                answers.append(await running.result())
        return answers

    asked, approved, _, declined = over_http(story)
    assert asked == ("May it? (it costs)", ["approve", "reject", "decline", "cancel"])
    assert (approved, declined) == ("approve", "reject")


def test_a_client_that_cannot_ask_its_user_is_told_so_and_nothing_waits_for_ever():
    async def story():
        async with Serving() as url, Client(url) as client:
            refused = await client.call_tool("ask", {})
            unknown = await client.call_tool("nothing", {})
            wrong = await client.call_tool("add", {"a": "x"})
            return client.protocol_version, refused, unknown, wrong

    version, refused, unknown, wrong = asyncio.run(asyncio.wait_for(story(), 30))
    assert version == "2025-11-25"
    assert [each.is_error for each in (refused, unknown, wrong)] == [True, True, True]
    assert "'ask' asks 'May it?', and this client cannot ask its user" in refused.content[0].text
    assert "there is no tool 'nothing'; there are add, wipe" in unknown.content[0].text
    assert "do not follow its schema" in wrong.content[0].text


def test_only_callers_that_name_a_loopback_address_are_served():
    async def story():
        async with Serving() as url, httpx2.AsyncClient(timeout=60) as client:
            headers = {"Accept": "application/json, text/event-stream"}
            answer = await client.post(url, json={}, headers={**headers, "Host": "evil.example"})
            return answer.status_code

    assert asyncio.run(asyncio.wait_for(story(), 30)) == 421


def test_over_stdio_it_is_a_program(tmp_path):
    script = (
        "import anyio\nfrom stretto import start\n"
        "from stretto.agents.serving import mcp_server, serve_stdio\n"
        "from tests.agents.test_serving import served\n"
        "anyio.run(serve_stdio, mcp_server(served(), start))\n"
    )
    server = {"command": sys.executable, "args": ["-c", script], "cwd": ".", "stop_timeout": 3}

    async def story():
        async with McpServers({"mcpServers": {"own": server}}) as servers:
            tools = {tool.name.removeprefix("mcp__own__"): tool for tool in await servers.tools()}
            async with start(tools["ask"], {}) as running:
                async for event in running.events():
                    if isinstance(event, Asked):
                        running.answer(event.request_id, "reject")
                asked = await running.result()
            return asked, await run(tools["twice"], {"input": 2})

    assert asyncio.run(asyncio.wait_for(story(), 60)) == ("reject", "8")


def test_a_plans_inputs_have_their_defaults_and_two_things_have_two_names():
    planned = next(each for each in served() if each.name == "planned")
    assert planned.input({"x": 1}) == {"x": 1, "y": 3}
    assert json.dumps(planned.parameters)
    with pytest.raises(ServedTwice, match="two things are called 'add'"):
        mcp_server([Served.tool(add), Served.tool(add)], start)


@pytest.mark.parametrize("answer", ["perhaps", ""])
def test_a_client_whose_user_answers_what_was_not_offered_makes_its_call_fail_and_nothing_waits_for_ever(answer):
    async def lie(context, params):
        return ElicitResult(action="accept", content={"answer": answer})

    async def story():
        async with Serving() as url, Client(url, elicitation_callback=lie) as client:
            refused = await client.call_tool("ask", {})
            return refused, await client.call_tool("add", {"a": 1, "b": 2})

    refused, after = asyncio.run(asyncio.wait_for(story(), 10))
    assert refused.is_error
    assert "it takes one of 'approve'" in refused.content[0].text
    assert after.content[0].text == "3"
