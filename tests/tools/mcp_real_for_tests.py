"""Where the real MCP servers are, and how they are configured."""

import shutil
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[1] / "mcp_servers" / "node_modules"
PLACES = {
    "everything": "@modelcontextprotocol/server-everything/dist/index.js",
    "filesystem": "@modelcontextprotocol/server-filesystem/dist/index.js",
    "thinking": "@modelcontextprotocol/server-sequential-thinking/dist/index.js",
    "playwright": "@playwright/mcp/cli.js",
}


def real(name, *args, **settings):
    """Returns the configuration of an installed server; fails when it is not installed."""
    place = MODULES / PLACES[name]
    if not place.is_file() or shutil.which("node") is None:
        pytest.fail(f"the MCP server {name!r} is not installed: python3 dev.py test installs it")
    return {"command": "node", "args": [str(place), *map(str, args)], **settings}
