"""How records of workflows belong together, whichever store keeps them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Protocol

from stretto.core.errors import StoreError, UnknownSetting
from stretto.core.records import ExecutionRow, ExecutionState, Row, WorkflowRow, WorkflowState
from stretto.stores.archive_rules import json_text

_STATES: Mapping[str, WorkflowState] = {
    "completed": "completed", "error": "error", "interrupted": "error", "cancelled": "idle",
}  # fmt: skip
_WORKFLOW = frozenset(field.name for field in fields(WorkflowRow)) - {"id"}
_EXECUTION = frozenset(field.name for field in fields(ExecutionRow)) - {"run_id", "workflow_id", "ordinal"}
TO_BE_DONE: tuple[ExecutionState, ExecutionState] = ("queued", "running")
QUEUED: tuple[ExecutionState] = ("queued",)
IN_DATA = ("message", "locale", "error", "result", "rerun")
"""The fields of an execution that are kept as JSON."""


class ExecutionStands(StoreError):
    """An execution does not stand as its writer believes."""

    def __init__(self, run_id: str, status: ExecutionState, expected: Collection[ExecutionState]) -> None:
        super().__init__(f"execution {run_id!r} is {status} by now, not {' or '.join(expected)}; look at it again")
        self.run_id, self.status, self.expected = run_id, status, tuple(expected)


class HasStanding(Protocol):
    """What of an execution its workflow's standing depends on."""

    @property
    def ordinal(self) -> int: ...
    @property
    def status(self) -> Any: ...
    @property
    def created_at(self) -> float: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def ended_at(self) -> float | None: ...
    @property
    def tokens_input(self) -> int: ...
    @property
    def tokens_output(self) -> int: ...
    @property
    def cost_usd(self) -> float | None: ...
    @property
    def model_id(self) -> str | None: ...
    @property
    def context_tokens(self) -> int: ...


def changed_workflow(row: WorkflowRow, changes: Mapping[str, Any]) -> WorkflowRow:
    """Returns a workflow with other fields, changed now; raises ``UnknownSetting`` for what is none that changes."""
    for name in changes:
        if name not in _WORKFLOW:
            raise UnknownSetting("a change of a workflow", name, _WORKFLOW)
    return replace(row, **{"updated_at": time.time(), **changes})


def check_execution_fields(changes: Collection[str]) -> None:
    """Raises ``UnknownSetting`` for what is no field of an execution, or none that changes."""
    for name in changes:
        if name not in _EXECUTION:
            raise UnknownSetting("a change of an execution", name, _EXECUTION)


def check_stands(run_id: str, status: ExecutionState, expected: Collection[ExecutionState]) -> None:
    """Raises ``ExecutionStands`` unless an execution is in one of the expected states, of which none means all."""
    if expected and status not in expected:
        raise ExecutionStands(run_id, status, expected)


def standing_of(executions: Iterable[HasStanding]) -> dict[str, Any]:
    """Returns the fields of a workflow that its executions amount to; ``updated_at`` is now.

    It runs while one of them does; else it stands as the one that ended last left it.
    """
    held = sorted(executions, key=lambda one: one.ordinal)
    costs = [one.cost_usd for one in held]
    known = [cost for cost in costs if cost is not None]
    standing: dict[str, Any] = {
        "status": "idle",
        "completed_at": None,
        "updated_at": time.time(),
        "total_tokens_input": sum(one.tokens_input for one in held),
        "total_tokens_output": sum(one.tokens_output for one in held),
        "total_cost_usd": sum(known) if len(known) == len(costs) else None,
    }
    for one in held:
        if one.model_id is not None:
            standing["model_id"] = one.model_id
        if one.context_tokens:
            standing["current_context_tokens"] = one.context_tokens
    over = [one for one in held if one.status in _STATES]
    if any(one.status == "running" for one in held):
        standing["status"] = "running"
    elif over:
        last = max(over, key=lambda one: (_end(one), one.ordinal))
        standing["status"] = _STATES[last.status]
        if last.status == "completed":
            standing["completed_at"] = _end(last)
    return standing


def _end(one: HasStanding) -> float:
    for at in (one.ended_at, one.started_at):
        if at is not None:
            return at
    return one.created_at


def created_at(row: Row) -> float:
    """Returns when a row was created (seconds since the Unix epoch), which it may tell as ISO 8601 text."""
    told = row["created_at"]
    return datetime.fromisoformat(told).timestamp() if isinstance(told, str) else told


def words_of(name: str, agent_id: str) -> str:
    """Returns what a search for workflows by text looks through."""
    return f"{name}\n{agent_id}".casefold()


def data_of(run_id: str, held: Mapping[str, Any]) -> str:
    """Returns the JSON text of the fields ``IN_DATA``; raises ``StoreError`` when it is none."""
    return json_text("execution", run_id, {name: held[name] for name in IN_DATA})
