"""MCP over streamable HTTP, at one address for all of its methods."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stretto.agents.serving import AsgiApp
from stretto.server.mcp_face import mcp_face


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncGenerator[None]:
    async with mcp_face(app.state.house) as face:
        app.state.mcp = face
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
    return _Handed(request.app.state.mcp)
