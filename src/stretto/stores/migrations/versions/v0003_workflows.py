"""Makes the tables of a server's records: workflows, executions, and the rows that are folded from logs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ROWS = (
    "workflow_message", "tool_execution", "thinking_step", "sub_agent_execution", "validation_request", "user_question",
)  # fmt: skip


def upgrade() -> None:
    """Makes the tables."""
    _make_workflow()
    _make_execution()
    for name in _ROWS:
        _make_rows(name)


def _make_workflow() -> None:
    op.create_table(
        "workflow",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("agent_id", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("completed_at", sa.Double),
        sa.Column("total_tokens_input", sa.BigInteger, nullable=False),
        sa.Column("total_tokens_output", sa.BigInteger, nullable=False),
        sa.Column("total_cost_usd", sa.Double),
        sa.Column("model_id", sa.String),
        sa.Column("current_context_tokens", sa.BigInteger, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("workflow_changed", "workflow", ["updated_at", "key"])
    op.create_index("workflow_status", "workflow", ["status"])


def _make_execution() -> None:
    op.create_table(
        "execution",
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String, nullable=False, unique=True),
        sa.Column("workflow_id", sa.String, sa.ForeignKey("workflow.id", ondelete="CASCADE"), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("tokens_input", sa.BigInteger, nullable=False),
        sa.Column("tokens_output", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Double),
        sa.Column("model_id", sa.String),
        sa.Column("context_tokens", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.UniqueConstraint("workflow_id", "ordinal", name="execution_of_workflow"),
    )
    op.create_index("execution_status", "execution", ["status"])


def _make_rows(name: str) -> None:
    op.create_table(
        name,
        sa.Column("key", _KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("workflow_id", sa.String, sa.ForeignKey("workflow.id", ondelete="CASCADE"), nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("status", sa.String),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index(f"{name}_of_workflow", name, ["workflow_id", "ordinal", "created_at", "key"])
    op.create_index(f"{name}_newest", name, ["status", "created_at", "key"])
