"""Barriers, rendezvous and semaphores as one branch of a run sees them."""

from __future__ import annotations

import asyncio
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.events import Path
from stretto.core.resources import Meetings
from stretto.runtime.meetings import Arrival, Permits, Place, Scope
from stretto.runtime.state import RunState


class BranchMeetings(Meetings):
    """The meetings of a run as one branch sees them."""

    def __init__(self, state: RunState, path: Path, scope: Scope | None) -> None:
        self._state, self._ground, self._path, self._scope = state, state.meetings, path, scope

    async def arrive(self, name: str, parties: int, value: Any) -> tuple[int, list[Any]]:
        """Waits until ``parties`` branches are here."""
        place = self._ground.places.setdefault(name, Place(parties))
        if place.parties != parties:
            raise DefinitionError(
                f"{name} is used with {place.parties} and with {parties} parties in one run; give it one number"
            )
        scope = self._scope
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        entry = Arrival(future, self._path, scope, value)
        order = len(place.here)
        place.here.append(entry)
        if len(place.here) == parties:
            del self._ground.places[name]
            values = [brought for *_, brought in place.here]
            for waiter, *_ in place.here:
                self._state.wake(waiter, values)
            return order, values
        if scope is not None:
            self._ground.gone(scope, None)
        what = f"{name} ({len(place.here)} of {parties} parties are there)"
        try:
            return order, await self._state.wait(future, self._path, what)
        except asyncio.CancelledError:
            if entry in place.here and self._ground.places.get(name) is place:
                place.here.remove(entry)
            raise

    async def acquire(self, name: str, permits: int) -> None:
        """Takes a permit, and waits while all are taken."""
        held = self._ground.permits.setdefault(name, Permits(permits))
        if held.free and not held.queue:
            held.free -= 1
        else:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            held.queue.append((future, self._path))
            try:
                await self._state.wait(future, self._path, f"{name}, held by {', '.join(held.holders)}")
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._hand_on(held)
                raise
        held.holders.append(self._path)

    def release(self, name: str) -> None:
        """Gives back what this branch took."""
        held = self._ground.permits[name]
        held.holders.remove(self._path)
        self._hand_on(held)

    def _hand_on(self, held: Permits) -> None:
        while held.queue:
            future, _ = held.queue.popleft()
            if not future.done():
                self._state.wake(future)
                return
        held.free += 1
