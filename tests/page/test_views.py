"""Graph, plan, state and log of a run in a real browser: what each tells, by pointer and by keys, in both themes."""

import re

import pytest
from playwright.sync_api import expect

from stretto.testing import Scripted, ScriptedModel
from tests.page.served import SteppedModel
from tests.server.conftest import agent

TOOLS = ["TodoTool", "CalculatorTool"]
CALLS = (
    ("TodoTool", {"operation": "create", "name": "Read"}),
    ("TodoTool", {"operation": "create", "name": "Write"}),
    *(("CalculatorTool", {"operation": "multiply", "a": 6, "b": number}) for number in range(6)),
    ("CalculatorTool", {"operation": "divide", "a": 6, "b": 0}),
)


def planner() -> ScriptedModel:
    """Asks for nine things at once, two of which have to wait for each other."""
    return ScriptedModel(Scripted(text="I calculate.", calls=CALLS), "It is **42**.", id="scripted:planner")


@pytest.fixture
def server(serve_page):
    models = {"planner": planner(), "helper": ScriptedModel("Done.", forever=True)}
    return serve_page(models=models, agents=[agent("planner", "scripted:planner", tools=TOOLS)])


@pytest.fixture
def ran(server):
    """The address of a workflow that has planned, up to the name of a view."""
    workflow = server.create("Calculation", "planner")
    run = server.ask(workflow, "What is six times seven?")
    server.over(run)
    return f"{server.url}/workflows/{workflow}?run={run}&tab="


@pytest.fixture
def looked_at(axe, shot):
    """Looks for barriers in both themes, and keeps a picture of each where a name is given."""

    def look(page, name=None):
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            assert axe(page) == []
            if name is not None:
                shot(page, f"{name}-{theme}")

    return look


def node(page, name):
    return page.locator(".svelte-flow__node").get_by_role("button", name=re.compile(name)).first


def test_the_graph_tells_what_ran_and_what_was_planned(page, ran, looked_at):
    page.goto(f"{ran}graph")
    expect(node(page, "^planner, agent, Completed")).to_be_visible()
    expect(node(page, "^9 calls, tools, Completed")).to_be_visible()
    looked_at(page, "graph")
    page.get_by_role("button", name="What was planned").click()
    expect(page).to_have_url(re.compile("graph=plan"))
    expect(node(page, "^CalculatorTool, .*× 7")).to_be_visible()
    mark = page.get_by_role("button", name=re.compile("Why TodoTool#2 waits for TodoTool"))
    mark.focus()
    expect(mark.get_by_text("has written it")).to_be_visible()
    looked_at(page)


def test_the_graph_is_walked_by_keys_and_shares_its_selection(page, ran):
    page.goto(f"{ran}graph")
    first = node(page, "^planner, agent")
    first.focus()
    page.keyboard.press("Space")
    expect(page.locator(".svelte-flow__node")).to_have_count(1)
    page.keyboard.press("Space")
    model = node(page, "^model, model")
    expect(model).to_be_visible()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    focused = page.locator(".svelte-flow__node :focus")
    expect(focused).to_have_attribute("data-step", re.compile("planner/"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("span=planner"))
    expect(focused).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name="Logs").click()
    expect(page.get_by_role("checkbox", name="Only the selected step")).to_be_visible()


def test_the_plan_says_why_one_operation_waits_for_another(page, ran, looked_at):
    page.goto(f"{ran}plan")
    expect(page.get_by_role("heading", name="Batch 2")).to_be_visible()
    why = page.get_by_role("button", name="Why TodoTool#2 waits for TodoTool")
    why.focus()
    expect(page.get_by_role("tooltip")).to_contain_text("after TodoTool has written it")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
    page.get_by_role("button", name=re.compile("^TodoTool#2, tool")).focus()
    expect(page.get_by_role("heading", name="Why is TodoTool#2 here?")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name="Why is TodoTool here?")).to_be_visible()
    looked_at(page, "plan")


