"""What every answer bears: the request's id, the headers that keep browsers careful, and a line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stretto.server.metrics import Metrics
from stretto.server.problems import problem_answer
from stretto.server.request_ids import HEADER, REQUEST_ID

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page of this server may load: only what comes from the server itself."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""The headers of every answer; an operation may say another ``cache-control``."""
_GIVEN_ID = re.compile(r"^[\w.-]{1,64}$", re.ASCII)
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
log = logging.getLogger("stretto.server.requests")


class Envelope:
    """Gives each request an id, each answer its headers, and what nobody has caught a plain sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, and tells how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _GIVEN_ID.match(given) else uuid.uuid4().hex
        mark = REQUEST_ID.set(request_id)
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            log.exception("%s %s broke", scope["method"], scope["path"], exc_info=error)
            if status:  # the answer has begun: only a broken connection can tell that it is not whole
                raise
            told = f"something broke in the server; its log tells more of request {request_id}"
            await problem_answer(scope, 500, "internal", told)(scope, receive, sending)
        finally:
            _tell(scope, status, time.perf_counter() - began)
            REQUEST_ID.reset(mark)


def _tell(scope: Scope, status: int, took: float) -> None:
    app: FastAPI = scope["app"]
    metrics: Metrics = app.state.metrics
    metrics.took(scope["method"], getattr(scope.get("route"), "path", "none"), status, took)
    level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
    if log.isEnabledFor(level):
        told = {
            "method": scope["method"], "path": scope["path"], "status": status, "ms": round(took * 1000, 2),
            "client": (scope.get("client") or ("",))[0],
        }  # fmt: skip
        log.log(level, "%s %s %s", told["method"], told["path"], status or "gone", extra={"told": told})
