"""Everything that is known of a workflow, read from the rows that are kept of it."""

from __future__ import annotations

from stretto.agents.workflow_rows import WorkflowFullState
from stretto.stores.store import Store


async def full_state(store: Store, workflow_id: str, *, limit: int | None = None) -> WorkflowFullState:
    """Returns everything that is known of a workflow, of each kind the last ``limit``; raises ``NotKept``."""
    raise NotImplementedError


async def state_json(store: Store, workflow_id: str, *, limit: int | None = None) -> bytes:
    """Returns the same as JSON text."""
    raise NotImplementedError
