"""Opens the face of MCP for the first who asks: its SDK takes most of a second to import."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from stretto.server.house import House

if TYPE_CHECKING:
    from stretto.agents.serving import AsgiApp


class McpOpening:
    """Holds the face of MCP, which lives from the first request to the end of the house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._face: AsgiApp | None = None
        self._opened: anyio.Event | None = None

    async def face(self) -> AsgiApp:
        """Returns the face, opened when it is not open yet; raises ``RuntimeError`` when that broke."""
        if self._opened is None:
            self._opened = anyio.Event()
            self._house.supervisor.beside(self._serve, "serving MCP")
        await self._opened.wait()
        if self._face is None:
            raise RuntimeError("MCP cannot be served; the server's log tells why")
        return self._face

    async def _serve(self) -> None:
        opened = self._opened or anyio.Event()
        try:
            await anyio.to_thread.run_sync(import_module, "stretto.server.mcp_face")
            from stretto.server.mcp_face import mcp_face

            async with mcp_face(self._house) as self._face:
                opened.set()
                await anyio.sleep_forever()
        finally:
            self._face, self._opened = None, None
            opened.set()
