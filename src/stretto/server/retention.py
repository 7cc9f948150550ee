"""Removes what is older than the settings keep, now and then, beside everything else."""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio

from stretto.core.errors import StoreError
from stretto.server.hub import Hub
from stretto.stores.retention import forget_old
from stretto.stores.store import Store

EVERY = 3600.0
"""How many seconds lie between two looks."""
log = logging.getLogger("stretto.server")


class Retention:
    """Forgets workflows and runs that nothing happened to for ``keep_days``, which is asked anew each time."""

    def __init__(self, store: Store, hub: Hub, keep_days: Callable[[], float | None]) -> None:
        self._store, self._hub, self._keep_days = store, hub, keep_days

    async def work(self) -> None:
        """Looks at once, and then every hour, until it is cancelled; a store that is in trouble is tried again."""
        while True:
            try:
                await self.once()
            except StoreError as error:
                log.warning("nothing old was removed: %s", error)
            await anyio.sleep(EVERY)

    async def once(self) -> None:
        """Removes what is too old, and tells those who watch."""
        gone = await forget_old(self._store, self._keep_days())
        for workflow_id in gone.workflows:
            self._hub.forget(workflow_id)
            self._hub.announce("workflow_update", {"workflow_id": workflow_id, "status": "deleted"})
        if any(gone):
            log.info(
                "removed what was old: %d workflows, %d runs, %d memories",
                len(gone.workflows), len(gone.runs), gone.memories,
            )  # fmt: skip
