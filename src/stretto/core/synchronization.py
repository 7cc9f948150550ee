"""Barrier, Rendezvous, Semaphore: what branches of one run may wait for together.

Each is a frozen description, so that it can stand in a workflow; who waits is the run's own business, and two runs of
one workflow never meet.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from stretto.core.policies import whole
from stretto.core.resources import Meetings
from stretto.core.settings import Described
from stretto.core.step import Context


@dataclass(frozen=True)
class Barrier(Described):
    """Holds branches back until ``parties`` of them have arrived; it can be used again and again."""

    name: str
    parties: int

    def __post_init__(self) -> None:
        """Refuses a barrier that nobody or only one could reach."""
        whole(f"Barrier {self.name!r}", "parties", self.parties, at_least=2)

    async def wait(self, context: Context) -> int:
        """Waits for the others; returns the place in the order of arrival, from 0.

        Raises ``BarrierBroken`` when a party ended without arriving, ``DeadlockError`` when nobody is left to come.
        """
        place, _ = await context.resource(Meetings).arrive(f"barrier {self.name!r}", self.parties, None)
        return place


@dataclass(frozen=True)
class Rendezvous(Described):
    """A place where ``parties`` branches meet and exchange what they brought."""

    name: str
    parties: int = 2

    def __post_init__(self) -> None:
        """Refuses a meeting of one."""
        whole(f"Rendezvous {self.name!r}", "parties", self.parties, at_least=2)

    async def exchange(self, value: Any, context: Context) -> list[Any]:
        """Waits for the others; returns what each of them brought, in the order of arrival, one's own included."""
        _, values = await context.resource(Meetings).arrive(f"rendezvous {self.name!r}", self.parties, value)
        return values


@dataclass(frozen=True)
class Semaphore(Described):
    """Lets at most ``permits`` branches of a run in at once; those who wait are served in order of arrival."""

    name: str
    permits: int = 1

    def __post_init__(self) -> None:
        """Refuses a semaphore that lets nobody in."""
        whole(f"Semaphore {self.name!r}", "permits", self.permits)

    def hold(self, context: Context) -> AbstractAsyncContextManager[None]:
        """Holds a permit for the block."""
        return _Held(context.resource(Meetings), f"semaphore {self.name!r}", self.permits)


class _Held:
    """A permit for a block.

    A class and not a generator: when a branch that was left behind is thrown away, nothing can be awaited any more.
    """

    def __init__(self, meetings: Meetings, name: str, permits: int) -> None:
        self._meetings, self._name, self._permits = meetings, name, permits

    async def __aenter__(self) -> None:
        await self._meetings.acquire(self._name, self._permits)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._meetings.release(self._name)
