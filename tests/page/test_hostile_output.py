"""What a hostile model could write, in a real browser: nothing runs, nothing is loaded, the policy never complains."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from stretto.testing import Scripted, ScriptedModel
from tests.built_page import REPOSITORY
from tests.page.served import PageServer, SteppedModel
from tests.server.conftest import agent

HOSTILE: dict[str, str] = json.loads((REPOSITORY / "ui/src/lib/markdown/hostile.json").read_text(encoding="utf-8"))
ONE_LINE = "x" * 10_000_000


def watched(page: Page, server: PageServer) -> list[str]:
    """Returns the list of what the page does that no answer may make it do."""
    seen: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(server.url) else seen.append(request.url))
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda popup: seen.append(f"popup {popup.url}"))
    return seen


def nothing_of_it_acts(page: Page) -> None:
    expect(page).to_have_title(re.compile("Stretto$"))
    left = page.evaluate(
        "() => [...document.querySelectorAll('.markdown *')].filter(each => "
        "/^(SCRIPT|IFRAME|IMG|SVG|MATH|FORM|INPUT|STYLE|LINK|META|BASE|OBJECT|EMBED|VIDEO|AUDIO|TEMPLATE|DIALOG)$/i"
        ".test(each.tagName) && !each.closest('button') || "
        "[...each.attributes].some(one => /^on|^style$/.test(one.name)))"
        ".map(each => each.outerHTML.slice(0, 200))"
    )
    assert left == []


@pytest.mark.parametrize("part", range(4))
def test_no_answer_does_anything_but_be_shown(page, serve_page, part):
    texts = list(HOSTILE.values())[part::4]
    server = serve_page(models={"helper": ScriptedModel(*texts)})
    workflow = server.create(name="<img src=x onerror=alert(1)>")
    for text in texts:
        server.execute(workflow, text.replace("\0", ""))  # which the server takes from nobody
    seen = watched(page, server)
    page.goto(f"{server.url}/workflows/{workflow}")
    list_ = page.get_by_role("region", name="Conversation")
    expect(list_.locator("article").last).to_be_visible()
    list_.focus()
    for _ in range(12):
        nothing_of_it_acts(page)
        page.keyboard.press("PageUp")
    assert seen == []


def test_nothing_acts_while_it_comes_either(page, serve_page):
    pieces = "\n\n".join([*list(HOSTILE.values())[:40], "The end of it."])
    model = SteppedModel(pieces)
    server = serve_page(models={"helper": model})
    workflow = server.create()
    seen = watched(page, server)
    page.goto(f"{server.url}/workflows/{workflow}")
    server.ask(workflow, "Attack.")
    for _ in range(4):
        model.let(40)
        expect(page.locator("article[aria-busy=true]")).to_be_visible()
        nothing_of_it_acts(page)
    model.let()
    expect(page.get_by_text("The answer is complete.")).to_be_attached()
    nothing_of_it_acts(page)
    assert seen == []


def test_steps_and_questions_are_no_way_in(page, serve_page):
    bad = '<img src="https://evil.example/x" onerror="alert(1)"> \u202e [x](javascript:alert(1))'
    todo = ("TodoTool", {"operation": "create", "name": bad})
    ask = ("UserQuestionTool", {"question": bad, "question_type": "checkbox", "options": [{"id": "a", "label": bad}]})
    model = ScriptedModel(Scripted(reasoning=bad, calls=(todo,)), Scripted(calls=(ask,)), bad)
    tools = ["TodoTool", "UserQuestionTool"]
    server = serve_page(models={"bad": model}, agents=[agent("bad", "scripted:bad", tools=tools)])
    workflow = server.create(agent_id="bad")
    seen = watched(page, server)
    page.goto(f"{server.url}/workflows/{workflow}")
    server.ask(workflow, "Attack.")
    form = page.locator("form.card")
    form.get_by_role("checkbox").check()
    for button in page.locator(".chat .line").all():
        button.click()
    nothing_of_it_acts(page)
    form.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("The answer is complete.")).to_be_attached()
    assert seen == []


def test_a_line_of_ten_million_characters_is_shown_in_parts(page, serve_page):
    server = serve_page(models={"helper": ScriptedModel(ONE_LINE)})
    workflow = server.create()
    server.execute(workflow, "Say much.")
    page.goto(f"{server.url}/workflows/{workflow}")
    expect(page.get_by_text("The text goes on for")).to_be_visible()
    page.get_by_role("button", name="Show the next 60 kB").click()
    expect(page.locator(".markdown .plain").nth(8)).to_be_attached()
