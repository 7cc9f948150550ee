"""What is said to the database about tasks, conversations and documents, as functions of a connection."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stretto.core.archive import Conversation, Document, StoredMessage, TaskStatus, Todo
from stretto.stores import archive_rules as rules
from stretto.stores.archive_schema import conversation, document, message, todo, todo_need
from stretto.stores.bulk import insert_rows
from stretto.stores.dialects import insert_new

_IN_TODO = ("name", "description", "agent_assigned", "duration_ms", "started_at", "completed_at")


# -- tasks -------------------------------------------------------------------------------------------------------------


def add_todo(connection: sa.Connection, new: Todo) -> None:
    """Keeps a task with what it depends on."""
    _lock_workflow(connection, new.workflow_id)
    if not insert_new(connection, todo, _todo_values(new)):
        raise rules.IdTaken("task", new.id)
    _put_needs(connection, new)


def one_todo(connection: sa.Connection, workflow_id: str, id: str) -> Todo:
    """Returns a task."""
    found = _todos(connection, (todo.c.workflow_id == workflow_id) & (todo.c.id == id), 1)
    if not found:
        raise _no_todo(connection, workflow_id, id)
    return found[0]


def todos(connection: sa.Connection, workflow_id: str, status: TaskStatus | None, limit: int | None) -> list[Todo]:
    """Returns a workflow's tasks in order."""
    rules.check_bounds(limit)
    kept = todo.c.workflow_id == workflow_id
    return _todos(connection, kept if status is None else kept & (todo.c.status == status), limit)


def change_todo(connection: sa.Connection, new: Todo, expected: TaskStatus | None) -> None:
    """Puts a task in the place of the one with its id."""
    _lock_workflow(connection, new.workflow_id)
    mine = (todo.c.workflow_id == new.workflow_id) & (todo.c.id == new.id)
    row = connection.execute(sa.select(todo.c.key, todo.c.status).where(mine)).one_or_none()
    if row is None:
        raise _no_todo(connection, new.workflow_id, new.id)
    rules.check_expected(new.id, row.status, expected)
    connection.execute(sa.update(todo).where(todo.c.key == row.key).values(_todo_values(new)))
    connection.execute(sa.delete(todo_need).where(todo_need.c.todo == row.key))
    _put_needs(connection, new)


def delete_todo(connection: sa.Connection, workflow_id: str, id: str) -> None:
    """Removes a task that no other depends on."""
    _lock_workflow(connection, workflow_id)
    key = connection.scalar(sa.select(todo.c.key).where(todo.c.workflow_id == workflow_id, todo.c.id == id))
    if key is None:
        raise _no_todo(connection, workflow_id, id)
    others = sa.select(todo.c.id).join_from(todo_need, todo, todo_need.c.todo == todo.c.key)
    rules.check_unneeded(id, list(connection.scalars(others.where(todo_need.c.needed == key))))
    connection.execute(sa.delete(todo).where(todo.c.key == key))


def _lock_workflow(connection: sa.Connection, workflow_id: str) -> None:
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(workflow_id, 0))))


def _put_needs(connection: sa.Connection, new: Todo) -> None:
    """Checks what a task depends on against the tasks of its workflow, and links it to these."""
    if not new.dependencies:
        return
    of_workflow = todo.c.workflow_id == new.workflow_id
    held = connection.execute(sa.select(todo.c.id, todo.c.key, todo.c.status).where(of_workflow)).all()
    needs = _needs(connection, of_workflow)
    rules.check_todo(new, {row.id: rules.Standing(row.status, needs.get(row.key, ())) for row in held})
    keys = {row.id: row.key for row in held}
    rows = [(keys[new.id], place, keys[needed]) for place, needed in enumerate(new.dependencies)]
    insert_rows(connection, "todo_need (todo, place, needed)", rows)


