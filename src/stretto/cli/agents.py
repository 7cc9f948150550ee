"""The commands about agents: ``stretto agents``, ``agents show``, ``add``, ``remove`` and ``export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.running import StoreOption

if TYPE_CHECKING:
    from stretto.agents.config import AgentConfig
    from stretto.agents.registry import BrokenAgent
    from stretto.cli.screen import Screen
    from stretto.configuring.agent_files import KnownAgent
    from stretto.configuring.settings import Settings

agents = typer.Typer(help="List agents; show, add, remove and export them.", invoke_without_command=True)

_ORIGINS = {
    "demonstration": "it comes along with Stretto",
    "settings": "it is described in a table [agents] of the settings",
    "file": "it is described in ",
}
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The agent's id.", show_default=False)]


@agents.callback()
def list_agents(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List agents; show, add, remove and export them.

    Agents are described in [bold]stretto.toml[/bold], in [bold]agents/*.toml[/bold] and in the store.
    """
    if context.invoked_subcommand is None:
        _list(context.obj, store, as_json)


@agents.command("list")
def list_all(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List agents, as `stretto agents` alone does."""
    _list(context.obj, store, as_json)


def _list(screen: Screen, store: str | None, as_json: bool) -> None:
    settings, found, broken = _look(store)
    if as_json:
        rows = [_row(agent) for agent in found]
        screen.line(json.dumps(rows + [_broken_row(one) for one in broken], ensure_ascii=False, indent=2))
    else:
        screen.out.print(_table(settings, found, broken))


def _look(store: str | None) -> tuple[Settings, list[KnownAgent], list[BrokenAgent]]:
    from stretto.cli.places import existing
    from stretto.configuring.agent_files import known_agents
    from stretto.configuring.settings import load
    from stretto.runtime.loop import drive

    settings = load()

    async def look() -> tuple[list[KnownAgent], list[BrokenAgent]]:
        async with existing(store) as opened:
            return await known_agents(settings, opened.archive)

    found, broken = drive(look())
    return settings, found, broken


def _row(agent: KnownAgent) -> dict[str, Any]:
    config = agent.config
    return {
        "id": config.id, "name": config.name, "description": config.description, "model": config.llm.model,
        "tools": list(config.tools), "mcp_servers": list(config.mcp_servers), "from": agent.origin,
        "where": agent.where,
    }  # fmt: skip


def _broken_row(broken: BrokenAgent) -> dict[str, Any]:
    return {"id": broken.id, "name": broken.name, "problems": list(broken.problems), "from": "stored"}


def _table(settings: Settings, found: list[KnownAgent], broken: list[BrokenAgent]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from stretto.monitoring.labels import clean

    table = Table(box=None, expand=True, pad_edge=False, header_style="bright_black", padding=(0, 2, 0, 0))
    for heading in ("agent", "model"):
        table.add_column(heading, no_wrap=True)
    table.add_column("tools", justify="right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("", ratio=1, no_wrap=True, overflow="ellipsis")
    for agent in found:
        config = agent.config
        default = " (default)" if config.id == settings.agent else ""
        count = len(config.tools) + len(config.mcp_servers)
        told = config.description or (config.name if config.name != config.id else "")
        origin = agent.where or agent.origin
        table.add_row(
            config.id + default, config.llm.model, str(count), clean(origin), Text(clean(told), style="bright_black")
        )
    for one in broken:
        table.add_row(one.id, "", "", "stored", Text(clean("; ".join(one.problems)), style="red"))
    return table


@agents.command()
def show(context: typer.Context, id: IdArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show everything that an agent is made of."""
    screen: Screen = context.obj
    agent = _find(store, id)
    if as_json:
        screen.line(_json(agent.config))
    else:
        _write(screen, agent)


def _find(store: str | None, id: str) -> KnownAgent:
    from stretto.agents.registry import UnknownAgent
    from stretto.cli.exits import TargetNotFound

    _, found, broken = _look(store)
    for one in broken:
        if one.id == id:
            raise one
    for agent in found:
        if id in (agent.config.id, agent.config.name):
            return agent
    raise TargetNotFound(str(UnknownAgent(id, [agent.config.id for agent in found])))


def _json(config: AgentConfig) -> str:
    return json.dumps(config.model_dump(mode="json", exclude_unset=True), ensure_ascii=False, indent=2)


def _write(screen: Screen, agent: KnownAgent) -> None:
    from rich.table import Table
    from rich.text import Text

    from stretto.monitoring.labels import clean

    config = agent.config
    llm = config.llm
    told = {
        "agent": config.id,
        "name": config.name,
        "from": agent.where or agent.origin,
        "description": config.description,
        "model": llm.model,
        "fallbacks": ", ".join(llm.fallbacks),
        "temperature": "" if llm.temperature is None else f"{llm.temperature:g}",
        "max tokens": "" if llm.max_tokens is None else f"{llm.max_tokens:,}",
        "tools": ", ".join(config.tools),
        "MCP servers": ", ".join(config.mcp_servers),
        "iterations": f"at most {config.max_tool_iterations}",
        "thinking": "yes" if config.enable_thinking else "no",
        "plan mode": "yes" if config.plan_mode else "no",
        "history": f"the last {config.history_limit:,} messages; what does not fit: {config.context}",
        "tool output": f"at most {config.max_tool_output:,} characters",
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column()
    for name, value in told.items():
        if value:
            table.add_row(name, Text(clean(value)))
    screen.out.print(table)
    screen.result()
    for line in config.system_prompt.splitlines():
        screen.result(clean(line))


@agents.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML or JSON file.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the one with its id.")] = False,
    store: StoreOption = None,
) -> None:
    """Keep an agent that a file describes in the store, where every directory finds it."""
    from stretto.agents.registry import DOCUMENTS, AgentRegistry
    from stretto.cli.exits import TargetNotFound
    from stretto.cli.places import existing
    from stretto.configuring.agent_files import read_agent
    from stretto.configuring.agent_room import tools_of
    from stretto.configuring.model_settings import models_of
    from stretto.configuring.settings import load
    from stretto.core.archive import Document
    from stretto.core.errors import DefinitionError
    from stretto.runtime.loop import drive

    screen: Screen = context.obj
    if not file.is_file():
        raise TargetNotFound(f"there is no file {str(file)!r}")
    config, settings = read_agent(file), load()
    if config.lifecycle == "temporary":
        raise DefinitionError(f"{file}: lifecycle: a temporary agent is not kept; make it permanent, or leave it out")
    AgentRegistry([config], tools=tools_of(settings), models=models_of(settings))  # which refuses unknown tools
    body = config.model_dump(mode="json", exclude={"id", "name"}, exclude_unset=True)

    async def keep() -> None:
        async with existing(store) as opened:
            document = Document(kind=DOCUMENTS, id=config.id, name=config.name, body=body, **_times())
            await opened.archive.put_document(document, replace=replace)

    drive(keep())
    screen.say(f"added {config.id}; look at it: stretto agents show {config.id}")


def _times() -> dict[str, float]:
    import time

    now = time.time()
    return {"created_at": now, "updated_at": now}


@agents.command()
def remove(context: typer.Context, id: IdArgument, store: StoreOption = None) -> None:
    """Remove an agent from the store; one that a file describes is removed there."""
    from stretto.agents.registry import DOCUMENTS
    from stretto.cli.exits import TargetNotFound
    from stretto.cli.places import existing
    from stretto.core.archive import NotKept
    from stretto.runtime.loop import drive

    screen: Screen = context.obj

    async def drop() -> None:
        async with existing(store) as opened:
            await opened.archive.delete_document(DOCUMENTS, id)

    try:
        drive(drop())
    except NotKept as error:
        _, found, _ = _look(store)
        for agent in found:
            if agent.config.id == id:
                raise TargetNotFound(
                    f"agent {id!r} is not in the store: {_ORIGINS[agent.origin]}{agent.where}"
                ) from None
        raise TargetNotFound(str(error)) from None
    screen.say(f"removed {id}")


@agents.command()
def export(context: typer.Context, id: IdArgument, store: StoreOption = None) -> None:
    """Write an agent's description as JSON, which `stretto agents add` takes."""
    screen: Screen = context.obj
    screen.line(_json(_find(store, id).config))
