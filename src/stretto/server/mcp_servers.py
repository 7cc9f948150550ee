"""MCP servers as things of the house: those of files, and those that are described over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from stretto.configuring.kept_servers import (
    KEPT,
    PLACES,
    SERVERS,
    KeptServers,
    ProgramRefused,
    check_open_secrets,
    config_of,
    forget_secrets,
    keep_secrets,
    kept_in,
    may_start_programs,
    read_servers,
    variables_of,
)
from stretto.core.archive import Document, NotKept
from stretto.core.errors import DefinitionError
from stretto.server.described_agents import contradicting
from stretto.server.house import House
from stretto.server.mcp_descriptions import (
    McpCheck,
    McpHttpRequest,
    McpLog,
    McpProgramRequest,
    McpServer,
    McpServerState,
    shown_body,
    shown_config,
    state_of,
)
from stretto.server.problems import Problem
from stretto.tools.mcp.config import McpConfig
from stretto.tools.mcp.servers import McpServers, ServerCheck, ServerStatus

AnyRequest = McpProgramRequest | McpHttpRequest


async def all_servers(house: House) -> list[McpServer]:
    """Returns all servers by name, those of files and those that were described here."""
    statuses = {status.name: status for status in house.room.servers.status()}
    stored = {document.name: document for document in await house.store.archive.documents(SERVERS)}
    lacking = stored.keys() - statuses.keys()
    broken = (await _kept(house)).broken if lacking else dict[str, DefinitionError]()
    files = house.room.configured.servers
    made = [_of_file(house, name, statuses[name]) for name in files]
    made += [_of_document(house, each, statuses, broken) for name, each in stored.items() if name not in files]
    return sorted(made, key=lambda server: server.name)


async def one_server(house: House, name: str) -> McpServer:
    """Returns a server; raises ``NotKept``."""
    found = next((server for server in await all_servers(house) if server.name == name), None)
    if found is None:
        raise NotKept("MCP server", name)
    return found


async def create_server(house: House, request: AnyRequest) -> McpServer:
    """Describes a server, which can be used from now on; nothing is kept of one that cannot be.

    Raises ``Problem`` for a program without a token, and for a name that is taken.
    """
    async with house.room.changing:
        _check_free(house, request.name)
        if any(each.name == request.name for each in await house.store.archive.documents(SERVERS)):
            raise _taken(request.name)
        now = time.time()
        document = Document(
            kind=SERVERS, id=uuid.uuid4().hex, name=request.name, body={}, created_at=now, updated_at=now
        )
        await _keep(house, document, request)
        await _apply(house)
    return await one_server(house, request.name)


async def replace_server(house: House, name: str, request: AnyRequest) -> McpServer:
    """Describes a server anew, under the same name or another one; a running one goes on with the new description.

    Raises what ``create_server`` raises, and ``NotKept``.
    """
    async with house.room.changing:
        document = await _stored(house, name)
        if request.name != name:
            _check_free(house, request.name)
            _check_unused(house, name, "be renamed")
            if any(each.name == request.name for each in await house.store.archive.documents(SERVERS)):
                raise _taken(request.name)
        await _keep(house, document, request)
        await _apply(house)
    return await one_server(house, request.name)


async def delete_server(house: House, name: str) -> None:
    """Removes a server with its secrets; raises ``Problem`` for one of a file, and for one that agents name."""
    async with house.room.changing:
        document = await _stored(house, name)
        _check_unused(house, name, "be deleted")
        await house.store.archive.delete_document(SERVERS, document.id)
        await forget_secrets(kept for _, _, kept in kept_in(document.body))
        await _apply(house)


async def test_server(house: House, name: str) -> McpCheck:
    """Connects to a server where needed, and asks for its tools anew."""
    await _usable(house, name)
    return _check_told(await house.room.servers.test(name))


async def test_description(house: House, request: AnyRequest) -> McpCheck:
    """Tries a server that is only described: it is connected to, asked for its tools, and closed again."""
    _check_allowed(house, request.name, request.said())
    with contradicting("unusable"):
        config = await config_of(_document(request), programs=True)
        check_open_secrets(request.name, config, request.said())
    async with McpServers(McpConfig({request.name: config})) as servers:
        return _check_told(await servers.test(request.name))


async def steer_server(house: House, name: str, *, stop: bool, start: bool) -> McpServerState:
    """Stops a server, starts it, or both; raises ``McpUnreachable`` when it cannot be started."""
    status = await _usable(house, name)
    if status.state == "disabled":
        raise Problem(409, "disabled", f"MCP server {name!r} is disabled; replace its description to enable it")
    if stop:
        await house.room.servers.stop(name)
    if start:
        await house.room.servers.start(name)
    return state_of(_status(house, name))


async def server_state(house: House, name: str) -> McpServerState:
    """Returns how a server is doing."""
    return (await one_server(house, name)).status


async def server_log(house: House, name: str) -> McpLog:
    """Returns the last lines that a server wrote."""
    return McpLog(name=name, lines=list((await _usable(house, name)).stderr))


async def _kept(house: House) -> KeptServers:
    return await read_servers(house.store.archive, programs=may_start_programs(house.settings.server))


async def _apply(house: House) -> None:
    """Has the room use what is kept: what changed is closed, and connected to again when it is needed."""
    kept = await _kept(house)
    await house.room.servers.reconfigure(McpConfig({**kept.config.servers, **house.room.configured.servers}))


async def _keep(house: House, document: Document, request: AnyRequest) -> None:
    """Writes a description once it is known that it can be followed; secrets that are not needed any more go."""
    said = request.said()
    _check_allowed(house, request.name, said)
    before = {(place, name): kept for place, name, kept in kept_in(document.body)}
    for place in PLACES:
        for name, value in said.get(place, {}).items():
            if value is None:
                if (place, name) not in before:
                    raise Problem(409, "no_secret", f"{place}.{name}: there is no secret that could be kept; give one")
                said[place][name] = {KEPT: before[place, name]}
    tried = Document(kind=SERVERS, id=document.id, name=request.name, body=said)
    with contradicting("unusable"):
        check_open_secrets(request.name, await config_of(tried, programs=True), said)
        body = await keep_secrets(request.name, said)
    new = Document(
        kind=SERVERS, id=document.id, name=request.name, body=body, created_at=document.created_at,
        updated_at=time.time(),
    )  # fmt: skip
    after = {kept for _, _, kept in kept_in(body)}
    try:
        await house.store.archive.put_document(new)
    except BaseException:
        await forget_secrets(after - set(before.values()))
        raise
    await forget_secrets(set(before.values()) - after)


def _document(request: AnyRequest) -> Document:
    said = request.said()
    missing = [f"{place}.{name}" for place in PLACES for name, value in said.get(place, {}).items() if value is None]
    if missing:
        raise Problem(409, "no_secret", f"{missing[0]}: a description that is only tried keeps no secret; give it")
    return Document(kind=SERVERS, id="", name=request.name, body=said)


def refused_without_token(house: House, name: str, said: Mapping[str, Any]) -> str:
    """Returns why a description is taken only by a server with a token, as a sentence; nothing when it is taken.

    Whoever reaches a server without one could start programs, and have variables of its environment sent to himself.
    """
    if may_start_programs(house.settings.server):
        return ""
    if said.get("command"):
        return str(ProgramRefused(name))
    if named := variables_of(said, defaults=True):
        return (
            f"MCP server {name!r} refers to the environment variable {named[0]}: over HTTP these are named only where "
            "the server has a token (server.token, or server.token_file); or describe it in the file of mcp_servers"
        )
    return ""


def _check_allowed(house: House, name: str, said: Mapping[str, Any]) -> None:
    if problem := refused_without_token(house, name, said):
        raise Problem(403, "token_required", problem)


def _check_free(house: House, name: str) -> None:
    if name in house.room.configured.servers:
        raise _taken(name)


def _check_unused(house: House, name: str, what: str) -> None:
    if users := _used_by(house, name):
        named = ", ".join(map(repr, users[:5]))
        raise Problem(
            409, "in_use", f"MCP server {name!r} cannot {what}: the agents {named} name it; change them first"
        )


def _taken(name: str) -> Problem:
    return Problem(409, "conflict", f"MCP server {name!r} is there already; choose another name, or replace that one")


async def _stored(house: House, name: str) -> Document:
    if name in house.room.configured.servers:
        raise Problem(
            409, "read_only", f"MCP server {name!r} is described in a file; change it there and start the server again"
        )
    found = next((each for each in await house.store.archive.documents(SERVERS) if each.name == name), None)
    if found is None:
        raise NotKept("MCP server", name)
    return found


async def _usable(house: House, name: str) -> ServerStatus:
    """Returns how a server is doing; raises ``NotKept``, and ``Problem`` for one that cannot be used."""
    server = await one_server(house, name)
    if server.status.state == "broken":
        if server.type == "stdio":
            _check_allowed(house, name, {"command": server.command})
        raise Problem(409, "broken", server.status.last_error)
    return _status(house, name)


def _status(house: House, name: str) -> ServerStatus:
    found = next((status for status in house.room.servers.status() if status.name == name), None)
    if found is None:  # somebody deleted it meanwhile
        raise NotKept("MCP server", name)
    return found


def _of_file(house: House, name: str, status: ServerStatus) -> McpServer:
    config = house.room.configured.servers[name]
    return McpServer(
        **shown_config(config), name=name, origin="file", type=config.type, status=state_of(status),
        used_by=_used_by(house, name),
    )  # fmt: skip


def _of_document(
    house: House, document: Document, statuses: Mapping[str, ServerStatus], broken: Mapping[str, DefinitionError]
) -> McpServer:
    name, body = document.name, shown_body(document.body)
    status = statuses.get(name)
    if status is None:
        state = McpServerState(state="broken", last_error=str(broken.get(name, "it cannot be used; look again")))
    else:
        state = state_of(status)
    return McpServer(
        **body, name=name, origin="stored", type="stdio" if body.get("command") else "http", status=state,
        variables=variables_of(body), used_by=_used_by(house, name),
    )  # fmt: skip


def _used_by(house: House, name: str) -> list[str]:
    return [config.id for config in house.room.registry.delegates() if name in config.mcp_servers]


def _check_told(check: ServerCheck) -> McpCheck:
    return McpCheck(
        name=check.name, ok=check.ok, tools=list(check.tools), latency=check.latency, error=check.error, text=check.text
    )
