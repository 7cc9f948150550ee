"""Commands where it matters how they are called: clients that leave, languages, filters, and what takes too long."""

import gc

import httpx2
import pytest

from stretto.testing import ScriptedModel
from tests.server.conftest import Serve, Served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_execution_goes_on_when_its_client_leaves(serve: Serve) -> None:
    model = ScriptedModel(" ".join(["word"] * 30), tokens_per_second=40)
    async with serve(models=[model]) as served:
        workflow_id = await served.create()
        with pytest.raises(httpx2.ReadTimeout):
            await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "m"}, timeout=0.3)
        [execution] = (await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()
        assert execution["status"] == "running"
        assert await served.over(execution["run_id"]) == "completed"
        state = (await served.client.get(f"/api/workflows/{workflow_id}/state")).json()
    assert state["messages"][-1]["content"] == " ".join(["word"] * 30)


async def test_a_state_that_takes_too_long_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as served:
        workflow_id = await served.create()
        monkeypatch.setattr("stretto.server.service.STATE_TIMEOUT", 0.0)
        answer = await served.client.get(f"/api/workflows/{workflow_id}/state")
        assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
        assert "limit=100" in answer.json()["detail"]


async def test_a_locale_says_the_language_of_the_answer(serve: Serve) -> None:
    model = ScriptedModel("Oui.", "Ja.", "Yes.")
    async with serve(models=[model], settings={"locale": "German"}) as served:
        workflow_id = await served.create()
        for said, language in (({"locale": "fr-CA"}, "French"), ({}, "German"), ({"locale": "en"}, "English")):
            path = f"/api/workflows/{workflow_id}/execute"
            made = await served.client.post(path, json={"message": "m", **said})
            assert made.status_code == 200, made.text
            assert language in str(model.seen[-1])


async def test_a_language_that_is_chosen_while_it_runs_holds_for_every_protocol(serve: Serve) -> None:
    model = ScriptedModel("Oui.", forever=True)
    async with serve(models=[model]) as served:
        changed = await served.client.patch("/api/settings", json={"locale": "fr"})
        assert changed.status_code == 200, changed.text
        asked = {"model": "helper", "messages": [{"role": "user", "content": "Is it?"}]}
        for path, body in (
            (f"/api/workflows/{await served.create()}/execute", {"message": "Is it?"}),
            ("/v1/chat/completions", asked),
            ("/v1/responses", {"model": "helper", "input": "Is it?", "store": False}),
        ):
            made = await served.client.post(path, json=body)
            assert made.status_code == 200, made.text
            assert "French" in str(model.seen[-1]), path


async def test_workflows_are_found_by_status_and_text_together_in_pages(serve: Serve) -> None:
    model = ScriptedModel("Done.", "Done.", ValueError("broken"))
    async with serve(models=[model]) as served:
        ids = {name: await served.create(name=name) for name in ("one apple", "two apples", "a pear", "an idle apple")}
        for name, ends in (("one apple", "completed"), ("two apples", "completed"), ("a pear", "error")):
            assert await served.over((await served.ask(ids[name]))["run_id"]) == ends

        async def found(**asked: object) -> tuple[list[str], int]:
            page = (await served.client.get("/api/workflows", params=asked)).json()
            return [each["name"] for each in page["items"]], page["total"]

        assert await found(status="completed") == (["two apples", "one apple"], 2)
        assert await found(status="error") == (["a pear"], 1)
        assert await found(status="idle") == (["an idle apple"], 1)
        assert await found(status="running") == ([], 0)
        assert await found(text="apple") == (["two apples", "one apple", "an idle apple"], 3)
        assert await found(text="apple", limit=1, offset=1) == (["one apple"], 3)
        assert await found(text="apple", status="completed", limit=1) == (["two apples"], 2)
        assert await found(text="HELPER", status="error") == (["a pear"], 1)
        assert (await served.client.get("/api/workflows?status=odd")).status_code == 422


async def test_those_who_have_waited_for_an_execution_leave_nothing_behind(serve: Serve) -> None:
    async with serve() as served:
        workflow_id = await served.create()
        for _ in range(3):
            made = await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "m"})
            assert made.status_code == 200
            assert await served.over(await last(served, workflow_id)) == "completed"
        gc.collect()
        assert not served.house.executions._waiting._over


async def last(served: Served, workflow_id: str) -> str:
    """Returns the id of the last execution."""
    return str((await served.client.get(f"/api/workflows/{workflow_id}/executions")).json()[-1]["run_id"])
