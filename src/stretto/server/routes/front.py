"""The pages that a person sees in a browser: the index, and the list of operations."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from stretto.server.dependencies import Here
from stretto.server.operations_page import operations_page
from stretto.server.problems import Problem

router = APIRouter(include_in_schema=False)
_KINDS = {"page.css": "text/css", "index.js": "text/javascript", "icon.svg": "image/svg+xml"}


@router.get("/")
def show_index(request: Request, house: Here) -> HTMLResponse:
    """Shows what this server is, how it stands, and where its interfaces are."""
    app: FastAPI = request.app
    said: dict[str, Any] = {
        "version": app.version, "address": str(request.base_url).rstrip("/"), "agent": house.room.default_agent,
    }  # fmt: skip
    return HTMLResponse(Template(_page("index.html")).substitute({name: escape(text) for name, text in said.items()}))


@router.get("/docs")
def show_operations(request: Request) -> HTMLResponse:
    """Shows every operation."""
    app: FastAPI = request.app
    return HTMLResponse(operations_page(_page("docs.html"), app.openapi()))


@router.get("/openapi.json")
def get_openapi_document(request: Request) -> Response:
    """Returns the description of all operations, from which clients are generated."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())


@router.get("/assets/{name}")
def get_asset(name: str) -> Response:
    """Returns a file that the pages are made of."""
    if name not in _KINDS:
        raise Problem(404, "not_found", f"there is no file {name[:100]!r}")
    return Response(_page(name), media_type=_KINDS[name], headers={"cache-control": "no-cache"})


@cache
def _page(name: str) -> str:
    return files("stretto.server").joinpath("pages", name).read_text(encoding="utf-8")
