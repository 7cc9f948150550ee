"""Makes the first tables: runs, their lines, large values, answers and durations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes the tables."""
    _make_run()
    op.create_table(
        "event",
        sa.Column("run", _KEY, sa.ForeignKey("run.key", ondelete="CASCADE"), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "value",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_table(
        "event_value",
        sa.Column("run", _KEY, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), sa.ForeignKey("value.digest"), nullable=False),
        sa.PrimaryKeyConstraint("run", "seq", "digest"),
        sa.ForeignKeyConstraint(["run", "seq"], ["event.run", "event.seq"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("event_value_digest", "event_value", ["digest"])
    op.create_table(
        "answer",
        sa.Column("run", _KEY, sa.ForeignKey("run.key", ondelete="CASCADE"), nullable=False),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "request_id"),
    )
    op.create_table(
        "step_duration",
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("seconds", sa.Text, nullable=False),
    )


def _make_run() -> None:
    op.create_table(
        "run",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("owner", sa.String),
        sa.Column("heartbeat", sa.Double, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
    )
    op.create_index("run_newest", "run", ["started_at", "key"])
    op.create_index("run_status", "run", ["status"])
