"""The commands on workflows, as a program calls them: HTTP and every other protocol translate to these."""

from __future__ import annotations

from stretto.agents.result import WorkflowResult
from stretto.agents.workflow_state import Workflow, WorkflowFullState
from stretto.configuring.agent_room import AgentRoom
from stretto.configuring.settings import Settings
from stretto.core.records import ExecutionRow, WorkflowState
from stretto.server.executions import Executions
from stretto.stores.store import Store


class WorkflowService:
    """Creates, executes, cancels, loads, renames and deletes workflows."""

    def __init__(self, *, store: Store, room: AgentRoom, executions: Executions, settings: Settings) -> None:
        self._store, self._room, self._executions, self._settings = store, room, executions, settings

    async def create_workflow(self, name: str, agent_id: str) -> str:
        """Creates a workflow and returns its id; raises ``DefinitionError`` for a name or an agent that cannot be."""
        raise NotImplementedError

    async def execute_workflow(
        self, workflow_id: str, message: str, agent_id: str | None = None, locale: str = ""
    ) -> WorkflowResult:
        """Executes a message and returns its result; see ``execute_workflow_streaming``.

        Raises ``ExecutionFailed``, ``ExecutionCancelled`` or ``ExecutionTimeout`` when it did not come to one.
        """
        raise NotImplementedError

    async def execute_workflow_streaming(
        self, workflow_id: str, message: str, agent_id: str | None = None, locale: str = ""
    ) -> ExecutionRow:
        """Queues a message of a workflow, by default for its own agent, and returns its execution at once.

        The execution is on disk when this returns; what it does is told by the stream.
        """
        raise NotImplementedError

    async def cancel_workflow_streaming(self, workflow_id: str) -> bool:
        """Cancels what runs of a workflow, all the way down; returns False when nothing does. Raises ``NotKept``."""
        raise NotImplementedError

    async def load_workflows(
        self, *, text: str | None = None, status: WorkflowState | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[Workflow], int]:
        """Returns workflows, last changed first, and how many there are."""
        raise NotImplementedError

    async def delete_workflow(self, workflow_id: str) -> None:
        """Removes a workflow with all that is its own; what runs of it is cancelled first. Raises ``NotKept``."""
        raise NotImplementedError

    async def load_workflow_full_state(self, workflow_id: str) -> WorkflowFullState:
        """Returns everything that is known of a workflow; raises ``NotKept``."""
        raise NotImplementedError

    async def rename_workflow(self, workflow_id: str, name: str) -> Workflow:
        """Gives a workflow another name; raises ``NotKept``."""
        raise NotImplementedError
