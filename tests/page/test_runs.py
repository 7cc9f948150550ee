"""The list of runs, one run, and two runs beside each other, in a real browser."""

import asyncio
import re
from typing import Any

import anyio
import pytest
from playwright.sync_api import expect

from stretto import SequentialWorkflow, step

WAIT = 30


@step
async def fetch(value: Any) -> Any:
    return {"rows": [1, 2, 3], "of": value}


@step
async def check(value: Any) -> Any:
    if value["of"] == "bad":
        raise ValueError("row 17 lacks a name")
    return value


@step
async def wait(value: Any) -> Any:
    await anyio.sleep_forever()
    return value


@pytest.fixture
def server(serve_page):
    nightly = SequentialWorkflow(name="nightly", steps=(fetch, check))
    watch = SequentialWorkflow(name="watch", steps=(fetch, wait))
    return serve_page(steps={"nightly": nightly, "watch": watch}, settings={"server": {"grace": 0}})


def begin(server, workflow, input, **labels):
    return server.post("/api/runs", {"workflow": workflow, "input": input, "labels": labels})["id"]


def ended(server, run_id):
    """Waits until a run of the library is over, and returns its id."""
    background = server.background
    run = background.house.executions.run(run_id)
    if run is not None:
        asyncio.run_coroutine_threadsafe(run.ended.wait(), background.loop).result(WAIT)
    return run_id


def rows(page):
    return page.locator("[role=row][data-place]")


@pytest.mark.parametrize("theme", ["light"])
def test_runs_are_listed_as_they_begin_and_end_without_barriers(server, page, axe):
    page.goto(f"{server.url}/runs")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    good = begin(server, "nightly", "good", team="night")
    bad = begin(server, "nightly", "bad")
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_text("row 17 lacks a name")).to_be_visible()
    expect(page.get_by_text("team=night")).to_be_visible()
    expect(rows(page).get_by_text("Completed", exact=True)).to_have_count(1)
    watch = begin(server, "watch", 1)
    expect(rows(page).first).to_contain_text("Running")
    assert axe(page) == []
    rows(page).first.get_by_role("button", name="Actions for watch").click()
    page.get_by_role("menuitem", name=re.compile("^Stop")).click()
    expect(rows(page).first).to_contain_text("Cancelled")
    assert len({good, bad, watch}) == 3


def test_filters_are_in_the_address_kept_and_saved_as_views(server, page):
    ended(server, begin(server, "nightly", "good"))
    ended(server, begin(server, "nightly", "bad"))
    page.goto(f"{server.url}/runs")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Failed", exact=True).click()
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile("status=failed"))
    page.keyboard.press("/")
    page.keyboard.type("row 17")
    expect(page).to_have_url(re.compile(r"q=row\+17"))
    page.get_by_role("button", name="Saved views").click()
    page.get_by_role("menuitem", name="Save this view…").click()
    page.get_by_label("Name of the view").fill("Bad rows")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Bad rows")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page).to_have_url(re.compile("status=failed"))
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Search in ids").fill("nothing like it")
    expect(page.get_by_text("No run fits these filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").last.click()
    expect(rows(page)).to_have_count(2)


def test_a_run_is_started_with_an_input_opened_and_run_again(server, page):
    page.goto(f"{server.url}/runs")
    page.get_by_role("button", name="Start a run").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Workflow").select_option("nightly")
    dialog.get_by_label("Input (JSON)").fill('{"of": ')
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(dialog.get_by_text("This is not JSON")).to_be_visible()
    dialog.get_by_label("Input (JSON)").fill('{"of": 1}')
    dialog.get_by_label("Labels").fill("team=night")
    dialog.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/\w+$"))
    first = page.url
    expect(page.get_by_role("heading", name="nightly")).to_be_visible()
    expect(page.get_by_role("link", name="team=night")).to_be_visible()
    page.keyboard.press("r")
    page.get_by_role("menuitem", name=re.compile("^Run all again")).click()
    expect(page).not_to_have_url(first)
    expect(page.get_by_text("Repeats", exact=True)).to_be_visible()
    page.get_by_role("link", name="Compare", exact=True).click()
    expect(page).to_have_url(re.compile("/compare/"))
    expect(page.get_by_role("region", name="Run A, measured against")).to_contain_text("Completed")


@pytest.mark.parametrize("theme", ["light"])
def test_two_runs_are_chosen_with_the_keyboard_and_compared(server, page, axe):
    ended(server, begin(server, "nightly", "good"))
    ended(server, begin(server, "nightly", "bad"))
    page.goto(f"{server.url}/runs")
    rows(page).first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(rows(page).nth(1)).to_be_focused()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(rows(page).first).to_contain_text("Completed → Failed")
    page.get_by_role("button", name=re.compile("^Different")).click()
    expect(page).to_have_url(re.compile("which=different"))
    page.locator("[data-path='nightly/check']").click()
    details = page.get_by_role("region", name="Inputs and outputs of check")
    expect(details.locator(".before").filter(has_text='"good"').first).to_be_visible()
    expect(details.locator(".after").filter(has_text='"bad"').first).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Swap A and B").click()
    expect(details.locator(".before").filter(has_text='"bad"').first).to_be_visible()
    page.reload()
    expect(details.locator(".after").filter(has_text='"good"').first).to_be_visible()


def test_a_run_that_runs_is_stopped_and_deleted_from_its_page(server, page, axe, allowed):
    allowed.append("404")
    run_id = begin(server, "watch", 1)
    page.goto(f"{server.url}/runs/{run_id}?tab=state")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Cancelled").first).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page).to_have_url(f"{server.url}/runs")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.goto(f"{server.url}/runs/{run_id}")
    expect(page.get_by_text("This run is not there")).to_be_visible()
    expect(page.get_by_role("link", name="All runs")).to_be_visible()


def test_french_and_a_narrow_window_lose_nothing(server, open_page, axe):
    run_id = ended(server, begin(server, "nightly", "good"))
    page = open_page(f"{server.url}/runs", locale="fr-FR", viewport={"width": 600, "height": 900})
    expect(page.get_by_role("heading", name="Exécutions")).to_be_visible()
    expect(rows(page)).to_have_count(1)
    wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wide
    assert axe(page) == []
    rows(page).first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/runs/{run_id}")
    expect(page.get_by_role("button", name="Relancer")).to_be_visible()
