"""How memories are asked for and told over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from stretto.core.archive import Memory, MemoryKind, Scope
from stretto.server.dependencies import Line, Text

LONGEST = 50_000
"""How many characters a memory may have."""
MOST_IMPORTED = 10_000
LATEST = 253_000_000_000.0
"""The last moment that is kept: in the year 9987 (seconds since the Unix epoch)."""
TEN_YEARS = 10 * 366 * 24 * 3600.0
WORKFLOW = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

Content = Annotated[Text, Field(min_length=1, max_length=LONGEST)]
Tags = Annotated[list[Annotated[Line, Field(min_length=1, max_length=64)]], Field(max_length=20)]
Share = Annotated[float, Field(ge=0, le=1)]
Life = Annotated[float, Field(gt=0, le=TEN_YEARS)]
UuidText = Annotated[str, Field(pattern=WORKFLOW), AfterValidator(str.lower)]


class NewMemory(BaseModel):
    """A memory to be kept; without a ``workflow_id`` it is general.

    Without ``importance`` the type decides. ``expires_in`` is in seconds; left out, a memory of type context lives for
    seven days and any other for ever, null is for ever.
    """

    model_config = ConfigDict(extra="forbid")

    type: MemoryKind
    content: Content
    workflow_id: UuidText | None = None
    tags: Tags = Field(default_factory=list[str])
    importance: Share | None = None
    priority: Share | None = None
    expires_in: Life | None = None


class MemoryChange(BaseModel):
    """What is to be changed of a memory; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    type: MemoryKind = "knowledge"
    content: Content = "-"
    tags: Tags = Field(default_factory=list[str])
    importance: Share = 0.5
    priority: Share | None = None
    expires_in: Life | None = None


class MemoryEntry(BaseModel):
    """A memory. ``embedder`` made its vector, null when it has none; ``embedding_problem`` says why it was not made."""

    id: str
    type: MemoryKind
    content: str
    workflow_id: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    priority: float | None = None
    agent_source: str | None = None
    importance: float = 0.5
    created_at: datetime
    expires_at: datetime | None = None
    embedder: str | None = None
    embedding_problem: str = ""


class MemoryQuery(BaseModel):
    """What is looked for; ``threshold`` is the least likeness of meaning."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[Text, Field(min_length=1, max_length=5_000)]
    types: list[MemoryKind] = Field(default_factory=list[MemoryKind], max_length=4)
    scope: Scope = "both"
    workflow_id: UuidText | None = None
    limit: int = Field(50, ge=1, le=200)
    threshold: Share = 0.7


class MemoryHit(BaseModel):
    """A memory that was found: ``score`` also counts importance and age, ``likeness`` is that of meaning or words."""

    memory: MemoryEntry
    score: float
    likeness: float
    matched_by: Literal["meaning", "words"]


class MemoryFound(BaseModel):
    """What was found, best first; ``problem`` says why meanings were not compared, where they should have been."""

    hits: list[MemoryHit]
    by_meaning: bool
    problem: str


class EmbeddingState(BaseModel):
    """How many memories have a vector of the embedder, of another one, or none."""

    embedder: str | None
    current: int
    other: int
    without: int


class MemoryStats(BaseModel):
    """Counts over all memories; ``tags`` are the hundred most frequent ones."""

    total: int
    by_type: dict[str, int]
    tags: dict[str, int]
    general: int
    of_workflows: int
    characters: int
    oldest: datetime | None
    newest: datetime | None
    embedding: EmbeddingState


class Forgotten(BaseModel):
    """How many memories were forgotten."""

    deleted: int


class RegenerateRequest(BaseModel):
    """How many memories get a vector at the most, before this answers."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(480, ge=1, le=5_000)


class Regenerated(BaseModel):
    """How many memories got a vector, and how many still lack one; ``problem`` says why it stopped early."""

    embedded: int
    left: int
    problem: str


class EmbedderText(BaseModel):
    """A text to try the embedder with."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[Text, Field(min_length=1, max_length=10_000)] = "The quick brown fox jumps over the lazy dog."


class EmbedderCheck(BaseModel):
    """What the embedder made: how long its vectors are, and the first five numbers."""

    embedder: str
    dimensions: int
    first: list[float]
    milliseconds: float


class ImportedMemory(BaseModel):
    """A memory as an export has it; fields that are not read on the way back are allowed."""

    model_config = ConfigDict(extra="ignore")

    id: UuidText | None = None
    type: MemoryKind
    content: Content
    workflow_id: UuidText | None = None
    tags: Tags = Field(default_factory=list[str])
    priority: Share | None = None
    agent_source: Annotated[Line, Field(max_length=128)] | None = None
    importance: Share = 0.5
    created_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None


class MemoryPackage(BaseModel):
    """All memories, as they are exported."""

    version: Literal["1.0"] = "1.0"
    exported_at: datetime
    memories: list[MemoryEntry]


class MemoryImport(BaseModel):
    """Memories to be kept; one whose id is there already is passed over, or put in its place."""

    model_config = ConfigDict(extra="forbid")

    version: Literal["1.0"] = "1.0"
    exported_at: AwareDatetime | None = None
    memories: list[ImportedMemory] = Field(max_length=MOST_IMPORTED)
    conflicts: Literal["skip", "overwrite"] = "skip"
    embed: bool = True


class MemoriesImported(BaseModel):
    """What became of memories; ``without_workflow`` were not kept, because their workflow is not here."""

    added: int
    overwritten: int
    skipped: int
    without_workflow: int
    embedding_problem: str


def seconds(at: datetime) -> float:
    """Returns a moment as seconds since the Unix epoch; one that no clock of ours can show, as the nearest one."""
    return min(max(at.timestamp(), 0.0), LATEST)


def moment(at: float) -> datetime:
    """Returns seconds since the Unix epoch as a moment."""
    return datetime.fromtimestamp(at, UTC)


def entry_of(memory: Memory, problem: str = "") -> MemoryEntry:
    """Returns a memory as it is told."""
    until = memory.expires_at
    return MemoryEntry(
        id=memory.id, type=memory.type, content=memory.content, workflow_id=memory.workflow_id, tags=list(memory.tags),
        priority=memory.priority, agent_source=memory.agent_source, importance=memory.importance,
        created_at=moment(memory.created_at), expires_at=None if until is None else moment(until),
        embedder=memory.embedder, embedding_problem=problem,
    )  # fmt: skip
