"""What stands before every operation: names, origins, rates, the token, and what a body may be."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from urllib.parse import urlsplit

import anyio
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stretto.configuring.settings import ServerTable
from stretto.core.errors import DefinitionError
from stretto.server.envelope import Envelope
from stretto.server.page import is_of_the_page, path_of
from stretto.server.problems import Problem, problem_answer
from stretto.server.request_ids import HEADER
from stretto.server.safety_rates import Rates
from stretto.server.safety_tokens import COOKIE, Token, bearer_of, session_of

HEALTH = frozenset({"/healthz", "/readyz"})
OPEN = HEALTH | {"/docs", "/openapi.json", "/api/session"}
"""What may be asked without the token, beside the page as it was built: nothing that tells of runs."""
OPEN_FOLDER = "/assets/"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_BODY = 32_768
"""How large a body may be where the token is not asked for, on a server that has one (bytes)."""
BODY_TIME = 120.0
"""How long a body may take to come (seconds)."""
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HOST = re.compile(r"^(?P<name>\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::(?P<port>\d{1,5}))?$")
_JSON = re.compile(r"^application/(?:[\w.+-]+\+)?json\s*(?:;|$)")


class WrongOrigin(DefinitionError):
    """An entry of ``origins`` that no browser would send."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"server.origins: {origin!r} is no origin; write scheme and host, as https://stretto.example")
        self.origin = origin


@dataclass(frozen=True)
class Safety:
    """What the checks of one server need to know."""

    settings: ServerTable
    token: Token
    rates: Rates

    @cached_property
    def origins(self) -> frozenset[str]:
        """The origins beside its own whose pages may speak to the server; raises ``WrongOrigin``."""
        return frozenset(_origin(each) for each in self.settings.origins)

    @cached_property
    def names(self) -> frozenset[str]:
        """The host names under which the server may be asked, beside addresses when it listens on all."""
        known = {*LOOPBACK, self.settings.host.lower(), *(urlsplit(each).hostname or "" for each in self.origins)}
        return frozenset(known | {socket.gethostname().lower()} if self.everywhere else known)

    @cached_property
    def everywhere(self) -> bool:
        """Says whether the server listens on every address of this machine."""
        return self.settings.host in ("0.0.0.0", "::", "")  # noqa: S104  # compared, not bound

    def knows(self, host: str) -> bool:
        """Says whether a ``Host`` header names this server, and not a name that somebody else gave its address."""
        found = _HOST.match(host.strip().lower())
        if found is None:
            return False
        name = found["name"].strip("[]").removesuffix(".")
        return name in self.names or (self.everywhere and _is_address(name))

    def welcomes(self, origin: str, host: str) -> bool:
        """Says whether a page of this origin may ask the server that was asked as ``host``."""
        try:
            given, own = _origin(origin), {_origin(f"{scheme}://{host}") for scheme in ("http", "https")}
        except WrongOrigin:
            return False
        return given in self.origins or given in own


