"""Providers, their keys and their models over HTTP: described, tried, priced; a key is written and never read."""

from collections.abc import Iterator
from typing import Any

import httpx2
import keyring
import pytest
from keyring.backends import fail

from stretto.core.archive import Document
from stretto.stores.memory import MemoryStore
from tests.models.loopback import Loopback
from tests.server.conftest import Serve
from tests.server.keyrings import Drawer

pytestmark = pytest.mark.anyio
KEY, OTHER = "sk-kept-in-the-keyring-0123456789", "sk-wrong-in-the-keyring-0123456789"
TOKEN = "a-token-that-nobody-guesses-0123"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    made = Drawer()
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    return made


@pytest.fixture(scope="module")
def provider() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def problem(answer: httpx2.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"], answer.text


async def test_a_provider_is_described_given_a_key_tried_and_removed(
    serve: Serve, provider: Loopback, drawer: Drawer
) -> None:
    provider.behave()
    async with serve(store=MemoryStore()) as served:
        client = served.client
        said = {"name": "mine", "base_url": f"{provider.url}/v1", "display_name": "Mine", "max_concurrency": 3}
        made = await client.post("/api/providers", json=said)
        assert made.status_code == 201, made.text
        assert {key: made.json()[key] for key in said} == said
        assert (made.json()["origin"], made.json()["key"], made.json()["local"]) == ("kept", None, True)
        problem(await client.post("/api/providers", json=said), 409, "is described already")

        assert (await client.put("/api/providers/mine/key", json={"key": OTHER})).status_code == 204
        wrong = (await client.post("/api/providers/mine/test", json={})).json()
        assert (wrong["ok"], wrong["latency_ms"]) == (False, None)
        assert "rejects the key (401)" in wrong["error"]
        assert OTHER not in str(wrong)
        assert (await client.put("/api/providers/mine/key", json={"key": KEY})).status_code == 204
        tried = (await client.post("/api/providers/mine/test", json={})).json()
        assert (tried["ok"], tried["models"], tried["error"]) == (True, ["model-a", "model-b"], "")
        assert tried["latency_ms"] > 0
        asked = (await client.post("/api/providers/mine/test", json={"model": "m"})).json()
        assert (asked["ok"], asked["answer"]) == (True, "The answer is forty-two.")
        assert provider.requests[-1]["headers"]["authorization"] == f"Bearer {KEY}"
        failed = (await client.post("/api/providers/mine/test", json={"model": "no-such"})).json()
        assert "is unknown to its provider" in failed["error"]

        found = await client.get("/api/providers/mine")
        assert found.json()["key"] == "keyring"
        listed = await client.get("/api/providers", params={"text": "MINE"})
        assert [each["name"] for each in listed.json()["items"]] == ["mine"]
        assert KEY not in found.text + listed.text
        assert KEY not in str(await served.store.archive.documents("provider"))

        await client.post("/api/agents", json={"id": "asks", "name": "asks", "llm": {"model": "mine:m"}})
        problem(await client.delete("/api/providers/mine"), 409, "the agents 'asks' ask models of 'mine'")
        await client.delete("/api/agents/asks")
        assert (await client.delete("/api/providers/mine")).status_code == 204
        assert drawer.held == {}
        problem(await client.get("/api/providers/mine"), 404, "there is no provider 'mine'")
        problem(await client.post("/api/providers/mine/test", json={}), 404, "there is no provider 'mine'")
        problem(await client.put("/api/providers/mine/key", json={"key": KEY}), 404, "there is no provider 'mine'")


async def test_a_provider_that_changes_is_asked_at_its_new_address_at_once(serve: Serve, provider: Loopback) -> None:
    provider.behave()
    async with serve(store=MemoryStore()) as served:
        said = {"name": "mine", "base_url": "http://127.0.0.1:9/v1"}
        assert (await served.client.post("/api/providers", json=said)).status_code == 201
        assert "cannot be reached" in (await served.client.post("/api/providers/mine/test", json={})).json()["error"]
        await served.client.post("/api/agents", json={"id": "asks", "name": "asks", "llm": {"model": "mine:m"}})
        put = await served.client.put("/api/providers/mine", json={"base_url": f"{provider.url}/v1"})
        assert put.status_code == 200, put.text
        assert (await served.client.post("/api/providers/mine/test", json={})).json()["ok"]
        run = await served.ask(await served.create("asks"))
        assert await served.over(run["run_id"]) == "completed"
        off = await served.client.put("/api/providers/mine", json={"base_url": f"{provider.url}/v1", "enabled": False})
        assert off.json()["enabled"] is False
        assert "is switched off" in (await served.client.post("/api/providers/mine/test", json={})).json()["error"]
        assert "switched off" in (await served.client.get("/api/agents/asks")).json()["problems"][0]


async def test_what_no_provider_can_be_is_refused(serve: Serve) -> None:
    async with serve(
        store=MemoryStore(), settings={"providers": {"ours": {"base_url": "http://127.0.0.1:9"}}}
    ) as served:
        client = served.client
        wrong: list[dict[str, Any]] = [
            {"name": "a b"}, {"name": "x" * 65}, {"name": "a", "base_url": "ftp://host"}, {"name": "a", "kind": "soap"},
            {"name": "a", "base_url": "https://me:secret@host/v1"}, {"name": "a", "base_url": f"http://{'h' * 512}"},
            {"name": "a", "headers": {"a b": "c"}}, {"name": "a", "headers": {"a": "b\n"}}, {"name": "a", "key": KEY},
            {"name": "a", "max_concurrency": 0}, {"name": "a", "key_name": "A B"},
        ]  # fmt: skip
        for said in wrong:
            answer = await client.post("/api/providers", json=said)
            assert answer.status_code == 422, (said, answer.text)
            assert "secret" not in answer.text
            assert KEY not in answer.text
        problem(await client.post("/api/providers", json={"name": "own"}), 409, "needs a base_url")
        problem(
            await client.post("/api/providers", json={"name": "groq", "max_concurrency": 2}), 409, "needs a base_url"
        )
        clear = {"name": "own", "base_url": "http://127.0.0.1:9", "headers": {"authorization": f"Bearer {KEY}"}}
        problem(await client.post("/api/providers", json=clear), 409, "the header authorization holds a secret")
        for name, words in (("ours", "is described in the settings"), ("offline", "is part of Stretto")):
            problem(await client.put(f"/api/providers/{name}", json={}), 409, words)
            problem(await client.delete(f"/api/providers/{name}"), 409, words)
        problem(await client.delete("/api/providers/groq"), 409, "comes along; switch it off")
        off = await client.put("/api/providers/groq", json={"enabled": False})
        assert (off.status_code, off.json()["enabled"]) == (200, False)
        assert (await client.delete("/api/providers/groq")).status_code == 204
        assert (await client.get("/api/providers/groq")).json()["enabled"] is True


async def test_keys_are_written_only_and_need_a_keyring(
    serve: Serve, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with serve(store=MemoryStore()) as served:
        client = served.client
        for key in ("short", "x" * 513, "with spaces in the middle", "with\nlines-0123456789", "schlüssel-0123456789"):
            answer = await client.put("/api/providers/openai/key", json={"key": key})
            assert answer.status_code == 422
            assert key not in answer.text
        assert (await client.put("/api/providers/openai/key", json={"key": KEY})).status_code == 204
        assert drawer.held == {"openai": KEY}
        assert (await client.get("/api/providers/openai/key")).status_code == 405
        assert (await client.get("/api/providers/openai")).json()["key"] == "keyring"
        assert (await client.delete("/api/providers/openai/key")).status_code == 204
        problem(await client.delete("/api/providers/openai/key"), 404, "there is no key in the keyring")
        monkeypatch.setattr("keyring.core._keyring_backend", fail.Keyring())
        assert isinstance(keyring.get_keyring(), fail.Keyring)
        problem(await client.put("/api/providers/openai/key", json={"key": KEY}), 409, "no keyring that can be used")
        assert (
            "there is no key for 'openai'" in (await client.post("/api/providers/openai/test", json={})).json()["error"]
        )


async def test_a_key_never_goes_to_another_address_than_the_one_it_was_given_for(
    serve: Serve, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    monkeypatch.setenv("SOME_SECRET", KEY)
    evil = "http://127.0.0.1:9/v1"
    drawer.held["openrouter"] = KEY
    named = "variables of the environment"
    attempts: list[tuple[dict[str, Any], int, str]] = [
        ({"name": "mistral", "base_url": evil}, 403, "the environment holds a key for 'mistral'"),
        ({"name": "openrouter", "base_url": evil}, 409, "a key is kept for 'openrouter'"),
        ({"name": "thief", "base_url": evil, "key_name": "SOME_SECRET"}, 403, named),
        (
            {"name": "thief", "base_url": evil, "headers": {"x-a": "${SOME_SECRET}"}},
            403,
            "variables of the environment",
        ),
    ]
    async with serve(store=MemoryStore()) as served:
        for said, status, words in attempts:
            problem(await served.client.post("/api/providers", json=said), status, words)
        assert await served.store.archive.documents("provider") == []
    bearer = {"authorization": f"Bearer {TOKEN}"}
    async with serve(store=MemoryStore(), settings={"server": {"token": TOKEN}}, headers=bearer) as served:
        for said, _, _ in attempts[2:]:
            made = await served.client.post(
                "/api/providers", json={**said, "name": f"own{len(said)}-{'headers' in said}"}
            )
            assert made.status_code == 201, made.text
            assert KEY not in made.text
        unset = {"name": "unset", "base_url": evil, "headers": {"x-a": "${NOT_SET_ANYWHERE}"}}
        problem(await served.client.post("/api/providers", json=unset), 409, "NOT_SET_ANYWHERE, which is not set")


async def test_what_is_kept_of_a_provider_and_cannot_be_used_is_told(serve: Serve) -> None:
    store = MemoryStore()
    await store.archive.put_document(Document(kind="provider", id="torn", name="torn", body={"kind": "soap"}))
    await store.archive.put_document(Document(kind="model", id="openai:torn", name="openai:torn", body={"name": ""}))
    async with serve(store=store) as served:
        assert "describe it anew" in (await served.client.get("/api/providers/torn")).json()["problem"]
        told = (await served.client.get("/api/settings")).json()["problems"]
        assert told.keys() == {"provider torn", "model openai:torn"}
        mended = await served.client.put("/api/providers/torn", json={"base_url": "http://127.0.0.1:9/v1"})
        assert (mended.status_code, mended.json()["problem"]) == (200, "")


async def test_the_offline_models_need_no_test(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        assert (await served.client.post("/api/providers/offline/test", json={})).json()["models"] == [
            "reader", "surveyor",
        ]  # fmt: skip
        asked = (await served.client.post("/api/providers/offline/test", json={"model": "reader"})).json()
        assert asked["ok"]
        assert asked["answer"]


async def test_models_are_listed_with_prices_and_described_anew(serve: Serve, provider: Loopback) -> None:
    provider.behave()
    settings = {
        "providers": {"chat": {"base_url": f"{provider.url}/v1"}},
        "prices": {"chat:priced": {"input": 1.5, "output": 2}, "chat:*": {"input": 0.25, "output": 0.5}},
    }
    async with serve(store=MemoryStore(), settings=settings) as served:
        client = served.client
        known = (await client.get("/api/models", params={"provider": "mistral", "limit": 3})).json()
        assert known["total"] > 3
        assert all(each["provider"] == "mistral" and each["origin"] == "known" for each in known["items"])
        small = (await client.get("/api/models/openai:gpt-4o-mini")).json()
        assert (small["price"]["input"], small["price"]["output"], small["price"]["cached"]) == (0.15, 0.6, 0.075)
        assert small["context_window"] == 128_000
        offline = (await client.get("/api/models/offline:reader")).json()
        assert offline["price"] == {"input": 0, "output": 0, "cached": 0, "cache_write": 0}
        priced = (await client.get("/api/models/chat:priced")).json()
        assert (priced["origin"], priced["price"]["input"]) == ("settings", 1.5)

        said = {
            "id": "chat:meta/own", "name": "Our own", "context_window": 4096, "max_output_tokens": 512,
            "temperature": 0.125, "is_reasoning": False,
            "price": {"input": 1000, "output": 1000, "cached": 1, "cache_write": None},
        }  # fmt: skip
        made = await client.post("/api/models", json=said)
        assert made.status_code == 201, made.text
        assert {key: made.json()[key] for key in said} == said
        found = (await client.get("/api/models", params={"kept": True, "text": "our own"})).json()
        assert [each["id"] for each in found["items"]] == ["chat:meta/own"]
        await client.post("/api/agents", json={"id": "asks", "name": "asks", "llm": {"model": "chat:meta/own"}})
        workflow_id = await served.create("asks")
        assert await served.over((await served.ask(workflow_id))["run_id"]) == "completed"
        assert provider.requests[-1]["body"]["temperature"] == 0.125
        assert (await served.store.records.workflow(workflow_id)).total_cost_usd == pytest.approx(0.027)

        changed = await client.put("/api/models/chat:meta/own", json={"context_window": 2048})
        assert (changed.json()["temperature"], changed.json()["context_window"]) == (None, 2048)
        assert changed.json()["price"]["input"] == 0.25
        assert (await client.delete("/api/models/chat:meta/own")).status_code == 204
        problem(await client.get("/api/models/chat:meta/own"), 404, "there is no model")
        problem(await client.put("/api/models/chat:meta/own", json={}), 404, "there is no described model")
        problem(await client.delete("/api/models/chat:meta/own"), 404, "there is no described model")


async def test_what_no_model_can_be_is_refused(serve: Serve) -> None:
    async with serve(store=MemoryStore(), settings={"prices": {"openai:x": {"input": 1, "output": 1}}}) as served:
        client = served.client
        wrong: list[dict[str, Any]] = [
            {"id": "bare"}, {"id": f"openai:{'x' * 200}"}, {"id": "openai:a b"},
            {"id": "openai:a", "context_window": 1023},
            {"id": "openai:a", "context_window": 2_000_001}, {"id": "openai:a", "max_output_tokens": 255},
            {"id": "openai:a", "temperature": 2.5}, {"id": "openai:a", "price": {"input": 1001, "output": 0}},
            {"id": "openai:a", "price": {"input": -1, "output": 0}}, {"id": "openai:a", "name": "x" * 65},
        ]  # fmt: skip
        for said in wrong:
            assert (await client.post("/api/models", json=said)).status_code == 422, said
        for said, words in (
            ({"id": "nobody:x"}, "there is no provider 'nobody'"), ({"id": "offline:x"}, "are what they are"),
            ({"id": "openai:x", "price": {"input": 2, "output": 2}}, "is in the settings"),
        ):  # fmt: skip
            problem(await client.post("/api/models", json=said), 409, words)
        assert (await client.post("/api/models", json={"id": "openai:a"})).status_code == 201
        problem(await client.post("/api/models", json={"id": "openai:a"}), 409, "is described already")
