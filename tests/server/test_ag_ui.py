"""AG-UI: a thread is a workflow; its events are read by the protocol's own types, over real HTTP."""

import json
import uuid
from contextlib import asynccontextmanager

import anyio
import pytest
from ag_ui.core import Event, RunAgentInput, UserMessage
from ag_ui.encoder import EventEncoder
from pydantic import TypeAdapter

from stretto.agents.config import AgentConfig, ModelChoice
from stretto.core.ledger import Usage
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.server.ag_ui import workflow_of
from stretto.testing import Scripted, ScriptedModel

pytestmark = pytest.mark.anyio
EVENTS = TypeAdapter(Event)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def agent(id="helper", **fields):
    choice = ModelChoice.model_validate({"model": f"scripted:{id}"})
    return AgentConfig.model_validate({"id": id, "name": id, "llm": choice, **fields})


def asked(words="Hello.", thread="a thread", run="run-1", **fields):
    messages = [UserMessage(id="m1", content=words)] if words else []
    given = {"state": None, "messages": messages, "tools": [], "context": [], "forwarded_props": {}, **fields}
    return RunAgentInput(thread_id=thread, run_id=run, **given)


@asynccontextmanager
async def serving(serve, *script, settings=None, others=(), **fields):
    models = [ScriptedModel(*(script or ("Done.",)), id="scripted:helper", forever=True), *(m for _, m in others)]
    agents = [agent(**fields), *(a for a, _ in others)]
    chosen = {"agent": "helper", "server": {"grace": 0}, **(settings or {})}
    async with serve(models=models, agents=agents, settings=chosen) as served:
        yield served


