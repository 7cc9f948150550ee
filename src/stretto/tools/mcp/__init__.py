"""Tools of MCP servers: where they are configured, connected to and called; names are imported when they are used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.tools.mcp.config import HttpServer, McpConfig, McpConfigError, StdioServer
    from stretto.tools.mcp.servers import McpServers, ServerCheck, ServerStatus
    from stretto.tools.mcp.tool import McpTool
    from stretto.tools.mcp.trouble import (
        McpBadAnswer,
        McpServerDied,
        McpTrouble,
        McpUnreachable,
        ServersElsewhere,
        UnknownServer,
    )

__all__ = [
    "HttpServer",
    "McpBadAnswer",
    "McpConfig",
    "McpConfigError",
    "McpServerDied",
    "McpServers",
    "McpTool",
    "McpTrouble",
    "McpUnreachable",
    "ServerCheck",
    "ServerStatus",
    "ServersElsewhere",
    "StdioServer",
    "UnknownServer",
]

_HOMES = {
    "stretto.tools.mcp.config": "HttpServer McpConfig McpConfigError StdioServer",
    "stretto.tools.mcp.servers": "McpServers ServerCheck ServerStatus",
    "stretto.tools.mcp.tool": "McpTool",
    "stretto.tools.mcp.trouble": (
        "McpBadAnswer McpServerDied McpTrouble McpUnreachable ServersElsewhere UnknownServer"
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Returns a public name from its home, which is imported only now."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'stretto.tools.mcp' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
