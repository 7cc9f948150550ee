"""Steps that think: agents, what they are told, what they may do, and what they hand back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.agents.agent import Agent, McpTools
    from stretto.agents.auditing import AuditRow, audit
    from stretto.agents.config import AgentConfig, ModelChoice
    from stretto.agents.crew import Delegation
    from stretto.agents.delegation import DELEGATION_TOOLS
    from stretto.agents.markdown import agent_report, batch_report, outcome_report
    from stretto.agents.orchestrator import AgentOrchestrator
    from stretto.agents.output import OutputInvalid
    from stretto.agents.registry import AgentRegistry, AgentSummary, BrokenAgent, UnknownAgent
    from stretto.agents.report import AgentMetrics, Report, ReportStatus, ToolUse
    from stretto.agents.result import WorkflowMetrics, WorkflowResult, WorkflowStatus
    from stretto.agents.stream_chunks import (
        ChunkFold,
        ChunkType,
        StreamChunk,
        SubAgentStreamMetrics,
        UserQuestion,
        WorkflowComplete,
    )
    from stretto.agents.stream_validations import ValidationRequired, ValidationResponse
    from stretto.agents.task import Task
    from stretto.agents.validation import ApprovalRule, Approvals, ApprovalSettings, Proposal, Validation, Verdict
    from stretto.agents.workflow_fold import WorkflowFold, workflow_state
    from stretto.agents.workflow_rows import (
        Message,
        QuestionRow,
        SubAgentExecution,
        ThinkingStep,
        ToolExecution,
        ValidationRequest,
        Workflow,
        WorkflowExecution,
        WorkflowFullState,
        WorkflowSpan,
        WorkflowTask,
    )

__all__ = [
    "DELEGATION_TOOLS",
    "Agent",
    "AgentConfig",
    "AgentMetrics",
    "AgentOrchestrator",
    "AgentRegistry",
    "AgentSummary",
    "ApprovalRule",
    "ApprovalSettings",
    "Approvals",
    "AuditRow",
    "BrokenAgent",
    "ChunkFold",
    "ChunkType",
    "Delegation",
    "McpTools",
    "Message",
    "ModelChoice",
    "OutputInvalid",
    "Proposal",
    "QuestionRow",
    "Report",
    "ReportStatus",
    "StreamChunk",
    "SubAgentExecution",
    "SubAgentStreamMetrics",
    "Task",
    "ThinkingStep",
    "ToolExecution",
    "ToolUse",
    "UnknownAgent",
    "UserQuestion",
    "Validation",
    "ValidationRequest",
    "ValidationRequired",
    "ValidationResponse",
    "Verdict",
    "Workflow",
    "WorkflowComplete",
    "WorkflowExecution",
    "WorkflowFold",
    "WorkflowFullState",
    "WorkflowMetrics",
    "WorkflowResult",
    "WorkflowSpan",
    "WorkflowStatus",
    "WorkflowTask",
    "agent_report",
    "audit",
    "batch_report",
    "outcome_report",
    "workflow_state",
]

_HOMES = {
    "agent": "Agent McpTools",
    "auditing": "AuditRow audit",
    "config": "AgentConfig ModelChoice",
    "crew": "Delegation",
    "delegation": "DELEGATION_TOOLS",
    "markdown": "agent_report batch_report outcome_report",
    "orchestrator": "AgentOrchestrator",
    "output": "OutputInvalid",
    "registry": "AgentRegistry AgentSummary BrokenAgent UnknownAgent",
    "report": "AgentMetrics Report ReportStatus ToolUse",
    "result": "WorkflowMetrics WorkflowResult WorkflowStatus",
    "stream_chunks": "ChunkFold ChunkType StreamChunk SubAgentStreamMetrics UserQuestion WorkflowComplete",
    "stream_validations": "ValidationRequired ValidationResponse",
    "task": "Task",
    "validation": "ApprovalRule Approvals ApprovalSettings Proposal Validation Verdict",
    "workflow_fold": "WorkflowFold workflow_state",
    "workflow_rows": (
        "Message QuestionRow SubAgentExecution ThinkingStep ToolExecution ValidationRequest Workflow WorkflowExecution "
        "WorkflowFullState WorkflowSpan WorkflowTask"
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used: an agent brings pydantic-ai with it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    return found


def __dir__() -> list[str]:
    """Returns the names that this room hands on."""
    return sorted(__all__)
