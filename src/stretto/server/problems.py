"""What a client is told of an error: problem details as RFC 9457 describes them, with a code for programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from stretto.agents.registry import UnknownAgent
from stretto.core.archive import NotKept
from stretto.core.errors import CodeChanged, DefinitionError, ExecutionError, RunNotFound, StoreError, StrettoError
from stretto.server.request_ids import REQUEST_ID
from stretto.stores.database import DatabaseUnavailable

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 50
MOST_CHARACTERS = 2_000
_REFERENCE = {"$ref": "#/components/schemas/ProblemDetails"}
_EVERYWHERE = (401, 403, 429, 503)
_WITH_A_BODY = (400, 408, 413, 415)
_SAID = {
    400: "The request could not be read.",
    401: "A token is needed, or the one that was given is wrong.",
    403: "The request comes from a page or under a name that this server does not serve, or may not be made.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    409: "The request contradicts what there is.",
    413: "The body is larger than this server takes.",
    415: "The body is no JSON, or not said to be.",
    422: "A field breaks a rule; `errors` names both.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    503: "The server is stopping, or its database does not take anything now; `Retry-After` says when to ask again.",
}


class FieldProblem(BaseModel):
    """What is wrong with one field: the rule that it breaks, and how long the value is; never the value itself."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    field: str
    rule: str
    length: int | None = None


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 describes it; ``code`` is for programs, ``detail`` a sentence for people."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str = ""
    errors: list[FieldProblem] = Field(default_factory=list[FieldProblem])


Shape = Callable[[ProblemDetails], Any]
"""Another form of an error, for paths whose protocol has its own: what is to be sent as JSON."""


