"""The built page in the system's Chromium, before a real server: it must complain of nothing that is not allowed."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    PlaywrightContextManager,
    Request,
    expect,
    sync_playwright,
)

from stretto.agents.config import AgentConfig
from stretto.core.step import Step
from stretto.models.model import Model
from stretto.testing import ScriptedModel
from tests.built_page import REPOSITORY, built_page
from tests.page.served import PageServer
from tests.server.conftest import agent, alone, empty_database, scripted

__all__ = ["alone", "empty_database", "scripted"]
UNWANTED = (
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup",  # a page behind the address bar that nobody sees, for every profile
    "PaintHolding", "HttpsUpgrades", "OptimizationHints", "MediaRouter", "DestroyProfileOnBrowserClose",
)  # fmt: skip
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", f"--disable-features={','.join(UNWANTED)}",
]  # fmt: skip
AT_REST = """async () => {
    const frame = () => new Promise(done => requestAnimationFrame(done));
    await frame();
    await frame();
    const moving = document.getAnimations().filter(each => each.effect.getComputedTiming().endTime !== Infinity);
    await Promise.all(moving.map(each => each.finished.catch(() => {})));
}"""
"""Waits until no colour is on its way to another one."""
AXE = REPOSITORY / "ui" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice")
PICTURES = REPOSITORY / "docs" / "pictures"

Serve = Callable[..., PageServer]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the page, built when it was not."""
    return built_page()


class Chromium:
    """One browser for all tests of this folder: while it is driven, its thread has a loop that others cannot bear."""

    def __init__(self) -> None:
        self._driver: PlaywrightContextManager | None = None
        self._browser: Browser | None = None

    def get(self) -> Browser:
        """Returns the browser, started when it was not."""
        if self._browser is None:
            names = ("chromium", "chromium-browser", "google-chrome")
            place = os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)
            assert place is not None, "Chromium is needed: python3 dev.py test installs it where it may"
            expect.set_options(timeout=10_000)
            self._driver = sync_playwright()
            self._browser = self._driver.start().chromium.launch(executable_path=place, args=ARGUMENTS)
        return self._browser

    def close(self) -> None:
        """Ends the browser and what drives it."""
        if self._browser is not None and self._driver is not None:
            self._browser.close()
            self._driver.__exit__()
        self._browser = self._driver = None


CHROMIUM = Chromium()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """Ends the browser behind the last test of this folder."""
    try:
        return (yield)
    finally:
        if nextitem is None or not nextitem.nodeid.startswith("tests/page/"):
            CHROMIUM.close()


@pytest.fixture
def browser() -> Browser:
    """The system's Chromium."""
    return CHROMIUM.get()


@pytest.fixture
def serve_page(built: Path, tmp_path: Path, scripted: dict[str, Model], empty_database: Path) -> Iterator[Serve]:
    """Starts a server: ``serve_page(models={"helper": ScriptedModel(...)}, agents=[...], settings={...}, steps={})``.

    Each model gets an agent of its name; without models there is ``helper``, who always says "Done.". The agents that
    come along, which ask the offline models, are there, too. What runs is not waited for when the server stops.
    """
    started: list[PageServer] = []

    def start(
        *,
        models: Mapping[str, Model] | None = None,
        agents: Sequence[AgentConfig] = (),
        settings: Mapping[str, Any] | None = None,
        steps: Mapping[str, Step[Any, Any]] | None = None,
    ) -> PageServer:
        given = {"helper": ScriptedModel("Done.", forever=True)} if models is None else models
        scripted.update({f"scripted:{name}": model for name, model in given.items()})
        described = {name: agent(name, f"scripted:{name}") for name in given} | {each.id: each for each in agents}
        place = tmp_path / f"page-{len(started)}.db"
        shutil.copyfile(empty_database, place)
        given_settings = dict(settings or {})
        given_settings["server"] = {"grace": 0, **given_settings.get("server", {})}
        server = PageServer(place, {"agents": described, **given_settings}, steps)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def page_server(serve_page: Serve) -> PageServer:
    """A server with ``helper`` and the agents that come along."""
    return serve_page()


@pytest.fixture
def theme() -> str:
    """What the system of the reader prefers; a test is given others by its parameters."""
    return "dark"


@pytest.fixture
def allowed() -> list[str]:
    """Patterns of complaints that are right in this test: a test puts them in."""
    return []


@pytest.fixture
def complaints() -> list[str]:
    """What the pages of a test have complained of until now."""
    return []


@pytest.fixture
def open_page(
    browser: Browser, serve_page: Serve, theme: str, allowed: list[str], complaints: list[str]
) -> Iterator[OpenPage]:
    """Opens a page in a browser profile of its own, or with ``context=page.context`` in another tab of one.

    Closes them before the servers stop, and fails the test at its end when any page has complained: errors on the
    console (among them what the policy forbids), errors that nobody caught, and requests that failed.
    """
    contexts: list[BrowserContext] = []

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # whoever leaves a page takes back what it has asked
            complaints.append(f"{request.method} {request.url}: {request.failure}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def start(address: str | None = None, *, context: BrowserContext | None = None, **more: Any) -> Page:
        if context is None:
            chosen = {"locale": "en", "color_scheme": theme, "viewport": {"width": 1440, "height": 900}, **more}
            context = browser.new_context(**chosen)
            context.set_default_timeout(10_000)
            context.on("console", said)
            context.on("weberror", lambda error: complaints.append(str(error.error)))
            context.on("requestfailed", failed)
            contexts.append(context)
        page = context.new_page()
        if address is not None:
            page.goto(address)
        return page

    yield start
    for context in contexts:
        context.close()
    left = [each for each in complaints if not any(re.search(pattern, each) for pattern in allowed)]
    assert left == [], "the page complains"


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page in a fresh profile, in English."""
    return open_page()


@pytest.fixture(scope="session")
def axe(built: Path) -> Callable[[Page], list[str]]:
    """Looks for barriers on a page: ``assert axe(page) == []``; ``rules`` are those that are asked for, else all."""
    source = AXE.read_text(encoding="utf-8")

    def look(page: Page, *, within: str | None = None, rules: Sequence[str] = ()) -> list[str]:
        page.evaluate(AT_REST)
        page.evaluate(f"() => {{ if (!window.axe) {{ {source} }} }}")  # as the debugger does, which no policy forbids
        only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": list(RULES)}
        ask = (
            "([within, runOnly]) => axe.run(within ?? document, {runOnly, resultTypes: ['violations'], iframes: false})"
        )
        found: dict[str, Any] = page.evaluate(ask, [within, only])
        return [
            f"{violation['id']} ({violation['impact']}): {node['html'][:300]} {node['failureSummary'][:300]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return look


@pytest.fixture(scope="session")
def shot() -> Callable[..., None]:
    """Keeps a picture of a page for the documents where pictures are asked for: ``shot(page, "runs-dark")``."""
    asked = os.environ.get("STRETTO_PICTURES") == "1"

    def keep(page: Page, name: str, **more: Any) -> None:
        if asked:
            PICTURES.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=PICTURES / f"{name}.png", animations="disabled", **more)

    return keep
