"""The page in a real browser: it draws, folds, zooms, filters, and asks nothing of the network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stretto.core.events import Event
from stretto.monitoring.html import draw_html
from tests.monitoring.logs import HOSTILE, eventful, items, renamed

CHROMIUM = os.environ.get("CHROMIUM_PATH") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("these tests look at pages in Chromium: install it (Debian: apt-get install -y chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser: Browser, folder: Path, log: list[Event], width: int = 1200, scheme: str = "light") -> Page:
    """Opens a run's page and holds it to make no request and no error."""
    file = folder / "run.html"
    file.write_text(draw_html(log), "utf-8")
    page = browser.new_page(
        viewport={"width": width, "height": 700}, color_scheme="dark" if scheme == "dark" else "light"
    )
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector(".row")
    assert not wrong
    page.on("close", lambda _: None if not wrong else pytest.fail(str(wrong)))
    return page


def until(page: Page, condition: str) -> None:
    """Waits, frame by frame, for a condition; the page's policy forbids what ``wait_for_function`` does."""
    for _ in range(300):
        if page.evaluate(condition):
            return
        page.evaluate("() => new Promise(requestAnimationFrame)")
    pytest.fail(f"never true: {condition}")


def labels(page: Page) -> list[str]:
    return page.locator(".row").evaluate_all(
        "rows => rows.sort((a, b) => a.dataset.at - b.dataset.at).map(row => row.querySelector('.text').textContent)"
    )


def test_a_page_draws_folds_and_filters(browser: Browser, tmp_path: Path):
    page = opened(browser, tmp_path, eventful())
    assert labels(page)[:3] == ["lead", "plan", "review"]
    page.locator("#rows").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelectorAll('.row').length === 1")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelectorAll('.row').length > 10")
    page.keyboard.press("f")
    page.keyboard.type("get_it")
    until(page, "document.querySelectorAll('.row').length === 4")
    assert labels(page) == ["lead", "review", "api", "get_items"]
    assert page.locator("#shown").inner_text() == "1 of 14 steps match"
    page.keyboard.press("Escape")
    page.fill("#filter", "")
    page.check("#wrong")
    until(page, "document.getElementById('shown').textContent.startsWith('4 of')")
    page.close()


def test_a_page_tells_the_details_of_a_step(browser: Browser, tmp_path: Path):
    page = opened(browser, tmp_path, eventful())
    page.keyboard.press("e")
    page.wait_for_selector("#detail h2")
    assert "503 Service Unavailable" in page.locator("#detail").inner_text()
    assert page.locator("#rows").get_attribute("aria-activedescendant") == page.locator(".row.on").get_attribute("id")
    page.hover("text=market")
    assert "timed out" in page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#detail").is_hidden()
    page.close()


def test_a_page_zooms_pans_and_fits(browser: Browser, tmp_path: Path):
    page = opened(browser, tmp_path, eventful())
    ticks = "Array.from(document.querySelectorAll('#axis span'), span => span.textContent).join()"
    whole = page.evaluate(ticks)
    page.click("#in")
    until(page, f"{ticks} !== {whole!r}")
    page.click("#fit")
    until(page, f"{ticks} === {whole!r}")
    page.hover(".track >> nth=3")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    until(page, f"{ticks} !== {whole!r}")
    page.keyboard.press("0")
    until(page, f"{ticks} === {whole!r}")
    page.close()


def test_ten_thousand_spans_keep_few_rows_in_the_page(browser: Browser, tmp_path: Path):
    page = opened(browser, tmp_path, items(10_000))
    assert "file × 10,000" in labels(page)
    page.click("#unfold")
    until(page, "document.getElementById('shown').textContent.includes('10,005 rows')")
    to_the_end = "document.getElementById('rows').scrollTop = 1e9"  # also when it has grown since
    until(page, f"({to_the_end}, document.querySelector('.row[data-at=\"10004\"]') !== null)")
    assert page.locator(".row").count() < 100
    page.click("#tab-table")
    page.wait_for_selector(".line:not(.top)")
    page.click("text=Duration")
    until(page, "document.querySelector('[aria-sort=descending]') !== null")
    first = page.locator(".line:not(.top)").evaluate_all(
        "lines => lines.find(line => line.getAttribute('aria-rowindex') === '2').textContent"
    )
    assert "survey" in first
    assert page.locator(".line").count() < 100
    page.click("#tab-facts")
    assert "Critical path" in page.locator("#facts").inner_text()
    page.close()


@pytest.mark.parametrize("width", [480, 1200])
def test_a_page_never_scrolls_sideways(browser: Browser, tmp_path: Path, width: int):
    page = opened(
        browser, tmp_path, renamed(eventful(), "plan", HOSTILE[0].replace("/", "∕") * 5), width=width, scheme="dark"
    )
    for tab in ("chart", "table", "facts"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_a_page_follows_the_system_and_can_be_turned(browser: Browser, tmp_path: Path):
    page = opened(browser, tmp_path, eventful(), scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(15, 18, 22)"
    page.click("#scheme")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="light")
    page.click("#scheme")
    assert page.evaluate(ground) == "rgb(15, 18, 22)"
    page.close()