class Problem(StrettoError):
    """An answer that is an error: its status, its code, and a sentence that names the thing and the way out."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})


class ExecutionStopped(ExecutionError):
    """What was waited for was cancelled by somebody."""


class Stopping(StoreError):
    """A server that stops takes nothing more, and waits for nothing any longer."""

    def __init__(self) -> None:
        super().__init__("the server is stopping and takes nothing more; ask again when it is back")


def answers(*statuses: int, **said: str) -> dict[int | str, dict[str, Any]]:
    """Returns what ``responses=`` of an operation takes for these errors: ``answers(404, 409)``.

    A text of one's own is given by its status: ``answers(404, _409="The id is taken.")``. What every operation can
    answer (400, 401, 403, 408, 413, 415, 422, 429, 503) is documented by itself.
    """
    texts = {**{status: _text(status) for status in statuses}, **{int(name[1:]): text for name, text in said.items()}}
    return {status: {"model": ProblemDetails, "description": text} for status, text in texts.items()}


def install_problems(app: FastAPI, *, token: bool = False) -> None:
    """Has an app answer every error with problem details, and document it; ``token`` says whether one is needed."""
    app.add_exception_handler(StrettoError, _stretto)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.state.problem_shapes = {}

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes,
                tags=app.openapi_tags,
            )  # fmt: skip
            app.openapi_schema = _documented(made, token)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation tells to extend the document


def shape_problems(app: FastAPI, prefix: str, shape: Shape) -> None:
    """Has errors of all paths that begin so told in another form, also those that no operation has answered."""
    app.state.problem_shapes[prefix] = shape


def status_of(error: StrettoError) -> tuple[int, str]:
    """Returns the status and the code of an error of this package."""
    if isinstance(error, Problem):
        return error.status, error.code
    if isinstance(error, NotKept | RunNotFound | UnknownAgent):
        return 404, "not_found"
    if isinstance(error, DatabaseUnavailable):  # full, locked, out of reach
        return 503, "store_unavailable"
    if isinstance(error, Stopping):
        return 503, "stopping"
    if isinstance(error, CodeChanged):  # which ``on_change: "accept"`` lets pass
        return 409, "code_changed"
    if isinstance(error, StoreError):
        return 409, "conflict"
    if isinstance(error, DefinitionError):
        return 422, "invalid"
    if isinstance(error, TimeoutError):
        return 504, "timeout"
    if isinstance(error, ExecutionStopped):
        return 409, "cancelled"
    return (502, "execution_failed") if isinstance(error, ExecutionError) else (500, "internal")


def problem_answer(
    scope: Scope, status: int, code: str, detail: str, *,
    errors: Sequence[FieldProblem] = (), headers: Mapping[str, str] | None = None,
) -> JSONResponse:  # fmt: skip
    """Returns the answer that tells a problem, in the form of the path that was asked."""
    told = ProblemDetails(
        title=_phrase(status), status=status, detail=_sendable(detail), code=code, request_id=REQUEST_ID.get(),
        errors=list(errors),
    )  # fmt: skip
    shapes: Mapping[str, Shape] = scope["app"].state.problem_shapes
    for prefix, shape in shapes.items():
        if str(scope["path"]).startswith(prefix):
            return JSONResponse(shape(told), status, headers)
    return JSONResponse(told.model_dump(), status, headers, media_type=MEDIA_TYPE)


async def _stretto(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StrettoError)
    status, code = status_of(error)
    headers = error.headers if isinstance(error, Problem) else {"retry-after": "1"} if status == 503 else None
    return problem_answer(request.scope, status, code, str(error), headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems: list[FieldProblem] = []
    for found in error.errors()[:MOST_ERRORS]:
        value: Any = found.get("input")
        place = found["loc"][:1] if found["type"] == "json_invalid" else found["loc"]
        field, rule = _sendable(".".join(map(str, place))), _sendable(_rule(found))
        problems.append(FieldProblem(field=field, rule=rule, length=len(value) if isinstance(value, str) else None))
    told = "; ".join(f"{problem.field}: {problem.rule}" for problem in problems[:3])
    return problem_answer(request.scope, 422, "invalid", told, errors=problems)


def _rule(found: Mapping[str, Any]) -> str:
    """Returns the rule that a field breaks in words for whoever wrote the request; they never hold the value."""
    context: Mapping[str, Any] = found.get("ctx") or {}
    match found["type"]:
        case "json_invalid":
            return f"is no JSON: {context.get('error', 'it ends too early')} (character {found['loc'][-1]})"
        case "union_tag_not_found":
            return f"Field {context['discriminator']} is needed, it says what the others mean"
        case "union_tag_invalid":
            return f"Field {context['discriminator']} has to be one of {context['expected_tags']}"
        case _:
            return str(found["msg"]).removeprefix("Value error, ")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status, path = error.status_code, request.scope["path"]
    said = {
        404: f"there is nothing at {path}; /docs lists what there is",
        405: f"{path} does not take {request.method}",
        413: "the body is larger than this server takes",
    }
    detail = said[status] if status in said and error.detail in (_phrase(status), "Content Too Large") else error.detail
    return problem_answer(request.scope, status, _slug(status), str(detail), headers=error.headers)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _slug(status: int) -> str:
    return {413: "too_large", 415: "unsupported_media_type"}.get(status) or re.sub(r"\W+", "_", _phrase(status).lower())


def _text(status: int) -> str:
    return _SAID.get(status, _phrase(status))


def _sendable(text: str) -> str:
    """Returns a text that UTF-8 can carry, and no longer than anybody reads."""
    shown = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … ({len(text)} characters)"
    return shown.encode("utf-8", "backslashreplace").decode()


def _documented(document: dict[str, Any], token: bool) -> dict[str, Any]:
    """Returns an OpenAPI document in which every operation says how it can fail, and how it is let in."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    made = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(made.pop("$defs"))
    schemas["ProblemDetails"] = made
    for operations in document["paths"].values():
        for operation in operations.values():
            _document(operation)
    if token:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "stretto_session"},
        }
        document["security"] = [{"bearer": []}, {"cookie": []}]
    return document


def _document(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    taken = operation.get("parameters") or operation.get("requestBody")
    usual = (*_EVERYWHERE, *(_WITH_A_BODY if operation.get("requestBody") else ()), *((422,) if taken else ()))
    for status in usual:
        known = responses.get(str(status))
        if known is None or "HTTPValidationError" in str(known):
            content = {"application/json": {"schema": _REFERENCE}}
            responses[str(status)] = {"description": _text(status), "content": content}
    for response in responses.values():
        content = response.get("content", {})
        for media, held in list(content.items()):
            if held.get("schema") == _REFERENCE:
                content[MEDIA_TYPE] = content.pop(media)
    for status in ("429", "503"):
        told = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        responses[status].setdefault("headers", {})["Retry-After"] = told
