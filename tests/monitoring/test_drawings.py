"""SVG, HTML, trace, graphs and notebooks: well formed, complete, and safe against hostile names."""

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings

from stretto.core.errors import DefinitionError
from stretto.core.events import Event, RunStarted, StepCompleted, StepFailed, StepStarted
from stretto.monitoring.gantt import lay_out
from stretto.monitoring.graph import draw_dot, draw_mermaid
from stretto.monitoring.html import draw_html, embedded
from stretto.monitoring.notebook import run_html
from stretto.monitoring.palette import DARK, LIGHT, LOOKS
from stretto.monitoring.svg import draw_svg
from stretto.monitoring.trace import QUEUE, RUN, draw_trace, trace_of
from tests.monitoring.logs import ERROR, HOSTILE, eventful, items, renamed, runs, simple

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Reads a page, holds its tags to nest, and keeps texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(next(text for text in self.texts["script"] if text.startswith("{")))


def hostile_log(name: str) -> list[Event]:
    step = name.replace("/", "∕")
    return [
        RunStarted("", 0.0, name, name, 0.0),
        StepStarted(step, 0.0, None, 0.0, name),
        StepStarted(f"{step}/{step}[1]", 0.0, None, 0.0, name),
        StepFailed(f"{step}/{step}[1]", 1.0, type(ERROR)(name, name)),
        StepCompleted(step, 2.0),
    ]


def svg_of(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def test_an_svg_names_every_row_and_says_what_it_is():
    root = svg_of(draw_svg(eventful(), width=1000))
    words = " ".join(element.text or "" for element in root.iter())
    for row in lay_out(eventful()).rows:
        assert row.label in words
    assert root.get("role") == "img"
    labelled = (root.get("aria-labelledby") or "").split()
    named = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert named[labelled[0]] == "Refactor <billing>: running"
    assert "speed-up" in (named[labelled[1]] or "")


def test_an_svg_asks_nothing_of_the_world():
    for drawn in (draw_svg(eventful()), draw_html(eventful()), run_html(eventful())):
        without_namespace = drawn.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|src=|href=\"(?!#)", without_namespace)
        assert not re.search(r"url\((?!#)", without_namespace)


def test_an_svg_follows_the_scheme_or_is_held_to_one():
    auto = draw_svg(simple())
    assert "prefers-color-scheme:dark" in auto
    assert LIGHT["bg-0"] in auto
    assert DARK["bg-0"] in auto
    assert DARK["completed"] not in draw_svg(simple(), scheme="light")
    assert LIGHT["completed"] not in draw_svg(simple(), scheme="dark")
    with pytest.raises(DefinitionError, match="none of auto, light, dark"):
        draw_svg(simple(), scheme="sepia")


def test_an_svg_has_a_width_and_refuses_too_small_a_one():
    assert svg_of(draw_svg(simple(), width=480)).get("width") == "480"
    with pytest.raises(DefinitionError, match="at least 320"):
        draw_svg(simple(), width=100)


def test_statuses_differ_by_pattern_and_the_critical_path_has_an_outline():
    root = svg_of(draw_svg(eventful()))
    fills = {(element.get("fill") or "").strip("url(#)")[9:] for element in root.iter() if tag(element) == "rect"}
    assert {"running", "failed", "timed_out", "cancelled", "abandoned"} <= fills
    assert sum(element.get("class") == "crit" for element in root.iter()) == 4  # three operations and the legend
    assert sum(element.get("class") == "queue" for element in root.iter()) == 4


def test_dense_rows_are_areas_with_marks_where_something_failed():
    root = svg_of(draw_svg(items(2000), max_rows=12))
    faults = next(element.get("d") or "" for element in root.iter() if element.get("class") == "fault")
    assert faults.count("M") == 10
    assert "fault" not in {element.get("class") for element in svg_of(draw_svg(renamed(simple(), "x", "y"))).iter()}


def test_bars_and_texts_stay_inside_of_an_svg():
    for width in (320, 480, 960, 1600):
        for log in (simple(), eventful(), items(300)):
            for element in svg_of(draw_svg(log, width=width)).iter():
                if tag(element) == "rect" and element.get("x"):
                    assert 0 <= float(element.get("x") or 0) <= width
                    assert float(element.get("x") or 0) + float(element.get("width") or 0) <= width
                if element.get("class") == "num said":
                    x, size = float(element.get("x") or 0), len(element.text or "") * 6.7
                    left = x - size if element.get("text-anchor") == "end" else x
                    assert left >= -1
                    assert left + size <= width + 1


@settings(max_examples=40)
@given(runs(most=25))
def test_every_run_becomes_xml_that_parses(log: list[Event]):
    root = svg_of(draw_svg(log, width=400, max_rows=10))
    rows = lay_out(log, max_rows=10).visible()
    assert sum(element.get("class") == "hit" for element in root.iter()) == len(rows)


