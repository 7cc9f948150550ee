"""Calls and questions that wait for a person, decided here, over any view, from a second tab and in French."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from stretto.testing import Scripted, ScriptedModel
from tests.page.conftest import OpenPage, Serve
from tests.page.served import PageServer
from tests.server.conftest import agent

ASKING: dict[str, Any] = {"approvals": {"mode": "manual", "auto_approve_low": False}}
QUESTION = ("UserQuestionTool", {"question": "Which colour?", "question_type": "text"})


def task(name: str) -> tuple[str, dict[str, Any]]:
    """A call that somebody is asked about."""
    return ("TodoTool", {"operation": "create", "name": name, "priority": 2})


@pytest.fixture
def asking(serve_page: Serve) -> PageServer:
    """A server with ``planner`` and ``printer``, who each want to make a task."""
    wishes = {"planner": "draft", "printer": "print"}
    return serve_page(
        models={name: ScriptedModel(Scripted(calls=(task(wish),)), "Planned.") for name, wish in wishes.items()},
        agents=[agent(name, f"scripted:{name}", tools=["TodoTool"]) for name in wishes],
        settings=ASKING,
    )


def both(server: PageServer) -> tuple[list[str], list[str]]:
    """Has both begin, and returns their workflows and their runs, the older first."""
    workflows = [server.create("Plan the week", "planner"), server.create("Print it", "printer")]
    runs = [server.ask(workflows[0])]
    until = time.monotonic() + 10
    while not server.pending():
        assert time.monotonic() < until, "the first does not ask"
        time.sleep(0.02)
    return workflows, [*runs, server.ask(workflows[1])]


def queue(page: Page) -> Any:
    return page.get_by_role("list", name="What waits for you").get_by_role("listitem")


def request(page: Page) -> Any:
    return page.get_by_role("region", name="Approval needed")


def tasks(server: PageServer, workflow: str) -> list[str]:
    return sorted(each["name"] for each in server.get(f"/api/workflows/{workflow}/tasks")["items"])


@pytest.mark.parametrize("theme", ["light"])
def test_what_waits_is_read_edited_and_refused_with_the_keyboard_alone(page, asking, axe, shot, theme):
    workflows, runs = both(asking)
    page.goto(f"{asking.url}/approvals")
    expect(queue(page)).to_have_count(2)
    expect(request(page)).to_contain_text("Plan the week")
    expect(request(page)).to_contain_text("There is no time limit")
    assert axe(page) == []
    shot(page, f"approvals-{theme}")
    page.keyboard.press("e")
    name = page.get_by_role("textbox", name="name", exact=True)
    name.fill("final")
    priority = page.get_by_role("textbox", name="priority")
    priority.fill("high")
    expect(page.get_by_text("This is no number.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_disabled()
    priority.fill("1")
    changes = page.get_by_role("region", name="2 changes")
    expect(changes.locator("del").first).to_contain_text("draft")
    expect(changes.locator("ins").first).to_contain_text("final")
    assert axe(page) == []
    page.get_by_role("button", name="As JSON").click()
    expect(page.get_by_role("textbox", name="Arguments as JSON")).to_have_value(re.compile('"name": "final"'))
    page.get_by_role("button", name="Approve with the changes").click()
    expect(page.get_by_text("Approved", exact=True).last).to_be_visible()
    expect(queue(page)).to_have_count(1)
    expect(page.get_by_role("button", name="Next: 1 waits")).to_be_focused()
    page.keyboard.press("Enter")
    expect(request(page).get_by_role("button", name="Approve", exact=True)).to_be_visible()
    page.keyboard.press("r")
    reason = page.get_by_role("textbox", name="Why not?")
    expect(reason).to_be_focused()
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.get_by_text("A reason is needed.")).to_be_visible()
    reason.fill("One is enough.")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(request(page)).to_contain_text("One is enough.")
    assert [asking.over(run) for run in runs] == ["completed", "completed"]
    assert [tasks(asking, workflow) for workflow in workflows] == [["final"], []]
    page.get_by_role("tab", name="Decisions").click()
    row = page.get_by_role("row").filter(has_text="One is enough.")
    expect(row).to_contain_text("Rejected")
    expect(page.get_by_role("row").filter(has_text="with other arguments")).to_have_count(1)
    page.get_by_role("searchbox", name="Filter the decisions").fill("enough")
    expect(page.get_by_role("row")).to_have_count(2)
    assert axe(page) == []
    shot(page, f"decisions-{theme}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.path().read_text().count("\n") == 3


def test_what_a_second_tab_decides_is_seen_in_the_first_which_stays_open(open_page: OpenPage, asking: PageServer):
    workflows, runs = both(asking)
    first = open_page(f"{asking.url}/workflows/{workflows[0]}")
    card = first.get_by_role("region", name="Approval needed").first
    card.get_by_role("button", name="Edit or see all").click()
    dialog = first.get_by_role("dialog", name="Approval needed")
    expect(dialog).to_contain_text("1 of 2")
    second = open_page(f"{asking.url}/approvals", context=first.context)
    expect(queue(second)).to_have_count(2)
    second.get_by_role("button", name="Approve all…").click()
    expect(second.get_by_text("2 calls are allowed as they are asked for.")).to_be_visible()
    second.get_by_role("button", name="Approve 2 calls").click()
    expect(second.get_by_text("2 calls were approved")).to_be_visible()
    expect(dialog.get_by_role("status").get_by_text("Approved")).to_be_visible()
    expect(dialog.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    assert [asking.over(run) for run in runs] == ["completed", "completed"]
    dialog.get_by_role("button", name="Close").click()
    expect(first.get_by_text("Planned.").first).to_be_visible()
    assert [tasks(asking, workflow) for workflow in workflows] == [["draft"], ["print"]]


def test_deciding_later_decides_nothing_and_the_pill_leads_back(page: Page, asking: PageServer, axe):
    page.goto(f"{asking.url}/runs")
    _, runs = both(asking)
    page.get_by_role("link", name="2 approvals").click()
    dialog = page.get_by_role("dialog", name="Approval needed")
    expect(dialog).to_contain_text("Plan the week")
    assert axe(page, within="dialog[open]") == []
    dialog.get_by_role("button", name="Decide later").click()
    expect(dialog).to_have_count(0)
    assert len(asking.pending()) == 2
    page.get_by_role("link", name="2 approvals").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert len(asking.pending()) == 2
    page.get_by_role("link", name="2 approvals").click()
    dialog.get_by_role("button", name="More ways to approve").click()
    page.get_by_role("menuitem", name="Approve all like it in this run").click()
    assert asking.over(runs[0]) == "completed"
    expect(page.get_by_role("link", name="1 approval")).to_be_visible()


def test_a_notice_elsewhere_opens_what_waits(page: Page, asking: PageServer):
    workflow = asking.create("Plan the week", "planner")
    page.goto(f"{asking.url}/runs")
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    asking.ask(workflow)
    notice = page.get_by_role("region", name="Notices").get_by_text("“Plan the week” waits for your decision")
    expect(notice).to_be_visible()
    page.get_by_role("region", name="Notices").get_by_role("button", name="Decide").click()
    expect(page.get_by_role("dialog", name="Approval needed")).to_contain_text("Plan the week")


def test_a_question_waits_among_the_calls_and_tells_what_holds_when_nobody_answers(page: Page, serve_page: Serve):
    model = ScriptedModel(Scripted(calls=(QUESTION,)), "Blue.", forever=True)
    server = serve_page(
        models={"painter": model}, agents=[agent("painter", "scripted:painter", tools=["UserQuestionTool"])]
    )
    run = server.ask(server.create("Paint", "painter"))
    page.goto(f"{server.url}/approvals")
    expect(queue(page)).to_contain_text("Which colour?")
    form = page.get_by_role("form", name="Which colour?")
    form.get_by_role("textbox", name="Your answer").fill("blue")
    form.get_by_role("button", name="Answer").click()
    assert server.over(run) == "completed"
    expect(page.get_by_text("Answered: blue")).to_be_visible()


def test_the_whole_way_is_there_in_french(open_page: OpenPage, serve_page: Serve, axe):
    model = ScriptedModel(Scripted(calls=(task("brouillon"),)), "Fait.", forever=True)
    limited = {"approvals": {**ASKING["approvals"], "timeout": 120, "on_timeout": "approve"}}
    server = serve_page(models={"planner": model}, settings=limited,
                        agents=[agent("planner", "scripted:planner", tools=["TodoTool"])])  # fmt: skip
    run = server.ask(server.create("Semaine", "planner"))
    page = open_page(f"{server.url}/approvals", locale="fr-FR")
    region = page.get_by_role("region", name="Approbation requise")
    expect(region).to_contain_text("Ensuite, l’appel est fait.")
    expect(region.get_by_role("timer")).to_contain_text("Encore")
    assert axe(page) == []
    region.get_by_role("button", name="Modifier les arguments").click()
    page.get_by_role("textbox", name="name", exact=True).fill("version finale")
    region.get_by_role("button", name="Approuver avec les modifications").click()
    assert server.over(run) == "completed"
    expect(region).to_contain_text("avec d’autres arguments")
    page.get_by_role("link", name="Approbations").click()
    expect(page.get_by_role("heading", name="Rien ne vous attend")).to_be_visible()


def test_a_link_to_what_is_gone_says_so(page: Page, page_server: PageServer, allowed: list[str]):
    allowed.append("404")
    page.goto(f"{page_server.url}/approvals/3f0c8f7e-1111-4222-8333-444455556666")
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_prompt_of_the_library_is_filled_in_and_put_into_the_message(page: Page, page_server: PageServer, axe):
    prompt = {
        "name": "Summary", "category": "analysis", "content": "Sum up {{topic}} in {{count}} lines.",
        "variables": [{"name": "count", "default": "3"}],
    }  # fmt: skip
    page_server.post("/api/prompts", prompt)
    page_server.post("/api/prompts", {"name": "Greeting", "content": "Say hello."})
    page.goto(f"{page_server.url}/workflows/{page_server.create()}")
    message = page.get_by_role("textbox", name="Message", exact=True)
    message.fill("Please:")
    page.keyboard.press("Control+p")
    dialog = page.get_by_role("dialog", name="Insert a prompt")
    search = dialog.get_by_role("combobox", name="Search the prompts")
    expect(search).to_be_focused()
    expect(dialog.get_by_role("option", name="Summary")).to_be_visible()
    assert axe(page, within="dialog[open]") == []
    search.fill("{{count}} lines")
    expect(dialog.get_by_role("listbox", name="Prompts").get_by_role("option")).to_have_count(1)
    search.press("Enter")
    dialog.get_by_role("textbox", name="topic").fill("the week")
    dialog.get_by_role("textbox", name="topic").press("Enter")
    expect(message).to_have_value("Please:\nSum up the week in 3 lines.")
    expect(message).to_be_focused()
