"""The pages that a person sees in a browser: the page, the files it is made of, and the list of operations."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from stretto.server.operations_page import operations_page
from stretto.server.page import (
    ASK_AGAIN,
    FOR_EVER,
    KINDS,
    POLICY,
    PageFile,
    answer,
    asset,
    beside_the_index,
    how_to_build,
    index,
    is_of_the_page,
    path_of,
)
from stretto.server.problems import Problem

router = APIRouter(include_in_schema=False)
_PLAIN = {"page.css": KINDS[".css"], "icon.svg": KINDS[".svg"]}
"""What the pages are made of that need no building."""


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
def get_asset(request: Request, name: str) -> Response:
    """Returns a file that the pages are made of."""
    if name in _PLAIN:
        return answer(request, PageFile(_page(name).encode(), _PLAIN[name]), ASK_AGAIN)
    found = asset(name)
    if found is None:
        raise Problem(404, "not_found", f"there is no file {name[:100]!r}")
    return answer(request, found, FOR_EVER)


def show_page(request: Request) -> Response:
    """Shows the page, whatever its path: the page finds out itself what to show; 503 where it was never built."""
    path = path_of(request.scope)
    beside = beside_the_index(path)
    if beside is not None:
        return answer(request, beside, ASK_AGAIN)
    if path == "/favicon.ico":
        return answer(request, PageFile(_page("icon.svg").encode(), _PLAIN["icon.svg"]), ASK_AGAIN)
    root = str(request.scope.get("root_path", ""))
    found = index(root)
    if found is None:
        told = Template(_page("unbuilt.html")).substitute(root=escape(root), command=escape(how_to_build()))
        return HTMLResponse(told, 503)
    return answer(request, found, ASK_AGAIN, {"content-security-policy": POLICY})


class PageRoute(Route):
    """Takes what is of the page and leaves all else alone, so that a wrong method is still told as one."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Says whether the page answers."""
        if scope["type"] != "http" or not is_of_the_page(scope):
            return Match.NONE, {}
        match, child = super().matches(scope)
        return match, {**child, "route": self}


page = PageRoute("/{path:path}", show_page, methods=["GET"])


@cache
def _page(name: str) -> str:
    return files("stretto.server").joinpath("pages", name).read_text(encoding="utf-8")
