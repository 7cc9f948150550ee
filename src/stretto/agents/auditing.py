"""Who allowed what, when and why: the approvals of a run as rows, folded from its log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from stretto.agents.validation import is_mapping
from stretto.core.decisions import Decisions
from stretto.core.events import Answered, Asked, Event, RunStarted, Said

Result = Literal["open", "approved", "rejected", "denied", "escalated", "withdrawn"]
"""How a request stands: a rule has denied it, or its step ended before anybody answered (withdrawn)."""
_RESULTS: Mapping[str, Result] = {
    "approve": "approved", "approve_all": "approved", "reject": "rejected", "escalate": "escalated",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One decision about a call; times are in seconds since the Unix epoch, None where nobody has answered yet.

    ``request_id`` is empty where nobody was asked: a rule denied the call, or all of its kind had been approved.
    ``arguments`` are those that were decided about, after the edit where there was one.
    """

    request_id: str
    path: str
    operation: str
    result: Result
    name: str = ""
    agent_id: str = ""
    risk: str = ""
    choice: str = ""
    by: str = ""
    reason: str = ""
    asked_at: float | None = None
    answered_at: float | None = None
    edited: bool = False
    escalated: bool = False
    arguments: Any = None

    @property
    def waited(self) -> float | None:
        """How long it took to be answered (seconds)."""
        if self.asked_at is None or self.answered_at is None:
            return None
        return max(0.0, self.answered_at - self.asked_at)


def audit(events: Iterable[Event]) -> list[AuditRow]:
    """Returns the approvals of a run in the order in which they were asked or decided."""
    rows: dict[str, AuditRow] = {}
    decisions, began = Decisions(), 0.0
    for event in events:
        decisions.record(event)
        if isinstance(event, RunStarted):
            began = event.started_at
        elif isinstance(event, Asked) and event.topic == "approval":
            rows[event.request_id] = _asked(event)
        elif isinstance(event, Answered) and event.request_id in rows:
            rows[event.request_id] = _answered(rows[event.request_id], event, began)
        elif isinstance(event, Said) and is_mapping(event.data) and event.data.get("validation"):
            rows[f"{event.path}!"] = _decided(event, event.data, began)  # once, however often it was gone through
    unanswered = {asked.request_id for asked in decisions.open}
    return [
        row if row.result != "open" or row.request_id in unanswered else replace(row, result="withdrawn")
        for row in rows.values()
    ]


def _asked(event: Asked) -> AuditRow:
    details: Mapping[str, Any] = event.details if is_mapping(event.details) else {}
    scope = details.get("approves")
    name = scope.get("name", "") if is_mapping(scope) else ""
    return AuditRow(
        request_id=event.request_id, path=event.path, operation=event.question, result="open", name=name,
        agent_id=str(details.get("agent_id", "")), risk=event.risk, asked_at=event.asked_at,
        escalated=bool(details.get("escalated")), arguments=event.value,
    )  # fmt: skip


def _answered(row: AuditRow, event: Answered, began: float) -> AuditRow:
    edited = event.value is not None and event.value != row.arguments and event.choice != "reject"
    return replace(
        row,
        result=_RESULTS.get(event.choice, "approved"),
        choice=event.choice,
        by=event.by,
        reason=event.reason,
        answered_at=event.answered_at or began + event.at,
        edited=edited,
        arguments=event.value if edited else row.arguments,
    )


def _decided(event: Said, data: Mapping[str, Any], began: float) -> AuditRow:
    told: dict[str, Any] = {key: data.get(key, "") for key in ("operation", "name", "agent_id", "risk", "by", "reason")}
    return AuditRow(
        request_id="", path=event.path, result="approved" if data["validation"] == "approved" else "denied",
        answered_at=began + event.at, arguments=data.get("arguments_preview"), **told,
    )  # fmt: skip
