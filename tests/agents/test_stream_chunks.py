"""What is sent of a workflow while it runs: chunks of true logs, told once, in order, with the ids of their agent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto import step
from stretto.agents import ChunkFold, StreamChunk, ValidationRequired, WorkflowComplete, workflow_state
from stretto.agents.agent import Agent
from stretto.agents.following import request_key
from stretto.agents.plan_mode import PLAN_TOOL
from stretto.agents.stream_chunks import Told
from stretto.core.codec import decode, encode
from stretto.core.events import Asked, Event, ModelDelta, Progress, StepStarted
from stretto.core.ledger import Usage
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.core.step import Context
from stretto.runtime.run import Run, start
from stretto.stores.memory import MemoryStore
from stretto.testing import Scripted, ScriptedModel, run_virtual
from stretto.tools.function import tool
from stretto.tools.todo import TodoTool
from stretto.tools.tool import ToolFailed
from stretto.tools.user_question import UserQuestionTool
from tests.agents.delegating import agent, batch, calls, delegate, lead, registry, scripted, watch
from tests.agents.desk import Desk, helper, worked


def told(log: Sequence[Event], workflow_id: str = "") -> list[Told]:
    fold = ChunkFold(workflow_id)
    return [chunk for event in log for chunk in fold.take(event)]


def chunks(log: Sequence[Event], *types: str) -> list[StreamChunk]:
    found = [chunk for chunk in told(log) if isinstance(chunk, StreamChunk)]
    return [chunk for chunk in found if not types or chunk.chunk_type in types]


def calls_told(log: Sequence[Event], *types: str) -> list[StreamChunk]:
    """Returns what is told of calls: the primary agent, which is told as a tool itself, has no id of a call."""
    return [chunk for chunk in chunks(log, *types) if chunk.call_id is not None]


def stored(log: Sequence[Event]) -> list[Event]:
    """Returns a log as it comes back from a store."""
    return [decode(event.kind, event.path, event.at, encode(event)) for event in log]


def a_crew() -> Run[Any]:
    """Runs an agent that looks, delegates to one that fails and to one that works, and gives a batch."""
    usage = Usage(input_tokens=30, output_tokens=7, reasoning_tokens=3)
    first = Scripted(
        text="I look.", reasoning="Let me think.", usage=usage, cost=0.5,
        calls=(("look", {"what": "x"}), delegate("kid"), delegate("bad"), ("nope", {})),
    )  # fmt: skip
    agents = registry(
        lead("look"), agent("kid", tools=("wait",)), agent("bad"),
        lead=scripted(first, calls(batch(("kid", "a"), ("kid", "b"))), "All done."),
        kid=scripted(calls(("wait", {"seconds": 2})), *["It is fine."] * 3, tokens_per_second=10),
        bad=scripted(RuntimeError("boom")),
    )  # fmt: skip
    return watch(agents.get("lead"))


CREW = a_crew().log


def test_words_and_reasoning_stream_as_the_model_makes_them() -> None:
    own = [chunk for chunk in chunks(CREW, "token", "reasoning") if chunk.path == "lead/model"]
    assert [(chunk.chunk_type, chunk.content) for chunk in own] == [
        ("reasoning", "Let "), ("reasoning", "me "), ("reasoning", "think."), ("token", "I "), ("token", "look."),
    ]  # fmt: skip
    assert {chunk.attempt for chunk in own} == {1}
    assert {(chunk.sub_agent_id, chunk.parent_path) for chunk in own} == {(None, "lead")}
    kid = [chunk for chunk in chunks(CREW, "token") if chunk.path == "lead/tools/DelegateTaskTool/run/kid/model#2"]
    assert [chunk.content for chunk in kid] == ["It ", "is ", "fine."]
    assert kid[0].ts < kid[1].ts < kid[2].ts
    assert {(chunk.sub_agent_id, chunk.sub_agent_name, chunk.parent_agent_id) for chunk in kid} == {
        ("kid", "kid", "lead")
    }


def test_each_call_is_told_at_its_start_and_with_its_outcome_at_its_end() -> None:
    starts, ends = chunks(CREW, "tool_start"), chunks(CREW, "tool_end")
    assert [
        (chunk.path, chunk.call_id, chunk.tool) for chunk in starts if chunk.path.startswith("lead/tools/look")
    ] == [("lead/tools/look", "call_0_0", "look")]
    assert {(chunk.path, chunk.call_id, chunk.attempt) for chunk in starts} == {
        (chunk.path, chunk.call_id, chunk.attempt) for chunk in ends
    }
    outcomes = {chunk.path: (chunk.outcome, chunk.content) for chunk in ends}
    assert outcomes["lead/tools/look"] == ("success", None)
    assert outcomes["lead/tools/nope"][0] == "error"
    assert "boom" in (outcomes["lead/tools/DelegateTaskTool#2"][1] or "")
    waited = next(chunk for chunk in ends if chunk.tool == "wait")
    assert (waited.sub_agent_id, waited.duration, waited.parent_path) == (
        "kid", 2000, "lead/tools/DelegateTaskTool/run/kid",
    )  # fmt: skip


def test_sub_agents_are_told_from_their_start_over_their_progress_to_their_end() -> None:
    path = "lead/tools/DelegateTaskTool/run/kid"
    mine = [c for c in chunks(CREW) if c.path == path]
    assert [chunk.chunk_type for chunk in mine] == [
        "sub_agent_start", "sub_agent_progress", "sub_agent_progress", "sub_agent_complete",
    ]  # fmt: skip
    began, calling, answered, ended = mine
    assert (began.content, began.progress, began.parent_path) == ("do it", 0, "lead")
    assert (calling.content, answered.content) == ("calls wait", "has answered")
    assert calling.metrics is not None
    assert (calling.metrics.tokens_input, calling.metrics.tokens_output) == (10, 5)
    assert (ended.content, ended.progress, ended.outcome) == ("It is fine.", 100, "success")
    assert ended.metrics is not None
    assert (ended.metrics.duration_ms, ended.metrics.tokens_input) == (ended.duration, 20)
    assert ended.metrics.duration_ms >= 2000
    [failed] = chunks(CREW, "sub_agent_error")
    assert (failed.content, failed.outcome, failed.sub_agent_id, failed.attempt) == ("boom", "error", "bad", 1)


def test_chunks_are_numbered_without_gaps_and_say_when_and_of_which_run() -> None:
    all_told = told(CREW, "w1")
    assert [chunk.seq for chunk in all_told] == list(range(1, len(all_told) + 1))
    assert {chunk.workflow_id for chunk in all_told} == {"w1"}
    assert len({chunk.run_id for chunk in all_told}) == 1
    assert {chunk.workflow_id for chunk in told(CREW)} == {all_told[0].run_id}
    times = [chunk.ts for chunk in all_told]
    assert times == sorted(times)
    last = all_told[-1]
    assert isinstance(last, WorkflowComplete)
    assert (last.status, last.error) == ("completed", None)


def test_a_chunk_as_json_leaves_out_what_does_not_apply() -> None:
    chunk = chunks(CREW, "sub_agent_complete")[0]
    read = json.loads(json.dumps(chunk.to_json()))
    assert read["metrics"]["tokens_input"] == 20
    assert read["chunk_type"] == "sub_agent_complete"
    assert "task_id" not in read


def test_a_stored_log_gives_the_same_chunks_as_a_live_one() -> None:
    assert told(stored(CREW)) == told(CREW)


@given(st.integers(0, len(CREW)))
def test_chunks_in_pieces_are_the_chunks_of_the_whole(place: int) -> None:
    fold = ChunkFold()
    first = [chunk for event in CREW[:place] for chunk in fold.take(event)]
    rest = [chunk for event in CREW[place:] for chunk in fold.take(event)]
    assert first + rest == told(CREW)
    assert first == told(CREW[:place])


def test_operations_of_a_plan_are_calls_with_ids_of_their_own() -> None:
    plan = {"operations": [
        {"id": "a", "tool": "read", "arguments": {}}, {"id": "b", "tool": "read", "arguments": {"x": "${a}"}},
    ]}  # fmt: skip
    one = helper(Scripted(calls=((PLAN_TOOL, json.dumps(plan)),)), "done", tools=[Desk("read")], plan_mode=True)
    log = worked(one).log
    for seen in (log, stored(log)):
        begun = calls_told(seen, "tool_start")
        assert [(chunk.path, chunk.tool, chunk.call_id) for chunk in begun] == [
            ("helper/plan/a", "read", "call_0_0.a"), ("helper/plan/b", "read", "call_0_0.b"),
        ]  # fmt: skip
        assert [chunk.content for chunk in chunks(seen, "token")] == ["done"]
        assert chunks(seen, "token")[0].path == "helper/plan#2/model"


def test_a_failed_agent_is_an_error_and_the_end_says_why() -> None:
    log = worked(helper(RuntimeError("no model"))).log
    begun, end, error = chunks(log)
    assert (begun.chunk_type, begun.tool, begun.path) == ("tool_start", "helper", "helper")
    assert (end.chunk_type, end.tool, end.outcome, end.content) == ("tool_end", "helper", "error", "no model")
    assert (error.chunk_type, error.content, error.outcome, error.path) == ("error", "no model", "error", "helper")
    last = told(log)[-1]
    assert isinstance(last, WorkflowComplete)
    assert (last.status, last.error) == ("error", "no model")


def test_a_run_that_takes_too_long_is_an_error_too() -> None:
    model = ScriptedModel("slow " * 40, tokens_per_second=1)
    late = worked(Agent(name="helper", model=model), timeout=5).log
    last = told(late)[-1]
    assert isinstance(last, WorkflowComplete)
    assert last.status == "error"
    assert last.error
    assert [chunk.outcome for chunk in chunks(late, "error")] == ["timed_out"]


def test_a_cancelled_run_ends_every_call_and_says_cancelled() -> None:
    agents = registry(
        lead(), agent("kid", tools=("wait",)),
        lead=scripted(calls(delegate("kid"))), kid=scripted(calls(("wait", {"seconds": 60}))),
    )  # fmt: skip

    async def main() -> Run[Any]:
        async with start(agents.get("lead"), "go") as run:
            async for event in run.events():
                if isinstance(event, StepStarted) and event.path.endswith("/wait/run"):
                    run.cancel("enough")
        return run

    log = run_virtual(main()).log
    assert {chunk.outcome for chunk in chunks(log, "tool_end")} == {"cancelled"}
    assert len(chunks(log, "tool_end")) == len(chunks(log, "tool_start")) == 3
    assert [chunk.outcome for chunk in chunks(log, "sub_agent_error")] == ["cancelled"]
    assert not chunks(log, "error")
    last = told(log)[-1]
    assert isinstance(last, WorkflowComplete)
    assert (last.status, last.error is None) == ("cancelled", False)


def test_an_answer_that_broke_off_is_streamed_anew_as_the_next_attempt() -> None:
    broken = Scripted(text="half an", breaks=ConnectionError("gone"))
    retry = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=1.0))
    log = worked(Agent(name="helper", model=ScriptedModel(broken, "whole", policy=retry))).log
    assert [(chunk.content, chunk.attempt) for chunk in chunks(log, "token")] == [("half ", 1), ("an", 1), ("whole", 2)]


def test_a_tool_that_is_tried_again_ends_as_its_last_attempt() -> None:
    tries = iter([ToolFailed("BUSY", "not now"), "ok"])

    def output(arguments: Any) -> Any:
        made = next(tries)
        if isinstance(made, Exception):
            raise made
        return made

    policy = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=1.0))
    one = helper(Scripted(calls=(("read", {}),)), "done", tools=[Desk("read", output=output, policy=policy)])
    [end] = calls_told(worked(one).log, "tool_end")
    assert (end.outcome, end.attempt) == ("success", 2)


def test_tasks_are_told_as_they_are_made_changed_and_done() -> None:
    def next_call(operation: str, **more: Any) -> Any:
        def made(call: Any) -> Scripted:
            parts = [
                part for message in call.messages for part in message["parts"] if part["part_kind"] == "tool-return"
            ]
            ids = {"task_id": json.loads(parts[0]["content"])["id"]} if parts else {}
            return Scripted(calls=(("TodoTool", {"operation": operation, **ids, **more}),))

        return made

    one = helper(
        next_call("create", name="dig", priority=2), next_call("update_status", status="in_progress"),
        next_call("complete"), next_call("delete"), "done", tools=[TodoTool()],
    )  # fmt: skip
    found = [c for c in chunks(worked(one, resources=[MemoryStore().archive]).log) if c.task_id]
    assert [(c.chunk_type, c.task_name, c.task_status, c.task_priority) for c in found] == [
        ("task_create", "dig", "pending", 2), ("task_update", "dig", "in_progress", 2),
        ("task_complete", "dig", "completed", 2), ("task_update", "dig", "deleted", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("choice", "outcome"), [("answer", "answered"), ("skip", "skipped"), ("", "timeout")])
def test_questions_are_told_with_their_form_and_how_they_ended(choice: str, outcome: str) -> None:
    asked = {
        "question": "Which?", "question_type": "mixed", "options": [{"id": "a", "label": "A"}],
        "context": "It matters.", "text_placeholder": "why", "text_required": False, "timeout": 30,
    }  # fmt: skip
    one = helper(Scripted(calls=(("UserQuestionTool", asked),)), "done", tools=[UserQuestionTool()])

    async def main() -> Run[Any]:
        async with start(one, "go") as run:
            async for event in run.events():
                if isinstance(event, Asked) and choice:
                    run.answer(event.request_id, choice, value={"selected": ["a"]})
        return run

    log = run_virtual(main()).log
    for seen in (log, stored(log)):
        began, ended = chunks(seen, "user_question_start", "user_question_complete")
        assert began.user_question is not None
        assert began.user_question.options == ({"id": "a", "label": "A"},)
        form = began.user_question
        assert (form.question, form.question_type, form.context) == ("Which?", "mixed", "It matters.")
        assert (form.text_placeholder, form.text_required, form.question_id) == ("why", False, began.question_id)
        assert (ended.question_id, ended.outcome) == (began.question_id, outcome)
        assert began.question_id == request_key(began.run_id, began.request_id or "")
        assert (ended.duration or 0) >= (0 if choice else 30_000)


def test_a_question_without_a_form_offers_its_choices_and_an_approval_is_no_question() -> None:
    fold = ChunkFold()
    question = Asked("x", 0.0, "q", "Go on?", ["yes", "no"])
    [chunk] = fold.take(question)
    assert isinstance(chunk, StreamChunk)
    assert chunk.user_question is not None
    assert chunk.user_question.question_type == "checkbox"
    assert [option["id"] for option in chunk.user_question.options] == ["yes", "no"]
    [required] = fold.take(Asked("x", 0.0, "r", "May it?", topic="approval"))
    assert isinstance(required, ValidationRequired)


def test_progress_of_what_a_sub_agent_does_is_its_progress() -> None:
    @tool(reads=())
    async def count(context: Context) -> str:
        """Counts."""
        context.emit(Progress(done=1, total=4, text="one"))
        return "counted"

    agents = registry(
        lead("count"), agent("kid", tools=("count",)), tools=(count,),
        lead=scripted(calls(delegate("kid"), ("count", {})), "ok"), kid=scripted(calls(("count", {})), "ok"),
    )  # fmt: skip
    found = [c for c in chunks(watch(agents.get("lead")).log, "sub_agent_progress") if c.progress is not None]
    assert [(c.progress, c.content, c.sub_agent_id) for c in found] == [(25, "one", "kid")]


def test_an_answer_that_nobody_heard_is_told_when_it_is_there() -> None:
    log = [event for event in CREW if not isinstance(event, ModelDelta)]
    assert [(c.chunk_type, c.content) for c in chunks(log, "token", "reasoning") if c.parent_path == "lead"] == [
        ("reasoning", "Let me think."), ("token", "I look."), ("token", "All done."),
    ]  # fmt: skip


def test_what_other_calls_of_a_model_say_is_not_told() -> None:
    fold = ChunkFold()
    for event in CREW[:6]:
        fold.take(event)
    assert fold.take(ModelDelta("lead/summary", 0.0, "text", "they spoke")) == []
    assert fold.take(ModelDelta("elsewhere/model", 0.0, "text", "x")) == []


def test_a_call_that_a_human_edited_to_touch_something_else_is_put_off_and_made_later() -> None:
    remove = Desk("remove", writes=("file:{path}",), destructive=True)
    one = helper(Scripted(calls=(("remove", {"path": "a"}),)), "done", tools=[remove])

    async def main() -> Run[Any]:
        async with start(one, "go") as run:
            async for event in run.events():
                if isinstance(event, Asked):
                    run.answer(event.request_id, "approve", value={"path": "b"})
        return run

    log = run_virtual(main()).log
    found = calls_told(log, "tool_start", "tool_end")
    assert [(c.path, c.tool, c.call_id, c.outcome) for c in found] == [
        ("helper/tools/remove", "remove", "call_0_0", None),
        ("helper/tools/remove", "remove", "call_0_0", "put_off"),
        ("helper/tools/remove.edited", "remove", "call_0_0", None),
        ("helper/tools/remove.edited", "remove", "call_0_0", "success"),
    ]
    assert not chunks(log, "user_question_start")
    [execution] = workflow_state(log).tool_executions
    assert (execution.tool_name, execution.input_params) == ("remove", {"path": "b"})


def test_an_agent_that_goes_on_after_a_crash_is_told_as_another_attempt() -> None:
    def agent_() -> Agent:
        answer = Scripted(calls=(("read", {}),))
        return helper(lambda call: answer if len(call.messages) == 1 else "done", "done", tools=[Desk("read")])

    log = worked(agent_()).log
    place = next(place for place, event in enumerate(log) if event.path == "helper/tools/read/run")
    resumed = worked(agent_(), resume=log[: place + 1], in_flight="retry").log
    found = calls_told(resumed, "tool_start", "tool_end")
    assert [(c.chunk_type, c.attempt) for c in found] == [("tool_start", 1), ("tool_start", 2), ("tool_end", 2)]


def test_a_run_that_fails_outside_of_any_agent_is_an_error_too() -> None:
    async def main() -> Run[Any]:
        async with start(broken, "go") as run:
            pass
        return run

    log = run_virtual(main()).log
    assert [(c.chunk_type, c.content) for c in chunks(log)] == [("error", "no disk")]


@step
async def broken(input: str) -> str:
    raise RuntimeError("no disk")
