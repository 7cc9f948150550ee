"""Everything that is known of a workflow, over HTTP: while it works, afterwards, and when there is a lot of it."""

import time
from typing import Any

import anyio
import pytest
from pydantic import TypeAdapter

from stretto.agents import WorkflowFullState
from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.core.archive import NotKept
from stretto.core.events import AgentStarted, Asked, Event, RunStarted, StepCompleted, StepStarted
from stretto.core.records import ROW_TABLES, ExecutionRow, WorkflowRow
from stretto.server import full_state as states
from stretto.server.full_state import full_state, state_json
from stretto.server.projection import Projector
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from stretto.testing import Scripted, ScriptedModel
from tests.server.conftest import Serve, Served, agent
from tests.stores.logs import keep

pytestmark = pytest.mark.anyio

STATE = TypeAdapter(WorkflowFullState)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def state_of(served: Served, workflow_id: str, **asked: Any) -> WorkflowFullState:
    """Asks for a state over HTTP, and has it read as the type that its description names."""
    answer = await served.client.get(f"/api/workflows/{workflow_id}/state", params=asked)
    assert answer.status_code == 200, answer.text
    return STATE.validate_json(answer.content)


async def is_asked(served: Served, run_id: str) -> None:
    """Waits until a run asks somebody, and its rows say so."""
    with anyio.fail_after(30):
        while (run := served.house.executions.run(run_id)) is None:
            await anyio.lowlevel.checkpoint()
        async for events in run.batches():
            if any(isinstance(event, Asked) for event in events):
                break
        for projection in list(served.house.projector._live):
            await served.house.projector._write([projection])


TODO = {"operation": "create", "name": "Look", "description": "at everything", "priority": 1}
CREW = [
    agent("lead", "scripted:lead", tools=("TodoTool", "CalculatorTool", *DELEGATION_TOOLS)),
    agent("kid", "scripted:kid", tools=("CalculatorTool",)),
]
SUM = ("CalculatorTool", {"operation": "add", "a": 1, "b": 2})
LEAD = Scripted(
    text="I look.",
    reasoning="How do I begin?",
    calls=(
        ("TodoTool", TODO), SUM, ("DelegateTaskTool", {"operation": "delegate", "agent_id": "kid", "prompt": "add it"}),
    ),
)  # fmt: skip
AUTO = {"approvals": {"mode": "auto"}}


async def test_a_state_tells_all_that_an_execution_did(serve: Serve) -> None:
    models = [
        ScriptedModel(LEAD, "All is well.", id="scripted:lead"),
        ScriptedModel(Scripted(calls=(SUM,)), "It is 3.", id="scripted:kid"),
    ]
    async with serve(agents=CREW, models=models, settings=AUTO) as served:
        workflow_id = await served.create("lead", "Looking")
        run_id = (await served.ask(workflow_id, "Look at it."))["run_id"]
        assert await served.over(run_id) == "completed"
        state = await state_of(served, workflow_id)
        assert state == await full_state(served.store, workflow_id)
    assert (state.workflow.name, state.workflow.status, state.workflow.total_tokens_input) == (
        "Looking",
        "completed",
        40,
    )
    task, answer = state.messages
    assert (task.role, task.content, answer.role, answer.content) == (
        "user",
        "Look at it.",
        "assistant",
        "All is well.",
    )
    assert sorted(each.tool_name for each in state.tool_executions) == [
        "CalculatorTool", "CalculatorTool", "DelegateTaskTool", "TodoTool",
    ]  # fmt: skip
    assert {each.message_id for each in state.tool_executions} == {answer.id}
    assert [thought.content for thought in state.thinking_steps] == ["How do I begin?"]
    [kid] = state.sub_agent_executions
    assert (kid.sub_agent_id, kid.status, kid.result_summary, kid.tokens_input) == ("kid", "completed", "It is 3.", 20)
    [todo] = state.tasks
    assert (todo.name, todo.description, todo.agent_assigned) == ("Look", "at everything", "lead")
    [execution] = state.executions
    assert (execution.run_id, execution.message, execution.status, execution.error) == (
        run_id,
        "Look at it.",
        "completed",
        None,
    )
    assert state.plan is not None
    assert {span.status for span in state.spans} == {"completed"}
    assert state.totals is not None
    assert state.totals["tool_executions"] == 4
    assert state.totals["spans"] == len(state.spans)


