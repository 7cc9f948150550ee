"""What the tests of MCP need: configurations of the servers by hand, and looks at processes."""

import sys
import time
from pathlib import Path

import psutil

SERVERS = Path(__file__).with_name("mcp_servers_for_tests.py")


def by_hand(manners="Server", **settings):
    """Returns the configuration of a server that is written by hand."""
    return {"command": sys.executable, "args": [str(SERVERS), manners], "stop_timeout": 1, **settings}


def config(**servers):
    return {"mcpServers": servers}


def tool_of(tools, end):
    """Returns the tool whose name ends so."""
    return next(tool for tool in tools if tool.name.endswith(end))


def alive(*pids):
    """Returns which of these processes live."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def gone(*pids):
    """Says whether these processes are at an end, a killed one within a moment."""
    end = time.monotonic() + 2
    while alive(*pids) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(*pids)
