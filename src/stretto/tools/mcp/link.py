"""One life of a connection to an MCP server: who calls over it, what its answers mean, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TypeVar

import anyio
import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp_types import CONNECTION_CLOSED
from pydantic import ValidationError

from stretto.tools.mcp.calls import Call
from stretto.tools.mcp.config import ServerConfig
from stretto.tools.mcp.process import ServerProcess, Tail
from stretto.tools.mcp.results import cleaned
from stretto.tools.mcp.trouble import McpBadAnswer, McpServerDied, McpTrouble, McpUnreachable, exit_words
from stretto.tools.tool import ToolFailed

T = TypeVar("T")

CURRENT: ContextVar[Call | None] = ContextVar("stretto_mcp_call", default=None)
"""The call for which something is done, where the transport carries it along."""
SESSION_GONE = (400, 404)
"""HTTP statuses by which a server says that it does not know the session any more."""
_WORDS = 500


class Link:
    """What lives from a connection's opening to its end."""

    def __init__(self, name: str, config: ServerConfig, tail: Tail) -> None:
        self.name, self.config, self.tail = name, config, tail
        self.opened: Client | None = None
        self.process: ServerProcess | None = None
        self.handshake = anyio.CancelScope()
        self.calls: list[Call] = []
        self.over, self.buried = anyio.Event(), anyio.Event()
        self.why = ""
        self.status = 0
        self._obituary: Callable[[], McpTrouble] = lambda: McpServerDied(name, None, tail.lines)

    @property
    def open(self) -> bool:
        """Whether calls can be made over it."""
        return self.opened is not None and not self.over.is_set()

    @property
    def client(self) -> Client:
        """The client of a link that has been opened."""
        assert self.opened is not None, "nobody calls over a link before it is open"
        return self.opened

    def end(self, why: str) -> None:
        """Asks the owner to close it."""
        self.why = self.why or why
        self.over.set()
        if self.opened is None:
            self.handshake.cancel()

    def refused(self, status: int) -> None:
        """Notes an HTTP status of 400 or more; what it answers comes back as an error of the protocol."""
        self.status = status

    def addressee(self) -> tuple[Call | None, bool]:
        """Returns the call that something unasked belongs to, and whether that is a guess: the oldest of several."""
        known = CURRENT.get()
        if known is not None and known in self.calls:
            return known, False
        return (self.calls[0], len(self.calls) > 1) if self.calls else (None, False)

    async def ask(self, question: Callable[[], Awaitable[T]], tool: str = "") -> T:
        """Asks the server, and turns whatever goes wrong into words that name it.

        Raises ``ToolFailed`` with what the server itself says to a call, ``McpTrouble`` for all that is its fault.
        """
        self.status = 0
        what = f"the call of {tool!r}" if tool else "the question for its tools"
        try:
            return await question()
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise await self.cause() from None  # its words may hold a secret, and a log keeps tracebacks
            if self.status:
                raise self._refusal(what) from None
            if not tool:
                raise McpBadAnswer(self.name, f"refused {what}: {self.words(error)}") from None
            raise ToolFailed("MCP_ERROR", self.words(error, 4_000)) from None
        except TimeoutError:
            raise McpUnreachable(self.name, f"did not answer {what} in {self.config.connect_timeout:g} s") from None
        except (httpx2.TransportError, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as error:
            self.end(f"broke off: {self.words(error)}")
            raise await self.cause() from None
        except (ValidationError, RuntimeError, ValueError) as error:
            raise McpBadAnswer(self.name, f"answered {what} with what it may not: {self.words(error)}") from None

    def words(self, error: BaseException, most: int = _WORDS) -> str:
        """Returns an error's words, without secrets, cut."""
        said = str(error) or type(error).__name__
        if isinstance(error, ValidationError):
            problems = error.errors(include_url=False, include_input=False)[:3]
            said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
        text = cleaned(said, self.config.secrets)
        return text if len(text) <= most else text[:most] + "…"

    def _refusal(self, what: str) -> McpUnreachable:
        error = McpUnreachable(self.name, f"answered {what} with HTTP status {self.status}")
        error.status_code = self.status
        if self.status in SESSION_GONE:
            self.end(f"ended the session with HTTP status {self.status}")
        return error

    async def cause(self) -> McpTrouble:
        """Waits till it is known how the connection ended, and returns that."""
        with anyio.move_on_after(self.config.stop_timeout + 1):
            await self.buried.wait()
        return self._obituary()

    def bury(self, failure: Exception | None, *, late: bool) -> McpTrouble:
        """Says how it ended to those who wait for that; ``late`` when the handshake took too long."""
        exit = None if self.process is None else self.process.exit
        given_up = "" if self.process is None else self.process.why
        lines = self.tail.lines
        if self.why:
            self._obituary = lambda: McpServerDied(self.name, exit, (), self.why)
        elif self.opened is not None:
            self._obituary = lambda: McpServerDied(self.name, exit, lines, given_up)
        else:
            error = innermost(failure)
            sentence = given_up or self._handshake(error, exit, late=late)
            known = error if isinstance(error, McpTrouble) else None
            self._obituary = lambda: known or McpUnreachable(self.name, sentence, lines)
        self.over.set()
        self.buried.set()
        return self._obituary()

    def _handshake(self, error: Exception | None, exit: int | None, *, late: bool) -> str:
        if late:
            return f"did not answer the handshake within {self.config.connect_timeout:g} s"
        if self.status:
            return f"answered the handshake with HTTP status {self.status}"
        if isinstance(error, MCPError) and error.code == CONNECTION_CLOSED:
            return f"ended {exit_words(exit)}before it had answered the handshake"
        return f"could not be reached or agreed with: {'it was closed' if error is None else self.words(error)}"


def innermost(error: Exception | None) -> Exception | None:
    """Returns the first error inside of nested groups."""
    inside: Sequence[Exception] = getattr(error, "exceptions", ())
    return innermost(inside[0]) if inside else error
