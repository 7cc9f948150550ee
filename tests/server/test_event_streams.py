"""The streams over real HTTP: what a run tells while it runs, clients that leave and come back, and bad requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import httpx2
import pytest

from stretto.server import event_stream
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve, Served
from tests.server.telling import Watcher


@asynccontextmanager
async def stream(served: Served, path: str, **headers: str) -> AsyncIterator[tuple[httpx2.Response, Watcher]]:
    """Opens a stream, and returns the answer's head and who reads its body."""
    async with served.client.stream("GET", path, headers=headers, timeout=60) as answer:
        yield answer, Watcher(answer.aiter_raw())


async def ends(watcher: Watcher) -> None:
    """Reads until a workflow is over."""
    with anyio.fail_after(60):
        async for chunk in watcher._stream:
            watcher.sent += chunk
            if any(event.name == "workflow_complete" for event in watcher.told):
                return


def test_what_a_workflow_does_is_streamed_to_its_watchers_and_to_those_of_everything(serve: Serve) -> None:
    async def main() -> None:
        async with serve(models=[ScriptedModel("Hello there, you.", forever=True)]) as served:
            id = await served.create()
            async with (
                stream(served, f"/api/workflows/{id}/events") as (head, mine),
                stream(served, "/api/events") as (_, all_),
            ):
                assert head.status_code == 200
                assert head.headers["content-type"].startswith("text/event-stream")
                assert head.headers["cache-control"] == "no-store"
                execution = await served.ask(id)
                await ends(mine)
                await ends(all_)
            assert "".join(event.words for event in mine.told) == "Hello there, you."
            assert (mine.told[-1].name, mine.told[-1].data["status"]) == ("workflow_complete", "completed")
            assert mine.told[-1].data["run_id"] == execution["run_id"]
            assert "workflow_update" in {event.name for event in all_.told}
            with anyio.fail_after(30):
                answer = await served.client.get(f"/api/workflows/{id}/events?after=1.0.0&follow=false")
            again = Watcher(answer.aiter_raw())
            again.sent = answer.content
            numbered = [event for event in again.told if event.name != "workflow_update"]
            assert [event.data for event in numbered] == [e.data for e in mine.told if e.name != "workflow_update"]
            last = {"Last-Event-ID": mine.told[-2].id}
            answer = await served.client.get(f"/api/workflows/{id}/events?after=1.0.0&follow=false", headers=last)
            assert b"workflow_complete" in answer.content
            assert b"Hello" not in answer.content

    anyio.run(main)


def test_a_client_that_has_left_is_noticed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LOOK", 0.0)

    async def main() -> None:
        async with serve(settings={"server": {"heartbeat": 0.1}}) as served:
            async with stream(served, "/api/events") as (_, watcher):
                await anext(watcher._stream)
                assert served.house.hub.watching == 1
            with anyio.fail_after(30):
                while served.house.hub.watching:
                    await anyio.lowlevel.checkpoint()

    anyio.run(main)


def test_a_client_that_takes_nothing_is_disconnected(serve: Serve) -> None:
    async def main() -> None:
        async with serve(settings={"server": {"send_timeout": 0.2, "heartbeat": 0.2}}) as served:
            port = int(served.url.rpartition(":")[2])
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                with anyio.fail_after(60):
                    while not served.house.hub.watching:
                        await anyio.lowlevel.checkpoint()
                with anyio.fail_after(20):  # the default would wait for 30 s
                    while served.house.hub.watching:
                        served.house.hub.announce("noise", {"text": "x" * 50_000})
                        await anyio.lowlevel.checkpoint()

    anyio.run(main)


def test_streams_of_what_is_not_there_and_strange_ids_are_refused_or_begun_anew(serve: Serve) -> None:
    async def main() -> None:
        async with serve() as served:
            unknown = "00000000-0000-4000-8000-000000000000"
            assert (await served.client.get(f"/api/workflows/{unknown}/events")).status_code == 404
            assert (await served.client.get("/api/workflows/x/events")).status_code == 422
            assert (await served.client.get("/api/events?after=" + "1" * 65)).status_code == 422
            assert (await served.client.get("/api/events?after=%00")).status_code == 422
            id = await served.create()
            for path in ("/api/events", f"/api/workflows/{id}/events"):
                answer = await served.client.get(f"{path}?follow=false", headers={"Last-Event-ID": "nonsense"})
                assert b'event: stream_reset\ndata: {"reason":"unknown"}' in answer.content
            document = (await served.client.get("/openapi.json")).json()
            assert "StreamChunk" in document["components"]["schemas"]

    anyio.run(main)
