"""The reference servers of the protocol, as they are installed from their registry, over stdio and HTTP."""

import asyncio
import base64
import os
import signal
import socket
import subprocess

import pytest

from stretto import run, start, step
from stretto.core.events import Asked, Progress
from stretto.tools.mcp import McpServers
from stretto.tools.tool import ToolFailed
from tests.tools.mcp_for_tests import config, gone, tool_of
from tests.tools.mcp_real_for_tests import real


def lively(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_everything_echoes_shows_progress_asks_and_sends_pictures():
    async def story():
        async with McpServers(config(everything=real("everything"))) as servers:
            tools = await servers.tools()
            echo = await run(tool_of(tools, "__echo"), {"message": "hello"})
            weather = await run(tool_of(tools, "get-structured-content"), {"location": "New York"})
            image = await run(tool_of(tools, "get-tiny-image"), {})
            async with start(tool_of(tools, "long-running-operation"), {"duration": 0.3, "steps": 3}) as running:
                slow = await running.result()
            progress = [event for event in running.log if isinstance(event, Progress)]
            async with start(tool_of(tools, "trigger-elicitation-request"), {}) as asking:
                async for event in asking.events():
                    if isinstance(event, Asked):
                        asking.answer(event.request_id, "decline")
                declined = await asking.result()
            return echo, weather, image, slow, progress, declined

    echo, weather, image, slow, progress, declined = lively(story())
    assert "hello" in echo
    assert set(weather) == {"temperature", "conditions", "humidity"}
    picture = image["attachments"][0]
    assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")
    assert f"[image: image/png, {picture['bytes']:,} bytes]" in image["text"]
    assert "completed" in slow
    assert [event.done for event in progress] == [1, 2, 3]
    assert "declined" in declined


def test_everything_answers_over_http_too():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = real("everything", "streamableHttp")
    words = [settings["command"], *settings["args"]]
    env = {**os.environ, "PORT": str(port)}
    server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    try:
        while b"listening" not in server.stderr.readline():
            assert server.poll() is None

        async def story():
            async with McpServers(config(web={"url": f"http://127.0.0.1:{port}/mcp"})) as servers:
                tools = await servers.tools()

                @step
                async def several(_, context):
                    async with context.branches() as branches:
                        for number in range(4):
                            await branches.start(tool_of(tools, "__get-sum"), {"a": number, "b": 1}, name=str(number))
                    return [outcome.unwrap() for outcome in branches.outcomes]

                return await run(several, None)

        sums = lively(story())
    finally:
        server.kill()
        server.communicate()
    assert ["4" in text for text in sums] == [False, False, False, True]


def test_filesystem_reads_and_writes_inside_of_its_directories_only(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.txt").write_text("alpha")

    async def story():
        async with McpServers(config(fs=real("filesystem", inside))) as servers:
            tools = await servers.tools()
            read, write = tool_of(tools, "read_text_file"), tool_of(tools, "write_file")
            text = await run(read, {"path": str(inside / "a.txt")})
            await run(write, {"path": str(inside / "b.txt"), "content": "beta"})
            with pytest.raises(ToolFailed, match="outside allowed directories"):
                await run(read, {"path": str(tmp_path / "secret.txt")})
            return text, read, write

    text, read, write = lively(story())
    assert "alpha" in str(text)
    assert (inside / "b.txt").read_text() == "beta"
    assert (read.touches({}).reads, read.destructive, read.risk) == (("mcp:fs",), False, "low")
    assert (write.touches({}).writes, write.destructive, write.risk) == (("mcp:fs",), True, "high")


def test_a_real_server_that_is_killed_is_started_again(tmp_path):
    async def story():
        async with McpServers(config(fs=real("filesystem", tmp_path))) as servers:
            listing = tool_of(await servers.tools(), "list_allowed_directories")
            await run(listing, {})
            pid = servers._connections["fs"]._link.process.pid
            os.kill(pid, signal.SIGKILL)
            after = await run(listing, {})
            return pid, after, servers.status()[0]

    pid, after, status = lively(story())
    assert str(tmp_path) in str(after)
    assert gone(pid)
    assert status.restarts == 1
    assert "ended by SIGKILL" in status.last_error


def test_sequential_thinking_keeps_its_thoughts_between_calls():
    async def story():
        async with McpServers(config(thinking=real("thinking"))) as servers:
            think = tool_of(await servers.tools(), "sequentialthinking")
            for number in (1, 2):
                thought = {"thought": f"t{number}", "thoughtNumber": number, "totalThoughts": 2}
                told = await run(think, {**thought, "nextThoughtNeeded": number < 2})
            return told

    assert lively(story())["thoughtHistoryLength"] == 2
