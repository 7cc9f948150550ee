"""The connection to one MCP server: one task owns it, many steps call over it, and its death is only its own."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp.client import Client, ClientRequestContext
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.message import SessionMessage
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    LoggingMessageNotificationParams,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from stretto.core.step import Context
from stretto.tools.mcp.calls import Call, log_text
from stretto.tools.mcp.config import ServerConfig, StdioServer
from stretto.tools.mcp.link import CURRENT, Link
from stretto.tools.mcp.listing import Listing, read_listing
from stretto.tools.mcp.nursery import Nursery
from stretto.tools.mcp.process import ServerProcess, Tail
from stretto.tools.mcp.results import cleaned
from stretto.tools.mcp.transport import MeteredStream, http_streams
from stretto.tools.mcp.trouble import McpUnreachable, State

logging.getLogger("mcp").addHandler(logging.NullHandler())  # what the SDK notes is for those who listen to it

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
"""How long a server that died is left alone before it is started again, doubled each time (seconds)."""
_LATENCIES = 500
_INSTRUCTIONS = 2_000


class McpConnection:
    """Speaks to one server; its tasks live in ``nursery``.

    ``state`` is idle (not needed yet), connecting, ready, failed (it ended, or could not be reached; it is tried again
    when it is needed), given_up (it failed too often in a row), stopped or disabled.
    """

    def __init__(self, name: str, config: ServerConfig, nursery: Nursery) -> None:
        self.name, self.config, self._group = name, config, nursery.tasks
        self.state: State = "disabled" if config.disabled else "idle"
        self.restarts = 0
        self.latencies: deque[float] = deque(maxlen=_LATENCIES)
        self.last_error = self.instructions = ""
        self.tail = Tail(lambda text: cleaned(text, config.secrets))
        self.listed: Listing | None = None
        self._link: Link | None = None
        self._opening, self._listing = anyio.Lock(), anyio.Lock()
        self._failures = self._generation = 0
        self._ended_at = -math.inf

    # -- opening and closing -------------------------------------------------------------------------------------------

    async def ready(self) -> Link:
        """Returns the open connection, made first where there is none; raises ``McpUnreachable``."""
        async with self._opening:
            if self._link is not None:
                if self._link.open:
                    return self._link
                await self._link.buried.wait()
            if self.state in ("stopped", "disabled"):
                raise McpUnreachable(self.name, f"is {self.state}")
            if self._failures > self.config.max_restarts:
                self.state = "given_up"
                told = f"is given up after {self._failures} failures in a row; restart it when it works again"
                raise McpUnreachable(self.name, f"{told}; the last failure: {self.last_error}")
            if self._failures:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._failures - 1))
                await anyio.sleep(max(0.0, self._ended_at + pause - anyio.current_time()))
                self.restarts += 1
            self.state, self._link = "connecting", Link(self.name, self.config, self.tail)
            await self._group.start(self._own, self._link)
            return self._link

    async def start(self) -> None:
        """Connects, also when it was stopped or given up."""
        if self.state in ("stopped", "given_up", "failed"):
            self.state, self._failures = "idle", 0
        await self.ready()

    async def stop(self) -> None:
        """Closes the connection; calls under way fail. It stays closed until it is started."""
        if self.state != "disabled":
            self.state = "stopped"
        if self._link is not None:
            self._link.end("was stopped")
            await self._link.buried.wait()
        self.listed = None

    async def _own(self, link: Link, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Opens the client, keeps it until it is over, and closes it, all in this task."""
        failure: Exception | None = None
        link.handshake.deadline = anyio.current_time() + self.config.connect_timeout
        try:
            with link.handshake:
                async with self._client(link) as client:
                    link.handshake.deadline = math.inf
                    self._opened(link, client)
                    task_status.started()
                    await self._keep(link, client)
        except Exception as error:  # noqa: BLE001  # an error of one server must not reach those of others
            failure = error
        finally:
            self.listed = None
            late = link.handshake.cancelled_caught and link.opened is None
            if failure is None and link.opened is None and not late:
                link.why = link.why or "is not needed any more"  # whoever needed it was cancelled
            obituary = link.bury(failure, late=late)
            if not link.why:
                self._failures, self._ended_at = self._failures + 1, anyio.current_time()
                self.last_error = str(obituary)
                if self.state in ("ready", "connecting"):
                    self.state = "failed"
            elif self.state in ("ready", "connecting"):
                self.state = "idle"
        if link.opened is None:
            raise obituary from None  # the failure's own words may hold a secret

    def _opened(self, link: Link, client: Client) -> None:
        link.opened, self.state = client, "ready"
        self._forget_tools()
        self.instructions = cleaned(client.instructions or "", self.config.secrets)[:_INSTRUCTIONS]

    async def _keep(self, link: Link, client: Client) -> None:
        async with anyio.create_task_group() as listeners:
            capable = client.server_capabilities.tools
            if capable is not None and capable.list_changed and client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                listeners.start_soon(self._hear_of_changes, client)
            await link.over.wait()
            if link.process is not None and not link.why:
                await link.process.ended(0.5)
                await link.process.told_all(0.2)
            listeners.cancel_scope.cancel()

    async def _hear_of_changes(self, client: Client) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._forget_tools()
            except SubscriptionLost:
                self._forget_tools()  # they may have changed meanwhile
            except Exception as error:  # noqa: BLE001  # without it the tools are read anew with the next connection
                self.tail.add(f"(changes of its tools cannot be heard: {type(error).__name__})")
                return
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    # -- what goes over it ---------------------------------------------------------------------------------------------

    async def tools(self) -> Listing:
        """Returns the server's tools, asked for once until they change or the connection does."""
        link = await self.ready()
        async with self._listing:
            listing = self.listed
            for _ in range(3):  # a server may say without end that they changed
                if self.listed is not None:
                    return self.listed
                generation = self._generation
                listing = await self._read_tools(link)
                if generation == self._generation:
                    self.listed = listing
            assert listing is not None, "it was read at least once"
            return listing

    async def _read_tools(self, link: Link) -> Listing:
        if link.client.server_capabilities.tools is None:
            return Listing((), ("it says that it has no tools",))

        async def read() -> Listing:
            with anyio.fail_after(self.config.connect_timeout):
                return await read_listing(link.client, self.name, self.config.secrets)

        return await link.ask(read)

    async def probe(self) -> float:
        """Asks for the tools anew, and returns how long the answer took (seconds)."""
        link = await self.ready()
        began = anyio.current_time()
        self.listed = await self._read_tools(link)
        return anyio.current_time() - began

    async def call(self, tool: str, arguments: Mapping[str, Any], context: Context) -> CallToolResult:
        """Calls a tool on behalf of a step; cancelling the step tells the server to cancel."""
        link = await self.ready()
        call = Call(self.name, tool, context, self.config.secrets)
        link.calls.append(call)
        began = anyio.current_time()
        try:
            self._group.start_soon(self._perform, link, call, dict(arguments))
            result = await call.finish()
        finally:
            call.scope.cancel()
            link.calls.remove(call)
            with anyio.move_on_after(self.config.stop_timeout, shield=True):
                await call.over.wait()
        self.latencies.append(anyio.current_time() - began)
        self._failures = 0
        return result

    async def _perform(self, link: Link, call: Call, arguments: dict[str, Any]) -> None:
        """Makes a call in a task of the connection's; how it ends is told to the step that waits for it."""
        CURRENT.set(call)
        outcome: CallToolResult | Exception | None = None

        async def ask() -> CallToolResult:
            return await link.client.call_tool(
                call.tool, arguments, read_timeout_seconds=math.inf, progress_callback=call.progress
            )

        try:
            with call.scope:
                outcome = await link.ask(ask, call.tool)
        except Exception as error:  # noqa: BLE001  # it is raised where the step waits
            outcome = error
        finally:
            call.end(outcome)

    def _forget_tools(self) -> None:
        self._generation += 1
        self.listed = None

    # -- the wire ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _client(self, link: Link) -> AsyncGenerator[Client, None]:
        async def elicit(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
            call, guess = link.addressee()
            return ElicitResult(action="cancel") if call is None else await call.elicit(params, guess)

        async def log(params: LoggingMessageNotificationParams) -> None:
            call, _ = link.addressee()
            if call is None:
                self.tail.add(log_text(params, self.config.secrets))
            else:
                call.log(params)

        async def heard(message: IncomingMessage) -> None:
            if isinstance(message, ToolListChangedNotification):
                self._forget_tools()

        async with Client(
            self._streams(link), read_timeout_seconds=self.config.connect_timeout / 2, cache=None, log_level="info",
            elicitation_callback=elicit, logging_callback=log, message_handler=heard,
            client_info=Implementation(name="stretto", version=version("stretto")),
        ) as client:  # fmt: skip
            # what a tool returns is checked where the step waits, within bounds: by expressions of the server's own
            # the SDK could be held up for ever
            setattr(client.session, "validate_tool_result", _unchecked)  # noqa: B010  # a method is no variable
            yield client

    @asynccontextmanager
    async def _streams(self, link: Link) -> AsyncGenerator[Any, None]:
        config = self.config
        if not isinstance(config, StdioServer):
            async with http_streams(config, link.refused) as streams:
                yield streams
            return
        link.process = process = await ServerProcess.start(self.name, config, self.tail)
        to_us, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_us = anyio.create_memory_object_stream[SessionMessage](0)

        async def read() -> None:
            await process.read(to_us)
            link.over.set()

        with to_us, incoming, outgoing, from_us:
            async with anyio.create_task_group() as pumps:
                for pump in (read, lambda: process.write(from_us), process.listen):
                    pumps.start_soon(pump)
                try:
                    yield MeteredStream(incoming), outgoing
                finally:
                    with anyio.CancelScope(shield=True):
                        await process.stop()
                    pumps.cancel_scope.cancel()


async def _unchecked(name: str, result: CallToolResult) -> None:
    """Stands in the place of the SDK's check of results."""


async def together(*works: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Does several things at once, as connecting to several servers, and waits for all."""
    async with anyio.create_task_group() as group:
        for work in works:
            group.start_soon(work)