async def events_of(served, given, path="/ag-ui"):
    body = given.model_dump(mode="json", by_alias=True)
    told = []
    headers = {"accept": EventEncoder().get_content_type()}
    async with served.client.stream("POST", path, json=body, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
            raise AssertionError((answer.status_code, answer.json()))
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                told.append(EVENTS.validate_json(line.removeprefix("data: ")))
                assert not told[-1].model_extra, told[-1]
    well_formed(told)
    return told


def well_formed(told):
    """Checks what clients of the protocol check: what has begun ends, and nothing is told of what has not begun."""
    assert told[0].type == "RUN_STARTED"
    assert told[-1].type in ("RUN_FINISHED", "RUN_ERROR")
    assert sum(event.type in ("RUN_FINISHED", "RUN_ERROR") for event in told) == 1
    live, calls, agents, seen = set(), set(), set(), set()
    for event in told:
        kind = event.type.value
        if kind in ("TEXT_MESSAGE_START", "REASONING_MESSAGE_START", "REASONING_START"):
            key = kind.removesuffix("_START"), event.message_id
            assert key not in seen
            seen.add(key)
            live.add(key)
        elif kind.endswith("MESSAGE_CONTENT"):
            assert (kind.removesuffix("_CONTENT"), event.message_id) in live
        elif kind in ("TEXT_MESSAGE_END", "REASONING_MESSAGE_END", "REASONING_END"):
            live.remove((kind.removesuffix("_END"), event.message_id))
        elif kind == "TOOL_CALL_START":
            calls.add(event.tool_call_id)
        elif kind == "TOOL_CALL_END":
            calls.remove(event.tool_call_id)
        elif kind == "SUBAGENT_STARTED":
            agents.add(event.subagent_run_id)
        elif kind in ("SUBAGENT_FINISHED", "SUBAGENT_ERROR"):
            agents.remove(event.subagent_run_id)
        if getattr(event, "subagent_run_id", None) and not kind.startswith("SUBAGENT"):
            assert event.subagent_run_id in agents
    if told[-1].type == "RUN_FINISHED":
        assert (live, calls, agents) == (set(), set(), set())


def kinds(told):
    return [event.type.value for event in told if event.type != "CUSTOM"]


def words(told, kind="TEXT_MESSAGE_CONTENT"):
    return "".join(event.delta for event in told if event.type == kind)


async def test_an_answer_streams_with_reasoning_and_usage(serve):
    script = Scripted(text="It is four.", reasoning="2 + 2", usage=Usage(input_tokens=10, output_tokens=5))
    async with serving(serve, script) as served:
        told = await events_of(served, asked("2 + 2?"))
        shown = (await served.client.get("/api/workflows")).json()["items"]
    assert kinds(told)[:4] == ["RUN_STARTED", "REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT"]
    assert (told[0].thread_id, told[0].run_id) == ("a thread", "run-1")
    assert (words(told), words(told, "REASONING_MESSAGE_CONTENT")) == ("It is four.", "2 + 2")
    end = told[-1]
    assert (end.outcome.type, end.result) == ("success", {"status": "success"})
    assert [(used.provider, used.model, used.input_tokens, used.output_tokens) for used in end.usage] == [
        ("scripted", "helper", 10, 5)
    ]
    assert [(row["id"], row["name"]) for row in shown] == [(workflow_of("a thread"), "2 + 2?")]
    execution = next(event for event in told if event.type == "CUSTOM")
    assert execution.value["workflow_id"] == workflow_of("a thread")


async def test_a_thread_goes_on_with_its_conversation(serve):
    thread = str(uuid.uuid4())
    model = ScriptedModel("One.", "Two.", id="scripted:helper")
    async with serve(models=[model], agents=[agent()], settings={"agent": "helper"}) as served:
        await events_of(served, asked("First.", thread))
        parts = [{"type": "text", "text": "Sec"}, {"type": "text", "text": "ond."}]
        second = asked(parts, thread, "run-2", context=[{"description": "page", "value": "7"}])
        told = await events_of(served, second, "/ag-ui/helper")
        assert (await served.client.get(f"/api/workflows/{thread}")).status_code == 200
    assert words(told) == "Two."
    seen = [part["content"] for message in model.seen[1].messages for part in message["parts"]]
    assert seen[:2] == ["First.", "One."]
    assert seen[2].startswith("Second.")
    assert '"page": "7"' in seen[2]


async def test_calls_tasks_and_tools_of_the_front_end(serve):
    create = {"operation": "create", "name": "look", "description": "look at it"}
    script = [
        Scripted(text="I plan.", calls=(("TodoTool", create), ("CalculatorTool", {"expression": "1/0"}))),
        "All planned.",
    ]
    front = [{"name": "confetti", "description": "", "parameters": {}}]
    async with serving(serve, *script, tools=("TodoTool", "CalculatorTool")) as served:
        told = await events_of(served, asked(state={"page": 7}, tools=front))
        again = await events_of(served, asked("Again.", run="run-2"))
    started = [event for event in told if event.type == "TOOL_CALL_START"]
    assert {event.tool_call_name for event in started} == {"TodoTool", "CalculatorTool"}
    text = next(event for event in told if event.type == "TEXT_MESSAGE_START")
    assert {event.parent_message_id for event in started} == {text.message_id}
    arguments = {event.tool_call_id: json.loads(event.delta) for event in told if event.type == "TOOL_CALL_ARGS"}
    results = {event.tool_call_id: event for event in told if event.type == "TOOL_CALL_RESULT"}
    for call in started:
        assert arguments[call.tool_call_id]
        assert results[call.tool_call_id].content
    outcomes = sorted(event.metadata["stretto"]["outcome"] for event in results.values())
    assert outcomes == ["error", "success"]
    (state,) = [event for event in told if event.type == "STATE_SNAPSHOT"]
    assert state.snapshot["page"] == 7
    assert [task["name"] for task in state.snapshot["tasks"].values()] == ["look"]
    assert [event.value for event in told if event.type == "CUSTOM" and event.name == "tools_not_offered"] == [
        ["confetti"]
    ]
    assert words(told).endswith("All planned.")
    assert words(again) == "All planned."


async def test_tasks_that_change_are_told_as_patches(serve):
    def second(call):
        made = json.loads(call.messages[-1]["parts"][0]["content"])
        id = made["id"] if "id" in made else made["task"]["id"]
        return Scripted(
            calls=(
                ("TodoTool", {"operation": "complete", "task_id": id}),
                ("TodoTool", {"operation": "delete", "task_id": id}),
            )
        )

    create = {"operation": "create", "name": "look", "description": "look at it"}
    script = [Scripted(calls=(("TodoTool", create),)), second, "Done."]
    async with serving(serve, *script, tools=("TodoTool",)) as served:
        told = await events_of(served, asked())
    (state,) = [event for event in told if event.type == "STATE_SNAPSHOT"]
    (id,) = state.snapshot["tasks"]
    deltas = [change for event in told if event.type == "STATE_DELTA" for change in event.delta]
    assert [(change["op"], change["path"]) for change in deltas] == [
        ("replace", f"/tasks/{id}"), ("remove", f"/tasks/{id}"),
    ]  # fmt: skip


async def test_sub_agents_are_told_as_sub_agents(serve):
    spawn = {"operation": "delegate", "agent_id": "coder", "prompt": "Write it."}
    script = [Scripted(calls=(("DelegateTaskTool", spawn),)), "Both done."]
    coder = agent("coder", tools=("CalculatorTool",))
    work = ScriptedModel(
        Scripted(text="I count.", reasoning="hm", calls=(("CalculatorTool", {"expression": "2"}),)), "Written.",
        id="scripted:coder",
    )  # fmt: skip
    settings = {"approvals": {"sub_agents": False}}
    async with serving(
        serve, *script, others=[(coder, work)], tools=("DelegateTaskTool",), settings=settings
    ) as served:
        told = await events_of(served, asked())
    started = next(event for event in told if event.type == "SUBAGENT_STARTED")
    ended = next(event for event in told if event.type == "SUBAGENT_FINISHED")
    assert started.name == "coder"
    assert ended.outcome.type == "success"
    assert "Written." in ended.result
    call = next(event for event in told if event.type == "TOOL_CALL_START")
    assert started.parent_tool_call_id == call.tool_call_id
    own = [event for event in told if getattr(event, "subagent_run_id", None) == started.subagent_run_id]
    assert "TOOL_CALL_RESULT" in kinds(own)
    assert words(own) == "I count.Written."
    assert words([event for event in told if event not in own]) == "Both done."
    assert any(event.type == "CUSTOM" and event.name == "sub_agent_progress" for event in told)


async def test_an_approval_interrupts_the_run_and_the_next_one_carries_the_answer(serve):
    script = [Scripted(text="May I?", calls=(("CalculatorTool", {"expression": "6*7"}),)), "It is 42."]
    settings = {"approvals": {"mode": "manual"}}
    async with serving(serve, *script, tools=("CalculatorTool",), settings=settings) as served:
        first = await events_of(served, asked())
        (interrupt,) = first[-1].outcome.interrupts
        busy = await served.client.post("/ag-ui", json=asked("More.").model_dump(mode="json", by_alias=True))
        resume = [{"interrupt_id": interrupt.id, "status": "resolved", "payload": {"choice": "approve"}}]
        rest = await events_of(served, asked(None, run="run-2", resume=resume))
        late = await events_of(served, asked(None, run="run-3", resume=resume))
        executions = (await served.client.get(f"/api/workflows/{workflow_of('a thread')}/executions")).json()
    assert (interrupt.reason, interrupt.metadata["risk_level"]) == ("tool_call", "low")
    call = next(event for event in first if event.type == "TOOL_CALL_START")
    assert interrupt.tool_call_id == call.tool_call_id
    assert "approve" in interrupt.response_schema["properties"]["choice"]["enum"]
    assert (busy.status_code, busy.json()["code"]) == (409, "interrupted")
    assert rest[0].run_id == "run-2"
    assert words(rest) == words(late) == "It is 42."
    (result,) = [event for event in rest if event.type == "TOOL_CALL_RESULT"]
    assert (result.tool_call_id, result.metadata["stretto"]["outcome"]) == (call.tool_call_id, "success")
    assert rest[-1].outcome.type == late[-1].outcome.type == "success"
    assert len(executions["items"] if isinstance(executions, dict) else executions) == 1


ANSWERS = [
    ("resolved", {"approved": False, "reason": "no"}, "denied", "no"),
    ("resolved", "reject", "denied", "denied"),
    ("cancelled", None, "denied", "denied"),
    ("resolved", True, "success", "42"),
    ("resolved", {"approved": True, "value": {"expression": "1+1"}}, "success", ":2,"),
]


async def test_an_answer_may_have_any_sensible_form(serve):
    script = [Scripted(calls=(("CalculatorTool", {"expression": "6*7"}),)), "Over."] * len(ANSWERS)
    settings = {"approvals": {"mode": "manual"}}
    async with serving(serve, *script, tools=("CalculatorTool",), settings=settings) as served:
        for status, payload, outcome, content in ANSWERS:
            first = await events_of(served, asked())
            resume = [{"interrupt_id": first[-1].outcome.interrupts[0].id, "status": status, "payload": payload}]
            rest = await events_of(served, asked(None, resume=resume))
            results = [event for event in rest if event.type == "TOOL_CALL_RESULT"]
            assert len(results) == 1, (payload, rest)
            (result,) = results
            assert result.metadata["stretto"]["outcome"] == outcome, (payload, result)
            assert content in result.content


async def test_several_questions_interrupt_until_each_is_answered_and_a_sub_agent_waits_suspended(serve):
    ask, other = (("UserQuestionTool", {"question": words, "question_type": "text"}) for words in ("Which?", "How?"))
    coder = agent("coder", tools=("UserQuestionTool",))
    work = ScriptedModel(Scripted(text="I ask.", calls=(ask, other)), "Both known.", id="scripted:coder")
    spawn = {"operation": "delegate", "agent_id": "coder", "prompt": "Ask."}
    script = [Scripted(calls=(("DelegateTaskTool", spawn),)), "Done."]
    settings = {"approvals": {"sub_agents": False}}
    async with serving(
        serve, *script, others=[(coder, work)], tools=("DelegateTaskTool",), settings=settings
    ) as served:
        told = await events_of(served, asked())
        answered = 0
        while told[-1].outcome.type == "interrupt":
            (first, *_) = told[-1].outcome.interrupts
            assert first.reason == "input_required"
            suspended = next(event for event in told if event.type == "SUBAGENT_FINISHED")
            assert suspended.outcome.type == "suspended"
            assert first.subagent_run_id == suspended.subagent_run_id
            resume = [{"interrupt_id": first.id, "status": "resolved", "payload": "this"}]
            told = await events_of(served, asked(None, resume=resume))
            answered += 1
            started = next(event for event in told if event.type == "SUBAGENT_STARTED")
            assert started.subagent_run_id == suspended.subagent_run_id
    assert answered == 2
    assert words(told).endswith("Both known.Done.")


async def test_a_question_may_be_left_unanswered(serve):
    script = [Scripted(calls=(("UserQuestionTool", {"question": "Which?", "question_type": "text"}),)), "Then not."]
    async with serving(serve, *script, tools=("UserQuestionTool",)) as served:
        first = await events_of(served, asked())
        resume = [{"interrupt_id": first[-1].outcome.interrupts[0].id, "status": "cancelled"}]
        rest = await events_of(served, asked(None, resume=resume))
    assert words(rest) == "Then not."


async def test_answers_to_nothing_are_refused(serve):
    script = [Scripted(calls=(("CalculatorTool", {"expression": "6*7"}),)), "Over."]
    settings = {"approvals": {"mode": "manual"}}

    async def refused(served, id, thread="a thread", payload=True):
        resume = [{"interrupt_id": id, "status": "resolved", "payload": payload}]
        given = asked(None, thread, resume=resume).model_dump(mode="json", by_alias=True)
        return (await served.client.post("/ag-ui", json=given)).status_code

    async with serving(serve, *script, tools=("CalculatorTool",), settings=settings) as served:
        first = await events_of(served, asked())
        id = first[-1].outcome.interrupts[0].id
        assert await refused(served, "nothing") == 404
        assert await refused(served, id.rpartition(".")[0] + ".other") == 404
        assert await refused(served, id, "another thread") == 404
        assert await refused(served, id, payload={"choice": "perhaps"}) == 422
        unasked = asked(None).model_dump(mode="json", by_alias=True)
        assert (await served.client.post("/ag-ui", json=unasked)).status_code == 422
        unknown = asked(thread="t2").model_dump(mode="json", by_alias=True)
        assert (await served.client.post("/ag-ui/nobody", json=unknown)).status_code == 404


async def test_an_interrupted_run_goes_on_after_a_restart(serve, tmp_path):
    script = [Scripted(calls=(("CalculatorTool", {"expression": "6*7"}),)), "It is 42."]
    settings = {"approvals": {"mode": "manual"}, "server": {"grace": 0}}
    place = tmp_path / "kept.db"

    def models():
        return [ScriptedModel(*script[place.exists() :], id="scripted:helper")]

    given = {"agents": [agent(tools=("CalculatorTool",))], "settings": {"agent": "helper", **settings}, "place": place}
    async with serve(models=models(), **given) as served:
        first = await events_of(served, asked())
    async with serve(models=models(), **given) as served:
        resume = [{"interrupt_id": first[-1].outcome.interrupts[0].id, "status": "resolved", "payload": True}]
        rest = await events_of(served, asked(None, resume=resume))
    assert words(rest) == "It is 42."


async def test_a_failure_is_told_as_an_error(serve):
    async with serving(serve, Scripted(text="I beg", breaks=RuntimeError("the model broke"))) as served:
        told = await events_of(served, asked())
    assert (told[-1].type, told[-1].code) == ("RUN_ERROR", "execution_failed")
    assert "the model broke" in told[-1].message


async def test_what_was_said_before_a_new_attempt_is_declared_void(serve):
    broken = Scripted(text="Half an", breaks=ConnectionError("broke off"))
    policy = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=0.001))
    model = ScriptedModel(broken, "The answer.", id="scripted:helper", policy=policy)
    async with serve(models=[model], agents=[agent()], settings={"agent": "helper"}) as served:
        told = await events_of(served, asked())
    messages = [event.message_id for event in told if event.type == "TEXT_MESSAGE_START"]
    (void,) = [event.value for event in told if event.type == "CUSTOM" and event.name == "message_void"]
    assert void == {"messageId": messages[0]}
    assert len(set(messages)) == 2


