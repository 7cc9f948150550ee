"""Every screen in both themes, with little and with much: no barrier, no complaint, and a picture for the documents."""

import time

import pytest
from playwright.sync_api import expect

QUIET = ("runs", "agents", "tools", "approvals", "settings/providers", "settings/validation", "settings/prompts")
MORE = ("settings/memory", "settings/appearance", "settings/language", "settings/transfer", "settings/server")
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that another theme may break."""
TABS = ("chat", "timeline", "graph", "plan", "state", "logs")


def looked_at(page, axe, shot, name, wanted="main"):
    """Waits until nothing loads any more, looks for barriers in both themes, and keeps pictures."""
    expect(page.locator(wanted).first).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    found = []
    for theme, rules in (("dark", ()), ("light", COLOURS)):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # no colour on its way to another
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        shot(page, f"{name}-{theme}")
        found += [f"{name} {theme}: {each}" for each in axe(page, rules=rules)]
    return found


@pytest.mark.parametrize("screens", [QUIET, MORE], ids=["work", "more"])
def test_no_screen_has_a_barrier_when_there_is_nothing(page, page_server, axe, shot, screens):
    found = []
    for screen in ("workflows", *screens):
        page.goto(f"{page_server.url}/{screen}")
        found += looked_at(page, axe, shot, f"empty-{screen.replace('/', '-')}")
    assert found == []


def test_no_screen_has_a_barrier_when_there_is_a_survey(page, page_server, axe, shot):
    workflow = page_server.create("Survey of the examples", "surveyor")
    first, second = (finished(page_server, workflow) for _ in range(2))
    found = []
    for tab in TABS:
        page.goto(f"{page_server.url}/workflows/{workflow}?tab={tab}")
        found += looked_at(page, axe, shot, tab, "[role=tabpanel]")
    for place, name in (("runs", "runs"), (f"runs/{first}/compare/{second}", "compare"), (f"runs/{first}", "run")):
        page.goto(f"{page_server.url}/{place}")
        found += looked_at(page, axe, shot, name)
    assert found == []


def finished(server, workflow):
    """Has a repository surveyed, allows what waits, and returns the run's id when it is over."""
    run = server.ask(workflow, "Survey this repository")
    until = time.monotonic() + 60
    while server.get(f"/api/workflows/{workflow}")["status"] == "running" or server.pending():
        for each in server.pending():
            server.approve(each["id"])
        assert time.monotonic() < until, "the survey does not end"
        time.sleep(0.05)
    server.over(run)
    return run
