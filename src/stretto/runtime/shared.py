"""What runs of one process share because it belongs to the world outside them: caches, limits, breakers, batches."""

from __future__ import annotations

import asyncio
from functools import cached_property

from stretto.runtime.admission import Admission
from stretto.runtime.batching import Batcher
from stretto.runtime.breaker import Breakers
from stretto.runtime.cache import OutputCache
from stretto.runtime.throttle import Throttles


class Shared:
    """Holds one of each, made when it is first used.

    ``run(..., shared=Shared())`` gives a run its own; without it all runs of a process share one, so that a circuit
    that one run has opened stays open for the next.
    """

    @cached_property
    def cache(self) -> OutputCache:
        """Outputs of deterministic steps."""
        return OutputCache()

    @cached_property
    def batcher(self) -> Batcher:
        """Like calls that wait to be made as one."""
        return Batcher()

    @cached_property
    def breakers(self) -> Breakers:
        """Circuit breakers by service."""
        return Breakers(lambda: asyncio.get_running_loop().time())

    @cached_property
    def throttles(self) -> Throttles:
        """How many calls at once the services bear."""
        return Throttles()

    @cached_property
    def admission(self) -> Admission:
        """The room for processes, which the machine has once."""
        return Admission()


PROCESS = Shared()
"""What runs share when they were given nothing else."""
