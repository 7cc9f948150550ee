"""The first hour of somebody new, from the first minute to two runs beside each other, in one real browser."""

import re

from playwright.sync_api import expect

from stretto.testing import Scripted, ScriptedModel
from tests.page.served import SteppedModel
from tests.server.conftest import agent

NOTE = ("TodoTool", {"operation": "create", "name": "Call the printer"})


def test_somebody_new_asks_decides_is_interrupted_and_compares(open_page, serve_page, allowed):
    allowed.append("ERR_CONNECTION|Failed to load resource")  # the server is away for a moment
    slow = SteppedModel("one two three four five six", "seven eight", forever=True)
    careful = ScriptedModel(Scripted(calls=(NOTE,)), "It is noted.", forever=True)
    server = serve_page(
        models={"slow": slow, "careful": careful},
        agents=[agent("careful", "scripted:careful", tools=["TodoTool"])],
        settings={"approvals": {"mode": "manual"}},
    )
    page = open_page(server.url)

    # the first minute: one sentence, one action
    page.get_by_role("main").get_by_role("button", name="New workflow").last.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("Printing")
    dialog.get_by_text("careful", exact=True).first.click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Printing")
    composer = page.get_by_role("textbox", name="Message")
    composer.fill("Note that the printer must be called.")
    composer.press("Control+Enter")

    # a second tab of the same browser decides
    other = open_page(f"{server.url}/approvals", context=page.context)
    other.get_by_role("button", name=re.compile("^Approve")).last.click()
    expect(page.get_by_text("It is noted.").first).to_be_visible()

    # the server goes away while an answer is being written, and comes back with it
    workflow = server.create("Slow", "slow")
    page.goto(f"{server.url}/workflows/{workflow}")
    run = server.ask(workflow, "Count.")
    slow.let(2)
    expect(page.get_by_role("main").get_by_text("one two", exact=False).first).to_be_visible()
    server.restart()
    slow.let()
    expect(page.get_by_role("contentinfo").get_by_text("Live", exact=True).last).to_be_visible()
    expect(page.get_by_role("main").get_by_text("five six", exact=False).first).to_be_visible()
    assert server.over(run) == "completed"

    # the same in French, and again
    page.keyboard.press("Control+k")
    page.keyboard.type("language french")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Exécutions")).to_be_visible()
    again = server.ask(workflow, "Encore.")
    assert server.over(again) == "completed"

    # two runs beside each other
    page.get_by_role("link", name="Exécutions").click()
    boxes = page.locator("[role=row][data-place]").filter(has_text="Slow").get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name=re.compile("Comparer")).first.click()
    expect(page).to_have_url(re.compile(r"/runs/[^/]+/compare/[^/?]+"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
