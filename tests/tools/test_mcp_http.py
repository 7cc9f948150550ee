"""Servers over HTTP that refuse, overload, forget sessions, break off or send too much, and calls over it at once."""

import asyncio
import json

import pytest

from stretto import run, step
from stretto.tools.mcp import McpServerDied, McpServers, McpUnreachable
from tests.tools.mcp_for_tests import tool_of
from tests.tools.mcp_servers_for_tests import INITIALIZE, tool


class Web:
    """Speaks just enough HTTP and protocol; ``manners`` says what becomes of calls."""

    def __init__(self, manners=None, status=0):
        self.manners, self.status, self.sessions, self.headers = manners, status, 0, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/mcp"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.headers.append(headers)
            await self.answer(head[0].split()[0], json.loads(body or "null"), headers, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, verb, message, headers, writer):
        if verb != "POST":
            return self.send(writer, 405)
        method = message["method"]
        if self.status and method == "initialize":
            return self.send(writer, self.status)
        if method == "initialize":
            self.sessions += 1
            return self.send(writer, 200, message, INITIALIZE, session=f"s{self.sessions}")
        if "id" not in message:
            return self.send(writer, 202)
        if method == "tools/list":
            return self.send(writer, 200, message, {"tools": [tool("echo"), tool("twice")]})
        if method == "tools/call":
            return await self.manners(self, message, headers, writer)
        return self.send(writer, 404)

    def send(self, writer, status, message=None, result=None, session=None):
        body = (
            b"" if message is None else json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        )
        lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/json"] if body else []
        lines += [f"Mcp-Session-Id: {session}"] if session else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def said(text):
    return {"content": [{"type": "text", "text": text}]}


def with_web(story, manners=None, status=0, **settings):
    async def told():
        async with Web(manners, status) as web:
            async with McpServers({"mcpServers": {"web": {"url": web.url, **settings}}}) as servers:
                return await story(servers, web)

    return asyncio.run(asyncio.wait_for(told(), 30))


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_server_that_refuses_the_handshake_is_told_with_its_status(status):
    async def story(servers, web):
        return await servers.test("web")

    check = with_web(story, status=status)
    assert f"'web' answered the handshake with HTTP status {status}" in check.error


def test_headers_reach_the_server_and_nobody_else():
    async def echo(web, message, headers, writer):
        web.send(writer, 200, message, said(f"you sent {headers['authorization']}"))

    async def story(servers, web):
        return await run(tool_of(await servers.tools(), "echo"), {}), repr(servers.status())

    answer, status = with_web(story, echo, headers={"Authorization": "Bearer abc-123-def"})
    assert answer == "you sent [secret]"
    assert "abc-123-def" not in status


def test_an_overloaded_server_says_so_by_its_status():
    async def busy(web, message, headers, writer):
        web.send(writer, 429)

    async def story(servers, web):
        with pytest.raises(McpUnreachable) as busy:
            await run(tool_of(await servers.tools(), "echo"), {})
        return busy.value

    error = with_web(story, busy)
    assert error.status_code == 429
    assert "answered the call of 'echo' with HTTP status 429" in str(error)


def test_a_session_that_the_server_has_forgotten_is_opened_anew():
    async def forget(web, message, headers, writer):
        if headers["mcp-session-id"] == "s1":
            web.send(writer, 404)
        else:
            web.send(writer, 200, message, said(headers["mcp-session-id"]))

    async def story(servers, web):
        echo = tool_of(await servers.tools(), "echo")
        with pytest.raises(McpUnreachable, match="HTTP status 404"):
            await run(echo, {})
        return await run(echo, {})

    assert with_web(story, forget) == "s2"


def test_an_answer_that_is_too_large_is_not_read_to_its_end():
    async def huge(web, message, headers, writer):
        web.send(writer, 200, message, said("x" * 200_000))

    async def story(servers, web):
        with pytest.raises(Exception, match="100,000 bytes") as wrong:
            await run(tool_of(await servers.tools(), "echo"), {})
        return str(wrong.value)

    assert "more than 100,000 bytes" in with_web(story, huge, max_message=100_000)


def test_a_server_that_is_not_there_or_goes_away_is_unreachable():
    async def story(servers, web):
        echo = tool_of(await servers.tools(), "echo")
        web.server.close()
        await web.server.wait_closed()
        with pytest.raises((McpServerDied, McpUnreachable)):
            await run(echo, {})
        return await servers.test("web")

    async def gone(web, message, headers, writer):
        raise AssertionError("nobody calls")

    check = with_web(story, gone, connect_timeout=5)
    assert "could not be reached or agreed with: All connection attempts failed" in check.error


def test_calls_over_http_run_together():
    waiting = []

    async def both(web, message, headers, writer):
        waiting.append(1)
        while len(waiting) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        web.send(writer, 200, message, said(message["params"]["name"]))

    async def story(servers, web):
        tools = await servers.tools()

        @step
        async def at_once(_, context):
            async with context.branches() as branches:
                for name in ("echo", "twice"):
                    await branches.start(tool_of(tools, name), {}, name=name)
            return [outcome.unwrap() for outcome in branches.outcomes]

        return await run(at_once, None)

    assert with_web(story, both) == ["echo", "twice"]
