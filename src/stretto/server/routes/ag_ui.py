"""The operations of AG-UI: a run of a thread, by the default agent or by another."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import StreamingResponse

from stretto.server.ag_ui import RunInput, run_thread
from stretto.server.dependencies import Here
from stretto.server.problems import answers

router = APIRouter(prefix="/ag-ui", tags=["AG-UI"])
AgentId = Annotated[str, Path(pattern=r"^[\w-]{1,128}$", description="An agent's id.")]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "AG-UI's events, as server-sent events.", "content": {"text/event-stream": {}}},
    **answers(404, 409, 503),
}


@router.post(
    "",
    operation_id="run_ag_ui_agent",
    summary="Run the thread's agent, speaking AG-UI",
    responses=_STREAM,
    response_class=StreamingResponse,
)
async def run_default_agent(house: Here, body: RunInput) -> StreamingResponse:
    """Has the thread's agent, in a new thread the default one, answer the last message, or go on with answers.

    The client's going cancels it.
    """
    return await run_thread(house, None, body)


@router.post(
    "/{agent_id}",
    operation_id="run_ag_ui_agent_by_id",
    summary="Run an agent, speaking AG-UI",
    responses=_STREAM,
    response_class=StreamingResponse,
)
async def run_agent(house: Here, agent_id: AgentId, body: RunInput) -> StreamingResponse:
    """Has this agent answer the last message of a thread, or go on with answers; the client's going cancels it."""
    return await run_thread(house, agent_id, body)
