"""How people's decisions and answers are given and told over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from stretto.agents.workflow_rows import ValidationState
from stretto.server.dependencies import Line, Text, storable
from stretto.server.memory_forms import UuidText
from stretto.tools.user_question import LONGEST_TEXT

DEEPEST = 100
"""How deep a value may be nested."""


def storable_value(value: JsonValue) -> JsonValue:
    """Returns a value that every store can hold; raises ``ValueError`` for one that is nested too deeply, too."""
    coming: list[tuple[int, JsonValue]] = [(0, value)]
    while coming:
        depth, each = coming.pop()
        if depth > DEEPEST:
            raise ValueError(f"must not be nested more than {DEEPEST} levels deep")
        if isinstance(each, str):
            storable(each)
        elif isinstance(each, dict):
            coming += [(depth + 1, inner) for pair in each.items() for inner in pair]
        elif isinstance(each, list):
            coming += [(depth + 1, inner) for inner in each]
    return value


def _storable_arguments(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    storable_value(value)
    return value


Value = Annotated[JsonValue, AfterValidator(storable_value)]
"""Any JSON value that a store can hold."""
Arguments = Annotated[dict[str, JsonValue], AfterValidator(_storable_arguments)]
Reason = Annotated[Text, Field(max_length=1_000)]
By = Annotated[Line, Field(min_length=1, max_length=128)]


class Approval(BaseModel):
    """Allows a call; ``arguments`` take the place of its own, ``all`` allows further ones like it in the same run."""

    model_config = ConfigDict(extra="forbid")

    arguments: Arguments | None = None
    all: bool = False
    reason: Reason = ""
    by: By = "api"


class Rejection(BaseModel):
    """Refuses a call; the agent is told the reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(min_length=1, max_length=1_000)]
    by: By = "api"


class ApproveAll(BaseModel):
    """Allows all calls that wait, of one workflow or of all."""

    model_config = ConfigDict(extra="forbid")

    workflow_id: UuidText | None = None
    reason: Reason = ""
    by: By = "api"


class Given(BaseModel):
    """What was said, and how the request stands with it; edited arguments that do not fit are asked about again."""

    id: str
    status: str
    choice: str


class NotApproved(BaseModel):
    """A call that still waits, or was decided by somebody else."""

    id: str
    reason: str


class AllApproved(BaseModel):
    """The ids of what was allowed, and what was not."""

    approved: list[str]
    left: list[NotApproved]


class AuditEntry(BaseModel):
    """A decision about a call, by a person or by a rule; ``waited`` is how long it took (seconds)."""

    id: str
    workflow_id: str
    run_id: str
    agent_id: str
    tool_name: str
    operation: str
    risk_level: str
    status: ValidationState
    choice: str | None
    decided_by: str | None
    reason: str
    edited: bool
    escalated: bool
    arguments: Any
    created_at: datetime
    answered_at: datetime | None
    waited: float | None


class Reply(BaseModel):
    """The answer to a question: ids of options, a text, or both; ``value`` is what a question of a program takes."""

    model_config = ConfigDict(extra="forbid")

    selected: list[Annotated[Text, Field(max_length=256)]] = Field(default_factory=list[str], max_length=100)
    text: Text = Field("", max_length=LONGEST_TEXT)
    value: Value = None
    reason: Reason = ""
    by: By = "api"


class Skipped(BaseModel):
    """Leaves a question without an answer."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""
    by: By = "api"
