"""What a workflow's full state is made of: messages, calls, thoughts, sub-agents, what people were asked, and tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias

from stretto.agents.call import plain
from stretto.agents.result import WorkflowStatus
from stretto.core.records import RowTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """How a workflow stands; times are in UTC, tokens and dollars those of all its agents.

    ``total_cost_usd`` is None when the price of any call is unknown. ``completed_at`` is when it ended, however that
    was. ``current_context_tokens`` is what the last call of a primary agent's model was sent.
    """

    id: str
    name: str
    agent_id: str
    status: WorkflowStatus
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    total_tokens_input: int
    total_tokens_output: int
    total_cost_usd: float | None
    model_id: str | None
    current_context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the user asked, or what a primary agent answered, as far as it got.

    ``tokens`` are those of the words of an answer. The other figures say what the whole answer took, sub-agents
    included: ``cost_usd`` is None when it is unknown, ``duration_ms`` until it has ended. A task has none of them.
    ``created_at`` is when work on it began, ``timestamp`` of an answer when it ended, or how far it has come.
    """

    id: str
    workflow_id: str
    run_id: str
    role: Literal["user", "assistant"]
    content: str
    tokens: int | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    model: str | None = None
    provider: str | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    timestamp: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolExecution:
    """A call of a tool that has ended, by any agent of the workflow; ``message_id`` is the answer that it was for.

    ``iteration`` counts the answers of the agent's model from 1. Where a call was stopped, ``input_params`` are as the
    log keeps them: long ones cut. ``path`` names its step in the run.
    """

    id: str
    workflow_id: str
    run_id: str
    message_id: str
    agent_id: str
    path: str
    tool_type: Literal["local", "mcp"]
    tool_name: str
    server_name: str | None
    input_params: dict[str, Any]
    output_result: str | None
    success: bool
    error_message: str | None
    duration_ms: int
    iteration: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingStep:
    """What a model reasoned before one answer; ``step_number`` counts those of the execution from 1.

    ``duration_ms`` is None where it came with the whole answer at once, ``tokens`` where nobody counts it.
    """

    id: str
    workflow_id: str
    run_id: str
    message_id: str
    agent_id: str
    path: str
    step_number: int
    content: str
    duration_ms: int | None
    tokens: int | None
    created_at: datetime


SubAgentState = Literal["pending", "running", "completed", "error", "cancelled"]
"""How a sub-agent stands; pending is one whose run goes on and that has not begun again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgentExecution:
    """The work of an agent for another one; tokens and dollars are those of all below it, too.

    ``parent_execution_id`` names the sub-agent that handed it on, None where that was a primary agent.
    ``result_summary`` is its answer, ``error_message`` why it failed, was stopped, or came to a part only.
    """

    id: str
    workflow_id: str
    run_id: str
    message_id: str
    path: str
    parent_agent_id: str
    parent_execution_id: str | None
    sub_agent_id: str
    sub_agent_name: str
    model: str
    task_description: str
    status: SubAgentState
    duration_ms: int | None
    tokens_input: int
    tokens_output: int
    cost_usd: float | None
    result_summary: str | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None


ValidationState = Literal["pending", "approved", "rejected", "escalated", "denied", "withdrawn"]
"""How a validation stands: a rule has denied it, or its step ended before anybody answered (withdrawn)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRequest:
    """A call that somebody had to allow, and who has decided what about it, and why.

    ``type`` says what is called, ``operation`` in a sentence what was asked. ``arguments`` are those that are decided
    about, after the edit where there was one. Where nobody answers by ``expires_at``, ``default`` holds. What a rule
    has decided without a question has no ``request_id`` and no ``choices``.
    """

    id: str
    workflow_id: str
    run_id: str
    message_id: str
    path: str
    request_id: str
    agent_id: str
    type: str
    operation_type: str
    operation: str
    tool_name: str
    risk_level: str
    status: ValidationState
    details: Any
    arguments: Any
    choices: tuple[str, ...]
    reason: str
    default: str | None
    expires_at: datetime | None
    choice: str | None
    decided_by: str | None
    decision_reason: str | None
    edited: bool
    escalated: bool
    created_at: datetime
    answered_at: datetime | None


