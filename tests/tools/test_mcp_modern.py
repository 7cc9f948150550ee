"""A server of the SDK itself, which speaks the protocol of 2026-07-28; and what else servers may ask, say and leave."""

import asyncio
import os
import signal
import subprocess
import sys

from stretto import run, start
from stretto.core.events import Asked, Progress
from stretto.tools.mcp import McpServers
from tests.tools.mcp_for_tests import SERVERS, alive, by_hand, config, gone, tool_of

SERVER = """
import asyncio
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("modern", instructions="# Be kind.")

@server.tool()
async def grow(context: Context) -> str:
    server.add_tool(lambda: "new", name="grown")
    await context.notify_tools_changed()
    return "grown"

@server.tool()
async def count(context: Context) -> int:
    for number in range(3):
        await context.report_progress(number + 1, 3)
    return 3

server.run()
"""


def test_the_newest_protocol_is_spoken_and_changes_of_tools_are_heard(tmp_path):
    path = tmp_path / "server.py"
    path.write_text(SERVER)

    async def story():
        async with McpServers(config(modern={"command": sys.executable, "args": [str(path)]})) as servers:
            tools = await servers.tools()
            connection = servers._connections["modern"]
            version = connection._link.client.protocol_version
            described = servers.describe()
            async with start(tool_of(tools, "count"), {}) as running:
                counted = await running.result()
            progress = [event.done for event in running.log if isinstance(event, Progress)]
            grown = await run(tool_of(tools, "grow"), {})
            while connection.listed is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return version, described, counted, progress, grown, [tool.name for tool in await servers.tools()]

    version, described, counted, progress, grown, names = asyncio.run(asyncio.wait_for(story(), 40))
    assert version == "2026-07-28"
    assert described.startswith("- modern: Be kind. (tools: ")
    assert (counted, progress) == ({"result": 3}, [1, 2, 3])
    assert grown == {"result": "grown"}
    assert "mcp__modern__grown" in names


def test_a_server_dies_with_the_process_that_started_it_however_that_dies():
    script = (
        "import asyncio, sys\nfrom stretto import run\nfrom stretto.tools.mcp import McpServers\n"
        "async def main():\n"
        f"    server = {{'command': sys.executable, 'args': [{str(SERVERS)!r}, 'Stubborn']}}\n"
        "    async with McpServers({'mcpServers': {'stubborn': server}}) as servers:\n"
        "        look = next(tool for tool in await servers.tools() if tool.name.endswith('look'))\n"
        "        print(*(await run(look, {}))['pids'], flush=True)\n"
        "        await asyncio.sleep(30)\n"
        "asyncio.run(main())\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pids = [int(word) for word in owner.stdout.readline().split()]
    try:
        assert len(pids) == 3
        owner.kill()
        owner.communicate()
        assert gone(*pids[:2])
    finally:
        for pid in alive(*pids):  # the third has a session of its own, and nobody is left who knows of it
            os.kill(pid, signal.SIGKILL)


def test_a_choice_an_address_and_odd_progress_are_shown_as_they_can_be():
    async def story():
        async with McpServers(config(hand=by_hand("Asker"))) as servers:
            tools = await servers.tools()
            found = []
            for name, choice in (("pick", "red"), ("visit", "accept"), ("number", "7")):
                async with start(tool_of(tools, name), {}) as running:
                    async for event in running.events():
                        if isinstance(event, Asked):
                            running.answer(event.request_id, choice)
                            asked = event
                    found.append((asked, await running.result(), running.log))
            return found

    (pick, picked, log), (visit, visited, _), (number, numbered, _) = asyncio.run(asyncio.wait_for(story(), 30))
    assert pick.choices == ["red", "green", "decline", "cancel"]
    assert '"red"' in picked
    assert visit.details["url"] == "https://example.com/pay"
    assert visit.choices == ["accept", "decline", "cancel"]
    assert '"accept"' in visited
    assert number.question == "How many? (n: integer; or 'decline')"
    assert '"n": 7' in numbered
    assert [(event.done, event.total) for event in log if isinstance(event, Progress)] == [(2, None)]
