"""The operations on workflows: the commands of the contract, and their queues."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from stretto.agents.result import WorkflowResult
from stretto.agents.workflow_rows import Workflow, WorkflowFullState
from stretto.core.records import ExecutionRow, ExecutionState, WorkflowState
from stretto.server.dependencies import Here, Limit, Offset, Page, RunId, Text, WorkflowId, described
from stretto.server.problems import answers
from stretto.server.service import LOCALE, MESSAGE, NAME

router = APIRouter(prefix="/api/workflows", tags=["Workflows"])
queue = APIRouter(prefix="/api/queue", tags=["Workflows"])


_OUT = r"\u0000-\u001f\u007f-\u009f"
NamePattern = described(rf"^[^{_OUT}]*[^\s{_OUT}][^{_OUT}]*$")
MessagePattern = described(r"^[^\u0000]*[^\s\u0000][^\u0000]*$")
Name = Annotated[str, Field(min_length=1, max_length=NAME), NamePattern]
AgentId = Annotated[str, Field(min_length=1, max_length=128), described(r"^[A-Za-z0-9_-]+$")]
Message = Annotated[str, Field(min_length=1, max_length=MESSAGE), MessagePattern]
Locale = Annotated[str, Field(max_length=LOCALE), described(r"^([A-Za-z][A-Za-z0-9 _-]*)?$")]


class NewWorkflow(BaseModel):
    """A workflow to be created: a conversation with an agent."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["Survey of the repository"])
    agent_id: AgentId = Field(examples=["surveyor"])


class Created(BaseModel):
    """What was created."""

    id: str


class NewName(BaseModel):
    """Another name."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class NewMessage(BaseModel):
    """A message to be executed; without an ``agent_id`` the workflow's own agent answers it."""

    model_config = ConfigDict(extra="forbid")

    message: Message = Field(examples=["What is in this repository?"])
    agent_id: AgentId | None = None
    locale: Locale = Field("", examples=["en"])


class EditedMessage(BaseModel):
    """The other words of a message that is queued."""

    model_config = ConfigDict(extra="forbid")

    message: Message


class Execution(BaseModel):
    """One message of a workflow and how its execution stands; times are in seconds since the Unix epoch."""

    run_id: str
    workflow_id: str
    message: str
    agent_id: str
    locale: str
    ordinal: int
    status: ExecutionState
    created_at: float
    started_at: float | None
    ended_at: float | None
    error: str | None
    rerun: dict[str, Any] | None
    tokens_input: int
    tokens_output: int
    cost_usd: float | None
    model_id: str | None


class Stopped(BaseModel):
    """Whether anything ran that could be cancelled."""

    cancelled: bool


def execution_of(row: ExecutionRow) -> Execution:
    """Returns an execution as operations tell it."""
    return Execution.model_validate({name: getattr(row, name) for name in Execution.model_fields})


@router.post(
    "",
    operation_id="create_workflow",
    summary="Begin a conversation with an agent",
    status_code=201,
    responses=answers(404),
)
async def create_workflow(house: Here, body: NewWorkflow) -> Created:
    """Creates a workflow: a conversation with an agent, whose every message is an execution."""
    return Created(id=await house.service.create_workflow(body.name, body.agent_id))


