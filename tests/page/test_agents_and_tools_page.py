"""Agents and tools in a real browser: described, refused, copied and deleted; servers tried, started and stopped."""

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from stretto.agents.config import AgentConfig

BY_HAND = Path(__file__).parents[1] / "tools" / "mcp_servers_for_tests.py"
TOKEN = "a-token-of-the-page-0123456789"


def field(page, name):
    return page.get_by_role("textbox", name=name, exact=True)


def test_an_agent_is_described_changed_copied_and_deleted(page, page_server):
    page.goto(f"{page_server.url}/agents?new=1")
    page.get_by_role("button", name="New agent").last.click()
    name = field(page, "Name")
    expect(page.get_by_text("This is needed.")).to_be_visible()
    expect(name).to_be_focused()
    name.fill("Critic")
    field(page, "Id").fill("critic")
    field(page, "Description").fill("Finds what is weak.")
    field(page, "Temperature").fill("3")
    expect(page.get_by_text("From 0 to 2.")).to_be_visible()
    field(page, "Temperature").fill("0,5")
    page.get_by_role("combobox", name="Model").fill("offline:reader")
    page.get_by_role("checkbox", name="CalculatorTool").check()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("“Critic” can be used from now on")).to_be_visible()
    expect(page).to_have_url(re.compile("/agents/critic$"))
    told = page_server.get("/api/agents/critic")
    assert (told["llm"]["model"], told["llm"]["temperature"], told["tools"]) == (
        "offline:reader",
        0.5,
        ["CalculatorTool"],
    )
    expect(page.get_by_text("Everything is saved")).to_be_visible()
    field(page, "Name").fill("Harsh critic")
    expect(page.get_by_text("Unsaved changes")).to_be_visible()
    page.get_by_role("link", name=re.compile("^helper")).click()
    expect(page.get_by_role("heading", level=2, name="helper")).to_be_visible()
    page.go_back()
    expect(field(page, "Name")).to_have_value("Harsh critic")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=2, name="Harsh critic")).to_be_visible()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("heading", level=2, name="Harsh critic 2")).to_be_visible()
    page.get_by_role("button", name="More about Harsh critic 2").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“Harsh critic 2” was deleted")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Harsh critic 2"))).to_have_count(0)


def test_what_the_server_refuses_stands_at_its_field_and_nothing_typed_is_lost(page, page_server, allowed):
    allowed.append("status of 409")
    page.goto(f"{page_server.url}/agents?new=1")
    field(page, "Name").fill("helper")
    page.get_by_role("button", name="New agent").last.click()
    expect(field(page, "Name")).to_be_focused()
    expect(field(page, "Name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("helper")
    expect(field(page, "Name")).to_have_value("helper")


def test_an_agent_of_the_settings_is_read_only_and_says_why(page, serve_page):
    server = serve_page(agents=[AgentConfig(id="fixed", name="Fixed")])
    page.goto(f"{server.url}/agents/fixed")
    expect(page.get_by_text("This agent is described in the settings")).to_be_visible()
    expect(field(page, "Name")).to_be_disabled()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    page.get_by_role("button", name="More about Fixed").click()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_disabled()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start a workflow").click()
    expect(page.get_by_role("radio", name=re.compile("^Fixed"))).to_be_checked()
    page.get_by_role("dialog").get_by_role("button").last.click()
    expect(page).to_have_url(re.compile(r"/workflows/[0-9a-f-]{36}$"))


def test_a_tool_says_what_it_does_and_leads_to_who_uses_it(page, page_server):
    page_server.post("/api/agents", {"id": "counter", "name": "Counter", "tools": ["CalculatorTool"]})
    page.goto(f"{page_server.url}/tools")
    page.get_by_role("searchbox", name="Find a tool").fill("calculator")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="CalculatorTool"))
    card.get_by_role("link", name="Counter").click()
    expect(page.get_by_role("heading", level=2, name="Counter")).to_be_visible()
    expect(page.get_by_role("checkbox", name="CalculatorTool")).to_be_checked()


