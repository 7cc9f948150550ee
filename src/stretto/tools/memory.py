"""MemoryTool keeps what agents should remember, for one workflow or for all, and finds it again by meaning or words."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import anyio
from pydantic import Field, StringConstraints

from stretto.core.archive import Archive, Memory, MemoryKind, NotKept, Scope
from stretto.core.errors import DefinitionError, StoreError
from stretto.core.events import Said
from stretto.core.policies import StepPolicy
from stretto.core.resources import Embedder, Workers
from stretto.core.step import Context
from stretto.tools.arguments import Arguments, Prose
from stretto.tools.local import LocalTool, not_found
from stretto.tools.recall import Recalled, best_first, by_meaning, by_words, comparable
from stretto.tools.tool import Invocation, Touches

GENERAL: frozenset[MemoryKind] = frozenset({"user_pref", "knowledge"})
"""Kinds that belong to no workflow unless they are said to."""
DEFAULT_IMPORTANCE: dict[MemoryKind, float] = {"user_pref": 0.8, "decision": 0.7, "knowledge": 0.6, "context": 0.3}
CONTEXT_LIFE = 7 * 24 * 3600.0
"""Memories of kind ``context`` expire after so many seconds."""
EMBEDDING_TIMEOUT = 30.0
PREVIEW = 100
"""How many characters of a memory a compact list shows."""

Tag = Annotated[Prose, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
MemoryId = Annotated[str, Field(min_length=1, max_length=64, description="The id of a memory.")]
Limit = Annotated[int, Field(ge=1, le=100, description="At most so many memories, 1 to 100.")]
Types = Annotated[MemoryKind | None, Field(description="Only memories of this type.")]
Reach = Annotated[Scope, Field(description="Whose: this workflow's, general ones, or both.")]


class Add(Arguments):
    """keeps something."""

    operation: Literal["add"]
    type: MemoryKind = Field(description="user_pref, context (expires after 7 days), knowledge or decision.")
    content: Prose = Field(min_length=1, max_length=50_000, description="What to remember, 1 to 50,000 characters.")
    tags: tuple[Tag, ...] = Field((), max_length=20, description="Words to sort it by.")
    importance: float | None = Field(None, ge=0, le=1, description="From 0 to 1; left out, the type decides.")
    priority: float | None = Field(None, ge=0, le=1, description="From 0 to 1.")
    scope: Literal["workflow", "general"] | None = Field(
        None, description="Left out: user_pref and knowledge are general, context and decision this workflow's."
    )


class Get(Arguments):
    """returns one memory."""

    operation: Literal["get"]
    memory_id: MemoryId


class List(Arguments):
    """lists memories, newest first."""

    operation: Literal["list"]
    type_filter: Types = None
    limit: Limit = 10
    scope: Reach = "both"
    mode: Literal["full", "compact"] = Field("full", description="compact shows 100 characters of each.")


class Search(Arguments):
    """finds memories by meaning, or by their words."""

    operation: Literal["search"]
    query: Prose = Field(min_length=1, max_length=5_000, description="What to look for, 1 to 5,000 characters.")
    type_filter: Types = None
    limit: Limit = 10
    threshold: float = Field(0.7, ge=0, le=1, description="The least likeness of meaning, 0 to 1.")
    scope: Reach = "both"


class Delete(Arguments):
    """forgets one memory."""

    operation: Literal["delete"]
    memory_id: MemoryId


class ClearByType(Arguments):
    """forgets all memories of a type."""

    operation: Literal["clear_by_type"]
    type: MemoryKind
    scope: Reach = "both"


class Describe(Arguments):
    """counts memories by type and tag."""

    operation: Literal["describe"]
    scope: Reach = "both"


@dataclass(frozen=True, slots=True)
class _Vectors:
    """What an embedder made of some text, or why it made nothing."""

    vector: tuple[float, ...] | None = None
    embedder: str | None = None
    problem: str = ""


class MemoryTool(LocalTool):
    """Keeps memories in the run's ``Archive``; meaning is compared when the run was given an ``Embedder``, too.

    A memory of another workflow is not found. Keeping the same content twice keeps it once, so every operation can be
    run again. Calls outside any conversation share the workflow whose id is empty.
    """

    name = "MemoryTool"
    description = (
        "Remembers facts, preferences, decisions and context over turns and conversations. Search before you ask the "
        "user for something they may have said already; keep what will matter later. Not for the state of a task "
        "(TodoTool) and not for secrets."
    )
    models = (Add, Get, List, Search, Delete, ClearByType, Describe)
    policy = StepPolicy(idempotent=True)

    def touched(self, asked: Any) -> Touches:
        """Says which memories a call reads and writes."""
        if isinstance(asked, Add):
            return Touches(writes=(f"memory/{_id_of(asked, '')}",))
        if isinstance(asked, Delete):
            return Touches(writes=(f"memory/{asked.memory_id}",))
        if isinstance(asked, Get):
            return Touches(reads=(f"memory/{asked.memory_id}",))
        return Touches(writes=("memory/*",)) if isinstance(asked, ClearByType) else Touches(reads=("memory/*",))

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Does one of the operations."""
        desk = _Desk(context.resource(Archive), call.workflow_id, context)
        match asked:
            case Add():
                return await desk.add(asked, call.agent_id)
            case Get():
                return _shown(await desk.owned(asked.memory_id))
            case List():
                return await desk.list(asked)
            case Search():
                return await desk.search(asked)
            case Delete():
                memory = await desk.owned(asked.memory_id)
                await desk.archive.delete_memory(memory.id)
                return {"deleted": memory.id}
            case ClearByType():
                count = await desk.archive.clear_memories((asked.type,), asked.scope, desk.workflow)
                return {"type": asked.type, "scope": asked.scope, "deleted": count}
            case _:
                return await desk.describe(asked)


