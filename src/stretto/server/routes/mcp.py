"""MCP over streamable HTTP, at one address for all of its methods."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stretto.server.mcp_opening import McpOpening

if TYPE_CHECKING:
    from stretto.agents.serving import AsgiApp


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncGenerator[None]:
    app.state.mcp = McpOpening(app.state.house)
    yield


router = APIRouter(tags=["MCP"], lifespan=_serving)


class _Handed(Response):
    """An answer that the protocol's own server gives."""

    def __init__(self, face: AsgiApp) -> None:
        super().__init__()
        self._face = face

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._face(scope, receive, send)


@router.api_route("/mcp", methods=["GET", "POST", "DELETE"], include_in_schema=False)
async def speak_mcp(request: Request) -> Response:
    """Hands a request to the protocol's own server."""
    opening: McpOpening = request.app.state.mcp
    return _Handed(await opening.face())