def test_a_program_is_tried_added_steered_changed_and_removed(page, serve_page, allowed):
    allowed.append("status of 401")
    server = serve_page(settings={"server": {"token": TOKEN}})
    server.client.headers["authorization"] = f"Bearer {TOKEN}"
    page.goto(f"{server.url}/tools?tab=servers")
    field(page, "Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No MCP servers yet")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Add a server").last.click()
    dialog = page.get_by_role("dialog")
    field(dialog, "Name").fill("hand")
    dialog.get_by_role("textbox", name="Command").fill(sys.executable)
    dialog.get_by_role("textbox", name="Arguments").fill(f"{BY_HAND}\nServer")
    dialog.get_by_role("button", name="Try it").click()
    expect(dialog.get_by_text(re.compile(r"Works: \d+ tools, told in"))).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/tools/hand$"))
    view = page.get_by_role("region", name="hand")
    view.get_by_role("button", name="Start", exact=True).click()
    expect(view.get_by_text("Ready", exact=True)).to_be_visible()
    view.get_by_role("button", name="Test", exact=True).click()
    expect(view.get_by_text(re.compile(r"Works: \d+ tools, told in"))).to_be_visible()
    expect(view.get_by_text("echo", exact=True)).to_be_visible()
    view.get_by_role("button", name="Stop").click()
    expect(view.get_by_text("Stopped", exact=True)).to_be_visible()
    view.get_by_text("Log", exact=True).click()
    expect(page).to_have_url(re.compile("log=1"))
    view.get_by_role("button", name="Edit").click()
    dialog.get_by_role("textbox", name="What it is for").fill("By hand")
    dialog.get_by_role("button", name="Save").click()
    expect(view.get_by_text("By hand")).to_be_visible()
    assert server.get("/api/mcp_servers/hand")["args"] == [str(BY_HAND), "Server"]
    view.get_by_role("button", name="More about hand").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No MCP servers yet")).to_be_visible()


def test_without_a_token_the_refusal_of_a_program_is_a_sentence(page, page_server, allowed):
    allowed.append("status of 403")
    page.goto(f"{page_server.url}/tools?tab=servers")
    page.get_by_role("button", name="Add a server").first.click()
    page.get_by_role("menuitem", name=re.compile("^Filesystem")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("note")).to_contain_text("no token")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("token")
    expect(dialog.get_by_role("textbox", name="Arguments")).to_have_value(re.compile("server-filesystem"))


@pytest.mark.parametrize("theme", ["dark"])
def test_agents_and_tools_have_no_barriers(page, page_server, axe, shot, theme):
    page_server.post("/api/mcp_servers", {"name": "far", "type": "http", "url": "http://127.0.0.1:9/mcp"})
    page.goto(f"{page_server.url}/agents/surveyor")
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    expect(page.get_by_role("checkbox", name="CalculatorTool")).to_be_visible()
    shot(page, f"agents-{theme}")
    assert axe(page) == []
    page.goto(f"{page_server.url}/tools")
    expect(page.get_by_role("heading", name="CalculatorTool")).to_be_visible()
    shot(page, f"tools-{theme}")
    assert axe(page) == []
    page.goto(f"{page_server.url}/tools/far?log=1")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("Did not work")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert axe(page) == []


def test_agents_and_tools_speak_french_and_fit_a_narrow_window(open_page, page_server):
    page = open_page(f"{page_server.url}/agents", locale="fr", viewport={"width": 600, "height": 900})
    page.get_by_role("link", name=re.compile("^helper")).click()
    expect(page.get_by_role("button", name="Démarrer un workflow")).to_be_visible()
    page.get_by_role("link", name="Tous les agents").click()
    expect(page.get_by_role("searchbox", name="Chercher un agent")).to_be_visible()
    page.goto(f"{page_server.url}/tools?tab=servers")
    expect(page.get_by_role("heading", name="Pas encore de serveurs MCP")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
