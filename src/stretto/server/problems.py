"""What a client is told of an error: problem details as RFC 9457 describes them, with a code for programs."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from stretto.agents.registry import UnknownAgent
from stretto.core.archive import NotKept
from stretto.core.errors import DefinitionError, RunNotFound, StoreError, StrettoError


class FieldProblem(BaseModel):
    """What is wrong with one field: the rule that it breaks, and how long the value is; never the value itself."""

    field: str
    rule: str
    length: int | None = None


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 describes it; ``code`` is for programs, ``detail`` a sentence for people."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str = ""
    errors: list[FieldProblem] = []


class Problem(StrettoError):
    """An answer that is an error: its status, its code, and a sentence that names the thing and the way out."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def install_problems(app: FastAPI) -> None:
    """Has an app answer every error with problem details."""
    app.add_exception_handler(StrettoError, _stretto)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def status_of(error: StrettoError) -> tuple[int, str]:
    """Returns the status and the code of an error of this package."""
    if isinstance(error, Problem):
        return error.status, error.code
    if isinstance(error, NotKept | RunNotFound | UnknownAgent):
        return 404, "not_found"
    if isinstance(error, StoreError):
        return 409, "conflict"
    return (422, "invalid") if isinstance(error, DefinitionError) else (500, "internal")


async def _stretto(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StrettoError)
    status, code = status_of(error)
    return _answer(status, code, str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = []
    for found in error.errors():
        value: Any = found.get("input")
        length = len(value) if isinstance(value, str) else None
        problems.append(FieldProblem(field=".".join(map(str, found["loc"])), rule=str(found["msg"]), length=length))
    told = "; ".join(f"{problem.field}: {problem.rule}" for problem in problems[:3])
    return _answer(422, "invalid", told, problems)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, "http", str(error.detail))


def _answer(status: int, code: str, detail: str, errors: list[FieldProblem] | None = None) -> JSONResponse:
    told = ProblemDetails(title=code, status=status, detail=detail, code=code, errors=errors or [])
    return JSONResponse(told.model_dump(), status, media_type="application/problem+json")
