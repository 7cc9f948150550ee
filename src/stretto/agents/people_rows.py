"""What people were asked in a run and what they said, folded from its log into rows of validations and questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeGuard

from stretto.agents.following import request_key
from stretto.agents.run_frame import RunFrame
from stretto.agents.validation import is_mapping
from stretto.agents.workflow_rows import QuestionRow, QuestionState, ValidationRequest, ValidationState
from stretto.core.events import Answered, Asked, Event, Path, Said

PeopleRow: TypeAlias = ValidationRequest | QuestionRow
_DECIDED: Mapping[str, ValidationState] = {
    "approve": "approved", "approve_all": "approved", "reject": "rejected", "escalate": "escalated",
}  # fmt: skip


class PeopleRows:
    """Folds questions and answers; ``changed`` holds the rows that are new or have changed, by their ids."""

    def __init__(self, frame: RunFrame) -> None:
        self._frame = frame
        self._open: dict[str, PeopleRow] = {}
        self._waiting: dict[Path, list[str]] = {}
        self.changed: dict[str, PeopleRow] = {}

    @property
    def waiting(self) -> Mapping[Path, list[str]]:
        """The questions that are open, by the paths of the steps that wait."""
        return self._waiting

    def asked(self, event: Asked) -> None:
        """Takes a question, perhaps one that was asked before."""
        make = self._validation if event.topic == "approval" else self._question
        ids = self._waiting.setdefault(event.path, [])
        if event.request_id not in ids:
            ids.append(event.request_id)
        self._put(make(event))

    def answered(self, event: Answered) -> None:
        """Takes an answer."""
        row = self._open.pop(event.request_id, None)
        if row is None:
            return
        self._forget(row.path, event.request_id)
        at = event.answered_at
        when = self._frame.time(event.at) if not at else datetime.fromtimestamp(at, UTC)
        changed = _decided(row, event) if isinstance(row, ValidationRequest) else _replied(row, event)
        self.changed[row.id] = replace(changed, answered_at=when)

    def ended(self, path: Path) -> None:
        """Takes back what a step asks that has ended."""
        for request_id in self._waiting.pop(path, ()):
            row = self._open.pop(request_id)
            self.changed[row.id] = replace(row, status="withdrawn")

    def over(self) -> None:
        """Takes back whatever is asked: the run has ended."""
        for path in list(self._waiting):
            self.ended(path)

    def said(self, event: Said) -> None:
        """Takes what a rule has decided without a question."""
        if not is_mapping(event.data) or not event.data.get("validation"):
            return
        told = event.data
        status: ValidationState = "approved" if told["validation"] == "approved" else "denied"
        common = self._common(event, f"{event.path}!")  # once, however often it was gone through
        common["agent_id"] = str(told.get("agent_id", "")) or common["agent_id"]
        kind = str(told.get("type", "tool"))
        row = ValidationRequest(
            **common, request_id="", type=kind, operation_type=kind, operation=str(told.get("operation", "")),
            tool_name=str(told.get("name", "")), risk_level=str(told.get("risk", "")), status=status,
            details=None, arguments=told.get("arguments_preview"), choices=(), reason=str(told.get("reason", "")),
            default=None, expires_at=None, choice=None, decided_by=str(told.get("by", "")) or None,
            decision_reason=None, edited=False, escalated=False, created_at=self._frame.time(event.at),
            answered_at=self._frame.time(event.at),
        )  # fmt: skip
        self.changed[row.id] = row

    def _put(self, row: PeopleRow) -> None:
        self._open[row.request_id] = self.changed[row.id] = row

    def _forget(self, path: Path, request_id: str) -> None:
        ids = self._waiting[path]
        ids.remove(request_id)
        if not ids:
            del self._waiting[path]

    def _common(self, event: Event, request_id: str) -> dict[str, Any]:
        frame = self._frame
        return {
            "id": request_key(frame.run_id, request_id), "workflow_id": frame.workflow_id, "run_id": frame.run_id,
            "message_id": frame.message_id(event.path), "path": event.path, "agent_id": frame.agent_id(event.path),
        }  # fmt: skip

    def _request(self, event: Asked) -> dict[str, Any]:
        began = datetime.fromtimestamp(event.asked_at, UTC) if event.asked_at else self._frame.time(event.at)
        until = None if event.timeout is None else began + timedelta(seconds=event.timeout)
        return self._common(event, event.request_id) | {
            "request_id": event.request_id, "choices": tuple(event.choices), "default": event.default,
            "expires_at": until, "details": event.details, "created_at": began,
            "choice": None, "answered_at": None,
        }  # fmt: skip

    def _validation(self, event: Asked) -> ValidationRequest:
        details = _whole(event.details)
        scope = _object(details.get("approves"))
        kind = str(scope.get("type") or "tool")
        return ValidationRequest(
            **self._request(event), type=kind, operation_type=str(details.get("operation_type") or kind),
            operation=event.question, tool_name=str(scope.get("name") or details.get("tool") or ""),
            risk_level=event.risk, status="pending", arguments=event.value, reason=event.reason, decided_by=None,
            decision_reason=None, edited=False, escalated=bool(details.get("escalated")),
        )  # fmt: skip

    def _question(self, event: Asked) -> QuestionRow:
        details = _whole(event.details)
        form = _object(details if "question_type" in details else None)
        choices = tuple({"id": choice, "label": choice} for choice in event.choices)
        options = _options(form.get("options")) if form else choices
        kind: Literal["checkbox", "text"] = "checkbox" if choices else "text"
        return QuestionRow(
            **self._request(event), topic=event.topic, question=event.question,
            question_type=str(form.get("question_type", kind)), options=options,
            text_placeholder=str(form.get("text_placeholder", "")), text_required=bool(form.get("text_required")),
            context=event.reason, status="pending", selected_options=(), text_response=None, answered_by=None,
            answer_reason=None,
        )  # fmt: skip


def _whole(details: object) -> Mapping[str, Any]:
    """Returns the details of a question, of very long ones the first, as the log holds them."""
    return _object(details.get("$cut", details) if is_mapping(details) else details)


def _object(told: object) -> Mapping[str, Any]:
    return told if is_mapping(told) else {}


def _options(told: object) -> tuple[dict[str, str], ...]:
    items = told if _is_items(told) else ()
    return tuple({"id": str(item.get("id", "")), "label": str(item.get("label", ""))} for item in items)


def _is_items(value: object) -> TypeGuard[list[Mapping[str, Any]] | tuple[Mapping[str, Any], ...]]:
    return isinstance(value, list | tuple)


def _decided(row: ValidationRequest, event: Answered) -> ValidationRequest:
    status = _DECIDED.get(event.choice, "approved")
    edited = event.value is not None and event.value != row.arguments and status == "approved"
    return replace(
        row, status=status, choice=event.choice, decided_by=event.by or None, decision_reason=event.reason or None,
        edited=edited, arguments=event.value if edited else row.arguments,
    )  # fmt: skip


def _replied(row: QuestionRow, event: Answered) -> QuestionRow:
    status: QuestionState = "timeout" if event.by == "timeout" else "skipped" if event.choice == "skip" else "answered"
    selected, text = _reply_of(row, event.value) if status == "answered" else ((), None)
    return replace(
        row, status=status, choice=event.choice, answered_by=event.by or None, answer_reason=event.reason or None,
        selected_options=selected, text_response=text,
    )  # fmt: skip


def _reply_of(row: QuestionRow, value: object) -> tuple[tuple[str, ...], str | None]:
    """Returns what was selected and written, of an answer that was given whole or in short."""
    if isinstance(value, str):
        return ((), value) if row.question_type == "text" else ((value,), None)
    if is_mapping(value):
        selected, text = value.get("selected"), value.get("text")
        return _texts(selected), None if text is None else str(text)
    return _texts(value), None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if _is_items(value) else ()