@router.get("", operation_id="load_workflows", summary="List workflows, last changed first")
async def load_workflows(
    house: Here,
    text: Annotated[Text | None, Query(max_length=256, description="A part of the name or the agent.")] = None,
    status: WorkflowState | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[Workflow]:
    """Lists workflows, the one that changed last first."""
    found, total = await house.service.load_workflows(text=text, status=status, limit=limit, offset=offset)
    return Page[Workflow](items=found, total=total, limit=limit, offset=offset)


@router.get("/{workflow_id}", operation_id="load_workflow", summary="Show a workflow", responses=answers(404))
async def load_workflow(house: Here, workflow_id: WorkflowId) -> Workflow:
    """Tells of one workflow."""
    return await house.service.load_workflow(workflow_id)


@router.patch("/{workflow_id}", operation_id="rename_workflow", summary="Rename a workflow", responses=answers(404))
async def rename_workflow(house: Here, workflow_id: WorkflowId, body: NewName) -> Workflow:
    """Gives a workflow another name."""
    return await house.service.rename_workflow(workflow_id, body.name)


@router.delete(
    "/{workflow_id}",
    operation_id="delete_workflow",
    summary="Delete a workflow with all that is its own",
    status_code=204,
    responses=answers(404, 409),
)
async def delete_workflow(house: Here, workflow_id: WorkflowId) -> Response:
    """Removes a workflow with all that is its own; what runs of it is cancelled first."""
    await house.service.delete_workflow(workflow_id)
    return Response(status_code=204)


@router.post(
    "/{workflow_id}/execute",
    operation_id="execute_workflow",
    summary="Execute a message and wait for its result",
    responses=answers(404, 409, 502, 504),
)
async def execute_workflow(house: Here, workflow_id: WorkflowId, body: NewMessage) -> WorkflowResult:
    """Executes a message, waits for its end, and returns its result."""
    return await house.service.execute_workflow(workflow_id, body.message, body.agent_id, body.locale)


@router.post(
    "/{workflow_id}/execute/stream", operation_id="execute_workflow_streaming",
    summary="Take a message, and tell what is done as a stream", status_code=202, responses=answers(404, 409),
)  # fmt: skip
async def execute_workflow_streaming(house: Here, workflow_id: WorkflowId, body: NewMessage) -> Execution:
    """Takes a message, which is on disk when this answers; what is done for it is told by the stream of events."""
    asked = await house.service.execute_workflow_streaming(workflow_id, body.message, body.agent_id, body.locale)
    return execution_of(asked)


@router.post(
    "/{workflow_id}/cancel",
    operation_id="cancel_workflow_streaming",
    summary="Cancel what runs of a workflow",
    responses=answers(404),
)
async def cancel_workflow_streaming(house: Here, workflow_id: WorkflowId) -> Stopped:
    """Cancels what runs of a workflow, all the way down; it has ended when this answers."""
    return Stopped(cancelled=await house.service.cancel_workflow_streaming(workflow_id))


@router.get(
    "/{workflow_id}/state", operation_id="load_workflow_full_state",
    summary="Load everything that is known of a workflow", response_model=WorkflowFullState,
    responses=answers(404, 504),
)  # fmt: skip
async def load_workflow_full_state(
    house: Here,
    workflow_id: WorkflowId,
    limit: Annotated[
        int | None, Query(ge=1, le=100_000, description="How many of each kind, the last ones; all without it.")
    ] = None,
) -> Response:
    """Tells everything that is known of a workflow."""
    return Response(await house.service.state_json(workflow_id, limit), media_type="application/json")


@router.get(
    "/{workflow_id}/executions",
    operation_id="list_executions",
    summary="List the messages of a workflow",
    responses=answers(404),
)
async def list_executions(
    house: Here,
    workflow_id: WorkflowId,
    status: Annotated[list[ExecutionState] | None, Query(description="How they stand; all without it.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[Execution]:
    """Lists the messages of a workflow and how their executions stand, in their order; queued ones are the queue."""
    row = await house.store.records.workflow(workflow_id.lower())
    found = await house.store.records.executions(
        workflow_id=row.id, statuses=tuple(status or ()), limit=limit, offset=offset
    )
    return [execution_of(each) for each in found]


@router.get(
    "/{workflow_id}/executions/{run_id}/result",
    operation_id="load_execution_result",
    summary="Load the result of an execution that is over",
    responses=answers(404, 409, 502),
)
async def load_execution_result(house: Here, workflow_id: WorkflowId, run_id: RunId) -> WorkflowResult:
    """Returns what an execution came to, once it is over; what has failed or was cancelled is told as an error."""
    return await house.service.load_execution_result(workflow_id, run_id)


@queue.get("", operation_id="load_queue", summary="List what is queued and what runs")
async def load_queue(house: Here) -> list[Execution]:
    """Lists what is queued and what runs, of all workflows, in the order in which it was asked for."""
    found = await house.store.records.executions(statuses=["queued", "running"], limit=1000)
    return [execution_of(each) for each in found]


@queue.patch(
    "/{run_id}", operation_id="edit_queued_message", summary="Change a queued message", responses=answers(404, 409)
)
async def edit_queued_message(house: Here, run_id: RunId, body: EditedMessage) -> Execution:
    """Changes the words of a message that is queued."""
    return execution_of(await house.service.edit_queued_message(run_id, body.message))


@queue.delete(
    "/{run_id}",
    operation_id="remove_queued_message",
    summary="Remove a queued message",
    status_code=204,
    responses=answers(404, 409),
)
async def remove_queued_message(house: Here, run_id: RunId) -> Response:
    """Removes a message that is queued."""
    await house.executions.withdraw(run_id)
    return Response(status_code=204)
