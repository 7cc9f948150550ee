"""Barriers, rendezvous and semaphores as one branch of a run sees them."""

from __future__ import annotations

import asyncio
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.events import Path
from stretto.core.resources import Meetings
from stretto.runtime.meetings import Arrival, Permits, Place
from stretto.runtime.state import RunState, was_granted


class BranchMeetings(Meetings):
    """The meetings of a run as one branch sees them."""

    def __init__(self, state: RunState, path: Path) -> None:
        self._state, self._ground, self._path = state, state.meetings, path

    async def arrive(self, name: str, parties: int, value: Any) -> tuple[int, list[Any]]:
        """Waits until ``parties`` branches are here."""
        place = self._ground.places.get(name)
        if place is None:
            place = self._ground.places[name] = Place(parties)
        elif place.parties != parties:
            raise _two_numbers(name, place.parties, parties, "parties")
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        entry = Arrival(future, self._path, value)
        order = len(place.here)
        place.enter(entry)
        if len(place.here) == parties:
            del self._ground.places[name]
            values = [arrival.value for arrival in place.here]
            for arrival in place.here:
                self._state.wake(arrival.future, values)
            return order, list(values)
        self._ground.look()
        try:
            values = await self._state.wait(future, self._path, lambda: f"{name} ({_there(place)})")
        except BaseException:
            if self._ground.places.get(name) is place:
                place.leave(entry)
                if not place.here:
                    del self._ground.places[name]
            raise
        return order, list(values)

    async def acquire(self, name: str, permits: int) -> None:
        """Takes a permit, and waits while all are taken."""
        held = self._ground.permits.setdefault(name, Permits(permits, permits))
        if held.total != permits:
            raise _two_numbers(name, held.total, permits, "permits")
        if held.free and not held.queue:
            held.free -= 1
        else:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            held.queue.append((future, self._path))
            try:
                await self._state.wait(future, self._path, lambda: f"{name}, held by {', '.join(held.holders)}")
            except asyncio.CancelledError:
                if was_granted(future):
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


def _there(place: Place) -> str:
    count = len(place.here)
    return f"{count} of {place.parties} parties {'is' if count == 1 else 'are'} there"


def _two_numbers(name: str, one: int, other: int, what: str) -> DefinitionError:
    return DefinitionError(f"{name} is used with {one} and with {other} {what} in one run; give it one number")
