"""A cache of outputs: kept for a while, and equal calls at one time are made once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from stretto.core.codec import NotStorable, to_plain
from stretto.core.errors import DefinitionError
from stretto.core.policies import CachePolicy

T = TypeVar("T")
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


class CacheKey(NamedTuple):
    """Which call it was: the step, its version, and the key of its input."""

    step: str
    version: Hashable
    input: Hashable


def input_key(step: str, policy: CachePolicy, input: Any) -> Hashable:
    """Returns the key of a step's input: equal inputs have equal keys.

    Without ``policy.key`` it is a digest of the input's JSON form. Raises ``DefinitionError`` for an input without one.
    """
    if policy.key is not None:
        key = policy.key(input)
        try:
            hash(key)
        except TypeError as error:
            raise DefinitionError(
                f"step {step!r}: the key= of its cache must return something hashable, not {type(key).__name__}"
            ) from error
        return key
    try:
        text = json.dumps(_ordered(to_plain(input)), sort_keys=True, separators=(",", ":"))
    except (NotStorable, RecursionError) as error:
        kind = error.kind if isinstance(error, NotStorable) else type(input).__qualname__
        raise DefinitionError(
            f"step {step!r} has a cache, but its input holds {kind}, which has no JSON form to make a key of; "
            "say what tells inputs apart: cache=CachePolicy(key=lambda input: ...)"
        ) from error
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def _ordered(plain: Plain) -> Plain:
    """Returns a JSON form in which mappings whose keys are no text have one order, too."""
    if isinstance(plain, list):
        return [_ordered(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    ordered = {key: _ordered(item) for key, item in plain.items()}
    pairs = ordered.get("$map")
    return {"$map": sorted(pairs, key=_dumps)} if isinstance(pairs, list) else ordered


def _dumps(plain: Plain) -> str:
    return json.dumps(plain, sort_keys=True)


class Waiting(NamedTuple):
    """For whom a call is made, and how it waits where its own kind makes that call: so that a deadlock is seen."""

    run: object
    wait: Callable[[asyncio.Future[Any]], Awaitable[Any]]


class _Landing(NamedTuple):
    """What a waiter is told: the output, the error, or that it is to make the call itself."""

    output: Any = None
    error: Exception | None = None
    lead: bool = False


@dataclass(eq=False)
class _Flight:
    """A call under way for ``run``, and who waits for it; when the leader is cancelled, another one leads."""

    place: tuple[asyncio.AbstractEventLoop, CacheKey]
    run: object
    waiters: list[_Waiter] = field(default_factory=list["_Waiter"])


class _Waiter(NamedTuple):
    """One who waits for a call, and for which run."""

    landing: asyncio.Future[_Landing]
    run: object


class OutputCache:
    """Keeps outputs of steps in this process; the same object is handed to everyone who asks.

    Runs may share one cache, in several loops at once. Calls are made once per loop.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Hashable], OrderedDict[Hashable, tuple[float, Any]]] = {}
        self._flights: dict[tuple[asyncio.AbstractEventLoop, CacheKey], _Flight] = {}
        self._lock = threading.Lock()

    async def get_or_call(
        self,
        key: CacheKey,
        policy: CachePolicy,
        now: Callable[[], float],
        call: Callable[[], Awaitable[T]],
        waiting: Waiting | None = None,
    ) -> tuple[T, bool]:
        """Returns the output and whether it was had without calling.

        A failure goes to everyone who waits for that call, and is not kept. When the caller who makes the call is
        cancelled, another makes it. ``now`` must be one clock for all calls (seconds). ``waiting`` is how a call that
        another of the same run makes is waited for.
        """
        found, output = self._look(key, now())
        if found:
            return output, True
        place = (asyncio.get_running_loop(), key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight(place, waiting.run if waiting is not None else None)
        else:
            landing = await self._wait(flight, waiting)
            if landing.error is not None:
                raise landing.error
            if not landing.lead:
                return landing.output, True
        return await self._lead(flight, policy, now, call), False

    async def _lead(
        self, flight: _Flight, policy: CachePolicy, now: Callable[[], float], call: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            output = await call()
        except Exception as error:
            self._land(flight, _Landing(error=error))
            raise
        except BaseException:
            self._hand_on(flight)
            raise
        self._keep(flight.place[1], policy, now() + policy.ttl, output)
        self._land(flight, _Landing(output))
        return output

    async def _wait(self, flight: _Flight, waiting: Waiting | None) -> _Landing:
        landing: asyncio.Future[_Landing] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(landing, waiting.run if waiting is not None else None)
        flight.waiters.append(waiter)
        try:
            if waiting is not None and waiting.run is flight.run:
                await waiting.wait(landing)
            return await landing
        except BaseException:
            if waiter in flight.waiters:
                flight.waiters.remove(waiter)
            elif not landing.cancelled() and landing.exception() is None and landing.result().lead:
                self._hand_on(flight)  # it was to lead, and does not come to it
            raise

    def _land(self, flight: _Flight, landing: _Landing) -> None:
        del self._flights[flight.place]
        for waiter in flight.waiters:
            if not waiter.landing.done():
                waiter.landing.set_result(landing)
        flight.waiters.clear()

    def _hand_on(self, flight: _Flight) -> None:
        flight.waiters.sort(key=lambda waiter: waiter.run is not flight.run)  # those who count on their own run
        while flight.waiters:
            waiter = flight.waiters.pop(0)
            if not waiter.landing.done():
                flight.run = waiter.run
                waiter.landing.set_result(_Landing(lead=True))
                return
        del self._flights[flight.place]

    def _look(self, key: CacheKey, now: float) -> tuple[bool, Any]:
        with self._lock:
            shelf = self._kept.get(key[:2])
            if shelf is None or key.input not in shelf:
                return False, None
            until, output = shelf[key.input]
            if now >= until:
                del shelf[key.input]
                return False, None
            shelf.move_to_end(key.input)
            return True, output

    def _keep(self, key: CacheKey, policy: CachePolicy, until: float, output: Any) -> None:
        with self._lock:
            shelf = self._kept.setdefault(key[:2], OrderedDict())
            shelf[key.input] = (until, output)
            shelf.move_to_end(key.input)
            while len(shelf) > policy.maximum:
                shelf.popitem(last=False)
