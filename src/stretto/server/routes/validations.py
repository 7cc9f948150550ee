"""The operations on requests for approval."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from stretto.agents.workflow_rows import ValidationRequest, ValidationState
from stretto.server import people as work
from stretto.server.dependencies import Here, Limit, Offset, Page
from stretto.server.people_forms import AllApproved, Approval, ApproveAll, AuditEntry, Given, Rejection
from stretto.server.people_places import OfWorkflow, RequestId
from stretto.server.problems import answers

router = APIRouter(prefix="/api", tags=["Validations"])

Standing = Annotated[
    list[ValidationState] | None, Query(max_length=6, description="Only those that stand so; by default all.")
]


@router.get(
    "/validations", operation_id="list_validations", summary="List requests for approval", responses=answers(404)
)
async def list_validations(
    house: Here, status: Standing = None, workflow_id: OfWorkflow = None, limit: Limit = 50, offset: Offset = 0
) -> Page[ValidationRequest]:
    """Returns the requests of all workflows, newest first; `status=pending` are those that wait."""
    found, total = await work.validations(house, status or (), workflow_id, limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.get(
    "/validations/{validation_id:uuid}", operation_id="get_validation", summary="Show a request for approval",
    responses=answers(404),
)  # fmt: skip
async def get_validation(house: Here, validation_id: RequestId) -> ValidationRequest:
    """Returns a request, with the arguments that are decided about."""
    return await work.validation(house, str(validation_id))


@router.post(
    "/validations/{validation_id:uuid}/approve", operation_id="approve_validation", summary="Allow a call",
    responses=answers(404, 409),
)  # fmt: skip
async def approve_validation(house: Here, validation_id: RequestId, approval: Approval) -> Given:
    """Allows a call, perhaps with other arguments, or all further ones like it in its run."""
    return await work.approve(house, str(validation_id), approval)


@router.post(
    "/validations/{validation_id:uuid}/reject", operation_id="reject_validation", summary="Refuse a call",
    responses=answers(404, 409),
)  # fmt: skip
async def reject_validation(house: Here, validation_id: RequestId, rejection: Rejection) -> Given:
    """Refuses a call; the agent is told the reason and goes on without it."""
    return await work.reject(house, str(validation_id), rejection)


@router.post(
    "/validations/approve_all", operation_id="approve_all_validations", summary="Allow all calls that wait",
    responses=answers(404),
)  # fmt: skip
async def approve_all_validations(house: Here, asked: ApproveAll) -> AllApproved:
    """Allows them one by one; those that are to be decided about by themselves stay, and are named."""
    return await work.approve_all(house, asked)


@router.get(
    "/validations/audit", operation_id="list_decisions", summary="List the decisions about calls",
    responses=answers(404),
)  # fmt: skip
async def list_decisions(
    house: Here, workflow_id: OfWorkflow = None, limit: Limit = 50, offset: Offset = 0
) -> Page[AuditEntry]:
    """Returns who allowed or refused what, when and why, newest first; what rules decided is among it."""
    found, total = await work.audit(house, workflow_id, limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.get(
    "/validations/audit.csv", operation_id="export_decisions", summary="Download the decisions about calls",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **answers(404)},
)  # fmt: skip
async def export_decisions(house: Here, workflow_id: OfWorkflow = None) -> StreamingResponse:
    """Sends all decisions as comma-separated values."""
    if workflow_id is not None:
        await house.store.records.workflow(workflow_id)
    held = {"content-disposition": 'attachment; filename="decisions.csv"'}
    return StreamingResponse(work.audit_table(house, workflow_id), media_type="text/csv", headers=held)
