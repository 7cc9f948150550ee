"""A server from its first to its last moment: where it listens, the first start, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from stretto import step
from stretto.configuring.settings import ServerTable, Settings
from stretto.core.errors import DefinitionError, StoreError
from stretto.server import first_start as first
from stretto.server.house import House
from stretto.server.safety_tokens import TokenRefused
from stretto.server.serving import CannotListen, NoTokenForNetwork, Stop, address, is_loopback, listening, serve
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from tests.server.conftest import agent

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-some-length"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def settings_of(**server: Any) -> Settings:
    return Settings.model_validate({"agents": {"helper": agent()}, "server": {"port": 0, **server}})


@asynccontextmanager
async def running(
    settings: Settings, store: Any, openings: list[str] | None = None, **more: Any
) -> AsyncIterator[tuple[httpx2.AsyncClient, Stop]]:
    """Serves as the command does; the block's end stops it, unless it has stopped. ``openings`` gets what is shown."""
    stop, urls = Stop(), list[str]()
    listens, over = anyio.Event(), anyio.Event()

    def ready(url: str, opening: str) -> None:
        urls.append(url)
        if openings is not None:
            openings.append(opening)
        listens.set()

    async def main() -> None:
        await serve(settings, store, stop=stop, ready=ready, **{"demonstrate": False, **more})
        over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(main)
        with anyio.fail_after(60):
            await listens.wait()
        async with httpx2.AsyncClient(base_url=urls[0], timeout=30) as client:
            yield client, stop
        stop()
        with anyio.fail_after(30):
            await over.wait()


def house_of(stop: Stop) -> House:
    assert stop.server is not None
    house: House = stop.server.app.state.house
    return house


async def test_without_a_token_a_server_listens_on_loopback_alone() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "stretto.example", "128.0.0.1"):
        with pytest.raises(NoTokenForNetwork, match="--token-file"):
            await serve(settings_of(host=host), MemoryStore(), stop=Stop(), ready=print)
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.5.0.1", "::1", "localhost", "LOCALHOST"))