class _Desk:
    """One call's view of the archive: the memories of its workflow and the general ones."""

    def __init__(self, archive: Archive, workflow: str, context: Context) -> None:
        self.archive, self.workflow, self.context = archive, workflow, context

    async def add(self, asked: Add, agent: str) -> dict[str, Any]:
        now = time.time()
        workflow = None if _scope_of(asked) == "general" else self.workflow
        made = await self._embedded(asked.content)
        importance = DEFAULT_IMPORTANCE[asked.type] if asked.importance is None else asked.importance
        memory = Memory(
            id=_id_of(asked, self.workflow), type=asked.type, content=asked.content, workflow_id=workflow,
            tags=tuple(dict.fromkeys(asked.tags)), priority=asked.priority, agent_source=agent or None,
            importance=importance, created_at=now, expires_at=now + CONTEXT_LIFE if asked.type == "context" else None,
            embedder=made.embedder, embedding=made.vector,
        )  # fmt: skip
        known = await self._keep(memory)
        told = {"memory_id": memory.id, "scope": _scope_of(asked), "embedding_generated": made.vector is not None}
        note = {"already_known": True} if known else {}
        return told | note | ({"embedding_problem": made.problem} if made.problem else {})

    async def _keep(self, memory: Memory) -> bool:
        """Keeps a memory, in the place of one with the same content; says whether there was one."""
        try:
            known = await self.archive.memory(memory.id)
        except NotKept:
            try:
                await self.archive.add_memory(memory)
                return False
            except StoreError:  # somebody else has just kept the same
                known = await self.archive.memory(memory.id)
        tags = tuple(dict.fromkeys((*known.tags, *memory.tags)))
        await self.archive.change_memory(replace(memory, tags=tags, created_at=known.created_at))
        return True

    async def owned(self, id: str) -> Memory:
        """Returns a memory of this workflow or a general one; of any other nobody is told that it exists."""
        try:
            memory = await self.archive.memory(id)
        except NotKept:
            memory = None
        if memory is None or memory.workflow_id not in (None, self.workflow):
            raise not_found("memory", id, "list or search memories to learn their ids")
        return memory

    async def list(self, asked: List) -> dict[str, Any]:
        types = () if asked.type_filter is None else (asked.type_filter,)
        found = await self.archive.memories(
            types=types, scope=asked.scope, workflow_id=self.workflow, limit=asked.limit
        )
        show = _preview if asked.mode == "compact" else _shown
        return {"count": len(found), "memories": [show(memory) for memory in found]}

    async def describe(self, asked: Describe) -> dict[str, Any]:
        found = await self.archive.memories(scope=asked.scope, workflow_id=self.workflow, limit=None)
        times = [memory.created_at for memory in found]
        mine = sum(memory.workflow_id is not None for memory in found)
        return {
            "total": len(found), "by_type": dict(Counter(memory.type for memory in found)),
            "tags": dict(Counter(tag for memory in found for tag in memory.tags).most_common(100)),
            "workflow": mine, "general": len(found) - mine,
            "oldest": _iso(min(times)) if times else None, "newest": _iso(max(times)) if times else None,
        }  # fmt: skip

    async def search(self, asked: Search) -> dict[str, Any]:
        """Compares meanings where vectors can be compared, and words where they cannot."""
        now = time.time()
        types: Sequence[MemoryKind] = () if asked.type_filter is None else (asked.type_filter,)
        made = await self._embedded(asked.query)
        near: list[Memory] = []
        found: list[Recalled] = []
        if made.vector is not None:
            held = await self.archive.memories(
                types=types, scope=asked.scope, workflow_id=self.workflow, limit=None, embedded=True
            )
            near = [memory for memory in held if comparable(memory, made.embedder or "", len(made.vector or ()))]
            workers = self.context.resource(Workers)
            found = await workers.thread(by_meaning, made.vector, near, asked.threshold, now)
        skip = {memory.id for memory in near} if found else set[str]()
        matches = await self.archive.match_memories(
            asked.query, types=types, scope=asked.scope, workflow_id=self.workflow, limit=asked.limit + len(skip)
        )
        words = by_words([match for match in matches if match[0].id not in skip], now)
        best = best_first([*found, *words])[: asked.limit]
        modes = sorted({each.matched for each in best})
        told: dict[str, Any] = {
            "count": len(best), "matched_by": modes, "threshold": asked.threshold if found else None,
            "memories": [_shown(each.memory) | _rated(each) for each in best],
        }  # fmt: skip
        return told | _note(made, bool(found), len(near))

    async def _embedded(self, text: str) -> _Vectors:
        """Returns the vector of a text; without an embedder, or when it fails, none, and the reason."""
        try:
            embedder = self.context.resource(Embedder)
        except DefinitionError:  # the run was given none: words must do
            return _Vectors()
        try:
            with anyio.fail_after(EMBEDDING_TIMEOUT):
                vectors = await embedder.embed([text])
            return _Vectors(tuple(vectors[0]), embedder.name)
        except Exception as error:  # noqa: BLE001  # a memory without a vector is better than none, and it is told
            problem = f"{embedder.name} failed: {type(error).__name__}: {error}"[:500]
            self.context.emit(Said(text=f"no embedding: {problem}", level="warning"))
            return _Vectors(problem=problem)


