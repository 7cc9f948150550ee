"""Kills the server at random points under load: what it acknowledged is there, and what ran goes on or asks."""

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest

from stretto.core.codec import decode
from stretto.core.errors import RunNotFound, StoreError
from stretto.core.events import Asked, StepCompleted
from stretto.stores.questions import unanswered
from stretto.stores.sql import SqlStore
from tests.server import crashing
from tests.server.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
"""How often each of the two servers is killed."""
WORKFLOWS = 6
LAST = 120.0
"""How long what was asked for may take in the end (seconds)."""


class Victim:
    """A server in a process that is forked from one which has imported everything, so that it starts at once."""

    def __init__(self, folder: Path) -> None:
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["tests.server.crashing"])
        self.place, self.traces, self.port = folder / "server.db", folder / "traces", free_port()
        self.process: BaseProcess | None = None

    def start(self) -> None:
        self.process = self._forks.Process(target=crashing.serve, args=(self.place, self.traces, self.port))
        self.process.start()

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(30)
        assert self.process.exitcode == -signal.SIGKILL


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Victim]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where Python 3.11's fork server looks for what it imports before
    for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]:
        monkeypatch.delenv(name)  # what is killed measures nothing
    found = Victim(tmp_path)
    yield found
    if found.process is not None and found.process.is_alive():
        found.kill()


class Load:
    """Asks for executions as fast as they are taken, and remembers which were acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self._client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.workflows: list[str] = []
        self._number = 0

    async def up(self) -> None:
        """Waits until the server answers."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if (await self._client.get("/api/workflows")).status_code == 200:
                        return
                await asyncio.sleep(0.01)

    async def press(self) -> None:
        """Asks until the server is gone."""
        with contextlib.suppress(httpx2.TransportError):
            while True:
                if len(self.workflows) < WORKFLOWS:
                    body: dict[str, Any] = {"name": "a workflow", "agent_id": "helper"}
                    made = await self._client.post("/api/workflows", json=body)
                    self.workflows.append(made.json()["id"])
                self._number += 1
                message = f"message {self._number}"
                asked = await self._client.post(
                    f"/api/workflows/{random.choice(self.workflows)}/execute/stream", json={"message": message}
                )
                assert asked.status_code == 202, asked.text
                self.acknowledged[asked.json()["run_id"]] = message
                await asyncio.sleep(0.06)

    async def get(self, path: str) -> Any:
        return (await self._client.get(path)).json()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


async def answer_all(store: SqlStore, run_ids: list[str], asked: Counter[str], messages: dict[str, str]) -> None:
    """Answers the questions that stand: whether a call that was under way shall be made again."""
    for run_id in run_ids:
        try:
            questions = await unanswered(store, run_id)
        except RunNotFound:  # it is queued
            continue
        for question in questions:
            asked[messages[run_id]] += 1
            with contextlib.suppress(StoreError):  # it was answered a moment ago
                await store.post_answer(run_id, question.request_id, "retry")


async def hold(victim: Victim) -> None:
    load, asked = Load(victim.port), Counter[str]()
    async with SqlStore(victim.place) as store, load:
        for _ in range(KILLS):
            victim.start()
            await load.up()
            known = {row.run_id for row in await store.records.executions()}
            assert set(load.acknowledged) <= known
            pressing = asyncio.create_task(load.press())
            await asyncio.sleep(random.uniform(0.0, 0.3))
            await asyncio.to_thread(victim.kill)
            await pressing
        victim.start()
        await load.up()
        messages = {row.run_id: row.message for row in await store.records.executions()}
        left = [""]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                while left := [row.run_id for row in await store.records.executions(statuses=["queued", "running"])]:
                    await answer_all(store, left, asked, messages)
                    await asyncio.sleep(0.2)
        assert not left, [await store.records.execution(run_id) for run_id in left]
        rows = {row.run_id: row for row in await store.records.executions()}
        assert set(load.acknowledged) <= set(rows)
        assert {row.status for row in rows.values()} == {"completed"}, [row for row in rows.values() if row.error]
        for run_id in load.acknowledged:
            events = [decode(*line[1:]) for line in await store.read(run_id)]
            assert [event.kind for event in events].count("run_ended") >= 1
            noted = [event for event in events if isinstance(event, StepCompleted) and event.path.endswith("/note/run")]
            assert len(noted) == 1, run_id
        traces = Counter(victim.traces.read_text().splitlines())
        for run_id, message in messages.items():
            times = sum(
                isinstance(decode(*line[1:]), Asked) for line in await store.lines(run_id, kinds=frozenset({"asked"}))
            )
            assert 1 <= traces[message] <= 1 + times, (message, traces[message], times)
        for workflow_id in load.workflows:
            state = await load.get(f"/api/workflows/{workflow_id}/state")
            said = [message["content"] for message in state["messages"]]
            wanted = [row.message for row in rows.values() if row.workflow_id == workflow_id]
            assert [text for text in said if text.startswith("message")] == wanted
            assert [text for text in said if not text.startswith("message")] == [
                " ".join(["word"] * crashing.WORDS)
            ] * len(wanted)


@pytest.mark.parametrize("place", ["one", "another"])  # beside each other, where there is more than one processor
def test_a_server_that_is_killed_anywhere_loses_nothing(victim: Victim, place: str) -> None:
    asyncio.run(hold(victim))
