"""The tables of a server's records: workflows, their executions, and the rows that logs amount to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from stretto.core.records import RowTable
from stretto.stores.schema import KEY, metadata

workflow = Table(
    "workflow",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("completed_at", Double),
    Column("total_tokens_input", BigInteger, nullable=False),
    Column("total_tokens_output", BigInteger, nullable=False),
    Column("total_cost_usd", Double),
    Column("model_id", String),
    Column("current_context_tokens", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
    Index("workflow_changed", "updated_at", "key"),
    Index("workflow_status", "status"),
)
"""The workflows; ``words`` are what a search by text looks through."""

execution = Table(
    "execution",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, unique=True),
    Column("workflow_id", String, ForeignKey("workflow.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("lines", Integer, nullable=False),
    Column("tokens_input", BigInteger, nullable=False),
    Column("tokens_output", BigInteger, nullable=False),
    Column("cost_usd", Double),
    Column("model_id", String),
    Column("context_tokens", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("workflow_id", "ordinal", name="execution_of_workflow"),
    Index("execution_status", "status"),
)
"""The executions: what is looked for in columns of its own; message, result, error and the like as JSON in ``data``."""


def _rows(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("key", KEY, primary_key=True, autoincrement=True),
        Column("id", String, nullable=False, unique=True),
        Column("workflow_id", String, ForeignKey("workflow.id", ondelete="CASCADE"), nullable=False),
        Column("run_id", String, nullable=False),
        Column("ordinal", Integer, nullable=False),
        Column("status", String),
        Column("created_at", Double, nullable=False),
        Column("data", Text, nullable=False),
        Index(f"{name}_of_workflow", "workflow_id", "ordinal", "created_at", "key"),
        Index(f"{name}_newest", "status", "created_at", "key"),
    )


rows: dict[RowTable, Table] = {
    "message": _rows("workflow_message"),
    "tool_execution": _rows("tool_execution"),
    "thinking_step": _rows("thinking_step"),
    "sub_agent_execution": _rows("sub_agent_execution"),
    "validation_request": _rows("validation_request"),
    "user_question": _rows("user_question"),
}
"""The tables of rows by their names in ``core/records.py``: each row is JSON text, beside what is looked for.

They stand in the order of ``ordinal``, which is their execution's, and within it of their creation: clocks are set.
The messages of workflows have a table of their own: ``message`` holds those of the archive's conversations.
"""
