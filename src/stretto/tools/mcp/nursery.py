"""Where the tasks of connections to MCP servers live; without the SDK, which takes a second to import."""

from __future__ import annotations

import anyio


class Nursery:
    """Where the tasks of connections live, from ``open`` to ``close`` in one and the same task."""

    def __init__(self) -> None:
        self.tasks = anyio.create_task_group()

    async def open(self) -> None:
        """Lets tasks be started."""
        await self.tasks.__aenter__()

    async def close(self) -> None:
        """Ends the tasks that are left, and waits for them."""
        self.tasks.cancel_scope.cancel()
        await self.tasks.__aexit__(None, None, None)