async def test_a_client_that_goes_cancels_the_execution(serve):
    model = ScriptedModel("word " * 2000, id="scripted:helper", tokens_per_second=20)
    async with serve(models=[model], agents=[agent()], settings={"agent": "helper"}) as served:
        body = asked().model_dump(mode="json", by_alias=True)
        async with served.client.stream("POST", "/ag-ui", json=body) as answer:
            async for line in answer.aiter_lines():
                if "TEXT_MESSAGE_CONTENT" in line:
                    break
                if '"execution"' in line:
                    run_id = json.loads(line.removeprefix("data: "))["value"]["run_id"]
        with anyio.fail_after(20):
            assert await served.over(run_id) == "cancelled"


async def test_a_run_that_waits_for_its_turn_shows_that_it_is_alive_and_can_be_withdrawn(serve):
    model = ScriptedModel("word " * 2000, id="scripted:helper", tokens_per_second=20)
    settings = {"agent": "helper", "server": {"heartbeat": 0.05, "grace": 0}}
    async with serve(models=[model], agents=[agent()], settings=settings) as served:
        workflow = await served.create()
        await served.ask(workflow)
        body = asked(thread=workflow).model_dump(mode="json", by_alias=True)
        async with served.client.stream("POST", "/ag-ui", json=body) as answer:
            async for line in answer.aiter_lines():
                if line == ": still there":
                    break
        records = served.house.store.records
        with anyio.fail_after(20):
            while await records.executions(workflow_id=workflow, statuses=["queued"]):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        await served.client.post(f"/api/workflows/{workflow}/cancel")
