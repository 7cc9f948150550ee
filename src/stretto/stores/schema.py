"""The tables in which runs are kept, and the versions that all tables have had."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

VERSIONS = ("0001", "0002", "0003")
"""Every version that this code can open, the newest last; ``migrations/versions`` leads from one to the next."""
VERSION_TABLE = "stretto_version"
"""The table that holds the version, and by which a database is known to be ours."""

metadata = MetaData()
KEY = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself there

run = Table(
    "run",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("at", Double, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("error", Text),
    Column("labels", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("owner", String),
    Column("heartbeat", Double, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Index("run_newest", "started_at", "key"),
    Index("run_status", "status"),
)
"""One row per run: what its log amounts to, who writes it, and whether somebody wants it cancelled."""

event = Table(
    "event",
    metadata,
    Column("run", KEY, ForeignKey("run.key", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("run", "seq"),
    sqlite_with_rowid=False,
)
"""The logs, a row per line."""

value = Table(
    "value",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("data", Text, nullable=False),
)
"""Large values, each once."""

event_value = Table(
    "event_value",
    metadata,
    Column("run", KEY, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("digest", String(64), ForeignKey("value.digest"), nullable=False),
    PrimaryKeyConstraint("run", "seq", "digest"),
    ForeignKeyConstraint(["run", "seq"], ["event.run", "event.seq"], ondelete="CASCADE"),
    Index("event_value_digest", "digest"),
    sqlite_with_rowid=False,
)
"""Which lines hold which large values."""

answer = Table(
    "answer",
    metadata,
    Column("run", KEY, ForeignKey("run.key", ondelete="CASCADE"), nullable=False),
    Column("request_id", String, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("run", "request_id"),
)
"""What humans answered from other processes."""

step_duration = Table(
    "step_duration",
    metadata,
    Column("step", String, primary_key=True),
    Column("seconds", Text, nullable=False),
)
"""How long the last executions of a step took: 16 hexadecimal digits (a double) each, oldest first."""
