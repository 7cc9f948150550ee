"""Settings over HTTP: what counts, where it comes from, and changes that hold for the next execution."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from stretto.agents.validation import ApprovalSettings
from stretto.configuring.kept_settings import ApprovalChoice, BudgetChoice, ServerChoice
from stretto.configuring.settings import BudgetTable, ServerTable, load
from stretto.core.archive import Document
from stretto.core.ledger import Budget, Usage
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def problem(answer: httpx2.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"], answer.text


def test_what_can_be_chosen_are_fields_of_what_is_set() -> None:
    assert ApprovalChoice.model_fields.keys() == ApprovalSettings.model_fields.keys()
    assert BudgetChoice.model_fields.keys() == BudgetTable.model_fields.keys()
    assert ServerChoice.model_fields.keys() <= ServerTable.model_fields.keys()


async def test_settings_are_changed_brought_back_and_kept(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    async with serve(place=place) as served:
        before = (await served.client.get("/api/settings")).json()
        assert (before["model"], before["default_agent"], before["server"]["keep_days"]) == (None, "surveyor", None)
        said: dict[str, Any] = {
            "model": "offline:reader", "agent": "helper", "locale": "français", "budget": {"tokens": 500},
            "approvals": {"mode": "manual", "timeout": 60, "on_timeout": "escalate", "rules": [{"then": "deny"}]},
            "server": {"max_concurrent_workflows": 3, "keep_days": 2.5, "execution_timeout": 77},
        }  # fmt: skip
        changed = await served.client.patch("/api/settings", json=said)
        assert changed.status_code == 200, changed.text
        told = changed.json()
        assert (told["model"], told["agent"], told["default_agent"], told["locale"]) == (
            "offline:reader", "helper", "helper", "français",
        )  # fmt: skip
        assert (told["budget"], told["approvals"]["mode"]) == ({"tokens": 500, "cost": None}, "manual")
        assert told["server"] == said["server"]
        origins = {each["key"]: (each["origin"], each["changeable"]) for each in told["sources"]}
        assert origins["model"] == origins["budget.tokens"] == origins["approvals.rules"] == ("kept", True)
        assert (origins["budget.cost"], origins["agents"]) == (("default", True), ("options", False))
        assert origins["server.port"] == ("default", False)
        room = served.house.room
        assert room.run_settings()["budget"] == Budget(tokens=500)
        assert (room.approvals.settings.mode, room.default_agent) == ("manual", "helper")
        assert served.house.executions.limit == 3
        again = await served.client.patch("/api/settings", json={"budget": {"cost": 2.0}, "locale": None})
        assert (again.json()["budget"], again.json()["locale"]) == ({"tokens": 500, "cost": 2.0}, None)
    async with serve(place=place) as served:
        told = (await served.client.get("/api/settings")).json()
        assert (told["model"], told["budget"]["cost"], told["approvals"]["mode"]) == ("offline:reader", 2.0, "manual")
        nothing = dict.fromkeys(("model", "agent", "budget", "approvals", "server"))
        assert (await served.client.patch("/api/settings", json=nothing)).json() == before


async def test_what_files_environment_and_options_say_counts_more(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, set_files: None
) -> None:
    monkeypatch.setenv("STRETTO_LOCALE", "de")
    store = MemoryStore()
    kept = {"model": "offline:surveyor", "budget": {"tokens": 9, "cost": 9}, "server": {"keep_days": 3}}
    await store.archive.put_document(Document(kind="setting", id="setting", name="setting", body=kept))
    async with serve(store=store, settings=load(agent="helper").model_dump(exclude_unset=True)) as served:
        told = (await served.client.get("/api/settings")).json()
        assert (told["model"], told["locale"], told["server"]["keep_days"]) == ("offline:reader", "de", 3)
        assert told["budget"] == {"tokens": 9, "cost": 1.5}
        sources = {each["key"]: (each["origin"], each["where"], each["changeable"]) for each in told["sources"]}
        assert sources["model"] == sources["budget.cost"] == ("file", "stretto.toml", False)
        assert sources["locale"] == ("environment", "", False)
        assert sources["agent"] == ("options", "", False)
        assert sources["budget.tokens"] == ("kept", "", True)
        for said, words in (
            ({"model": None}, "model is said by stretto.toml, which counts more"),
            ({"budget": {"cost": 3}}, "budget.cost is said by stretto.toml"),
            ({"locale": "fr"}, "locale is said by the environment"),
            ({"agent": "helper", "server": {"keep_days": 5}}, "agent is said by the command line"),
        ):
            problem(await served.client.patch("/api/settings", json=said), 409, words)
        assert (await served.client.get("/api/settings")).json() == told


@pytest.fixture
def set_files(alone: None) -> None:
    Path("stretto.toml").write_text('model = "offline:reader"\n[budget]\ncost = 1.5\n', "utf-8")


async def test_what_no_setting_can_be_is_refused_and_nothing_changes(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        before = (await served.client.get("/api/settings")).json()
        wrong: list[dict[str, Any]] = [
            {"model": "bare"}, {"model": "a:\0"}, {"agent": "a b"}, {"locale": "x" * 65}, {"locale": "a\nb"},
            {"budget": {"tokens": 0}}, {"budget": {"cost": 0}}, {"approvals": {"mode": "never"}}, {"port": 1},
            {"approvals": {"timeout": 29}}, {"approvals": {"timeout": 301}}, {"server": {"port": 1}},
            {"server": {"max_concurrent_workflows": 0}}, {"server": {"keep_days": 0}}, {"database": "x"},
            {"approvals": {"rules": [{"then": "deny", "tool": "x" * 513}]}},
            {"approvals": {"rules": [{"then": "deny", "reason": "\0"}]}},
        ]  # fmt: skip
        for said in wrong:
            assert (await served.client.patch("/api/settings", json=said)).status_code == 422, said
        for said, words in (
            ({"model": "nobody:x"}, "there is no provider 'nobody'"),
            ({"agent": "nobody"}, "there is no agent 'nobody'"),
            ({"embedder": "nobody:x", "locale": "fr"}, "there is no provider 'nobody'"),
            ({"approvals": {"on_timeout": "escalate"}}, "needs a timeout after which it escalates"),
            ({"approvals": {"escalation_timeout": 60}}, "is read with on_timeout='escalate' only"),
        ):
            problem(await served.client.patch("/api/settings", json=said), 409, words)
        assert (await served.client.get("/api/settings")).json() == before


async def test_a_budget_holds_for_the_next_execution(serve: Serve) -> None:
    answer = Scripted(text="Much.", usage=Usage(input_tokens=300, output_tokens=300), cost=0.0)
    async with serve(models=[ScriptedModel(answer, forever=True)]) as served:
        workflow_id = await served.create()
        assert await served.over((await served.ask(workflow_id))["run_id"]) == "completed"
        assert (await served.client.patch("/api/settings", json={"budget": {"tokens": 1}})).status_code == 200
        assert await served.over((await served.ask(workflow_id))["run_id"]) == "error"


async def test_an_embedder_that_is_kept_and_cannot_be_had_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with serve(store=MemoryStore()) as served:
        missing = {"embedder": "openai:text-embedding-3-small"}
        problem(await served.client.patch("/api/settings", json=missing), 409, "there is no key for 'openai'")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-nothing-0123456789")
        assert (await served.client.patch("/api/settings", json=missing)).status_code == 200
        assert served.house.room.embedder is not None
        monkeypatch.delenv("OPENAI_API_KEY")
        await served.house.room.renew()
        told = (await served.client.get("/api/settings")).json()["problems"]
        assert "there is no key for 'openai'" in told["embedder"]
        assert served.house.room.embedder is None


async def test_settings_that_were_kept_and_cannot_be_read_stop_nothing(serve: Serve) -> None:
    for body, words in (
        ({"model": 7}, "the settings that were kept do not count: model"),
        ({"approvals": {"on_timeout": "escalate"}}, "needs a timeout"),
    ):
        store = MemoryStore()
        await store.archive.put_document(Document(kind="setting", id="setting", name="setting", body=body))
        async with serve(store=store) as served:
            told = (await served.client.get("/api/settings")).json()
            assert words in told["problems"]["settings"]
            changed = await served.client.patch(
                "/api/settings", json={"locale": "fr", "approvals": {"on_timeout": "reject"}}
            )
            assert (changed.json()["problems"], changed.json()["locale"]) == ({}, "fr")
