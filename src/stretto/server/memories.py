"""Memories as people see them: kept, changed, searched, counted, and given vectors where an embedder is."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import anyio
from anyio.to_thread import run_sync

from stretto.core.archive import Memory, MemoryKind, NotKept, Scope
from stretto.core.resources import Embedder
from stretto.server.house import House
from stretto.server.memory_forms import (
    EmbedderCheck,
    EmbeddingState,
    MemoryChange,
    MemoryEntry,
    MemoryFound,
    MemoryHit,
    MemoryQuery,
    MemoryStats,
    NewMemory,
    Regenerated,
    entry_of,
    moment,
)
from stretto.server.problems import Problem
from stretto.tools.memory import CONTEXT_LIFE, DEFAULT_IMPORTANCE, EMBEDDING_TIMEOUT
from stretto.tools.recall import Recalled, best_first, by_meaning, by_words, comparable

BATCH = 96
"""How many texts an embedder is given at once."""
MOST_TAGS = 100
"""How many tags statistics name."""


class Vectors(NamedTuple):
    """What an embedder made of texts, in their order, or why it made nothing."""

    embedder: str = ""
    vectors: Sequence[tuple[float, ...]] = ()
    problem: str = ""


async def list_memories(
    house: House, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None, limit: int, offset: int
) -> tuple[list[MemoryEntry], int]:
    """Returns memories, newest first, and how many there are."""
    _check_scope(scope, workflow_id)
    archive = house.store.archive
    found = await archive.memories(types=types, scope=scope, workflow_id=workflow_id, limit=limit, offset=offset)
    total = await archive.count_memories(types=types, scope=scope, workflow_id=workflow_id)
    return [entry_of(memory) for memory in found], total


async def create_memory(house: House, new: NewMemory) -> MemoryEntry:
    """Keeps a memory, with a vector where there is an embedder; raises ``NotKept`` for an unknown workflow."""
    if new.workflow_id is not None:
        await house.store.records.workflow(new.workflow_id)
    now = time.time()
    life = new.expires_in
    if "expires_in" not in new.model_fields_set:
        life = CONTEXT_LIFE if new.type == "context" else None
    memory = Memory(
        id=str(uuid.uuid4()), type=new.type, content=new.content, workflow_id=new.workflow_id,
        tags=tuple(dict.fromkeys(new.tags)), priority=new.priority,
        importance=DEFAULT_IMPORTANCE[new.type] if new.importance is None else new.importance,
        created_at=now, expires_at=None if life is None else now + life,
    )  # fmt: skip
    memory, problem = await _with_vector(house, memory)
    await house.store.archive.add_memory(memory)
    return entry_of(memory, problem)


async def change_memory(house: House, id: str, change: MemoryChange) -> MemoryEntry:
    """Changes fields of a memory; a new content gets a new vector, or none where it cannot be made."""
    before = await house.store.archive.memory(id)
    given = change.model_dump(exclude_unset=True, exclude={"expires_in"})
    if "tags" in given:
        given["tags"] = tuple(dict.fromkeys(change.tags or ()))
    if "expires_in" in change.model_fields_set:
        given["expires_at"] = None if change.expires_in is None else time.time() + change.expires_in
    after, problem = replace(before, **given), ""
    if after.content != before.content:
        after, problem = await _with_vector(house, replace(after, embedder=None, embedding=None))
    await house.store.archive.change_memory(after)
    return entry_of(after, problem)


async def search_memories(house: House, asked: MemoryQuery) -> MemoryFound:
    """Compares meanings where vectors can be compared, and words where they cannot."""
    _check_scope(asked.scope, asked.workflow_id)
    archive, now = house.store.archive, time.time()
    made = await embedded(house.room.embedder, [asked.query])
    near: list[Memory] = []
    found: list[Recalled] = []
    if made.vectors:
        held = await archive.memories(
            types=asked.types, scope=asked.scope, workflow_id=asked.workflow_id, limit=None, embedded=True
        )
        near = [memory for memory in held if comparable(memory, made.embedder, len(made.vectors[0]))]
        found = await run_sync(by_meaning, made.vectors[0], near, asked.threshold, now)
    skip = {memory.id for memory in near} if found else set[str]()
    matches = await archive.match_memories(
        asked.query, types=asked.types, scope=asked.scope, workflow_id=asked.workflow_id,
        limit=asked.limit + len(skip),
    )  # fmt: skip
    words = by_words([match for match in matches if match[0].id not in skip], now)
    best = best_first([*found, *words])[: asked.limit]
    hits = [
        MemoryHit(
            memory=entry_of(each.memory), score=each.score, likeness=each.likeness,
            matched_by="meaning" if each.matched == "meaning" else "words",
        )
        for each in best
    ]  # fmt: skip
    return MemoryFound(hits=hits, by_meaning=bool(found), problem=made.problem)


async def memory_stats(house: House) -> MemoryStats:
    """Counts all memories."""
    found = await house.store.archive.memories(limit=None)
    times = [memory.created_at for memory in found]
    general = sum(memory.workflow_id is None for memory in found)
    embedder = house.room.embedder
    name = "" if embedder is None else embedder.name
    mine = sum(bool(name) and memory.embedder == name for memory in found)
    others = sum(memory.embedder is not None and memory.embedder != name for memory in found)
    return MemoryStats(
        total=len(found), by_type=dict(Counter(memory.type for memory in found)),
        tags=dict(Counter(tag for memory in found for tag in memory.tags).most_common(MOST_TAGS)),
        general=general, of_workflows=len(found) - general,
        characters=sum(len(memory.content) for memory in found),
        oldest=moment(min(times)) if times else None, newest=moment(max(times)) if times else None,
        embedding=EmbeddingState(
            embedder=name or None, current=mine, other=others, without=len(found) - mine - others
        ),
    )  # fmt: skip


async def clear_memories(house: House, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None) -> int:
    """Forgets memories of these types, and returns how many."""
    _check_scope(scope, workflow_id)
    return await house.store.archive.clear_memories(types, scope, workflow_id)


async def regenerate(house: House, limit: int) -> Regenerated:
    """Gives vectors of today's embedder to some of the memories that have none of it, the oldest first."""
    embedder = _embedder(house)
    archive = house.store.archive
    held = await archive.memories(limit=None)
    lacking = [memory for memory in reversed(held) if memory.embedder != embedder.name]
    done, problem = 0, ""
    for begin in range(0, min(limit, len(lacking)), BATCH):
        some = lacking[begin : min(begin + BATCH, limit)]
        made = await embedded(embedder, [memory.content for memory in some])
        if problem := made.problem:
            break
        for memory, vector in zip(some, made.vectors, strict=True):
            try:
                current = await archive.memory(memory.id)
                if current.content == memory.content:
                    await archive.change_memory(replace(current, embedder=made.embedder, embedding=vector))
            except NotKept:  # somebody has forgotten it meanwhile
                continue
        done += len(some)
    return Regenerated(embedded=done, left=len(lacking) - done, problem=problem)


