"""The operations on MCP servers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from stretto.server import mcp_servers as work
from stretto.server.dependencies import Here, Limit, Offset, Page
from stretto.server.mcp_descriptions import McpCheck, McpLog, McpServer, McpServerRequest, McpServerState
from stretto.server.problems import answers

router = APIRouter(prefix="/api", tags=["MCP servers"])

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="A server's name.")]
_UNREACHABLE = "The server cannot be reached, or ended; the sentence tells its last lines."


@router.get("/mcp_servers", operation_id="list_mcp_servers", summary="List the MCP servers, and how they are doing")
async def list_mcp_servers(house: Here, limit: Limit = 50, offset: Offset = 0) -> Page[McpServer]:
    """Returns the servers by name: those of files, and those that were described here."""
    found = await work.all_servers(house)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


@router.post(
    "/mcp_servers",
    operation_id="create_mcp_server",
    summary="Describe an MCP server",
    status_code=201,
    responses=answers(409),
)
async def create_mcp_server(house: Here, request: McpServerRequest) -> McpServer:
    """Keeps a description; programs are taken only by a server with a token (403). Secrets go to the keyring."""
    return await work.create_server(house, request)


@router.post(
    "/mcp_checks", operation_id="test_mcp_description", summary="Try an MCP server that is only described",
    responses=answers(409),
)  # fmt: skip
async def test_mcp_description(house: Here, request: McpServerRequest) -> McpCheck:
    """Connects, asks for the tools and closes again; nothing is kept. Programs need a token (403)."""
    return await work.test_description(house, request)


@router.get("/mcp_servers/{name}", operation_id="get_mcp_server", summary="Show an MCP server", responses=answers(404))
async def get_mcp_server(house: Here, name: Name) -> McpServer:
    """Returns a server without its secrets."""
    return await work.one_server(house, name)


@router.put(
    "/mcp_servers/{name}",
    operation_id="update_mcp_server",
    summary="Describe an MCP server anew",
    responses=answers(404, 409),
)
async def update_mcp_server(house: Here, name: Name, request: McpServerRequest) -> McpServer:
    """Changes apply at once: the connection is closed, and opened with the new description when it is needed."""
    return await work.replace_server(house, name, request)


@router.delete(
    "/mcp_servers/{name}", operation_id="delete_mcp_server", summary="Remove an MCP server", status_code=204,
    responses=answers(404, 409),
)  # fmt: skip
async def delete_mcp_server(house: Here, name: Name) -> None:
    """Removes a server and its secrets; one that agents name stays (409)."""
    await work.delete_server(house, name)


@router.post(
    "/mcp_servers/{name}/test", operation_id="test_mcp_server", summary="Try an MCP server", responses=answers(404, 409)
)
async def test_mcp_server(house: Here, name: Name) -> McpCheck:
    """Connects where needed and asks for the tools anew; a server that fails is an answer, not an error."""
    return await work.test_server(house, name)


@router.post(
    "/mcp_servers/{name}/start", operation_id="start_mcp_server", summary="Start an MCP server",
    responses=answers(404, 409, _502=_UNREACHABLE),
)  # fmt: skip
async def start_mcp_server(house: Here, name: Name) -> McpServerState:
    """Connects to a server, also one that was stopped or given up."""
    return await work.steer_server(house, name, stop=False, start=True)


@router.post(
    "/mcp_servers/{name}/stop",
    operation_id="stop_mcp_server",
    summary="Stop an MCP server",
    responses=answers(404, 409),
)
async def stop_mcp_server(house: Here, name: Name) -> McpServerState:
    """Closes the connection and ends the process; it stays closed until it is started."""
    return await work.steer_server(house, name, stop=True, start=False)


@router.post(
    "/mcp_servers/{name}/restart", operation_id="restart_mcp_server", summary="Stop an MCP server and start it again",
    responses=answers(404, 409, _502=_UNREACHABLE),
)  # fmt: skip
async def restart_mcp_server(house: Here, name: Name) -> McpServerState:
    """Stops a server and connects to it anew."""
    return await work.steer_server(house, name, stop=True, start=True)


@router.get(
    "/mcp_servers/{name}/status", operation_id="get_mcp_server_status", summary="Say how an MCP server is doing",
    responses=answers(404),
)  # fmt: skip
async def get_mcp_server_status(house: Here, name: Name) -> McpServerState:
    """Returns its state, its latencies and its last error."""
    return await work.server_state(house, name)


@router.get(
    "/mcp_servers/{name}/log", operation_id="get_mcp_server_log", summary="Show the last lines of an MCP server",
    responses=answers(404, 409),
)  # fmt: skip
async def get_mcp_server_log(house: Here, name: Name) -> McpLog:
    """Returns the last lines that it wrote beside the protocol."""
    return await work.server_log(house, name)
