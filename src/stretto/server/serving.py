"""A server from its first to its last moment: where it listens, who may hear of it, and how it comes to an end."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from ipaddress import ip_address
from typing import Any

import anyio
import uvicorn
from fastapi import FastAPI

from stretto.configuring.settings import ServerTable, Settings
from stretto.core.errors import DefinitionError
from stretto.core.step import Step
from stretto.server.app import create_app
from stretto.server.first_start import first_start
from stretto.server.house import House
from stretto.server.safety_tokens import with_token
from stretto.stores.sole_server import sole_server
from stretto.stores.store import Store

LAST_ANSWERS = 5
"""How long answers that are still being written may take once everything else has ended (seconds)."""
log = logging.getLogger("stretto.server")


class NoTokenForNetwork(DefinitionError):
    """A server that others could reach, and that would let everybody in."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} can be reached from other machines, and there is no token; give one with --token-file "
            "(openssl rand -hex 32 makes one), or listen on 127.0.0.1"
        )
        self.host = host


class CannotListen(DefinitionError):
    """An address on which nothing can listen."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"the server cannot listen on {host} port {port}: {why}; choose another one with --port")
        self.host, self.port, self.why = host, port, why


class Stop:
    """Ends a server in order when it is called, whatever it does at that moment."""

    def __init__(self) -> None:
        self.asked = False
        self.starting: anyio.CancelScope | None = None
        self.server: Serving | None = None

    def __call__(self) -> None:
        """Asks for the end."""
        self.asked = True
        if self.starting is not None:
            self.starting.cancel()
        if self.server is not None:
            self.server.should_exit = True


class Serving(uvicorn.Server):
    """Serves an app; when it stops it takes nothing new, lets runs end for a while, and suspends the others.

    Streams hear all of that and end with a comment; requests have a few seconds for their last words.
    """

    def __init__(self, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, proxy_headers=False, server_header=False,
                http="h11", ws="none", timeout_graceful_shutdown=LAST_ANSWERS,
            )
        )  # fmt: skip
        self.app, self._ready = app, ready

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator's, or another's
        """Leaves signals to whoever drives the loop."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer, and says so."""
        await super().startup(sockets)
        leave_alone_what_is_there()
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes nothing new, lets what runs come to an end or suspends it, ends the streams, and then the rest."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        await drain(self.app)
        await super().shutdown(sockets)


async def drain(app: FastAPI) -> None:
    """Lets runs end for ``grace`` seconds and suspends the others; then ends every stream."""
    house: House = app.state.house
    app.state.draining = True
    log.info("stopping; runs under way: %d", house.executions.running)
    await house.executions.close()
    house.hub.close()


async def serve(
    settings: Settings, store: Store, steps: Mapping[str, Step[Any, Any]] | None = None, *,
    stop: Stop, ready: Callable[[str, str], None], demonstrate: bool = True,
) -> None:  # fmt: skip
    """Serves until ``stop`` is called; ``ready`` is told its address once it answers, and that of what to look at.

    ``demonstrate`` has the demonstration's agents survey the examples where nothing was ever served. Raises
    ``NoTokenForNetwork``, ``CannotListen``, ``TokenRefused`` and ``WrongOrigin`` before anything is opened, and
    ``StoreError`` for a database that cannot be used, or is served by another process.
    """
    settings = with_token(settings)
    if settings.server.token is None and not is_loopback(settings.server.host):
        raise NoTokenForNetwork(settings.server.host)
    app = create_app(settings, store, steps)
    with listening(settings.server) as listener:
        async with sole_server(store):
            survey = None
            with anyio.CancelScope() as stop.starting:
                if demonstrate and not stop.asked:
                    survey = await first_start(settings, store)
            if stop.asked:
                return
            _allow_many_clients()
            async with app.router.lifespan_context(app):
                url = address(settings.server.host, listener.getsockname()[1])
                opening = url if survey is None else f"{url}/runs/{survey}?tab=timeline"
                server = stop.server = Serving(app, lambda: ready(url, opening))
                server.should_exit = stop.asked
                await server.serve([listener])
    log.info("stopped")


def listening(server: ServerTable) -> socket.socket:
    """Returns a socket that listens where the settings say; raises ``CannotListen``."""
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        made = socket.create_server(where[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CannotListen(server.host, server.port, why[:1].lower() + why[1:]) from None
    # asyncio sends small pieces at once only where a socket says that it is TCP; others wait 40 ms for an answer
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


def leave_alone_what_is_there() -> None:
    """Has the garbage collector pass over what was imported: for 80 ms of looking through it nothing would be told."""
    gc.collect()
    gc.freeze()


def is_loopback(host: str) -> bool:
    """Says whether only this machine reaches a server that listens there."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def address(host: str, port: int) -> str:
    """Returns the address to open: of a server on every address the one of loopback."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host) or (f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def _allow_many_clients() -> None:
    """Lets the process have as many connections as its user may have: each is an open file."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
