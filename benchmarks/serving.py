"""What the server takes as a whole: 200 workflows that stream at once, a long state, a start on much data."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from benchmarks.measure import Figure, Size, Times, driven, seconds, times
from benchmarks.models import EACH, PACE, ROOT, Provider, provider
from stretto.core.codec import encode
from stretto.core.events import RunEnded, RunStarted, Said
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow, Fold, Row, WorkflowRow
from stretto.stores.sql import SqlStore

WORKFLOWS, LATE, MEMORY = 200, 0.25, 400e6
SECONDS = 5
ROWS, STATE, FIRST, PAGE = 10_000, 0.5, 0.05, 50
GIGABYTE, START = 1_000_000_000, 3.0


@dataclass
class Server:
    """A server in a process of its own."""

    url: str
    process: psutil.Process
    ready: float
    client: httpx2.AsyncClient

    @property
    def memory(self) -> float:
        """The memory that it takes (bytes)."""
        return float(self.process.memory_info().rss)


@asynccontextmanager
async def server(place: Path, provider_url: str) -> AsyncIterator[Server]:
    """Starts a server, waits until it answers, and ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.serving_server", str(place), provider_url, str(port)]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(place.parent)}
    child = subprocess.Popen(command, cwd=ROOT, env=environment)  # noqa: ASYNC220  # in no time
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            while True:
                try:
                    if (await client.get("/api/workflows")).status_code == 200:
                        break
                except httpx2.TransportError:
                    await asyncio.sleep(0.02)
            yield Server(f"http://127.0.0.1:{port}", psutil.Process(child.pid), time.monotonic() - began, client)
    finally:
        child.terminate()
        child.wait()


