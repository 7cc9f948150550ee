"""The commands of the contract, row by row over real HTTP."""

import uuid
from typing import Any

import anyio
import pytest

from stretto.core.ledger import Usage
from stretto.server import executions
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, agent

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_workflow_is_created_executed_and_its_result_is_complete(serve: Serve) -> None:
    answer = Scripted(text="Forty-two.", usage=Usage(input_tokens=30, output_tokens=4), cost=0.25)
    async with serve(models=[ScriptedModel(answer)]) as served:
        workflow_id = await served.create(name="  What is it?  ")
        made = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "What is it?"})
        assert made.status_code == 200, made.text
        result = made.json()
        assert result["response"] == "Forty-two."
        assert "# Agent Report: helper" in result["report"]
        metrics = result["metrics"]
        assert (metrics["tokens_input"], metrics["tokens_output"], metrics["cost_usd"]) == (30, 4, 0.25)
        assert (metrics["provider"], metrics["model"]) == ("scripted", "model")
        workflow = (await served.client.get(f"/api/workflows/{workflow_id}")).json()
    assert uuid.UUID(workflow_id)
    assert workflow["name"] == "What is it?"
    assert workflow["status"] == "completed"
    assert (workflow["total_tokens_input"], workflow["total_cost_usd"]) == (30, 0.25)
    assert workflow["current_context_tokens"] == 30
    assert workflow["completed_at"] is not None


async def test_both_ways_of_executing_keep_the_same(serve: Serve) -> None:
    async with serve(models=[ScriptedModel("Yes.", "Yes.")]) as served:
        states: list[dict[str, Any]] = []
        for how in ("execute", "execute/stream"):
            workflow_id = await served.create()
            made = await served.client.post(f"/api/workflows/{workflow_id}/{how}", json={"message": "Is it so?"})
            if how == "execute/stream":
                assert await served.over(made.json()["run_id"]) == "completed"
            states.append((await served.client.get(f"/api/workflows/{workflow_id}/state")).json())
    first, second = states
    for kind in ("messages", "tool_executions", "thinking_steps"):
        assert len(first[kind]) == len(second[kind])
    said = [[(message["role"], message["content"]) for message in state["messages"]] for state in states]
    assert said[0] == said[1] == [("user", "Is it so?"), ("assistant", "Yes.")]
    assert first["workflow"]["total_tokens_input"] == second["workflow"]["total_tokens_input"] == 10


async def test_an_agent_sees_what_was_said_before_once(serve: Serve) -> None:
    model = ScriptedModel("One.", "Two.")
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        for message in ("First?", "Second?"):
            await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": message})
    shown = [part["content"] for message in model.seen[1].messages for part in message["parts"] if "content" in part]
    assert [text for text in shown if text in ("First?", "One.", "Second?")] == ["First?", "One.", "Second?"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "", "agent_id": "helper"}, "name"),
        ({"name": "   ", "agent_id": "helper"}, "name"),
        ({"name": "x" * 257, "agent_id": "helper"}, "name"),
        ({"name": "a\nb", "agent_id": "helper"}, "name"),
        ({"name": "a", "agent_id": "no spaces"}, "agent_id"),
        ({"name": "a", "agent_id": "x" * 129}, "agent_id"),
        ({"name": "a"}, "agent_id"),
        ({"name": "a", "agent_id": "helper", "more": 1}, "more"),
        ({"name": 7, "agent_id": "helper"}, "name"),
    ],
)
async def test_what_no_workflow_can_be_is_refused_with_the_field(
    serve: Serve, body: dict[str, Any], field: str
) -> None:
    async with serve() as served:
        answer = await served.client.post("/api/workflows", json=body)
        listed = (await served.client.get("/api/workflows")).json()
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.text
    assert "x" * 100 not in answer.text
    assert listed["total"] == 0


async def test_lengths_are_counted_in_characters(serve: Serve) -> None:
    async with serve() as served:
        assert (
            await served.client.post("/api/workflows", json={"name": "界" * 256, "agent_id": "helper"})
        ).status_code == 201
        workflow_id = await served.create()
        longest = {"message": "é" * 100_000}
        assert (
            await served.client.post(f"/api/workflows/{workflow_id}/execute/stream", json=longest)
        ).status_code == 202
        too_long = {"message": "é" * 100_001}
        refused = await served.client.post(f"/api/workflows/{workflow_id}/execute/stream", json=too_long)
        assert refused.status_code == 422
        assert "100,001" in refused.text or "100001" in refused.text