async def test_with_a_token_it_listens_wherever_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    async with running(settings_of(host="0.0.0.0", token_file=file), MemoryStore()) as (client, _):
        assert client.base_url.host == "127.0.0.1"
        for host, status in (("10.1.2.3:99", 200), (socket.gethostname(), 200), ("evil.example", 403)):
            assert (await client.get("/healthz", headers={"host": host})).status_code == status
        assert (await client.get("/api/workflows")).status_code == 401
        answer = await client.get("/api/workflows", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200


async def test_a_token_that_guards_nothing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for held in (b"", b"short", b"two words of enough length", b"\xff" * 20, b"x" * 5000, "ééééééééééééééééé".encode()):
        file.write_bytes(held)
        with pytest.raises(TokenRefused, match="openssl"):
            await serve(settings_of(token_file=file), MemoryStore(), stop=Stop(), ready=print)
    for server in ({"token_file": tmp_path / "none"}, {"token_file": tmp_path}, {"token": "short"}):
        with pytest.raises(TokenRefused):
            await serve(settings_of(**server), MemoryStore(), stop=Stop(), ready=print)
    with pytest.raises(TokenRefused, match="say one"):
        await serve(settings_of(token=TOKEN, token_file=file), MemoryStore(), stop=Stop(), ready=print)


async def test_what_is_no_origin_is_refused_before_anything_is_opened() -> None:
    for wrong in ("stretto.example", "https://stretto.example/path", "ftp://stretto.example", "https://a:b", "*"):
        with pytest.raises(DefinitionError, match="origin"):
            await serve(settings_of(origins=[wrong]), MemoryStore(), stop=Stop(), ready=print)


async def test_an_address_that_is_taken_or_unknown_is_told_in_words() -> None:
    with closing(listening(settings_of().server)) as taken:
        with pytest.raises(CannotListen, match=r"in use.*--port"):
            listening(settings_of(port=taken.getsockname()[1]).server)
    with pytest.raises(CannotListen):
        listening(settings_of(host="no.such.host.invalid").server)
    assert address("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert address("::1", 2) == "http://[::1]:2"


async def test_two_servers_on_one_database_are_refused(tmp_path: Path) -> None:
    async with SqlStore(tmp_path / "a.db") as store, SqlStore(tmp_path / "a.db") as other:
        async with running(settings_of(), store):
            with pytest.raises(StoreError, match="is served by"):
                await serve(settings_of(), other, stop=Stop(), ready=print)


async def test_streams_end_when_the_server_stops_and_nothing_more_is_taken(tmp_path: Path) -> None:
    async with SqlStore(tmp_path / "a.db") as store, running(settings_of(), store) as (client, stop):
        async with client.stream("GET", "/api/events") as answer:
            heard = answer.aiter_bytes()
            assert await anext(heard)
            stop()
            with anyio.fail_after(20):
                rest = b"".join([part async for part in heard])
        assert rest.rstrip().rpartition(b"\n")[2].startswith(b":")
        with pytest.raises(httpx2.ConnectError):
            await client.get("/healthz")


async def test_while_it_stops_it_takes_nothing_and_still_shows_what_there_is(tmp_path: Path) -> None:
    async with running(settings_of(), MemoryStore()) as (client, stop):
        assert (await client.get("/readyz")).json() == {"status": "ready", "database": "ok"}
        assert stop.server is not None
        stop.server.app.state.draining = True
        answer = await client.post("/api/workflows", json={"name": "a", "agent_id": "helper"})
        assert (answer.status_code, answer.json()["code"]) == (503, "stopping")
        assert int(answer.headers["retry-after"]) > 0
        assert (await client.get("/api/workflows")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_a_database_that_does_not_answer_makes_it_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise StoreError("the disk is gone")

    async def slow(*_: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("stretto.server.routes.health.PATIENCE", 0.05)
    async with running(settings_of(), MemoryStore()) as (client, stop):
        for look, told in ((broken, "unusable"), (slow, "slow")):
            monkeypatch.setattr(house_of(stop).store, "runs", look)
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()) == (503, {"status": "not_ready", "database": told})


async def test_the_first_start_shows_a_finished_survey_once(tmp_path: Path) -> None:
    few = tmp_path / "examples"
    few.mkdir()
    (few / "one.py").write_text("print('one')\n")
    async with SqlStore(tmp_path / "a.db") as store:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(first, "EXAMPLES", few)
            patch.setenv("PATH", "")
            openings: list[str] = []
            chosen = Settings.model_validate({"server": {"port": 0}})
            async with running(chosen, store, openings, demonstrate=True) as (client, _):
                (workflow,) = (await client.get("/api/workflows")).json()["items"]
                assert (workflow["name"], workflow["agent_id"], workflow["status"]) == (
                    "Survey of the examples", "surveyor", "completed",
                )  # fmt: skip
                state = (await client.get(f"/api/workflows/{workflow['id']}/state")).json()
                assert "offline" in state["messages"][-1]["content"]
                (run,) = (await client.get(f"/api/workflows/{workflow['id']}/executions")).json()
                address = str(client.base_url).rstrip("/")
                assert openings == [f"{address}/runs/{run['run_id']}?tab=timeline"]
                assert (await client.delete(f"/api/workflows/{workflow['id']}")).status_code == 204
            assert not await first.first_start(Settings(), store)
    assert list(few.iterdir()) == [few / "one.py"]


async def test_a_survey_that_would_cost_money_is_not_made(tmp_path: Path) -> None:
    dear = Settings.model_validate({"agents": {"surveyor": agent("surveyor", "openai:gpt-5")}})
    async with SqlStore(tmp_path / "a.db") as store:
        assert not await first.first_start(dear, store)
        assert await store.records.workflows() == ([], 0)


async def test_where_there_are_no_examples_nothing_is_surveyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "EXAMPLES", tmp_path / "none")
    async with SqlStore(tmp_path / "a.db") as store:
        assert not await first.first_start(Settings(), store)


async def test_a_stop_during_the_first_start_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()

    async def surveying(*_: object) -> None:
        stop()
        await anyio.sleep_forever()

    monkeypatch.setattr("stretto.server.serving.first_start", surveying)
    told: list[str] = []
    with anyio.fail_after(20):
        await serve(settings_of(), MemoryStore(), stop=stop, ready=told.append)
    assert told == []


FLOW = """
import anyio
from stretto import step

@step
async def slowly(x):
    print("begun", flush=True)
    await anyio.sleep(60)
    return x

workflow = slowly
"""


def test_sigterm_ends_the_command_in_order(tmp_path: Path) -> None:
    (tmp_path / "flow_of_serving.py").write_text(FLOW)
    command = [
        sys.executable, "-m", "stretto", "serve", "flow_of_serving.py", "--port", "0", "--store", "a.db",
        "--no-example", "--no-browser",
    ]  # fmt: skip
    environment = {**os.environ, "STRETTO_SERVER__GRACE": "0.1"}
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx2.get(f"{url}/readyz", timeout=60).status_code == 200
        with httpx2.stream("GET", f"{url}/api/events") as stream:
            process.send_signal(signal.SIGTERM)
            assert b"".join(stream.iter_bytes()).rstrip().rpartition(b"\n")[2].startswith(b":")
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines if line["logger"] == "stretto.server"][-1] == "stopped"


async def test_runs_get_the_grace_time_and_can_then_be_resumed(tmp_path: Path) -> None:
    begun = anyio.Event()

    @step
    async def slowly(x: object) -> object:
        begun.set()
        await anyio.sleep(60)
        return x

    async with SqlStore(tmp_path / "a.db") as store:
        async with running(settings_of(grace=0.05), store, steps={"slowly": slowly}) as (_, stop):
            run_id = await house_of(stop).executions.start_step(slowly, 1)
            with anyio.fail_after(20):
                await begun.wait()
        assert (await store.summary(run_id)).status == "interrupted"


def test_small_pieces_are_sent_at_once() -> None:
    with listening(ServerTable.model_validate({"port": 0})) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # by which asyncio knows where to switch Nagle's algorithm off
