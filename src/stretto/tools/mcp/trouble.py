"""What goes wrong with MCP servers.

* DefinitionError
  x UnknownServer                a name that nobody configured
  x ServersElsewhere             the servers were opened in another event loop, or not at all
* ExecutionError
  x McpTrouble                   the server, not the call, is at fault; counted by its circuit breaker
    - McpUnreachable             it could not be started, reached or agreed with
    - McpServerDied              it ended while it was needed
    - McpBadAnswer               what it answered is not what the protocol or its own schema says
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal

from stretto.core.errors import DefinitionError, ExecutionError, listed

State = Literal["disabled", "idle", "connecting", "ready", "failed", "given_up", "stopped"]
"""How a server stands."""


class UnknownServer(DefinitionError):
    """A server is asked for that no configuration names."""

    def __init__(self, server: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(server, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {listed(known)}" if known else "none is configured"
        super().__init__(f"no MCP server is called {server!r}: {hint}")
        self.server, self.known = server, tuple(known)


class ServersElsewhere(DefinitionError):
    """MCP servers are used where they are not open."""

    def __init__(self, opened: bool) -> None:
        where = "they were opened in another event loop" if opened else "they are not open"
        super().__init__(f"MCP servers cannot be used here: {where}; write 'async with McpServers(config) as servers:'")
        self.opened = opened


class McpTrouble(ExecutionError):
    """A server is at fault; ``server`` names it, ``lines`` are the last that it wrote to stderr.

    ``status_code`` is the HTTP status by which it refused, where it did: of 429 and 503 a service's limit learns.
    """

    status_code: int | None = None

    def __init__(self, server: str, sentence: str, lines: Sequence[str] = ()) -> None:
        said = f"; its last lines were: {' | '.join(lines)}" if lines else ""
        super().__init__(f"MCP server {server!r} {sentence}{said}")
        self.server, self.lines = server, tuple(lines)


class McpUnreachable(McpTrouble):
    """A server could not be started, reached or agreed with."""


class McpServerDied(McpTrouble):
    """A server ended while it was needed; ``exit`` is its exit status, minus the signal's number, or None."""

    def __init__(self, server: str, exit: int | None, lines: Sequence[str] = (), why: str = "") -> None:
        super().__init__(server, why or f"ended {exit_words(exit)}while it was needed", lines)
        self.exit = exit


class McpBadAnswer(McpTrouble):
    """What a server answered is not what the protocol, or its own schema, says."""


def exit_words(exit: int | None) -> str:
    """Returns how a process ended, as a part of a sentence."""
    if exit is None:
        return ""
    if exit < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"by {known.get(-exit, f'signal {-exit}')} "
    return f"with exit status {exit} "
