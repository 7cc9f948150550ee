"""What nobody decides in time, and what was asked when a server ended, over real HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from stretto.agents.validation import ApprovalSettings
from stretto.configuring import agent_room
from stretto.core.step import Context
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import ToolRegistry, tool
from tests.server.conftest import Serve, agent
from tests.server.listening import decide, hearing, pending

pytestmark = pytest.mark.anyio

ADD = {"operation": "add", "a": 1, "b": 2}
OTHER = {"operation": "add", "a": 3, "b": 4}
RECKONER = agent(tools=("CalculatorTool",))
MANUAL: dict[str, Any] = {"approvals": {"mode": "manual", "auto_approve_low": False}, "server": {"grace": 0}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def calls(*arguments: dict[str, Any]) -> Scripted:
    return Scripted(calls=tuple(("CalculatorTool", given) for given in arguments))


@pytest.mark.parametrize(("policy", "outcome"), [("reject", "rejected"), ("approve", "approved")])
async def test_when_nobody_decides_in_time_the_policy_does(serve: Serve, policy: Any, outcome: str) -> None:
    chosen = ApprovalSettings(mode="manual", timeout=30, on_timeout=policy).model_copy(update={"timeout": 0.2})
    model = ScriptedModel(calls(ADD), "Well.")
    async with serve(models=[model], agents=[RECKONER], settings={"approvals": chosen}) as served:
        workflow_id = await served.create()
        async with hearing(served, workflow_id) as heard:
            await served.ask(workflow_id)
            await heard.until(lambda: heard.of("workflow_complete"))
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
        (entry,) = (await served.client.get("/api/validations/audit")).json()["items"]
    (required,), (response,) = heard.of("validation_required"), heard.of("validation_response")
    assert required["default"] == policy
    assert required["expires_at"] > required["ts"] - 1
    assert (response["outcome"], response["by"], response["approved"]) == (outcome, "timeout", policy == "approve")
    assert (entry["status"], entry["decided_by"]) == (outcome, "timeout")
    assert entry["reason"] == "nobody answered within 0.2 s"
    [call] = state["tool_executions"]
    assert call["success"] is (policy == "approve")


async def test_what_nobody_decides_is_escalated_and_waits_for_somebody_else(serve: Serve) -> None:
    settings = ApprovalSettings(mode="manual", timeout=30, on_timeout="escalate")
    chosen = settings.model_copy(update={"timeout": 0.2})
    async with serve(
        models=[ScriptedModel(calls(ADD), "Well.")], agents=[RECKONER], settings={"approvals": chosen}
    ) as (served):
        workflow_id = await served.create()
        async with hearing(served, workflow_id) as heard:
            await served.ask(workflow_id)
            await heard.until(lambda: len(heard.of("validation_required")) == 2)
            id = heard.of("validation_required")[1]["validation_id"]
            await decide(served, f"/api/validations/{id}/approve", {"by": "the boss"})
            await heard.until(lambda: heard.of("workflow_complete"))
        audit = (await served.client.get("/api/validations/audit")).json()["items"]
        assert (await served.client.get(f"/api/validations/{id}")).json()["escalated"] is True
    assert [data["outcome"] for data in heard.of("validation_response")] == ["escalated", "approved"]
    assert sorted((entry["status"], entry["decided_by"]) for entry in audit) == [
        ("approved", "the boss"), ("escalated", "timeout"),
    ]  # fmt: skip


async def test_two_that_wait_outlive_the_server_and_are_edited_and_rejected_then(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    async with serve(
        models=[ScriptedModel(calls(ADD, OTHER))], agents=[RECKONER], settings=MANUAL, place=place
    ) as served:
        workflow_id = await served.create()
        run_id = (await served.ask(workflow_id))["run_id"]
        before = await pending(served, "validations", 2)
    again = ScriptedModel("Done.")
    async with serve(models=[again], agents=[RECKONER], settings=MANUAL, place=place) as served:
        asked = await pending(served, "validations", 2)
        assert {row["id"] for row in asked} == {row["id"] for row in before}
        one, two = sorted(asked, key=lambda row: row["arguments"]["a"])
        edited = {"arguments": {**ADD, "a": 10}, "by": "ann"}
        await decide(served, f"/api/validations/{one['id']}/approve", edited)
        await decide(served, f"/api/validations/{two['id']}/reject", {"reason": "not that one", "by": "bob"})
        assert await served.over(run_id) == "completed"
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
    made = {each["success"]: each for each in state["tool_executions"]}
    assert "12" in made[True]["output_result"]
    assert "not that one" in made[False]["error_message"]
    assert len(again.seen) == 1
    decided = {row["id"]: (row["status"], row["decided_by"], row["edited"]) for row in state["validations"]}
    assert decided == {one["id"]: ("approved", "ann", True), two["id"]: ("rejected", "bob", False)}


async def test_a_call_that_was_under_way_when_the_server_ended_is_asked_about(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    begun = anyio.Event()

    @tool(idempotent=False)
    async def send(text: str, context: Context) -> str:
        """Sends a text."""
        made.append(text)
        begun.set()
        if len(made) == 1:
            await asyncio.sleep(60)
        return "sent"

    monkeypatch.setattr(agent_room, "tools_of", lambda settings: ToolRegistry([send]))
    place = tmp_path / "kept.db"
    sender = agent(tools=("send",))
    settings = {"server": {"grace": 0}}
    first = ScriptedModel(Scripted(calls=(("send", {"text": "hello"}),)))
    async with serve(models=[first], agents=[sender], settings=settings, place=place) as served:
        workflow_id = await served.create()
        run_id = (await served.ask(workflow_id))["run_id"]
        with anyio.fail_after(30):
            await begun.wait()
    async with serve(models=[ScriptedModel("Done.")], agents=[sender], settings=settings, place=place) as served:
        (asked,) = await pending(served, "questions", 1)
        assert (asked["run_id"], asked["topic"]) == (run_id, "decision")
        assert made == ["hello"]  # it is not made again unasked
        assert (await served.client.get(f"/api/workflows/{workflow_id}")).json()["status"] == "running"
        await decide(served, f"/api/questions/{asked['id']}/answer", {"selected": ["retry"], "by": "ann"})
        assert await served.over(run_id) == "completed"
        row = (await served.client.get(f"/api/questions/{asked['id']}")).json()
    assert made == ["hello", "hello"]
    assert (row["status"], row["answered_by"]) == ("answered", "ann")
