"""Room for branches: how many and how much memory at once, and who of those that wait goes first."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from stretto.core.errors import DefinitionError
from stretto.core.policies import ParallelResourceLimits

SHARE_OF_FREE_MEMORY = 0.8
"""How much of the machine's free memory branches may reserve together when nobody said."""


class Room:
    """Counts slots and reserved bytes of one set of branches; those who wait are served by priority, then in order."""

    __slots__ = ("_free", "_order", "_reserved", "_total", "waiting")

    def __init__(self, limits: ParallelResourceLimits) -> None:
        self._free = limits.max_concurrent_executions
        self._total = limits.max_total_memory
        self._reserved = 0
        self._order = count()
        self.waiting: list[tuple[float, int, int, asyncio.Future[None]]] = []

    @property
    def free(self) -> int:
        """How many slots are free and waited for by nobody."""
        return 0 if self._waited_for() else max(0, self._free)

    def take(self, memory: int) -> bool:
        """Takes a slot and bytes if nobody waits and they are free."""
        if (self.waiting and self._waited_for()) or self._free <= 0 or (memory and not self._fits(memory)):
            return False
        self._free -= 1
        self._reserved += memory
        return True

    def _waited_for(self) -> bool:
        """Says whether somebody waits; those who gave up are forgotten."""
        while self.waiting and self.waiting[0][3].done():
            heapq.heappop(self.waiting)
        return bool(self.waiting)

    def _fits(self, memory: int) -> bool:
        return self._free > 0 and (not memory or self._reserved + memory <= self._allowed(memory))

    def _allowed(self, memory: int) -> int:
        if self._total is None:
            import psutil

            self._total = int(psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY)
        if memory > self._total:
            raise DefinitionError(
                f"a branch reserves {memory:,} bytes, but all branches together may take {self._total:,}; "
                "raise max_total_memory, or give the step less memory"
            )
        return self._total

    def queue(self, memory: int, priority: float) -> asyncio.Future[None]:
        """Returns a future that is resolved, by whoever calls ``next``, when the slot is this caller's."""
        self._allowed(memory) if memory else None
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (-priority, next(self._order), memory, future))
        return future

    def force(self, memory: int) -> None:
        """Takes a slot and bytes, free or not."""
        self._free -= 1
        self._reserved += memory

    def give_back(self, memory: int) -> None:
        """Frees a slot and its bytes."""
        self._free += 1
        self._reserved -= memory

    def next(self) -> asyncio.Future[None] | None:
        """Returns the waiter whose turn it is, its slot taken for it, or None."""
        if not self._waited_for() or not self._fits(self.waiting[0][2]):
            return None
        _, _, memory, future = heapq.heappop(self.waiting)
        self._free -= 1
        self._reserved += memory
        return future
