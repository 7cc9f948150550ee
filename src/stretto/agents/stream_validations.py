"""What is sent of a call that a human has to approve, and of the decision about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stretto.agents.following import request_key
from stretto.agents.validation import is_mapping
from stretto.core.events import Answered, Asked, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRequired:
    """A call waits until somebody has decided about it; its run goes on as far as it can.

    ``validation_id`` is the id under which it can be decided, ``request_id`` names the question in its run.
    ``operation_type`` is spawn, delegate, parallel_batch, tool, mcp, file_op or db_op, ``operation`` a sentence,
    ``risk_level`` low, medium or high. ``details`` are what else to show, ``arguments`` what an approval may replace,
    ``choices`` what can be answered. Where nobody has answered by ``expires_at`` (seconds since the Unix epoch),
    ``default`` holds. Of one ``validation_id`` the question with the highest ``attempt`` counts: a run that goes on
    asks again what nobody has answered. The other fields are as in a ``StreamChunk``.
    """

    workflow_id: str
    validation_id: str
    request_id: str
    operation_type: str
    operation: str
    risk_level: str
    seq: int
    ts: float
    run_id: str
    path: Path
    parent_path: Path
    attempt: int
    choices: tuple[str, ...]
    details: Any = None
    reason: str | None = None
    arguments: Any = None
    expires_at: float | None = None
    default: str | None = None
    sub_agent_id: str | None = None
    sub_agent_name: str | None = None
    parent_agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResponse:
    """A decision about a call: ``outcome`` is approved, rejected, or escalated to somebody who will be asked.

    ``by`` says who decided, ``timeout`` where nobody did in time; ``edited`` that the arguments were replaced,
    ``duration`` how long it waited (milliseconds). The other fields are as in a ``StreamChunk``.
    """

    workflow_id: str
    validation_id: str
    request_id: str
    approved: bool
    outcome: str
    seq: int
    ts: float
    run_id: str
    path: Path
    parent_path: Path
    duration: int
    edited: bool
    reason: str | None = None
    by: str | None = None
    sub_agent_id: str | None = None
    sub_agent_name: str | None = None
    parent_agent_id: str | None = None


def required_of(asked: Asked, told: Mapping[str, Any]) -> ValidationRequired:
    """Returns what is sent of a question for approval; ``told`` are the fields that every piece of news has."""
    details: Mapping[str, Any] = asked.details if is_mapping(asked.details) else {}
    approves = details.get("approves")
    kind = details.get("operation_type") or (approves.get("type") if is_mapping(approves) else None)
    return ValidationRequired(
        validation_id=request_key(told["run_id"], asked.request_id), request_id=asked.request_id,
        operation_type=str(kind or "tool"), operation=asked.question,
        risk_level=asked.risk or "medium", choices=tuple(asked.choices), details=asked.details,
        reason=asked.reason or None, arguments=asked.value, default=asked.default,
        expires_at=None if asked.timeout is None else asked.asked_at + asked.timeout, **told,
    )  # fmt: skip


def response_of(answered: Answered, duration: int, told: Mapping[str, Any]) -> ValidationResponse:
    """Returns what is sent of a decision; ``told`` are the fields that every piece of news has."""
    outcome = {"reject": "rejected", "escalate": "escalated"}.get(answered.choice, "approved")
    return ValidationResponse(
        validation_id=request_key(told["run_id"], answered.request_id), request_id=answered.request_id,
        approved=outcome == "approved", outcome=outcome, duration=duration,
        edited=answered.value is not None, reason=answered.reason or None, by=answered.by or None, **told,
    )  # fmt: skip
