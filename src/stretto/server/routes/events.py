"""The operations on events: streams of what happens, of everything or of one workflow."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from stretto.agents.stream_chunks import StreamChunk, WorkflowComplete
from stretto.agents.stream_validations import ValidationRequired, ValidationResponse
from stretto.server.dependencies import Here, Line, WorkflowId
from stretto.server.event_stream import EventStream
from stretto.server.problems import answers
from stretto.server.timeline_forms import RunUpdate, SpanUpdate

router = APIRouter(tags=["Events"])

LastEventId = Annotated[
    Line | None, Header(alias="Last-Event-ID", max_length=64, description="The last event that the client has.")
]
After = Annotated[
    Line | None,
    Query(max_length=64, description="The same for a client that cannot send the header yet, as on a first connect."),
]
Follow = Annotated[bool, Query(description="Whether to wait for what comes; otherwise the stream ends with what is.")]
_TOLD: dict[int | str, dict[str, Any]] = {
    200: {
        "model": StreamChunk | WorkflowComplete | ValidationRequired | ValidationResponse | SpanUpdate | RunUpdate,
        "description": "Server-sent events. The schema is that of the `data` of one; its name says which it is.",
    }
}


@router.get(
    "/api/events", operation_id="stream_events", summary="Stream what happens in all workflows",
    response_class=EventStream, status_code=200, responses=_TOLD,
)  # fmt: skip
async def stream_events(
    house: Here, last_event_id: LastEventId = None, after: After = None, follow: Follow = True
) -> EventStream:
    """Sends what every workflow tells, and what changes in the lists of them, from now on or after an event.

    An id that is too old, or of another server, gets a `stream_reset` first: load what you show anew.
    """
    return EventStream(lambda scope: house.hub.stream(None, last_event_id or after, follow=follow, scope=scope))


@router.get(
    "/api/workflows/{workflow_id}/events", operation_id="stream_workflow_events",
    summary="Stream what happens in one workflow", response_class=EventStream, status_code=200,
    responses=_TOLD | answers(404),
)  # fmt: skip
async def stream_workflow_events(
    house: Here, workflow_id: WorkflowId, last_event_id: LastEventId = None, after: After = None, follow: Follow = True
) -> EventStream:
    """Sends what a workflow tells, from now on or after an event, however long ago.

    `3.0.0` is before the first event of its third execution.
    """
    row = await house.store.records.workflow(workflow_id.lower())
    last = last_event_id or after
    return EventStream(lambda scope: house.hub.stream(row.id, last, follow=follow, scope=scope))
