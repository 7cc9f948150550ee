"""What people are asked and say, over real HTTP: calls approved with edits and rejected, questions answered."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from stretto.core.records import Fold
from stretto.server import projection
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, Served, agent

pytestmark = pytest.mark.anyio

ASKING: dict[str, Any] = {"approvals": {"mode": "manual", "auto_approve_low": False}}
TODO = agent(tools=("TodoTool",))
ASKER = agent(tools=("UserQuestionTool",))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def create(*names: str) -> Scripted:
    """Has a model create tasks of these names, each in a call that somebody is asked about."""
    return Scripted(calls=tuple(("TodoTool", {"operation": "create", "name": name}) for name in names))


def question(**said: Any) -> Scripted:
    """Has a model ask the user."""
    return Scripted(calls=(("UserQuestionTool", {"question": "Which?", **said}),))


async def waiting(served: Served, kind: str, count: int = 1, but: str = "") -> list[dict[str, Any]]:
    """Waits until so many requests but one wait for people, and returns them, the oldest first."""
    with anyio.fail_after(30):
        while True:
            page = (await served.client.get(f"/api/{kind}", params={"status": "pending"})).json()
            found = [row for row in page["items"][::-1] if row["id"] != but]
            if len(found) >= count:
                return found
            await anyio.sleep(0.02)


async def approved(served: Served, id: str) -> dict[str, Any]:
    """Approves a call as soon as its run asks about it."""
    with anyio.fail_after(30):
        while True:
            told = await served.client.post(f"/api/validations/{id}/approve", json={})
            if told.status_code == 200:
                return dict(told.json())
            await anyio.sleep(0.02)


@asynccontextmanager
async def at_work(serve: Serve, *answers: Any, **more: Any) -> AsyncIterator[tuple[Served, str, str]]:
    """Serves an agent that is at work: the server, the workflow's id, the run's."""
    options = {"agents": [TODO], "settings": ASKING, **more}
    async with serve(models=[ScriptedModel(*answers, "Done.")], **options) as served:
        workflow = await served.create()
        run = (await served.ask(workflow))["run_id"]
        yield served, workflow, run


async def tasks(served: Served, workflow: str) -> list[str]:
    found = (await served.client.get(f"/api/workflows/{workflow}/tasks")).json()["items"]
    return [task["name"] for task in found]


async def test_a_call_is_approved_with_other_arguments(serve: Serve) -> None:
    async with at_work(serve, create("draft")) as (served, workflow, run):
        (asked,) = await waiting(served, "validations")
        assert (asked["workflow_id"], asked["run_id"], asked["tool_name"]) == (workflow, run, "TodoTool")
        assert asked["arguments"]["name"] == "draft"
        path = f"/api/validations/{asked['id']}"
        assert (await served.client.get(path)).json() == asked
        edited = {**asked["arguments"], "name": "final"}
        said = {"arguments": edited, "by": "ann", "reason": "clearer"}
        told = await served.client.post(f"{path}/approve", json=said)
        assert told.json() == {"id": asked["id"], "status": "approved", "choice": "approve"}, told.text
        assert await served.over(run) == "completed"
        assert await tasks(served, workflow) == ["final"]
        row = (await served.client.get(path)).json()
        assert (row["status"], row["decided_by"], row["edited"]) == ("approved", "ann", True)
        for way, body in (("approve", {}), ("reject", {"reason": "too late"})):
            late = await served.client.post(f"{path}/{way}", json=body)
            assert (late.status_code, late.json()["code"]) == (409, "decided")
        audit = (await served.client.get("/api/validations/audit", params={"workflow_id": workflow})).json()
        (entry,) = audit["items"]
        assert (entry["decided_by"], entry["reason"], entry["edited"], entry["waited"] >= 0) == (
            "ann", "clearer", True, True
        )  # fmt: skip


async def test_what_was_told_can_be_decided_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "INTERVAL", 3600.0)  # nobody writes rows by himself
    async with at_work(serve, create("draft")) as (served, _, run):
        (asked,) = await waiting(served, "validations")
        await approved(served, asked["id"])
        assert await served.over(run) == "completed"


async def test_arguments_that_do_not_fit_are_asked_about_again(serve: Serve) -> None:
    async with at_work(serve, create("draft")) as (served, workflow, run):
        (asked,) = await waiting(served, "validations")
        wrong = {"arguments": {"operation": "create", "name": ""}}
        assert (await served.client.post(f"/api/validations/{asked['id']}/approve", json=wrong)).status_code == 200
        (again,) = await waiting(served, "validations", but=asked["id"])
        assert "it was edited" in again["reason"]
        assert (await served.client.post(f"/api/validations/{again['id']}/approve", json={})).status_code == 200
        assert await served.over(run) == "completed"
        assert await tasks(served, workflow) == ["draft"]


async def test_a_call_is_rejected_and_its_agent_told_why(serve: Serve) -> None:
    model = ScriptedModel(create("draft"), "I see.")
    async with serve(models=[model], agents=[TODO], settings=ASKING) as served:
        workflow = await served.create()
        run = (await served.ask(workflow))["run_id"]
        (asked,) = await waiting(served, "validations")
        path = f"/api/validations/{asked['id']}/reject"
        assert (await served.client.post(path, json={})).status_code == 422  # a reason is needed
        assert (await served.client.post(path, json={"reason": "not today", "by": "bob"})).json()[
            "status"
        ] == "rejected"
        assert await served.over(run) == "completed"
        assert await tasks(served, workflow) == []
        state = (await served.client.get(f"/api/workflows/{workflow}/state")).json()
        (call,) = state["tool_executions"]
        assert (call["success"], "not today" in call["error_message"]) == (False, True)


async def test_several_wait_at_once_and_are_approved_together(serve: Serve) -> None:
    both = Scripted(
        calls=(
            ("CalculatorTool", {"operation": "add", "a": 1, "b": 2}),
            ("CalculatorTool", {"operation": "add", "a": 3, "b": 4}),
        )
    )
    reckoner = [agent(tools=("CalculatorTool",))]
    async with at_work(serve, both, agents=reckoner) as (served, workflow, run):
        asked = await waiting(served, "validations", 2)
        unknown = await served.client.post("/api/validations/approve_all", json={"workflow_id": str(uuid.uuid4())})
        assert unknown.status_code == 404
        told = (await served.client.post("/api/validations/approve_all", json={"workflow_id": workflow})).json()
        assert sorted(told["approved"]) == sorted(row["id"] for row in asked)
        assert told["left"] == []
        assert await served.over(run) == "completed"
        assert (await served.client.get("/api/validations/audit")).json()["total"] == 2
        table = await served.client.get("/api/validations/audit.csv")
        assert len(table.text.splitlines()) == 3
        assert table.headers["content-type"].startswith("text/csv")


async def test_all_further_calls_like_one_are_approved_with_it(serve: Serve) -> None:
    async with at_work(serve, create("one"), create("two")) as (served, workflow, run):
        (asked,) = await waiting(served, "validations")
        told = await served.client.post(f"/api/validations/{asked['id']}/approve", json={"all": True})
        assert told.json()["choice"] == "approve_all"
        assert await served.over(run) == "completed"
        assert sorted(await tasks(served, workflow)) == ["one", "two"]
        audit = (await served.client.get("/api/validations/audit")).json()["items"]
        assert [entry["status"] for entry in audit] == ["approved", "approved"]


async def test_what_is_to_be_decided_by_itself_is_not_approved_with_others(serve: Serve) -> None:
    rule = {"then": "ask", "tool": "TodoTool"}
    settings = {"approvals": {"mode": "auto", "always_confirm_high": True, "rules": [rule]}}
    async with at_work(serve, create("one"), settings=settings) as (served, _workflow, run):
        (asked,) = await waiting(served, "validations")
        offers_all = "approve_all" in asked["choices"]
        told = (await served.client.post("/api/validations/approve_all", json={})).json()
        assert (told["approved"] == [asked["id"]]) is offers_all
        if not offers_all:
            refused = await served.client.post(f"/api/validations/{asked['id']}/approve", json={"all": True})
            assert (refused.status_code, refused.json()["code"]) == (409, "not_offered")
            await served.client.post(f"/api/validations/{asked['id']}/approve", json={})
        assert await served.over(run) == "completed"


async def test_a_request_outlives_the_server_and_is_answered_after_it_is_back(serve: Serve, tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    settings = {**ASKING, "server": {"grace": 0}}
    async with at_work(serve, create("kept"), settings=settings, place=place) as (served, workflow, run):
        (asked,) = await waiting(served, "validations")
    again = {"models": [ScriptedModel("Done.", forever=True)], "agents": [TODO], "settings": settings}
    async with serve(place=place, **again) as served:
        (same,) = await waiting(served, "validations")
        assert same["id"] == asked["id"]
        assert (await approved(served, asked["id"]))["status"] == "approved"
        assert await served.over(run) == "completed"
        assert await tasks(served, workflow) == ["kept"]


async def test_questions_are_answered_by_their_form(serve: Serve) -> None:
    form = {
        "question_type": "mixed", "text_required": True,
        "options": [{"id": "r", "label": "Red"}, {"id": "g", "label": "Green"}],
    }  # fmt: skip
    async with at_work(serve, question(**form), agents=[ASKER], settings={}) as (served, workflow, run):
        (asked,) = await waiting(served, "questions")
        assert (asked["question"], [option["id"] for option in asked["options"]]) == ("Which?", ["r", "g"])
        path = f"/api/questions/{asked['id']}"
        assert (await served.client.get(path)).json() == asked
        for wrong, word in (
            ({"selected": ["b"], "text": "x"}, "'b' cannot be chosen"),
            ({"text": "x"}, "at least one"),
            ({"selected": ["r"]}, "text is needed"),
            ({"selected": ["r"], "text": "x" * 10_001}, "text"),
        ):
            refused = await served.client.post(f"{path}/answer", json=wrong)
            assert refused.status_code == 422
            assert word in refused.text
        told = await served.client.post(f"{path}/answer", json={"selected": ["g"], "text": "because", "by": "ann"})
        assert told.json() == {"id": asked["id"], "status": "answered", "choice": "answer"}
        assert await served.over(run) == "completed"
        row = (await served.client.get(path)).json()
        assert (row["status"], row["selected_options"], row["text_response"], row["answered_by"]) == (
            "answered", ["g"], "because", "ann"
        )  # fmt: skip
        mine = (await served.client.get("/api/questions", params={"workflow_id": workflow})).json()
        assert mine["total"] == 1
        for way in ("answer", "skip"):
            late = await served.client.post(f"{path}/{way}", json={})
            assert (late.status_code, late.json()["code"]) == (409, "decided")


async def test_a_question_is_skipped(serve: Serve) -> None:
    options = [{"id": "r", "label": "Red"}]
    two = question(question_type="checkbox", options=options)
    async with at_work(serve, two, question(), agents=[ASKER], settings={}) as (served, _workflow, run):
        (first,) = await waiting(served, "questions")
        text = await served.client.post(f"/api/questions/{first['id']}/answer", json={"selected": ["r"], "text": "x"})
        assert text.status_code == 422  # it takes choices only
        told = await served.client.post(f"/api/questions/{first['id']}/skip", json={"reason": "no idea"})
        assert told.json()["status"] == "skipped"
        (second,) = await waiting(served, "questions", but=first["id"])
        blank = await served.client.post(f"/api/questions/{second['id']}/answer", json={"text": "  "})
        assert blank.status_code == 422
        await served.client.post(f"/api/questions/{second['id']}/answer", json={"text": "blue"})
        assert await served.over(run) == "completed"
        statuses = {row["id"]: row["status"] for row in (await served.client.get("/api/questions")).json()["items"]}
        assert statuses == {first["id"]: "skipped", second["id"]: "answered"}


def asked_row(kind: str, workflow: str, **fields: Any) -> dict[str, Any]:
    """Returns a row of a request in a run that has ended, as the log of another version may have left it."""
    common = {
        "id": str(uuid.uuid4()), "workflow_id": workflow, "run_id": "gone", "message_id": "m", "path": "p",
        "request_id": "p?1", "agent_id": "helper", "status": "pending", "details": None, "default": None,
        "expires_at": None, "choice": None, "created_at": "2026-01-01T00:00:00+00:00", "answered_at": None,
    }  # fmt: skip
    if kind == "validation_request":
        common |= {
            "type": "tool", "operation_type": "tool", "operation": "=do it", "tool_name": "x", "risk_level": "high",
            "arguments": {}, "choices": ["approve", "reject"], "reason": "", "decided_by": None,
            "decision_reason": None, "edited": False, "escalated": False,
        }  # fmt: skip
    else:
        common |= {
            "topic": "decision", "question": "How?", "question_type": "checkbox", "options": [], "text_placeholder": "",
            "text_required": False, "context": "", "choices": ["retry", "abort"], "selected_options": [],
            "text_response": None, "answered_by": None, "answer_reason": None,
        }  # fmt: skip
    return common | fields


async def test_each_kind_of_request_takes_what_it_offers(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        await served.over((await served.ask(workflow))["run_id"])
        (execution,) = await served.store.records.executions(workflow_id=workflow)
        alone = asked_row("validation_request", workflow)
        together = asked_row("validation_request", workflow, choices=["approve", "approve_all", "reject"])
        done = asked_row("validation_request", workflow, status="denied", decided_by="rule", reason="=no")
        decision = asked_row("user_question", workflow)
        word = asked_row("user_question", workflow, choices=[], question_type="text")
        rows: dict[Any, Any] = {"validation_request": [alone, together, done], "user_question": [decision, word]}
        fold = Fold(run_id=execution.run_id, workflow_id=workflow, lines=execution.lines, rows=rows)
        await served.store.records.keep([fold])

        async def post(kind: str, row: dict[str, Any], way: str, **body: Any) -> tuple[int, str]:
            told = await served.client.post(f"/api/{kind}/{row['id']}/{way}", json=body)
            return told.status_code, told.json()["code"]

        assert await post("validations", alone, "approve", all=True) == (409, "not_offered")
        left = (await served.client.post("/api/validations/approve_all", json={})).json()
        assert left["approved"] == []
        assert {item["id"] for item in left["left"]} == {alone["id"], together["id"]}
        assert await post("questions", decision, "skip") == (409, "not_offered")
        assert await post("questions", decision, "answer", selected=["else"]) == (422, "invalid")
        assert await post("questions", decision, "answer", selected=["retry"]) == (409, "conflict")  # its run is gone
        assert await post("questions", word, "answer") == (422, "invalid")
        assert await post("questions", word, "answer", text="blue") == (409, "conflict")
        table = (await served.client.get("/api/validations/audit.csv", params={"workflow_id": workflow})).text
        assert "'=do it" in table
        assert "'=no" in table


async def test_unknown_requests_are_not_found_and_broken_bodies_refused(serve: Serve) -> None:
    async with serve() as served:
        nobody = uuid.uuid4()
        for path, body in (
            (f"/api/validations/{nobody}/approve", {}),
            (f"/api/validations/{nobody}/reject", {"reason": "x"}),
            (f"/api/questions/{nobody}/answer", {"text": "x"}),
            (f"/api/questions/{nobody}/skip", {}),
        ):
            assert (await served.client.post(path, json=body)).status_code == 404
            assert (await served.client.get(path.rpartition("/")[0])).status_code == 404
        deep: Any = "x"
        for _ in range(102):
            deep = [deep]
        for arguments in ({"a\x00": 1}, {"a": ["\x00"]}, {"a": deep}):
            refused = await served.client.post(f"/api/validations/{nobody}/approve", json={"arguments": arguments})
            assert refused.status_code == 422
        for kind in ("validations", "questions", "validations/audit", "validations/audit.csv"):
            unknown = await served.client.get(f"/api/{kind}", params={"workflow_id": str(nobody)})
            assert unknown.status_code == 404
        assert (await served.client.get("/api/validations", params={"status": "odd"})).status_code == 422
