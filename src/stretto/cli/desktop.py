"""The command ``stretto desktop``: the server and its page in a window of its own, for as long as that is open."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stretto.cli.exits import Exit
from stretto.cli.running import StoreOption
from stretto.cli.serving import secrets_of, workflows

if TYPE_CHECKING:
    from stretto.cli.screen import Screen
    from stretto.configuring.settings import Settings
    from stretto.core.step import Step

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)  # fmt: skip
"""Browsers that can show a page as if it were a program; ``CHROMIUM_PATH`` names another one."""
WIDTH, HEIGHT = 1440, 900
"""How large the window is at first (CSS pixels)."""
LAST_MOMENTS = 10
"""How long a browser may take to close when it is told to (seconds)."""


def desktop(
    context: typer.Context,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="Workflows: flow.py:name, module:name or a plan file.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen on this machine; 0 takes a free one.")
    ] = 0,
    store: StoreOption = None,
    example: Annotated[
        bool,
        typer.Option("--example/--no-example", help="On the very first start, survey the examples that came along."),
    ] = True,
) -> None:
    """Open the page in a window of its own; the server ends with the window.

    The window is that of pywebview where it is installed (pip install 'stretto[desktop]'), else one of Chromium, Chrome
    or Edge without their bars, else the page opens in the browser, and Ctrl-C ends the server.
    """
    from stretto.configuring.settings import load
    from stretto.server.logs import logging_to

    screen: Screen = context.obj
    settings = load(database=store, server={"host": "127.0.0.1", "port": port})
    with redirect_stdout(sys.stderr):  # whatever a file prints while it is imported
        steps = workflows(targets or ())
    with logging_to(form="text", secrets=secrets_of(settings)), heard():
        server = Server(settings, steps, example)
        try:
            url, opening = server.start()
            screen.line(url)
            left = show(opening, server, screen)
        except KeyboardInterrupt:
            left = 0
        finally:
            server.end()
    if left:
        raise typer.Exit(Exit.FAILED)


class Server:
    """A server in a thread of its own, because windows want the first one."""

    def __init__(self, settings: Settings, steps: dict[str, Step[Any, Any]], example: bool) -> None:
        self._settings, self._steps, self._example = settings, steps, example
        self._ready: Future[tuple[str, str]] = Future()
        self._over: Future[None] = Future()
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._thread = Thread(target=self._run, name="server", daemon=True)  # a second Ctrl-C leaves it behind

    def start(self) -> tuple[str, str]:
        """Starts it, and returns its address and what to open; raises what a server cannot be started for."""
        self._thread.start()
        return self._ready.result()

    def wait(self) -> None:
        """Waits until it is over; raises what it broke at."""
        self._over.result()

    def end(self) -> None:
        """Ends it in order, and waits for that; raises what it broke at."""
        self._asked = True
        if self._stop is not None:
            with suppress(RuntimeError):  # its loop has ended already
                self._stop()
        self._thread.join()
        self._over.result()

    def _run(self) -> None:
        from stretto.runtime.loop import drive

        try:
            drive(self._serve())
        except BaseException as error:  # noqa: BLE001  # told where the thread is waited for
            self._over.set_exception(error)
            if not self._ready.done():
                self._ready.set_exception(error)
        else:
            self._over.set_result(None)
            self._ready.cancel()

    async def _serve(self) -> None:
        from anyio.from_thread import run_sync
        from anyio.lowlevel import current_token

        from stretto.cli.places import open_store
        from stretto.server.serving import Stop, serve

        stop, token = Stop(), current_token()
        self._stop = lambda: run_sync(stop, token=token)
        if self._asked:
            stop()
        async with open_store(self._settings.database) as opened:
            await serve(
                self._settings, opened, self._steps, stop=stop, demonstrate=self._example,
                ready=lambda url, opening: self._ready.set_result((url, opening)),
            )  # fmt: skip


def show(url: str, server: Server, screen: Screen) -> int:
    """Shows the page until its window is closed, and returns the status that the window ended with."""
    if find_spec("webview") is not None:
        webview, errors = import_module("webview"), import_module("webview.errors")
        try:
            webview.create_window("Stretto", url, width=WIDTH, height=HEIGHT)
            webview.start()
        except errors.WebViewException as error:
            screen.say(f"pywebview has no window here: {error}", "yellow")
        else:
            return 0
    browser = find_browser()
    if browser is not None:
        return show_as_program(browser, url, screen)
    import webbrowser

    screen.say(f"Stretto serves at {url}; Ctrl-C ends it", "bold")
    webbrowser.open(url)
    server.wait()
    return 0


def find_browser() -> str | None:
    """Returns a browser that shows pages as programs, where there is one and a display for its window."""
    windows = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not windows:
        return None
    chosen = os.environ.get("CHROMIUM_PATH")
    return next(filter(None, map(shutil.which, (*([chosen] if chosen else []), *BROWSERS))), None)


def show_as_program(browser: str, url: str, screen: Screen) -> int:
    """Shows the page in a window without bars and waits until that is closed; returns the browser's status.

    The window has a profile of its own that is gone with it: a browser that runs already would take the page over, and
    this process would not learn when it is closed.
    """
    with tempfile.TemporaryDirectory(prefix="stretto-window-", ignore_cleanup_errors=True) as profile:
        words = [
            browser, f"--app={url}", f"--user-data-dir={Path(profile)}", f"--window-size={WIDTH},{HEIGHT}",
            "--no-first-run", "--no-default-browser-check", *(["--no-sandbox"] if is_root() else []),
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        window = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            status = window.wait()
        except KeyboardInterrupt:
            window.terminate()
            try:
                window.wait(LAST_MOMENTS)
            except subprocess.TimeoutExpired:
                window.kill()
                window.wait()
            raise
    if status:
        screen.say(f"{browser} ended with status {status}; stretto serve shows the page in any browser", "yellow")
    return status


def is_root() -> bool:
    """Says whether this is the user whom Chromium's sandbox refuses."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def heard() -> Generator[None]:
    """Takes SIGTERM as Ctrl-C while the block lasts."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
