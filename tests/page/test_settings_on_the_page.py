"""The settings, in a real browser: sections with addresses, values with their sources, and what is kept of them."""

import json
import re

import pytest
from playwright.sync_api import expect

SECTIONS = ("providers", "validation", "prompts", "memory", "appearance", "language", "transfer", "server")


@pytest.mark.parametrize("theme", ["dark"])
def test_every_section_has_an_address_and_no_barrier(page, page_server, axe, theme):
    page_server.post("/api/prompts", {"name": "Review", "category": "coding", "content": "Read {{file}}."})
    page_server.post("/api/memories", {"type": "knowledge", "content": "The ledger is theirs.", "tags": ["money"]})
    page.goto(f"{page_server.url}/settings")
    expect(page).to_have_url(re.compile("/settings/providers$"))
    nav = page.get_by_role("navigation", name="Sections of the settings")
    for place, section in enumerate(SECTIONS):
        link = nav.get_by_role("link").nth(place)
        link.click()
        expect(page).to_have_url(re.compile(f"/settings/{section}$"))
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("heading", level=1)).to_have_text(link.inner_text())
        expect(page.locator("main section").first).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        assert axe(page) == [], section
    page.goto(f"{page_server.url}/settings/nowhere")
    expect(page.get_by_role("heading", name="There is no such section")).to_be_visible()


def test_a_value_is_changed_and_brought_back_and_a_wrong_one_is_told(page, page_server):
    page.goto(f"{page_server.url}/settings/server")
    field = page.get_by_role("textbox", name="Keep for")
    field.fill("many")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is not a number.")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("2,5")
    field.press("Enter")
    expect(page.get_by_text("What is older than 2.5 days is deleted")).to_be_visible()
    assert page_server.get("/api/settings")["server"]["keep_days"] == 2.5
    page.reload()
    expect(field).to_have_value("2.5")
    page.get_by_role("button", name="Back to the default: Keep for").click()
    expect(field).to_have_value("")
    assert page_server.get("/api/settings")["server"]["keep_days"] is None


def test_what_the_command_says_is_read_only_and_says_why(page, serve_page):
    server = serve_page(settings={"server": {"keep_days": 7}})
    page.goto(f"{server.url}/settings/server?said=1&q=keep")
    expect(page.get_by_role("textbox", name="Keep for")).to_be_disabled()
    expect(page.get_by_text("An option of the command says this, which counts more.")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="server.keep_days")
    expect(row).to_contain_text("From the command line")
    expect(row).to_contain_text("Read-only")
    expect(page.get_by_role("row")).to_have_count(2)


def test_approvals_keep_what_belongs_together_and_rules_have_an_order(page, page_server):
    page.goto(f"{page_server.url}/settings/validation")
    page.get_by_role("radio", name="Ask again").click()
    expect(page.get_by_role("textbox", name="Time to answer")).to_have_value("120")
    page.get_by_role("switch", name="Files").click()
    expect(page.get_by_role("switch", name="Files")).not_to_be_checked()
    for tool, then in (("read_*", "allow"), ("write_*", "deny")):
        page.get_by_role("button", name="Add a rule").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Tool", exact=True).fill(tool)
        dialog.get_by_label("Then").select_option(then)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Move rule 2 up").click()
    expect(page.get_by_role("listitem", name="Rule 1")).to_contain_text("write_*")
    approvals = page_server.get("/api/settings")["approvals"]
    assert (approvals["on_timeout"], approvals["timeout"], approvals["file_ops"]) == ("escalate", 120, False)
    assert [(rule["tool"], rule["then"]) for rule in approvals["rules"]] == [("write_*", "deny"), ("read_*", "allow")]


def test_providers_are_tried_and_models_get_prices(page, page_server, allowed):
    allowed.append("status of 409")
    page.goto(f"{page_server.url}/settings/providers?q=offline")
    page.get_by_role("button", name="Test offline").click()
    card = page.get_by_role("article", name="offline")
    expect(card.get_by_text(re.compile("Answered in .*: 2 models"))).to_be_visible()
    page.get_by_role("button", name="Add a provider").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("house")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()  # it is none of the known ones, and has no address
    dialog.get_by_label("Address").fill("http://127.0.0.1:9/v1")
    dialog.get_by_label("Protocol").select_option("openai")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("article", name="house")).to_be_visible()
    page.get_by_role("button", name="Describe a model").click()
    dialog.get_by_role("textbox", name="Model").fill("house:large")
    dialog.get_by_label("Input").fill("0,5")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("A price needs both input and output.").first).to_be_visible()
    dialog.get_by_label("Output").fill("2")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    price = page_server.get("/api/models/house:large")["price"]
    assert (price["input"], price["output"]) == (0.5, 2)
    page.get_by_role("searchbox", name="Find a model").fill("house")
    page.get_by_role("button", name="More for house:large").click()
    page.get_by_role("menuitem", name="Make it the default").click()
    expect(page.get_by_role("combobox", name="Default model")).to_have_value("house:large")
    expect(page).to_have_url(re.compile("q=house"))


