"""The operations that draw runs: Gantt charts, traces, and graphs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from stretto.monitoring.gantt import ROWS
from stretto.monitoring.graph import draw_dot, draw_mermaid
from stretto.monitoring.html import draw_html
from stretto.monitoring.svg import draw_svg
from stretto.monitoring.trace import trace_of
from stretto.server import run_reading
from stretto.server.dependencies import Here
from stretto.server.problems import answers
from stretto.server.routes.runs import AnyRun

router = APIRouter(prefix="/api/runs", tags=["Runs"])
Rows = Annotated[int, Query(ge=5, le=2000, description="How many rows to show; the others are folded.")]


class Drawing(Response):
    """A picture."""

    media_type = "image/svg+xml"


class Sheet(Response):
    """A page that stands alone."""

    media_type = "text/html"


_PICTURE = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_PAGE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; sandbox allow-scripts"
)
"""What the drawings may do: no network, and no word with the server's own pages."""


@router.get(
    "/{run_id}/gantt.svg", operation_id="draw_run_gantt_svg", summary="Draw a run's Gantt chart as a picture",
    response_class=Drawing, responses=answers(404),
)  # fmt: skip
async def draw_run_gantt_svg(
    house: Here,
    run_id: AnyRun,
    width: Annotated[int, Query(ge=320, le=10_000, description="In pixels.")] = 960,
    rows: Rows = ROWS,
    scheme: Annotated[Literal["auto", "light", "dark"], Query(description="Auto is the reader's choice.")] = "auto",
) -> Drawing:
    """Draws when each step ran, as an SVG that needs nothing outside of itself."""
    drawn = await run_reading.folded(
        house, run_id, lambda fold: draw_svg(fold, width=width, max_rows=rows, scheme=scheme)
    )
    return Drawing(drawn, headers={"content-security-policy": _PICTURE})


@router.get(
    "/{run_id}/gantt.html", operation_id="draw_run_gantt_html", summary="Draw a run's Gantt chart as a page",
    response_class=Sheet, responses=answers(404),
)  # fmt: skip
async def draw_run_gantt_html(house: Here, run_id: AnyRun, rows: Rows = ROWS) -> Sheet:
    """Draws when each step ran, as an interactive page that also opens offline."""
    drawn = await run_reading.folded(house, run_id, lambda fold: draw_html(fold, max_rows=rows))
    return Sheet(drawn, headers={"content-security-policy": _PAGE})


@router.get(
    "/{run_id}/trace", operation_id="get_run_trace", summary="Write a run as a trace for Perfetto and Chrome",
    responses=answers(404),
)  # fmt: skip
async def get_run_trace(house: Here, run_id: AnyRun) -> dict[str, Any]:
    """Returns `traceEvents` in microseconds, as trace viewers open them."""
    return await run_reading.folded(house, run_id, trace_of)


@router.get(
    "/{run_id}/graph", operation_id="draw_run_graph", summary="Draw who started whom in a run",
    response_class=PlainTextResponse, responses=answers(404),
)  # fmt: skip
async def draw_run_graph(
    house: Here, run_id: AnyRun, form: Literal["mermaid", "dot"] = "mermaid", nodes: Rows = ROWS
) -> PlainTextResponse:
    """Draws the steps that ran as a graph, in the language of Mermaid or of Graphviz."""
    draw = draw_mermaid if form == "mermaid" else draw_dot
    return PlainTextResponse(await run_reading.folded(house, run_id, lambda fold: draw(fold, max_nodes=nodes)))
