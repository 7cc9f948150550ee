"""Everything that a server consists of, put together once and taken apart in order."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from stretto.configuring.agent_room import AgentRoom, agent_room
from stretto.configuring.settings import Settings
from stretto.core.step import Step
from stretto.runtime.supervisor import Supervisor
from stretto.server.executions import Executions
from stretto.server.hub import Hub
from stretto.server.projection import Projector
from stretto.server.retention import Retention
from stretto.server.service import WorkflowService
from stretto.server.telemetry import open_telemetry
from stretto.stores.store import Store

log = logging.getLogger("stretto.server")


@dataclass(kw_only=True)
class House:
    """The parts of a running server.

    ``steps`` are the library workflows that can be run by name, beside the agents of ``room``.
    """

    settings: Settings
    store: Store
    room: AgentRoom
    supervisor: Supervisor
    hub: Hub
    projector: Projector
    executions: Executions
    service: WorkflowService
    steps: Mapping[str, Step[Any, Any]]
    started_at: float = field(default_factory=time.time)


@asynccontextmanager
async def open_house(
    settings: Settings, store: Store, steps: Mapping[str, Step[Any, Any]] | None = None
) -> AsyncGenerator[House]:
    """Puts a server together, goes on with what was running, and at the end leaves what runs so that it can go on.

    Raises ``DefinitionError`` for settings that cannot work, and ``StoreError`` for a store that cannot be used.
    """
    async with agent_room(settings, store) as room, Supervisor(_broken) as supervisor:
        hub = Hub(store, settings.server)
        projector, telemetry = Projector(store.records), open_telemetry(settings.server)
        executions = Executions(
            store=store, room=room, supervisor=supervisor, hub=hub, projector=projector, settings=settings,
            telemetry=telemetry,
        )  # fmt: skip
        service = WorkflowService(store=store, room=room, executions=executions, hub=hub)
        retention = Retention(store, hub, lambda: room.settings.server.keep_days)
        supervisor.beside(projector.work, "writing rows")
        supervisor.beside(retention.work, "removing what is old")
        supervisor.beside(hub.work, "watching over streams")
        await executions.open()
        try:
            yield House(
                settings=settings, store=store, room=room, supervisor=supervisor, hub=hub, projector=projector,
                executions=executions, service=service, steps=dict(steps or {}),
            )  # fmt: skip
        finally:
            await executions.close()
            hub.close()
            await telemetry.close()


def _broken(name: str, error: BaseException) -> None:
    log.error("%s broke", name, exc_info=error)