def test_a_prompt_is_written_in_french_with_its_variables(open_page, page_server, axe):
    page = open_page(f"{page_server.url}/settings/prompts", locale="fr-FR")
    expect(page.get_by_role("heading", level=1)).to_have_text("Prompts")
    page.get_by_role("button", name="Nouveau prompt").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Nom").fill("Rapport")
    dialog.get_by_label("Texte").fill("Un rapport de {{semaine}} pour {{projet}}.")
    dialog.get_by_label("Valeur par défaut de projet").fill("Stretto")
    expect(dialog.get_by_role("region", name="Aperçu")).to_have_text("Un rapport de {{semaine}} pour Stretto.")
    assert axe(page) == []
    dialog.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("button", name="Ouvrir Rapport")).to_be_visible()
    (kept,) = page_server.get("/api/prompts")["items"]
    assert [(each["name"], each["default"]) for each in kept["variables"]] == [("semaine", None), ("projet", "Stretto")]
    page.keyboard.press("/")
    page.keyboard.type("rien de tel")
    expect(page.get_by_text("Aucun prompt ne correspond au filtre.")).to_be_visible()
    expect(page).to_have_url(re.compile("q=rien"))


def test_memories_are_added_found_and_forgotten(page, page_server):
    page.goto(f"{page_server.url}/settings/memory")
    expect(page.get_by_role("heading", name="Nothing is remembered yet")).to_be_visible()
    for content in ("Invoices leave on Friday.", "The harbour closes at ten."):
        page.get_by_role("button", name="Add a memory").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Content").fill(content)
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_role("button", name=f"Open: {content}")).to_be_visible()
    search = page.get_by_role("searchbox")
    search.fill("harbour closes")
    search.press("Enter")
    expect(page.get_by_text("1 found by words")).to_be_visible()
    page.get_by_role("button", name="Delete: The harbour closes at ten.").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("0 found by words")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_role("button", name="Open: Invoices leave on Friday.")).to_be_visible()
    assert page_server.get("/api/memories")["total"] == 1


def test_a_package_goes_out_without_secrets_and_comes_back_under_another_name(page, page_server):
    page_server.post("/api/prompts", {"name": "Review", "content": "Read {{file}}."})
    page.goto(f"{page_server.url}/settings/transfer")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the package").click()
    package = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert [each["name"] for each in package["prompts"]] == ["Review"]
    package["mcp_servers"] = [{"name": "git", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": None}}]
    text = page.get_by_role("textbox", name="Package as JSON")
    text.fill("{")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("alert")).to_have_text("This is not JSON.")
    text.fill(json.dumps(package))
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("Something is missing.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Import"))).to_be_disabled()
    page.get_by_label("What is there already").select_option("rename")
    expect(page.get_by_text("becomes “Review")).to_be_visible()
    page.get_by_label("headers.X-Api-Key of git").fill("a-secret-of-the-house")
    page.get_by_label("headers.X-Api-Key of git").press("Tab")
    page.get_by_role("button", name=re.compile("^Import [0-9]+ thing")).click()
    expect(page.get_by_text("1 renamed")).to_be_visible()
    assert len(page_server.get("/api/prompts")["items"]) == 2


def test_theme_language_and_single_keys_are_chosen_here_and_last(page, page_server):
    page.goto(f"{page_server.url}/settings/appearance")
    page.get_by_role("radio", name=re.compile("^Light")).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("switch", name="Single letters are shortcuts").click()
    page.goto(f"{page_server.url}/settings/language")
    page.get_by_role("radio", name=re.compile("Français")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Langue")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Langue")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.goto(f"{page_server.url}/settings/appearance")
    expect(page.get_by_role("switch")).not_to_be_checked()