QuestionState = Literal["pending", "answered", "skipped", "timeout", "withdrawn"]
"""How a question stands; it is withdrawn when its step ended before anybody answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """A question to the user and its answer; ``topic`` is question, or decision where a run asks how to go on.

    ``options`` are pairs of ``id`` and ``label``; ``choices`` are what an answer may choose. Where nobody answers by
    ``expires_at``, ``default`` holds.
    """

    id: str
    workflow_id: str
    run_id: str
    message_id: str
    path: str
    request_id: str
    agent_id: str
    topic: str
    question: str
    question_type: str
    options: tuple[dict[str, str], ...]
    text_placeholder: str
    text_required: bool
    context: str
    choices: tuple[str, ...]
    details: Any
    status: QuestionState
    default: str | None
    expires_at: datetime | None
    choice: str | None
    selected_options: tuple[str, ...]
    text_response: str | None
    answered_by: str | None
    answer_reason: str | None
    created_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTask:
    """An item of a workflow's to-do list; priority 1 comes first."""

    id: str
    workflow_id: str
    name: str
    status: str
    priority: int
    description: str = ""
    agent_assigned: str | None = None
    dependencies: tuple[str, ...] = ()
    duration_ms: int | None = None
    created_at: datetime
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSpan:
    """A step of a run: from when to when it ran (seconds into the run), and how it ended."""

    path: str
    kind: str
    status: str
    start: float | None
    end: float | None
    queued: float
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowExecution:
    """A message of a workflow that waits, is carried out or was interrupted, or the last one that was carried out."""

    run_id: str
    ordinal: int
    message: str
    agent_id: str
    status: str
    error: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFullState:
    """A workflow with everything that was said, called, thought, asked and handed on, each in the order of creation.

    ``plan`` is the last one that was made, ``spans`` are the steps of the last execution. ``totals`` says how many
    there are of each kind, where only the last ones are told. A fold of a log alone tells no ``executions`` and no
    ``spans``: ``SpanFold`` does that.
    """

    workflow: Workflow
    messages: tuple[Message, ...] = ()
    tool_executions: tuple[ToolExecution, ...] = ()
    thinking_steps: tuple[ThinkingStep, ...] = ()
    sub_agent_executions: tuple[SubAgentExecution, ...] = ()
    validations: tuple[ValidationRequest, ...] = ()
    questions: tuple[QuestionRow, ...] = ()
    tasks: tuple[WorkflowTask, ...] = ()
    executions: tuple[WorkflowExecution, ...] = ()
    plan: Mapping[str, Any] | None = None
    spans: tuple[WorkflowSpan, ...] = ()
    totals: Mapping[str, int] | None = None


WorkflowRowItem: TypeAlias = (
    Message | ToolExecution | ThinkingStep | SubAgentExecution | ValidationRequest | QuestionRow
)
"""What a row of a table tells."""
ROW_TYPES: dict[RowTable, type[WorkflowRowItem]] = {
    "message": Message, "tool_execution": ToolExecution, "thinking_step": ThinkingStep,
    "sub_agent_execution": SubAgentExecution, "validation_request": ValidationRequest, "user_question": QuestionRow,
}  # fmt: skip
"""The type of each table's rows."""
STATE_FIELDS: dict[RowTable, str] = {
    "message": "messages", "tool_execution": "tool_executions", "thinking_step": "thinking_steps",
    "sub_agent_execution": "sub_agent_executions", "validation_request": "validations", "user_question": "questions",
}  # fmt: skip
"""Where each table's rows stand in a ``WorkflowFullState``."""
_NAMES: dict[type[Any], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind)) for kind in ROW_TYPES.values()
}
_SCALARS = frozenset((str, int, float, bool, type(None)))
_TIMES = {"timestamp", "created_at", "completed_at", "expires_at", "answered_at"}
_TUPLES = {"choices", "options", "selected_options"}
_READ: dict[RowTable, tuple[tuple[str, Callable[[Any], Any]], ...]] = {
    table: tuple(
        (name, datetime.fromisoformat if name in _TIMES else tuple[Any, ...])
        for name in _NAMES[kind]
        if name in _TIMES | _TUPLES
    )
    for table, kind in ROW_TYPES.items()
}
"""What in each table's rows is no JSON value, and how it is read."""


def row_of(item: WorkflowRowItem) -> dict[str, Any]:
    """Returns an item as JSON values by name, times as ISO 8601 text."""
    kind: type[WorkflowRowItem] = type(item)
    return {name: json_value(getattr(item, name)) for name in _NAMES[kind]}


def json_value(value: Any) -> Any:
    """Returns a value as JSON values, times as ISO 8601 text; what has no such form in words."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return json.loads(json.dumps(plain(value)), parse_constant=str)  # NaN is no JSON


def item_of(table: RowTable, row: Mapping[str, Any]) -> Any:
    """Returns what a row of a table tells: an item of that table's type in ``ROW_TYPES``."""
    held = dict(row)
    for name, read in _READ[table]:
        if held[name] is not None:
            held[name] = read(held[name])
    return ROW_TYPES[table](**held)
