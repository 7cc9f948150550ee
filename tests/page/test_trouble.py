"""When something is wrong: no token, a server that fails or is slow, storage that is full, a window of any width."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.page.served import SteppedModel

TOKEN = "a-token-of-some-length"
LISTS = re.compile(r"/api/workflows\?")
LIVE = "Live"
ASKED = "This server asks for its token"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
SCREENS = ("workflows", "runs", "agents", "tools", "approvals", "settings/appearance", "settings/server")


def live(page):
    expect(page.get_by_text(LIVE, exact=True).first).to_be_visible()


@pytest.fixture
def guarded(serve_page, allowed):
    """A server that asks for a token, which the client of the test has."""
    allowed.append("401")
    server = serve_page(settings={"server": {"token": TOKEN}})
    server.client.headers["authorization"] = f"Bearer {TOKEN}"
    return server


def sign_in(page, token=TOKEN):
    form = page.get_by_role("dialog", name=ASKED)
    form.get_by_label("Token").fill(token)
    form.get_by_role("button", name="Sign in").click()


def test_signing_in_brings_every_tab_back_and_signing_out_asks_again(guarded, open_page):
    first = open_page(guarded.url)
    second = open_page(guarded.url, context=first.context)
    for page in (first, second):
        expect(page.get_by_role("dialog", name=ASKED)).to_be_visible()
    sign_in(first, "wrong")
    expect(first.get_by_text("The server does not know this token.")).to_be_visible()
    sign_in(first)
    for page in (first, second):
        live(page)
        expect(page.get_by_role("dialog", name=ASKED)).to_have_count(0)
    guarded.create("Made after signing in")
    for page in (first, second):
        expect(page.get_by_text("Made after signing in").first).to_be_visible()
    first.goto(f"{guarded.url}/settings/server")
    first.get_by_role("button", name="Sign out").click()
    expect(first.get_by_role("dialog", name=ASKED)).to_be_visible()


def test_a_browser_that_keeps_no_cookie_is_told_so(guarded, page):
    def answer(route):
        if route.request.method == "POST":
            route.fulfill(status=204)
        else:
            route.continue_()

    page.route("**/api/session", answer)
    page.goto(guarded.url)
    sign_in(page)
    expect(page.get_by_text("this browser keeps no cookie of this server")).to_be_visible()


def test_what_cannot_be_loaded_says_why_and_is_there_at_the_next_try(page_server, page, allowed):
    allowed += ["status of 500", "status of 429", "net::ERR_FAILED"]
    page_server.create("Found in the end")
    told = {}

    def answer(route):
        if told["status"] == 0:
            route.abort()
        else:
            body = json.dumps({"code": "told", "detail": "It went wrong here.", "status": told["status"]})
            route.fulfill(status=told["status"], body=body, content_type="application/problem+json")

    page.route(LISTS, answer)
    for status, title in ((500, "The server failed"), (429, "Too many requests"), (0, "The server does not answer")):
        told["status"] = status
        page.goto(page_server.url)
        expect(page.get_by_role("alert").filter(has_text=title).first).to_be_visible()
    live(page)  # from now on it asks only when somebody says so
    page.unroute(LISTS, answer)
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_text("Found in the end").first).to_be_visible()


def test_what_is_slow_is_seen_to_be_on_its_way(page_server, page):
    page_server.create("Slow, but there")
    held, released = [], []

    def hold(route):
        if released:
            route.continue_()
        else:
            held.append(route)

    page.route(LISTS, hold)
    page.goto(page_server.url)
    expect(page.get_by_role("status").filter(has_text="Loading").first).to_be_attached()
    assert held
    released.append(True)
    for route in held:
        route.continue_()
    expect(page.get_by_text("Slow, but there").first).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)


def test_storage_that_is_full_takes_nothing_but_what_would_be_kept(page_server, page):
    page.add_init_script(FULL)
    workflow = page_server.create()
    page.goto(f"{page_server.url}/settings/appearance")
    page.get_by_role("radio", name=re.compile("^Light")).check()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.get_by_role("status").filter(has_text="storage")).to_be_visible()
    page.goto(f"{page_server.url}/workflows/{workflow}")
    field = page.get_by_role("textbox", name="Message", exact=True)
    field.fill("Said all the same")
    expect(page.get_by_text("This browser does not keep the draft")).to_be_visible()
    field.press("Control+Enter")
    expect(page.locator(".chat").get_by_text("Done.").first).to_be_visible()


def test_nothing_moves_for_those_who_want_no_motion(serve_page, open_page, allowed):
    allowed.append("404 .*api/models/scripted")  # nobody describes the model of this test
    model = SteppedModel("One two three four.", id="scripted:talker")
    server = serve_page(models={"talker": model})
    workflow = server.create("In motion", "talker")
    server.ask(workflow, "Count.")
    model.let(2)
    page = open_page(f"{server.url}/workflows/{workflow}", reduced_motion="reduce")
    expect(page.get_by_text("One two").first).to_be_visible()
    page.wait_for_function(
        "document.getAnimations().every(each => { const {duration, iterations} = each.effect.getComputedTiming();"
        " return Number(duration) <= 1 && iterations <= 1 || each.playState === 'finished' })"
    )
    model.let()
    expect(page.get_by_text("The answer is complete.")).to_be_attached()


@pytest.mark.parametrize("width", [900, 2560])
def test_no_screen_is_wider_than_its_window(serve_page, open_page, width):
    server = serve_page()
    workflow = server.create("A name that is long enough to need some room in every list where it is told")
    server.execute(workflow)
    page = open_page(viewport={"width": width, "height": 900})
    for screen in (*SCREENS, f"workflows/{workflow}?tab=chat", f"workflows/{workflow}?tab=timeline"):
        page.goto(f"{server.url}/{screen}")
        expect(page.locator("main > *").first).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, screen


def test_the_shortcuts_are_shown_and_pairs_among_them(page_server, page):
    workflow = page_server.create()
    page_server.execute(workflow)
    page.goto(f"{page_server.url}/workflows/{workflow}?tab=timeline")
    live(page)
    expect(page.get_by_role("tab", name="Timeline")).to_be_visible()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Shortcuts")
    expect(help_).to_be_visible()
    pairs = help_.locator("dd").filter(has=page.locator("kbd:nth-child(2)"))
    expect(pairs.filter(has_text=re.compile(r"^\s*gn\s*$"))).to_have_count(1)
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
