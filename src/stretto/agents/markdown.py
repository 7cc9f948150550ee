"""Reports of agents and of batches as Markdown; what a model wrote stands in them as a quotation that cannot end them.

A quotation of CommonMark holds whatever is in it: headings, rules and fences that were never closed end with it. Only
HTML could reach beyond, so text that looks like it is shown in a fence longer than any inside, as it was written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
from stretto.core.errors import DelegationForbidden, HumanAborted, told
from stretto.core.ledger import Spent, Usage
from stretto.core.outcome import Completed, Outcome, TimedOut, error_of

_LINES = re.compile(r"\r\n|\r|\n")
_HTML = re.compile(r"<[A-Za-z/!?]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u2028\u2029]")


def quoted(text: str) -> str:
    """Returns text of anybody's as a block of Markdown that cannot change what stands around it."""
    text = readable(text).strip("\n") or "(nothing)"
    if _HTML.search(text):
        return fenced(text)
    return "\n".join(f"> {line}" if line.strip() else ">" for line in _LINES.split(text))


def fenced(text: str, language: str = "") -> str:
    """Returns text as a code block, in a fence longer than any that stands in it."""
    text = "\n".join(_LINES.split(readable(text)))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def code(name: str) -> str:
    """Returns a name as a code span of one line."""
    name = " ".join(readable(name).split()) or "(nothing)"
    marks = "`" * (1 + max((len(run) for run in re.findall(r"`+", name)), default=0))
    pad = " " if "`" in name else ""
    return f"{marks}{pad}{name}{pad}{marks}"


def readable(text: str) -> str:
    """Returns text that can be written as UTF-8 and shown: without halves of characters and control characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", whole)


def in_words(seconds: float) -> str:
    """Returns a duration as a reader takes it in: ``420 ms``, ``3.2 s``, ``4 min 5 s``."""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def money(cost: float | None) -> str:
    """Returns dollars, or ``unknown`` when no price is known."""
    if cost is None:
        return "unknown"
    dollars, _, cents = f"{cost:,.6f}".rstrip("0").partition(".")
    return f"${dollars}.{cents:0<2}"


def agent_report(report: Report, *, level: int = 1) -> str:
    """Returns an agent's report; its title is a heading of ``level``, its sections are one deeper."""
    mark = "#" * level
    head = f"**Status**: {report.status.value.capitalize()}  \n**Duration**: {in_words(report.metrics.duration)}"
    blocks = [_title(report, mark), "**Task**:", quoted(report.task), head]
    if report.status is ReportStatus.FAILED:
        blocks += [f"{mark}# Error", quoted(report.error)]
    if report.response or report.status is not ReportStatus.FAILED:
        blocks += [f"{mark}# Response", quoted(report.response)]
    if report.output is not None:
        blocks += [f"{mark}# Results", fenced(_json(report.output), "json")]
    blocks += [f"{mark}# Metrics", _metrics(report.metrics)]
    blocks += _tools(report.tool_uses, f"{mark}#")
    blocks += [f"{mark}# Metadata", _metadata(report)]
    return "\n\n".join(blocks) + "\n"


def failure_report(agent_id: str, outcome: Outcome[Any], *, task: str = "", level: int = 1) -> str:
    """Returns the report of an agent that handed none back: it failed, or was stopped, refused or too slow."""
    error = error_of(outcome)
    why = told([error]) if error is not None else str(getattr(outcome, "reason", ""))
    mark = "#" * level
    blocks = [f"{mark} Sub-Agent {how_it_failed(outcome)}: {_named(agent_id)}"]
    if task:
        blocks += ["**Task**:", quoted(task)]
    return "\n\n".join([*blocks, f"{mark}# Error", quoted(why)]) + "\n"


def how_it_failed(outcome: Outcome[Any]) -> str:
    """Returns the word for an outcome that is no report: Error, Blocked, Cancelled, Timeout or Not Started."""
    if isinstance(outcome, TimedOut):
        return "Timeout"
    if isinstance(error_of(outcome), DelegationForbidden | HumanAborted):
        return "Blocked"
    return outcome.status.replace("_", " ").title() if error_of(outcome) is None else "Error"


