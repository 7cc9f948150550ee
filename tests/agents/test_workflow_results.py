"""What a command hands back of an execution: the seed's fields, with true figures."""

from __future__ import annotations

from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
from stretto.agents.result import WorkflowMetrics, WorkflowResult, WorkflowStatus
from stretto.core.ledger import Usage


def report(**other: object) -> Report:
    given = {"task_id": "t", "agent_id": "a", "task": "x", "status": ReportStatus.SUCCESS, "response": "done"}
    return Report(**{**given, **other})  # type: ignore[arg-type]


def use(name: str, origin: str, server: str = "", error: str = "") -> ToolUse:
    return ToolUse(
        name=name, origin=origin, server=server, arguments={"a": 1}, output="out", success=not error, error=error,
        duration=0.25, iteration=2,
    )  # fmt: skip


def test_a_workflow_is_in_one_of_four_states() -> None:
    assert [str(status) for status in WorkflowStatus] == ["idle", "running", "completed", "error"]


def test_a_result_tells_what_the_report_tells() -> None:
    uses = (
        use("MemoryTool", "local"), use("mcp__files__read", "mcp", "files"), use("SpawnAgentTool", "sub_agent"),
        use("MemoryTool", "local", error="no"),
    )  # fmt: skip
    usage = Usage(input_tokens=100, output_tokens=20)
    metrics = AgentMetrics(duration=1.2345, usage=usage, cost=0.5, model="ollama:llama3:8b")
    result = WorkflowResult.of(report(metrics=metrics, tool_uses=uses))
    assert result.response == "done"
    assert result.report.startswith("# Agent Report: a\n")
    assert result.metrics == WorkflowMetrics(
        duration_ms=1234, tokens_input=100, tokens_output=20, cost_usd=0.5, provider="ollama", model="llama3:8b"
    )
    assert result.tools_used == ("MemoryTool", "SpawnAgentTool", "MemoryTool")
    assert result.mcp_calls == ("mcp__files__read",)
    local, mcp, sub, failed = result.tool_executions
    assert [each.tool_type for each in result.tool_executions] == ["local", "mcp", "sub_agent", "local"]
    assert (local.server_name, mcp.server_name, sub.iteration) == (None, "files", 2)
    assert (local.success, local.error_message, failed.success, failed.error_message) == (True, None, False, "no")
    assert (mcp.duration_ms, mcp.input_params, mcp.output_result) == (250, {"a": 1}, "out")


def test_a_cost_that_is_unknown_stays_unknown_and_a_model_without_a_provider_has_none() -> None:
    metrics = WorkflowResult.of(report(metrics=AgentMetrics(model="local"))).metrics
    assert (metrics.cost_usd, metrics.provider, metrics.model) == (None, "", "local")
