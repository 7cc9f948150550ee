"""Carries what runs tell to those who watch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import anyio

from stretto.agents.stream_chunks import ChunkFold, Told, WorkflowComplete
from stretto.configuring.settings import ServerTable
from stretto.core.events import Event
from stretto.stores.store import Store


class Publisher:
    """Tells the hub what one run has to tell, in its order."""

    def __init__(self, hub: Hub, workflow_id: str) -> None:
        self._hub, self._fold = hub, ChunkFold(workflow_id)
        self._end: list[Told] = []

    @property
    def pause(self) -> float:
        """How long to gather before the next ``take`` (seconds): nothing, or a little under load."""
        return 0.0

    def take(self, events: Sequence[Event]) -> None:
        """Tells the next events; the end of the run is kept back until ``close``."""
        for event in events:
            for told in self._fold.take(event):
                if isinstance(told, WorkflowComplete):
                    self._end.append(told)
                else:
                    self._hub.tell("workflow_stream", told.to_json())

    def close(self) -> None:
        """Tells the end of the run, when its log has one."""
        for told in self._end:
            self._hub.tell("workflow_complete", {"workflow_id": told.workflow_id})


class Hub:
    """Holds what was told last, and hands it to every stream."""

    def __init__(self, store: Store, settings: ServerTable) -> None:
        self._store, self._settings = store, settings
        self._told: list[tuple[str, Mapping[str, Any]]] = []
        self._news = anyio.Event()

    def publisher(self, workflow_id: str, run_id: str, ordinal: int) -> Publisher:
        """Returns who tells of one run: the execution ``ordinal`` of a workflow."""
        return Publisher(self, workflow_id)

    def announce(self, name: str, payload: Mapping[str, Any]) -> None:
        """Tells something that belongs to no run to those who watch everything."""
        self.tell(name, payload)

    def tell(self, name: str, payload: Mapping[str, Any]) -> None:
        """Tells everybody."""
        self._told.append((name, payload))
        news, self._news = self._news, anyio.Event()
        news.set()

    async def stream(self, workflow_id: str | None = None, last_event_id: str | None = None) -> AsyncIterator[bytes]:
        """Yields server-sent events, of one workflow or of all."""
        cursor = 0
        while True:
            while cursor < len(self._told):
                yield repr(self._told[cursor]).encode()
                cursor += 1
            await self._news.wait()

    def close(self) -> None:
        """Ends every stream."""
