"""``stretto mcp``: what is configured is listed, tried and called, and what there is is served."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from stretto import run
from stretto.tools.mcp import McpServers
from tests.tools.mcp_for_tests import by_hand

FLOW = """
from stretto import step

print("imported")

@step
async def double(x):
    print("doubling", flush=True)
    return 2 * x
"""
COMMAND = [sys.executable, "-m", "stretto", "mcp"]


@pytest.fixture
def configured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRETTO_DATABASE", str(tmp_path / "runs.db"))
    servers = {
        "hand": by_hand(description="Written by hand."),
        "short": by_hand("Short"),
        "liar": by_hand("Liar"),
        "web": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer secret-token"}, "disabled": True},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "plan.yaml").write_text(
        'name: planned\ninputs: {x: 1}\noperations:\n  y: {run: "flow:double", with: {x: "${x}"}}\n'
    )
    return path


@pytest.fixture
def mcp(stretto):
    def invoke(*words, status=0):
        result = stretto("mcp", *words)
        assert result.exit_code == status, result.output
        return result

    return invoke


def test_servers_are_listed_without_their_secrets(configured, mcp):
    listed = mcp("list", "--config", str(configured))
    assert "hand  stdio  " in listed.stdout
    assert "Written by hand." in listed.stdout
    assert "web  http  http://127.0.0.1:9/mcp  (disabled)" in listed.stdout
    assert "secret-token" not in listed.output
    rows = json.loads(mcp("list", "--config", str(configured), "--json").stdout)
    assert [row["name"] for row in rows] == ["hand", "short", "liar", "web"]


def test_the_settings_name_the_file_and_without_one_it_is_said(configured, mcp, monkeypatch):
    monkeypatch.setenv("STRETTO_MCP_SERVERS", str(configured))
    assert "hand" in mcp("list").stdout
    missing = mcp("list", "--config", "nothing.json", status=2)
    assert "there is no file" in missing.stderr
    configured.write_text('{"mcpServers": {}}')
    assert "no MCP servers are configured" in mcp("list", "--config", str(configured)).stderr


def test_a_server_is_tried(configured, mcp):
    tried = mcp("test", "hand", "--config", str(configured))
    assert "mcp__hand__look  (reads)" in tried.stdout
    assert "mcp__hand__wipe  (writes, a human is asked)" in tried.stdout
    assert "mcp__hand__echo  (may do anything)" in tried.stdout
    assert "hand: found 17 tools in " in tried.stderr
    assert "is not offered" in mcp("test", "liar", "--config", str(configured)).stderr
    failed = mcp("test", "short", "--config", str(configured), status=1)
    assert "exit status 7" in " ".join(failed.stderr.split())
    assert "did you mean 'hand'" in mcp("test", "hnad", "--config", str(configured), status=2).stderr


def test_a_tool_is_called(configured, mcp):
    call = ("call", "hand")
    config = ("--config", str(configured), "--quiet")
    assert mcp(*call, "echo", '{"text": "hello"}', *config).stdout == "hello\n"
    assert "pid" in json.loads(mcp(*call, "mcp__hand__look", *config).stdout)
    assert "the disk is full" in mcp(*call, "fail", *config, status=1).stderr
    assert "there is no tool" in mcp(*call, "nothing", *config, status=2).stderr
    assert "holds no JSON" in mcp(*call, "echo", "{", *config, status=2).stderr
    loud = mcp(*call, "echo", '{"text": "hello"}', "--config", str(configured))
    assert "completed" in loud.stderr


def own(*arguments):
    return {"command": COMMAND[0], "args": [*COMMAND[1:], "serve", *arguments], "cwd": os.getcwd(), "stop_timeout": 6}


def test_tools_agents_and_workflows_are_served_over_stdio(configured):
    async def story():
        server = own("flow.py:double", "plan.yaml", "--store", "memory")
        async with McpServers({"mcpServers": {"own": server}}) as servers:
            tools = {tool.name.removeprefix("mcp__own__"): tool for tool in await servers.tools()}
            doubled = await run(tools["double"], {"input": 21})
            planned = await run(tools["planned"], {})
            files = await run(tools["list_files"], {})
            return tools, doubled, planned, files, servers.status()[0].stderr

    tools, doubled, planned, files, stderr = asyncio.run(asyncio.wait_for(story(), 60))
    assert {"CalculatorTool", "MemoryTool", "agent_surveyor", "double", "planned"} <= set(tools)
    assert "InternalReportTool" not in tools
    assert doubled == "42"
    assert planned["y"] == 2
    assert "flow.py" in {entry["path"] for entry in files["entries"]}
    assert any(line.startswith("serving ") for line in stderr)
    assert {"imported", "doubling"} <= set(stderr)


def test_it_is_served_over_http_on_loopback_and_ends_with_ctrl_c(configured):
    command = [*COMMAND, "serve", "flow.py:double", "--http", "0", "--no-tools", "--no-agents", "--store", "memory"]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/mcp", said)):
            line = server.stderr.readline()
            assert line, said
            said += line

        async def story():
            async with McpServers({"mcpServers": {"own": {"url": found[0]}}}) as servers:
                tools = await servers.tools()
                return [tool.name for tool in tools], await run(tools[0], {"input": 4})

        assert asyncio.run(asyncio.wait_for(story(), 30)) == (["mcp__own__double"], "8")
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)
    finally:
        server.kill()
        server.communicate()
