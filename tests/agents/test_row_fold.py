"""Rows that a log amounts to: what changed since the last look, whoever looks how often, and nothing that is void."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.agents import Report, workflow_state
from stretto.agents.following import request_key
from stretto.agents.report import ReportStatus
from stretto.agents.row_fold import RowFold
from stretto.agents.workflow_rows import ROW_TYPES, WorkflowRowItem, item_of, json_value, row_of
from stretto.core.codec import decode, encode
from stretto.core.events import (
    AgentStarted,
    Answered,
    Asked,
    ErrorRecord,
    Event,
    ModelDelta,
    ModelUsed,
    PlanMade,
    RunEnded,
    RunResumed,
    RunStarted,
    Said,
    StepAbandoned,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
    StepTimedOut,
    TaskChanged,
)
from stretto.core.records import RowTable
from stretto.models.messages import assistant_message
from stretto.models.model import Reply
from stretto.testing import Scripted
from tests.agents.delegating import agent, calls, delegate, lead, registry, scripted, spawn, watch
from tests.agents.desk import Desk

Rows = dict[RowTable, dict[str, WorkflowRowItem]]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def gathered(fold: RowFold, into: Rows) -> Rows:
    """Adds what has changed to rows as a store would."""
    changes = fold.changes()
    for table, rows in changes.rows.items():
        assert len({row.id for row in rows}) == len(rows)
        into.setdefault(table, {}).update((row.id, row) for row in rows)
    for table, ids in changes.removed.items():
        for id in ids:
            del into[table][id]
    return into


def rows_of(events: Iterable[Event], *cuts: int, **about: Any) -> Rows:
    """Folds a log, and looks at every cut."""
    log, fold, rows = list(events), RowFold("w", **about), Rows()
    for first, last in pairwise((0, *sorted(cuts), len(log))):
        for event in log[first:last]:
            fold.take(event)
        gathered(fold, rows)
    assert not fold.has_changed
    return rows


def only(rows: Rows, table: RowTable) -> Any:
    [row] = rows[table].values()
    return row


def started(*more: Event) -> list[Event]:
    return [
        RunStarted("", 0.0, "r", "lead", BEGAN.timestamp()),
        StepStarted("lead", 0.0, step="agent"),
        AgentStarted("lead", 0.0, "lead", "Lead", model="x:big", task="do it"),
        *more,
    ]


def helping(*more: Event) -> list[Event]:
    return started(
        StepStarted("lead/tools/spawn", 1.0, step="call"),
        AgentStarted("lead/tools/spawn/kid", 2.0, "kid", "Kid", "lead", 2, "x:small", "help"),
        *more,
    )


def asked(request_id: str = "lead/model?1", *, at: float = 1.0, **fields: Any) -> Asked:
    told = {"question": "May it?", "choices": ["approve", "reject"], "topic": "approval", "risk": "high"} | fields
    return Asked("lead/model", at, request_id, asked_at=BEGAN.timestamp() + at, **told)


def a_crew() -> list[Event]:
    """Returns the log of agents that think, call, spawn and delegate, one of which fails."""
    first = Scripted(
        text="I look.", reasoning="Let me think.", calls=(("read", {}), delegate("kid"), delegate("bad"), spawn("s"))
    )
    agents = registry(
        lead("read"), agent("kid", tools=("wait",)), agent("bad"), tools=(Desk("read"),),
        lead=scripted(first, "OK.", "All done.", tokens_per_second=20, id="openai:big"),
        kid=scripted(calls(("wait", {"seconds": 2}), reasoning="I wait."), Scripted(text="Helped.", cost=1.0)),
        bad=scripted(RuntimeError("boom")),
    )  # fmt: skip
    return watch(agents.get("lead"), "look at it").log


CREW = a_crew()


@given(st.sets(st.integers(1, len(CREW) - 1)))
def test_looks_at_any_moment_come_to_the_same_rows(cuts: set[int]) -> None:
    assert rows_of(CREW, *cuts) == rows_of(CREW)


def test_a_look_tells_only_what_is_new() -> None:
    fold = RowFold()
    for event in CREW:
        fold.take(event)
    assert fold.changes().rows
    assert not fold.has_changed
    assert (fold.changes().rows, fold.changes().removed) == ({}, {})


def test_a_stored_log_amounts_to_the_same_rows() -> None:
    assert rows_of(decode(event.kind, event.path, event.at, encode(event)) for event in CREW) == rows_of(CREW)


def test_every_row_comes_back_from_its_json_text() -> None:
    log = [*CREW[:-1], asked(), asked("q", topic="question", details={"question_type": "text"}), CREW[-1]]
    rows = rows_of(log)
    assert rows.keys() == ROW_TYPES.keys()
    for table, kept in rows.items():
        for row in kept.values():
            assert item_of(table, json.loads(json.dumps(row_of(row), allow_nan=False))) == row
            assert (row.workflow_id, row.run_id) == ("w", CREW[0].run_id)


def test_values_that_json_does_not_know_are_told_in_words() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    assert json_value({"n": float("nan"), "t": (1, 2), "b": b"\x00"}) == {"n": "NaN", "t": [1, 2], "b": "AA=="}
    assert "Odd" in json_value([Odd()])
    assert json_value(BEGAN) == "2026-01-01T00:00:00+00:00"


# -- messages and thoughts ---------------------------------------------------------------------------------------------


def test_what_the_user_asked_is_there_whole_before_any_agent_begins() -> None:
    rows = rows_of(started()[:1], message="do it, " * 10_000)
    message = only(rows, "message")
    assert (message.role, message.content, message.created_at) == ("user", "do it, " * 10_000, BEGAN)
    assert rows_of(started(), message="do it")["message"].keys() == {"r:task"}


def test_the_answer_stands_behind_the_task_and_grows() -> None:
    deltas = [ModelDelta("lead/model", 1.0 + place, "text", "word ") for place in range(3)]
    log = started(StepStarted("lead/model", 1.0, step="model"), *deltas)
    fold, rows = RowFold("w", message="do it"), Rows()
    for event in log[:-1]:
        fold.take(event)
    task, answer = gathered(fold, rows)["message"].values()
    fold.take(log[-1])
    [(table, [grown])] = fold.changes().rows.items()
    assert (table, grown.content, answer.content) == ("message", "word word word ", "word word ")
    assert task.created_at < answer.created_at == grown.created_at
    assert (grown.id, grown.duration_ms) == (answer.id, None)


def test_words_that_broke_off_are_taken_back() -> None:
    log = started(
        StepStarted("lead/model", 1.0, step="model"),
        ModelDelta("lead/model", 1.0, "reasoning", "hm"),
        ModelDelta("lead/model", 1.5, "text", "half an"),
        StepRetrying("lead/model", 2.0, 1, ErrorRecord("E", "gone"), 0.0),
    )
    fold, rows = RowFold("w"), Rows()
    for event in log[:-1]:
        fold.take(event)
    assert [row.content for row in gathered(fold, rows)["message"].values()] == ["do it", "half an"]
    assert only(rows, "thinking_step").duration_ms == 500
    fold.take(log[-1])
    assert fold.changes().removed == {"message": ["r:lead:answer"], "thinking_step": ["r:lead/model"]}
    assert fold.changes().removed == {}


def test_a_thought_that_comes_again_has_its_number() -> None:
    log = started(
        StepStarted("lead/model", 1.0, step="model"),
        ModelDelta("lead/model", 1.0, "reasoning", "hm"),
        RunResumed("", 2.0, 0, ["lead/model"]),
        StepStarted("lead/model", 3.0, step="model"),
        ModelDelta("lead/model", 4.0, "reasoning", "so"),
    )
    for cuts in ((), (5,)):
        thought = only(rows_of(log, *cuts), "thinking_step")
        assert (thought.content, thought.step_number, thought.created_at) == ("so", 1, BEGAN + timedelta(seconds=4))


def test_an_agent_that_is_tried_again_has_said_nothing_yet() -> None:
    log = started(
        StepStarted("lead/model", 1.0, step="model"),
        ModelDelta("lead/model", 1.0, "text", "I look"),
        StepCompleted("lead/model", 2.0, Reply(message=assistant_message("I look."), model="x:big")),
        StepRetrying("lead", 3.0, 1, ErrorRecord("E", "gone"), 0.0),
    )
    assert [row.role for row in rows_of(log, 5)["message"].values()] == ["user"]


def test_what_an_agent_had_said_before_it_failed_is_kept_whenever_one_looks() -> None:
    log = started(
        StepStarted("lead/model", 1.0, step="model"),
        ModelDelta("lead/model", 1.0, "text", "I look"),
        StepFailed("lead/model", 2.0, ErrorRecord("E", "gone")),
        StepFailed("lead", 2.0, ErrorRecord("E", "gone")),
        ModelUsed("lead/late", 3.0, "x:big", 5, 5),
    )
    for cuts in ((), (5,), (6,), (7,)):
        rows = rows_of(log, *cuts)
        assert [row.content for row in rows["message"].values()] == ["do it", "I look"]


def test_rows_of_a_repetition_stand_behind_what_was_asked_before_it() -> None:
    later = BEGAN + timedelta(days=1)
    rows = rows_of(CREW, not_before=later.timestamp() + 10**9)
    assert len({row.created_at for row in rows["message"].values()}) == 1


def test_pieces_that_answer_nobody_change_nothing() -> None:
    log = started(ModelDelta("elsewhere/model", 1.0, "text", "x"), StepStarted("elsewhere", 1.0, step="call"))
    assert rows_of(log) == rows_of(log[:3])


# -- sub-agents --------------------------------------------------------------------------------------------------------


def test_sub_agents_tell_who_handed_them_what_and_how_it_ended() -> None:
    rows = {row.sub_agent_name: row for row in rows_of(CREW)["sub_agent_execution"].values()}
    kid, bad, spawned = rows["kid"], rows["bad"], rows["s"]
    assert (kid.status, kid.result_summary, kid.error_message) == ("completed", "Helped.", None)
    assert (kid.parent_agent_id, kid.sub_agent_id, kid.parent_execution_id) == ("lead", "kid", None)
    assert (kid.task_description, kid.model, kid.tokens_input) == ("do it", "scripted:model", 20)
    assert kid.duration_ms >= 2000
    assert kid.completed_at > kid.created_at
    assert (bad.status, bad.result_summary) == ("error", None)
    assert "boom" in bad.error_message
    assert (spawned.status, spawned.sub_agent_id[:4]) == ("completed", "sub_")
    assert {row.message_id for row in rows.values()} == {f"{CREW[0].run_id}:lead:answer"}


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        (StepFailed("lead/tools/spawn/kid", 3.0, ErrorRecord("E", "boom")), "error", "boom"),
        (StepTimedOut("lead/tools/spawn/kid", 3.0, 5.0), "error", "longer than 5 s"),
        (StepCancelled("lead/tools/spawn/kid", 3.0, "enough"), "cancelled", "enough"),
        (RunEnded("", 3.0, "cancelled"), "cancelled", None),
    ],
)
def test_a_sub_agent_ends_in_a_state_that_its_table_knows(end: Event, status: str, words: str | None) -> None:
    row = only(rows_of(helping(end)), "sub_agent_execution")
    assert (row.status, row.duration_ms, row.completed_at) == (status, 1000, BEGAN + timedelta(seconds=3))
    assert row.error_message is None if words is None else words in row.error_message


def test_a_report_of_a_failure_is_an_error_and_any_other_output_is_words() -> None:
    failed = Report(task_id="t", agent_id="kid", task="the whole task", status=ReportStatus.FAILED, error="no model")
    row = only(rows_of(helping(StepCompleted("lead/tools/spawn/kid", 3.0, failed))), "sub_agent_execution")
    assert (row.status, row.error_message, row.task_description) == ("error", "no model", "the whole task")
    row = only(rows_of(helping(StepCompleted("lead/tools/spawn/kid", 3.0, 42))), "sub_agent_execution")
    assert (row.status, row.result_summary) == ("completed", "42")


def test_a_sub_agent_waits_for_its_run_to_go_on_and_is_the_same_one_then() -> None:
    log = helping(RunResumed("", 5.0, 0))
    assert only(rows_of(log), "sub_agent_execution").status == "pending"
    again = AgentStarted("lead/tools/spawn/kid", 6.0, "kid", "Kid", "lead", 2, "x:small", "help")
    row = only(rows_of([*log, again]), "sub_agent_execution")
    assert (row.status, row.created_at) == ("running", BEGAN + timedelta(seconds=2))


def test_a_sub_agent_below_another_names_it() -> None:
    below = AgentStarted("lead/tools/spawn/kid/tools/ask/deep", 3.0, "deep", "Deep", "", 3, "x:small", "dig")
    rows = rows_of(helping(below, ModelUsed(f"{below.path}/model", 4.0, "x:small", 7, 3)))["sub_agent_execution"]
    kid, deep = rows.values()
    assert (deep.parent_execution_id, deep.parent_agent_id) == (kid.id, "kid")
    assert (kid.tokens_input, deep.tokens_input) == (7, 7)
    assert (kid.cost_usd, kid.duration_ms) == (None, None)


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_validation_is_kept_with_its_details_until_somebody_decides() -> None:
    details = {"approves": {"type": "mcp", "name": "mcp__fs__write"}, "server_name": "fs"}
    question = asked(details=details, value={"path": "a"}, timeout=60.0, default="reject", reason="calls are asked for")
    log = started(question)
    row = only(rows_of(log), "validation_request")
    assert (row.status, row.type, row.tool_name, row.risk_level) == ("pending", "mcp", "mcp__fs__write", "high")
    assert (row.details, row.arguments, row.choices) == (details, {"path": "a"}, ("approve", "reject"))
    assert (row.created_at, row.expires_at) == (BEGAN + timedelta(seconds=1), BEGAN + timedelta(seconds=61))
    assert (row.id, row.request_id, row.agent_id) == (request_key("r", "lead/model?1"), "lead/model?1", "lead")
    assert row.message_id == "r:lead:answer"
    edited = Answered("lead/model", 9.0, "lead/model?1", "approve", {"path": "b"}, "fine", "ada", 0.0)
    row = only(rows_of([*log, edited]), "validation_request")
    assert (row.status, row.arguments, row.edited, row.decided_by) == ("approved", {"path": "b"}, True, "ada")
    assert (row.decision_reason, row.answered_at) == ("fine", BEGAN + timedelta(seconds=9))


@pytest.mark.parametrize(
    ("choice", "status"), [("approve_all", "approved"), ("reject", "rejected"), ("escalate", "escalated")]
)
def test_a_decision_is_told_as_what_it_means(choice: str, status: str) -> None:
    answer = Answered("lead/model", 9.0, "lead/model?1", choice, {"x": 1} if choice == "reject" else None)
    row = only(rows_of(started(asked(), answer)), "validation_request")
    assert (row.status, row.choice, row.edited) == (status, choice, False)


@pytest.mark.parametrize(
    "end",
    [
        StepCancelled("lead/model", 9.0),
        StepFailed("lead/model", 9.0, ErrorRecord("E", "boom")),
        StepAbandoned("lead/model", 9.0, 1.0),
        RunEnded("", 9.0, "cancelled"),
    ],
)
def test_a_question_whose_step_has_ended_is_withdrawn(end: Event) -> None:
    rows = rows_of(started(asked(), asked("q", topic="question"), end))
    assert only(rows, "validation_request").status == only(rows, "user_question").status == "withdrawn"
    assert only(rows, "validation_request").answered_at is None


def test_a_question_that_is_asked_again_after_a_restart_is_one_row() -> None:
    log = started(asked(), RunResumed("", 5.0, 0), asked(at=6.0), Answered("lead/model", 9.0, "nobody", "approve"))
    assert only(rows_of(log), "validation_request").status == "pending"


def test_two_questions_of_a_step_are_answered_one_by_one() -> None:
    log = started(asked("a"), asked("b"), Answered("lead/model", 2.0, "a", "approve"))
    found = {row.request_id: row.status for row in rows_of(log)["validation_request"].values()}
    assert found == {"a": "approved", "b": "pending"}


def test_what_a_rule_decides_is_in_the_record_once() -> None:
    said = Said(
        "lead/tools/write", 3.0, "denied", "warning",
        {"validation": "denied", "type": "tool", "name": "write", "operation": "writes", "risk": "low", "by": "rule",
         "reason": "never", "agent_id": "lead", "arguments_preview": "{}"},
    )  # fmt: skip
    row = only(
        rows_of(started(said, said, Said("lead", 4.0, "x"), Said("lead", 4.0, "x", data=[1]))), "validation_request"
    )
    assert (row.status, row.tool_name, row.decided_by, row.reason) == ("denied", "write", "rule", "never")
    assert (row.request_id, row.choices, row.arguments) == ("", (), "{}")
    allowed = Said("lead/tools/write", 3.0, "ok", data={"validation": "approved"})
    assert only(rows_of(started(allowed)), "validation_request").status == "approved"


FORM = {
    "question_type": "mixed", "options": [{"id": "a", "label": "A"}], "text_required": True, "text_placeholder": "why",
}  # fmt: skip


def question(**fields: Any) -> Asked:
    told = {"topic": "question", "question": "q" * 2000, "choices": ["answer", "skip"], "details": FORM} | fields
    return asked("q", **told)


def test_a_question_is_kept_with_its_form() -> None:
    row = only(rows_of(started(question(reason="context"))), "user_question")
    assert (row.question, row.question_type, row.options) == ("q" * 2000, "mixed", ({"id": "a", "label": "A"},))
    assert (row.text_required, row.text_placeholder, row.context) == (True, "why", "context")
    assert (row.status, row.topic, row.choices) == ("pending", "question", ("answer", "skip"))


@pytest.mark.parametrize(
    ("form", "value", "selected", "text"),
    [
        (FORM, {"selected": ["a"], "text": "so"}, ("a",), "so"),
        (FORM, "a", ("a",), None),
        (FORM, ["a"], ("a",), None),
        (FORM, None, (), None),
        ({"question_type": "text", "options": None}, "so", (), "so"),
    ],
)
def test_answers_are_told_alike_however_they_were_given(
    form: dict[str, Any], value: Any, selected: Sequence[str], text: str | None
) -> None:
    answer = Answered("lead/model", 9.0, "q", "answer", value, by="ada", answered_at=BEGAN.timestamp() + 20)
    row = only(rows_of(started(question(details=form), answer)), "user_question")
    assert (row.status, row.selected_options, row.text_response) == ("answered", selected, text)
    assert (row.answered_by, row.answered_at) == ("ada", BEGAN + timedelta(seconds=20))


@pytest.mark.parametrize(("by", "status"), [("timeout", "timeout"), ("ada", "skipped")])
def test_a_question_that_nobody_answers_says_so(by: str, status: str) -> None:
    row = only(rows_of(started(question(), Answered("lead/model", 9.0, "q", "skip", by=by))), "user_question")
    assert (row.status, row.selected_options, row.text_response) == (status, (), None)


def test_a_decision_about_a_run_offers_its_choices() -> None:
    row = only(rows_of(started(question(topic="decision", details=None, choices=["retry", "abort"]))), "user_question")
    assert (row.topic, row.question_type) == ("decision", "checkbox")
    assert [option["id"] for option in row.options] == ["retry", "abort"]
    free = only(rows_of(started(question(details=None, choices=[]))), "user_question")
    assert (free.question_type, free.options) == ("text", ())


# -- the state of a log alone ------------------------------------------------------------------------------------------


def test_a_state_tells_tasks_and_the_last_plan() -> None:
    def task(id: str, change: str, status: str, at: float) -> TaskChanged:
        return TaskChanged("lead/tools/todo", at, id, f"task {id}", status, 2, change)

    state = workflow_state(
        started(
            task("a", "created", "pending", 1.0), task("b", "created", "pending", 2.0),
            task("a", "completed", "completed", 3.0), task("b", "deleted", "", 4.0), task("c", "deleted", "", 4.0),
            PlanMade("lead", 5.0, {"n": 1}), PlanMade("lead", 6.0, {"n": 2}),
        )
    )  # fmt: skip
    [done] = state.tasks
    assert (done.id, done.status, done.priority, done.agent_assigned) == ("a", "completed", 2, "lead")
    assert (done.created_at, done.completed_at) == (BEGAN + timedelta(seconds=1), BEGAN + timedelta(seconds=3))
    assert state.plan == {"n": 2}
    assert (state.spans, state.executions) == ((), ())


def test_a_state_forgets_what_was_taken_back() -> None:
    log = started(
        StepStarted("lead/model", 1.0, step="model"),
        ModelDelta("lead/model", 1.0, "text", "half an"),
        StepRetrying("lead/model", 2.0, 1, ErrorRecord("E", "gone"), 0.0),
    )
    from stretto.agents import WorkflowFold

    fold = WorkflowFold()
    for event in log[:-1]:
        fold.take(event)
    assert len(fold.state().messages) == 2
    fold.take(log[-1])
    assert len(fold.state().messages) == 1


def test_the_name_of_the_function_is_not_hidden_by_a_file() -> None:
    import stretto.agents.workflow_fold

    assert stretto.agents.workflow_state is stretto.agents.workflow_fold.workflow_state