def _scope_of(asked: Add) -> Literal["workflow", "general"]:
    return asked.scope or ("general" if asked.type in GENERAL else "workflow")


def _id_of(asked: Add, workflow: str) -> str:
    """Makes the id of what is kept, so that the same content in the same place is one memory."""
    place = "" if _scope_of(asked) == "general" else f"workflow {workflow}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place}\n{asked.type}\n{asked.content}"))


def _note(made: _Vectors, found: bool, near: int) -> dict[str, Any]:
    if made.problem:
        return {"embedding_generated": False, "note": f"words were compared, not meanings: {made.problem}"}
    if made.vector is None:
        return {"embedding_generated": False}
    how = "meanings" if found else "words, because no meaning was near enough"
    if not near:
        how = f"words, because no memory has a vector of {made.embedder} with {len(made.vector)} numbers"
    return {"embedding_generated": True, "note": f"compared were {how}; memories without such a vector by words"}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _shown(memory: Memory) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": memory.id, "type": memory.type, "content": memory.content, "tags": list(memory.tags),
        "scope": "general" if memory.workflow_id is None else "workflow", "importance": memory.importance,
        "created_at": _iso(memory.created_at),
    }  # fmt: skip
    beside = {"priority": memory.priority, "agent_source": memory.agent_source}
    told |= {name: value for name, value in beside.items() if value is not None}
    return told if memory.expires_at is None else told | {"expires_at": _iso(memory.expires_at)}


def _preview(memory: Memory) -> dict[str, Any]:
    start = memory.content if len(memory.content) <= PREVIEW else f"{memory.content[:PREVIEW]}…"
    return {"id": memory.id, "type": memory.type, "preview": start, "tags": list(memory.tags)}


def _rated(found: Recalled) -> dict[str, Any]:
    return {"score": round(found.score, 4), "likeness": round(found.likeness, 4), "matched_by": found.matched}
