"""Runs over HTTP: listed wherever they were made, told, drawn, compared, steered and exported."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import anyio
import anyio.lowlevel
import pytest

from stretto import Request, SequentialWorkflow, run, start, step
from stretto.core.codec import encode
from stretto.core.errors import StepTimeout
from stretto.core.events import EVENTS, Event, ModelDelta, ModelUsed, RunStarted, StepStarted
from stretto.core.journal import Line, owner_of_this_process
from stretto.server.run_views import EventKind
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.server.conftest import Serve, Served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@step
async def double(value: Any) -> Any:
    """Doubles a number."""
    return value * 2


@step
async def talk(value: Any, context: Any) -> Any:
    context.emit(ModelDelta(text="hm"))
    context.emit(ModelUsed(model="m", input_tokens=10, output_tokens=5, cost=0.5))
    return value + 1


@step
async def ask(value: Any, context: Any) -> Any:
    answer = await context.ask(Request(question="go on?", choices=("yes", "no"), reason="because"))
    return f"{value}:{answer.choice}:{answer.value}"


@step
async def wait(value: Any) -> Any:
    await anyio.sleep_forever()
    return value


FLOW = SequentialWorkflow(name="flow", steps=(double, talk))
ASKING = SequentialWorkflow(name="asking", steps=(ask,))
WAITING = SequentialWorkflow(name="waiting", steps=(double, wait))
STEPS = {"flow": FLOW, "asking": ASKING, "waiting": WAITING}


@asynccontextmanager
async def library(serve: Serve, **given: Any) -> AsyncIterator[Served]:
    async with serve(steps=STEPS, settings={"server": {"grace": 0}}, **given) as served:
        yield served


async def begun(served: Served, workflow: str, input: Any = 1, **more: Any) -> str:
    answer = await served.client.post("/api/runs", json={"workflow": workflow, "input": input, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ended(served: Served, run_id: str) -> dict[str, Any]:
    with anyio.fail_after(30):
        if (run := served.house.executions.run(run_id)) is not None:
            await run.ended.wait()
    return await told(served, f"/api/runs/{run_id}")


async def told(served: Served, path: str, status: int = 200) -> Any:
    answer = await served.client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def asks(served: Served, run_id: str) -> list[dict[str, Any]]:
    with anyio.fail_after(30):
        while True:  # it is in the store a moment after it was asked
            answer = await served.client.get(f"/api/runs/{run_id}/questions")
            if answer.status_code == 200 and answer.json():
                return list(answer.json())


async def keep(store: Store, run_id: str, *events: Event) -> None:
    """Keeps a log as another process has written it."""
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    lines = [Line(place, one.kind, one.path, one.at, encode(one)) for place, one in enumerate(events)]
    await store.append(run_id, lines)
    await store.release(run_id, owner)


# -- what is told ------------------------------------------------------------------------------------------------------


async def test_a_library_workflow_is_run_and_told_of(serve: Serve) -> None:
    async with library(serve) as served:
        assert await told(served, "/api/library") == [
            {"name": "asking", "kind": "workflow", "about": "", "steps": ["ask"]},
            {"name": "flow", "kind": "workflow", "about": "", "steps": ["double", "talk"]},
            {"name": "waiting", "kind": "workflow", "about": "", "steps": ["double", "wait"]},
        ]
        run_id = await begun(served, "flow", 20, labels={"team": "blue"})
        run = await ended(served, run_id)
        assert (run["name"], run["status"], run["input"], run["output"]) == ("flow", "completed", 20, 41)
        assert run["labels"] == {"team": "blue", "stretto.step": "flow", "stretto.input": "20"}
        assert (run["here"], run["workflow_id"], run["rerun_of"], run["failure"]) == (False, None, None, None)
        assert (run["steps"]["started"], run["resumed"], run["agents"]) == (3, 0, [])


async def test_runs_of_other_processes_and_of_workflows_are_listed_beside_each_other(
    serve: Serve, tmp_path: Path
) -> None:
    async with library(serve) as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id)
        assert await served.over(asked["run_id"]) == "completed"
        async with SqlStore(tmp_path / "server.db") as other:  # as `stretto run` does
            await run(FLOW, 3, store=other, run_id="elsewhere", labels={"team": "red"})
        own = await begun(served, "flow")
        await ended(served, own)
        page = await told(served, "/api/runs")
        assert [item["id"] for item in page["items"]] == [own, "elsewhere", asked["run_id"]]
        assert page["total"] == 3
        agents = (await told(served, f"/api/runs/{asked['run_id']}"))["agents"]
        assert [agent["agent_id"] for agent in agents] == ["helper"]

        async def found(query: str) -> tuple[list[str], int]:
            page = await told(served, f"/api/runs?{query}")
            return [item["id"] for item in page["items"]], page["total"]

        assert await found("limit=1&offset=1") == (["elsewhere"], 3)
        assert await found("name=flow") == ([own, "elsewhere"], 2)
        assert await found("text=team=RED") == (["elsewhere"], 1)
        assert await found(f"workflow_id={workflow_id}") == ([asked["run_id"]], 1)
        assert await found("status=failed") == ([], 0)
        assert await found("since=99999999999") == ([], 0)
        await told(served, f"/api/runs?workflow_id={workflow_id}&text=a", 409)


async def test_events_come_in_pages_of_some_kinds_with_values_cut_and_one_by_one_whole(serve: Serve) -> None:
    long = "word " * 40_000
    async with library(serve) as served:
        run_id = await begun(served, "flow", "no" * 400)
        await ended(served, run_id)
        events = await told(served, f"/api/runs/{run_id}/events?limit=200")
        assert [event["seq"] for event in events] == list(range(len(events)))
        assert await told(served, f"/api/runs/{run_id}/events?since=2&limit=2") == events[2:4]
        some = await told(served, f"/api/runs/{run_id}/events?kind=run_started&kind=step_started")
        assert [event["kind"] for event in some] == ["run_started", "step_started", "step_started", "step_started"]
        assert set(some[0]["data"]["input"]) == {"$cut", "size"}
        await told(served, f"/api/runs/{run_id}/events?kind=nonsense", 422)
        await told(served, f"/api/runs/{run_id}/events/999", 404)
        await told(served, "/api/runs/nobody/events", 404)
        await run(step(lambda value: value, name="echo"), long, store=served.store, run_id="long")
        [cut] = await told(served, "/api/runs/long/events?kind=step_completed")
        assert cut["data"]["output"] == {"size": len(json.dumps(long)), "begins": ANY_TEXT}
        whole = await told(served, f"/api/runs/long/events/{cut['seq']}")
        assert whole["data"]["output"] == long


class _AnyText:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and len(other) <= 200

    __hash__ = None  # type: ignore[assignment]


ANY_TEXT = _AnyText()


async def test_spans_and_figures_tell_of_steps(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "flow")
        await ended(served, run_id)
        page = await told(served, f"/api/runs/{run_id}/spans")
        assert [(span["path"], span["status"], span["children"]) for span in page["items"]] == [
            ("flow", "completed", 2), ("flow/double", "completed", 0), ("flow/talk", "completed", 0),
        ]  # fmt: skip
        assert page["items"][2]["spent"] | {"cost": 0.5, "input_tokens": 10} == page["items"][2]["spent"]
        below = await told(served, f"/api/runs/{run_id}/spans?under=flow/talk&status=completed&limit=1")
        assert ([span["path"] for span in below["items"]], below["total"]) == (["flow/talk"], 1)
        metrics = await told(served, f"/api/runs/{run_id}/metrics?slots=2")
        assert (metrics["operations"], metrics["slots"], metrics["cost"], metrics["model_requests"]) == (2, 2, 0.5, 1)
        await told(served, f"/api/runs/{run_id}/metrics?slots=0", 422)


async def test_a_failure_is_told_with_where_it_was_raised_first(serve: Serve) -> None:
    async with library(serve) as served:
        await run_badly(served.store, "bad")
        told_run = await told(served, "/api/runs/bad")
        assert told_run["failure"] == {"type": "builtins.ValueError", "message": "no " * 3, "path": "broken"}
        assert told_run["output"] is None
        [span] = (await told(served, "/api/runs/bad/spans"))["items"]
        assert span["error"]["message"] == "no " * 3


async def run_badly(store: Store, run_id: str) -> None:
    @step
    async def broken(_: Any) -> None:
        raise ValueError("no " * 3)

    async with start(broken, 0, store=store, run_id=run_id):
        pass


async def test_plans_are_told(serve: Serve) -> None:
    from stretto.core.events import PlanMade

    async with library(serve) as served:
        plan = {"operations": [], "batches": [["a", "b"]]}
        await keep(served.store, "planned", RunStarted("", 0.0, "planned", "flow", 1.0), PlanMade("flow", 0.5, plan))
        [found] = await told(served, "/api/runs/planned/plan")
        assert (found["path"], found["at"], found["plan"], found["estimate"]) == ("flow", 0.5, plan, None)
        assert [one["path"] for one in found["batches"][0]["operations"]] == ["flow/a", "flow/b"]


async def test_a_run_is_drawn_in_every_form(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "flow")
        await ended(served, run_id)
        for path, kind, beginning in (
            ("gantt.svg?width=600&rows=9&scheme=dark", "image/svg+xml", "<svg "),
            ("gantt.html?rows=9", "text/html; charset=utf-8", "<!doctype html>"),
            ("trace", "application/json", '{"traceEvents"'),
            ("graph", "text/plain; charset=utf-8", "flowchart"),
            ("graph?form=dot&nodes=9", "text/plain; charset=utf-8", "digraph"),
        ):
            answer = await served.client.get(f"/api/runs/{run_id}/{path}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
            assert answer.text.lower().startswith(beginning.lower()), path
        page = await served.client.get(f"/api/runs/{run_id}/gantt.html")
        assert "sandbox allow-scripts" in page.headers["content-security-policy"]
        for path in ("gantt.svg", "gantt.html", "trace", "graph", "metrics", "spans", "plan", "questions", "export"):
            await told(served, f"/api/runs/nobody/{path}", 404)
        await told(served, f"/api/runs/{run_id}/gantt.svg?width=1", 422)


async def test_names_of_files_that_are_no_unicode_can_be_told(serve: Serve) -> None:
    odd = "caf\udce9 😀 \x00"
    async with library(serve) as served:
        with pytest.raises(ValueError, match="caf"):
            await run(step(fail, name="odd"), odd, store=served.store, run_id="odd")
        told_run = await told(served, "/api/runs/odd")
        assert told_run["input"] == "caf? 😀 \x00"
        assert told_run["failure"]["message"] == "caf? 😀 \x00"
        assert "caf?" in told_run["error"]
        for path in ("events", "events/1", "spans", "metrics", "gantt.svg", "gantt.html", "trace", "graph", "export"):
            answer = await served.client.get(f"/api/runs/odd/{path}")
            assert answer.status_code == 200, path


def fail(text: str) -> None:
    raise ValueError(text)


async def test_a_run_is_exported_whole(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stretto.server.run_reading.AT_ONCE", 3)
    long = "word " * 40_000
    async with library(serve) as served:
        await run(step(lambda value: value, name="echo"), long, store=served.store, run_id="a run")
        answer = await served.client.get("/api/runs/a run/export")
        assert answer.headers["content-disposition"] == 'attachment; filename="a_run.json"'
        held = answer.json()
        assert (held["format"], held["version"], held["run"]["id"]) == ("stretto.run", 1, "a run")
        assert [event["seq"] for event in held["events"]] == list(range(held["run"]["events"]))
        assert held["events"][-1]["data"]["output"] == long


async def test_a_run_that_has_said_nothing_yet_is_told(serve: Serve) -> None:
    async with library(serve) as served:
        await served.store.claim("queued", owner := owner_of_this_process())
        try:
            queued = await told(served, "/api/runs/queued")
            assert (queued["status"], queued["input"], queued["events"]) == ("queued", None, 0)
            assert await told(served, "/api/runs/queued/questions") == []
        finally:
            await served.store.release("queued", owner)


async def test_a_run_is_deleted_unless_it_runs_or_belongs_to_a_workflow(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "flow")
        await ended(served, run_id)
        assert (await served.client.delete(f"/api/runs/{run_id}")).status_code == 204
        assert (await served.client.delete(f"/api/runs/{run_id}")).status_code == 404
        live = await begun(served, "waiting")
        assert (await served.client.delete(f"/api/runs/{live}")).status_code == 409
        asked = await served.ask(await served.create())
        await served.over(asked["run_id"])
        refused = await served.client.delete(f"/api/runs/{asked['run_id']}")
        assert refused.status_code == 409
        assert "goes when that is deleted" in refused.json()["detail"]


# -- what is steered ---------------------------------------------------------------------------------------------------


async def test_a_run_of_this_server_is_cancelled(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "waiting")
        assert (await told(served, f"/api/runs/{run_id}"))["here"]
        answer = await served.client.post(f"/api/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()) == (202, {"run_id": run_id})
        assert (await ended(served, run_id))["status"] == "cancelled"
        again = await served.client.post(f"/api/runs/{run_id}/cancel")
        assert again.status_code == 409
        assert (await served.client.post("/api/runs/nobody/cancel")).status_code == 404


async def test_a_run_of_another_process_is_cancelled_and_answered_by_the_mailbox(serve: Serve, tmp_path: Path) -> None:
    async with library(serve) as served:
        async with SqlStore(tmp_path / "server.db") as other, start(ASKING, 1, store=other, run_id="elsewhere") as run:
            [question] = await asks(served, "elsewhere")
            assert (question["question"], question["choices"], question["reason"]) == (
                "go on?", ["yes", "no"], "because",
            )  # fmt: skip
            body = {"request_id": question["request_id"], "choice": "perhaps"}
            assert (await served.client.post("/api/runs/elsewhere/answer", json=body)).status_code == 409
            body = {"request_id": question["request_id"], "choice": "yes", "value": [1], "by": "ann"}
            assert (await served.client.post("/api/runs/elsewhere/answer", json=body)).status_code == 204
            assert await run.result() == "1:yes:[1]"
            assert (await served.client.post("/api/runs/elsewhere/answer", json=body)).status_code == 409
        async with SqlStore(tmp_path / "server.db") as other, start(WAITING, 1, store=other, run_id="idle") as run:
            await other_is_seen(served, "idle")
            assert (await served.client.post("/api/runs/idle/cancel")).status_code == 202
            await run.ended.wait()
            assert run.outcome.status == "cancelled"


async def other_is_seen(served: Served, run_id: str) -> None:
    with anyio.fail_after(30):
        while (await served.client.get(f"/api/runs/{run_id}")).status_code == 404:
            await anyio.lowlevel.checkpoint()


async def test_a_question_of_a_run_of_this_server_is_answered_once(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "asking", "x")
        [question] = await asks(served, run_id)
        path, request_id = f"/api/runs/{run_id}/answer", question["request_id"]
        assert (await served.client.post(path, json={"request_id": "other", "choice": "yes"})).status_code == 409
        assert (await served.client.post(path, json={"request_id": request_id, "choice": "maybe"})).status_code == 409
        answer = await served.client.post(path, json={"request_id": request_id, "choice": "yes", "value": {"a": None}})
        assert answer.status_code == 204
        assert (await ended(served, run_id))["output"] == "x:yes:{'a': None}"
        assert (await served.client.post(path, json={"request_id": request_id, "choice": "yes"})).status_code == 409


async def test_a_workflow_that_is_not_there_is_refused_with_what_is_near(serve: Serve) -> None:
    async with library(serve) as served:
        answer = await served.client.post("/api/runs", json={"workflow": "flo"})
        assert (answer.status_code, "did you mean 'flow'" in answer.json()["detail"]) == (404, True)
        answer = await served.client.post("/api/runs", json={"workflow": "zzz"})
        assert "there are 'asking', 'flow'" in answer.json()["detail"]
        deep: Any = 1
        for _ in range(101):
            deep = [deep]
        for body in (
            {"workflow": "flow", "labels": {"stretto.step": "x"}},
            {"workflow": "flow", "labels": {"team": "a\nb"}},
            {"workflow": "flow", "input": deep},
            {"workflow": "flow", "more": 1},
        ):
            assert (await served.client.post("/api/runs", json=body)).status_code == 422
        half = b'{"workflow": "flow", "input": "\\ud800"}'
        answer = await served.client.post("/api/runs", content=half, headers={"content-type": "application/json"})
        assert answer.status_code == 422


# -- what is run again -------------------------------------------------------------------------------------------------


async def again(served: Served, run_id: str, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = await served.client.post(f"/api/runs/{run_id}/rerun", json={"mode": "all", **body})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_a_library_run_is_run_again_whole_from_a_step_and_with_another_input(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "flow", 5, labels={"team": "blue"})
        await ended(served, run_id)
        whole = await again(served, run_id)
        assert whole == {"run_id": whole["run_id"], "workflow_id": None, "rerun_of": run_id}
        repeated = await ended(served, whole["run_id"])
        assert (repeated["output"], repeated["rerun_of"], repeated["labels"]["team"]) == (11, run_id, "blue")
        part = await again(served, whole["run_id"], mode="step", path="flow/talk")
        repeated = await ended(served, part["run_id"])
        assert (repeated["output"], repeated["rerun_of"], repeated["labels"]["team"]) == (11, whole["run_id"], "blue")
        spans = (await told(served, f"/api/runs/{part['run_id']}/spans"))["items"]
        assert {span["path"]: span["source"] for span in spans} == {
            "flow": "run", "flow/double": "cache", "flow/talk": "run",
        }  # fmt: skip
        edited = await again(served, run_id, input=None)
        assert (await ended(served, edited["run_id"]))["status"] == "failed"
        edited = await again(served, run_id, input=7)
        assert (await ended(served, edited["run_id"]))["output"] == 15
        failed = await again(served, edited["run_id"], 409, mode="failed")
        assert "nothing failed" in failed["detail"]


async def test_what_cannot_be_run_again_is_refused(serve: Serve) -> None:
    async with library(serve) as served:
        run_id = await begun(served, "flow", 5)
        await ended(served, run_id)
        await again(served, "nobody", 404)
        await again(served, run_id, 422, mode="step")
        await again(served, run_id, 422, path="flow/talk")
        await again(served, run_id, 422, mode="some")
        await again(served, run_id, 422, mode="failed", input=1)
        await again(served, run_id, 409, message="hello")
        refused = await again(served, run_id, 409, mode="step", path="flow/tlk")
        assert "did you mean 'flow/talk'" in refused["detail"]
        live = await begun(served, "waiting")
        await again(served, live, 409, mode="step", path="waiting/double")
        await run(double, 1, store=served.store, run_id="other")
        refused = await again(served, "other", 409)
        assert "of the workflow 'double', which this server does not have" in refused["detail"]
        async with start(FLOW, "long " * 1000, store=served.store, run_id="cut"):
            pass
        refused = await again(served, "cut", 409)
        assert "is not kept whole; give it again" in refused["detail"]
        given = await again(served, "cut", input=2)
        assert (await ended(served, given["run_id"]))["output"] == 5


async def test_a_repetition_refuses_changed_code_unless_it_is_accepted(serve: Serve) -> None:
    async def other(value: Any) -> Any:
        return value * 3

    changed = SequentialWorkflow(name="flow", steps=(step(other, name="double"), talk))
    async with serve(steps={"flow": changed}) as served:
        await run(FLOW, 5, store=served.store, run_id="earlier")
        refused = await again(served, "earlier", 409, mode="step", path="flow/talk")
        assert "has changed since it completed" in refused["detail"]
        assert refused["code"] == "code_changed"
        accepted = await again(served, "earlier", mode="step", path="flow/talk", on_change="accept")
        assert (await ended(served, accepted["run_id"]))["output"] == 11


async def test_an_execution_is_run_again_as_one_of_its_workflow(serve: Serve) -> None:
    async with library(serve) as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id, "What?")
        await served.over(asked["run_id"])
        await again(served, asked["run_id"], 409, input=1)
        await again(served, asked["run_id"], 409, mode="step", path="helper/nothing")
        whole = await again(served, asked["run_id"], message="Something else?")
        assert whole["workflow_id"] == workflow_id
        assert await served.over(whole["run_id"]) == "completed"
        row = await served.store.records.execution(whole["run_id"])
        assert row.message == "Something else?"
        assert row.rerun is not None
        assert row.rerun["run_id"] == asked["run_id"]
        part = await again(served, asked["run_id"], mode="step", path="helper/model", on_change="accept")
        assert await served.over(part["run_id"]) == "completed"
        comparison = await told(served, f"/api/runs/{asked['run_id']}/compare/{part['run_id']}")
        assert (comparison["only_first"], comparison["only_second"]) == (0, 0)


# -- what goes on ------------------------------------------------------------------------------------------------------


async def test_a_run_that_failed_goes_on_where_it_was(serve: Serve) -> None:
    ran: list[str] = []
    failing = True

    @step
    async def first(value: int) -> int:
        ran.append("first")
        return value + 1

    @step
    async def second(value: int) -> int:
        ran.append("second")
        if failing:
            raise StepTimeout("second", 1.0)
        return value + 1

    async with serve(steps={"row": SequentialWorkflow(name="row", steps=(first, second))}) as served:
        run_id = await begun(served, "row", 1)
        assert (await ended(served, run_id))["status"] == "failed"
        failing = False
        answer = await served.client.post(f"/api/runs/{run_id}/resume", json={})
        assert (answer.status_code, answer.json()) == (202, {"run_id": run_id})
        run = await ended(served, run_id)
        assert (run["status"], run["output"], run["resumed"], run["failure"]) == ("completed", 3, 1, None)
        assert ran == ["first", "second", "second"]
        refused = await served.client.post(f"/api/runs/{run_id}/resume", json={})
        assert (refused.status_code, "has completed" in refused.json()["detail"]) == (409, True)


async def test_a_run_that_is_not_over_or_of_a_workflow_that_was_not_interrupted_does_not_go_on(serve: Serve) -> None:
    async with library(serve) as served:
        live = await begun(served, "waiting")
        assert (await served.client.post(f"/api/runs/{live}/resume", json={})).status_code == 409
        asked = await served.ask(await served.create())
        await served.over(asked["run_id"])
        assert (await served.client.post(f"/api/runs/{asked['run_id']}/resume", json={})).status_code == 409
        assert (await served.client.post("/api/runs/nobody/resume", json={})).status_code == 404


# -- what is compared --------------------------------------------------------------------------------------------------


async def test_two_runs_are_compared_step_by_step(serve: Serve) -> None:
    longer = SequentialWorkflow(name="longer", steps=(double, talk, step(double, name="talk")))
    async with library(serve) as served:
        await run(FLOW, 1, store=served.store, run_id="a")
        await run(longer, 1, store=served.store, run_id="b")
        comparison = await told(served, "/api/runs/a/compare/b")
        assert [(row["path"], row["where"]) for row in comparison["steps"]] == [
            ("flow", "both"), ("flow/double", "both"), ("flow/talk", "both"), ("flow/talk#2", "second"),
        ]  # fmt: skip
        row = comparison["steps"][2]
        assert (row["same_outcome"], row["tokens_difference"], row["cost_difference"]) == (True, 0, 0.0)
        assert row["duration_difference"] == pytest.approx(row["second"]["duration"] - row["first"]["duration"])
        assert (comparison["only_first"], comparison["only_second"], comparison["different"]) == (0, 1, 1)
        assert comparison["whole"]["first"]["tokens_input"] == 10
        only = await told(served, "/api/runs/b/compare/a?which=first&limit=1")
        assert ([row["path"] for row in only["steps"]], only["total"]) == (["longer/talk#2"], 1)
        assert (await told(served, "/api/runs/a/compare/b?which=different"))["total"] == 1
        await told(served, "/api/runs/a/compare/nobody", 404)


async def test_a_difference_with_an_unknown_price_is_unknown(serve: Serve) -> None:
    async with library(serve) as served:
        for run_id, cost in (("a", 1.0), ("b", None)):
            used = ModelUsed("flow", 0.5, model="m", input_tokens=3, cost=cost)
            beginning = RunStarted("", 0.0, run_id, "flow", 1.0), StepStarted("flow", 0.1)
            await keep(served.store, run_id, *beginning, used)
        comparison = await told(served, "/api/runs/a/compare/b")
        assert comparison["steps"][0]["cost_difference"] is None


def test_every_kind_of_event_can_be_asked_for() -> None:
    assert set(get_args(EventKind)) == set(EVENTS)


async def test_runs_in_memory_are_told_as_well(serve: Serve) -> None:
    async with MemoryStore() as store, library(serve, store=store) as served:
        run_id = await begun(served, "flow")
        assert (await ended(served, run_id))["output"] == 3
        assert (await told(served, "/api/runs"))["total"] == 1