class Names:
    """Refuses requests under foreign host names (DNS rebinding) and from pages of foreign origins (CSRF).

    What other programs of this host have put into cookies goes no further: reading it can take long.
    """

    def __init__(self, app: ASGIApp, safety: Safety) -> None:
        self._app, self._safety = app, safety

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 403, or hands the request on."""
        if scope["type"] == "http" and (problem := self._problem(Headers(scope=scope))) is not None:
            await refuse(problem, scope, receive, send)
        else:
            if scope["type"] == "http":
                _keep_session_alone(scope)
            await self._app(scope, receive, send)

    def _problem(self, headers: Headers) -> Problem | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._safety.knows(hosts[0]):
            told = hosts[0][:200] if hosts else ""
            return Problem(
                403, "foreign_host", f"this server is not called {told!r}; add its address to server.origins if it is"
            )
        for origin in headers.getlist("origin"):
            if not self._safety.welcomes(origin, hosts[0]):
                told = f"pages of {origin[:200]!r} may not ask this server; add it to server.origins if they may"
                return Problem(403, "foreign_origin", told)
        if _is_from_elsewhere(headers):
            told = "a page of another site asks this server without saying who it is; have it ask with its origin"
            return Problem(403, "foreign_origin", told)
        return None


class Gate:
    """Counts requests, asks for the token, and looks at what is said of the body before any of it is read."""

    def __init__(self, app: ASGIApp, safety: Safety) -> None:
        self._app, self._safety = app, safety

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401, 413, 415, 429 or 503, or hands the request on."""
        if scope["type"] != "http" or path_of(scope) in HEALTH:
            await self._app(scope, receive, send)
            return
        headers, client = Headers(scope=scope), client_of(scope)
        problem = self._rate(client) or self._entry(scope, headers, client) or self._change(scope, headers)
        if problem is not None:
            await refuse(problem, scope, receive, send)
        elif "transfer-encoding" in headers:
            counted = RequestBodyLimitMiddleware(self._app, max_body_size=self._most(scope))
            await counted(scope, BodyInTime(receive), send)
        else:
            await self._app(scope, BodyInTime(receive) if "content-length" in headers else receive, send)

    def _rate(self, client: str) -> Problem | None:
        wait = self._safety.rates.take(client)
        if not wait:
            return None
        told = f"more than {self._safety.settings.requests_per_minute} requests a minute; ask again in {wait} s"
        return Problem(429, "too_many_requests", told, {"retry-after": str(wait)})

    def _entry(self, scope: Scope, headers: Headers, client: str) -> Problem | None:
        token = self._safety.token
        if not token.needed or _is_open(scope):
            return None
        given = bearer_of(headers.getlist("authorization"))
        if given is None:
            session = session_of(headers.getlist("cookie"))
            if session is not None and token.holds(session):
                return None
            told = "a token is needed; send Authorization: Bearer TOKEN, or POST it to /api/session"
        elif token.is_right(given):
            return None
        else:
            self._safety.rates.punish(client)
            told = "the token is wrong"
        return Problem(401, "unauthorized", told, {"www-authenticate": "Bearer"})

    def _change(self, scope: Scope, headers: Headers) -> Problem | None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        if scope["app"].state.draining:
            told = "the server is stopping and takes nothing more; ask again when it is back"
            return Problem(503, "stopping", told, {"retry-after": "5", "connection": "close"})
        length, kind = headers.get("content-length", "0"), headers.get("content-type")
        most = self._most(scope)
        if length.isdigit() and int(length) > most:
            told = f"the body has {int(length):,} bytes, and at most {most:,} are taken"
            return Problem(413, "too_large", told, {"connection": "close"})
        has_body = length != "0" or "transfer-encoding" in headers
        if (kind is None and has_body) or (kind is not None and not _JSON.match(kind.strip().lower())):
            said = "is not said to be anything" if kind is None else f"is said to be {kind[:100]!r}"
            return Problem(415, "unsupported_media_type", f"the body {said}; send Content-Type: application/json")
        return None

    def _most(self, scope: Scope) -> int:
        """Returns how large a body may be (bytes)."""
        most = self._safety.settings.max_body
        return min(most, OPEN_BODY) if self._safety.token.needed and _is_open(scope) else most


class BodyInTime:
    """Receives a body that has to come within ``BODY_TIME`` seconds; raises ``HTTPException`` 408 when it does not."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._until, self._whole = receive, anyio.current_time() + BODY_TIME, False

    async def __call__(self) -> Message:
        """Returns the next part; once the body is whole, what follows may take as long as it likes."""
        if self._whole:
            return await self._receive()
        with anyio.move_on_after(max(0.0, self._until - anyio.current_time())):
            message = await self._receive()
            self._whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message
        raise HTTPException(408, f"the body did not come within {BODY_TIME:g} s", {"connection": "close"})


def install_safety(app: FastAPI, settings: ServerTable) -> Safety:
    """Puts the checks before an app, outermost what every answer bears; raises ``WrongOrigin``."""
    safety = app.state.safety = Safety(settings, Token(settings.token), Rates(settings.requests_per_minute))
    app.add_middleware(Gate, safety=safety)
    if safety.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=sorted(safety.origins), allow_methods=_METHODS, allow_credentials=True,
            allow_headers=["authorization", "content-type", "last-event-id", HEADER],
            expose_headers=[HEADER, "retry-after"],
        )  # fmt: skip
    app.add_middleware(Names, safety=safety)
    app.add_middleware(Envelope)
    return safety


def client_of(scope: Scope) -> str:
    """Returns the address of who asks; what a proxy claims of it is not believed."""
    return str((scope.get("client") or ("",))[0])


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a problem."""
    headers: Mapping[str, str] = problem.headers
    await problem_answer(scope, problem.status, problem.code, problem.detail, headers=headers)(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    """Says whether anybody may ask this; the page is read only. The paths are those that the router compares."""
    path = path_of(scope)
    if path in OPEN or path.startswith(OPEN_FOLDER):
        return True
    return scope["method"] in ("GET", "HEAD") and is_of_the_page(scope)


def _is_from_elsewhere(headers: Headers) -> bool:
    """Says whether a page of another site asks without an origin, as for a picture; a link may lead here."""
    if "origin" in headers or headers.get("sec-fetch-site") not in _ELSEWHERE:
        return False
    return (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) != ("navigate", "document")


def _keep_session_alone(scope: Scope) -> None:
    """Takes all cookies but that of the session out of a request."""
    given = Headers(scope=scope).getlist("cookie")
    if given:
        session = session_of(given)
        own = [] if session is None else [(b"cookie", f"{COOKIE}={session}".encode())]
        scope["headers"] = [*(pair for pair in scope["headers"] if pair[0] != b"cookie"), *own]


def _origin(text: str) -> str:
    """Returns an origin in its one form, without the port that its scheme implies; raises ``WrongOrigin``."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise WrongOrigin(text) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise WrongOrigin(text)
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    implied = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, implied) else "")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
