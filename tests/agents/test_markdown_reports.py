"""Reports as Markdown: all sections, true figures, and nothing that a model writes can change their structure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stretto.agents.markdown import (
    agent_report,
    batch_report,
    code,
    failure_report,
    fenced,
    in_words,
    money,
    outcome_report,
    quoted,
)
from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
from stretto.core.errors import DelegationForbidden, StepTimeout
from stretto.core.ledger import Usage
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut

HOSTILE = [
    "# Agent Report: somebody else\n\n## Metadata\n\n- Cost: $0.00",
    "Metrics\n=======\n\nfine\n---\n",
    "```\nnever closed",
    "~~~~python\n# closed by nobody\n```",
    "---\n***\n___",
    "- list\n\n  # inside\n\n1. ```\n",
    "> quoted\n# not any more",
    "<h1>Agent Report</h1>",
    "</blockquote><h1>out</h1>",
    "<!-- everything that follows",
    "<script>alert(1)</script>",
    "````\n```\n````\n<b>`````",
    "\r# carriage return\r\r## another",
    "[Task]: https://example.org\n\n[Task]",
    "\u2028# line separator\x85## next line\x0b# tab\x0c# form",
    "\ud83d half of a character, and a whole one: \U0001f600",
    "a\n\n\n    indented\n\t# tab",
    "",
    "\n\n\n",
]


def use(name: str, **other: Any) -> ToolUse:
    return ToolUse(
        **{"origin": "local", "server": "", "arguments": {}, "output": "", "success": True, **other, "name": name}
    )


def report(**other: Any) -> Report:
    given: dict[str, Any] = {
        "task_id": "t1", "agent_id": "surveyor", "task": "Survey it", "status": ReportStatus.SUCCESS,
        "response": "All is well.", **other,
    }  # fmt: skip
    return Report(**given)


def top_level(markdown: str) -> list[tuple[str, str]]:
    """Returns the headings and rules that a reader of CommonMark sees outside quotations, lists and code."""
    tokens = MarkdownIt("commonmark").parse(markdown)
    return [
        (token.tag, tokens[place + 1].content if token.type == "heading_open" else "")
        for place, token in enumerate(tokens)
        if token.level == 0 and token.type in ("heading_open", "hr")
    ]


def html_in(markdown: str) -> list[str]:
    found = list(MarkdownIt("commonmark").parse(markdown))
    inner = [child for token in found for child in token.children or ()]
    return [token.content for token in [*found, *inner] if token.type.startswith("html")]


def test_a_report_has_every_section_with_true_figures() -> None:
    usage = Usage(input_tokens=1200, output_tokens=340, cached_tokens=200, reasoning_tokens=40)
    metrics = AgentMetrics(duration=3.21, usage=usage, cost=0.0042, iterations=3, model="mistral:large")
    uses = (
        use("CalculatorTool", duration=0.01),
        use("CalculatorTool", success=False, error="no", duration=0.03),
        use("SpawnAgentTool", origin="sub_agent", duration=2.0),
        use("mcp__files__read_file", origin="mcp", server="files", duration=0.25),
    )
    told = agent_report(report(metrics=metrics, tool_uses=uses, output={"files": 3}))
    assert [name for _, name in top_level(told)] == [
        "Agent Report: surveyor", "Response", "Results", "Metrics", "Tools Used", "Local Tools Used",
        "MCP Servers Called", "Metadata",
    ]  # fmt: skip
    for line in (
        "**Status**: Success", "**Duration**: 3.2 s", "> Survey it", "> All is well.", "- Provider: `mistral`",
        "- Model: `large`", "- Tokens: 1,200 in (200 read from cache), 340 out (40 of reasoning)", "- Iterations: 3",
        "- `CalculatorTool`: 2 calls, 1 failed, 20 ms on average", "- `SpawnAgentTool`: 1 call, 2.0 s",
        "- `mcp__files__read_file`: 1 call, 250 ms", "- Cost: $0.0042", '  "files": 3',
    ):  # fmt: skip
        assert line in told


def test_a_cost_that_nobody_knows_is_unknown_and_never_nothing() -> None:
    assert "- Cost: unknown" in agent_report(report())
    assert [money(cost) for cost in (None, 0, 1.5, 0.000001, 1234)] == [
        "unknown", "$0.00", "$1.50", "$0.000001", "$1,234.00",
    ]  # fmt: skip


def test_a_partial_report_says_so_and_a_failed_one_tells_why() -> None:
    assert "**Status**: Partial" in agent_report(report(status=ReportStatus.PARTIAL, response=""))
    failed = agent_report(report(status=ReportStatus.FAILED, response="", error="no answer"))
    assert top_level(failed)[:2] == [("h1", "Agent Report: surveyor (ERROR)"), ("h2", "Error")]
    assert "> no answer" in failed


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_writes_cannot_change_a_reports_structure(text: str) -> None:
    told = agent_report(report(task=text, response=text, output=text))
    assert top_level(told) == [
        ("h1", "Agent Report: surveyor"), ("h2", "Response"), ("h2", "Results"), ("h2", "Metrics"), ("h2", "Metadata"),
    ]  # fmt: skip
    assert html_in(told) == []
    told.encode("utf-8")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("#=-*_`~> \t\n\r<>!/[]()abc1.\\\u2028\ud83dé\U0001f600")), max_size=60))
def test_no_text_at_all_can_change_a_reports_structure(text: str) -> None:
    told = agent_report(report(task=text, response=text, tool_uses=(use(text),)))
    assert [tag for tag, _ in top_level(told)] == ["h1", "h2", "h2", "h2", "h3", "h2"]
    assert html_in(told) == []


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("`ab \n")), max_size=20))
def test_a_fence_and_a_code_span_hold_whatever_is_put_into_them(text: str) -> None:
    [block] = [token for token in MarkdownIt("commonmark").parse(fenced(text)) if token.type == "fence"]
    assert block.content == text + "\n"
    [inline] = [token for token in MarkdownIt("commonmark").parse(code(text)) if token.type == "inline"]
    [span] = inline.children or []
    assert span.type == "code_inline"


def test_characters_are_never_cut_in_half() -> None:
    text = "é\U0001f600" * 5000
    assert text in quoted(text)


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        (Failed(ValueError("no\n# key")), "Sub-Agent Error: coder"),
        (Failed(DelegationForbidden("lead/coder")), "Sub-Agent Blocked: coder"),
        (Cancelled("enough"), "Sub-Agent Cancelled: coder"),
        (TimedOut(StepTimeout("lead/coder", 30)), "Sub-Agent Timeout: coder"),
        (NotStarted("stopped"), "Sub-Agent Not Started: coder"),
    ],
)
def test_an_agent_without_a_report_gets_one_that_tells_why(outcome: Outcome[Report], title: str) -> None:
    told = outcome_report("coder", "Write it", outcome)
    assert top_level(told) == [("h1", title), ("h2", "Error")]
    assert "> Write it" in told
    assert "**Task**" not in failure_report("coder", outcome)


def test_a_batch_is_told_in_its_order_with_what_failed_and_what_it_cost() -> None:
    first = report(agent_id="a", metrics=AgentMetrics(cost=0.5, usage=Usage(input_tokens=7, output_tokens=2)))
    second = report(agent_id="b", metrics=AgentMetrics(cost=0.25, usage=Usage(input_tokens=3, output_tokens=1)))
    told = batch_report("b1", [("a", "x"), ("b", "y")], [Completed(first), Completed(second)], 61.2)
    assert [name for tag, name in top_level(told) if tag in ("h1", "h2")] == [
        "Parallel Execution Report", "Agent Report: a", "Agent Report: b",
    ]  # fmt: skip
    for line in ("**Duration**: 1 min 1 s", "**Completed**: 2/2", "**Cost**: $0.75", "**Tokens**: 10 in, 3 out"):
        assert line in told
    failed = Failed(ValueError("# gone"))
    told = batch_report("b1", [("a", "x"), ("no\n# body", "y")], [Completed(first), failed], 0.5)
    assert top_level(told)[-2:] == [("h2", "Sub-Agent Error: `no # body`"), ("h3", "Error")]
    for line in ("**Completed**: 1/2", "**Failed**: 1", "**Cost**: unknown"):
        assert line in told


def test_durations_are_told_as_a_reader_takes_them_in() -> None:
    assert [in_words(seconds) for seconds in (0, 0.0421, 0.9996, 59.96, 125)] == [
        "0 ms", "42 ms", "1.0 s", "1 min 0 s", "2 min 5 s",
    ]  # fmt: skip
