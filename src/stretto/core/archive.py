"""What a store keeps beside the logs of runs: memories, tasks, conversations, and documents that describe things.

A step obtains the one that its run was given with ``context.resource(Archive)``. ``stores/`` implements it; times are
seconds since the Unix epoch, and every method that is asked for something that is not there raises ``NotKept``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stretto.core.errors import StoreError

MemoryKind = Literal["user_pref", "context", "knowledge", "decision"]
"""What a memory is: a preference of the user, of this workflow's moment, a fact, or something decided."""
Scope = Literal["both", "workflow", "general"]
"""Whose memories: those of one workflow, those that belong to none, or both."""
TaskStatus = Literal["pending", "in_progress", "completed", "blocked"]


class NotKept(StoreError):
    """What was asked for is not there."""

    def __init__(self, what: str, id: str, near: Sequence[str] = ()) -> None:
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        super().__init__(f"there is no {what} {id!r}{hint}")
        self.what, self.id = what, id


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Something to be remembered; without a ``workflow_id`` it is general.

    ``importance`` lies between 0 and 1. After ``expires_at`` it is neither listed nor found. ``embedding`` is the
    vector of ``embedder`` (a model's name), where there was one.
    """

    id: str
    type: MemoryKind
    content: str
    workflow_id: str | None = None
    tags: tuple[str, ...] = ()
    priority: float | None = None
    agent_source: str | None = None
    importance: float = 0.5
    created_at: float = 0.0
    expires_at: float | None = None
    embedder: str | None = None
    embedding: tuple[float, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """An item of a to-do list; it cannot begin before those that it depends on (their ids) are completed.

    ``duration_ms`` is the time from ``started_at``, or from ``created_at`` for one that was never begun.
    """

    id: str
    workflow_id: str
    name: str
    description: str = ""
    priority: int = 3
    status: TaskStatus = "pending"
    dependencies: tuple[str, ...] = ()
    agent_assigned: str | None = None
    duration_ms: int | None = None
    created_at: float = 0.0
    started_at: float | None = None
    completed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One message of a conversation; ``body`` is its JSON form as ``models/messages.py`` writes it."""

    seq: int
    role: Literal["system", "user", "assistant", "tool"]
    body: Mapping[str, Any]
    at: float
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A row of messages with one agent; ``messages`` says how many there are."""

    id: str
    title: str
    agent_id: str
    created_at: float
    updated_at: float
    messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A described thing, kept as JSON: an agent, an MCP server, a provider, a prompt; no two of a kind share a name."""

    kind: str
    id: str
    name: str
    body: Mapping[str, Any]
    created_at: float = 0.0
    updated_at: float = 0.0


class Archive(ABC):
    """Keeps memories, tasks, conversations and documents; each method is one transaction."""

    # -- memories ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_memory(self, memory: Memory) -> None:
        """Keeps a memory; raises ``StoreError`` when its id is taken."""

    @abstractmethod
    async def memory(self, id: str) -> Memory:
        """Returns a memory that has not expired."""

    @abstractmethod
    async def memories(
        self,
        *,
        types: Sequence[MemoryKind] = (),
        scope: Scope = "both",
        workflow_id: str | None = None,
        limit: int | None = 10,
        offset: int = 0,
        embedded: bool = False,
    ) -> list[Memory]:
        """Returns memories, newest first; with ``embedded`` also their vectors. Empty ``types`` mean all."""

    @abstractmethod
    async def count_memories(
        self, *, types: Sequence[MemoryKind] = (), scope: Scope = "both", workflow_id: str | None = None
    ) -> int:
        """Returns how many memories there are of what ``memories`` would list without a limit."""

    @abstractmethod
    async def match_memories(
        self,
        query: str,
        *,
        types: Sequence[MemoryKind] = (),
        scope: Scope = "both",
        workflow_id: str | None = None,
        limit: int = 10,
    ) -> list[tuple[Memory, float]]:
        """Returns the memories in which the words of the query stand, best first, with a rank from 0 to 1."""

    @abstractmethod
    async def change_memory(self, memory: Memory) -> None:
        """Puts a memory in the place of the one with its id."""

    @abstractmethod
    async def delete_memory(self, id: str) -> None:
        """Forgets a memory."""

    @abstractmethod
    async def clear_memories(self, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None = None) -> int:
        """Forgets all memories of these types and this scope, and returns how many."""

    @abstractmethod
    async def purge_memories(self) -> int:
        """Removes what has expired, and returns how many."""

    # -- tasks ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_todo(self, todo: Todo) -> None:
        """Keeps a task; raises ``StoreError`` when its id is taken or a dependency is none of its workflow's."""

    @abstractmethod
    async def todo(self, workflow_id: str, id: str) -> Todo:
        """Returns a task of a workflow."""

    @abstractmethod
    async def todos(
        self, workflow_id: str, *, status: TaskStatus | None = None, limit: int | None = 1000
    ) -> list[Todo]:
        """Returns a workflow's tasks by priority (1 first), then by age."""

    @abstractmethod
    async def change_todo(self, todo: Todo, *, expected: TaskStatus | None = None) -> None:
        """Puts a task in the place of the one with its id; raises ``StoreError`` unless that one is ``expected``."""

    @abstractmethod
    async def delete_todo(self, workflow_id: str, id: str) -> None:
        """Removes a task, unless another depends on it (``StoreError``)."""

    # -- conversations -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def begin_conversation(self, conversation: Conversation) -> None:
        """Keeps a conversation without messages; raises ``StoreError`` when its id is taken."""

    @abstractmethod
    async def conversation(self, id: str) -> Conversation:
        """Returns a conversation."""

    @abstractmethod
    async def conversations(self, *, text: str | None = None, limit: int = 50, offset: int = 0) -> list[Conversation]:
        """Returns conversations, the one changed last first; ``text`` is a part of title or agent."""

    @abstractmethod
    async def add_messages(self, id: str, messages: Sequence[StoredMessage]) -> None:
        """Adds messages behind those that are there, all or none; their ``seq`` must go on without a gap."""

    @abstractmethod
    async def messages(self, id: str, *, last: int | None = None) -> list[StoredMessage]:
        """Returns the messages in order; ``last`` bounds them to the newest."""

    @abstractmethod
    async def rename_conversation(self, id: str, title: str) -> None:
        """Gives a conversation another title."""

    @abstractmethod
    async def delete_conversation(self, id: str) -> None:
        """Removes a conversation with its messages."""

    # -- documents -----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def put_document(self, document: Document, *, replace: bool = True) -> None:
        """Keeps a document; raises ``StoreError`` when another of its kind has its name, or it is there already."""

    @abstractmethod
    async def document(self, kind: str, id_or_name: str) -> Document:
        """Returns a document by its id, or by its name."""

    @abstractmethod
    async def documents(self, kind: str) -> list[Document]:
        """Returns all documents of a kind, by name."""

    @abstractmethod
    async def delete_document(self, kind: str, id: str) -> None:
        """Removes a document."""
