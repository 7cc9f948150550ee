"""The timeline in a real browser: what ran when, by keys and pointer, live, from links, and with 50,000 steps."""

import re
from typing import Any

import anyio
import pytest
from playwright.sync_api import Page, expect

from stretto import ParallelWorkflow, RetryPolicy, SequentialWorkflow, step
from tests.page.served import PageServer

tried: list[int] = []


@step
async def read(value: Any) -> Any:
    """Hands on what it got."""
    return value


@step(retry=RetryPolicy(attempts=2, wait=0.01), idempotent=True)
async def fetch(value: Any) -> Any:
    """Fails at first."""
    tried.append(1)
    if len(tried) % 2:
        raise ConnectionError("the server hung up")
    return value


@step
async def slow(value: Any) -> Any:
    """Takes longest."""
    await anyio.sleep(0.15)
    return {"rows": 1204}


@step
async def broken(value: Any) -> Any:
    """Never works."""
    raise ValueError("no such table: users")


@step
async def forever(value: Any) -> Any:
    """Goes on until it is cancelled."""
    await anyio.sleep_forever()


FLOW = SequentialWorkflow(name="flow", steps=(read, ParallelWorkflow(name="both", steps=(slow, fetch))))
STEPS = {
    "flow": FLOW,
    "broken": SequentialWorkflow(name="broken", steps=(read, broken)),
    "live": SequentialWorkflow(name="live", steps=(read, forever)),
}


@pytest.fixture
def server(serve_page) -> PageServer:
    """A server with the workflows above."""
    return serve_page(steps=STEPS, settings={"server": {"grace": 0}})


def ran(server: PageServer, name: str, *statuses: str) -> str:
    """Runs a workflow, and returns the run's id as soon as it stands in one of the statuses."""
    run_id = server.post("/api/runs", {"workflow": name, "input": {"table": "users"}})["id"]
    with anyio.from_thread.start_blocking_portal() as portal:
        while server.get(f"/api/runs/{run_id}")["status"] not in (statuses or ("completed", "failed")):
            portal.call(anyio.sleep, 0.01)
    return run_id


def opened(page: Page, server: PageServer, run_id: str, **query: str) -> Page:
    asked = "".join(f"&{key}={value}" for key, value in query.items())
    page.goto(f"{server.url}/workflows/{server.create()}?run={run_id}&tab=timeline{asked}")
    expect(page.get_by_role("treegrid")).to_be_visible(timeout=60_000)
    return page


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(rf"^{re.escape(name)}\b"))


@pytest.mark.parametrize("theme", ["dark"])
def test_every_step_of_a_run_stands_on_one_axis_of_time(page, server, axe, shot, theme):
    opened(page, server, ran(server, "flow"))
    expect(row(page, "slow")).to_have_attribute("aria-label", re.compile("completed.*of the run.*critical path"))
    expect(row(page, "fetch").locator(".bar")).to_have_count(2)
    expect(row(page, "both")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("b")
    expect(page.get_by_role("complementary", name="Bottlenecks").get_by_role("button").first).to_contain_text("slow")
    row(page, "slow").click()
    expect(page.get_by_role("region", name="Output")).to_contain_text("1204")
    assert axe(page) == []
    shot(page, f"timeline-{theme}")


def test_the_keys_move_open_and_close_rows(page, server):
    opened(page, server, ran(server, "flow"))
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("[role=row]:focus")).to_have_count(1)
    page.keyboard.press("End")
    page.keyboard.press("Home")
    top = page.locator("[role=row][aria-rowindex='1']")
    expect(top).to_be_focused()
    page.keyboard.press("h")
    expect(top).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("row")).to_have_count(1)
    page.keyboard.press("l")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name=re.compile("^Step"))).to_be_visible()
    expect(page).to_have_url(re.compile("span="))
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("span="))


def test_zooming_is_told_by_the_address_and_goes_back(page, server):
    run_id = ran(server, "flow")
    opened(page, server, run_id)
    bar = row(page, "slow").locator(".bar")
    before = bar.bounding_box()["width"]
    row(page, "read").dblclick()
    expect(page).to_have_url(re.compile(r"t=[\d.]+-[\d.]+"))
    zoomed = page.url
    page.keyboard.press("Backspace")
    expect(page).not_to_have_url(re.compile(r"[?&]t="))
    assert bar.bounding_box()["width"] == pytest.approx(before, abs=1)
    page.goto(zoomed)
    expect(row(page, "slow")).to_be_visible()
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile(r"[?&]t="))


