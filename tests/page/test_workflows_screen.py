"""The workflows in a real browser: the first minute, the list, runs again, what happens, and narrow windows."""

import re

import pytest
from playwright.sync_api import expect

from stretto.testing import ScriptedModel
from tests.page.served import SteppedModel


def workflow_link(page, name):
    return page.get_by_role("link", name=re.compile(re.escape(name)))


def test_a_new_user_is_welcomed_and_begins_with_the_keyboard(page, page_server, axe):
    page.goto(page_server.url)
    expect(page.get_by_role("heading", name="Ask an agent something")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("main").get_by_role("button", name="New workflow").last.press("Enter")
    name = page.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    assert axe(page) == []
    name.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Talk with"))
    expect(page).to_have_url(re.compile(r"/workflows/[0-9a-f-]{36}$"))
    page.goto(page_server.url)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Talk with"))


def test_a_workflow_is_renamed_in_place_and_deleted_after_a_question(page, page_server):
    kept, gone = page_server.create("Kept"), page_server.create("Gone")
    page.goto(f"{page_server.url}/workflows/{gone}")
    workflow_link(page, "Gone").focus()
    page.keyboard.press("F2")
    field = page.get_by_role("textbox", name="New name of “Gone”")
    expect(field).to_be_focused()
    field.fill("Renamed")
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")
    expect(workflow_link(page, "Renamed")).to_be_focused()
    assert page_server.get(f"/api/workflows/{gone}")["name"] == "Renamed"
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    workflow_link(page, "Renamed").focus()
    page.keyboard.press("Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“Renamed” was deleted")).to_be_visible()
    expect(workflow_link(page, "Renamed")).to_have_count(0)
    expect(page).to_have_url(re.compile(kept))


def test_a_workflow_that_is_gone_says_so(page, page_server, allowed):
    allowed.append("status of 404")
    page.goto(f"{page_server.url}/workflows/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", name="This workflow is not there any more")).to_be_visible()


def test_what_runs_is_told_and_stopped_at_once(page, serve_page):
    model = SteppedModel("one two three four five", forever=True)
    server = serve_page(models={"helper": model})
    workflow = server.create("Slow")
    page.goto(f"{server.url}/workflows/{workflow}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Slow")
    run = server.ask(workflow)
    expect(page.locator("header .line").get_by_text("Running", exact=True)).to_be_visible()
    expect(page.get_by_text("1 running")).to_be_visible()
    page.locator("header .line").get_by_role("button", name="Stop").click()
    expect(page.locator("header .line").get_by_text("Cancelled", exact=True)).to_be_visible()
    assert server.over(run) == "cancelled"
    expect(page.locator("header .line").get_by_role("button", name="Stop")).to_have_count(0)


def test_a_run_is_run_again_and_both_can_be_looked_at(page, serve_page):
    model = ScriptedModel("First.", "Second.", "Third.", forever=True)
    server = serve_page(models={"helper": model})
    workflow = server.create("Again")
    first = server.ask(workflow, "What is it?")
    assert server.over(first) == "completed"
    page.goto(f"{server.url}/workflows/{workflow}?tab=logs")
    page.get_by_role("button", name="Re-run").wait_for()
    page.keyboard.press("r")
    expect(page.get_by_role("menuitem", name="Run all again")).to_be_focused()
    expect(page.get_by_role("menuitem", name="from what failed")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(page.get_by_text("2/2")).to_be_visible()
    page.get_by_role("button", name="Earlier run").click()
    expect(page).to_have_url(re.compile(f"run={first}"))
    expect(page.get_by_text("This is run 1 of 2, not the newest.")).to_be_visible()
    page.get_by_role("button", name="Go to the newest").click()
    expect(page).not_to_have_url(re.compile("run="))
    page.get_by_role("button", name="Re-run").click()
    page.get_by_role("menuitem", name="with other input").click()
    field = page.get_by_role("textbox", name="Message")
    expect(field).to_have_value("What is it?")
    field.fill("And what else?")
    page.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("3/3")).to_be_visible()
    rows = server.get(f"/api/workflows/{workflow}/executions")
    assert [row["message"] for row in rows] == ["What is it?", "What is it?", "And what else?"]
    assert [row["rerun"] and row["rerun"]["run_id"] for row in rows][1:] == [first, rows[1]["run_id"]]


