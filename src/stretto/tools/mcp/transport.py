"""How messages come from a server: over HTTP within limits, and from anywhere no faster than they can be looked at."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from stretto.tools.mcp.config import HttpServer

PER_SECOND = 500
"""How many notifications of a server are looked at per second; one that sends more is made to wait."""
BURST = 1_000
"""How many may come at once before that."""

Message = SessionMessage | Exception
Incoming = anyio.abc.ObjectReceiveStream[Message]


class MeteredStream:
    """A stream of messages in which notifications are spread over time: the sender waits, other servers do not."""

    def __init__(self, inner: object, now: Callable[[], float] = anyio.current_time) -> None:
        self._inner: Incoming = inner  # type: ignore[assignment]  # the SDK's streams are alike without a class above
        self._now, self._left, self._at = now, float(BURST), now()

    @property
    def last_context(self) -> contextvars.Context | None:
        """The context in which the last message was sent on, where the transport keeps it."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Message:
        """Takes the next message, and waits before a notification when there were too many."""
        message = await self._inner.receive()
        if isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCNotification):
            now = self._now()
            self._left = min(float(BURST), self._left + (now - self._at) * PER_SECOND) - 1
            self._at = now
            if self._left < 0:
                await anyio.sleep(-self._left / PER_SECOND)
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Closes the stream."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most ``most`` bytes; what is longer counts as broken off."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._most = inner, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        async for chunk in self._inner:
            left -= len(chunk)
            if left < 0:
                raise httpx2.StreamError(f"the answer has more than {self._most:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def http_streams(
    config: HttpServer, failed: Callable[[int], None]
) -> AsyncGenerator[tuple[MeteredStream, object], None]:
    """Opens the two streams of a server that is reached over HTTP; ``failed`` is told statuses of 400 and more."""

    async def look(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            failed(response.status_code)
        plain = not response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if plain and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, config.max_message)

    headers = {name: value.get_secret_value() for name, value in config.headers.items()}
    client = httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", **headers},  # a small packed answer could be an endless one
        timeout=httpx2.Timeout(config.connect_timeout, read=None),
        event_hooks={"response": [look]},
    )
    async with (
        client,
        streamable_http_client(config.url, http_client=client, max_sse_event_size=config.max_message) as (
            reading,
            writing,
        ),
    ):
        yield MeteredStream(reading), writing