def batch_report(
    batch_id: str,
    tasks: Sequence[tuple[str, str]],
    outcomes: Sequence[Outcome[Report]],
    duration: float,
    *,
    details: bool = True,
    spent: Spent | None = None,
) -> str:
    """Returns the report of tasks that ran together, in their order; ``tasks`` are agent ids and what they were asked.

    ``duration`` is that of the whole (seconds). ``spent`` is what all of them took, as the run has counted it; without
    it the reports are added up, and the cost is unknown where an agent has handed none back. Without ``details`` each
    agent's part is its answer alone, as a model needs it that knows what it has asked.
    """
    reports = [outcome.value for outcome in outcomes if isinstance(outcome, Completed)]
    succeeded = sum(report.status is not ReportStatus.FAILED for report in reports)
    usage, cost = (spent.usage, spent.known_cost) if spent is not None else _added_up(reports, len(outcomes))
    head = (
        f"**Batch**: {code(batch_id)}  \n**Duration**: {in_words(duration)}  \n"
        f"**Completed**: {succeeded}/{len(outcomes)}  \n**Failed**: {len(outcomes) - succeeded}  \n"
        f"**Tokens**: {usage.input_tokens:,} in, {usage.output_tokens:,} out  \n"
        f"**Cost**: {money(cost)}"
    )
    blocks = ["# Parallel Execution Report", head]
    for (agent_id, task), outcome in zip(tasks, outcomes, strict=True):
        if details or not isinstance(outcome, Completed):
            part = outcome_report(agent_id, task if details else "", outcome, level=2)
        else:
            report = outcome.value
            part = f"{_title(report, '##')}\n\n{quoted(report.response or report.error)}"
        blocks += ["---", part.rstrip("\n")]
    return "\n\n".join(blocks) + "\n"


def _added_up(reports: Sequence[Report], agents: int) -> tuple[Usage, float | None]:
    known = [report.metrics.cost for report in reports if report.metrics.cost is not None]
    usage = sum((report.metrics.usage for report in reports), Usage())
    return usage, sum(known) if len(known) == agents else None


def outcome_report(agent_id: str, task: str, outcome: Outcome[Report], *, level: int = 1) -> str:
    """Returns the report of whatever an agent's task came to."""
    if isinstance(outcome, Completed):
        return agent_report(outcome.value, level=level)
    return failure_report(agent_id, outcome, task=task, level=level)


def _title(report: Report, mark: str) -> str:
    error = " (ERROR)" if report.status is ReportStatus.FAILED else ""
    return f"{mark} Agent Report: {_named(report.agent_id)}{error}"


def _named(agent_id: str) -> str:
    return agent_id if re.fullmatch(r"[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*", agent_id) else code(agent_id)


def _metrics(metrics: AgentMetrics) -> str:
    usage = metrics.usage
    provider, _, model = metrics.model.partition(":")
    rows = [
        f"Provider: {code(provider) if model else 'unknown'}",
        f"Model: {code(model or provider) if metrics.model else 'unknown'}",
        f"Tokens: {usage.input_tokens:,} in{_of(usage)}, {usage.output_tokens:,} out"
        + (f" ({usage.reasoning_tokens:,} of reasoning)" if usage.reasoning_tokens else ""),
        f"Duration: {in_words(metrics.duration)}",
        f"Iterations: {metrics.iterations}",
    ]
    return _rows(rows)


def _of(usage: Usage) -> str:
    kinds = ((usage.cached_tokens, "read from cache"), (usage.cache_write_tokens, "written to cache"))
    parts = [f"{count:,} {what}" for count, what in kinds if count]
    return f" ({', '.join(parts)})" if parts else ""


def _tools(uses: Sequence[ToolUse], mark: str) -> list[str]:
    local = [use for use in uses if use.origin != "mcp"]
    servers = [use for use in uses if use.origin == "mcp"]
    blocks: list[str] = []
    if uses:
        blocks.append(f"{mark} Tools Used")
    if local:
        blocks += [f"{mark}# Local Tools Used", _counts(local)]
    if servers:
        blocks.append(f"{mark}# MCP Servers Called")
        for server in dict.fromkeys(use.server for use in servers):
            blocks += [f"Server {code(server)}:", _counts(use for use in servers if use.server == server)]
    return blocks


def _counts(uses: Iterable[ToolUse]) -> str:
    by_name: dict[str, list[ToolUse]] = {}
    for use in uses:
        by_name.setdefault(use.name, []).append(use)
    rows: list[str] = []
    for name, calls in by_name.items():
        failed = sum(not call.success for call in calls)
        average = sum(call.duration for call in calls) / len(calls)
        rows.append(
            f"{code(name)}: {len(calls)} call{'s' if len(calls) > 1 else ''}"
            + (f", {failed} failed" if failed else "")
            + f", {in_words(average)}{' on average' if len(calls) > 1 else ''}"
        )
    return _rows(rows)


def _metadata(report: Report) -> str:
    return _rows(
        [f"Agent: {code(report.agent_id)}", f"Task: {code(report.task_id)}", f"Cost: {money(report.metrics.cost)}"]
    )


def _rows(rows: Iterable[str]) -> str:
    return "\n".join(f"- {row}" for row in rows)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