async def test_unknown_agents_and_workflows_are_404(serve: Serve) -> None:
    async with serve() as served:
        client, nobody = served.client, str(uuid.uuid4())
        assert (await client.post("/api/workflows", json={"name": "a", "agent_id": "helpr"})).status_code == 404
        for method, path, body in (
            ("GET", "", None), ("DELETE", "", None), ("PATCH", "", {"name": "b"}), ("GET", "/state", None),
            ("POST", "/execute", {"message": "m"}), ("POST", "/execute/stream", {"message": "m"}),
            ("POST", "/cancel", None), ("GET", "/executions", None),
        ):  # fmt: skip
            answer = await client.request(method, f"/api/workflows/{nobody}{path}", json=body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert answer.json()["code"] == "not_found"
        assert (await client.get("/api/workflows/not-a-uuid")).status_code == 422


async def test_messages_wait_in_a_queue_that_can_be_changed(serve: Serve) -> None:
    model = ScriptedModel(*["Done."] * 4, tokens_per_second=4)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        first = await served.ask(workflow_id, "one")
        second, third = await served.ask(workflow_id, "two"), await served.ask(workflow_id, "three")
        assert [first["ordinal"], second["ordinal"], third["ordinal"]] == [1, 2, 3]
        changed = await served.client.patch(f"/api/queue/{second['run_id']}", json={"message": "two, better"})
        assert changed.json()["message"] == "two, better"
        queue = (await served.client.get("/api/queue")).json()
        assert [each["message"] for each in queue if each["status"] == "queued"][-1] == "three"
        assert (await served.client.delete(f"/api/queue/{third['run_id']}")).status_code == 204
        assert await served.over(second["run_id"]) == "completed"
        assert (await served.client.delete(f"/api/queue/{second['run_id']}")).status_code == 409
        assert (await served.client.patch(f"/api/queue/{second['run_id']}", json={"message": "x"})).status_code == 409
        assert (await served.client.delete(f"/api/queue/{third['run_id']}")).status_code == 404
        done = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
        assert [(each["message"], each["status"]) for each in done] == [
            ("one", "completed"),
            ("two, better", "completed"),
        ]


async def test_no_more_run_at_once_than_the_limit_says(serve: Serve) -> None:
    model = ScriptedModel("Done.", forever=True, tokens_per_second=5)
    async with serve(models=[model], settings={"server": {"max_concurrent_workflows": 2}}) as served:
        runs = [(await served.ask(await served.create()))["run_id"] for _ in range(5)]
        most = 0
        async with anyio.create_task_group() as tasks:
            for run_id in runs:
                tasks.start_soon(served.over, run_id)
            while (await served.client.get("/api/queue")).json():
                most = max(most, served.house.executions.running)
        assert most == 2
        done = (await served.client.get("/api/workflows?status=completed")).json()
        assert done["total"] == 5


async def test_a_cancelled_execution_keeps_what_was_done(serve: Serve) -> None:
    long = Scripted(text=" ".join(["word"] * 400), usage=Usage(input_tokens=8, output_tokens=400))
    model = ScriptedModel(long, "After.", tokens_per_second=50)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id)
        await served.heard(asked["run_id"], 20)
        stopped = await served.client.post(f"/api/workflows/{workflow_id}/cancel")
        assert stopped.json() == {"cancelled": True}
        assert (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()[0]["status"] == "cancelled"
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        assert "word" in state["messages"][-1]["content"]
        assert state["workflow"]["status"] == "idle"
        assert (await served.client.post(f"/api/workflows/{workflow_id}/cancel")).json() == {"cancelled": False}


async def test_a_failed_model_is_a_failed_workflow(serve: Serve) -> None:
    async with serve(models=[ScriptedModel(ValueError("the model is on fire"))]) as served:
        workflow_id = await served.create()
        answer = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "m"})
        workflow = (await served.client.get(f"/api/workflows/{workflow_id}")).json()
    assert answer.status_code == 502
    assert answer.json()["code"] == "execution_failed"
    assert "on fire" in answer.json()["detail"]
    assert workflow["status"] == "error"


