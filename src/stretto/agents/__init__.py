"""Steps that think: agents, what they are told, what they may do, and what they hand back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.agents.agent import Agent, McpTools
    from stretto.agents.config import AgentConfig, ModelChoice
    from stretto.agents.output import OutputInvalid
    from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
    from stretto.agents.task import Task
    from stretto.agents.validation import Proposal, Validation, Verdict

__all__ = [
    "Agent",
    "AgentConfig",
    "AgentMetrics",
    "McpTools",
    "ModelChoice",
    "OutputInvalid",
    "Proposal",
    "Report",
    "ReportStatus",
    "Task",
    "ToolUse",
    "Validation",
    "Verdict",
]

_HOMES = {
    "Agent": "agent",
    "AgentConfig": "config",
    "AgentMetrics": "report",
    "McpTools": "agent",
    "ModelChoice": "config",
    "OutputInvalid": "output",
    "Proposal": "validation",
    "Report": "report",
    "ReportStatus": "report",
    "Task": "task",
    "ToolUse": "report",
    "Validation": "validation",
    "Verdict": "validation",
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
