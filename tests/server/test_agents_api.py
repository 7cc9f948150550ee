"""Agents over HTTP: described, listed, copied, changed while others run, and deleted when nothing needs them."""

import json
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from stretto.agents.config import AgentConfig
from stretto.core.archive import Document
from stretto.core.step import Context
from stretto.models.model import Model, ModelCall, Reply
from stretto.stores.memory import MemoryStore
from stretto.testing import ScriptedModel
from tests.server.conftest import Serve, agent

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Held(Model):
    """A model that answers when it is let."""

    def __init__(self) -> None:
        self.id = self.name = "scripted:held"
        self.asked, self.let = anyio.Event(), anyio.Event()
        self.prompts: list[str] = []
        self.inner = ScriptedModel("Let go.", forever=True)

    async def execute(self, input: ModelCall, context: Context) -> Reply:
        self.prompts.append(input.system)
        self.asked.set()
        await self.let.wait()
        return await self.inner.execute(input, context)


def problem(answer: httpx2.Response, status: int, words: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    assert words in told["detail"], told
    return told


OFFLINE = {"model": "offline:reader"}


async def test_an_agent_is_described_found_changed_and_deleted(serve: Serve) -> None:
    async with serve() as served:
        said = {
            "name": "Écrivain 作家", "description": "Writes.",
            "llm": {**OFFLINE, "temperature": 0.3, "max_tokens": 512},
            "tools": ["CalculatorTool", "DelegateTaskTool"], "system_prompt": "Write short.", "max_tool_iterations": 7,
            "enable_thinking": False, "plan_mode": True, "history_limit": 9, "context": "trim", "max_tool_output": 200,
        }  # fmt: skip
        made = await served.client.post("/api/agents", json=said)
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        found = (await served.client.get(f"/api/agents/{id}")).json()
        assert found == made.json()
        assert {**found, "llm": None} | {key: said[key] for key in said if key != "llm"} == {**found, "llm": None}
        assert found["llm"] == {"model": "offline:reader", "temperature": 0.3, "max_tokens": 512, "fallbacks": []}
        assert (found["origin"], found["lifecycle"], found["changeable"]) == ("stored", "permanent", True)
        assert (found["provider"], found["model"], found["tools_count"]) == ("offline", "reader", 2)
        listed = (await served.client.get("/api/agents", params={"text": "écriv"})).json()
        assert [(each["id"], each["problems"]) for each in listed["items"]] == [(id, [])]

        changed = await served.client.put(f"/api/agents/{id}", json={"name": "Writer", "llm": OFFLINE})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["tools"], changed.json()["system_prompt"]) == ([], "You are a helpful assistant.")
        assert changed.json()["created_at"] == found["created_at"] <= changed.json()["updated_at"]

        assert (await served.client.delete(f"/api/agents/{id}")).status_code == 204
        problem(await served.client.get(f"/api/agents/{id}"), 404, f"there is no agent '{id}'")
        problem(await served.client.delete(f"/api/agents/{id}"), 404, "there is no agent")
        problem(await served.client.put(f"/api/agents/{id}", json={"name": "x"}), 404, "there is no agent")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"), ({"name": "x" * 65}, "name"), ({"name": "a\nb"}, "name"), ({"name": "  "}, "name"),
    ({"name": "x", "description": "x" * 1001}, "description"), ({"name": "x", "system_prompt": ""}, "system_prompt"),
    ({"name": "x", "system_prompt": "x" * 10_001}, "system_prompt"), ({"name": "x", "system_prompt": "\0"}, "system"),
    ({"name": "x", "max_tool_iterations": 0}, "max_tool"), ({"name": "x", "max_tool_iterations": 201}, "max_tool"),
    ({"name": "x", "llm": {"temperature": 2.1}}, "temperature"), ({"name": "x", "llm": {"max_tokens": 255}}, "max_to"),
    ({"name": "x", "llm": {"max_tokens": 128_001}}, "max_token"), ({"name": "x", "llm": {"model": "none"}}, "model"),
    ({"name": "x", "mcp_servers": ["a b"]}, "mcp_servers"), ({"name": "x", "lifecycle": "temporary"}, "lifecycle"),
    ({"name": "x", "id": "a b"}, "id"), ({"name": "x", "id": "x" * 129}, "id"), ({"name": "\ud800"}, ""),
]  # fmt: skip
CONTRADICTING: list[tuple[dict[str, Any], str]] = [
    ({"tools": ["CalculatorTol"]}, "there is no tool 'CalculatorTol'; did you mean 'CalculatorTool'?"),
    ({"mcp_servers": ["nobody"]}, "no MCP server is called 'nobody'"),
    ({"llm": {"model": "mistrall:x"}}, "there is no provider 'mistrall'"),
    ({"llm": {"model": "offline:poet"}}, "there is no offline model 'poet'"),
    ({"llm": {"model": "offline:reader", "fallbacks": ["nobody:x"]}}, "there is no provider 'nobody'"),
    ({"name": "helper"}, "the name 'helper' is taken"),
    ({"id": "surveyor"}, "the id 'surveyor' is taken"),
]


