"""The operations that tell of runs: lists, events, spans, plans, figures, questions, comparison and export."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from stretto.monitoring.metrics import measure
from stretto.monitoring.spans import Span, SpanFold, Status
from stretto.server import run_reading, span_details, timelines
from stretto.server.dependencies import Here, Limit, Line, Offset, Page
from stretto.server.plan_views import PlanItem
from stretto.server.preparation import LABEL
from stretto.server.problems import Problem, answers
from stretto.server.run_comparison import Comparison, Which, chosen, compared, is_different
from stretto.server.run_views import (
    EventItem,
    EventKind,
    QuestionItem,
    RunDetail,
    RunItem,
    RunMetrics,
    SpanItem,
    item_of,
    question_of,
    run_metrics,
    span_of,
)
from stretto.server.timeline_forms import SpanDetails, Timeline
from stretto.stores.questions import unanswered
from stretto.stores.summary import Status as RunStatus

router = APIRouter(prefix="/api/runs", tags=["Runs"])

AnyRun = Annotated[
    str, Path(pattern=r"^[^/\x00-\x1f\x7f]+$", min_length=1, max_length=200, description="A run's id.", examples=["r1"])
]
Slots = Annotated[int | None, Query(ge=1, le=100_000, description="How many operations might have run at once.")]
"""The room that a run had, for its figures."""


@router.get("", operation_id="list_runs", summary="List runs, newest first", responses=answers(409))
async def list_runs(
    house: Here,
    status: RunStatus | None = None,
    name: Annotated[Line | None, Query(max_length=200, description="The whole name.")] = None,
    text: Annotated[Line | None, Query(max_length=256, description="A part of id, name, error or labels.")] = None,
    since: Annotated[
        float | None, Query(ge=0, le=1e11, description="The earliest start, in seconds since the Unix epoch.")
    ] = None,
    workflow_id: Annotated[
        str | None, Query(pattern=r"^[0-9a-fA-F-]{36}$", description="Only runs of this workflow.")
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[RunItem]:
    """Lists the runs of this server, of other servers on the same store, and of the command line.

    `workflow_id` and `text` exclude each other.
    """
    if workflow_id is not None:
        if text is not None:
            raise Problem(409, "conflict", "workflow_id and text exclude each other; give one of them")
        text = f"{LABEL}={workflow_id.lower()}"
    found = await house.store.runs(limit, offset, status=status, name=name, text=text, since=since)
    total = await house.store.count_runs(status=status, name=name, text=text, since=since)
    items = [item_of(summary, house.executions.run(summary.id) is not None) for summary in found]
    return Page[RunItem](items=items, total=total, limit=limit, offset=offset)


@router.get("/{run_id}", operation_id="get_run", summary="Tell of one run", responses=answers(404))
async def get_run(house: Here, run_id: AnyRun) -> RunDetail:
    """Tells how a run stands, what went in and what came out, large values cut."""
    return await run_reading.detail(house, run_id)


@router.delete(
    "/{run_id}", operation_id="delete_run", summary="Remove a run", status_code=204, responses=answers(404, 409)
)
async def delete_run(house: Here, run_id: AnyRun) -> Response:
    """Removes a run that is over, with its log; one of a workflow goes with its workflow."""
    await run_reading.delete(house, run_id)
    return Response(status_code=204)


@router.get(
    "/{run_id}/events", operation_id="list_run_events", summary="List the events of a run", responses=answers(404)
)
async def list_run_events(
    house: Here,
    run_id: AnyRun,
    since: Annotated[int, Query(ge=0, le=1_000_000_000, description="The first place in the log.")] = 0,
    kind: Annotated[list[EventKind] | None, Query(max_length=30, description="Only events of these kinds.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many to return at the most.")] = 50,
) -> list[EventItem]:
    """Lists events from a place in the log on; `since` the last `seq` and one is the next page."""
    return await run_reading.events(house, run_id, since, kind or (), limit)


@router.get(
    "/{run_id}/events/{seq}", operation_id="get_run_event", summary="Tell an event whole", responses=answers(404)
)
async def get_run_event(
    house: Here, run_id: AnyRun, seq: Annotated[int, Path(ge=0, le=1_000_000_000, description="Its place.")]
) -> EventItem:
    """Tells one event with its values whole, however large."""
    return await run_reading.event(house, run_id, seq)


@router.get("/{run_id}/spans", operation_id="list_run_spans", summary="List the steps of a run", responses=answers(404))
async def list_run_spans(
    house: Here,
    run_id: AnyRun,
    under: Annotated[Line | None, Query(max_length=2000, description="Only this step and those below it.")] = None,
    status: Status | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[SpanItem]:
    """Lists steps in the order in which the log first names them."""

    def draw(fold: SpanFold) -> Page[SpanItem]:
        def wanted(span: Span) -> bool:
            below = under is None or span.path == under or span.path.startswith(f"{under}/")
            return below and (status is None or span.status == status)

        found = [span for span in fold.spans.values() if wanted(span)]
        items = [span_of(span, fold.now) for span in found[offset : offset + limit]]
        return Page[SpanItem](items=items, total=len(found), limit=limit, offset=offset)

    return await run_reading.folded(house, run_id, draw)


@router.get(
    "/{run_id}/timeline", operation_id="load_run_timeline", summary="Load the timeline of a run",
    response_model=Timeline, responses=answers(404),
)  # fmt: skip
async def load_run_timeline(house: Here, run_id: AnyRun) -> Response:
    """Tells all steps of a run in the order of the tree, with its figures; `span_update` events go on from there."""
    return Response(await timelines.timeline_json(house, run_id), media_type="application/json")


@router.get(
    "/{run_id}/span", operation_id="get_run_span", summary="Tell one step of a run", responses=answers(404)
)  # fmt: skip
async def get_run_span(
    house: Here,
    run_id: AnyRun,
    path: Annotated[Line, Query(min_length=1, max_length=2000, description="The path of the step.")],
) -> SpanDetails:
    """Tells a step with what went in and came out, what it waited for and who waited for it, as its plan has it."""
    return await span_details.details(house, run_id, path)


@router.get(
    "/{run_id}/plan", operation_id="get_run_plan", summary="List the plans that a run made", responses=answers(404)
)
async def get_run_plan(house: Here, run_id: AnyRun) -> list[PlanItem]:
    """Lists what steps decided could run together, and why."""
    return await run_reading.plans(house, run_id)


@router.get(
    "/{run_id}/metrics", operation_id="get_run_metrics", summary="Measure a run", responses=answers(404)
)  # fmt: skip
async def get_run_metrics(house: Here, run_id: AnyRun, slots: Slots = None) -> RunMetrics:
    """Tells how parallel a run was, what it waited for, which steps decided its end, and what models took."""
    return await run_reading.folded(house, run_id, lambda fold: run_metrics(measure(fold, slots=slots)))


@router.get(
    "/{run_id}/questions", operation_id="list_run_questions", summary="List what a run asks", responses=answers(404)
)
async def list_run_questions(house: Here, run_id: AnyRun) -> list[QuestionItem]:
    """Lists what a run asks people and nobody has answered."""
    summary = await house.store.summary(run_id)
    asked = await unanswered(house.store, run_id) if summary.events else []
    return [question_of(one) for one in asked]


@router.get(
    "/{run_id}/compare/{other_id}", operation_id="compare_runs", summary="Compare two runs", responses=answers(404)
)
async def compare_runs(
    house: Here, run_id: AnyRun, other_id: AnyRun, which: Which = "all", limit: Limit = 50, offset: Offset = 0
) -> Comparison:
    """Tells of every step how long it took in both runs, how it ended, and what models took for it."""
    first = await run_reading.folded(house, run_id, lambda fold: fold)
    second = await run_reading.folded(house, other_id, lambda fold: fold)
    whole, steps = await run_reading.apart(lambda: compared(first, second))
    found = chosen(steps, which)
    return Comparison(
        first=await run_reading.item(house, run_id), second=await run_reading.item(house, other_id), whole=whole,
        only_first=sum(step.where == "first" for step in steps),
        only_second=sum(step.where == "second" for step in steps), different=sum(map(is_different, steps)),
        steps=found[offset : offset + limit], total=len(found), limit=limit, offset=offset,
    )  # fmt: skip


class ExportedEvent(BaseModel):
    """An event as the store keeps it."""

    seq: int
    kind: str
    path: str
    at: float
    data: dict[str, Any]


class ExportedRun(BaseModel):
    """A run with its log, values whole, in the forms that the store keeps them in."""

    format: str = Field("stretto.run", examples=["stretto.run"])
    version: int
    run: RunItem
    events: list[ExportedEvent]


@router.get(
    "/{run_id}/export", operation_id="export_run", summary="Export a run", response_class=StreamingResponse,
    responses={**answers(404), 200: {"model": ExportedRun, "description": "The run as a file."}},
)  # fmt: skip
async def export_run(house: Here, run_id: AnyRun) -> StreamingResponse:
    """Sends a run as one JSON document, piece by piece: how it stands, and its log with values whole."""
    await house.store.summary(run_id)
    name = "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "_" for one in run_id)
    headers = {"content-disposition": f'attachment; filename="{name}.json"'}
    return StreamingResponse(run_reading.exported(house, run_id), media_type="application/json", headers=headers)
