"""A client of the streams over HTTP, which has every event, and what a test waits for in them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

from stretto.server import event_stream
from tests.server.conftest import Served
from tests.server.telling import Told

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    """Looks again and again until there is something, and returns it."""
    with anyio.fail_after(30):
        while True:
            if (found := await look()) is not None:
                return found
            await anyio.sleep(0.02)


async def pending(served: Served, kind: str, count: int) -> list[dict[str, Any]]:
    """Waits until so many requests wait for people, and returns them."""

    async def look() -> list[dict[str, Any]] | None:
        found = (await served.client.get(f"/api/{kind}?status=pending")).json()["items"]
        return list(found) if len(found) == count else None

    return await eventually(look)


async def decide(served: Served, path: str, said: dict[str, Any]) -> None:
    """Says something as soon as it is known here what is asked, and a run that goes on asks for it again."""

    async def say() -> bool | None:
        answer = await served.client.post(path, json=said)
        assert answer.status_code in (200, 404, 409), answer.text
        return True if answer.status_code == 200 else None

    await eventually(say)


def events_in(sent: bytes) -> tuple[list[Told], str]:
    """Returns the events that have come whole, and the last id, as the standard reads a stream."""
    found: list[Told] = []
    last = ""
    for block in sent.decode().split("\n\n")[:-1]:
        held = dict(line.partition(": ")[::2] for line in block.split("\n") if line and not line.startswith(":"))
        last = held.get("id", last)
        if "data" in held:
            found.append(Told(last, held["event"], json.loads(held["data"])))
    return found, last


class Listener:
    """One who listens to a stream."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.sent, self._chunks = b"", chunks

    @property
    def told(self) -> list[Told]:
        return events_in(self.sent)[0]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Returns the data of all events of a name."""
        return [event.data for event in self.told if event.name == name]

    async def until(self, holds: Callable[[], object]) -> None:
        """Listens until something holds of what was told."""
        with anyio.fail_after(60):
            while not holds():
                self.sent += await anext(self._chunks)


@asynccontextmanager
async def hearing(served: Served, workflow_id: str | None = None) -> AsyncIterator[Listener]:
    """Listens to a workflow, or to everything, from now on."""
    path = "/api/events" if workflow_id is None else f"/api/workflows/{workflow_id}/events"
    watching = served.house.hub.watching
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_stream, "LOOK", 0.0)
        async with served.client.stream("GET", path) as answer:
            assert answer.status_code == 200
            listener = Listener(answer.aiter_raw())
            await listener.until(lambda: listener.sent)
            yield listener
        with anyio.fail_after(30):
            while served.house.hub.watching > watching:  # a server that stops would wait for it
                served.house.hub.announce("noise", {"workflow_id": workflow_id})
                await anyio.lowlevel.checkpoint()