def test_a_stretch_of_the_axis_is_summed(page, server):
    opened(page, server, ran(server, "flow"))
    box = page.locator(".axis").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 8, steps=4)
    page.mouse.up()
    sums = page.get_by_role("status", name="Selected stretch")
    expect(sums).to_contain_text("Operations 3")
    sums.get_by_role("button", name="Zoom to it").click()
    expect(page).to_have_url(re.compile(r"[?&]t="))
    page.keyboard.press("Escape")
    expect(sums).to_have_count(0)


def test_a_step_of_a_run_leads_to_its_lines_in_the_log(page, server):
    page.goto(f"{server.url}/runs/{ran(server, 'flow')}?tab=timeline")
    row(page, "slow").click()
    page.get_by_role("link", name="Show in the logs").click()
    expect(page).to_have_url(re.compile("tab=logs"))
    lines = page.get_by_role("grid").locator("[role=row][aria-rowindex]:not([aria-rowindex='1'])")
    expect(lines.first).to_be_visible()
    expect(lines.filter(has_text="slow")).to_have_count(lines.count())
    page.go_back()
    expect(page.get_by_role("region", name="Step slow")).to_be_visible()


def test_errors_are_one_key_away_and_filters_dim_or_hide(page, server):
    opened(page, server, ran(server, "broken"))
    page.keyboard.press("e")
    details = page.get_by_role("region", name="Step broken")
    expect(details).to_contain_text("no such table: users")
    page.keyboard.press("f")
    page.keyboard.type("read")
    expect(page.get_by_text(re.compile(r"^1 of \d"))).to_be_visible()
    expect(row(page, "broken").first).to_have_class(re.compile("dimmed"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("span=.*read"))
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Hide the rest").check()
    expect(page.get_by_role("row")).to_have_count(2)


def test_a_live_run_grows_until_it_ends(page, server):
    run_id = ran(server, "live", "running")
    opened(page, server, run_id)
    going = row(page, "forever")
    expect(going).to_have_attribute("aria-label", re.compile("running"))
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    server.post(f"/api/runs/{run_id}/cancel")
    expect(going).to_have_attribute("aria-label", re.compile("cancelled"))
    expect(page.get_by_role("button", name="Follow")).to_have_count(0)


MANY = """() => {
  const real = window.fetch;
  window.fetch = async (...asked) => {
    const answer = await real(...asked);
    if (!answer.url.endsWith('/timeline')) return answer;
    const found = await answer.json();
    const like = found.spans.at(-1);
    const made = (path, start_ms, end_ms) => {
      const at = path.lastIndexOf('/');
      return {...like, path, parent: path.slice(0, Math.max(at, 0)), name: path.slice(at + 1), start_ms, end_ms};
    };
    const spans = [made('r', 0, 500000)];
    while (spans.length < 50000) {
      const begun = spans.length * 10;
      spans.push(made(`r/g${begun}`, begun, begun + 400));
      for (let at = 0; at < 40; at++) spans.push(made(`r/g${begun}/${at}`, begun + at, begun + 9 * at));
    }
    return new Response(JSON.stringify({...found, spans, total: spans.length, now: 500000}));
  };
}"""
FRAME = """async (does) => {
  const painted = () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel(); channel.port1.onmessage = done; channel.port2.postMessage(0);
  }));
  const times = [];
  for (let at = 0; at < 40; at++) {
    await painted();
    const begun = performance.now();
    dispatchEvent(new KeyboardEvent('keydown', {key: at % 20 < 14 ? '+' : '-'}));
    await painted();
    times.push(performance.now() - begun);
  }
  return times.sort((one, other) => one - other);
}"""


def test_fifty_thousand_steps_are_few_elements_and_zoom_smoothly(page, server):
    run_id = ran(server, "flow")
    page.add_init_script(f"({MANY})()")
    opened(page, server, run_id)
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", re.compile("^500"))
    assert page.locator("[role=row]").count() < 90
    times = page.evaluate(FRAME)
    print(f"zoom steps of 50,000: p50 {times[20]:.1f} ms, p95 {times[37]:.1f} ms")
    assert times[20] < 330, "ten times what it should take, for a machine that does other things"
    page.keyboard.press("End")
    page.locator("[role=row]").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("End")
    expect(page.locator("[role=row]:focus")).to_have_attribute("aria-rowindex", re.compile("^500"))
