"""Tasks of workflows over real HTTP, by the rules that hold for agents, too."""

import uuid
from typing import Any

import pytest

from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_task_cannot_begin_before_those_that_it_depends_on(serve: Serve) -> None:
    async with serve() as served:
        client, base = served.client, f"/api/workflows/{await served.create()}/tasks"
        first = (await client.post(base, json={"name": "read", "priority": 2})).json()
        made = await client.post(
            base, json={"name": "write", "dependencies": [first["id"]], "agent_assigned": "helper"}
        )
        assert made.status_code == 201, made.text
        second = made.json()
        assert (second["waiting_for"], second["status"], second["priority"]) == ([first["id"]], "pending", 3)
        early = await client.patch(f"{base}/{second['id']}", json={"status": "in_progress"})
        assert (early.status_code, early.json()["code"]) == (409, "dependency")
        begun = (await client.patch(f"{base}/{first['id']}", json={"status": "in_progress"})).json()
        assert begun["started_at"] is not None
        done = (await client.patch(f"{base}/{first['id']}", json={"status": "completed", "name": "read all"})).json()
        assert (done["name"], done["status"], done["duration_ms"] >= 0) == ("read all", "completed", True)
        assert done["completed_at"] is not None
        assert (await client.get(f"{base}/{second['id']}")).json()["waiting_for"] == []
        assert (await client.patch(f"{base}/{second['id']}", json={"status": "completed"})).status_code == 200
        reopened = await client.patch(f"{base}/{first['id']}", json={"status": "pending"})
        assert reopened.status_code == 409
        assert second["id"] in reopened.json()["detail"]
        needed = await client.delete(f"{base}/{first['id']}")
        assert (needed.status_code, "depend on it" in needed.json()["detail"]) == (409, True)
        assert (await client.delete(f"{base}/{second['id']}")).status_code == 204
        assert (await client.delete(f"{base}/{first['id']}")).status_code == 204
        assert (await client.get(base)).json()["total"] == 0


async def test_tasks_are_listed_by_urgency_and_seen_in_the_state(serve: Serve) -> None:
    async with serve() as served:
        workflow = await served.create()
        base = f"/api/workflows/{workflow.upper()}/tasks"
        for name, priority in (("late", 5), ("soon", 1), ("then", 3)):
            await served.client.post(base, json={"name": name, "priority": priority})
        page = (await served.client.get(base, params={"limit": 2})).json()
        assert ([task["name"] for task in page["items"]], page["total"]) == (["soon", "then"], 3)
        late = page["items"][1]["id"]
        await served.client.patch(f"{base}/{late}", json={"status": "blocked"})
        blocked = (await served.client.get(base, params={"status": "blocked"})).json()
        assert [task["id"] for task in blocked["items"]] == [late]
        state = (await served.client.get(f"/api/workflows/{workflow}/state")).json()
        assert [task["name"] for task in state["tasks"]] == ["soon", "then", "late"]


async def test_what_cannot_be_is_refused(serve: Serve) -> None:
    broken: list[dict[str, Any]] = [
        {"name": ""}, {"name": "x" * 129}, {"name": "x", "priority": 0}, {"name": "x", "description": "d" * 1001},
        {"name": "a\x00"}, {"name": "x", "dependencies": ["no space"]}, {"name": "x", "more": 1},
    ]  # fmt: skip
    async with serve() as served:
        client, workflow = served.client, await served.create()
        base = f"/api/workflows/{workflow}/tasks"
        for said in broken:
            assert (await client.post(base, json=said)).status_code == 422
        assert (await client.post(base, json={"name": "x", "dependencies": ["nobody"]})).status_code == 409
        for path in (f"{base}/nobody", f"/api/workflows/{uuid.uuid4()}/tasks/nobody"):
            assert (await client.get(path)).status_code == 404
            assert (await client.patch(path, json={"name": "y"})).status_code == 404
            assert (await client.delete(path)).status_code == 404
        assert (await client.get(f"/api/workflows/{uuid.uuid4()}/tasks")).status_code == 404
        one = (await client.post(base, json={"name": "one"})).json()["id"]
        circle = await client.patch(f"{base}/{one}", json={"dependencies": [one]})
        assert circle.status_code == 409
