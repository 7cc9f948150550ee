"""What a server keeps of workflows beside the logs: who asked for what, how it stands, and rows that a log amounts to.

Workflows and executions are said by people, and kept before they are acknowledged. All other rows are folded from the
logs of runs and can be folded again: ``lines`` says how much of a run's log they tell of. Times are seconds since the
Unix epoch. A method that is asked for something that is not there raises ``NotKept``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

WorkflowState = Literal["idle", "running", "completed", "error"]
ExecutionState = Literal["queued", "running", "completed", "error", "cancelled", "interrupted"]
"""How an execution stands; an interrupted one can go on, and waits for somebody to say so."""
RowTable = Literal[
    "message", "tool_execution", "thinking_step", "sub_agent_execution", "validation_request", "user_question"
]
"""The tables of rows that are folded from logs."""
ROW_TABLES: tuple[RowTable, ...] = (
    "message", "tool_execution", "thinking_step", "sub_agent_execution", "validation_request", "user_question",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """A workflow: a conversation with an agent, whose every message is an execution.

    Tokens and dollars are those of all its executions, ``total_cost_usd`` is None when a price is unknown.
    ``current_context_tokens`` is what the last call of the primary agent's model was sent.
    """

    id: str
    name: str
    agent_id: str
    status: WorkflowState = "idle"
    created_at: float = 0.0
    updated_at: float = 0.0
    completed_at: float | None = None
    total_tokens_input: int = 0
    total_tokens_output: int = 0
    total_cost_usd: float | None = 0.0
    model_id: str | None = None
    current_context_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One execution of a workflow: a message, and the run that carries it out; ``run_id`` is the run's in the store.

    ``ordinal`` counts the executions of a workflow from 1, in the order in which they were asked for. ``lines`` says
    how many lines of the run's log the rows tell of. ``result`` is the ``WorkflowResult`` as JSON values, of an
    execution that came to one. ``rerun`` says of which run this is a repetition, and from where:
    ``{"run_id", "mode", "path"}``.
    """

    run_id: str
    workflow_id: str
    message: str
    agent_id: str
    locale: str = ""
    ordinal: int = 0
    status: ExecutionState = "queued"
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    error: str | None = None
    result: Mapping[str, Any] | None = None
    rerun: Mapping[str, Any] | None = None
    lines: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    cost_usd: float | None = 0.0
    model_id: str | None = None
    context_tokens: int = 0


Row: TypeAlias = Mapping[str, Any]
"""A row that was folded from a log: JSON values by name, with ``id`` (unique in its table) and ``created_at``.

That is seconds since the Unix epoch, or ISO 8601 text with a zone, and is kept as it is.

Rows of ``validation_request`` and ``user_question`` also have a ``status``: pending until somebody has answered.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What a part of a run's log amounts to: rows that are new or have changed, and how the execution stands now.

    ``lines`` is how many lines of the log have been folded; ``removed`` are ids of rows that no longer count, as what a
    model had thought when its answer broke off; ``execution`` has the fields of ``ExecutionRow`` that the
    log tells (``status``, ``started_at``, ``ended_at``, ``error``, ``result``, tokens, cost, model).
    """

    run_id: str
    workflow_id: str
    lines: int
    rows: Mapping[RowTable, Sequence[Row]] = field(default_factory=dict[RowTable, Sequence[Row]])
    removed: Mapping[RowTable, Sequence[str]] = field(default_factory=dict[RowTable, Sequence[str]])
    execution: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Found(NamedTuple):
    """A page of rows, and how many there are in all."""

    rows: list[Row]
    total: int


class Records(ABC):
    """Keeps workflows, executions and rows; each method is one transaction."""

    # -- workflows -----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_workflow(self, row: WorkflowRow) -> None:
        """Keeps a workflow; raises ``StoreError`` when its id is taken."""

    @abstractmethod
    async def workflow(self, id: str) -> WorkflowRow:
        """Returns a workflow."""

    @abstractmethod
    async def workflows(
        self, *, text: str | None = None, status: WorkflowState | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[WorkflowRow], int]:
        """Returns workflows, last changed first, and how many there are; ``text`` is a part of name or agent."""

    @abstractmethod
    async def change_workflow(self, id: str, **changes: Any) -> WorkflowRow:
        """Changes fields of a workflow, and returns it."""

    @abstractmethod
    async def silent_workflows(self, before: float) -> list[str]:
        """Returns the ids of workflows that nothing happened to since then, oldest first.

        A workflow with an execution that is queued or runs is none of them.
        """

    @abstractmethod
    async def delete_workflow(self, id: str) -> None:
        """Removes a workflow with everything that is its own, in one transaction.

        That is: its executions, their rows, the runs with their logs and answers, its tasks, its memories and its
        conversation. Raises ``NotKept``, and ``RunBusy`` while a process carries out one of its runs.
        """

    # -- executions ----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_execution(self, row: ExecutionRow) -> ExecutionRow:
        """Keeps an execution behind those of its workflow; returns it with its ``ordinal``."""

    @abstractmethod
    async def execution(self, run_id: str) -> ExecutionRow:
        """Returns an execution."""

    @abstractmethod
    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        statuses: Collection[ExecutionState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[ExecutionRow]:
        """Returns executions in the order in which they were asked for; empty ``statuses`` mean all."""

    @abstractmethod
    async def change_execution(
        self, run_id: str, *, expected: Collection[ExecutionState] = (), **changes: Any
    ) -> ExecutionRow:
        """Changes fields of an execution, and its workflow's with them; returns it.

        Raises ``StoreError`` when it stands in none of the ``expected`` states.
        """

    @abstractmethod
    async def delete_execution(self, run_id: str) -> None:
        """Removes an execution that is queued; raises ``StoreError`` for any other."""

    # -- rows ----------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def keep(self, folds: Sequence[Fold]) -> None:
        """Writes what logs amount to: rows by their ids, executions, and the sums of their workflows; all or none.

        A fold of a workflow that is no longer there is passed over.
        """

    @abstractmethod
    async def rows(self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0) -> list[Row]:
        """Returns a workflow's rows of one table, by executions, and within one in the order of creation."""

    @abstractmethod
    async def row_texts(
        self, table: RowTable, workflow_id: str, *, limit: int | None = None, offset: int = 0
    ) -> list[str]:
        """Returns what ``rows`` does, each row as its JSON text, which nobody has to decode to pass it on."""

    @abstractmethod
    async def row_counts(self, workflow_id: str) -> dict[RowTable, int]:
        """Returns how many rows a workflow has in each table."""

    @abstractmethod
    async def row(self, table: RowTable, id: str) -> Row:
        """Returns one row; it also tells ``workflow_id`` and ``run_id``."""

    @abstractmethod
    async def find_rows(
        self, table: RowTable, *, statuses: Collection[str] = (), limit: int = 50, offset: int = 0
    ) -> Found:
        """Returns rows of all workflows, newest first, as ``row`` does; empty ``statuses`` mean all."""
