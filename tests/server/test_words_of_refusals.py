"""What a client reads when its request is malformed: the field, the rule in words, and never the value."""

import pytest

from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_broken_json_is_told_with_what_is_wrong_and_where(serve: Serve) -> None:
    async with serve() as served:
        headers = {"content-type": "application/json"}
        answer = await served.client.post("/api/workflows", content=b"{name: 'secret'}", headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "body"
        assert answer.json()["detail"].startswith("body: is no JSON: Expecting property name")
        assert answer.json()["detail"].endswith("(character 1)")
        assert "secret" not in answer.text


async def test_a_mode_that_is_missing_or_unknown_is_told_by_its_field(serve: Serve) -> None:
    async with serve() as served:
        asked = await served.ask(await served.create())
        await served.over(asked["run_id"])
        path = f"/api/runs/{asked['run_id']}/rerun"
        missing = await served.client.post(path, json={})
        unknown = await served.client.post(path, json={"mode": "secret"})
        assert (missing.status_code, unknown.status_code) == (422, 422)
        assert "Field 'mode' is needed" in missing.json()["detail"]
        assert "Field 'mode' has to be one of 'all', 'failed', 'step'" in unknown.json()["detail"]
        assert "secret" not in unknown.text


async def test_a_server_that_was_given_no_workflow_says_how_to_name_one(serve: Serve) -> None:
    async with serve() as served:
        answer = await served.client.post("/api/runs", json={"workflow": "survey"})
        assert answer.status_code == 404
        assert answer.json()["detail"] == "there is no workflow 'survey'; name some behind `stretto serve`"