@pytest.mark.parametrize("theme", ["light"])
def test_activities_are_filtered_chosen_and_lead_to_their_step(page, page_server, axe, theme):
    workflow = page_server.create("Survey", "surveyor")
    run = page_server.ask(workflow, "Survey this repository: its structure, its dependencies and its quality.")
    assert page_server.over(run) == "completed"
    page.goto(f"{page_server.url}/workflows/{workflow}?tab=state")
    feed = page.get_by_role("feed", name="Activity")
    expect(feed.get_by_role("article").first).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^Agents \d+$")).click()
    agents = feed.get_by_role("article")
    expect(agents.first).to_contain_text("reader")
    agents.first.get_by_role("button").click()
    expect(page).to_have_url(re.compile("span=surveyor"))
    expect(agents.first.get_by_role("link", name="Timeline")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(agents.nth(1).get_by_role("button")).to_be_focused()
    assert axe(page) == []
    agents.first.get_by_role("link", name="Timeline").click()
    expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile("span=surveyor"))
    expect(feed).to_have_count(0)  # the timeline takes the width
    page.keyboard.press("]")
    expect(feed).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as JSON").click()
    assert download.value.suggested_filename == "Survey-activity.json"


def test_three_hundred_workflows_are_windowed_and_all_can_be_reached(page, page_server):
    for number in range(300):
        page_server.create(f"Number {number:03}")
    page.goto(page_server.url)
    expect(page.get_by_text("300 workflows")).to_be_visible()
    expect(workflow_link(page, "Number 299")).to_be_visible()
    assert page.locator("[data-workflow]").count() < 60
    workflow_link(page, "Number 299").focus()
    page.keyboard.press("End")
    expect(workflow_link(page, "Number 000")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Filter workflows")).to_be_focused()
    page.keyboard.type("number 07")
    expect(page.get_by_text("10 workflows")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("300 workflows")).to_be_visible()


def test_a_narrow_window_has_drawers_and_speaks_french(page, page_server, axe):
    workflow = page_server.create("Étroit")
    other = page_server.create("Autre")
    page.add_init_script("localStorage.setItem('stretto.look', JSON.stringify({locale: 'fr'}))")
    page.set_viewport_size({"width": 600, "height": 900})
    page.goto(f"{page_server.url}/workflows/{workflow}")
    expect(page.get_by_role("tab", name="Chronologie")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Afficher les workflows").click()
    drawer = page.get_by_role("dialog", name="Workflows")
    expect(drawer).to_be_visible()
    assert axe(page) == []
    drawer.get_by_role("link", name=re.compile("Autre")).click()
    expect(drawer).to_have_count(0)
    expect(page).to_have_url(re.compile(other))
    page.get_by_role("button", name="Afficher l’activité").click()
    expect(page.get_by_role("dialog", name="Activité")).to_contain_text("Rien ne s’est encore passé.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    width = page.evaluate("document.scrollingElement.scrollWidth")
    assert width <= 600


def test_rounds_of_an_agent_are_kept_with_it_and_another_one_can_answer(page, page_server):
    workflow = page_server.create("Choice", "surveyor")
    page.goto(f"{page_server.url}/workflows/{workflow}")
    rounds = page.get_by_role("spinbutton", name="Rounds")
    expect(rounds).to_have_value("20")
    rounds.fill("33")
    rounds.press("Enter")
    expect(page.get_by_text("surveyor may now call tools 33 times")).to_be_visible()
    assert page_server.get("/api/agents/surveyor")["max_tool_iterations"] == 33
    page.get_by_role("combobox", name="Agent").select_option("quality-reader")
    expect(rounds).not_to_have_value("33")
