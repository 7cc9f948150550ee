"""The run's time: the event loop's, so that a loop with a virtual clock governs everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stretto.core.resources import Clock


class RunClock(Clock):
    """Seconds since the run began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        """Returns seconds since the run began."""
        return self._now()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)
