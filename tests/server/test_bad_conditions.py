"""A disk that fills up, a database that somebody holds, a clock that jumps, texts of every kind."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from stretto.stores.sql import SqlStore
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def full(store: SqlStore, more: int = 0) -> Iterator[None]:
    """Lets the database take only so many pages more, as a disk that is full, as long as the block lasts."""
    engine: Any = store._database._reader
    with engine.connect() as connection:
        most = connection.exec_driver_sql("PRAGMA page_count").scalar() + more

    def limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={most}")

    def lift(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000000")

    sa.event.listen(engine, "begin", limit)
    try:
        yield
    finally:
        sa.event.remove(engine, "begin", limit)
        sa.event.listen(engine, "begin", lift)


async def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost(serve: Serve) -> None:
    async with serve() as served:
        assert isinstance(served.store, SqlStore)
        workflow_id = await served.create()
        kept = await served.ask(workflow_id, "kept")
        assert await served.over(kept["run_id"]) == "completed"
        with full(served.store):
            path = f"/api/workflows/{workflow_id}/execute/stream"
            refused = await served.client.post(path, json={"message": "x" * 90_000})
            assert refused.status_code == 503, refused.text
            assert refused.json()["code"] == "store_unavailable"
            assert "full" in refused.json()["detail"]
            read = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
            assert [message["content"] for message in read["messages"]] == ["kept", "Done."]
        again = await served.ask(workflow_id, "again")
        assert await served.over(again["run_id"]) == "completed"
        listed = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
        assert [each["message"] for each in listed] == ["kept", "again"]


async def test_an_execution_whose_disk_fills_up_is_interrupted_and_goes_on_when_there_is_room(serve: Serve) -> None:
    model = ScriptedModel(" ".join(["word"] * 20_000), "Done.", tokens_per_second=20_000, forever=True)
    async with serve(models=[model]) as served:
        assert isinstance(served.store, SqlStore)
        workflow_id = await served.create()
        with full(served.store, 60):
            asked = await served.ask(workflow_id, "fill it")
            with anyio.fail_after(60):
                while served.house.executions.run(asked["run_id"]) is None:
                    await anyio.lowlevel.checkpoint()
                while served.house.executions.running:
                    await served.client.get("/healthz")
        with anyio.fail_after(30):
            assert await served.over(asked["run_id"]) == "interrupted"
        told = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()[0]
        assert "full" in told["error"]
        resumed = await served.client.post(f"/api/runs/{asked['run_id']}/resume", json={})
        assert resumed.status_code in (200, 202), resumed.text
        assert await served.over(asked["run_id"]) == "completed"


async def test_a_database_that_somebody_holds_is_told_and_then_used_again(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "held.db"
    async with SqlStore(place, busy_timeout=0.3) as store, serve(store=store) as served:
        workflow_id = await served.create()
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused = await served.client.post("/api/workflows", json={"name": "later", "agent_id": "helper"})
        assert refused.status_code == 503, refused.text
        assert "locked" in refused.json()["detail"]
        assert (await served.client.get(f"/api/workflows/{workflow_id}")).status_code == 200
        other.execute("ROLLBACK")
        other.close()
        assert await served.create(name="later")


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
async def test_a_clock_that_jumps_changes_no_outcome(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    really = time.time
    model = ScriptedModel(" ".join(["word"] * 40), "After.", tokens_per_second=100)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id, "first")
        await served.heard(asked["run_id"], 8)
        monkeypatch.setattr(time, "time", lambda: really() + jump)
        assert await served.over(asked["run_id"]) == "completed"
        after = await served.ask(workflow_id, "second")
        assert await served.over(after["run_id"]) == "completed"
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        said = [message["content"].split()[0] for message in state["messages"]]
        assert said == ["first", "word", "second", "After."]
        listed = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
        assert [each["ordinal"] for each in listed] == [1, 2]
        assert all(message["duration_ms"] is None or message["duration_ms"] >= 0 for message in state["messages"])


TEXTS = [
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 😀 outside the plane",
    "\u202eمرحبا بالعالم\u202c right to left",
    "zero\u200bwidth and combining a\u0301",
    "<script>alert('x')</script> & \"quotes\" \\ %s {{name}}",
    "'; DROP TABLE workflow; --",
    "tabs\tand\nlines\r\nand \x07 bells in a message",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_come_back_as_they_were(serve: Serve, text: str) -> None:
    async with serve(models=[ScriptedModel(text)]) as served:
        workflow_id = await served.create()
        made = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": text})
        assert made.status_code == 200, made.text
        assert made.json()["response"] == text
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        assert [message["content"] for message in state["messages"]] == [text, text]
        if not any(ord(letter) < 32 for letter in text):
            renamed = await served.client.patch(f"/api/workflows/{workflow_id}", json={"name": text})
            assert renamed.json()["name"] == text
            found = (await served.client.get("/api/workflows", params={"text": text[:5]})).json()
            assert found["total"] == 1


@pytest.mark.parametrize(
    "body", [b'{"name": "a\\u0000b", "agent_id": "helper"}', b'{"name": "\\ud800", "agent_id": "helper"}']
)
async def test_what_no_store_can_hold_is_refused(serve: Serve, body: bytes) -> None:
    async with serve() as served:
        made = await served.client.post("/api/workflows", content=body, headers={"content-type": "application/json"})
        assert made.status_code == 422, made.text
        workflow_id = await served.create()
        for text in (b"nul \\u0000", b"half \\udfff"):
            content = b'{"message": "%b"}' % text
            path = f"/api/workflows/{workflow_id}/execute/stream"
            asked = await served.client.post(path, content=content, headers={"content-type": "application/json"})
            assert asked.status_code == 422, asked.text


async def test_ids_of_other_kinds_are_refused(serve: Serve) -> None:
    async with serve() as served:
        asked = await served.ask(await served.create())
        await served.over(asked["run_id"])
        for id in (asked["run_id"], "helper", "0", "..%2F..%2Fetc", "%00", "é"):
            answer = await served.client.get(f"/api/workflows/{id}")
            assert answer.status_code in (404, 422), (id, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await served.client.get(f"/api/runs/{asked['workflow_id']}")).status_code == 404
