"""What streams tell of sub-agents, of the queue and of approvals, over real HTTP."""

import dataclasses
import json
from typing import Any

import anyio
import pytest
from pydantic import TypeAdapter

from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.agents.stream_chunks import StreamChunk
from stretto.agents.stream_validations import ValidationRequired, ValidationResponse
from stretto.core.ledger import Usage
from stretto.models.model import ModelCall
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, agent
from tests.server.listening import Listener, decide, hearing

pytestmark = pytest.mark.anyio

SUM = ("CalculatorTool", {"operation": "add", "a": 1, "b": 2})
CREW = [
    agent("lead", "scripted:lead", tools=("CalculatorTool", *DELEGATION_TOOLS)),
    agent("kid", "scripted:kid", tools=("CalculatorTool",)),
]
AUTO: dict[str, Any] = {"approvals": {"mode": "auto"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def delegate(task: str = "add it") -> Scripted:
    asked = {"operation": "delegate", "agent_id": "kid", "prompt": task}
    return Scripted(text="I ask the kid.", calls=(("DelegateTaskTool", asked),))


def check(kind: type[Any], data: dict[str, Any]) -> None:
    """Checks that data has the fields of its type and no others."""
    assert data.keys() <= {field.name for field in dataclasses.fields(kind)}, data
    TypeAdapter(kind).validate_python(data)


def over(listener: Listener) -> list[dict[str, Any]]:
    return listener.of("workflow_complete")


async def test_a_sub_agent_tells_under_its_own_ids_what_it_does(serve: Serve) -> None:
    spent = Usage(input_tokens=7, output_tokens=3)
    models = [
        ScriptedModel(delegate(), "All is well.", id="scripted:lead"),
        ScriptedModel(
            Scripted(text="I add.", reasoning="hm", calls=(SUM,), usage=spent), "It is 3.", id="scripted:kid"
        ),
    ]
    async with serve(agents=CREW, models=models, settings=AUTO) as served:
        workflow_id = await served.create("lead")
        async with hearing(served, workflow_id) as heard:
            run_id = (await served.ask(workflow_id))["run_id"]
            await heard.until(lambda: over(heard))
    told = [event for event in heard.told if event.name not in ("workflow_update", "workflow_complete")]
    for event in told:
        check(StreamChunk, event.data)
        assert (event.data["workflow_id"], event.data["run_id"]) == (workflow_id, run_id)
        assert event.data["ts"] > 0
    mine = [event for event in told if event.data.get("sub_agent_id") == "kid"]
    rest = [event for event in told if event not in mine]
    assert {(e.data["sub_agent_name"], e.data["parent_agent_id"]) for e in mine} == {("kid", "lead")}
    begun, *between, ended = mine
    assert (begun.name, begun.data["chunk_type"], begun.data["content"]) == (
        "sub_agent_start", "sub_agent_start", "add it",
    )  # fmt: skip
    assert (ended.name, ended.data["content"], ended.data["outcome"], ended.data["progress"]) == (
        "sub_agent_complete", "It is 3.", "success", 100,
    )  # fmt: skip
    assert ended.data["metrics"]["tokens_input"] == 17
    assert {e.data["parent_path"] for e in between if e.data["chunk_type"] == "token"} == {begun.data["path"]}
    progress = [event.data for event in between if event.name == "sub_agent_progress"]
    assert [data["content"] for data in progress] == ["calls CalculatorTool", "has answered"]
    assert progress[0]["metrics"]["tokens_input"] == 7
    kinds = [event.data["chunk_type"] for event in between if event.name == "workflow_stream"]
    assert {"token", "reasoning", "tool_start", "tool_end"} == set(kinds)
    said = "".join(e.data["content"] for e in mine if e.data["chunk_type"] == "token")
    assert said == "I add.It is 3."
    assert "".join(e.data["content"] for e in rest if e.data["chunk_type"] == "token") == "I ask the kid.All is well."
    calls = [e.data for e in rest if e.data["chunk_type"] == "tool_end" and "call_id" in e.data]
    assert [(data["tool"], data["outcome"]) for data in calls] == [("DelegateTaskTool", "success")]


async def test_a_sub_agent_that_fails_says_so(serve: Serve) -> None:
    models = [
        ScriptedModel(delegate(), "It failed.", id="scripted:lead"),
        ScriptedModel(ValueError("the kid is ill"), id="scripted:kid"),
    ]
    async with serve(agents=CREW, models=models, settings=AUTO) as served:
        workflow_id = await served.create("lead")
        async with hearing(served, workflow_id) as heard:
            await served.ask(workflow_id)
            await heard.until(lambda: over(heard))
    [failed] = heard.of("sub_agent_error")
    assert (failed["sub_agent_id"], failed["outcome"]) == ("kid", "error")
    assert "the kid is ill" in failed["content"]
    [end] = over(heard)
    assert end["status"] == "completed"


async def test_a_cancellation_reaches_the_sub_agents_and_keeps_what_they_took(serve: Serve) -> None:
    slow = ScriptedModel(" ".join(["word"] * 2_000), id="scripted:kid", tokens_per_second=100)
    lead = ScriptedModel(delegate(), "Never.", id="scripted:lead")
    async with serve(agents=CREW, models=[lead, slow], settings=AUTO) as served:
        workflow_id = await served.create("lead")
        async with hearing(served, workflow_id) as heard:
            await served.ask(workflow_id)
            await heard.until(lambda: [d for d in heard.of("workflow_stream") if d.get("sub_agent_id") == "kid"])
            with anyio.fail_after(10):
                stopped = await served.client.post(f"/api/workflows/{workflow_id}/cancel")
            assert stopped.json() == {"cancelled": True}
            await heard.until(lambda: over(heard))
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
    assert [data["status"] for data in over(heard)] == ["cancelled"]
    [failed] = heard.of("sub_agent_error")
    assert (failed["sub_agent_id"], failed["outcome"]) == ("kid", "cancelled")
    [kid] = state["sub_agent_executions"]
    assert (kid["status"], kid["completed_at"] is None) == ("cancelled", False)
    assert state["messages"][-1]["content"] == "I ask the kid."
    workflow = state["workflow"]
    assert (workflow["status"], workflow["total_tokens_input"], workflow["total_tokens_output"]) == ("idle", 10, 5)
    assert len(lead.seen) == 1


async def test_what_waits_is_told_when_it_is_asked_for_changed_begun_and_removed(serve: Serve) -> None:
    model = ScriptedModel("one two three four", forever=True, tokens_per_second=5)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        async with hearing(served) as all_, hearing(served, workflow_id) as heard:
            first, second, third = [await served.ask(workflow_id, message) for message in ("one", "two", "three")]
            changed = await served.client.patch(f"/api/queue/{second['run_id']}", json={"message": "better"})
            assert changed.status_code == 200
            assert (await served.client.delete(f"/api/queue/{third['run_id']}")).status_code == 204
            for listener in (all_, heard):
                await listener.until(lambda listener=listener: "completed" in statuses(listener, second["run_id"]))
            renamed = await served.client.patch(f"/api/workflows/{workflow_id}", json={"name": "other"})
            assert renamed.status_code == 200
            assert (await served.client.delete(f"/api/workflows/{workflow_id}")).status_code == 204
            await all_.until(lambda: "deleted" in [data["status"] for data in all_.of("workflow_update")])
    for listener in (all_, heard):
        assert statuses(listener, first["run_id"]) == ["queued", "running", "completed"]
        assert statuses(listener, second["run_id"]) == ["queued", "queued", "running", "completed"]
        assert statuses(listener, third["run_id"]) == ["queued", "withdrawn"]
    assert statuses(all_, None) == ["renamed", "deleted"]


def statuses(listener: Listener, run_id: str | None) -> list[str]:
    """Returns how an execution stood one after the other, or what became of the workflow."""
    return [data["status"] for data in listener.of("workflow_update") if data.get("run_id") == run_id]


async def test_two_calls_wait_at_once_and_are_decided_one_by_one(serve: Serve) -> None:
    other = ("CalculatorTool", {"operation": "add", "a": 3, "b": 4})
    model = ScriptedModel(Scripted(calls=(SUM, other)), "Done.")
    settings = {"approvals": {"mode": "manual", "auto_approve_low": False}}
    async with serve(agents=[agent(tools=("CalculatorTool",))], models=[model], settings=settings) as served:
        workflow_id = await served.create()
        async with hearing(served, workflow_id) as heard:
            run_id = (await served.ask(workflow_id))["run_id"]
            await heard.until(lambda: len(heard.of("validation_required")) == 2)
            one, two = sorted(heard.of("validation_required"), key=lambda data: data["arguments"]["a"])
            edited = {"operation": "add", "a": 10, "b": 20}
            for data, way, said in (
                (one, "approve", {"arguments": edited, "by": "ann"}), (two, "reject", {"reason": "no", "by": "bob"}),
            ):  # fmt: skip
                await decide(served, f"/api/validations/{data['validation_id']}/{way}", said)
            await heard.until(lambda: over(heard))
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
    for data in heard.of("validation_required"):
        check(ValidationRequired, data)
        assert (data["run_id"], data["risk_level"], data["choices"][0]) == (run_id, "low", "approve")
    answers = heard.of("validation_response")
    for data in answers:
        check(ValidationResponse, data)
    told = {data["validation_id"]: data for data in answers}
    allowed, refused = told[one["validation_id"]], told[two["validation_id"]]
    assert (allowed["approved"], allowed["outcome"], allowed["by"], allowed["edited"]) == (
        True, "approved", "ann", True,
    )  # fmt: skip
    assert (refused["approved"], refused["outcome"], refused["by"], refused["edited"], refused["reason"]) == (
        False, "rejected", "bob", False, "no",
    )  # fmt: skip
    outputs = {each["success"]: each for each in state["tool_executions"]}
    assert "30" in outputs[True]["output_result"]
    assert "no" in outputs[False]["error_message"]


def change(call: ModelCall) -> Scripted:
    """Completes the task that was created just now."""
    made = json.loads(call.messages[-1]["parts"][0]["content"])
    id = made["id"] if "id" in made else made["task"]["id"]
    return Scripted(calls=(("TodoTool", {"operation": "complete", "task_id": id}),))


async def test_tasks_and_questions_are_told_as_chunks(serve: Serve) -> None:
    todo = ("TodoTool", {"operation": "create", "name": "Look", "description": "at it", "priority": 2})
    ask = ("UserQuestionTool", {"question": "Which?", "question_type": "text"})
    model = ScriptedModel(Scripted(calls=(todo,)), change, Scripted(calls=(ask,)), "Done.")
    async with serve(agents=[agent(tools=("TodoTool", "UserQuestionTool"))], models=[model]) as served:
        workflow_id = await served.create()
        async with hearing(served, workflow_id) as heard:
            await served.ask(workflow_id)
            await heard.until(lambda: chunks(heard, "user_question_start"))
            [asked] = chunks(heard, "user_question_start")
            await decide(served, f"/api/questions/{asked['question_id']}/answer", {"text": "This one."})
            await heard.until(lambda: over(heard))
        [kept] = (await served.client.get(f"/api/workflows/{workflow_id}/tasks")).json()["items"]
    for data in heard.of("workflow_stream"):
        check(StreamChunk, data)
    [created], [completed] = chunks(heard, "task_create"), chunks(heard, "task_complete")
    assert (created["task_id"], created["task_name"], created["task_priority"]) == (kept["id"], "Look", 2)
    assert (completed["task_id"], completed["task_status"], kept["status"]) == (kept["id"], "completed", "completed")
    assert (asked["user_question"]["question"], asked["user_question"]["question_type"]) == ("Which?", "text")
    [answered] = chunks(heard, "user_question_complete")
    assert (answered["question_id"], answered["outcome"]) == (asked["question_id"], "answered")


def chunks(listener: Listener, kind: str) -> list[dict[str, Any]]:
    return [data for data in listener.of("workflow_stream") if data["chunk_type"] == kind]
