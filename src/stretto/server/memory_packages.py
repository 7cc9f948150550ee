"""Memories as files: all of them as JSON or as a table, and back."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

from stretto.core.archive import Memory, NotKept
from stretto.server.house import House
from stretto.server.memories import BATCH, embedded
from stretto.server.memory_forms import (
    ImportedMemory,
    MemoriesImported,
    MemoryImport,
    MemoryPackage,
    entry_of,
    moment,
    seconds,
)
from stretto.server.tables import table_line

AT_ONCE = 500
_COLUMNS = (
    "id", "type", "content", "workflow_id", "tags", "importance", "priority", "agent_source", "created_at",
    "expires_at",
)  # fmt: skip


async def export_memories(house: House) -> AsyncIterator[bytes]:
    """Yields all memories as a JSON document, some at a time, the newest first."""
    head = MemoryPackage(exported_at=moment(time.time()), memories=[]).model_dump_json()
    yield head.removesuffix("]}").encode()
    first = True
    async for memory in _all(house):
        told = entry_of(memory).model_dump_json(exclude={"embedding_problem"})
        yield (told if first else f",{told}").encode()
        first = False
    yield b"]}"


async def export_table(house: House) -> AsyncIterator[bytes]:
    """Yields all memories as comma-separated values with a head line; JSON alone can be imported again."""
    yield table_line(_COLUMNS)
    async for memory in _all(house):
        told = entry_of(memory)
        yield table_line(
            [
                told.id, told.type, told.content, told.workflow_id, " ".join(told.tags), told.importance, told.priority,
                told.agent_source, told.created_at.isoformat(), told.expires_at and told.expires_at.isoformat(),
            ]
        )  # fmt: skip


async def import_memories(house: House, package: MemoryImport) -> MemoriesImported:
    """Keeps memories, with vectors of today's embedder; one that has expired is passed over."""
    added = overwritten = skipped = without = 0
    workflows: dict[str, bool] = {}
    seen: set[str] = set()
    problem, now = "", time.time()
    for begin in range(0, len(package.memories), BATCH):
        some: list[tuple[Memory, bool]] = []
        for said in package.memories[begin : begin + BATCH]:
            memory = _memory(said, now)
            there = said.id is not None and await _is_there(house, memory.id)
            if memory.id in seen:
                skipped += 1
            elif not await _has_workflow(house, memory.workflow_id, workflows):
                without += 1
            elif (there and package.conflicts == "skip") or (memory.expires_at or now + 1) <= now:
                skipped += 1
            else:
                some.append((memory, there))
            seen.add(memory.id)
        vectors, problem = await _vectors(house, [memory for memory, _ in some], package.embed and not problem)
        for (memory, there), vector in zip(some, vectors, strict=True):
            kept = memory if vector is None else replace(memory, embedder=vector[0], embedding=vector[1])
            await (house.store.archive.change_memory if there else house.store.archive.add_memory)(kept)
            added, overwritten = added + (not there), overwritten + there
    return MemoriesImported(
        added=added, overwritten=overwritten, skipped=skipped, without_workflow=without, embedding_problem=problem
    )


async def _all(house: House) -> AsyncIterator[Memory]:
    offset = 0
    while some := await house.store.archive.memories(limit=AT_ONCE, offset=offset):
        for memory in some:
            yield memory
        offset += len(some)


async def _is_there(house: House, id: str) -> bool:
    try:
        await house.store.archive.memory(id)
    except NotKept:
        return False
    return True


async def _has_workflow(house: House, id: str | None, known: dict[str, bool]) -> bool:
    if id is None:
        return True
    if id not in known:
        try:
            await house.store.records.workflow(id)
            known[id] = True
        except NotKept:
            known[id] = False
    return known[id]


async def _vectors(
    house: House, memories: list[Memory], wanted: bool
) -> tuple[list[tuple[str, tuple[float, ...]] | None], str]:
    if not wanted or not memories:
        return [None] * len(memories), ""
    made = await embedded(house.room.embedder, [memory.content for memory in memories])
    if not made.vectors:
        return [None] * len(memories), made.problem
    return [(made.embedder, vector) for vector in made.vectors], ""


def _memory(said: ImportedMemory, now: float) -> Memory:
    return Memory(
        id=said.id or str(uuid.uuid4()), type=said.type, content=said.content,
        workflow_id=said.workflow_id, tags=tuple(dict.fromkeys(said.tags)),
        priority=said.priority, agent_source=said.agent_source, importance=said.importance,
        created_at=now if said.created_at is None else seconds(said.created_at),
        expires_at=None if said.expires_at is None else seconds(said.expires_at),
    )  # fmt: skip
