"""What somebody new does in the first hour, from the first minute to comparing two runs, as one way."""

import re

from playwright.sync_api import Page, expect

from stretto.testing import Scripted
from tests.page.served import SteppedModel
from tests.server.conftest import agent

CUT = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
SURVEY = "Survey this repository: its structure, its dependencies and its quality."
LATE = 30_000
"""How long a restart or a survey may take (milliseconds)."""


def send(page: Page, text: str) -> None:
    composer = page.get_by_role("textbox", name="Message", exact=True)
    composer.fill(text)
    composer.press("Control+Enter")


def answers(page: Page):
    return page.locator(".chat article:not(.user)")


def test_a_newcomer_surveys_decides_loses_the_server_reads_french_and_compares(open_page, serve_page, allowed):
    allowed += [*CUT, "404 .*api/models/scripted"]  # nobody describes the model of this test
    note = Scripted(calls=(("TodoTool", {"operation": "create", "name": "water the plants"}),))
    model = SteppedModel(note, "so " * 100 + "it is noted.", forever=True)
    server = serve_page(
        models={"careful": model},
        agents=[agent("careful", "scripted:careful", tools=["TodoTool"])],
        settings={"approvals": {"rules": [{"then": "ask", "tool": "TodoTool", "agent": "careful"}]}},
    )

    # the first minute: the agent that comes along, without a key
    page = open_page(server.url)
    page.get_by_role("main").get_by_role("button", name="New workflow").last.click()
    page.get_by_role("textbox", name="Name").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Talk with"))
    send(page, SURVEY)
    expect(page.get_by_role("status").get_by_text("The answer is complete.")).to_be_attached(timeout=LATE)
    expect(page.get_by_role("group", name=re.compile("in parallel")).first).to_be_visible()
    page.get_by_role("tab", name="Timeline").click()
    expect(page.get_by_role("img", name=re.compile("Timeline")).or_(page.locator("canvas")).first).to_be_visible()

    # an agent that asks, decided in a second tab
    server.create("Notes", "careful")  # an agent with a model of this test is not offered
    page.get_by_role("link", name=re.compile("Notes")).first.click()
    page.get_by_role("tab", name="Chat").click()
    model.let(60)
    send(page, "Note it.")
    expect(page.get_by_role("region", name="Approval needed")).to_be_visible()
    second = open_page(f"{server.url}/approvals", context=page.context)
    second.get_by_role("button", name="Approve", exact=True).click()
    expect(answers(page).get_by_text("so so so").last).to_be_visible()

    # the server goes in the middle of the answer, and comes again
    server.restart()
    expect(page.get_by_text("Live", exact=True).first).to_be_visible(timeout=LATE)
    model.let()
    expect(answers(page).last.get_by_text("it is noted.")).to_be_visible(timeout=LATE)
    expect(second.get_by_text("Nothing waits for you").first).to_be_visible(timeout=LATE)
    second.close()

    # the page in French
    page.goto(f"{server.url}/settings/language")
    page.get_by_role("radio", name="Français").check()
    expect(page.get_by_role("heading", name="Langue de la page")).to_be_visible()
    expect(page.get_by_role("link", name="Exécutions", exact=True)).to_be_visible()

    # both runs beside each other
    page.get_by_role("link", name="Exécutions", exact=True).click()
    rows = page.locator("[role=row][data-place]")
    expect(rows).to_have_count(2)
    rows.first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Comparer", exact=True).click()
    expect(page).to_have_url(re.compile("/compare/"))
    expect(page.get_by_role("region", name=re.compile("A, ")).first).to_be_visible()
