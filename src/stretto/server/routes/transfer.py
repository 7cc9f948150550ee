"""The operations that export and import things."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from stretto.server import transfer as work
from stretto.server.dependencies import Here
from stretto.server.problems import Problem, answers
from stretto.server.transfer_forms import LARGEST, ExportRequest, Imported, ImportRequest, Package, Preview

router = APIRouter(prefix="/api/transfer", tags=["Import and export"])


async def small_enough(request: Request) -> None:
    """Refuses a package that is larger than 10 MiB."""
    if len(await request.body()) > LARGEST:
        raise Problem(413, "too_large", f"a package has at most {LARGEST:,} bytes; export less of it at a time")


Small = Annotated[None, Depends(small_enough)]


@router.post("/export", operation_id="export_things", summary="Export what was described here", responses=answers(404))
async def export_things(house: Here, request: ExportRequest) -> Package:
    """Returns a package of agents, MCP servers, providers, models, prompts and settings, without any secret."""
    return await work.export_things(house, request)


@router.post("/preview", operation_id="preview_import", summary="Say what an import would do", responses=answers(409))
async def preview_import(house: Here, request: ImportRequest, size: Small) -> Preview:
    """Tells what becomes of each thing, which names are taken, and what is still needed; nothing is written."""
    return await work.preview(house, request)


@router.post("/import", operation_id="import_things", summary="Import a package", responses=answers(409))
async def import_things(house: Here, request: ImportRequest, size: Small) -> Imported:
    """Imports a package when nothing is missing; then each thing is told with what became of it."""
    return await work.import_things(house, request)
