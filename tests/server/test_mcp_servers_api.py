"""MCP servers over real HTTP: described, tried, started and stopped, with secrets that nobody is told."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends import fail

from stretto.configuring.kept_servers import holds_key, is_secret, variables_of
from stretto.tools.mcp.servers import McpServers
from tests.server.conftest import Serve, agent
from tests.server.keyrings import Drawer

pytestmark = pytest.mark.anyio

BY_HAND = Path(__file__).parents[1] / "tools" / "mcp_servers_for_tests.py"
EVERYTHING = (
    Path(__file__).parents[1] / "mcp_servers/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
)
TOKEN = "a-token-of-the-tests-0123456789"
WITH_TOKEN: dict[str, Any] = {
    "settings": {"server": {"token": TOKEN}},
    "headers": {"authorization": f"Bearer {TOKEN}"},
}
SECRET = "s3cr3t-that-nobody-may-see"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    made = Drawer()
    monkeypatch.setattr("keyring.core._keyring_backend", made)
    return made


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", fail.Keyring())
    assert isinstance(keyring.get_keyring(), fail.Keyring)


def by_hand(name: str = "hand", manners: str = "Server", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": sys.executable, "args": [str(BY_HAND), manners], "stop_timeout": 1, **fields}


def held_by(folder: Path) -> bytes:
    """Returns all that a database has on disk."""
    return b"".join(path.read_bytes() for path in folder.glob("secrets.db*"))


async def test_a_server_is_described_tried_started_stopped_and_removed(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        client = served.client
        made = await client.post("/api/mcp_servers", json=by_hand(description="By hand."))
        assert made.status_code == 201, made.text
        told = made.json()
        assert (told["name"], told["origin"], told["type"]) == ("hand", "stored", "stdio")
        assert (told["status"]["state"], told["args"]) == ("idle", [str(BY_HAND), "Server"])
        tried = (await client.post("/api/mcp_servers/hand/test")).json()
        assert "echo" in tried["tools"]
        assert (tried["ok"], tried["latency"] >= 0) == (True, True)
        assert tried["text"].startswith(f"hand: found {len(tried['tools'])} tools in ")
        assert (await client.get("/api/mcp_servers/hand/status")).json()["state"] == "ready"
        assert (await client.post("/api/mcp_servers/hand/stop")).json()["state"] == "stopped"
        assert (await client.post("/api/mcp_servers/hand/start")).json()["state"] == "ready"
        assert (await client.post("/api/mcp_servers/hand/restart")).json()["state"] == "ready"
        page = (await client.get("/api/mcp_servers", params={"limit": 1})).json()
        assert (page["total"], page["items"][0]["status"]["tools"]) == (1, None)
        assert (await client.delete("/api/mcp_servers/hand")).status_code == 204
        assert served.house.room.servers.names == ()
        assert (await client.get("/api/mcp_servers/hand")).status_code == 404
        assert (await client.delete("/api/mcp_servers/hand")).status_code == 404


async def test_a_real_server_from_npm_answers(serve: Serve) -> None:
    if not EVERYTHING.is_file() or shutil.which("node") is None:
        pytest.fail("the MCP server 'everything' is not installed: python3 dev.py test installs it")
    described = {"name": "everything", "command": "node", "args": [str(EVERYTHING)]}
    async with serve(**WITH_TOKEN) as served:
        tried = (await served.client.post("/api/mcp_checks", json=described)).json()
        assert tried["ok"], tried["error"]
        assert "echo" in tried["tools"]
        assert (await served.client.get("/api/mcp_servers")).json()["total"] == 0


async def test_a_program_needs_a_token(serve: Serve) -> None:
    async with serve() as served:
        for path in ("/api/mcp_servers", "/api/mcp_checks"):
            refused = await served.client.post(path, json=by_hand())
            assert (refused.status_code, refused.json()["code"]) == (403, "token_required"), refused.text
            assert "server.token" in refused.json()["detail"]
        reached = {"name": "far", "url": "http://127.0.0.1:9/mcp", "connect_timeout": 2, "max_restarts": 0}
        assert (await served.client.post("/api/mcp_servers", json=reached)).status_code == 201
        assert (await served.client.put("/api/mcp_servers/far", json=by_hand("far"))).status_code == 403
        started = await served.client.post("/api/mcp_servers/far/start")
        assert started.status_code == 502, started.text
        assert "'far'" in started.json()["detail"]
        tried = (await served.client.post("/api/mcp_servers/far/test")).json()
        assert (tried["ok"], tried["tools"], tried["latency"]) == (False, [], None)
        assert "far" in tried["text"]


async def test_a_program_that_was_described_with_a_token_is_not_started_without_one(
    serve: Serve, tmp_path: Path
) -> None:
    place = tmp_path / "shared.db"
    async with serve(place=place, **WITH_TOKEN) as served:
        assert (await served.client.post("/api/mcp_servers", json=by_hand())).status_code == 201
    async with serve(place=place) as served:
        told = (await served.client.get("/api/mcp_servers/hand")).json()
        assert told["status"]["state"] == "broken"
        assert "server.token" in told["status"]["last_error"]
        assert (await served.client.post("/api/mcp_servers/hand/start")).status_code == 403
        assert served.house.room.servers.names == ()
        disabled = {"settings": {"server": {"token": TOKEN}}, "headers": WITH_TOKEN["headers"]}
    async with serve(place=place, **disabled) as served:
        assert served.house.room.servers.names == ("hand",)


async def test_a_change_applies_at_once_and_a_running_server_goes_on_with_it(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        await served.client.post("/api/mcp_servers", json=by_hand())
        assert "echo" in (await served.client.post("/api/mcp_servers/hand/test")).json()["tools"]
        changed = await served.client.put("/api/mcp_servers/hand", json=by_hand(manners="Liar"))
        assert changed.status_code == 200, changed.text
        assert changed.json()["status"]["state"] == "idle"
        assert "good" in (await served.client.post("/api/mcp_servers/hand/test")).json()["tools"]
        status = (await served.client.get("/api/mcp_servers/hand/status")).json()
        assert status["problems"]
        renamed = await served.client.put("/api/mcp_servers/hand", json=by_hand("other", disabled=True))
        assert renamed.json()["name"] == "other"
        assert (await served.client.get("/api/mcp_servers/hand")).status_code == 404
        for way in ("start", "stop", "restart"):
            refused = await served.client.post(f"/api/mcp_servers/other/{way}")
            assert (refused.status_code, refused.json()["code"]) == (409, "disabled")


async def test_names_are_taken_once(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        assert (await served.client.post("/api/mcp_servers", json=by_hand("one"))).status_code == 201
        assert (await served.client.post("/api/mcp_servers", json=by_hand("two"))).status_code == 201
        assert (await served.client.post("/api/mcp_servers", json=by_hand("two"))).status_code == 409
        assert (await served.client.put("/api/mcp_servers/one", json=by_hand("two"))).status_code == 409
        assert (await served.client.put("/api/mcp_servers/none", json=by_hand("none"))).status_code == 404


async def test_a_server_that_agents_name_stays(serve: Serve) -> None:
    async with serve(agents=[agent(mcp_servers=("hand",))], **WITH_TOKEN) as served:
        told = await served.client.post("/api/mcp_servers", json=by_hand())
        assert told.json()["used_by"] == ["helper"]
        for refused in (
            await served.client.delete("/api/mcp_servers/hand"),
            await served.client.put("/api/mcp_servers/hand", json=by_hand("other")),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
            assert "'helper'" in refused.json()["detail"]


async def test_servers_of_a_file_are_shown_without_their_values_and_cannot_be_changed(
    serve: Serve, tmp_path: Path
) -> None:
    said = {
        "filed": {**by_hand(), "args": [str(BY_HAND), "Server", f"--token={SECRET}"], "env": {"PLAIN": "x"}},
        "far": {"url": f"https://somebody:{SECRET}@example.com/mcp?key={SECRET}", "headers": {"X-Api-Key": SECRET}},
    }
    for entry in said.values():
        entry.pop("name", None)
    path = tmp_path / "servers.json"
    path.write_text(json.dumps({"mcpServers": said}))
    settings = {"mcp_servers": str(path), **WITH_TOKEN["settings"]}
    async with serve(settings=settings, headers=WITH_TOKEN["headers"]) as served:
        listed = await served.client.get("/api/mcp_servers")
        assert SECRET not in listed.text
        far, filed = (each for each in listed.json()["items"] if each["name"] in said)
        assert (filed["origin"], filed["env"], filed["args"][-1]) == ("file", {"PLAIN": None}, "--token=…")
        assert (far["url"], far["headers"]) == ("https://example.com/mcp", {"X-Api-Key": None})
        assert (await served.client.post("/api/mcp_servers", json=by_hand("filed"))).status_code == 409
        for refused in (
            await served.client.put("/api/mcp_servers/filed", json=by_hand("filed")),
            await served.client.delete("/api/mcp_servers/filed"),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "read_only")


async def test_secrets_lie_in_the_keyring_and_reach_the_server_alone(
    serve: Serve, drawer: Drawer, tmp_path: Path
) -> None:
    place = tmp_path / "secrets.db"
    described = by_hand(env={"API_TOKEN": SECRET, "PLAIN": "seen", "LOOKS": "sk-abcdefghijklmnop"})
    async with serve(place=place, **WITH_TOKEN) as served:
        made = await served.client.post("/api/mcp_servers", json=described)
        assert made.status_code == 201, made.text
        assert made.json()["env"] == {"API_TOKEN": None, "PLAIN": "seen", "LOOKS": None}
        assert sorted(drawer.held.values()) == [SECRET, "sk-abcdefghijklmnop"]
        changed = by_hand(env={"API_TOKEN": None, "PLAIN": "seen"}, description="Changed.")
        told = await served.client.put("/api/mcp_servers/hand", json=changed)
        assert told.status_code == 200, told.text
        assert list(drawer.held.values()) == [SECRET]  # what is not needed any more is gone
        assert SECRET not in (await served.client.get("/api/mcp_servers")).text
        assert SECRET.encode() not in held_by(tmp_path)
        config = served.house.room.servers._config.servers["hand"]
        assert config.env["API_TOKEN"].get_secret_value() == SECRET  # type: ignore[union-attr]  # it is a program
        again = await served.client.put("/api/mcp_servers/hand", json=by_hand(env={"OTHER_TOKEN": None}))
        assert (again.status_code, again.json()["code"]) == (409, "no_secret")
        assert "env.OTHER_TOKEN" in again.json()["detail"]
    kept = dict(drawer.held)
    drawer.held.clear()
    async with serve(place=place, **WITH_TOKEN) as served:
        broken = (await served.client.get("/api/mcp_servers/hand")).json()["status"]
        assert broken["state"] == "broken"
        assert "env.API_TOKEN is not in the system's keyring" in broken["last_error"]
        refused = await served.client.post("/api/mcp_servers/hand/test")
        assert (refused.status_code, refused.json()["code"]) == (409, "broken")
        drawer.held.update(kept)
        assert (await served.client.delete("/api/mcp_servers/hand")).status_code == 204
        assert drawer.held == {}


async def test_without_a_keyring_a_secret_is_refused_and_a_variable_is_not(
    serve: Serve, no_keyring: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(**WITH_TOKEN) as served:
        refused = await served.client.post("/api/mcp_servers", json=by_hand(env={"API_TOKEN": SECRET}))
        assert (refused.status_code, refused.json()["code"]) == (409, "unusable")
        assert "${VARIABLE}" in refused.json()["detail"]
        assert SECRET not in refused.text
        assert (await served.client.get("/api/mcp_servers")).json()["total"] == 0  # nothing half written
        described = by_hand(env={"API_TOKEN": "${GIVEN_TOKEN}"})
        unset = await served.client.post("/api/mcp_servers", json=described)
        assert unset.status_code == 409
        assert "GIVEN_TOKEN is not set" in unset.json()["detail"]
        monkeypatch.setenv("GIVEN_TOKEN", SECRET)
        made = await served.client.post("/api/mcp_servers", json=described)
        assert made.status_code == 201, made.text
        assert (made.json()["env"], made.json()["variables"]) == ({"API_TOKEN": "${GIVEN_TOKEN}"}, ["GIVEN_TOKEN"])
        assert (await served.client.post("/api/mcp_servers/hand/test")).json()["ok"]


SECRETS_IN_SIGHT: list[tuple[dict[str, Any], str]] = [
    ({"args": ["--api-key", SECRET]}, "args.1"),
    ({"args": [f"--token={SECRET}"]}, "args.0"),
    ({"args": ["ghp_0123456789abcdefghij"]}, "args.0"),
    ({"command": None, "args": None, "url": f"https://me:{SECRET}@example.com/mcp"}, "url"),
    ({"command": None, "args": None, "url": f"https://example.com/mcp?token={SECRET}"}, "url"),
]


async def test_arguments_and_addresses_hold_no_secrets(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        for fields, where in SECRETS_IN_SIGHT:
            described = {key: value for key, value in {**by_hand(), **fields}.items() if value is not None}
            refused = await served.client.post("/api/mcp_servers", json=described)
            assert refused.status_code == 409
            assert where in refused.json()["detail"]
            assert SECRET not in refused.text


BROKEN_RULES: list[tuple[dict[str, Any], str]] = [
    ({"name": "x"}, "command"),
    ({"name": "x", "command": "a", "url": "http://localhost"}, "url"),
    ({"name": "x", "url": "http://localhost", "args": ["a"]}, "args"),
    ({"name": "x", "command": "a", "headers": {"A": "b"}}, "headers"),
    ({"name": "no spaces", "command": "a"}, "name"),
    ({"name": "x", "command": "a\u0000"}, "command"),
    ({"name": "x", "command": "a", "env": {"1A": "b"}}, "env"),
    ({"name": "x", "command": "a", "args": ["a"] * 51}, "args"),
    ({"name": "x", "command": "a", "args": ["a" * 513]}, "args"),
    ({"name": "x", "url": "ftp://localhost"}, "url"),
    ({"name": "x", "command": "a", "more": 1}, "more"),
]


async def test_a_description_that_breaks_a_rule_is_refused_with_the_field(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        for described, word in BROKEN_RULES:
            for path in ("/api/mcp_servers", "/api/mcp_checks"):
                refused = await served.client.post(path, json=described)
                assert refused.status_code == 422, refused.text
                assert word in refused.text


async def test_a_server_that_ends_tells_its_last_lines(serve: Serve) -> None:
    async with serve(**WITH_TOKEN) as served:
        await served.client.post("/api/mcp_servers", json=by_hand(manners="Short", max_restarts=0))
        failed = await served.client.post("/api/mcp_servers/hand/start")
        assert failed.status_code == 502
        assert "no licence found" in failed.json()["detail"]
        log = (await served.client.get("/api/mcp_servers/hand/log")).json()
        assert log == {"name": "hand", "lines": ["no licence found"]}
        assert "no licence" in (await served.client.get("/api/mcp_servers/hand")).json()["status"]["last_error"]


async def test_several_that_are_described_at_once_are_all_there(serve: Serve) -> None:
    import anyio

    async with serve(**WITH_TOKEN) as served:

        async def make(number: int) -> None:
            made = await served.client.post("/api/mcp_servers", json=by_hand(f"s{number}"))
            assert made.status_code == 201

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(make, number)
        names = sorted(served.house.room.servers.names)
        assert names == [f"s{number}" for number in range(6)]


async def test_a_tried_description_keeps_no_secret(serve: Serve, drawer: Drawer) -> None:
    async with serve(**WITH_TOKEN) as served:
        refused = await served.client.post("/api/mcp_checks", json=by_hand(env={"A": None}))
        assert refused.status_code == 409
        tried = await served.client.post("/api/mcp_checks", json=by_hand(env={"API_TOKEN": SECRET}))
        assert tried.json()["ok"]
        assert SECRET not in tried.text
        assert drawer.held == {}
        assert isinstance(served.house.room.servers, McpServers)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("GITHUB_TOKEN", "x", True),
        ("X-Api-Key", "x", True),
        ("Authorization", "Bearer abc", True),
        ("Authorization", "Bearer ${ABC}", False),
        ("DB_PASSWORD", "${DB:-changeme}", True),
        ("DB_PASSWORD", "", False),
        ("HOME", "/home/somebody", False),
        ("LEVEL", "debug", False),
        ("ID", "0123456789abcdef0123456789abcdef", True),
        ("WHAT", "-----BEGIN OPENSSH", True),
        ("MODE", "a-rather-long-word-without-any-number-in-it-at-all", False),
    ],
)
def test_what_counts_as_a_secret(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value) is secret


def test_variables_are_found_wherever_they_stand() -> None:
    body = {"args": ["${B}", "x"], "env": {"A": "${A}-${C:-c}", "K": {"kept": "mcp/1"}}, "timeout": 3}
    assert variables_of(body) == ["A", "B"]
    assert not holds_key("/a/path/of/some/length/node_modules/server-1/dist/index.js")