@dataclass
class Heard:
    """What a client of the stream has heard: how late each token was (seconds), by workflow."""

    late: dict[str, list[float]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    most: float = 0.0

    async def listen(self, served: Server, until: int) -> None:
        """Listens until so many workflows have ended."""
        held = b""
        async with served.client.stream("GET", "/api/events") as answer:
            async for piece in answer.aiter_raw():
                now = time.time()
                held += piece
                *whole, held = held.split(b"\n\n")
                for frame in whole:
                    self._take(frame, now)
                self.most = max(self.most, served.memory)
                if len(self.ended) >= until:
                    return

    def _take(self, frame: bytes, now: float) -> None:
        fields = dict(line.split(b": ", 1) for line in frame.splitlines() if b": " in line and line[:1] != b":")
        name = fields.get(b"event")
        if name == b"workflow_stream":
            told = json.loads(fields[b"data"])
            if told["chunk_type"] == "token":
                words = [now - float(word) for word in told["content"].split()]
                self.late.setdefault(told["workflow_id"], []).extend(words)
        elif name == b"workflow_complete":
            self.ended.add(json.loads(fields[b"data"])["workflow_id"])


async def _stream(asked: Provider, folder: Path, workflows: int, tokens: int) -> list[Figure]:
    await asked.behave(text=" ".join(["@now@"] * tokens), speed=PACE / EACH, stamped=True, per_event=EACH)
    async with server(folder / "stream.db", asked.url) as served:
        idle = served.memory
        ids = [
            (await served.client.post("/api/workflows", json={"name": "w", "agent_id": "helper"})).json()["id"]
            for _ in range(workflows)
        ]
        heard = Heard()
        listening = asyncio.ensure_future(heard.listen(served, workflows))
        await asyncio.sleep(0.2)

        async def ask(id: str) -> None:
            path = f"/api/workflows/{id}/execute/stream"
            (await served.client.post(path, json={"message": "Go on."})).raise_for_status()

        await asyncio.gather(*map(ask, ids))
        await asyncio.wait_for(listening, 120)
    late = sorted(number for numbers in heard.late.values() for number in numbers)
    p99 = late[max(0, math.ceil(len(late) * 0.99) - 1)]
    lost = workflows * tokens - len(late)
    return [
        Figure(
            f"{workflows} workflows at once, {PACE} tokens/s each, {EACH} in each event: provider to client, p99",
            f"{seconds(late[len(late) // 2])} median",
            f"{seconds(p99)}, {lost} tokens lost",
            times(p99 / LATE),
            f"≤ {seconds(LATE)}, none lost",
            p99 <= LATE and lost == 0,
            [f"latest {seconds(late[-1])}, of {len(late):,} tokens"],
        ),
        Figure(
            f"memory of the server while {workflows} workflows stream",
            f"{idle / 1e6:.0f} MB idle",
            f"{heard.most / 1e6:.0f} MB",
            times(heard.most / idle),
            f"≤ {MEMORY / 1e6:.0f} MB",
            heard.most <= MEMORY,
            [],
        ),
    ]


async def _much(place: Path, rows: int, size: int) -> str:
    """Fills a database: one workflow with so many rows, and runs whose logs take so many bytes; returns the id."""
    workflow_id = "00000000-0000-4000-8000-000000000001"
    async with SqlStore(place) as store:
        now = time.time()
        await store.records.add_workflow(
            WorkflowRow(id=workflow_id, name="long", agent_id="helper", created_at=now, updated_at=now)
        )
        run = await store.records.add_execution(
            ExecutionRow(run_id="long", workflow_id=workflow_id, message="m", agent_id="helper", created_at=now)
        )
        told: list[Row] = [
            {
                "id": f"long/{place}", "workflow_id": workflow_id, "message_id": "long:answer", "agent_id": "helper",
                "tool_type": "local", "tool_name": "read_file", "server_name": None,
                "input_params": {"path": f"src/module_{place}.py"}, "output_result": "line of a file\n" * 10,
                "success": True, "error_message": None, "duration_ms": 12, "iteration": place,
                "created_at": "2026-01-01T00:00:00Z",
            }
            for place in range(rows)
        ]  # fmt: skip
        await store.records.keep(
            [Fold(run_id=run.run_id, workflow_id=workflow_id, lines=0, rows={"tool_execution": told})]
        )
        await store.records.change_execution(run.run_id, status="completed")
        text = "x" * 50_000
        for number in range(size // 5_000_000):
            run_id, owner = f"run{number}", owner_of_this_process()
            await store.claim(run_id, owner)
            begun = RunStarted("", 0.0, run_id, "filler", now)
            said = [Said("", float(place), f"{number} {place} {text}") for place in range(100)]
            events = [begun, *said, RunEnded("", 100.0, "completed")]
            lines = [Line(seq, each.kind, "", each.at, encode(each)) for seq, each in enumerate(events)]
            await store.append(run_id, lines)
            await store.release(run_id, owner)
    return workflow_id


async def _state(asked: Provider, folder: Path, rows: int, size: int, rounds: int) -> list[Figure]:
    async with server(folder / "empty.db", asked.url) as served:
        empty = served.ready
    place = folder / "much.db"
    workflow_id = await _much(place, rows, size)
    async with server(place, asked.url) as served:
        ready = served.ready
        taken: dict[str, list[float]] = {"": [], f"?limit={PAGE}": []}
        bytes_sent = 0
        for _ in range(rounds * 2):
            for query, found in taken.items():
                began = time.perf_counter()
                answer = await served.client.get(f"/api/workflows/{workflow_id}/state{query}")
                found.append(time.perf_counter() - began)
                assert answer.status_code == 200
                bytes_sent = max(bytes_sent, len(answer.content))
    whole, page = (Times(tuple(found)) for found in taken.values())
    held = place.stat().st_size
    return [
        Figure(
            f"state of a workflow with {rows:,} rows, over HTTP",
            f"{bytes_sent / 1e6:.1f} MB of JSON", seconds(whole.median), times(whole.median / STATE),
            f"≤ {seconds(STATE)}", whole.median <= STATE, [whole.told()],
        ),
        Figure(
            f"its first page of {PAGE}", seconds(whole.median), seconds(page.median), times(page.median / whole.median),
            f"≤ {seconds(FIRST)}", page.median <= FIRST, [page.told()],
        ),
        Figure(
            f"from the start of the process to the first answer, with {held / 1e9:.2f} GB of data",
            f"{seconds(empty)} with none", seconds(ready), times(ready / empty),
            f"≤ {seconds(START)}", ready <= START, [],
        ),
    ]  # fmt: skip


async def _serving(size: Size) -> list[Figure]:
    small = size.name == "tiny"
    with tempfile.TemporaryDirectory() as folder:
        async with provider() as asked:
            here = Path(folder)
            figures = await _stream(asked, here, 5 if small else WORKFLOWS, 25 if small else SECONDS * PACE)
            much = 10_000_000 if small else GIGABYTE
            return figures + await _state(asked, here, 100 if small else ROWS, much, size.rounds)


def serving(size: Size) -> list[Figure]:
    """Measures the server."""
    return driven(_serving(size))
