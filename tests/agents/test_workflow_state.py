"""What is known of a workflow: every field true, from logs of real agents, while they run and afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.agents import WorkflowFold, WorkflowStatus, workflow_state
from stretto.agents.agent import Agent
from stretto.agents.plan_mode import PLAN_TOOL
from stretto.core.codec import decode, encode
from stretto.core.errors import DefinitionError
from stretto.core.events import Event, ModelDelta, StepStarted
from stretto.core.ledger import Usage
from stretto.core.policies import RetryPolicy, StepPolicy
from stretto.runtime.run import Run, start
from stretto.testing import Scripted, ScriptedModel, run_virtual
from tests.agents.delegating import agent, calls, delegate, lead, registry, scripted, watch
from tests.agents.desk import Desk, helper, worked


def stored(log: Sequence[Event]) -> list[Event]:
    """Returns a log as it comes back from a store."""
    return [decode(event.kind, event.path, event.at, encode(event)) for event in log]


def a_crew(cost: float | None = 0.25) -> Run[Any]:
    """Runs an agent that reads through MCP, delegates to one that works and to one that fails, and answers."""
    first = Scripted(
        text="I look.", reasoning="Let me think about that.", cost=cost,
        usage=Usage(input_tokens=30, output_tokens=7, reasoning_tokens=3),
        calls=(("mcp__fs__read", {"path": "a"}), delegate("kid"), delegate("bad")),
    )  # fmt: skip
    last = Scripted(text="All done.", usage=Usage(input_tokens=99, output_tokens=4), cost=cost)
    reader = Desk("mcp__fs__read", origin="mcp", server="fs", seconds=1.5)
    agents = registry(
        lead("mcp__fs__read"), agent("kid", tools=("wait",)), agent("bad"), tools=(reader,),
        lead=scripted(first, last, tokens_per_second=10, id="openai:big"),
        kid=scripted(calls(("wait", {"seconds": 2}), reasoning="I wait.", cost=cost), Scripted(text="OK", cost=cost)),
        bad=scripted(RuntimeError("boom")),
    )  # fmt: skip
    return watch(agents.get("lead"), "look at a")


CREW = a_crew()


def test_a_workflow_tells_what_all_its_agents_took_and_when() -> None:
    state = workflow_state(CREW.log, id="w1", name="Looking")
    workflow = state.workflow
    assert (workflow.id, workflow.name, workflow.agent_id) == ("w1", "Looking", "lead")
    assert workflow.status is WorkflowStatus.COMPLETED
    assert (workflow.total_tokens_input, workflow.total_tokens_output) == (30 + 99 + 10 + 10, 7 + 4 + 5 + 5)
    assert workflow.total_cost_usd == pytest.approx(1.0)
    assert (workflow.model_id, workflow.current_context_tokens) == ("openai:big", 99)
    assert workflow.completed_at == workflow.updated_at
    assert workflow.updated_at - workflow.created_at == timedelta(seconds=CREW.log[-1].at)
    assert workflow.created_at.tzinfo is UTC


def test_without_a_name_a_workflow_is_called_as_its_run() -> None:
    workflow = workflow_state(CREW.log).workflow
    assert (workflow.name, workflow.id) == ("lead", CREW.id)


def test_what_is_given_stands_above_what_the_log_says() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    workflow = workflow_state(CREW.log, agent_id="other", created_at=made).workflow
    assert (workflow.agent_id, workflow.created_at) == ("other", made)
    assert workflow.updated_at > made


def test_a_cost_that_is_unknown_is_none() -> None:
    state = workflow_state(a_crew(cost=None).log)
    assert state.workflow.total_cost_usd is None
    assert state.messages[1].cost_usd is None


def test_messages_are_the_task_and_the_answer_with_what_it_took() -> None:
    task, answer = workflow_state(CREW.log, id="w1").messages
    assert (task.role, task.content, task.workflow_id, task.tokens) == ("user", "look at a", "w1", None)
    assert (answer.role, answer.content, answer.workflow_id) == ("assistant", "All done.", "w1")
    assert (answer.tokens, answer.tokens_input, answer.tokens_output) == (4, 149, 21)
    assert (answer.provider, answer.model) == ("openai", "big")
    assert answer.cost_usd == pytest.approx(1.0)
    assert answer.duration_ms == round(CREW.log[-1].at * 1000)
    assert task.id != answer.id
    assert task.timestamp < answer.timestamp


def test_every_call_that_ended_is_told_whoever_made_it() -> None:
    state = workflow_state(CREW.log, id="w1")
    found = {(each.agent_id, each.tool_name, each.success): each for each in state.tool_executions}
    read = found["lead", "mcp__fs__read", True]
    assert (read.tool_type, read.server_name, read.input_params) == ("mcp", "fs", {"path": "a"})
    assert (read.output_result, read.error_message) == ("mcp__fs__read is done", None)
    assert (read.duration_ms, read.iteration, read.workflow_id) == (1500, 1, "w1")
    assert read.message_id == state.messages[1].id
    assert state.workflow.created_at < read.created_at < state.messages[1].timestamp
    waited = found["kid", "wait", True]
    assert (waited.tool_type, waited.server_name, waited.duration_ms) == ("local", None, 2000)
    assert waited.message_id == read.message_id
    failed = found["lead", "DelegateTaskTool", False]
    assert (failed.success, failed.output_result) == (False, None)
    assert "boom" in (failed.error_message or "")
    assert len(state.tool_executions) == 4


def test_iterations_count_the_answers_of_each_agent() -> None:
    one = helper(calls(("read", {})), calls(("read", {})), "done", tools=[Desk("read")])
    assert [each.iteration for each in workflow_state(worked(one).log).tool_executions] == [1, 2]


def test_thinking_steps_are_the_models_own_reasoning_with_its_duration() -> None:
    state = workflow_state(CREW.log, id="w1")
    own, kids = state.thinking_steps
    assert (own.content, own.agent_id, own.step_number, own.workflow_id) == (
        "Let me think about that.",
        "lead",
        1,
        "w1",
    )
    assert (own.duration_ms, own.tokens) == (500, 3)
    assert (kids.content, kids.agent_id, kids.step_number, kids.tokens) == ("I wait.", "kid", 2, None)
    assert own.message_id == kids.message_id == state.messages[1].id
    assert own.created_at - state.workflow.created_at == timedelta(seconds=0.1)


def test_reasoning_that_nobody_heard_has_no_duration() -> None:
    log = [event for event in CREW.log if not isinstance(event, ModelDelta)]
    assert [step.duration_ms for step in workflow_state(log).thinking_steps] == [None, None]
    assert workflow_state(log).messages == workflow_state(CREW.log).messages


def test_a_running_workflow_tells_how_far_it_got() -> None:
    place = next(
        place for place, event in enumerate(CREW.log) if isinstance(event, ModelDelta) and event.text == "look."
    )
    state = workflow_state(CREW.log[: place + 1])
    assert (state.workflow.status, state.workflow.completed_at) == (WorkflowStatus.RUNNING, None)
    assert [message.content for message in state.messages] == ["look at a", "I look."]
    assert state.messages[1].duration_ms is None
    assert state.thinking_steps[0].content == "Let me think about that."
    assert state.tool_executions == ()


def test_nothing_that_ran_is_idle_and_needs_a_time() -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    state = workflow_state([], id="w1", name="n", agent_id="a", created_at=made)
    assert (state.workflow.status, state.workflow.updated_at, state.workflow.model_id) == ("idle", made, None)
    assert (state.messages, state.workflow.total_cost_usd) == ((), 0.0)
    with pytest.raises(DefinitionError, match="created_at="):
        workflow_state([])


def test_a_failed_agent_leaves_an_error_and_what_it_had_said() -> None:
    one = helper(Scripted(text="I read.", calls=(("read", {}),)), RuntimeError("no model"), tools=[Desk("read")])
    state = workflow_state(worked(one).log)
    assert state.workflow.status is WorkflowStatus.ERROR
    assert state.workflow.completed_at is not None
    assert [message.content for message in state.messages] == ["do it", "I read."]
    assert [each.success for each in state.tool_executions] == [True]


def test_a_cancelled_run_leaves_the_workflow_idle_and_its_tokens_counted() -> None:
    one = helper(calls(("read", {"path": "a"})), tools=[Desk("read", seconds=60)])

    async def main() -> Run[Any]:
        async with start(one, "go") as run:
            async for event in run.events():
                if isinstance(event, StepStarted) and event.path.endswith("/read/run"):
                    run.cancel("enough")
        return run

    log = run_virtual(main()).log
    for seen in (log, stored(log)):
        state = workflow_state(seen)
        assert (state.workflow.status, state.workflow.total_tokens_input) == (WorkflowStatus.IDLE, 10)
        [execution] = state.tool_executions
        assert (execution.success, execution.tool_name, execution.input_params) == (False, "read", {"path": "a"})
        assert (execution.error_message or "").startswith("it was stopped: ")


def test_a_run_that_takes_too_long_is_an_error() -> None:
    log = worked(helper(calls(("read", {})), tools=[Desk("read", seconds=60)]), timeout=5).log
    assert workflow_state(log).workflow.status is WorkflowStatus.ERROR


def test_an_answer_that_broke_off_counts_as_the_one_that_came_in_its_place() -> None:
    broken = Scripted(text="half an", reasoning="hm", breaks=ConnectionError("gone"))
    retry = StepPolicy(idempotent=True, retry=RetryPolicy(attempts=2, wait=1.0))
    log = worked(Agent(name="helper", model=ScriptedModel(broken, "whole", policy=retry))).log
    state = workflow_state(log)
    assert (state.messages[1].content, state.thinking_steps) == ("whole", ())
    assert state.workflow.total_tokens_input == 20


def test_operations_of_a_plan_are_executions_of_the_answer_that_planned_them() -> None:
    plan = {"operations": [{"id": "a", "tool": "read", "arguments": {"n": 1}}]}
    one = helper(Scripted(calls=((PLAN_TOOL, json.dumps(plan)),)), "done", tools=[Desk("read")], plan_mode=True)
    [execution] = workflow_state(worked(one).log).tool_executions
    assert (execution.tool_name, execution.iteration, execution.input_params) == ("read", 1, {"n": 1})


def test_a_resumed_run_counts_nothing_twice() -> None:
    def again() -> Agent:
        answer = Scripted(calls=(("read", {}),), reasoning="hm")
        return helper(lambda call: answer if len(call.messages) == 1 else "done", "done", tools=[Desk("read")])

    whole = worked(again()).log
    place = next(place for place, event in enumerate(whole) if event.path == "helper/tools/read/run")
    resumed = worked(again(), resume=whole[: place + 1], in_flight="retry").log
    then, now = workflow_state(whole), workflow_state(resumed)
    assert now.workflow.status is WorkflowStatus.COMPLETED
    assert now.workflow.total_tokens_input == then.workflow.total_tokens_input == 20
    assert [each.iteration for each in now.tool_executions] == [1]
    assert [step.content for step in now.thinking_steps] == ["hm"]
    assert [message.content for message in now.messages] == ["do it", "done"]


def test_a_stored_log_says_the_same_as_a_live_one() -> None:
    assert workflow_state(stored(CREW.log)) == workflow_state(CREW.log)


@given(st.integers(1, len(CREW.log)))
def test_a_log_in_pieces_says_what_it_says_at_once(place: int) -> None:
    fold = WorkflowFold()
    for event in CREW.log[:place]:
        fold.take(event)
    assert fold.state() == workflow_state(CREW.log[:place])
    for event in CREW.log[place:]:
        fold.take(event)
    assert fold.state() == workflow_state(CREW.log)
