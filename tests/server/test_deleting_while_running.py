"""A workflow that is deleted while it works leaves no row in any table, whatever it was doing."""

from typing import Any

import pytest
import sqlalchemy as sa

from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.stores.schema import metadata
from stretto.stores.sql import SqlStore
from stretto.stores.workflow_schema import rows
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, Served, agent
from tests.server.listening import decide, pending
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio

TODO = ("TodoTool", {"operation": "create", "name": "Look", "description": "at all", "priority": 1})
NOTE = ("MemoryTool", {"operation": "add", "type": "context", "content": "Kept for this workflow."})
SUM = ("CalculatorTool", {"operation": "add", "a": 1, "b": 2})
KID = ("DelegateTaskTool", {"operation": "delegate", "agent_id": "kid", "prompt": "say it"})
ASK = ("UserQuestionTool", {"question": "Which?", "question_type": "text"})
CREW = [
    agent(
        "lead", "scripted:lead",
        tools=("TodoTool", "MemoryTool", "CalculatorTool", "UserQuestionTool", *DELEGATION_TOOLS),
    ),
    agent("kid", "scripted:kid"),
]  # fmt: skip
SETTINGS: dict[str, Any] = {"approvals": {"mode": "auto", "rules": [{"then": "ask", "tool": "CalculatorTool"}]}}
SHARED = {"step_duration"}
"""What is learned of steps from all runs together belongs to no workflow."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def counts(connection: sa.Connection) -> dict[str, int]:
    names = [*metadata.tables, *(["memory_words"] if connection.dialect.name == "sqlite" else [])]
    found = {name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in names}
    return {name: count for name, count in found.items() if count}


async def held(served: Served) -> dict[str, int]:
    """Counts the rows of all tables, once everything that was gathered has been written."""
    assert isinstance(served.store, SqlStore)
    await served.house.projector._write(list(served.house.projector._live))
    return await served.store.database.read(counts)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_workflow_that_waits_for_people_goes_with_all_its_rows(serve: Serve, kind: str, tmp_path: Any) -> None:
    lead = ScriptedModel(
        Scripted(text="I begin.", reasoning="How?", calls=(TODO, NOTE, KID)), Scripted(calls=(SUM,)),
        Scripted(calls=(ASK,)), "Never.", id="scripted:lead",
    )  # fmt: skip
    models = [lead, ScriptedModel("Said.", id="scripted:kid")]
    async with SqlStore(tmp_path / "a.db" if kind == "sqlite" else await empty_tables()) as store:
        async with serve(agents=CREW, models=models, settings=SETTINGS, store=store) as served:
            before = await held(served)
            workflow_id = await served.create("lead")
            await served.ask(workflow_id)
            await served.ask(workflow_id, "And then?")
            (asked,) = await pending(served, "validations", 1)
            await decide(served, f"/api/validations/{asked['id']}/approve", {})
            await pending(served, "questions", 1)
            working = await held(served)
            own = {"workflow", "execution", "run", "event", "memory", "todo", *(table.name for table in rows.values())}
            assert own <= working.keys()
            assert working["execution"] == 2
            assert (await served.client.delete(f"/api/workflows/{workflow_id}")).status_code == 204
            after = await held(served)
        assert after.keys() - SHARED == before.keys() - SHARED == set()
        assert (await store.database.read(counts)).keys() <= SHARED  # the end of the server writes nothing of it either


@pytest.mark.parametrize("heard", [1, 4, 9, 20, 60])
async def test_a_workflow_that_is_deleted_in_the_middle_of_anything_leaves_nothing(serve: Serve, heard: int) -> None:
    words = " ".join(["word"] * 5_000)
    lead = ScriptedModel(Scripted(reasoning="How?", calls=(TODO, NOTE, KID)), "Never.", id="scripted:lead")
    models = [lead, ScriptedModel(words, id="scripted:kid", tokens_per_second=300)]
    async with serve(agents=CREW, models=models, settings=SETTINGS) as served:
        workflow_id = await served.create("lead")
        asked = await served.ask(workflow_id)
        await served.ask(workflow_id, "And then?")
        await served.heard(asked["run_id"], heard)
        assert (await served.client.delete(f"/api/workflows/{workflow_id}")).status_code == 204
        assert served.house.executions.running == 0
        assert (await held(served)).keys() <= SHARED
