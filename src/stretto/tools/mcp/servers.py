"""All MCP servers that were configured: opened once, used by any number of runs, looked at and steered by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from anyio.lowlevel import EventLoopToken, current_token

from stretto.tools.mcp.config import McpConfig
from stretto.tools.mcp.nursery import Nursery
from stretto.tools.mcp.trouble import McpTrouble, ServersElsewhere, State, UnknownServer

if TYPE_CHECKING:  # the SDK takes a second to import: it is when there are servers
    from stretto.tools.mcp.connection import McpConnection
    from stretto.tools.mcp.tool import McpTool


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """How a server is doing; ``p50`` and ``p95`` are latencies of its last calls (seconds), None without any.

    ``tools`` is None until they were asked for. ``problems`` are tools that it has and that are not offered,
    ``stderr`` the last lines that it wrote.
    """

    name: str
    state: State
    tools: int | None
    calls: int
    p50: float | None
    p95: float | None
    restarts: int
    last_error: str
    problems: tuple[str, ...]
    stderr: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ServerCheck:
    """What a try of a server found: the names of its tools, and how long it took to tell them (seconds)."""

    name: str
    ok: bool
    tools: tuple[str, ...] = ()
    latency: float | None = None
    error: str = ""

    @property
    def text(self) -> str:
        """The result as a sentence."""
        if not self.ok:
            return self.error
        plural = "" if len(self.tools) == 1 else "s"
        return f"{self.name}: found {len(self.tools)} tool{plural} in {(self.latency or 0) * 1000:.0f} ms"


class McpServers:
    """The servers of a configuration: ``async with McpServers(config) as servers``.

    ``config`` is a ``McpConfig``, the common JSON as a mapping, or the path of a file that holds it. A server is
    connected to when it is first needed. Connections outlive runs; leaving the block closes them and ends the
    processes. Give them to agents as ``mcp=``, and to runs as a resource.
    """

    def __init__(self, config: McpConfig | Mapping[str, Any] | str | Path) -> None:
        if isinstance(config, str | Path):
            config = McpConfig.load(config)
        self._config = config if isinstance(config, McpConfig) else McpConfig.of(config)
        self._connections: dict[str, McpConnection] = {}
        self._without: dict[str, str] = {}
        self._nursery: Nursery | None = None
        self._loop: EventLoopToken | None = None

    async def __aenter__(self) -> Self:
        self._nursery = Nursery()
        await self._nursery.open()
        self._loop = current_token()
        if self._config.servers:
            await self.reconfigure(self._config)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            await nursery.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all configured servers."""
        return tuple(self._config.servers)

    async def tools(self, servers: Sequence[str] | None = None) -> tuple[McpTool, ...]:
        """Returns the tools of these servers (all that are not disabled by default), connecting at once where needed.

        A server that cannot be reached has no tools: ``describe`` and ``status`` say why. Raises ``UnknownServer``.
        """
        from stretto.tools.mcp.connection import together
        from stretto.tools.mcp.tool import McpTool

        self._open()
        if servers is None:
            servers = [name for name, connection in self._connections.items() if connection.state != "disabled"]
        connections = [self._connection(name) for name in dict.fromkeys(servers)]
        found: dict[str, tuple[McpTool, ...]] = {}

        async def ask(connection: McpConnection) -> None:
            try:
                listing = await connection.tools()
            except McpTrouble as trouble:
                connection.last_error = self._without[connection.name] = str(trouble)
            else:
                self._without.pop(connection.name, None)
                found[connection.name] = tuple(McpTool(connection, listed) for listed in listing.tools)

        await together(*[lambda connection=connection: ask(connection) for connection in connections])
        return tuple(tool for connection in connections for tool in found.get(connection.name, ()))

    def describe(self, servers: Sequence[str] | None = None) -> str:
        """Returns one line per server for a prompt: what it is for, its tools, or why it cannot be used."""
        names = self.names if servers is None else tuple(dict.fromkeys(servers))
        return "\n".join(self._line(self._connection(name)) for name in names)

    def status(self) -> tuple[ServerStatus, ...]:
        """Returns how every server is doing."""
        self._open()
        return tuple(_status(connection) for connection in self._connections.values())

    async def test(self, name: str) -> ServerCheck:
        """Connects to a server where needed, and asks for its tools anew."""
        connection = self._connection(name)
        try:
            latency = await connection.probe()
        except McpTrouble as trouble:
            connection.last_error = str(trouble)
            return ServerCheck(name=name, ok=False, error=str(trouble))
        listed = connection.listed
        tools = tuple(tool.remote for tool in listed.tools) if listed is not None else ()
        return ServerCheck(name=name, ok=True, tools=tools, latency=latency)

    async def start(self, name: str) -> None:
        """Connects to a server, also one that was stopped or given up; raises ``McpUnreachable``."""
        await self._connection(name).start()

    async def stop(self, name: str) -> None:
        """Closes the connection to a server and ends its process; it stays closed until it is started."""
        await self._connection(name).stop()

    async def restart(self, name: str) -> None:
        """Stops a server and starts it again."""
        await self.stop(name)
        await self.start(name)

    async def reconfigure(self, config: McpConfig | Mapping[str, Any]) -> None:
        """Goes on with another configuration: servers that changed are closed, those that are gone, too.

        One whose settings changed is connected to again when it is next needed, with its new settings.
        """
        from stretto.tools.mcp.connection import McpConnection, together

        nursery = self._open()
        wanted = config if isinstance(config, McpConfig) else McpConfig.of(config)
        kept = {name for name, held in self._connections.items() if wanted.servers.get(name) == held.config}
        closed = [connection for name, connection in self._connections.items() if name not in kept]
        self._connections = {
            name: self._connections[name] if name in kept else McpConnection(name, said, nursery)
            for name, said in wanted.servers.items()
        }
        self._config = wanted
        await together(*[connection.stop for connection in closed])

    def _open(self) -> Nursery:
        if self._nursery is None or self._loop != current_token():
            raise ServersElsewhere(self._nursery is not None)
        return self._nursery

    def _connection(self, name: str) -> McpConnection:
        self._open()
        if name not in self._connections:
            raise UnknownServer(name, self._connections)
        return self._connections[name]

    def _line(self, connection: McpConnection) -> str:
        about = connection.config.description or connection.instructions.partition("\n")[0].strip("# ")[:300]
        listed = connection.listed
        words = [f"- {connection.name}", f": {about}" if about else ""]
        if connection.state in ("disabled", "stopped"):
            words.append(f" ({connection.state})")
        elif (why := self._without.get(connection.name)) is not None:
            words.append(f" (not available: {why})")
        elif listed is not None:
            words.append(f" (tools: {', '.join(tool.name for tool in listed.tools) or 'none'})")
            words += [f"\n  {problem}" for problem in listed.problems]
        return "".join(words)


def _status(connection: McpConnection) -> ServerStatus:
    times, listed = sorted(connection.latencies), connection.listed
    cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return ServerStatus(
        name=connection.name,
        state=connection.state,
        tools=None if listed is None else len(listed.tools),
        calls=len(times),
        p50=cuts[49] if cuts else None,
        p95=cuts[94] if cuts else None,
        restarts=connection.restarts,
        last_error=connection.last_error,
        problems=() if listed is None else listed.problems,
        stderr=connection.tail.lines,
    )
