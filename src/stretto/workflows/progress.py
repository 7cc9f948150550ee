"""Says how far a workflow is, often enough to look at and seldom enough not to matter."""

from __future__ import annotations

from stretto.core.events import Progress
from stretto.core.resources import Clock
from stretto.core.step import Context

TELLINGS = 100
"""How often progress is told when the total is known."""
GROWTH = 1.1
"""While the total is unknown, progress is told again after growing by this factor: 240 times in a billion items."""


class Ticker:
    """Emits ``Progress`` for a count that grows."""

    def __init__(self, context: Context, total: int | None) -> None:
        self._context, self._total, self._next, self._told = context, total, 1, 0

    def reached(self, done: int) -> None:
        """Says that ``done`` are through, if it is time to."""
        if done >= self._next:
            self._tell(done)
            step = self._total / TELLINGS if self._total is not None else done * (GROWTH - 1)
            self._next = done + max(1, int(step))

    def finished(self, done: int) -> None:
        """Says the last count, unless it was said already."""
        if done != self._told:
            self._tell(done)

    def _tell(self, done: int) -> None:
        self._told = done
        self._context.emit(Progress(self._context.path, self._context.resource(Clock).now(), done, self._total))
