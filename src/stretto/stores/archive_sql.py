"""An archive in a database, beside the runs; each method is one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from stretto.core.archive import (
    Archive,
    Conversation,
    Document,
    Memory,
    MemoryKind,
    Scope,
    StoredMessage,
    TaskStatus,
    Todo,
)
from stretto.stores import archive_queries as queries
from stretto.stores import archive_search as search
from stretto.stores.archive_search import Wanted
from stretto.stores.database import Database


class SqlArchive(Archive):
    """Keeps what it is given in the tables of ``archive_schema``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- memories ------------------------------------------------------------------------------------------------------

    async def add_memory(self, memory: Memory) -> None:
        await self._database.write(search.add, memory)

    async def memory(self, id: str) -> Memory:
        return await self._database.read(search.one, id)

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
        wanted = Wanted(types, scope, workflow_id)
        return await self._database.read(search.some, wanted, limit, offset, embedded)

    async def count_memories(
        self, *, types: Sequence[MemoryKind] = (), scope: Scope = "both", workflow_id: str | None = None
    ) -> int:
        return await self._database.read(search.count, Wanted(types, scope, workflow_id))

    async def match_memories(
        self,
        query: str,
        *,
        types: Sequence[MemoryKind] = (),
        scope: Scope = "both",
        workflow_id: str | None = None,
        limit: int = 10,
    ) -> list[tuple[Memory, float]]:
        return await self._database.read(search.match, query, Wanted(types, scope, workflow_id), limit)

    async def change_memory(self, memory: Memory) -> None:
        await self._database.write(search.change, memory)

    async def delete_memory(self, id: str) -> None:
        await self._database.write(search.delete, id)

    async def clear_memories(self, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None = None) -> int:
        return await self._database.write(search.clear, Wanted(types, scope, workflow_id))

    async def purge_memories(self) -> int:
        return await self._database.write(search.purge)

    # -- tasks ---------------------------------------------------------------------------------------------------------

    async def add_todo(self, todo: Todo) -> None:
        await self._database.write(queries.add_todo, todo)

    async def todo(self, workflow_id: str, id: str) -> Todo:
        return await self._database.read(queries.one_todo, workflow_id, id)

    async def todos(
        self, workflow_id: str, *, status: TaskStatus | None = None, limit: int | None = 1000
    ) -> list[Todo]:
        return await self._database.read(queries.todos, workflow_id, status, limit)

    async def change_todo(self, todo: Todo, *, expected: TaskStatus | None = None) -> None:
        await self._database.write(queries.change_todo, todo, expected)

    async def delete_todo(self, workflow_id: str, id: str) -> None:
        await self._database.write(queries.delete_todo, workflow_id, id)

    # -- conversations -------------------------------------------------------------------------------------------------

    async def begin_conversation(self, conversation: Conversation) -> None:
        await self._database.write(queries.begin_conversation, conversation)

    async def conversation(self, id: str) -> Conversation:
        return await self._database.read(queries.one_conversation, id)

    async def conversations(self, *, text: str | None = None, limit: int = 50, offset: int = 0) -> list[Conversation]:
        return await self._database.read(queries.conversations, text, limit, offset)

    async def add_messages(self, id: str, messages: Sequence[StoredMessage]) -> None:
        await self._database.write(queries.add_messages, id, messages)

    async def messages(self, id: str, *, last: int | None = None) -> list[StoredMessage]:
        return await self._database.read(queries.messages, id, last)

    async def rename_conversation(self, id: str, title: str) -> None:
        await self._database.write(queries.rename_conversation, id, title)

    async def delete_conversation(self, id: str) -> None:
        await self._database.write(queries.delete_conversation, id)

    # -- documents -----------------------------------------------------------------------------------------------------

    async def put_document(self, document: Document, *, replace: bool = True) -> None:
        await self._database.write(queries.put_document, document, replace)

    async def document(self, kind: str, id_or_name: str) -> Document:
        return await self._database.read(queries.one_document, kind, id_or_name)

    async def documents(self, kind: str) -> list[Document]:
        return await self._database.read(queries.documents, kind)

    async def delete_document(self, kind: str, id: str) -> None:
        await self._database.write(queries.delete_document, kind, id)
