"""The result of an execution that was told as a stream, asked for when it is over."""

import pytest

from stretto.core.records import ExecutionRow
from stretto.testing import ScriptedModel

pytestmark = pytest.mark.anyio


async def test_the_result_of_a_streamed_execution_is_the_one_that_waiting_for_it_returns(serve):
    async with serve() as served:
        workflow_id = await served.create()
        waited = (await served.client.post(f"/api/workflows/{workflow_id}/execute", json={"message": "Hi."})).json()
        asked = await served.ask(workflow_id)
        assert await served.over(asked["run_id"]) == "completed"
        answer = await served.client.get(f"/api/workflows/{workflow_id}/executions/{asked['run_id']}/result")
        assert answer.status_code == 200
        result = answer.json()
        assert result.keys() == waited.keys()
        assert result["response"] == "Done."


async def test_an_execution_without_a_result_says_why_there_is_none(serve):
    async with serve(models=[ScriptedModel(ValueError("it broke"))]) as served:
        workflow_id = await served.create()
        asked = await served.ask(workflow_id)
        assert await served.over(asked["run_id"]) == "error"
        place = f"/api/workflows/{workflow_id}/executions/{asked['run_id']}/result"
        failed = await served.client.get(place)
        assert failed.status_code == 502
        assert "it broke" in failed.json()["detail"]
        other = await served.create()
        foreign = await served.client.get(place.replace(workflow_id, other))
        assert foreign.status_code == 404
        row = await served.store.records.add_execution(queued(other))
        early = await served.client.get(f"/api/workflows/{other}/executions/{row.run_id}/result")
        assert early.status_code == 409
        assert "queued" in early.json()["detail"]


def queued(workflow_id):
    return ExecutionRow(
        run_id="waits", workflow_id=workflow_id, message="Hi.", agent_id="helper", locale="", created_at=1.0
    )
