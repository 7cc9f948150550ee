"""The operations on memories."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from stretto.core.archive import MemoryKind, Scope
from stretto.server import memories as work
from stretto.server.dependencies import Here, Limit, Offset, Page
from stretto.server.memory_forms import (
    EmbedderCheck,
    EmbedderText,
    Forgotten,
    MemoriesImported,
    MemoryChange,
    MemoryEntry,
    MemoryFound,
    MemoryImport,
    MemoryPackage,
    MemoryQuery,
    MemoryStats,
    NewMemory,
    Regenerated,
    RegenerateRequest,
    entry_of,
)
from stretto.server.memory_packages import export_memories as export
from stretto.server.memory_packages import export_table, import_memories
from stretto.server.people_places import OfWorkflow
from stretto.server.problems import answers

router = APIRouter(prefix="/api/memories", tags=["Memories"])


Types = Annotated[list[MemoryKind] | None, Query(max_length=4, description="Only these types.")]
Whose = Annotated[Scope, Query(description="Those of a workflow, general ones, or both.")]


@router.get("", operation_id="list_memories", summary="List memories", responses=answers(409))
async def list_memories(
    house: Here, type: Types = None, scope: Whose = "both", workflow_id: OfWorkflow = None, limit: Limit = 50,
    offset: Offset = 0,
) -> Page[MemoryEntry]:  # fmt: skip
    """Returns memories, newest first; those that have expired are not there."""
    found, total = await work.list_memories(house, type or (), scope, workflow_id, limit, offset)
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.post("", operation_id="create_memory", summary="Keep a memory", status_code=201, responses=answers(404))
async def create_memory(house: Here, new: NewMemory) -> MemoryEntry:
    """Keeps a memory, with a vector where there is an embedder."""
    return await work.create_memory(house, new)


@router.delete("", operation_id="clear_memories", summary="Forget all memories of some types", responses=answers(409))
async def clear_memories(
    house: Here,
    type: Annotated[list[MemoryKind], Query(min_length=1, max_length=4, description="Of which types.")],
    scope: Whose = "both",
    workflow_id: OfWorkflow = None,
) -> Forgotten:
    """Forgets memories, and tells how many."""
    return Forgotten(deleted=await work.clear_memories(house, type, scope, workflow_id))


@router.post(
    "/search", operation_id="search_memories", summary="Find memories by meaning, or by their words",
    responses=answers(409),
)  # fmt: skip
async def search_memories(house: Here, query: MemoryQuery) -> MemoryFound:
    """Compares meanings where there is an embedder and words where there is none; best first."""
    return await work.search_memories(house, query)


@router.get("/stats", operation_id="get_memory_stats", summary="Count memories")
async def get_memory_stats(house: Here) -> MemoryStats:
    """Counts by type, tag and place, and says how many have a vector of today's embedder."""
    return await work.memory_stats(house)


@router.post("/purge", operation_id="purge_memories", summary="Remove what has expired")
async def purge_memories(house: Here) -> Forgotten:
    """Removes memories whose time is over; they are not found anyway."""
    return Forgotten(deleted=await house.store.archive.purge_memories())


@router.get(
    "/export", operation_id="export_memories", summary="Download all memories", response_class=StreamingResponse,
    responses={
        200: {
            "model": MemoryPackage, "description": "All memories, as JSON or as comma-separated values.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        }
    },
)  # fmt: skip
async def export_memories(
    house: Here, format: Annotated[Literal["json", "csv"], Query(description="In which form.")] = "json"
) -> StreamingResponse:
    """Sends all memories; JSON can be imported again, vectors are not in it."""
    told, media = (export(house), "application/json") if format == "json" else (export_table(house), "text/csv")
    held = {"content-disposition": f'attachment; filename="memories.{format}"'}
    return StreamingResponse(told, media_type=media, headers=held)


@router.post("/import", operation_id="import_memories", summary="Keep exported memories")
async def keep_exported_memories(house: Here, package: MemoryImport) -> MemoriesImported:
    """Keeps what an export holds, with vectors of today's embedder; what is there already stays, or is replaced."""
    return await import_memories(house, package)


@router.post(
    "/regenerate", operation_id="regenerate_embeddings", summary="Give vectors to memories that lack them",
    responses=answers(409),
)  # fmt: skip
async def regenerate_embeddings(house: Here, request: RegenerateRequest) -> Regenerated:
    """Makes some vectors of today's embedder and tells how many are left: ask again until none is."""
    return await work.regenerate(house, request.limit)


@router.post(
    "/embedder", operation_id="test_embedder", summary="Try the embedder",
    responses=answers(409, _502="The embedder failed; the sentence says how."),
)  # fmt: skip
async def check_embedder(house: Here, request: EmbedderText) -> EmbedderCheck:
    """Makes a vector of a text, and tells how long it is and how long it took."""
    return await work.check_embedder(house, request.text)


@router.get("/{memory_id:uuid}", operation_id="get_memory", summary="Show a memory", responses=answers(404))
async def get_memory(house: Here, memory_id: UUID) -> MemoryEntry:
    """Returns a memory that has not expired."""
    return entry_of(await house.store.archive.memory(str(memory_id)))


@router.patch("/{memory_id:uuid}", operation_id="change_memory", summary="Change a memory", responses=answers(404))
async def change_memory(house: Here, memory_id: UUID, change: MemoryChange) -> MemoryEntry:
    """Changes what is given; a new content gets a new vector."""
    return await work.change_memory(house, str(memory_id), change)


@router.delete(
    "/{memory_id:uuid}", operation_id="delete_memory", summary="Forget a memory", status_code=204,
    responses=answers(404),
)  # fmt: skip
async def delete_memory(house: Here, memory_id: UUID) -> None:
    """Forgets a memory."""
    await house.store.archive.delete_memory(str(memory_id))
