"""The operations by which a browser is let in: the token once, then a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from stretto.server.dependencies import Text
from stretto.server.problems import Problem, answers
from stretto.server.safety import Safety, client_of
from stretto.server.safety_tokens import COOKIE, SESSION, session_of

router = APIRouter(prefix="/api/session", tags=["Session"])


class TokenGiven(BaseModel):
    """What lets a browser in."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[Text, Field(min_length=1, max_length=4096)]


class Session(BaseModel):
    """Whether this server asks for a token, and whether this browser has been let in."""

    token_needed: bool
    open: bool


@router.get("", operation_id="get_session", summary="Is a token needed, and is this browser let in?")
async def get_session(request: Request) -> Session:
    """Returns how the browser stands; without a token everybody on this machine is let in."""
    token = _safety(request).token
    held = session_of(request.headers.getlist("cookie"))
    return Session(token_needed=token.needed, open=not token.needed or (held is not None and token.holds(held)))


@router.post(
    "", operation_id="open_session", summary="Let this browser in", status_code=204,
    responses=answers(409),
)  # fmt: skip
async def open_session(request: Request, given: TokenGiven) -> Response:
    """Takes the token, and sets a cookie that stands for it for thirty days; HTTP only, and for this site alone."""
    safety = _safety(request)
    if not safety.token.needed:
        raise Problem(409, "no_token", "this server asks for no token; nothing needs to be opened")
    if not safety.token.is_right(given.token):
        safety.rates.punish(client_of(request.scope))
        raise Problem(401, "unauthorized", "the token is wrong", {"www-authenticate": "Bearer"})
    answer = Response(status_code=204)
    answer.set_cookie(
        COOKIE, safety.token.session(), max_age=SESSION, httponly=True, samesite="strict", secure=_is_secure(request)
    )
    return answer


@router.delete("", operation_id="close_session", summary="Let this browser out", status_code=204)
async def close_session(request: Request) -> Response:
    """Has the browser forget its cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
    return answer


def _safety(request: Request) -> Safety:
    safety: Safety = request.app.state.safety
    return safety


def _is_secure(request: Request) -> bool:
    """Says whether the browser speaks TLS, here or with a proxy before us."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