@settings(max_examples=30)
@given(runs(most=25))
def test_every_run_becomes_a_page_that_holds_every_span(log: list[Event]):
    data = Page(draw_html(log, max_rows=10)).data
    gantt = lay_out(log, max_rows=10, hidden=True)
    assert data["spans"] == sum(row.own for row in gantt.rows)
    assert [row[0] for row in data["rows"]] == [row.path for row in gantt.rows]
    assert [row[6] for row in data["rows"]] == [
        None if row.start is None else round(row.start, 7) for row in gantt.rows
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_everywhere(name: str):
    log = hostile_log(name)
    text = draw_html(log)
    page = Page(text)
    assert sum(kind == "script" for kind, _ in page.tags) == 2
    assert page.data["rows"][0][0] == log[1].path
    assert page.data["rows"][1][13]["error"] == f"{name}: {name}"
    for drawn in (text, draw_svg(log), run_html(log), draw_mermaid(log)):
        assert "<script>alert" not in drawn
    assert not {"script", "foreignObject"} & {tag(element) for element in svg_of(draw_svg(log)).iter()}
    for drawn in (text, draw_svg(log), run_html(log), draw_mermaid(log), draw_dot(log), draw_trace(log)):
        drawn.encode("utf-8")
    assert json.loads(draw_trace(log))["otherData"]["name"] == name


def test_embedded_json_cannot_leave_its_script():
    plain = {"texts": list(HOSTILE)}
    text = embedded(plain)
    assert json.loads(text) == plain
    assert text.isascii()
    assert not set("<>&") & set(text)


def test_a_page_forbids_the_network_and_allows_its_own_scripts_only():
    page = Page(draw_html(eventful()))
    policy = next(attributes["content"] for kind, attributes in page.tags if attributes.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for kind, rule in (("script", "script-src"), ("style", "style-src")):
        code = next(text for text in page.texts[kind] if not text.startswith("{"))
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
    assert not [
        attributes
        for _, attributes in page.tags
        if any(name.startswith("on") or name == "style" for name in attributes)
    ]


def test_a_page_tells_the_figures_without_scripts():
    words = " ".join(Page(draw_html(simple())).texts["dd"])
    assert "1.68×" in words
    assert "gather/query (82 %)" in words


def test_a_page_holds_what_is_known_of_a_step():
    rows = {row[0]: row for row in Page(draw_html(eventful())).data["rows"]}
    known = rows["lead/review/api/get_items"][13]
    assert known == {"attempts": 3, "error": "HTTPStatusError: 503 Service Unavailable"}
    assert rows["lead/review/api/get_items"][11] == [
        [0.23, 0.42, "failed"],
        [0.52, 0.6, "failed"],
        [0.8, 1.0, "failed"],
    ]
    assert rows["lead/review/market"][13]["progress"] == "3 of 10"
    assert rows["lead/review/docs"][13]["source"] == "cache"
    assert rows["lead/validate"][13]["question"] == "Apply to 14 files?"
    assert "1,204 rows so far" in rows["lead/review/db/query_users"][13]["messages"]


def test_a_page_starts_with_few_rows_and_has_all():
    data = Page(draw_html(items(500), max_rows=10)).data
    assert len(data["rows"]) == 505
    dense = next(row for row in data["rows"] if row[1] == "file × 500")
    assert dense[10] & 8
    assert dense[13]["tally"] == "3 failed, 497 completed"


def test_a_page_links_to_nothing_outside():
    for _, attributes in Page(draw_html(simple())).tags:
        assert not {"src", "action", "formaction", "srcset"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")


def slices(trace: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for record in trace["traceEvents"] if record["ph"] == "X"]


def check_trace(log: list[Event]) -> dict[str, Any]:
    """Holds a trace to the format: kinds, required fields, nesting in every lane, flows with both ends."""
    trace = json.loads(draw_trace(log))
    for record in trace["traceEvents"]:
        assert record["ph"] in "XisfCM"
        assert isinstance(record["name"], str)
        assert record["pid"] in (RUN, QUEUE)
        assert record["ts"] >= 0
    lanes: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for record in slices(trace):
        assert record["dur"] >= 0
        lanes.setdefault((record["pid"], record["tid"]), []).append(record)
    for held in lanes.values():
        ends: list[float] = []
        for record in sorted(held, key=lambda record: (record["ts"], -record["dur"])):
            while ends and ends[-1] <= record["ts"] + 1e-3:
                ends.pop()
            assert not ends or record["ts"] + record["dur"] <= ends[-1] + 1e-3
            ends.append(record["ts"] + record["dur"])
    begun = {record["id"] for record in trace["traceEvents"] if record["ph"] == "s"}
    assert begun == {record["id"] for record in trace["traceEvents"] if record["ph"] == "f"}
    named = {(record["pid"], record["tid"]) for record in trace["traceEvents"] if record["name"] == "thread_name"}
    assert set(lanes) == named
    return trace


def test_a_trace_puts_overlapping_siblings_on_lanes_of_their_own():
    trace = check_trace(simple())
    lanes = {record["name"]: record["tid"] for record in slices(trace)}
    assert len({lanes[name] for name in ("query", "api_1", "api_2", "serena")}) == 4
    assert lanes["gather"] == lanes["aggregate"]
    assert trace["otherData"] == {"run_id": "r1", "name": "Gather", "started_at": 1_790_000_000.0}
    assert next(record for record in slices(trace) if record["name"] == "query")["dur"] == 1_800_000.0


def test_a_trace_tells_retries_queues_and_how_many_ran():
    records = check_trace(eventful())["traceEvents"]
    assert [record["ts"] for record in records if record["ph"] == "i"] == [420_000.0, 600_000.0]
    flows = [record for record in records if record["ph"] == "f"]
    assert len(flows) == 3
    assert all(record["bp"] == "e" and record["pid"] == RUN for record in flows)
    assert [record["args"] for record in records if record["ph"] == "M" and record["name"] == "process_name"] == [
        {"name": "Refactor <billing>"}, {"name": "waiting for room"}
    ]  # fmt: skip
    assert max(record["args"]["running"] for record in records if record["ph"] == "C") == 4
    docs = next(
        record for record in slices({"traceEvents": records}) if record["name"] == "docs" and record["pid"] == RUN
    )
    assert docs["args"] == {"path": "lead/review/docs", "status": "completed", "queued_ms": 420.0, "source": "cache"}
    failed = next(record for record in slices({"traceEvents": records}) if record["name"] == "get_items")
    assert failed["args"]["attempts"] == 3
    assert failed["args"]["error"] == "HTTPStatusError: 503 Service Unavailable"


def test_a_trace_has_as_many_slices_as_executions():
    assert len(slices(trace_of(items(300)))) == 304 + sum(
        event.queued > 0 for event in items(300) if isinstance(event, StepStarted)
    )


@settings(max_examples=40)
@given(runs())
def test_every_trace_keeps_to_the_format(log: list[Event]):
    check_trace(log)


def test_a_graph_shows_who_started_whom_and_the_critical_path():
    text = draw_mermaid(simple())
    assert text.startswith("flowchart LR\n")
    nodes = dict(re.findall(r'^  (\w+)\(?\[+"(.*?)"\]', text, re.M))
    assert nodes == {
        "run": "Gather", "n0": "✓ gather 2.20 s", "n1": "✓ query 1.80 s", "n2": "✓ api_1 500 ms",
        "n3": "✓ api_2 600 ms", "n4": "✓ serena 400 ms", "n5": "✓ aggregate 400 ms",
    }  # fmt: skip
    assert re.findall(r"(\w+) --> (\w+)", text) == [("run", "n0"), *(("n0", f"n{n}") for n in range(1, 6))]
    assert re.findall(r"(\w+) -\.-> (\w+)", text) == [("n1", "n5")]
    assert "class n1 completed_critical" in text
    for mark in LOOKS:
        assert f"classDef {mark} " in text


def test_graphs_fold_what_is_too_much():
    assert '[["✕ file × 500' in draw_mermaid(items(500), max_nodes=10)
    dot = draw_dot(items(500), max_nodes=10)
    assert "peripheries=2" in dot
    assert dot.count("[label=") <= 11


def test_no_name_breaks_out_of_a_node():
    for name in HOSTILE:
        for line in draw_mermaid(hostile_log(name)).splitlines():
            if "[" in line:
                assert re.fullmatch(r'  \w+(\(\[|\[\[|\[)"[^"<>`\\]*"(\]\)|\]\]|\])', line), line
        for line in draw_dot(hostile_log(name)).splitlines():
            quoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
            assert '"' not in quoted
            assert "drop" not in quoted


def test_dot_has_nodes_edges_and_colours():
    text = draw_dot(eventful())
    assert text.startswith("digraph run {")
    assert text.count(" -> ") == 14 + 2
    assert text.count("style=dashed") == 2
    assert f'color="{LIGHT["error"]}"' in text


def test_a_notebook_shows_the_chart_in_its_own_theme():
    shown = run_html(eventful(), width=700, max_rows=10)
    assert Page(shown).tags[0][0] == "div"
    assert "data-jp-theme-light=false" in shown
    assert "vscode-dark" in shown
    assert 'width="700"' in shown
    assert shown.count('class="hit"') <= 10
    assert "<script" not in shown


def test_colours_can_be_read():
    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for colours in (DARK, LIGHT):
        for name in ("fg-0", "fg-1", "fg-2", "crit", *(look.colour for look in LOOKS.values())):
            for ground in ("bg-0", "bg-1", "bg-2"):
                bright, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (bright + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