async def test_an_execution_that_takes_too_long_is_cancelled_and_says_so(serve: Serve) -> None:
    model = ScriptedModel(" ".join(["word"] * 1000), tokens_per_second=20)
    async with serve(models=[model], settings={"server": {"execution_timeout": 0.3}}) as served:
        workflow_id = await served.create()
        answer = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "m"})
        assert answer.status_code == 504
        assert answer.json()["code"] == "timeout"
        done = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
        assert done[0]["status"] == "cancelled"


async def test_workflows_are_listed_found_renamed_and_deleted(serve: Serve) -> None:
    async with serve() as served:
        ids = [await served.create(name=f"number {place}") for place in range(3)]
        await served.client.patch(f"/api/workflows/{ids[0]}", json={"name": "the first"})
        listed = (await served.client.get("/api/workflows?limit=2")).json()
        assert listed["total"] == 3
        assert [each["name"] for each in listed["items"]] == ["the first", "number 2"]
        found = (await served.client.get("/api/workflows", params={"text": "NUMBER"})).json()
        assert found["total"] == 2
        assert (await served.client.get("/api/workflows?limit=0")).status_code == 422
        assert (await served.client.delete(f"/api/workflows/{ids[1]}")).status_code == 204
        assert (await served.client.get(f"/api/workflows/{ids[1]}")).status_code == 404
        assert (await served.client.delete(f"/api/workflows/{ids[1]}")).status_code == 404


async def test_deleting_a_workflow_that_runs_cancels_it_first(serve: Serve) -> None:
    model = ScriptedModel(" ".join(["word"] * 1000), tokens_per_second=20, forever=True)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        first, second = await served.ask(workflow_id), await served.ask(workflow_id)
        assert (await served.client.delete(f"/api/workflows/{workflow_id}")).status_code == 204
        assert served.house.executions.running == 0
        assert await served.store.runs() == []
        for asked in (first, second):
            assert (
                await served.client.patch(f"/api/queue/{asked['run_id']}", json={"message": "x"})
            ).status_code == 404


async def test_an_agent_that_is_gone_fails_its_execution_and_says_why(serve: Serve) -> None:
    async with serve(agents=[agent(), agent("other")]) as served:
        workflow_id = await served.create("other")
        served.house.room.registry.remove("other")
        asked = await served.ask(workflow_id)
        assert await served.over(asked["run_id"]) == "error"
        done = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
    assert "there is no agent 'other'" in done[0]["error"]


async def test_a_locale_that_is_no_language_is_refused_before_anything_is_kept(serve: Serve) -> None:
    async with serve() as served:
        workflow_id = await served.create()
        for locale in ("!", "français", "x" * 65, " fr"):
            body = {"message": "m", "locale": locale}
            refused = await served.client.post(f"/api/workflows/{workflow_id}/execute/stream", json=body)
            assert refused.status_code == 422, refused.text
            assert "locale" in refused.text
        body = {"message": "m", "locale": "fr-CA"}
        assert (await served.client.post(f"/api/workflows/{workflow_id}/execute", json=body)).status_code == 200
        assert (await served.client.get("/api/queue")).json() == []


async def test_no_more_than_a_thousand_messages_of_a_workflow_wait(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert executions.MOST_QUEUED == 1000
    monkeypatch.setattr(executions, "MOST_QUEUED", 3)
    model = ScriptedModel(" ".join(["word"] * 1000), tokens_per_second=20, forever=True)
    async with serve(models=[model], settings={"server": {"grace": 0.0}}) as served:
        workflow_id = await served.create()
        first = await served.ask(workflow_id)
        await served.heard(first["run_id"], 1)
        waiting = [await served.ask(workflow_id) for _ in range(3)]
        path = f"/api/workflows/{workflow_id}/execute/stream"
        refused = await served.client.post(path, json={"message": "one more"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        await served.ask(await served.create())  # another workflow has a queue of its own
        assert (await served.client.delete(f"/api/queue/{waiting[0]['run_id']}")).status_code == 204
        await served.ask(workflow_id)
