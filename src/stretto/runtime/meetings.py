"""Where branches of one run wait for each other: barriers, rendezvous and semaphores, and what breaks them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from stretto.core.errors import BarrierBroken
from stretto.core.events import Path, parent_of


class Party(Protocol):
    """A live branch."""

    path: Path


class Scope(Protocol):
    """A set of branches that may meet; ``closed`` says that no more will be started."""

    closed: bool

    def parties(self) -> Iterable[Party]:
        """Returns the branches that are alive."""
        ...


class Arrival(NamedTuple):
    """Who stands somewhere, and what was brought."""

    future: asyncio.Future[list[Any]]
    path: Path
    value: Any


@dataclass(eq=False)
class Place:
    """One barrier or rendezvous, and who stands there; ``around`` counts the paths at or above those that wait."""

    parties: int
    here: list[Arrival] = field(default_factory=list[Arrival])
    around: Counter[Path] = field(default_factory=Counter[Path])

    def enter(self, arrival: Arrival) -> None:
        """Takes a party in."""
        self.here.append(arrival)
        self.around.update(_lineage(arrival.path))

    def leave(self, arrival: Arrival) -> None:
        """Lets a party go that will not wait any longer."""
        self.here.remove(arrival)
        self.around -= Counter(_lineage(arrival.path))


@dataclass(eq=False)
class Permits:
    """One semaphore: who holds it, and who waits."""

    total: int
    free: int
    holders: list[Path] = field(default_factory=list[Path])
    queue: deque[tuple[asyncio.Future[None], Path]] = field(default_factory=deque[tuple[asyncio.Future[None], Path]])


class Ground:
    """All meetings of one run."""

    def __init__(
        self, fail: Callable[[asyncio.Future[Any], BaseException], None], scopes: Mapping[Path, Sequence[Scope]]
    ) -> None:
        self._fail, self._scopes = fail, scopes
        self.places: dict[str, Place] = {}
        self.permits: dict[str, Permits] = {}

    def look(self, gone: Path | None = None) -> None:
        """Breaks what can no longer be met because everybody who lives stands there, and too few they are.

        A live branch that stands elsewhere may still come, and bring others: then nothing is broken, and should it
        never come, the deadlock is found when nobody can go on.
        """
        for name, place in list(self.places.items()):
            if place.here and not self._may_come(place):
                del self.places[name]
                ended = f"{gone!r} ended without arriving" if gone else "no other branch will come"
                who = ", ".join(sorted(arrival.path for arrival in place.here))
                told = f"{name} needs {place.parties} parties, {len(place.here)} wait ({who}), and {ended}"
                for arrival in place.here:
                    self._fail(arrival.future, BarrierBroken(told))

    def _may_come(self, place: Place) -> bool:
        scopes = [scope for open_here in self._scopes.values() for scope in open_here]
        return any(not scope.closed for scope in scopes) or any(
            party.path not in place.around for scope in scopes for party in scope.parties()
        )


def _lineage(path: Path) -> Iterator[Path]:
    while path:
        yield path
        path = parent_of(path)
