"""What people are asked by all workflows, and what they say: approvals with edits, rejections, answers to questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from stretto.agents.workflow_rows import QuestionRow, QuestionState, ValidationRequest, ValidationState, item_of
from stretto.core.errors import StrettoError, listed
from stretto.core.records import Row, RowTable
from stretto.server.house import House
from stretto.server.people_forms import (
    AllApproved,
    Approval,
    ApproveAll,
    AuditEntry,
    Given,
    NotApproved,
    Rejection,
    Reply,
    Skipped,
)
from stretto.server.problems import Problem
from stretto.server.run_steering import answer
from stretto.server.tables import table_line
from stretto.tools.user_question import ANSWER, LONGEST_TEXT, SKIP

VALIDATIONS: RowTable = "validation_request"
QUESTIONS: RowTable = "user_question"
PENDING: tuple[ValidationState, ...] = ("pending",)
DECIDED: tuple[ValidationState, ...] = ("approved", "rejected", "escalated", "denied", "withdrawn")
AT_ONCE = 200
_TOLD: Mapping[str, ValidationState] = {"approve": "approved", "approve_all": "approved", "reject": "rejected"}
_HEAD = (
    "id", "workflow_id", "run_id", "agent_id", "tool_name", "operation", "risk_level", "status", "choice", "decided_by",
    "reason", "edited", "escalated", "created_at", "answered_at", "waited",
)  # fmt: skip


async def validations(
    house: House, statuses: Collection[ValidationState], workflow_id: str | None, limit: int, offset: int
) -> tuple[list[ValidationRequest], int]:
    """Returns requests for approval, newest first, and how many there are."""
    rows, total = await _rows(house, VALIDATIONS, statuses, workflow_id, limit, offset)
    return [item_of(VALIDATIONS, row) for row in rows], total


async def questions(
    house: House, statuses: Collection[QuestionState], workflow_id: str | None, limit: int, offset: int
) -> tuple[list[QuestionRow], int]:
    """Returns questions, newest first, and how many there are."""
    rows, total = await _rows(house, QUESTIONS, statuses, workflow_id, limit, offset)
    return [item_of(QUESTIONS, row) for row in rows], total


async def validation(house: House, id: str) -> ValidationRequest:
    """Returns a request for approval; raises ``NotKept``."""
    await house.projector.catch_up()
    found: ValidationRequest = item_of(VALIDATIONS, await house.store.records.row(VALIDATIONS, id))
    return found


async def question(house: House, id: str) -> QuestionRow:
    """Returns a question; raises ``NotKept``."""
    await house.projector.catch_up()
    found: QuestionRow = item_of(QUESTIONS, await house.store.records.row(QUESTIONS, id))
    return found


async def approve(house: House, id: str, approval: Approval) -> Given:
    """Allows a call, perhaps with other arguments, or all further ones like it in its run.

    Raises ``NotKept``, and ``Problem`` when it was decided already or cannot be approved like that.
    """
    row = await validation(house, id)
    choice = "approve_all" if approval.all else "approve"
    if row.status == "pending" and choice not in row.choices:
        raise Problem(409, "not_offered", f"validation {id!r} takes one of {listed(row.choices)}, not {choice!r}")
    return await _decide(house, row, choice, approval.arguments, approval.reason, approval.by)


async def reject(house: House, id: str, rejection: Rejection) -> Given:
    """Refuses a call, with a reason that its agent is told; raises what ``approve`` raises."""
    return await _decide(house, await validation(house, id), "reject", None, rejection.reason, rejection.by)


async def approve_all(house: House, asked: ApproveAll) -> AllApproved:
    """Allows all calls that wait, but those that the settings have asked about one by one."""
    waiting: list[ValidationRequest] = []
    while True:
        some, _ = await validations(house, PENDING, asked.workflow_id, AT_ONCE, len(waiting))
        waiting += some
        if len(some) < AT_ONCE:
            break
    done: list[str] = []
    left: list[NotApproved] = []
    for row in {row.id: row for row in waiting}.values():
        if "approve_all" not in row.choices:
            left.append(NotApproved(id=row.id, reason="it is to be decided about by itself"))
            continue
        try:
            await _decide(house, row, "approve", None, asked.reason, asked.by)
            done.append(row.id)
        except StrettoError as error:  # somebody else was quicker, or its run has ended
            left.append(NotApproved(id=row.id, reason=str(error)))
    return AllApproved(approved=done, left=left)


async def audit(house: House, workflow_id: str | None, limit: int, offset: int) -> tuple[list[AuditEntry], int]:
    """Returns what was decided about calls, by people and by rules, newest first, and how many decisions there are."""
    found, total = await validations(house, DECIDED, workflow_id, limit, offset)
    return [_audited(row) for row in found], total


async def audit_table(house: House, workflow_id: str | None) -> AsyncIterator[bytes]:
    """Yields all decisions as comma-separated values with a head line."""
    yield table_line(_HEAD)
    offset = 0
    while True:
        some, total = await audit(house, workflow_id, AT_ONCE, offset)
        for entry in some:
            told = entry.model_dump(mode="json")
            yield table_line(told[name] for name in _HEAD)
        offset += len(some)
        if not some or offset >= total:
            return


async def reply(house: House, id: str, given: Reply) -> Given:
    """Answers a question; raises ``NotKept``, and ``Problem`` for an answer that does not fit its form."""
    row = await question(house, id)
    _check_pending(row)
    choice, value = _chosen(row, given)
    await answer(house, row.run_id, row.request_id, choice, value, given.reason, given.by)
    return Given(id=id, status="answered", choice=choice)


async def skip(house: House, id: str, skipped: Skipped) -> Given:
    """Leaves a question without an answer: its agent goes on as well as it can; raises what ``reply`` raises."""
    row = await question(house, id)
    _check_pending(row)
    if SKIP not in row.choices:
        raise Problem(409, "not_offered", f"question {id!r} cannot be skipped; it takes one of {listed(row.choices)}")
    await answer(house, row.run_id, row.request_id, SKIP, None, skipped.reason, skipped.by)
    return Given(id=id, status="skipped", choice=SKIP)


async def _rows(
    house: House, table: RowTable, statuses: Collection[str], workflow_id: str | None, limit: int, offset: int
) -> tuple[list[Row], int]:
    await house.projector.catch_up()
    records = house.store.records
    if workflow_id is None:
        found = await records.find_rows(table, statuses=statuses, limit=limit, offset=offset)
        return found.rows, found.total
    await records.workflow(workflow_id)
    mine = [row for row in await records.rows(table, workflow_id) if not statuses or row["status"] in statuses]
    mine.reverse()
    return mine[offset : offset + limit], len(mine)


async def _decide(
    house: House, row: ValidationRequest, choice: str, value: Mapping[str, Any] | None, reason: str, by: str
) -> Given:
    _check_pending(row)
    await answer(house, row.run_id, row.request_id, choice, value, reason, by)
    return Given(id=row.id, status=_TOLD[choice], choice=choice)


def _check_pending(row: ValidationRequest | QuestionRow) -> None:
    if row.status != "pending":
        what, by = ("question", row.answered_by) if isinstance(row, QuestionRow) else ("validation", row.decided_by)
        raise Problem(409, "decided", f"{what} {row.id!r} is {row.status} already" + (f", by {by}" if by else ""))


def _chosen(row: QuestionRow, given: Reply) -> tuple[str, Any]:
    """Returns the choice and the value that answer a question; raises ``Problem`` for what does not fit."""
    if ANSWER in row.choices and SKIP in row.choices:
        _check_form(row, given)
        return ANSWER, {"selected": list(dict.fromkeys(given.selected)), "text": given.text}
    value = given.text or None if given.value is None else given.value
    if not row.choices:
        if not given.text:
            raise _wrong("text", f"question {row.id!r} takes a text")
        return given.text, given.value
    if len(given.selected) != 1 or given.selected[0] not in row.choices:
        raise _wrong("selected", f"question {row.id!r} takes one of {listed(row.choices)}")
    return given.selected[0], value


def _check_form(row: QuestionRow, given: Reply) -> None:
    """Raises ``Problem`` for an answer that the form of a question does not take."""
    known = [option["id"] for option in row.options]
    if unknown := [id for id in given.selected if id not in known]:
        offered = listed(known) if known else "none"
        raise _wrong("selected", f"{listed(unknown)} cannot be chosen; the options are {offered}")
    if row.question_type != "text" and not given.selected:
        raise _wrong("selected", f"choose at least one of {listed(known)}")
    if row.question_type == "checkbox" and given.text:
        raise _wrong("text", "this question takes choices only, no text")
    needed = row.question_type == "text" or (row.question_type == "mixed" and row.text_required)
    if needed and not given.text.strip():
        raise _wrong("text", f"a text is needed, of at most {LONGEST_TEXT:,} characters")


def _wrong(field: str, rule: str) -> Problem:
    return Problem(422, "invalid", f"{field}: {rule}")


def _audited(row: ValidationRequest) -> AuditEntry:
    waited = None if row.answered_at is None else max(0.0, (row.answered_at - row.created_at).total_seconds())
    return AuditEntry(
        id=row.id, workflow_id=row.workflow_id, run_id=row.run_id, agent_id=row.agent_id, tool_name=row.tool_name,
        operation=row.operation, risk_level=row.risk_level, status=row.status, choice=row.choice,
        decided_by=row.decided_by, reason=row.decision_reason or row.reason, edited=row.edited,
        escalated=row.escalated, arguments=row.arguments, created_at=row.created_at, answered_at=row.answered_at,
        waited=waited,
    )  # fmt: skip