async def test_a_state_tells_what_waits_while_it_waits_and_who_answered_then(serve: Serve) -> None:
    ask = {"question": "Which one?", "question_type": "checkbox", "options": [{"id": "a", "label": "A"}]}
    asking = agent("helper", tools=("UserQuestionTool",))
    model = ScriptedModel(Scripted(text="Hm.", calls=(("UserQuestionTool", ask),)), "I see.", "Again.")
    async with serve(agents=[asking], models=[model]) as served:
        workflow_id = await served.create()
        run_id = (await served.ask(workflow_id))["run_id"]
        await served.ask(workflow_id, "And then?")
        await is_asked(served, run_id)
        state = await state_of(served, workflow_id)
        [question] = state.questions
        assert (question.status, question.options, question.agent_id) == (
            "pending",
            ({"id": "a", "label": "A"},),
            "helper",
        )
        assert (state.workflow.status, state.messages[1].content, state.messages[1].duration_ms) == (
            "running",
            "Hm.",
            None,
        )
        assert [(each.status, each.message) for each in state.executions] == [
            ("running", "Hello."),
            ("queued", "And then?"),
        ]
        assert "running" in {span.status for span in state.spans}
        run = served.house.executions.run(run_id)
        assert run is not None
        assert run.answer(question.request_id, "answer", value={"selected": ["a"]}, by="ada")
        assert await served.over(run_id) == "completed"
        await served.over(state.executions[1].run_id)
        state = await state_of(served, workflow_id)
    [question] = state.questions
    assert (question.status, question.selected_options, question.answered_by) == ("answered", ("a",), "ada")
    assert [message.content for message in state.messages] == ["Hello.", "I see.", "And then?", "Again."]
    assert [message.run_id for message in state.messages] == [run_id] * 2 + [state.executions[0].run_id] * 2


async def test_a_call_that_must_be_approved_is_in_the_state_with_its_details(serve: Serve) -> None:
    model = ScriptedModel(Scripted(calls=(SUM,)), "Well.")
    settings = {"approvals": {"mode": "manual"}}
    async with serve(agents=[agent("helper", tools=("CalculatorTool",))], models=[model], settings=settings) as served:
        workflow_id = await served.create()
        run_id = (await served.ask(workflow_id))["run_id"]
        await is_asked(served, run_id)
        [validation] = (await state_of(served, workflow_id)).validations
        assert (validation.status, validation.tool_name, validation.type) == ("pending", "CalculatorTool", "tool")
        assert validation.details["arguments_preview"]
        run = served.house.executions.run(run_id)
        assert run is not None
        run.answer(validation.request_id, "reject", reason="not now", by="ada")
        assert await served.over(run_id) == "completed"
        [decided] = (await state_of(served, workflow_id)).validations
    assert (decided.status, decided.decision_reason, decided.decided_by) == ("rejected", "not now", "ada")
    assert decided.answered_at is not None


async def test_a_state_says_why_the_last_execution_failed(serve: Serve) -> None:
    async with serve(models=[ScriptedModel(RuntimeError("no model"))]) as served:
        workflow_id = await served.create()
        assert await served.over((await served.ask(workflow_id))["run_id"]) == "error"
        state = await state_of(served, workflow_id)
    [execution] = state.executions
    assert execution.status == "error"
    assert "no model" in (execution.error or "")
    assert [message.content for message in state.messages] == ["Hello."]


