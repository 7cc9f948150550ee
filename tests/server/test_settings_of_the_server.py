"""What the settings of the server are for: each is one that makes a difference to those who are served."""

import os
from pathlib import Path

import anyio
import pytest

from stretto.stores.sql import SqlStore
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve
from tests.server.listening import events_in, eventually, hearing

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_what_runs_may_end_within_the_grace_time(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    model = ScriptedModel("one two three four five", tokens_per_second=10)
    async with serve(models=[model], settings={"server": {"grace": 30}}, place=place) as served:
        run_id = (await served.ask(await served.create()))["run_id"]
        await served.heard(run_id, 3)
    async with SqlStore(place) as store:
        assert (await store.records.execution(run_id)).status == "completed"


async def test_what_does_not_end_within_the_grace_time_is_left_to_the_next_server(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    slow = ScriptedModel(" ".join(["word"] * 6_000), tokens_per_second=50)
    with anyio.fail_after(9):  # the default would wait for 10 s
        async with serve(models=[slow], settings={"server": {"grace": 0.05}}, place=place) as served:
            run_id = (await served.ask(await served.create()))["run_id"]
            await served.heard(run_id, 3)
    async with SqlStore(place) as store:
        assert (await store.records.execution(run_id)).status == "running"
    async with serve(place=place) as served:
        assert await served.over(run_id) == "completed"


async def test_a_silent_stream_gives_signs_of_life_as_often_as_it_is_told(serve: Serve) -> None:
    async with serve(settings={"server": {"heartbeat": 0.05}}) as served:
        for workflow_id in (None, await served.create()):
            async with hearing(served, workflow_id) as heard:
                with anyio.fail_after(10):  # the default is one in 15 s
                    await heard.until(lambda heard=heard: heard.sent.count(b"\n:\n") >= 3)


async def test_so_much_of_the_stream_is_kept_as_the_buffer_says(serve: Serve) -> None:
    for buffer, name in ((65_536, "stream_reset"), (10_000_000, "noise")):
        async with serve(settings={"server": {"buffer": buffer}}) as served:
            served.house.hub.announce("noise", {"text": "first"})
            first = events_in((await served.client.get("/api/events?follow=false")).content)[1]
            for _ in range(100):
                served.house.hub.announce("noise", {"text": "x" * 2_000})
            answer = await served.client.get("/api/events?follow=false", headers={"Last-Event-ID": first})
            assert events_in(answer.content)[0][0].name == name


async def test_without_a_limit_the_processors_say_how_many_run_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(" ".join(["word"] * 1_000), forever=True, tokens_per_second=20)
    async with serve(models=[model], settings={"server": {"grace": 0}}) as served:
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        for _ in range(10):
            await served.ask(await served.create())

        async def standing() -> list[str] | None:
            found = [each["status"] for each in (await served.client.get("/api/queue")).json()]
            return found if found.count("running") >= 8 else None

        found = await eventually(standing)
    assert (found.count("running"), found.count("queued")) == (8, 2)
