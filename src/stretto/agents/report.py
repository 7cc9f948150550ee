"""What an agent hands back: its answer, what it did for it, and what that took; also as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stretto.core.ledger import Usage
from stretto.models.messages import Message


class ReportStatus(StrEnum):
    """How an agent's task ended; ``partial`` when it stopped at a limit before it was through."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One call of a tool by an agent; ``iteration`` counts its turns from 1, ``duration`` is in seconds."""

    name: str
    origin: str
    server: str
    arguments: dict[str, Any]
    output: str
    success: bool
    error: str = ""
    duration: float = 0.0
    iteration: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMetrics:
    """What a task took: ``duration`` in seconds, tokens and dollars of the agent and of all below it.

    Of a resumed run the seconds count from when it went on, tokens and dollars from its beginning.
    ``cost`` is None when the price of any call is unknown. ``bad_calls`` counts the tool calls that could not be made
    as the model wrote them: unknown tools, arguments that do not follow the schema.
    """

    duration: float = 0.0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    iterations: int = 0
    model: str = ""
    bad_calls: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """How an agent's task ended.

    ``response`` is the answer itself, ``output`` its structured form where a schema was asked for, ``messages`` what
    the turn adds to the conversation, the task first. ``error`` says why a failed task failed.
    """

    task_id: str
    agent_id: str
    task: str
    status: ReportStatus
    response: str = ""
    output: Any = None
    error: str = ""
    metrics: AgentMetrics = field(default_factory=AgentMetrics)
    tool_uses: tuple[ToolUse, ...] = ()
    messages: tuple[Message, ...] = field(default=(), repr=False)
    system_prompt: str = field(default="", repr=False)
