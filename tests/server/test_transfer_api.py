"""Export and import over real HTTP: what leaves one server arrives at another, without secrets, by a policy."""

import json
from typing import Any

import keyring
import pytest
from keyring.backends import fail

from stretto.core.archive import Document
from stretto.server.transfer_forms import LARGEST
from stretto.stores.memory import MemoryStore
from tests.server.conftest import Serve, Served, agent
from tests.server.keyrings import Drawer

pytestmark = pytest.mark.anyio

TOKEN = "a-token-of-the-tests-0123456789"
OPEN: dict[str, Any] = {
    "settings": {"server": {"token": TOKEN}},
    "headers": {"authorization": f"Bearer {TOKEN}"},
}
SECRET = "s3cr3t-that-nobody-may-see"
PROVIDER = {"name": "house", "base_url": "http://127.0.0.1:9/v1", "kind": "openai", "display_name": "Ours"}
MODEL = {"id": "house:large", "context_window": 32_000, "price": {"input": 1, "output": 2}}
SERVER = {"name": "git", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": SECRET, "X-Plain": "seen"}}
PROMPT = {"name": "Ask", "category": "coding", "content": "Look at {{file}}.", "variables": [{"name": "file"}]}
AGENT = {"name": "Writer", "llm": {"model": "house:large"}, "tools": ["TodoTool"], "mcp_servers": ["git"]}
KINDS = ("providers", "models", "mcp_servers", "prompts", "agents")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    made = Drawer()
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    assert keyring.get_keyring() is made
    return made


async def furnish(served: Served) -> None:
    """Describes one thing of each kind."""
    for kind, thing in zip(KINDS, (PROVIDER, MODEL, SERVER, PROMPT, AGENT), strict=True):
        made = await served.client.post(f"/api/{kind}", json=thing)
        assert made.status_code == 201, made.text
    changed = await served.client.patch("/api/settings", json={"locale": "fr"})
    assert changed.status_code == 200, changed.text


async def exported(served: Served, **asked: Any) -> dict[str, Any]:
    told = await served.client.post("/api/transfer/export", json=asked)
    assert told.status_code == 200, told.text
    assert SECRET not in told.text
    package: dict[str, Any] = told.json()
    return package


async def imported(served: Served, package: dict[str, Any], **asked: Any) -> dict[str, tuple[str, str]]:
    """Imports a package; returns the outcome of each thing, and its name or what is wrong."""
    told = await served.client.post("/api/transfer/import", json={"package": package, **asked})
    assert told.status_code == 200, told.text
    return {
        f"{item['kind']}/{item['name']}": (item["outcome"], item["detail"] or item["new_name"])
        for item in told.json()["items"]
    }


VALUES = {"mcp_servers/git/headers.X-Api-Key": SECRET}


async def test_what_leaves_one_server_arrives_at_another(serve: Serve, drawer: Drawer) -> None:
    async with serve(store=MemoryStore(), **OPEN) as served:
        await furnish(served)
        package = await exported(served)
    assert package["schema_version"] == "1.0"
    assert package["manifest"]["counts"] == {**dict.fromkeys(KINDS, 1), "settings": 1}
    assert package["mcp_servers"][0]["headers"] == {"X-Api-Key": None, "X-Plain": "seen"}
    assert "id" not in package["agents"][0]
    drawer.held.clear()
    async with serve(store=MemoryStore(), **OPEN) as served:
        seen = (await served.client.post("/api/transfer/preview", json={"package": package})).json()
        assert seen["ready"] is False
        assert {item["action"] for item in seen["items"]} == {"create"}
        needs = [need for item in seen["items"] for need in item["needs"]]
        assert needs == [{"id": next(iter(VALUES)), "kind": "secret", "field": "headers.X-Api-Key"}]
        early = await served.client.post("/api/transfer/import", json={"package": package})
        assert (early.status_code, early.json()["code"]) == (409, "not_ready")
        assert next(iter(VALUES)) in early.json()["detail"]
        assert (await served.client.get("/api/prompts")).json()["total"] == 0  # nothing is half written
        told = await imported(served, package, values=VALUES)
        assert {outcome for outcome, _ in told.values()} == {"created"}
        assert list(drawer.held.values()) == [SECRET]
        again = await exported(served)
        for kind in (*KINDS, "settings"):
            assert again[kind] == package[kind]


async def test_a_taken_name_is_skipped_overwritten_or_given_another(serve: Serve, drawer: Drawer) -> None:
    async with serve(store=MemoryStore(), **OPEN) as served:
        await furnish(served)
        package = json.loads(json.dumps(await exported(served)))
        package["prompts"][0]["content"] = "Another {{file}}."
        package["agents"][0]["description"] = "Another."
        package["models"][0]["context_window"] = 64_000
        package["providers"][0]["display_name"] = "Theirs"
        package["settings"]["locale"] = "de"
        skipped = await imported(served, package)
        assert {outcome for outcome, _ in skipped.values()} == {"skipped"}
        renamed = await imported(served, package, conflicts="rename", values=VALUES)
        assert renamed == {
            "providers/house": ("skipped", "house"), "models/house:large": ("skipped", "house:large"),
            "mcp_servers/git": ("renamed", "git_2"), "prompts/Ask": ("renamed", "Ask 2"),
            "agents/Writer": ("renamed", "Writer 2"), "settings/settings": ("skipped", "settings"),
        }  # fmt: skip
        agents = {each["name"]: each for each in (await served.client.get("/api/agents")).json()["items"]}
        second = (await served.client.get(f"/api/agents/{agents['Writer 2']['id']}")).json()
        assert (second["mcp_servers"], second["description"]) == (["git_2"], "Another.")  # it follows its server
        over = await imported(served, package, conflicts="overwrite", choices={"agents/Writer": "skip"})
        assert over.pop("agents/Writer") == ("skipped", "Writer")
        assert {outcome for outcome, _ in over.values()} == {"overwritten"}  # the kept secret stays
        assert sorted(drawer.held.values()) == [SECRET, SECRET]
        after = await exported(served)
        assert after["settings"]["locale"] == "de"
        assert after["models"][0]["context_window"] == 64_000
        first = (await served.client.get(f"/api/agents/{agents['Writer']['id']}")).json()
        assert first["description"] == ""


async def test_some_things_can_be_exported_alone(serve: Serve, drawer: Drawer) -> None:
    async with serve(store=MemoryStore(), **OPEN) as served:
        await furnish(served)
        await served.client.post("/api/prompts", json={**PROMPT, "name": "Other"})
        some = await exported(served, kinds=["prompts", "settings"], names={"prompts": ["Other"]})
        assert [prompt["name"] for prompt in some["prompts"]] == ["Other"]
        assert (some["agents"], some["settings"]["locale"]) == ([], "fr")
        unknown = await served.client.post("/api/transfer/export", json={"names": {"agents": ["Nobody"]}})
        assert unknown.status_code == 404
        broken = Document(kind="prompt", id="b", name="Broken", body={"content": ""})
        await served.store.archive.put_document(broken)
        whole = await exported(served)
        assert whole["manifest"]["left_out"] == ["prompts/Broken: what is kept of it cannot be read"]


async def test_variables_that_are_not_set_are_asked_for(
    serve: Serve, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAR_AWAY", raising=False)
    server = {"name": "git", "command": "node", "args": ["x"], "env": {"GIT_TOKEN": "${FAR_AWAY}", "A": "${B:-b}"}}
    package = {"schema_version": "1.0", "mcp_servers": [server]}
    need = "mcp_servers/git/variable.FAR_AWAY"
    async with serve(store=MemoryStore(), **OPEN) as served:
        seen = (await served.client.post("/api/transfer/preview", json={"package": package})).json()
        assert seen["items"][0]["needs"] == [{"id": need, "kind": "variable", "field": "FAR_AWAY"}]
        assert await imported(served, package, values={need: SECRET}) == {"mcp_servers/git": ("created", "git")}
        assert list(drawer.held.values()) == [SECRET]
        held = (await served.client.get("/api/mcp_servers/git")).json()
        assert held["env"] == {"GIT_TOKEN": None, "A": "${B:-b}"}
        provider = {**PROVIDER, "headers": {"X-Where": "${FAR_AWAY}"}}
        lacking = {"schema_version": "1.0", "providers": [provider]}
        seen = (await served.client.post("/api/transfer/preview", json={"package": lacking})).json()
        assert "FAR_AWAY" in seen["items"][0]["problem"]


async def test_without_a_token_neither_programs_nor_variables_are_imported(serve: Serve) -> None:
    program = {"name": "one", "command": "node"}
    reader = {"name": "two", "url": "http://127.0.0.1:9/${HOME}"}
    package = {"schema_version": "1.0", "mcp_servers": [program, reader]}
    async with serve(store=MemoryStore()) as served:
        seen = (await served.client.post("/api/transfer/preview", json={"package": package})).json()
        assert all("token" in item["problem"] for item in seen["items"])
        refused = await served.client.post("/api/transfer/import", json={"package": package})
        assert refused.status_code == 409
        direct = await served.client.post("/api/mcp_servers", json=reader)
        assert (direct.status_code, direct.json()["code"]) == (403, "token_required")
        assert (await served.client.get("/api/mcp_servers")).json()["total"] == 0


async def test_what_a_file_describes_is_not_overwritten(serve: Serve) -> None:
    package = {"schema_version": "1.0", "agents": [{"name": "helper"}]}
    async with serve(store=MemoryStore(), agents=[agent()]) as served:
        asked = {"package": package, "conflicts": "overwrite"}
        seen = (await served.client.post("/api/transfer/preview", json=asked)).json()
        assert "cannot be overwritten" in seen["items"][0]["problem"]
        assert (await served.client.post("/api/transfer/import", json=asked)).status_code == 409
        told = await imported(served, package, conflicts="rename")
        assert told == {"agents/helper": ("renamed", "helper 2")}
        fixed = {"schema_version": "1.0", "providers": [{"name": "offline"}]}
        asked = {"package": fixed, "conflicts": "overwrite"}
        seen = (await served.client.post("/api/transfer/preview", json=asked)).json()
        assert "cannot be overwritten" in seen["items"][0]["problem"]


async def test_one_thing_that_fails_does_not_keep_the_others(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", fail.Keyring())
    package = {
        "schema_version": "1.0", "mcp_servers": [SERVER], "prompts": [PROMPT],
        "agents": [{**AGENT, "llm": {}, "mcp_servers": []}, {"name": "Lost", "tools": ["NoSuchTool"]}],
    }  # fmt: skip
    async with serve(store=MemoryStore(), **OPEN) as served:
        told = await imported(served, package)
        assert told["prompts/Ask"][0] == told["agents/Writer"][0] == "created"
        assert told["mcp_servers/git"][0] == told["agents/Lost"][0] == "failed"
        assert "${VARIABLE}" in told["mcp_servers/git"][1]
        assert "NoSuchTool" in told["agents/Lost"][1]
        assert SECRET not in str(told)


async def test_a_package_that_cannot_be_read_is_refused_whole(serve: Serve) -> None:
    broken: list[tuple[dict[str, Any], str]] = [
        ({}, "schema_version"),
        ({"schema_version": "2.0"}, "schema_version"),
        ({"schema_version": "1.0", "workflows": []}, "workflows"),
        ({"schema_version": "1.0", "prompts": [PROMPT, {"name": "x"}]}, "prompts.1.content"),
        ({"schema_version": "1.0", "agents": [{"name": "a\x00"}]}, "agents.0.name"),
    ]
    settings = {"server": {"max_body": 2 * LARGEST}}
    async with serve(store=MemoryStore(), settings=settings) as served:
        for package, word in broken:
            for way in ("preview", "import"):
                refused = await served.client.post(f"/api/transfer/{way}", json={"package": package})
                assert refused.status_code == 422, refused.text
                assert word in refused.text
        twice = {"package": {"schema_version": "1.0", "prompts": [PROMPT, PROMPT]}}
        assert (await served.client.post("/api/transfer/import", json=twice)).json()["code"] == "twice"
        foreign = {"package": {"schema_version": "1.0"}, "choices": {"agents/Nobody": "skip"}}
        assert (await served.client.post("/api/transfer/preview", json=foreign)).json()["code"] == "unknown_choice"
        whole = json.dumps({"package": {"schema_version": "1.0"}})
        large = whole + " " * (LARGEST + 1 - len(whole))
        headers = {"content-type": "application/json"}
        refused = await served.client.post("/api/transfer/preview", content=large, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert (await served.client.get("/api/prompts")).json()["total"] == 0
