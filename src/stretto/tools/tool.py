"""A tool is a step with a schema: what a model may call, what the call touches, and how much harm it can do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from stretto.core.errors import ExecutionError
from stretto.core.policies import PLAIN, StepPolicy
from stretto.core.step import Context, Step

ToolRisk = Literal["low", "medium", "high"]
ToolOperation = Literal["", "file_op", "db_op"]
"""What a local tool works on, where approvals can be set for that: files, databases, or nothing of the kind."""


class WrongArguments(ExecutionError):
    """Arguments do not follow a tool's schema; ``problems`` says where and why, for the model to correct them."""

    def __init__(self, tool: str, problems: tuple[str, ...]) -> None:
        super().__init__(f"the arguments of {tool!r} do not follow its schema: {'; '.join(problems)}")
        self.tool, self.problems = tool, problems


class ToolFailed(ExecutionError):
    """A tool says in words for the model why it could not do what it was asked; ``code`` is a word in capitals."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Touches:
    """What one call reads and writes, by name (``file:src/a.py``, ``memory``); ``src/*`` at the end means all below.

    ``known=False`` means that nobody can tell: such a call counts as writing everything.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a tool: its arguments, and on whose behalf it is made.

    ``workflow_id`` is the conversation that the call belongs to, ``level`` the level of the calling agent (1 is the
    primary one), ``call_id`` the model's own name of the call.
    """

    arguments: Mapping[str, Any]
    agent_id: str = field(default="", repr=False)
    workflow_id: str = field(default="", repr=False)
    level: int = field(default=1, repr=False)
    call_id: str = field(default="", repr=False)
    locale: str = field(default="", repr=False)

    @classmethod
    def of(cls, input: Invocation | Mapping[str, Any]) -> Invocation:
        """Returns an invocation for bare arguments, so that a tool can be run as any step."""
        return input if isinstance(input, Invocation) else cls(arguments=dict(input))

    def with_arguments(self, arguments: Mapping[str, Any]) -> Invocation:
        """Returns the same call with other arguments, as a human has edited them."""
        return replace(self, arguments=arguments)


class Tool(Step["Invocation | Mapping[str, Any]", Any]):
    """What a model may call.

    ``parameters`` is a JSON Schema of an object. ``risk`` says how much harm a call can do, ``destructive`` that it may
    destroy or send what cannot be taken back: such calls ask a human. ``origin`` is local, mcp or sub_agent;
    ``operation`` says of a local tool that it works on files or databases, which approvals can be set for.
    """

    kind: ClassVar[str] = "tool"

    name: str
    description: str
    parameters: Mapping[str, Any]
    risk: ToolRisk = "low"
    destructive: bool = False
    origin: Literal["local", "mcp", "sub_agent"] = "local"
    operation: ToolOperation = ""
    server: str = ""
    policy: StepPolicy = PLAIN

    @abstractmethod
    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the arguments as the tool takes them, defaults filled in; raises ``WrongArguments``."""

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        """Says what a call with these (checked) arguments reads and writes."""
        return Touches(known=False)

    def risk_of(self, arguments: Mapping[str, Any]) -> ToolRisk:
        """Says how much harm a call with these (checked) arguments can do."""
        return self.risk

    def briefing(self) -> str:
        """Returns what the system prompt of a turn says of the tool beside its first sentence; empty for nothing."""
        return ""

    @abstractmethod
    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        """Does what is asked, and returns a JSON value or text; raises ``ToolFailed`` with words for the model."""
