"""The server as an MCP server: local tools, agents and library workflows are its tools, and each call is a run."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from stretto.agents.registry import FOR_SUB_AGENTS
from stretto.agents.serving import AsgiApp, Served, mcp_server, with_handshake
from stretto.core.errors import DefinitionError
from stretto.core.step import Step
from stretto.server.house import House
from stretto.server.openai_models import FACE
from stretto.server.openai_responses import started

MCP = "mcp"
"""What the label of a run says that was called as a tool."""
log = logging.getLogger("stretto.server.mcp")


@asynccontextmanager
async def mcp_face(house: House) -> AsyncGenerator[AsgiApp]:
    """Serves MCP over streamable HTTP as long as the block lasts; leaving it ends its sessions and cancels their calls.

    Who may ask, and under which name, is checked before a request comes here.
    """
    sessions = StreamableHTTPSessionManager(
        mcp_server(lambda: offered(house), _runner(house)),
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=house.settings.server.max_body,
    )
    async with sessions.run():
        yield with_handshake(sessions.handle_request)


def offered(house: House) -> list[Served]:
    """Returns what is offered now: the local tools, ``agent_…`` and ``workflow_…``, no two under one name.

    An agent that cannot be made, as one whose model lacks its key, is not offered.
    """
    found = [Served.tool(tool) for tool in house.room.tools if tool.name not in FOR_SUB_AGENTS]
    for each in house.room.registry.summaries():
        try:
            found.append(Served.agent(house.room.agent(each.id)))
        except DefinitionError as error:
            log.info("agent %s is not offered: %s", each.id, error)
    for name, step in house.steps.items():
        found.append(Served.workflow(f"workflow_{name}", step))
    kept: dict[str, Served] = {}
    for one in found:
        if kept.setdefault(one.name, one) is not one:
            log.warning("something else is called %s already, and is offered in its place", one.name)
    return list(kept.values())


def _runner(house: House) -> Callable[[Step[Any, Any], Any], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def run(step: Step[Any, Any], input: Any) -> AsyncGenerator[Any]:
        running = await started(house, step, input, {FACE: MCP})
        try:
            yield running
        finally:
            await running.ended.wait()

    return run