def _needs(connection: sa.Connection, kept: sa.ColumnElement[bool]) -> dict[int, list[str]]:
    needed = todo.alias("needed")
    asked = (
        sa.select(todo_need.c.todo, needed.c.id)
        .join_from(todo_need, todo, todo_need.c.todo == todo.c.key)
        .join(needed, todo_need.c.needed == needed.c.key)
    )
    found: dict[int, list[str]] = {}
    for key, id in connection.execute(asked.where(kept).order_by(todo_need.c.todo, todo_need.c.place)):
        found.setdefault(key, []).append(id)
    return found


def _todos(connection: sa.Connection, kept: sa.ColumnElement[bool], limit: int | None) -> list[Todo]:
    asked = sa.select(todo).where(kept).order_by(todo.c.priority, todo.c.created_at, todo.c.key)
    needs = _needs(connection, kept)
    return [
        Todo(
            id=row.id, workflow_id=row.workflow_id, status=row.status, priority=row.priority,
            created_at=row.created_at, dependencies=tuple(needs.get(row.key, ())), **json.loads(row.data),
        )
        for row in connection.execute(asked.limit(limit))
    ]  # fmt: skip


def _todo_values(new: Todo) -> Mapping[str, Any]:
    held = {name: getattr(new, name) for name in _IN_TODO}
    return {
        "workflow_id": new.workflow_id,
        "id": new.id,
        "status": new.status,
        "priority": new.priority,
        "created_at": new.created_at,
        "data": rules.json_text("task", new.id, held),
    }


def _no_todo(connection: sa.Connection, workflow_id: str, id: str) -> Exception:
    return rules.not_kept("task", id, connection.scalars(sa.select(todo.c.id).where(todo.c.workflow_id == workflow_id)))


# -- conversations -----------------------------------------------------------------------------------------------------


def begin_conversation(connection: sa.Connection, new: Conversation) -> None:
    """Keeps a conversation without messages."""
    values = {"id": new.id, "messages": 0, "created_at": new.created_at, "updated_at": new.updated_at}
    if not insert_new(connection, conversation, values | _said(new.id, new.title, new.agent_id)):
        raise rules.IdTaken("conversation", new.id)


def one_conversation(connection: sa.Connection, id: str) -> Conversation:
    """Returns a conversation."""
    return _conversation(_row(connection, id))


def conversations(connection: sa.Connection, text: str | None, limit: int, offset: int) -> list[Conversation]:
    """Returns conversations, the one changed last first."""
    rules.check_bounds(limit, offset)
    asked = sa.select(conversation).order_by(conversation.c.updated_at.desc(), conversation.c.key.desc())
    if text is not None:
        asked = asked.where(conversation.c.words.contains(_plain(text), autoescape=True))
    return [_conversation(row) for row in connection.execute(asked.limit(limit).offset(offset))]


def add_messages(connection: sa.Connection, id: str, messages: Sequence[StoredMessage]) -> None:
    """Adds messages behind those that are there."""
    row = _row(connection, id, lock=True)
    rules.check_messages(id, row.messages, messages)
    rows = [
        (row.key, new.seq, new.role, new.at, new.run_id, rules.json_text("message", str(new.seq), new.body))
        for new in messages
    ]
    insert_rows(connection, "message (conversation, seq, role, at, run_id, body)", rows)
    values = {
        "messages": row.messages + len(rows),
        "updated_at": max([row.updated_at, *(new.at for new in messages)]),
    }
    connection.execute(sa.update(conversation).where(conversation.c.key == row.key).values(values))


def messages(connection: sa.Connection, id: str, last: int | None) -> list[StoredMessage]:
    """Returns messages in order."""
    rules.check_bounds(last)
    row = _row(connection, id)
    asked = sa.select(message).where(message.c.conversation == row.key).order_by(message.c.seq)
    if last is not None:
        asked = asked.where(message.c.seq >= row.messages - last)
    return [
        StoredMessage(seq=held.seq, role=held.role, body=json.loads(held.body), at=held.at, run_id=held.run_id)
        for held in connection.execute(asked)
    ]


