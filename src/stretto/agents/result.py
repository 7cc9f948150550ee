"""What the execution of a workflow came to, as commands and pages are told: made from an agent's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from stretto.agents.markdown import agent_report
from stretto.agents.report import Report, ToolUse


class WorkflowStatus(StrEnum):
    """Where a workflow is: nothing runs, something runs, or its last execution ended well or badly."""

    IDLE = "idle"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMetrics:
    """What an execution took, its sub-agents included; ``cost_usd`` is None when the price of any call is unknown."""

    duration_ms: int
    tokens_input: int
    tokens_output: int
    cost_usd: float | None
    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowToolExecution:
    """One call of a tool by the workflow's agent; ``server_name`` is that of an MCP tool."""

    tool_type: Literal["local", "mcp", "sub_agent"]
    tool_name: str
    server_name: str | None
    input_params: dict[str, Any]
    output_result: str
    success: bool
    error_message: str | None
    duration_ms: int
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowResult:
    """How an execution ended: the Markdown report, the bare answer, and what was done for it.

    ``tools_used`` names the tools of this process, sub-agents' included, ``mcp_calls`` those of MCP servers; both in
    the order of the calls, a tool as often as it was called.
    """

    report: str
    response: str
    metrics: WorkflowMetrics
    tools_used: tuple[str, ...]
    mcp_calls: tuple[str, ...]
    tool_executions: tuple[WorkflowToolExecution, ...]

    @classmethod
    def of(cls, report: Report) -> WorkflowResult:
        """Returns the result that a report tells of."""
        took = report.metrics
        provider, _, model = took.model.partition(":")
        return cls(
            report=agent_report(report),
            response=report.response,
            metrics=WorkflowMetrics(
                duration_ms=round(took.duration * 1000),
                tokens_input=took.usage.input_tokens,
                tokens_output=took.usage.output_tokens,
                cost_usd=took.cost,
                provider=provider if model else "",
                model=model or provider,
            ),
            tools_used=tuple(use.name for use in report.tool_uses if use.origin != "mcp"),
            mcp_calls=tuple(use.name for use in report.tool_uses if use.origin == "mcp"),
            tool_executions=tuple(_execution(use) for use in report.tool_uses),
        )


def _execution(use: ToolUse) -> WorkflowToolExecution:
    return WorkflowToolExecution(
        tool_type="mcp" if use.origin == "mcp" else "sub_agent" if use.origin == "sub_agent" else "local",
        tool_name=use.name,
        server_name=use.server or None,
        input_params=use.arguments,
        output_result=use.output,
        success=use.success,
        error_message=use.error or None,
        duration_ms=round(use.duration * 1000),
        iteration=use.iteration,
    )
