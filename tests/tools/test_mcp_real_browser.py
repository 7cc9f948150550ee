"""Playwright's server drives the system's Chromium to a page on loopback, and leaves neither browser nor server."""

import asyncio
import http.server
import os
import shutil
import threading

import psutil
import pytest

from stretto import run
from stretto.tools.mcp import McpServers
from tests.tools.mcp_for_tests import config, gone, tool_of
from tests.tools.mcp_real_for_tests import real

PAGE = b"<title>Loopback</title><h1>Hello</h1><button onclick=\"this.textContent='Done'\">Press</button>"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def chromium():
    found = os.environ.get("CHROMIUM_PATH") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    return found or pytest.fail("no Chromium is installed: python3 dev.py test installs it")


def test_playwright_opens_a_page_presses_a_button_and_leaves_no_browser(address, tmp_path):
    options = ("--headless", "--isolated", "--no-sandbox", "--executable-path", chromium())
    browser = real("playwright", *options, cwd=str(tmp_path), stop_timeout=6)

    async def story():
        async with McpServers(config(browser=browser)) as servers:
            tools = await servers.tools()
            opened = await run(tool_of(tools, "browser_navigate"), {"url": address})
            pressed = await run(tool_of(tools, "browser_evaluate"), {"function": "() => document.title"})
            seen = await run(tool_of(tools, "browser_snapshot"), {})
            server = psutil.Process(servers._connections["browser"]._link.process.pid)
            return opened, pressed, seen, [server.pid, *(child.pid for child in server.children(recursive=True))]

    opened, pressed, seen, pids = asyncio.run(asyncio.wait_for(story(), 90))
    assert address in opened
    assert "Loopback" in pressed
    assert 'heading "Hello"' in seen
    assert 'button "Press"' in seen
    assert len(pids) > 2
    assert gone(*pids)