def rename_conversation(connection: sa.Connection, id: str, title: str) -> None:
    """Gives a conversation another title."""
    row = _row(connection, id, lock=True)
    values = _said(id, title, _conversation(row).agent_id) | {"updated_at": time.time()}
    connection.execute(sa.update(conversation).where(conversation.c.key == row.key).values(values))


def delete_conversation(connection: sa.Connection, id: str) -> None:
    """Removes a conversation with its messages."""
    connection.execute(sa.delete(conversation).where(conversation.c.key == _row(connection, id).key))


def _row(connection: sa.Connection, id: str, lock: bool = False) -> Any:
    asked = sa.select(conversation).where(conversation.c.id == id)
    row = connection.execute(asked.with_for_update() if lock else asked).one_or_none()
    if row is None:
        raise rules.not_kept("conversation", id, connection.scalars(sa.select(conversation.c.id)))
    return row


def _said(id: str, title: str, agent_id: str) -> dict[str, str]:
    held = rules.json_text("conversation", id, {"title": title, "agent_id": agent_id})
    return {"data": held, "words": _plain(f"{title}\n{agent_id}")}


def _plain(text: str) -> str:
    """Returns a text as it is searched, without what no database takes."""
    return text.casefold().replace("\0", " ").encode(errors="replace").decode()


def _conversation(row: Any) -> Conversation:
    return Conversation(
        id=row.id, created_at=row.created_at, updated_at=row.updated_at, messages=row.messages, **json.loads(row.data)
    )


# -- documents ---------------------------------------------------------------------------------------------------------


def put_document(connection: sa.Connection, new: Document, replace: bool) -> None:
    """Keeps a document under its id and its name."""
    values = {
        "kind": new.kind, "id": new.id, "name": new.name, "created_at": new.created_at, "updated_at": new.updated_at,
        "body": rules.json_text(new.kind, new.id, new.body),
    }  # fmt: skip
    if insert_new(connection, document, values):
        return
    mine = (document.c.kind == new.kind) & (document.c.id == new.id)
    if not replace and connection.scalar(sa.select(document.c.id).where(mine)) is not None:
        raise rules.IdTaken(new.kind, new.id)
    try:
        changed = connection.execute(sa.update(document).where(mine).values(values)).rowcount
    except IntegrityError:
        changed = 0
    if changed != 1:
        raise rules.IdTaken(new.kind, new.name)


def one_document(connection: sa.Connection, kind: str, id_or_name: str) -> Document:
    """Returns a document by its id, or else by its name."""
    named = (document.c.id == id_or_name) | (document.c.name == id_or_name)
    asked = sa.select(document).where(document.c.kind == kind, named).order_by(document.c.id != id_or_name)
    row = connection.execute(asked).first()
    if row is None:
        there = connection.execute(sa.select(document.c.id, document.c.name).where(document.c.kind == kind))
        raise rules.not_kept(kind, id_or_name, [name for held in there for name in held])
    return _document(row)


def documents(connection: sa.Connection, kind: str) -> list[Document]:
    """Returns the documents of a kind by name."""
    rows = connection.execute(sa.select(document).where(document.c.kind == kind))
    return sorted(map(_document, rows), key=lambda held: held.name)  # a database's order depends on its locale


def delete_document(connection: sa.Connection, kind: str, id: str) -> None:
    """Removes a document."""
    if connection.execute(sa.delete(document).where(document.c.kind == kind, document.c.id == id)).rowcount != 1:
        there = connection.scalars(sa.select(document.c.id).where(document.c.kind == kind))
        raise rules.not_kept(kind, id, there)


def _document(row: Any) -> Document:
    return Document(
        kind=row.kind, id=row.id, name=row.name, body=json.loads(row.body),
        created_at=row.created_at, updated_at=row.updated_at,
    )  # fmt: skip
