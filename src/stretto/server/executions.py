"""Carries out what is asked of workflows: a queue that is seen, several at once, and on with them after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stretto.configuring.agent_room import AgentRoom
from stretto.configuring.settings import Settings
from stretto.core.records import ExecutionRow
from stretto.core.step import Step
from stretto.runtime.run import Run
from stretto.runtime.supervisor import Supervisor
from stretto.server.hub import Hub
from stretto.server.projection import Projector
from stretto.stores.store import Store

LABEL = "stretto.workflow"
"""The label by which a run says which workflow it carries out."""
RETAINED = 256
"""How many of a run's events stay in memory once they are on disk."""


class Executions:
    """Starts what is queued when there is room, follows what runs, and says when it is over."""

    def __init__(
        self, *, store: Store, room: AgentRoom, supervisor: Supervisor, hub: Hub, projector: Projector,
        settings: Settings,
    ) -> None:  # fmt: skip
        self._store, self._room, self._supervisor = store, room, supervisor
        self._hub, self._projector, self._settings = hub, projector, settings
        self._runs: dict[str, Run[Any]] = {}

    async def open(self) -> None:
        """Goes on with what was running when the last server ended, and starts what is queued."""

    async def close(self) -> None:
        """Starts nothing more; waits a while for what runs, and leaves the rest so that it can go on."""

    async def ask(
        self, workflow_id: str, message: str, agent_id: str, locale: str = "", rerun: Mapping[str, Any] | None = None
    ) -> ExecutionRow:
        """Queues an execution, and returns when that is on disk; it starts as soon as there is room."""
        raise NotImplementedError

    async def wait(self, run_id: str) -> ExecutionRow:
        """Waits until an execution is over, and returns how it ended."""
        raise NotImplementedError

    async def cancel(self, workflow_id: str) -> bool:
        """Cancels what runs of a workflow; returns False when nothing does."""
        raise NotImplementedError

    async def edit(self, run_id: str, message: str) -> ExecutionRow:
        """Changes a message that is queued; raises ``StoreError`` when it is not any more."""
        raise NotImplementedError

    async def withdraw(self, run_id: str) -> None:
        """Removes a message that is queued; raises ``StoreError`` when it is not any more."""
        raise NotImplementedError

    async def resume(self, run_id: str, *, on_change: str = "refuse") -> ExecutionRow:
        """Goes on with an execution that was interrupted."""
        raise NotImplementedError

    def run(self, run_id: str) -> Run[Any] | None:
        """Returns the live run of an execution or of a library workflow, None when it does not run here."""
        return self._runs.get(run_id)

    async def start_step(self, step: Step[Any, Any], input: Any, *, labels: Mapping[str, str] | None = None) -> str:
        """Starts a run of a library workflow, and returns its id; it counts for the limit of what runs at once."""
        raise NotImplementedError
