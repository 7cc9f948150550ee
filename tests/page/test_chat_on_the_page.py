"""The chat in a real browser: answers as they are made, what waits, what is asked, and every end that there is."""

import re

import pytest
from playwright.sync_api import Page, expect

from stretto.testing import Scripted, ScriptedModel
from tests.page.served import SteppedModel
from tests.server.conftest import agent

ASK = ("UserQuestionTool", {
    "question": "Which colours?", "question_type": "mixed", "text_required": True,
    "options": [{"id": "r", "label": "Red"}, {"id": "b", "label": "Blue"}],
})  # fmt: skip


def composer(page: Page):
    return page.get_by_role("textbox", name="Message", exact=True)


def send(page: Page, text: str) -> None:
    composer(page).fill(text)
    composer(page).press("Control+Enter")


def wait_until(page: Page, holds: str) -> None:
    """Waits until an expression holds: the policy of the page lets nobody else evaluate one again and again."""
    ask = f"() => new Promise(done => {{ const look = () => ({holds}) ? done() : setTimeout(look, 20); look(); }})"
    page.evaluate(ask)


def answers(page: Page):
    return page.locator(".chat article:not(.user)")


def test_an_answer_is_shown_as_it_is_made_and_stays_when_it_is_over(page, serve_page):
    model = SteppedModel("**Half** of it,\n\nand the rest.")
    server = serve_page(models={"helper": model})
    page.goto(f"{server.url}/workflows/{server.create()}")
    send(page, "Say it in two parts.")
    model.let(2)
    expect(answers(page).locator("strong", has_text="Half")).to_be_visible()
    expect(page.get_by_role("button", name="Stop").last).to_be_visible()
    model.let()
    expect(answers(page).get_by_text("and the rest.")).to_be_visible()
    expect(page.get_by_role("status").get_by_text("The answer is complete.")).to_be_attached()
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    expect(answers(page)).to_have_count(1)
    page.reload()
    expect(answers(page).get_by_text("and the rest.")).to_be_visible()
    expect(page.locator("article.user")).to_contain_text("Say it in two parts.")


def test_what_is_written_meanwhile_waits_and_can_be_changed_and_removed(page, serve_page):
    model = SteppedModel("First.", "Second.", forever=True)
    server = serve_page(models={"helper": model})
    page.goto(f"{server.url}/workflows/{server.create()}")
    send(page, "One")
    expect(page.get_by_role("button", name="Add to the queue")).to_be_visible()
    send(page, "Two")
    expect(page.get_by_role("region", name="1 message waits")).to_be_visible()
    send(page, "Three")
    waiting = page.get_by_role("region", name="2 messages wait")
    waiting.get_by_role("button", name="Remove").nth(0).click()
    expect(page.get_by_role("region", name="1 message waits")).to_contain_text("Three")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Message 1 in the queue").fill("Three, but better")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="1 message waits")).to_contain_text("Three, but better")
    model.let()
    expect(page.locator("article.user")).to_have_text([re.compile("One"), re.compile("Three, but better")])
    expect(answers(page).get_by_text("Second.")).to_be_visible()


def test_a_draft_survives_a_reload_and_the_arrow_brings_back_what_was_sent(page, page_server):
    place = f"{page_server.url}/workflows/{page_server.create()}"
    page.goto(place)
    send(page, "Sent before")
    expect(answers(page).get_by_text("Done.")).to_be_visible()
    composer(page).press("ArrowUp")
    expect(composer(page)).to_have_value("Sent before")
    composer(page).press("ArrowDown")
    expect(composer(page)).to_have_value("")
    composer(page).fill("not sent yet")
    wait_until(page, "(localStorage.getItem('stretto.drafts') ?? '').includes('not sent yet')")
    page.reload()
    expect(composer(page)).to_have_value("not sent yet")
    composer(page).fill("x" * 100_001)
    expect(page.get_by_role("alert")).to_have_text("1 characters too many")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()


def test_a_question_is_answered_where_it_is_asked(page, serve_page, axe):
    model = ScriptedModel(Scripted(calls=(ASK,)), "Red it is.")
    server = serve_page(
        models={"painter": model}, agents=[agent("painter", "scripted:painter", tools=["UserQuestionTool"])]
    )
    page.goto(f"{server.url}/workflows/{server.create(agent_id='painter')}")
    send(page, "Paint.")
    form = page.get_by_role("form", name="Which colours?")
    form.get_by_role("button", name="Answer").click()
    expect(form.get_by_role("alert")).to_have_text("Choose at least one.")
    form.get_by_role("checkbox", name="Red").check()
    form.get_by_role("textbox", name="Your answer").fill("a dark one")
    assert axe(page, within=".chat") == []
    form.get_by_role("button", name="Answer").click()
    expect(answers(page).get_by_text("Red it is.")).to_be_visible()
    expect(answers(page).get_by_text("Answered: Red · a dark one")).to_be_visible()


