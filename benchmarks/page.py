"""What the page costs in Chromium: its load, long lists, a Gantt of 50,000 steps, streams, tabs and memory."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import hatch_build
from benchmarks.measure import Figure, Size, seconds, times
from benchmarks.page_server import LONG, WIDE

ROOT = Path(__file__).resolve().parent.parent
LOAD, PAINT, SHOWN, FRAME = 180_000, 0.5, 0.05, 0.05
GANTT, ZOOM, WORK, GLYPH, FLAT = 0.1, 0.033, 0.016, 0.1, 0.1
TABS = 20
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,PaintHolding",  # pages of the browser's own
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
]
_FRAMES = """() => {
  const found = (window.found = {frames: [], work: [], last: performance.now(), on: true});
  const port = new MessageChannel();
  let began = 0;
  port.port1.onmessage = () => found.work.push(performance.now() - began);
  const each = () => {
    began = performance.now();
    found.frames.push(began - found.last);
    found.last = began;
    port.port2.postMessage(0);
    if (found.on) requestAnimationFrame(each);
  };
  requestAnimationFrame(each);
}"""
_STEP = """async act => {
  const frame = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  await frame();
  const began = performance.now();
  const place = {bubbles: true, cancelable: true, clientX: 800, clientY: 400};
  document.querySelector(act.selector).dispatchEvent(
    act.wheel ? new WheelEvent('wheel', {...place, deltaY: act.wheel, ctrlKey: true}) : new MouseEvent('click', place));
  await frame();
  if (act.wanted) while (!document.querySelector(act.wanted)) await frame();
  return (performance.now() - began) / 1000;
}"""
_MOMENTS = """() => {
  const seen = new Set();
  window.late = [];
  new MutationObserver(() => {
    for (const found of document.querySelector('main').textContent.matchAll(/\\b1[0-9]{12}\\b/g))
      if (!seen.has(found[0])) {
        seen.add(found[0]);
        requestAnimationFrame(() => setTimeout(() => window.late.push(Date.now() - Number(found[0]))));
      }
  }).observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true});
}"""


@contextlib.contextmanager
def served(rows: int, steps: int) -> Iterator[str]:
    """Runs the server with so many rows and steps; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.page_server", folder, str(rows), str(steps)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield f"http://127.0.0.1:{int(process.stdout.readline())}"
            finally:
                process.kill()


def asked(url: str, body: Any = None, method: str | None = None) -> Any:
    """Asks the server, and returns its answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read() or b"null")


def squeezed() -> int:
    """Returns what the first load takes of JavaScript, compressed (bytes): the entry and all that it imports."""
    page = ROOT / hatch_build.PAGE
    left = re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', (page / "index.html").read_text(encoding="utf-8"))
    found: set[str] = set()
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            text = (page / name).read_text(encoding="utf-8")
            left += [f"assets/{each}" for each in re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', text)]
    return sum(len(gzip.compress((page / name).read_bytes(), 9)) for name in found)


def begin(url: str, workflow: str, what: str, count: int, rate: float) -> None:
    """Has a workflow tell something."""
    asked(f"{url}/api/bench/begin?workflow={workflow}&what={what}&count={count}&rate={rate}", {})


def created(url: str, name: str) -> str:
    """Creates a workflow, and returns its id."""
    found: str = asked(f"{url}/api/workflows", {"name": name, "agent_id": "talker"})["id"]
    return found


def ninety_nine(values: list[float], share: float = 0.99) -> float:
    """Returns a percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def over(page: Page, url: str, workflow: str) -> None:
    """Waits until no execution of a workflow runs."""
    for _ in range(2400):
        if asked(f"{url}/api/workflows/{workflow}")["status"] not in ("running", "idle"):
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)