async def test_a_page_of_a_state_tells_the_last_of_each_kind(serve: Serve) -> None:
    async with serve(models=[ScriptedModel("1", "2", "3")]) as served:
        workflow_id = await served.create()
        empty = await state_of(served, workflow_id, limit=2)
        for message in "abc":
            await served.over((await served.ask(workflow_id, message))["run_id"])
        state = await state_of(served, workflow_id, limit=2)
        assert state == await full_state(served.store, workflow_id, limit=2)
        unknown = await served.client.get("/api/workflows/00000000-0000-0000-0000-000000000000/state")
        refused = await served.client.get(f"/api/workflows/{workflow_id}/state", params={"limit": 0})
    assert (empty.messages, empty.executions, empty.plan, empty.spans) == ((), (), None, ())
    assert [message.content for message in state.messages] == ["c", "3"]
    assert state.totals is not None
    assert state.totals["messages"] == 6
    assert [execution.message for execution in state.executions] == ["c"]
    assert (unknown.status_code, refused.status_code) == (404, 422)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: Any, tmp_path: Any) -> Any:
    async with MemoryStore() if request.param == "memory" else SqlStore(tmp_path / "runs.db") as made:
        await made.records.add_workflow(WorkflowRow(id="w", name="Work", agent_id="lead"))
        yield made


async def a_long_run(store: Store, calls: int, run_id: str = "r") -> None:
    """Keeps the log of a run with many calls, and its rows."""
    row = ExecutionRow(run_id=run_id, workflow_id="w", message="do it", agent_id="lead", created_at=1.0)
    row = await store.records.add_execution(row)
    log: list[Event] = [RunStarted("", 0.0, run_id, "lead", 100.0), AgentStarted("lead", 0.0, "lead", "Lead")]
    for place in range(calls):
        path = f"lead/tools/read#{place + 1}"
        log.append(StepStarted(path, float(place), {"call": {"name": "read"}}, step="call"))
        log.append(StepCompleted(path, place + 0.5, "x" * 200))
    await keep(store, run_id, log)
    projector = Projector(store.records)
    projection = projector.projection(row)
    projection.take(log)
    await projector.settle(projection)


async def test_ten_thousand_rows_are_read_at_once_and_a_page_of_them_sooner(tmp_path: Any) -> None:
    async with SqlStore(tmp_path / "runs.db") as store:
        await store.records.add_workflow(WorkflowRow(id="w", name="Work", agent_id="lead"))
        await a_long_run(store, 10_000)
        began = time.perf_counter()
        text = await state_json(store, "w")
        took = time.perf_counter() - began
        began = time.perf_counter()
        page = STATE.validate_json(await state_json(store, "w", limit=50))
        took_page = time.perf_counter() - began
    assert took < 5  # it takes 0.06 s
    assert took_page < 2.5  # it takes 0.03 s
    whole = STATE.validate_json(text)
    assert (len(whole.tool_executions), len(page.tool_executions)) == (10_000, 50)
    assert page.tool_executions == whole.tool_executions[-50:]
    assert whole.totals == page.totals


async def test_spans_of_a_long_run_are_counted_and_asked_for_by_themselves(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_long_run(store, 10)
    state = await full_state(store, "w")
    assert state.totals is not None
    assert len(state.spans) == state.totals["spans"] == 12
    monkeypatch.setattr(states, "MOST_SPANS", 9)
    monkeypatch.setattr(states, "SPANS_OF_A_PAGE", 9)
    for limit in (None, 50):
        state = await full_state(store, "w", limit=limit)
        assert state.spans == ()
        assert state.totals is not None
        assert state.totals["spans"] == 10
        assert len(state.tool_executions) == 10


async def test_a_state_is_told_without_the_log_of_a_run_that_was_removed(store: Store) -> None:
    await a_long_run(store, 3)
    await store.remove(["r"])
    state = await full_state(store, "w")
    assert (len(state.tool_executions), state.spans, state.plan) == (3, (), None)
    assert STATE.validate_json(await state_json(store, "w")) == state


async def test_an_unknown_workflow_has_no_state(store: Store) -> None:
    with pytest.raises(NotKept):
        await full_state(store, "x")
    with pytest.raises(NotKept):
        await state_json(store, "x")


async def test_every_table_has_its_place_in_a_state(store: Store) -> None:
    state = await full_state(store, "w")
    assert state.totals is not None
    assert len(state.totals) == len(ROW_TABLES) + 1
    assert (state.workflow.status, state.workflow.completed_at) == ("idle", None)