def test_a_call_is_allowed_or_refused_where_it_waits(page, serve_page):
    calls = [Scripted(calls=(("TodoTool", {"operation": "create", "name": name}),)) for name in ("first.", "second.")]
    model = ScriptedModel(*calls, "Written once.")
    writer = agent("writer", "scripted:writer", tools=["TodoTool"])
    asks = {"approvals": {"mode": "manual", "auto_approve_low": False}}
    server = serve_page(models={"writer": model}, agents=[writer], settings=asks)
    page.goto(f"{server.url}/workflows/{server.create(agent_id='writer')}")
    send(page, "Write.")
    card = page.get_by_role("region", name="Approval needed")
    expect(card).to_contain_text("first.")
    card.get_by_role("button", name="Approve").click()
    expect(card).to_contain_text("second.")
    card.get_by_role("button", name="Reject…").click()
    expect(card.get_by_role("button", name="Reject", exact=True)).to_be_disabled()
    card.get_by_role("textbox").fill("One is enough.")
    card.get_by_role("button", name="Reject", exact=True).click()
    expect(answers(page).get_by_text("Written once.")).to_be_visible()
    expect(answers(page).get_by_text("One is enough.").first).to_be_visible()


def test_every_end_is_told_as_it_was_and_has_a_way_on(page, serve_page, allowed):
    model = SteppedModel("Cut here and never said.", RuntimeError("the model broke"), "Now it works.")
    server = serve_page(models={"helper": model})
    page.goto(f"{server.url}/workflows/{server.create()}")
    send(page, "Begin.")
    model.let(2)
    expect(answers(page).get_by_text("Cut here", exact=True)).to_be_visible()
    page.locator(".composer").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The execution was cancelled; what was done until then is kept.")).to_be_visible()
    expect(answers(page).get_by_text("Cut here", exact=True)).to_be_visible()
    model.let()
    send(page, "Fail.")
    expect(answers(page).get_by_text("The execution failed")).to_be_visible()
    expect(answers(page).get_by_text("the model broke").first).to_be_visible()
    answers(page).get_by_role("button", name="Try again").click()
    expect(answers(page).get_by_text("Now it works.")).to_be_visible()


def test_the_end_is_followed_until_somebody_reads_elsewhere(page, serve_page):
    long = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(200))
    model = SteppedModel(long, f"{long}\n\nThe very end.")
    server = serve_page(models={"helper": model})
    workflow = server.create()
    page.goto(f"{server.url}/workflows/{workflow}")
    model.let(1400)
    send(page, "Go on.")
    expect(answers(page).get_by_text("Paragraph 199 of")).to_be_in_viewport()
    send(page, "Once more.")
    expect(page.get_by_role("button", name="Stop").last).to_be_visible()
    page.get_by_role("region", name="Conversation").hover()
    page.mouse.wheel(0, -5000)
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    model.let()
    page.get_by_role("button", name="New below").click()
    expect(answers(page).get_by_text("The very end.")).to_be_in_viewport()


@pytest.mark.parametrize("theme", ["light"])
def test_a_rich_answer_has_no_barrier_in_either_theme(page, serve_page, theme, axe, shot):
    rich = (
        "# Result\n\nSome `code`, a [link](https://a.example/b) and a list:\n\n- [x] done\n- [ ] open\n\n"
        "|step|ms|\n|-|-:|\n|read|12|\n\n```python\ndef f(x):  # doubles\n    return x * 2\n```\n\n> quoted"
    )
    calls = tuple(("CalculatorTool", {"operation": "add", "a": 1, "b": number}) for number in range(3))
    model = ScriptedModel(Scripted(reasoning="First I add.", calls=calls), rich)
    server = serve_page(models={"adder": model}, agents=[agent("adder", "scripted:adder", tools=["CalculatorTool"])])
    workflow = server.create("Sums", agent_id="adder")
    server.execute(workflow, "Add some numbers.")
    page.goto(f"{server.url}/workflows/{workflow}")
    expect(page.locator(".hljs-keyword").first).to_be_visible()
    page.get_by_role("button", name="Reasoning (1 step)").click()
    expect(answers(page).get_by_text("First I add.")).to_be_visible()
    page.get_by_role("button", name="CalculatorTool").first.click()
    expect(page.get_by_role("region", name="Input")).to_contain_text('"b": 0')
    assert axe(page, within=".chat") == []
    shot(page, f"chat-{theme}")


def test_what_a_restart_interrupted_goes_on_where_it_stopped_when_somebody_says_so(page, serve_page, allowed):
    allowed.append("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|502")
    add = ("CalculatorTool", {"operation": "add", "a": 20, "b": 22})
    model = SteppedModel(Scripted(calls=(add,)), "so " * 100 + "it is 42.", forever=True)
    server = serve_page(models={"adder": model}, agents=[agent("adder", "scripted:adder", tools=["CalculatorTool"])])
    page.goto(f"{server.url}/workflows/{server.create(agent_id='adder')}")
    model.let(60)
    send(page, "Add.")
    expect(answers(page).get_by_role("button", name="CalculatorTool")).to_be_visible()
    own = server.settings
    server.stop()
    changed = own["agents"]["adder"].model_copy(update={"tools": ()})
    server.settings = {**own, "agents": {**own["agents"], "adder": changed}}
    server.start()
    expect(page.get_by_text("The execution was interrupted; what was done is on disk.")).to_be_visible(timeout=20_000)
    server.stop()
    server.settings = own
    server.start()
    page.get_by_role("button", name="Go on").click()
    model.let()
    expect(answers(page).get_by_text("it is 42.")).to_be_visible(timeout=20_000)
    expect(answers(page).get_by_role("button", name="CalculatorTool")).to_have_count(1)
    expect(answers(page)).to_have_count(1)
