"""Whether a call may be made: what is decided by rule, and what a human is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stretto.core.step import Context

OperationKind = Literal["tool", "mcp", "sub_agent", "file_op", "db_op"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A call that somebody wants to make: ``operation`` is a sentence for the human, ``details`` what else to show."""

    type: OperationKind
    name: str
    operation: str
    risk: Literal["low", "medium", "high"]
    destructive: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    agent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether it may be made, with which arguments (a human may have edited them), who said so and why."""

    approved: bool
    arguments: Mapping[str, Any]
    reason: str = ""
    by: str = "rule"


class Validation(ABC):
    """Decides about proposals; the one that a run was given is ``context.resource(Validation)``."""

    @abstractmethod
    async def validate(self, context: Context, proposal: Proposal) -> Verdict:
        """Decides by rule, or asks a human at the step of ``context`` and waits."""
