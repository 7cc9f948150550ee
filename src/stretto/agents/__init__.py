"""Steps that think: agents, what they are told, what they may do, and what they hand back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.agents.agent import Agent, McpTools
    from stretto.agents.config import AgentConfig, ModelChoice
    from stretto.agents.crew import Delegation
    from stretto.agents.delegation import DELEGATION_TOOLS
    from stretto.agents.markdown import agent_report, batch_report, outcome_report
    from stretto.agents.orchestrator import AgentOrchestrator
    from stretto.agents.output import OutputInvalid
    from stretto.agents.registry import AgentRegistry, AgentSummary, BrokenAgent, UnknownAgent
    from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
    from stretto.agents.result import WorkflowMetrics, WorkflowResult, WorkflowStatus
    from stretto.agents.task import Task
    from stretto.agents.validation import Proposal, Validation, Verdict

__all__ = [
    "DELEGATION_TOOLS",
    "Agent",
    "AgentConfig",
    "AgentMetrics",
    "AgentOrchestrator",
    "AgentRegistry",
    "AgentSummary",
    "BrokenAgent",
    "Delegation",
    "McpTools",
    "ModelChoice",
    "OutputInvalid",
    "Proposal",
    "Report",
    "ReportStatus",
    "Task",
    "ToolUse",
    "UnknownAgent",
    "Validation",
    "Verdict",
    "WorkflowMetrics",
    "WorkflowResult",
    "WorkflowStatus",
    "agent_report",
    "batch_report",
    "outcome_report",
]

_HOMES = {
    "DELEGATION_TOOLS": "delegation",
    "Agent": "agent",
    "AgentConfig": "config",
    "AgentMetrics": "report",
    "AgentOrchestrator": "orchestrator",
    "AgentRegistry": "registry",
    "AgentSummary": "registry",
    "BrokenAgent": "registry",
    "Delegation": "crew",
    "McpTools": "agent",
    "ModelChoice": "config",
    "OutputInvalid": "output",
    "Proposal": "validation",
    "Report": "report",
    "ReportStatus": "report",
    "Task": "task",
    "ToolUse": "report",
    "UnknownAgent": "registry",
    "Validation": "validation",
    "Verdict": "validation",
    "WorkflowMetrics": "result",
    "WorkflowResult": "result",
    "WorkflowStatus": "result",
    "agent_report": "markdown",
    "batch_report": "markdown",
    "outcome_report": "markdown",
}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: an agent brings pydantic-ai with it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Returns the names that this room hands on."""
    return sorted(__all__)