async def test_what_no_agent_can_be_is_refused_with_its_field_and_nothing_is_kept(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        for said, field in WRONG:
            answer = await served.client.post(
                "/api/agents", content=json.dumps(said), headers={"content-type": "application/json"}
            )
            assert answer.status_code == 422, (said, answer.text)
            assert field in answer.json()["detail"]
        for said, words in CONTRADICTING:
            problem(await served.client.post("/api/agents", json={"name": "new", **said}), 409, words)
        assert await served.store.archive.documents("agent") == []


async def test_an_id_of_ones_own_is_taken_once(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        said = {"id": "own-agent", "name": "own"}
        assert (await served.client.post("/api/agents", json=said)).json()["id"] == "own-agent"
        problem(await served.client.post("/api/agents", json={**said, "name": "other"}), 409, "is taken")
        problem(await served.client.post("/api/agents", json={"name": "own"}), 409, "the name 'own' is taken")


async def test_an_agent_without_a_model_asks_that_of_the_settings(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        made = (await served.client.post("/api/agents", json={"id": "a", "name": "a"})).json()
        assert (made["llm"]["model"], made["provider"], made["model"]) == (None, "offline", "surveyor")
        changed = await served.client.patch("/api/settings", json={"model": "offline:reader"})
        assert changed.status_code == 200, changed.text
        found = (await served.client.get("/api/agents/a")).json()
        assert (found["llm"]["model"], found["provider"], found["model"]) == (None, "offline", "reader")
        assert served.house.room.agent("a").model.id == "offline:reader"


@pytest.fixture
def filed(alone: None) -> None:
    Path("agents").mkdir()
    Path("agents/filed.toml").write_text('description = "Of a file."', "utf-8")


@pytest.mark.usefixtures("filed")
async def test_what_files_and_settings_describe_is_read_only(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        filed = (await served.client.get("/api/agents/filed")).json()
        assert (filed["origin"], filed["changeable"], filed["where"]) == ("file", False, str(Path("agents/filed.toml")))
        for id, where in (("filed", "agents/filed.toml"), ("helper", "the settings ([agents])")):
            problem(await served.client.put(f"/api/agents/{id}", json={"name": id}), 409, f"is described in {where}")
            problem(await served.client.delete(f"/api/agents/{id}"), 409, f"is described in {where}")


async def test_an_agent_that_comes_along_can_be_described_anew_and_comes_back(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        before = (await served.client.get("/api/agents/surveyor")).json()
        assert before["origin"] == "demonstration"
        problem(await served.client.delete("/api/agents/surveyor"), 409, "comes along with Stretto")
        own = await served.client.put("/api/agents/surveyor", json={"name": "surveyor", "description": "Mine."})
        assert (own.json()["origin"], own.json()["description"]) == ("stored", "Mine.")
        assert (await served.client.delete("/api/agents/surveyor")).status_code == 204
        assert (await served.client.get("/api/agents/surveyor")).json() == before


async def test_an_agent_is_copied_with_everything_but_its_name(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        for expected in ("surveyor 2", "surveyor 3"):
            made = await served.client.post("/api/agents/surveyor/duplicate", json={})
            assert made.status_code == 201, made.text
            assert (made.json()["name"], made.json()["origin"]) == (expected, "stored")
        first = (await served.client.get("/api/agents/surveyor")).json()
        copy = made.json()
        for key in ("tools", "mcp_servers", "system_prompt", "max_tool_iterations", "description", "max_tool_output"):
            assert copy[key] == first[key]
        named = await served.client.post(f"/api/agents/{copy['id']}/duplicate", json={"name": "mine"})
        assert named.json()["name"] == "mine"
        problem(await served.client.post("/api/agents/mine/duplicate", json={}), 404, "there is no agent")
        taken = await served.client.post("/api/agents/surveyor/duplicate", json={"name": "mine"})
        problem(taken, 409, "the name 'mine' is taken")


async def test_an_agent_with_something_to_do_stays_and_changes_hold_for_the_next_execution(serve: Serve) -> None:
    held = Held()
    async with serve(models=[held]) as served:
        served.house.room.models.check = lambda id: None  # type: ignore[method-assign]  # scripted models are found first
        said = {"id": "worker", "name": "worker", "llm": {"model": "scripted:held"}, "system_prompt": "First."}
        assert (await served.client.post("/api/agents", json=said)).status_code == 201
        workflow_id = await served.create("worker")
        first = await served.ask(workflow_id)
        second = await served.ask(workflow_id, "And then?")
        with anyio.fail_after(20):
            await held.asked.wait()
        problem(await served.client.delete("/api/agents/worker"), 409, "has something to do in 1 workflow")
        changed = await served.client.put("/api/agents/worker", json={**_without_id(said), "system_prompt": "Second."})
        assert changed.status_code == 200, changed.text
        held.let.set()
        assert await served.over(first["run_id"]) == "completed"
        assert await served.over(second["run_id"]) == "completed"
        assert [prompt.partition("\n")[0] for prompt in held.prompts] == ["First.", "Second."]
        assert (await served.client.delete("/api/agents/worker")).status_code == 204
        third = await served.ask(workflow_id, "Still?")
        assert await served.over(third["run_id"]) == "error"
        assert "there is no agent 'worker'" in str((await served.store.records.execution(third["run_id"])).error)


def _without_id(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key != "id"}


async def test_an_agent_that_cannot_be_used_is_listed_with_what_is_wrong(serve: Serve) -> None:
    store = MemoryStore()
    for id, body in (("torn", {"max_tool_iterations": 0}), ("old", {"tools": ["Gone"]})):
        await store.archive.put_document(Document(kind="agent", id=id, name=f"{id} one", body=body))
    async with serve(store=store, agents=[agent(), AgentConfig(id="odd", name="odd", tools=("Nothing",))]) as served:
        listed = (await served.client.get("/api/agents", params={"limit": 200})).json()["items"]
        wrong = {each["id"]: (each["origin"], each["problems"]) for each in listed if each["problems"]}
        assert wrong.keys() == {"torn", "old", "odd", "helper"}  # the scripted model's provider is none that is known
        assert "max_tool_iterations" in wrong["torn"][1][0]
        assert "there is no tool 'Gone'" in wrong["old"][1][0]
        assert (wrong["old"][0], wrong["odd"][0]) == ("stored", "settings")
        problem(await served.client.get("/api/agents/torn"), 409, "cannot be used: max_tool_iterations")
        problem(await served.client.post("/api/agents/torn/duplicate", json={}), 409, "cannot be used")
        assert (await served.client.get("/api/agents/old")).json()["tools"] == ["Gone"]
        mended = await served.client.put("/api/agents/torn", json={"name": "mended"})
        assert (mended.status_code, mended.json()["problems"]) == (200, [])
        assert (await served.client.delete("/api/agents/old")).status_code == 204


async def test_an_agent_that_the_settings_name_stays(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        await served.client.post("/api/agents", json={"id": "first", "name": "first"})
        assert (await served.client.patch("/api/settings", json={"agent": "first"})).status_code == 200
        problem(await served.client.delete("/api/agents/first"), 409, "is the one that the settings name")


async def test_lists_are_pages_by_name(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        for name in ("c", "a", "b"):
            await served.client.post("/api/agents", json={"name": name})
        page = (await served.client.get("/api/agents", params={"origin": "stored", "limit": 2, "offset": 1})).json()
        assert ([each["name"] for each in page["items"]], page["total"]) == (["b", "c"], 3)
        assert (await served.client.get("/api/agents", params={"limit": 201})).status_code == 422


async def test_tools_are_told_with_what_they_do_and_who_names_them(serve: Serve) -> None:
    async with serve(store=MemoryStore()) as served:
        await served.client.post("/api/agents", json={"id": "counter", "name": "c", "tools": ["CalculatorTool"]})
        told = {each["name"]: each for each in (await served.client.get("/api/tools")).json()}
        assert told.keys() >= {"MemoryTool", "TodoTool", "CalculatorTool", "UserQuestionTool", "read_file"}
        assert [name for name, each in told.items() if each["sub_agents"]] == [
            "DelegateTaskTool", "ParallelTasksTool", "SpawnAgentTool",
        ]  # fmt: skip
        assert all(each["description"] for each in told.values())
        assert "counter" in told["CalculatorTool"]["used_by"]
        assert "counter" not in told["TodoTool"]["used_by"]


async def test_changes_outlive_the_server(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    async with serve(place=place) as served:
        await served.client.post("/api/agents", json={"id": "kept", "name": "kept", "llm": OFFLINE})
    async with serve(place=place) as served:
        assert (await served.client.get("/api/agents/kept")).json()["llm"]["model"] == "offline:reader"
        assert served.house.room.agent("kept").model.id == "offline:reader"