def _loading(browser: Browser, url: str, rounds: int) -> list[Figure]:
    painted: dict[str, list[float]] = {"docs": [], "": []}
    for _ in range(rounds):
        for path, found in painted.items():
            with contextlib.closing(browser.new_context(bypass_csp=True)) as context:
                page = context.new_page()
                page.goto(f"{url}/{path}")
                page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
                said = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                found.append(page.evaluate(said) / 1000)
    ours, bare, size = min(painted[""]), min(painted["docs"]), squeezed()
    return [
        Figure("the page's first load, JavaScript, compressed", f"{LOAD // 1000} kB", f"{size / 1000:.0f} kB",
               times(size / LOAD), f"≤ {LOAD // 1000} kB", size <= LOAD),
        Figure("first paint of the page on loopback", f"{seconds(bare)} a page without JavaScript", seconds(ours),
               times(ours / bare), f"≤ {seconds(PAINT)}", ours <= PAINT),
    ]  # fmt: skip


def _lists(context: BrowserContext, url: str, rows: int, rounds: int) -> list[Figure]:
    page = context.new_page()
    page.goto(f"{url}/workflows/{LONG}")
    chips = "[data-filter='{}']"
    page.wait_for_selector(chips.format("tools"))
    page.wait_for_function(f'document.querySelector("{chips.format("all")}").textContent.match(/10k|{rows}/)')
    shown = []
    for _ in range(rounds):
        page.evaluate(_STEP, {"selector": chips.format("tools")})
        shown.append(page.evaluate(_STEP, {"selector": chips.format("all")}))
    best = min(shown)
    workflow = created(url, "streamed")
    page.goto(f"{url}/workflows/{workflow}")
    page.wait_for_selector("textarea")
    page.evaluate(_FRAMES)
    begin(url, workflow, "tools", rows, 7000)
    over(page, url, workflow)
    frames = page.evaluate("found.frames")
    worst = max(frames[5:]) / 1000
    page.close()
    return [
        Figure(f"{rows:,} activities, from the click to the painted list", "one frame, 16.7 ms", seconds(best),
               times(best / 0.0167), f"≤ {seconds(SHOWN)}", best <= SHOWN),
        Figure(f"{rows:,} activities, as they come: the longest frame", "one frame, 16.7 ms", seconds(worst),
               times(worst / 0.0167), f"≤ {seconds(FRAME)}", worst <= FRAME,
               [f"{len(frames)} frames, middle {statistics.median(frames):.1f} ms, p99 {ninety_nine(frames):.1f} ms"]),
    ]  # fmt: skip


def _gantt(context: BrowserContext, url: str, steps: int, rounds: int) -> list[Figure]:
    page = context.new_page()
    page.goto(f"{url}/runs/{WIDE}?tab=timeline")
    page.wait_for_selector("[role=treegrid] [role=row][aria-level]")
    tabs = "[role=tab][id$='{}']"
    first = []
    for _ in range(rounds):
        page.evaluate(_STEP, {"selector": tabs.format("-logs")})
        page.wait_for_timeout(300)
        wanted = "[role=treegrid] [role=row][aria-level]"
        first.append(page.evaluate(_STEP, {"selector": tabs.format("-timeline"), "wanted": wanted}))
    row = "[role=treegrid] [role=row][aria-level]"
    wheels = [-120 if number % 40 < 20 else 120 for number in range(24 * rounds)]
    zooms = [page.evaluate(_STEP, {"selector": row, "wheel": wheel}) for wheel in wheels]
    page.close()
    ours, zoom = min(first), ninety_nine(zooms, 0.95)
    return [
        Figure(f"Gantt of {steps:,} steps: the first frame", "one frame, 16.7 ms", seconds(ours),
               times(ours / 0.0167), f"≤ {seconds(GANTT)}", ours <= GANTT),
        Figure("the same: a step of zoom, p95", "one frame, 16.7 ms", seconds(zoom), times(zoom / 0.0167),
               f"≤ {seconds(ZOOM)}", zoom <= ZOOM),
    ]  # fmt: skip


