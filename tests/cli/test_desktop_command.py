"""The command that shows the page in a window: which window, and that the server ends with it."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

import httpx2
import pytest

from stretto.cli import desktop
from stretto.cli.exits import Exit

BROWSER = f"""#!{sys.executable}
import json, os, sys, urllib.request
(url,) = [word.removeprefix("--app=") for word in sys.argv if word.startswith("--app=")]
(profile,) = [word.split("=", 1)[1] for word in sys.argv if word.startswith("--user-data-dir=")]
answer = urllib.request.urlopen(url + "/healthz").status
with open(os.environ["SEEN"], "w") as seen:
    json.dump({{"url": url, "answer": answer, "profile": profile, "there": os.path.isdir(profile)}}, seen)
sys.exit(int(os.environ.get("STATUS", "0")))
"""
STAYS = f"""#!{sys.executable}
import os, socket
open_for_ever = socket.create_connection(("127.0.0.1", int(os.environ["TOLD"])))
open_for_ever.sendall(b"open")
open_for_ever.recv(1)
"""
WINDOW = """
made = []

def create_window(title, url, **more):
    made.append((title, url))

def start():
    import urllib.request
    from webview.errors import WebViewException
    if BREAKS:
        raise WebViewException("no toolkit")
    made.append(urllib.request.urlopen(made[0][1] + "/healthz").status)
"""


def program(place: Path, text: str) -> Path:
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    place.chmod(0o755)
    return place


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A display, a folder of one's own, and none of the browsers of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    monkeypatch.setattr(desktop, "BROWSERS", ("a-browser",))
    monkeypatch.delenv("CHROMIUM_PATH", raising=False)
    tools = tmp_path / "tools"
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def browser(tmp_path):
    return program(tmp_path / "tools" / "a-browser", BROWSER)


@pytest.fixture
def window(tmp_path, monkeypatch):
    """A pywebview that only pretends; it breaks when it is told to."""

    def make(*, breaks: bool = False) -> None:
        program(tmp_path / "lib" / "webview" / "__init__.py", f"BREAKS = {breaks}\n{WINDOW}")
        (tmp_path / "lib" / "webview" / "errors.py").write_text("class WebViewException(Exception): pass\n")
        monkeypatch.syspath_prepend(tmp_path / "lib")

    (tmp_path / "lib").mkdir()
    yield make
    for name in ("webview", "webview.errors"):
        sys.modules.pop(name, None)


def test_the_page_opens_in_a_browser_without_bars_and_the_server_ends_with_the_window(stretto, browser, tmp_path):
    told = stretto("desktop", "--no-example")
    assert told.exit_code == Exit.OK, told.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert (seen["url"], seen["answer"], seen["there"]) == (told.stdout.strip(), 200, True)
    assert not Path(seen["profile"]).exists()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(seen["url"], timeout=60)


def test_a_browser_that_breaks_is_told(stretto, tmp_path, browser, monkeypatch):
    monkeypatch.setenv("STATUS", "3")
    monkeypatch.setenv("CHROMIUM_PATH", str(browser))
    monkeypatch.setattr(desktop, "BROWSERS", ())
    told = stretto("desktop", "--no-example")
    assert told.exit_code == Exit.FAILED
    assert "ended with status 3; stretto serve shows the page" in told.stderr


def test_a_window_of_its_own_comes_first(stretto, window, browser, tmp_path):
    window()
    told = stretto("desktop", "--no-example")
    assert told.exit_code == Exit.OK, told.stderr
    assert sys.modules["webview"].made == [("Stretto", told.stdout.strip()), 200]
    assert not (tmp_path / "seen.json").exists()


def test_a_window_without_a_toolkit_leaves_it_to_the_browser(stretto, window, browser, tmp_path):
    window(breaks=True)
    told = stretto("desktop", "--no-example")
    assert told.exit_code == Exit.OK, told.stderr
    assert "pywebview has no window here: no toolkit" in told.stderr
    assert (tmp_path / "seen.json").exists()


def test_without_a_window_the_page_opens_as_any_page_and_sigterm_ends_the_server(stretto, browser, monkeypatch):
    opened = []

    def open_page(url):
        opened.append(url)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("webbrowser.open", open_page)
    told = stretto("desktop", "--no-example")
    assert told.exit_code == Exit.OK, told.stderr
    assert opened == [told.stdout.strip()]
    assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler


def test_what_a_server_cannot_be_started_for_is_told_and_no_window_opens(stretto, browser, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = stretto("desktop", "--no-example", "--port", taken.getsockname()[1])
    assert told.exit_code == Exit.USAGE
    assert "choose another one with --port" in told.stderr
    assert not (tmp_path / "seen.json").exists()


def test_an_end_that_is_asked_for_before_the_start_is_heard():
    from stretto.configuring.settings import load

    server = desktop.Server(load(database="memory", server={"port": 0}), {}, example=False)
    server._asked = True
    server._thread.start()
    server.end()
    assert server._ready.cancelled()


def test_ctrl_c_closes_the_window_and_ends_the_server(spawn, tmp_path, monkeypatch):
    stays = program(tmp_path / "tools" / "stays", STAYS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        monkeypatch.setenv("TOLD", str(listener.getsockname()[1]))
        monkeypatch.setenv("CHROMIUM_PATH", str(stays))
        process = spawn("desktop", "--no-example")
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(60)
            assert connection.recv(4) == b"open"
            process.send_signal(signal.SIGINT)
            assert connection.recv(1) == b""
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.OK, err
