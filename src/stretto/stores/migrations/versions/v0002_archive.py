"""Makes the tables of the archive: memories with their search, tasks, conversations and documents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SEARCH = (
    # The words are folded already; this tokenizer takes what stands between spaces as it is.
    "CREATE VIRTUAL TABLE memory_words USING fts5(words, content='memory', content_rowid='key', tokenize='ascii')",
    "CREATE TRIGGER memory_added AFTER INSERT ON memory BEGIN "
    "INSERT INTO memory_words (rowid, words) VALUES (new.key, new.words); END",
    "CREATE TRIGGER memory_removed AFTER DELETE ON memory BEGIN "
    "INSERT INTO memory_words (memory_words, rowid, words) VALUES ('delete', old.key, old.words); END",
    "CREATE TRIGGER memory_changed AFTER UPDATE ON memory BEGIN "
    "INSERT INTO memory_words (memory_words, rowid, words) VALUES ('delete', old.key, old.words); "
    "INSERT INTO memory_words (rowid, words) VALUES (new.key, new.words); END",
)


def upgrade() -> None:
    """Makes the tables."""
    _make_memory()
    _make_todo()
    _make_conversation()
    op.create_table(
        "document",
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
        sa.UniqueConstraint("kind", "name", name="document_of_kind"),
    )


def _make_memory() -> None:
    op.create_table(
        "memory",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("workflow_id", sa.String),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.Column("embedding", sa.LargeBinary),
    )
    op.create_index("memory_newest", "memory", ["created_at", "key"])
    op.create_index("memory_workflow", "memory", ["workflow_id"])
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SEARCH:
            op.execute(statement)
    else:
        op.execute("CREATE INDEX memory_words ON memory USING gin (words)")


def _make_todo() -> None:
    op.create_table(
        "todo",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.UniqueConstraint("workflow_id", "id", name="todo_of_workflow"),
    )
    op.create_table(
        "todo_need",
        sa.Column("todo", _KEY, sa.ForeignKey("todo.key", ondelete="CASCADE"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("needed", _KEY, sa.ForeignKey("todo.key"), nullable=False),
        sa.PrimaryKeyConstraint("todo", "place"),
        sqlite_with_rowid=False,
    )
    op.create_index("todo_need_needed", "todo_need", ["needed"])


def _make_conversation() -> None:
    op.create_table(
        "conversation",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("conversation_newest", "conversation", ["updated_at", "key"])
    op.create_table(
        "message",
        sa.Column("conversation", _KEY, sa.ForeignKey("conversation.key", ondelete="CASCADE"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "seq"),
        sqlite_with_rowid=False,
    )