def _streams(context: BrowserContext, url: str, small: bool) -> list[Figure]:
    page = context.new_page()
    workflow = created(url, "answer")
    page.goto(f"{url}/workflows/{workflow}")
    page.wait_for_selector("textarea")
    page.evaluate(_FRAMES)
    length = 2_000 if small else 20_000
    begin(url, workflow, "answer", length, 100)
    over(page, url, workflow)
    work = page.evaluate("found.work")
    busy = ninety_nine(work) / 1000
    workflow = created(url, "moments")
    page.goto(f"{url}/workflows/{workflow}")
    page.wait_for_selector("textarea")
    page.evaluate(_MOMENTS)
    begin(url, workflow, "moments", 20 if small else 200, 20)
    over(page, url, workflow)
    late = [value / 1000 for value in page.evaluate("late")]
    page.close()
    ours = ninety_nine(late, 0.95)
    return [
        Figure(f"an answer of {length:,} characters as it comes: work in a frame, p99", "one frame, 16.7 ms",
               seconds(busy), times(busy / 0.0167), f"≤ {seconds(WORK)}", busy <= WORK,
               [f"{len(work)} frames, the longest {max(work):.1f} ms"]),
        Figure("from the model's word to the screen, p95", f"{seconds(statistics.median(late))} median", seconds(ours),
               times(ours / GLYPH), f"≤ {seconds(GLYPH)}", ours <= GLYPH, [f"{len(late)} words"]),
    ]  # fmt: skip


def _tabs(context: BrowserContext, url: str, count: int) -> list[Figure]:
    workflow = created(url, "tabs")
    pages = []
    for _ in range(count):
        page = context.new_page()
        page.goto(f"{url}/workflows/{workflow}")
        page.wait_for_selector("textarea")
        pages.append(page)
    streams = int(asked(f"{url}/api/bench/clients")["clients"])
    begin(url, workflow, "words", 40, 40)
    heard = 0
    for page in pages:
        page.wait_for_function("document.querySelector('main').textContent.includes('word 39')")
        heard += 1
    for page in pages:
        page.close()
    return [
        Figure(f"streams that a server keeps for {count} tabs of one browser", f"{count} tabs", f"{streams}",
               times(streams / count), "1, and every tab is told", streams == 1 and heard == count),
    ]  # fmt: skip


def _memory(context: BrowserContext, url: str, small: bool) -> list[Figure]:
    page = context.new_page()
    watched, count = created(url, "watched"), 200 if small else 20_000
    page.goto(f"{url}/workflows/{watched}")
    page.wait_for_selector("textarea")
    heap: list[float] = []
    session = context.new_cdp_session(page)
    for number in range(5):  # one that is looked at, and then others
        workflow = watched if number == 0 else created(url, f"flood {number}")
        begin(url, workflow, "words", count, 5_000)
        over(page, url, workflow)
        session.send("HeapProfiler.collectGarbage")
        heap.append(session.send("Runtime.getHeapUsage")["usedSize"])
    page.close()
    change = heap[-1] / heap[0] - 1
    return [
        Figure(f"memory of the page over {5 * count:,} events", f"{heap[0] / 1e6:.1f} MB after {count:,}",
               f"{heap[-1] / 1e6:.1f} MB", times(heap[-1] / heap[0]), "± 10 %", abs(change) <= FLAT,
               [", ".join(f"{each / 1e6:.1f} MB" for each in heap)]),
    ]  # fmt: skip


def page(size: Size) -> list[Figure]:
    """Measures the page; Chromium and Node.js have to be there."""
    small = size.name == "tiny"
    rows, steps = (200, 500) if small else (10_000, 50_000)
    names = ("chromium", "chromium-browser", "google-chrome")
    place = next(filter(None, map(shutil.which, names)), None)
    if place is None or hatch_build.build() == "absent":
        raise FileNotFoundError("Chromium and Node.js are needed to measure the page")
    with served(rows, steps) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=ARGUMENTS)
        figures = _loading(browser, url, min(size.rounds, 5))
        parts: tuple[Callable[[BrowserContext], list[Figure]], ...] = (
            partial(_lists, url=url, rows=rows, rounds=size.rounds),
            partial(_gantt, url=url, steps=steps, rounds=size.rounds),
            partial(_streams, url=url, small=small), partial(_tabs, url=url, count=3 if small else TABS),
            partial(_memory, url=url, small=small),
        )  # fmt: skip
        for measure in parts:
            with contextlib.closing(
                browser.new_context(bypass_csp=True, viewport={"width": 1440, "height": 900})
            ) as context:
                figures += measure(context)
        browser.close()
    return figures
