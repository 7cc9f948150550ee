"""The commands about MCP: ``stretto mcp serve``, ``mcp list``, ``mcp test`` and ``mcp call``."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.agents.serving import Served
    from stretto.cli.screen import Screen
    from stretto.configuring.agent_room import AgentRoom
    from stretto.tools.mcp.config import McpConfig

mcp = typer.Typer(help="Serve what there is as MCP tools; list, test and call MCP servers.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A JSON file with mcpServers, instead of the settings'.", metavar="FILE")
]
NameArgument = Annotated[str, typer.Argument(metavar="SERVER", help="The server's name in the configuration.")]


@mcp.command()
def serve(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="Workflows: flow.py:name, module:name or a plan file.")
    ] = None,
    http: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve over HTTP on this loopback port; 0 takes a free one.")
    ] = None,
    tools: Annotated[bool, typer.Option("--tools/--no-tools", help="Whether the local tools are served.")] = True,
    agents: Annotated[bool, typer.Option("--agents/--no-agents", help="Whether the agents are served.")] = True,
    store: StoreOption = None,
) -> None:
    """Serve local tools, agents and workflows as the tools of an MCP server: over stdio, or HTTP on loopback.

    Every call is a run: [bold]stretto runs[/bold] lists it. A call that its client cancels is cancelled.
    """
    from stretto.cli.places import open_store
    from stretto.runtime.loop import drive

    drive(_serve(context.obj, targets or [], http, tools, agents, open_store(store)))


async def _serve(screen: Screen, targets: list[str], port: int | None, tools: bool, agents: bool, opened: Any) -> None:
    from stretto.agents.serving import http_app, mcp_server, serve_stdio
    from stretto.configuring.agent_room import agent_room
    from stretto.configuring.settings import load
    from stretto.core.step import Step
    from stretto.runtime.run import start

    async with opened as store, agent_room(load(), store) as room:
        with redirect_stdout(sys.stderr):  # stdout is the client's, whatever a file prints while it is imported
            workflows = _workflows(targets)
        served = [*workflows, *(_tools(room) if tools else ()), *(_agents(screen, room) if agents else ())]

        def run(step: Step[Any, Any], input: Any) -> Any:
            return start(step, input, **room.run_settings())

        server = mcp_server(served, run)
        screen.say(f"serving {len(served)} tools: {', '.join(each.name for each in served)}", "bright_black")
        if port is None:
            await serve_stdio(server)
            return
        import uvicorn

        config = uvicorn.Config(http_app(server), host="127.0.0.1", port=port, log_level="warning", lifespan="on")
        listener = config.bind_socket()
        listener.listen()  # whoever reads the address may call at once
        screen.say(f"at http://127.0.0.1:{listener.getsockname()[1]}/mcp; Ctrl-C ends it")
        await uvicorn.Server(config).serve(sockets=[listener])


def _workflows(targets: list[str]) -> list[Served]:
    from stretto.agents.serving import Served
    from stretto.cli.targets import find_target

    served: list[Served] = []
    for text in targets:
        found = find_target(text)
        step, given = found.runnable, None
        if found.loaded is not None:
            given = {**dict.fromkeys(found.loaded.plan.given), **found.loaded.given}
        elif found.plan is not None:
            given = dict.fromkeys(found.plan.given)
        served.append(Served.workflow(step.name, step, given=given))
    return served


def _tools(room: AgentRoom) -> list[Served]:
    from stretto.agents.registry import FOR_SUB_AGENTS
    from stretto.agents.serving import Served

    return [Served.tool(tool) for tool in room.tools if tool.name not in FOR_SUB_AGENTS]


def _agents(screen: Screen, room: AgentRoom) -> list[Served]:
    from stretto.agents.serving import Served
    from stretto.core.errors import DefinitionError

    served: list[Served] = []
    for known in room.agents:
        try:
            served.append(Served.agent(room.agent(known.config.id)))
        except DefinitionError as error:
            screen.say(f"agent {known.config.id!r} is not served: {error}", "yellow")
    return served


@mcp.command("list")
def list_servers(
    context: typer.Context,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array on stdout.")] = False,
) -> None:
    """List the configured servers and how they are reached; nothing is started, no secret shown."""
    from stretto.tools.mcp.config import StdioServer

    screen: Screen = context.obj
    rows = [
        {
            "name": name,
            "type": said.type,
            "where": said.command if isinstance(said, StdioServer) else said.place,
            "disabled": said.disabled,
            "description": said.description,
        }
        for name, said in _configured(config).servers.items()
    ]
    if as_json:
        screen.line(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        screen.say("no MCP servers are configured; set mcp_servers to a JSON file with mcpServers, or give --config")
    for row in () if as_json else rows:
        note = f"  {row['description']}" if row["description"] else ""
        off = "  (disabled)" if row["disabled"] else ""
        screen.result(f"{row['name']}  {row['type']}  {row['where']}{off}{note}")


@mcp.command("test")
def try_server(context: typer.Context, server: NameArgument, config: ConfigOption = None) -> None:
    """Connect to a server, and list its tools with what calls of them may do."""
    from stretto.cli.exits import Exit
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    if not drive(_test(screen, server, _configured(config))):
        raise typer.Exit(Exit.FAILED)


async def _test(screen: Screen, server: str, config: McpConfig) -> bool:
    from stretto.tools.mcp.servers import McpServers

    async with McpServers(config) as servers:
        check = await servers.test(server)
        if not check.ok:
            screen.say(check.text, "red")
            return False
        for tool in await servers.tools([server]):
            touched = tool.touches({})
            may = "reads" if touched.reads else "writes" if touched.known else "may do anything"
            asked = ", a human is asked" if tool.destructive else ""
            screen.result(f"{tool.name}  ({may}{asked})  {tool.description.partition(chr(10))[0][:100]}")
        status = next(each for each in servers.status() if each.name == server)
        for problem in status.problems:
            screen.say(problem, "yellow")
        screen.say(check.text, "green")
        return True


@mcp.command()
def call(
    context: typer.Context,
    server: NameArgument,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool, by the server's name for it or by ours.")],
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="Its arguments: JSON, @file or - for stdin.")] = "{}",
    config: ConfigOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only the result.")] = False,
) -> None:
    """Call a tool of a server, and print what it returns; what it asks is asked here."""
    from stretto.cli.inputs import read_input
    from stretto.runtime.loop import drive

    drive(_call(context.obj, server, tool, read_input(arguments), _configured(config), quiet))


async def _call(screen: Screen, server: str, name: str, given: Any, config: McpConfig, quiet: bool) -> None:
    from stretto.cli.execution import Session
    from stretto.cli.lines import LineView
    from stretto.cli.questions import Questions
    from stretto.runtime.run import RunSettings
    from stretto.stores.memory import MemoryStore
    from stretto.tools.mcp.listing import offered_name
    from stretto.tools.mcp.servers import McpServers
    from stretto.tools.registry import ToolRegistry

    async with McpServers(config) as servers, MemoryStore() as store:
        await servers.start(server)
        found = ToolRegistry(await servers.tools([server]))
        step = found.get(name if name in found else offered_name(server, name))
        questions = Questions(screen, interactive=screen.stdin.isatty())
        session = Session(screen, store, [] if quiet else [LineView(screen)], questions)
        finished = await session.carry_out(step, given, RunSettings())
        output = finished.outcome.unwrap()
        screen.line(output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2))


def _configured(path: Path | None) -> McpConfig:
    from stretto.configuring.agent_files import demonstration_of
    from stretto.configuring.agent_room import servers_of
    from stretto.configuring.settings import load
    from stretto.tools.mcp.config import McpConfig

    if path is not None:
        return servers_of(load(mcp_servers=path), McpConfig())
    settings = load()
    return servers_of(settings, demonstration_of(settings).servers)
