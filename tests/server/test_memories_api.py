"""Memories over real HTTP: kept, changed, found by meaning and by words, exported and imported, given vectors."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stretto.core.archive import Memory
from stretto.core.resources import Embedder
from stretto.models.resolve import Models
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Letters(Embedder):
    """An embedder whose vectors count three letters; ``fails`` has it fail."""

    def __init__(self, name: str = "test:letters") -> None:
        self.name, self.fails = name, ""
        self.asked: list[int] = []

    async def embed(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        if self.fails:
            raise ValueError(self.fails)
        self.asked.append(len(texts))
        return [tuple(float(text.count(letter)) + 0.01 for letter in "abc") for text in texts]


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    made = Letters()
    monkeypatch.setattr(Models, "embedder", lambda self, id: made)
    return made


WITH_EMBEDDER: dict[str, Any] = {"settings": {"embedder": "test:letters"}}


async def test_a_memory_is_kept_shown_changed_and_forgotten(serve: Serve) -> None:
    async with serve() as served:
        said = {"type": "user_pref", "content": "Likes tea 🫖", "tags": ["drink", "drink"], "priority": 0.5}
        made = await served.client.post("/api/memories", json=said)
        assert made.status_code == 201, made.text
        told = made.json()
        assert (told["tags"], told["importance"], told["workflow_id"]) == (["drink"], 0.8, None)
        assert (told["expires_at"], told["embedder"]) == (None, None)
        path = f"/api/memories/{told['id']}"
        assert (await served.client.get(path)).json() == told
        changed = await served.client.patch(path, json={"content": "Likes coffee", "expires_in": 60, "tags": ["a"]})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["content"], changed.json()["tags"]) == ("Likes coffee", ["a"])
        assert changed.json()["expires_at"] > told["created_at"]
        assert (await served.client.patch(path, json={"expires_in": None})).json()["expires_at"] is None
        assert (await served.client.delete(path)).status_code == 204
        for refused in (
            await served.client.get(path),
            await served.client.delete(path),
            await served.client.patch(path, json={"content": "x"}),
        ):
            assert refused.status_code == 404


async def test_memories_of_a_workflow_expire_and_go_with_it(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        said = {"type": "context", "content": "Reads the README", "workflow_id": workflow.upper()}
        told = (await served.client.post("/api/memories", json=said)).json()
        assert told["workflow_id"] == workflow
        assert told["expires_at"] is not None  # after seven days
        unknown = await served.client.post("/api/memories", json={**said, "workflow_id": str(uuid.uuid4())})
        assert unknown.status_code == 404
        assert (await served.client.delete(f"/api/workflows/{workflow}")).status_code == 204
        assert (await served.client.get("/api/memories")).json()["total"] == 0


async def test_lists_are_paged_filtered_and_cleared(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        for number in range(5):
            kind = "knowledge" if number % 2 else "decision"
            place = {"workflow_id": workflow} if number == 4 else {}
            await served.client.post("/api/memories", json={"type": kind, "content": f"fact {number}", **place})

        async def found(**asked: Any) -> tuple[int, list[str]]:
            page = (await served.client.get("/api/memories", params=asked)).json()
            return page["total"], [memory["content"] for memory in page["items"]]

        assert await found(limit=2, offset=1) == (5, ["fact 3", "fact 2"])
        assert await found(type="knowledge") == (2, ["fact 3", "fact 1"])
        assert await found(scope="workflow", workflow_id=workflow) == (1, ["fact 4"])
        assert await found(scope="general", limit=1) == (4, ["fact 3"])
        refused = await served.client.get("/api/memories", params={"scope": "workflow"})
        assert (refused.status_code, refused.json()["code"]) == (409, "no_workflow")
        cleared = await served.client.delete("/api/memories", params={"type": "decision", "scope": "general"})
        assert cleared.json() == {"deleted": 2}
        assert (await served.client.delete("/api/memories")).status_code == 422  # nobody forgets all by accident
        assert (await found())[0] == 3


async def test_without_an_embedder_words_are_compared(serve: Serve) -> None:
    async with serve() as served:
        for text in ("the capital of France is Paris", "the capital of Italy is Rome"):
            await served.client.post("/api/memories", json={"type": "knowledge", "content": text})
        told = (await served.client.post("/api/memories/search", json={"query": "capital france"})).json()
        assert [hit["memory"]["content"] for hit in told["hits"]] == ["the capital of France is Paris"]
        assert (told["by_meaning"], told["hits"][0]["matched_by"]) == (False, "words")
        for way, body in (("regenerate", {}), ("embedder", {})):
            refused = await served.client.post(f"/api/memories/{way}", json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "no_embedder")


async def test_with_an_embedder_meanings_are_compared_and_a_change_gives_a_new_vector(
    serve: Serve, letters: Letters
) -> None:
    async with serve(**WITH_EMBEDDER) as served:
        ids = {}
        for text in ("aaa", "bbb"):
            told = (await served.client.post("/api/memories", json={"type": "knowledge", "content": text})).json()
            assert told["embedder"] == "test:letters"
            ids[text] = told["id"]

        async def nearest(query: str) -> list[str]:
            told = (await served.client.post("/api/memories/search", json={"query": query})).json()
            assert told["by_meaning"]
            return [hit["memory"]["content"] for hit in told["hits"]]

        assert await nearest("a") == ["aaa"]
        await served.client.patch(f"/api/memories/{ids['bbb']}", json={"content": "aab"})
        assert await nearest("a") == ["aaa", "aab"]
        letters.fails = "out of paper"
        told = (await served.client.post("/api/memories", json={"type": "decision", "content": "ccc"})).json()
        assert told["embedder"] is None
        assert "out of paper" in told["embedding_problem"]
        changed = (await served.client.patch(f"/api/memories/{ids['aaa']}", json={"content": "ccc"})).json()
        assert changed["embedder"] is None  # an old vector would lie about the new content
        searched = (await served.client.post("/api/memories/search", json={"query": "ccc"})).json()
        assert "out of paper" in searched["problem"]
        assert len(searched["hits"]) == 2
        failed = await served.client.post("/api/memories/embedder", json={"text": "a"})
        assert (failed.status_code, failed.json()["code"]) == (502, "embedder_failed")
        stopped = (await served.client.post("/api/memories/regenerate", json={})).json()
        assert (stopped["embedded"], stopped["left"]) == (0, 2)
        assert "out of paper" in stopped["problem"]
        letters.fails = ""
        tried = (await served.client.post("/api/memories/embedder", json={"text": "abb"})).json()
        assert (tried["dimensions"], tried["first"]) == (3, [1.01, 2.01, 0.01])


async def test_another_embedder_makes_its_vectors_bit_by_bit(serve: Serve, letters: Letters) -> None:
    async with serve(**WITH_EMBEDDER) as served:
        for number in range(5):
            kept = Memory(id=str(uuid.uuid4()), type="knowledge", content=f"a{number}", created_at=float(number))
            await served.store.archive.add_memory(
                replace(kept, embedder="test:older", embedding=(1.0, 2.0)) if number else kept
            )
        before = (await served.client.get("/api/memories/stats")).json()["embedding"]
        assert before == {"embedder": "test:letters", "current": 0, "other": 4, "without": 1}
        some = (await served.client.post("/api/memories/regenerate", json={"limit": 3})).json()
        assert some == {"embedded": 3, "left": 2, "problem": ""}
        assert (await served.client.post("/api/memories/regenerate", json={})).json()["left"] == 0
        assert letters.asked == [3, 2]
        stats = (await served.client.get("/api/memories/stats")).json()
        assert (stats["embedding"]["current"], stats["total"], stats["by_type"]) == (5, 5, {"knowledge": 5})
        assert stats["oldest"].startswith("1970-01-01")


async def test_what_is_exported_can_be_imported(serve: Serve, letters: Letters) -> None:
    async with serve(**WITH_EMBEDDER) as served:
        client, workflow = served.client, await served.create()
        texts = ['quote " and comma,', "=cmd()", "line\nbreak 🙂", "of the workflow"]
        for text in texts:
            place = {"workflow_id": workflow} if text == texts[-1] else {}
            await client.post("/api/memories", json={"type": "decision", "content": text, "tags": ["t"], **place})
        exported = await client.get("/api/memories/export")
        assert exported.headers["content-type"] == "application/json"
        package = exported.json()
        assert [memory["content"] for memory in package["memories"]] == texts[::-1]
        table = (await client.get("/api/memories/export", params={"format": "csv"})).text
        assert table.startswith("id,type,content,")
        assert "'=cmd()" in table
        again = (await client.post("/api/memories/import", json=package)).json()
        assert (again["added"], again["skipped"]) == (0, 4)
        package["memories"][0]["importance"] = 1
        over = (await client.post("/api/memories/import", json={**package, "conflicts": "overwrite"})).json()
        assert (over["overwritten"], over["added"]) == (4, 0)
        await client.delete("/api/memories", params={"type": "decision"})
        await client.delete(f"/api/workflows/{workflow}")
        package["memories"].append(package["memories"][-1])
        back = (await client.post("/api/memories/import", json=package)).json()
        assert (back["added"], back["without_workflow"], back["skipped"]) == (3, 1, 1)
        page = (await client.get("/api/memories")).json()
        assert [memory["content"] for memory in page["items"]] == texts[2::-1]
        assert {memory["embedder"] for memory in page["items"]} == {"test:letters"}
        letters.fails = "no"
        fresh = [
            {"type": "context", "content": "x"},
            {"type": "context", "content": "y", "expires_at": "1999-01-01T00:00:00Z"},
        ]
        told = (await client.post("/api/memories/import", json={"memories": fresh})).json()
        assert (told["added"], told["skipped"]) == (1, 1)
        assert "failed" in told["embedding_problem"]


async def test_what_has_expired_is_removed_when_asked(serve: Serve) -> None:
    async with serve() as served:
        old = Memory(id=str(uuid.uuid4()), type="context", content="old", created_at=1.0, expires_at=2.0)
        await served.store.archive.add_memory(old)
        assert (await served.client.get(f"/api/memories/{old.id}")).status_code == 404
        assert (await served.client.post("/api/memories/purge")).json() == {"deleted": 1}


async def test_a_memory_that_breaks_a_rule_is_refused_with_the_field(serve: Serve) -> None:
    broken: list[tuple[dict[str, Any], str]] = [
        ({"type": "rumour", "content": "x"}, "type"),
        ({"type": "knowledge", "content": ""}, "content"),
        ({"type": "knowledge", "content": "x" * 50_001}, "content"),
        ({"type": "knowledge", "content": "a\x00b"}, "NUL"),
        ({"type": "knowledge", "content": "x", "tags": ["a"] * 21}, "tags"),
        ({"type": "knowledge", "content": "x", "importance": 1.1}, "importance"),
        ({"type": "knowledge", "content": "x", "workflow_id": "w"}, "workflow_id"),
        ({"type": "knowledge", "content": "x", "expires_in": 0}, "expires_in"),
        ({"type": "knowledge", "content": "x", "more": 1}, "more"),
    ]
    async with serve() as served:
        for said, word in broken:
            refused = await served.client.post("/api/memories", json=said)
            assert refused.status_code == 422
            assert word in refused.text
        late = {"type": "knowledge", "content": "x", "created_at": "0001-01-01T00:00:00+14:00"}
        assert (await served.client.post("/api/memories/import", json={"memories": [late]})).json()["added"] == 1
        (kept,) = (await served.client.get("/api/memories")).json()["items"]
        assert kept["created_at"].startswith("1970-01-01T00:00:00")
        assert (await served.client.get("/api/memories/not-a-uuid")).status_code == 404
        assert (await served.client.get("/api/memories/search")).status_code == 405
