"""The operations on the tasks of workflows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stretto.core.archive import TaskStatus
from stretto.server import tasks as work
from stretto.server.dependencies import Here, Limit, Offset, Page, WorkflowId
from stretto.server.problems import answers
from stretto.server.tasks import NewTask, TaskChange, TaskEntry

router = APIRouter(prefix="/api/workflows/{workflow_id}/tasks", tags=["Tasks"])

TaskId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="A task's id.")]


@router.get("", operation_id="list_workflow_tasks", summary="List a workflow's tasks", responses=answers(404))
async def list_workflow_tasks(
    house: Here,
    workflow_id: WorkflowId,
    status: Annotated[TaskStatus | None, Query(description="Only those that stand so.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[TaskEntry]:
    """Returns tasks, the most urgent first, then by age."""
    found = await work.list_tasks(house, workflow_id.lower(), status)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


@router.post("", operation_id="create_task", summary="Add a task", status_code=201, responses=answers(404, 409))
async def add_task(house: Here, workflow_id: WorkflowId, new: NewTask) -> TaskEntry:
    """Adds a task that may depend on others of the same workflow."""
    return await work.add_task(house, workflow_id.lower(), new)


@router.get("/{task_id}", operation_id="get_task", summary="Show a task", responses=answers(404))
async def get_task(house: Here, workflow_id: WorkflowId, task_id: TaskId) -> TaskEntry:
    """Returns a task with those that it waits for."""
    return await work.one_task(house, workflow_id.lower(), task_id)


@router.patch("/{task_id}", operation_id="change_task", summary="Change a task", responses=answers(404, 409))
async def change_task(house: Here, workflow_id: WorkflowId, task_id: TaskId, change: TaskChange) -> TaskEntry:
    """Changes what is given; one cannot begin or be completed before those that it depends on are."""
    return await work.change_task(house, workflow_id.lower(), task_id, change)


@router.delete(
    "/{task_id}", operation_id="delete_task", summary="Remove a task", status_code=204, responses=answers(404, 409)
)
async def delete_task(house: Here, workflow_id: WorkflowId, task_id: TaskId) -> None:
    """Removes a task that no other depends on."""
    await work.delete_task(house, workflow_id.lower(), task_id)
