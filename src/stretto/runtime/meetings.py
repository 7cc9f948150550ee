"""Where branches of one run wait for each other: barriers, rendezvous and semaphores, and what breaks them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from stretto.core.errors import BarrierBroken
from stretto.core.events import Path
from stretto.core.policies import ParallelResourceLimits


class Party(Protocol):
    """A live branch."""

    path: Path


class Scope(Protocol):
    """A set of branches that may meet; ``closed`` says that no more will be started."""

    closed: bool
    limits: ParallelResourceLimits

    def parties(self) -> Iterable[Party]:
        """Returns the branches that are alive."""
        ...


class Arrival(NamedTuple):
    """Who stands somewhere, and what was brought."""

    future: asyncio.Future[list[Any]]
    path: Path
    scope: Scope | None
    value: Any


@dataclass(eq=False)
class Place:
    """One barrier or rendezvous, and who stands there."""

    parties: int
    here: list[Arrival] = field(default_factory=list[Arrival])


@dataclass(eq=False)
class Permits:
    """One semaphore: who holds it, and who waits."""

    free: int
    holders: list[Path] = field(default_factory=list[Path])
    queue: deque[tuple[asyncio.Future[None], Path]] = field(default_factory=deque[tuple[asyncio.Future[None], Path]])


class Ground:
    """All meetings of one run."""

    def __init__(self, fail: Callable[[asyncio.Future[Any], BaseException], None]) -> None:
        self._fail = fail
        self.places: dict[str, Place] = {}
        self.permits: dict[str, Permits] = {}

    def gone(self, scope: Scope, path: Path | None) -> None:
        """Breaks what can no longer be met because a branch has ended, or no more will be started."""
        for name, place in list(self.places.items()):
            if not scope.closed or any(where is not scope for _, _, where, _ in place.here):
                continue
            waiting = {who for _, who, _, _ in place.here}
            to_come = sum(
                not any(who == party.path or who.startswith(party.path + "/") for who in waiting)
                for party in scope.parties()
            )
            if place.here and len(place.here) + to_come < place.parties:
                del self.places[name]
                ended = f"{path!r} ended without arriving" if path else "no other branch will come"
                who = ", ".join(sorted(waiting))
                told = f"{name} needs {place.parties} parties, {len(place.here)} wait ({who}), and {ended}"
                for future, *_ in place.here:
                    self._fail(future, BarrierBroken(told))
