"""An archive in this process's memory, with everything that one in a database does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

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
from stretto.stores import archive_rules as rules
from stretto.stores.archive_words import ranked, share_of_best, words


@dataclass(slots=True)
class _Talk:
    conversation: Conversation
    messages: list[tuple[StoredMessage, str]] = field(default_factory=list[tuple[StoredMessage, str]])


class MemoryArchive(Archive):
    """Keeps what it is given until the process ends; ``check_open`` raises when the store is closed."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._memories: dict[str, Memory] = {}
        self._words: dict[str, list[str]] = {}
        self._todos: dict[str, dict[str, Todo]] = {}
        self._talks: dict[str, _Talk] = {}
        self._documents: dict[str, dict[str, tuple[Document, str]]] = {}

    def forget_workflow(self, workflow_id: str) -> None:
        """Removes the memories, the tasks and the conversation of a workflow."""
        self._forget([id for id, memory in self._memories.items() if memory.workflow_id == workflow_id])
        self._todos.pop(workflow_id, None)
        self._talks.pop(workflow_id, None)

    # -- memories ------------------------------------------------------------------------------------------------------

    async def add_memory(self, memory: Memory) -> None:
        if memory.id in self._live():
            raise rules.IdTaken("memory", memory.id)
        self._memories.pop(memory.id, None)  # an expired one gives way, and the new one stands last
        self._put_memory(memory)

    async def memory(self, id: str) -> Memory:
        if (found := self._live().get(id)) is None:
            raise rules.not_kept("memory", id, ())
        return found

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
        rules.check_bounds(limit, offset)
        found = self._of(types, scope, workflow_id)[offset : None if limit is None else offset + limit]
        return found if embedded else [replace(memory, embedding=None) for memory in found]

    async def count_memories(
        self, *, types: Sequence[MemoryKind] = (), scope: Scope = "both", workflow_id: str | None = None
    ) -> int:
        return len(self._of(types, scope, workflow_id))

    async def match_memories(
        self,
        query: str,
        *,
        types: Sequence[MemoryKind] = (),
        scope: Scope = "both",
        workflow_id: str | None = None,
        limit: int = 10,
    ) -> list[tuple[Memory, float]]:
        rules.check_bounds(limit)
        among = self._of(types, scope, workflow_id)
        ranks = ranked(words(query), self._words)
        found = sorted((memory for memory in among if memory.id in ranks), key=lambda memory: -ranks[memory.id])
        shares = share_of_best([ranks[memory.id] for memory in found])
        return [(replace(memory, embedding=None), share) for memory, share in zip(found[:limit], shares, strict=False)]

    async def change_memory(self, memory: Memory) -> None:
        await self.memory(memory.id)
        self._put_memory(memory)

    async def delete_memory(self, id: str) -> None:
        await self.memory(id)
        self._forget([id])

    async def clear_memories(self, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None = None) -> int:
        return self._forget([memory.id for memory in self._of(types, scope, workflow_id)])

    async def purge_memories(self) -> int:
        live = self._live()
        return self._forget([id for id in self._memories if id not in live])

    def _put_memory(self, memory: Memory) -> None:
        self._memories[memory.id] = replace(memory, embedding=rules.unpacked(rules.packed(memory.embedding)))
        self._words[memory.id] = words(memory.content, *memory.tags)

    def _forget(self, ids: Sequence[str]) -> int:
        for id in ids:
            del self._memories[id], self._words[id]
        return len(ids)

    def _live(self) -> dict[str, Memory]:
        self._check_open()
        now = time.time()
        return {id: held for id, held in self._memories.items() if held.expires_at is None or held.expires_at > now}

    def _of(self, types: Sequence[MemoryKind], scope: Scope, workflow_id: str | None) -> list[Memory]:
        rules.check_scope(scope, workflow_id)
        kept = [
            memory
            for memory in self._live().values()
            if (not types or memory.type in types)
            and (
                (scope != "workflow" and memory.workflow_id is None)
                or (scope != "general" and workflow_id in (None, memory.workflow_id))
            )
        ]
        kept.reverse()  # of two that are equally old, the one that was kept last comes first
        return sorted(kept, key=lambda memory: -memory.created_at)

    # -- tasks ---------------------------------------------------------------------------------------------------------

    async def add_todo(self, todo: Todo) -> None:
        mine = self._list(todo.workflow_id)
        if todo.id in mine:
            raise rules.IdTaken("task", todo.id)
        self._put_todo(todo, mine)

    async def todo(self, workflow_id: str, id: str) -> Todo:
        mine = self._list(workflow_id)
        if id not in mine:
            raise rules.not_kept("task", id, mine)
        return mine[id]

    async def todos(
        self, workflow_id: str, *, status: TaskStatus | None = None, limit: int | None = 1000
    ) -> list[Todo]:
        rules.check_bounds(limit)
        found = [todo for todo in self._list(workflow_id).values() if status in (None, todo.status)]
        return sorted(found, key=lambda todo: (todo.priority, todo.created_at))[:limit]

    async def change_todo(self, todo: Todo, *, expected: TaskStatus | None = None) -> None:
        rules.check_expected(todo.id, (await self.todo(todo.workflow_id, todo.id)).status, expected)
        self._put_todo(todo, self._list(todo.workflow_id))

    async def delete_todo(self, workflow_id: str, id: str) -> None:
        await self.todo(workflow_id, id)
        mine = self._list(workflow_id)
        rules.check_unneeded(id, [other.id for other in mine.values() if id in other.dependencies])
        del mine[id]

    def _put_todo(self, todo: Todo, mine: dict[str, Todo]) -> None:
        rules.check_todo(todo, {id: rules.Standing(held.status, held.dependencies) for id, held in mine.items()})
        self._todos.setdefault(todo.workflow_id, mine)[todo.id] = todo

    def _list(self, workflow_id: str) -> dict[str, Todo]:
        self._check_open()
        return self._todos.get(workflow_id, {})

    # -- conversations -------------------------------------------------------------------------------------------------

    async def begin_conversation(self, conversation: Conversation) -> None:
        self._check_open()
        if conversation.id in self._talks:
            raise rules.IdTaken("conversation", conversation.id)
        self._talks[conversation.id] = _Talk(replace(conversation, messages=0))

    async def conversation(self, id: str) -> Conversation:
        return self._talk(id).conversation

    async def conversations(self, *, text: str | None = None, limit: int = 50, offset: int = 0) -> list[Conversation]:
        self._check_open()
        rules.check_bounds(limit, offset)
        found = [talk.conversation for talk in reversed(self._talks.values())]
        if text is not None:
            found = [held for held in found if text.casefold() in f"{held.title}\n{held.agent_id}".casefold()]
        return sorted(found, key=lambda held: -held.updated_at)[offset : offset + limit]

    async def add_messages(self, id: str, messages: Sequence[StoredMessage]) -> None:
        talk = self._talk(id)
        rules.check_messages(id, len(talk.messages), messages)
        new = [(replace(held, body={}), rules.json_text("message", str(held.seq), held.body)) for held in messages]
        talk.messages += new
        last = max([talk.conversation.updated_at, *(message.at for message in messages)])
        talk.conversation = replace(talk.conversation, messages=len(talk.messages), updated_at=last)

    async def messages(self, id: str, *, last: int | None = None) -> list[StoredMessage]:
        rules.check_bounds(last)
        held = self._talk(id).messages
        start = 0 if last is None else max(0, len(held) - last)
        return [replace(message, body=json.loads(text)) for message, text in held[start:]]

    async def rename_conversation(self, id: str, title: str) -> None:
        talk = self._talk(id)
        talk.conversation = replace(talk.conversation, title=title, updated_at=time.time())

    async def delete_conversation(self, id: str) -> None:
        self._talk(id)
        del self._talks[id]

    def _talk(self, id: str) -> _Talk:
        self._check_open()
        if id not in self._talks:
            raise rules.not_kept("conversation", id, self._talks)
        return self._talks[id]

    # -- documents -----------------------------------------------------------------------------------------------------

    async def put_document(self, document: Document, *, replace: bool = True) -> None:
        mine = self._kind(document.kind)
        if document.id in mine and not replace:
            raise rules.IdTaken(document.kind, document.id)
        if any(held.name == document.name and id != document.id for id, (held, _) in mine.items()):
            raise rules.IdTaken(document.kind, document.name)
        text = rules.json_text(document.kind, document.id, document.body)
        self._documents.setdefault(document.kind, mine)[document.id] = (document, text)

    async def document(self, kind: str, id_or_name: str) -> Document:
        there = await self.documents(kind)
        found = [held for held in there if held.id == id_or_name] or [held for held in there if held.name == id_or_name]
        if not found:
            raise rules.not_kept(kind, id_or_name, [name for held in there for name in (held.id, held.name)])
        return found[0]

    async def documents(self, kind: str) -> list[Document]:
        held = sorted(self._kind(kind).values(), key=lambda pair: pair[0].name)
        return [replace(document, body=json.loads(text)) for document, text in held]

    async def delete_document(self, kind: str, id: str) -> None:
        mine = self._kind(kind)
        if id not in mine:
            raise rules.not_kept(kind, id, mine)
        del mine[id]

    def _kind(self, kind: str) -> dict[str, tuple[Document, str]]:
        self._check_open()
        return self._documents.get(kind, {})