async def check_embedder(house: House, text: str) -> EmbedderCheck:
    """Has the embedder make a vector of a text; raises ``Problem`` when there is none, or it fails."""
    embedder = _embedder(house)
    began = time.perf_counter()
    made = await embedded(embedder, [text])
    if made.problem:
        raise Problem(502, "embedder_failed", made.problem)
    taken, vector = time.perf_counter() - began, made.vectors[0]
    return EmbedderCheck(
        embedder=embedder.name, dimensions=len(vector), first=list(vector[:5]), milliseconds=taken * 1000
    )


async def embedded(embedder: Embedder | None, texts: Sequence[str]) -> Vectors:
    """Returns the vectors of texts; without an embedder, or when it fails, none, and the reason."""
    if embedder is None:
        return Vectors()
    try:
        with anyio.fail_after(EMBEDDING_TIMEOUT):
            made = await embedder.embed(texts)
    except Exception as error:  # noqa: BLE001  # a memory without a vector is better than none, and it is told
        return Vectors(embedder.name, problem=f"{embedder.name} failed: {type(error).__name__}: {error}"[:500])
    return Vectors(embedder.name, made)


async def _with_vector(house: House, memory: Memory) -> tuple[Memory, str]:
    made = await embedded(house.room.embedder, [memory.content])
    if not made.vectors:
        return memory, made.problem
    return replace(memory, embedder=made.embedder, embedding=made.vectors[0]), ""


def _check_scope(scope: Scope, workflow_id: str | None) -> None:
    if scope == "workflow" and workflow_id is None:
        raise Problem(409, "no_workflow", "scope=workflow needs a workflow_id: say whose memories are meant")


def _embedder(house: House) -> Embedder:
    found = house.room.embedder
    if found is None:
        raise Problem(409, "no_embedder", "there is no embedder: set embedder to one, as openai:text-embedding-3-small")
    return found