def test_a_run_without_a_plan_says_so_and_shows_what_ran_together(page, server, axe):
    workflow = server.create("Talk", "helper")
    run = server.ask(workflow)
    server.over(run)
    page.goto(f"{server.url}/workflows/{workflow}?run={run}&tab=plan")
    expect(page.get_by_text("This run made no plan; here is what ran together.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^model, model, Completed"))).to_be_visible()
    assert axe(page) == []
    page.goto(f"{server.url}/workflows/{workflow}?run={run}&tab=graph&graph=plan")
    page.get_by_role("button", name="Show what ran").click()
    expect(node(page, "^helper, agent")).to_be_visible()


def test_the_state_is_browsed_and_searched(page, ran, looked_at):
    page.goto(f"{ran}state")
    expect(page.get_by_role("tab", name="Tools 9")).to_be_visible()
    expect(page.get_by_text("What is six times seven?").first).to_be_visible()
    page.get_by_role("tab", name="Tools 9").click()
    page.get_by_role("searchbox", name="Search the state").fill("divide")
    expect(page.get_by_role("tab", name="Tools 1 of 9")).to_be_visible()
    panel = page.locator("#state-panel")
    panel.get_by_role("button", name=re.compile("CalculatorTool")).click()
    expect(page.get_by_role("region", name="Details: CalculatorTool")).to_contain_text('"divide"')
    looked_at(page, "state")
    page.get_by_role("searchbox", name="Search the state").fill("")
    page.get_by_role("tab", name="Tools 9").focus()
    page.keyboard.press("End")
    panel.get_by_role("button", name=re.compile("^Completed planner")).first.click()
    expect(page.get_by_role("region", name=re.compile("^Output: planner"))).to_contain_text("42")


def test_the_log_is_filtered_and_each_line_has_a_link(page, ran, looked_at):
    page.goto(f"{ran}logs")
    expect(page.get_by_role("row", name=re.compile("The run “planner” began"))).to_be_visible()
    expect(page.get_by_text("model_delta")).to_have_count(0)
    looked_at(page, "logs")
    page.keyboard.press("f")
    page.keyboard.type("plan_made")
    line = page.get_by_role("row", name=re.compile("planned 9 operations"))
    expect(page.get_by_role("row")).to_have_count(2)
    line.click()
    expect(page).to_have_url(re.compile(r"line=\d+"))
    expect(page.get_by_role("region", name="The selected line").first).to_contain_text("critical_path")
    page.goto(page.url.replace("&q=plan_made", ""))
    expect(line).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("row").nth(3)).to_be_visible()
    page.get_by_role("combobox", name="Level").select_option("debug")
    expect(page.get_by_text("model_delta").first).to_be_visible()


def test_views_follow_a_run_that_goes_on(page, serve_page):
    model = SteppedModel(Scripted(text="I calculate.", calls=CALLS[:2]), "Done.", id="scripted:stepped")
    server = serve_page(models={"stepped": model}, agents=[agent("stepped", "scripted:stepped", tools=TOOLS)])
    workflow = server.create("Slowly", "stepped")
    run = server.ask(workflow)
    address = f"{server.url}/workflows/{workflow}?run={run}&tab="
    page.goto(f"{address}graph")
    expect(node(page, "^model, model, Running")).to_be_visible()
    model.let()
    expect(node(page, "^TodoTool#2, tool, Completed")).to_be_visible()
    expect(node(page, "^stepped, agent, Completed")).to_be_visible()
    page.goto(f"{address}logs")
    expect(page.get_by_role("row", name=re.compile("The run ended: Completed"))).to_be_visible()


def test_the_views_speak_french(open_page, ran):
    page = open_page(f"{ran}plan", locale="fr")
    expect(page.get_by_role("heading", name="Lot 2")).to_be_visible()
    expect(page.get_by_text("TodoTool#2 écrit todo après que TodoTool l’a écrit").first).to_be_visible()
    page.get_by_role("tab", name="Journal").click()
    expect(page.get_by_role("row", name=re.compile("L’exécution « planner » a commencé"))).to_be_visible()
