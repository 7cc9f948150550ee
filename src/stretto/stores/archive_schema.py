"""The tables of an archive: memories, tasks, conversations and documents, in the database that holds the runs."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from stretto.stores.dialects import Words
from stretto.stores.schema import KEY, metadata

memory = Table(
    "memory",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("workflow_id", String),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("data", Text, nullable=False),
    Column("words", Words, nullable=False),
    Column("embedding", LargeBinary),
    Index("memory_newest", "created_at", "key"),
    Index("memory_workflow", "workflow_id"),
)
"""The memories: what is looked for in columns of its own, the rest as JSON in ``data``, vectors as float32 bytes.

``words`` are those of ``archive_words``. SQLite searches them in the FTS5 table ``memory_words``, which triggers keep;
PostgreSQL by a GIN index.
"""

todo = Table(
    "todo",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("workflow_id", String, nullable=False),
    Column("id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("workflow_id", "id", name="todo_of_workflow"),
)
"""The tasks of workflows."""

todo_need = Table(
    "todo_need",
    metadata,
    Column("todo", KEY, ForeignKey("todo.key", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("needed", KEY, ForeignKey("todo.key"), nullable=False),
    PrimaryKeyConstraint("todo", "place"),
    Index("todo_need_needed", "needed"),
    sqlite_with_rowid=False,
)
"""Which tasks depend on which others."""

conversation = Table(
    "conversation",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("words", Text, nullable=False),
    Index("conversation_newest", "updated_at", "key"),
)
"""The conversations; ``words`` are what a search by text looks through."""

message = Table(
    "message",
    metadata,
    Column("conversation", KEY, ForeignKey("conversation.key", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("role", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("run_id", String, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("conversation", "seq"),
    sqlite_with_rowid=False,
)
"""The messages of conversations."""

document = Table(
    "document",
    metadata,
    Column("kind", String, nullable=False),
    Column("id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("kind", "id"),
    UniqueConstraint("kind", "name", name="document_of_kind"),
)
"""The documents."""
