"""The answer that goes on for as long as somebody listens: server-sent events, without a task of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LOOK = 1.0
"""A stream looks at most this often whether its client is still there (seconds), and at each sign of life."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Sends what ``frames`` yields; it is given the scope that ends a send that takes too long.

    Starlette's own streaming response would start two tasks for each client.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: Callable[[anyio.CancelScope], AsyncGenerator[bytes]]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until there is nothing more, nobody is there, or what is sent is not taken."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        looked = anyio.current_time()
        with anyio.CancelScope() as sending:
            async with aclosing(self._frames(sending)) as frames:
                async for frame in frames:
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                    now = anyio.current_time()
                    if now - looked >= LOOK:
                        looked = now
                        if await _has_left(receive):
                            return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _has_left(receive: Receive) -> bool:
    """Says whether the client is gone, without waiting for it."""
    with anyio.CancelScope() as look:
        look.cancel()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return True
    return False
