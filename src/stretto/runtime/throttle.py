"""Calls to a service that says when it has too much: fewer at once, more again by and by, none while it rests."""

from __future__ import annotations

import asyncio
import heapq
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, Protocol

from stretto.core.errors import CircuitOpen
from stretto.core.events import Event, Path, Said
from stretto.core.policies import ServiceLimit

OVERLOADED = (429, 503, 529)
"""The HTTP statuses that ask for patience: Too Many Requests, Service Unavailable (RFC 6585 §4, RFC 9110 §15.6.4).

529 is in no standard; several services of language models say by it that they are overloaded.
"""


class Calling(Protocol):
    """What is needed of a run whose steps call a service."""

    def now(self) -> float:
        """Returns the run's time (seconds)."""
        ...

    def emit(self, event: Event) -> None:
        """Appends an event."""
        ...

    async def wait(
        self, future: asyncio.Future[Any], path: Path, what: Callable[[], str], *, hope: Callable[[], bool]
    ) -> Any:
        """Waits for a future that ``wake`` resolves; while ``hope`` says so, that is no deadlock."""
        ...

    def wake(self, future: asyncio.Future[Any]) -> None:
        """Resolves a future."""
        ...

    def suspect(self) -> None:
        """Looks for a deadlock."""
        ...


def asked_wait(error: BaseException) -> float | None:
    """Returns how long an error asks to wait, by its attribute ``retry_after`` (seconds), or None when it does not."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, int | float) and not isinstance(asked, bool) and 0 <= asked <= sys.float_info.max:
        return float(asked)
    return None


def rest(error: BaseException) -> float | None:
    """Returns for how long an overloaded service wants no calls (seconds, 0 when it names none); None otherwise.

    A circuit that is open asks to wait as well, but that is no word of the service.
    """
    if isinstance(error, CircuitOpen):
        return None
    asked = asked_wait(error)
    if asked is None and (_says_so(error) or _says_so(getattr(error, "response", None))):
        return 0.0
    return asked


def _says_so(answer: object) -> bool:
    statuses = (getattr(answer, name, None) for name in ("status_code", "status"))
    return any(isinstance(status, int) and status in OVERLOADED for status in statuses)


class _Service:
    """What is known of a service: how many calls at once it bears, and from when on (seconds).

    Additive increase, multiplicative decrease: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms
    for Congestion Avoidance in Computer Networks", 1989. ``episodes`` counts the decreases.
    """

    def __init__(self) -> None:
        self.limit = float("inf")
        self.opens = float("-inf")
        self.episodes: int = 0
        self._lock = threading.Lock()

    def succeeded(self, policy: ServiceLimit) -> None:
        """Raises the limit: by one when so many calls have succeeded as may be made at once."""
        with self._lock:
            self.limit = max(self.limit, min(policy.maximum, self.limit + 1 / self.limit))

    def overloaded(self, policy: ServiceLimit, now: float, wait: float, episode: int) -> bool:
        """Halves the limit, unless the call began in an earlier episode; says whether there is something to tell."""
        with self._lock:
            self.opens = max(self.opens, now + wait)
            if episode != self.episodes:
                return False
            self.episodes += 1
            before = min(self.limit, policy.maximum)
            self.limit = min(before, max(policy.minimum, before / 2))
            return int(self.limit) < int(before) or wait > 0


class _Ticket(NamedTuple):
    """One who waits to call; ``order`` tells all apart."""

    order: int
    future: asyncio.Future[None]
    run: Calling
    policy: ServiceLimit


@dataclass(eq=False)
class _Lane:
    """The calls of one service in one loop: how many each run makes now, and who waits, in order."""

    service: _Service
    loop: asyncio.AbstractEventLoop
    calls: Counter[Calling] = field(default_factory=Counter[Calling])
    queue: list[_Ticket] = field(default_factory=list[_Ticket])
    order: count[int] = field(default_factory=count)
    timer: asyncio.TimerHandle | None = None

    def is_free_for(self, policy: ServiceLimit) -> bool:
        """Says whether a call may be made now, if nobody waits."""
        return not self.is_resting and self.calls.total() < int(min(self.service.limit, policy.maximum))

    @property
    def is_resting(self) -> bool:
        """Whether the service wants no calls now."""
        return self.loop.time() < self.service.opens

    def serve(self) -> None:
        """Lets in who may call now; those who gave up are forgotten."""
        while self.queue:
            _, future, run, policy = self.queue[0]
            if not future.done():
                if not self.is_free_for(policy):
                    break
                self.calls[run] += 1
                run.wake(future)
            heapq.heappop(self.queue)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not self.queue:
            return
        if self.is_resting:
            self.timer = self.loop.call_at(self.service.opens, self.serve)
        elif len(self.calls) == 1:
            for run in self.calls:
                run.suspect()

    def may_go_on(self, run: Calling) -> bool:
        """Says whether those of a run who wait may be let in without its doing: by a timer, or by another run."""
        return self.timer is not None or any(calling is not run for calling in self.calls)

    def leave(self, run: Calling) -> None:
        """Ends a call, and lets the next in."""
        self.take_back(run)
        self.serve()

    def take_back(self, run: Calling) -> None:
        """Counts a call no more."""
        self.calls[run] -= 1
        if not self.calls[run]:
            del self.calls[run]


class Throttles:
    """The services of this process. What is known of one holds for all; calls are counted in each event loop."""

    def __init__(self) -> None:
        self._services: dict[str, _Service] = {}
        self._lanes: dict[tuple[asyncio.AbstractEventLoop, str], _Lane] = {}

    @asynccontextmanager
    async def passage(self, policy: ServiceLimit, run: Calling, path: Path) -> AsyncGenerator[None, None]:
        """Waits until one more call may be made; how the block ends is how the call ended.

        Whoever has waited longest goes first. An error by which the service asks for patience lowers the limit, other
        errors and a cancellation count as nothing.
        """
        place = (asyncio.get_running_loop(), policy.service)
        service = self._services.setdefault(policy.service, _Service())
        lane = self._lanes.setdefault(place, _Lane(service, place[0]))
        try:
            await _enter(lane, policy, run, path)
            episode = service.episodes
            try:
                yield
            except Exception as error:
                wait = rest(error)
                if wait is not None and service.overloaded(policy, place[0].time(), wait, episode):
                    run.emit(_said(policy.service, int(service.limit), wait, path, run.now()))
                raise
            else:
                service.succeeded(policy)
            finally:
                lane.leave(run)
        finally:
            if not lane.calls and not lane.queue and self._lanes.get(place) is lane:
                del self._lanes[place]

    def limit(self, policy: ServiceLimit) -> int:
        """Returns how many calls of a service may be made at once now."""
        service = self._services.get(policy.service)
        return policy.maximum if service is None else int(min(service.limit, policy.maximum))


async def _enter(lane: _Lane, policy: ServiceLimit, run: Calling, path: Path) -> None:
    if not lane.queue and lane.is_free_for(policy):
        lane.calls[run] += 1
        return
    order = next(lane.order)
    await _wait(lane, _Ticket(order, lane.loop.create_future(), run, policy), path)
    while lane.is_resting or lane.calls.total() > lane.service.limit:  # since this very turn
        lane.take_back(run)
        await _wait(lane, _Ticket(order, lane.loop.create_future(), run, policy), path)


async def _wait(lane: _Lane, ticket: _Ticket, path: Path) -> None:
    _, future, run, policy = ticket
    heapq.heappush(lane.queue, ticket)
    lane.serve()
    try:
        await run.wait(
            future,
            path,
            lambda: f"service {policy.service!r}, which takes no more than {lane.calls.total()} at once",
            hope=lambda: lane.may_go_on(run),
        )
    except BaseException:
        if future.done() and not future.cancelled() and future.exception() is None:  # it was let in, and does not call
            lane.leave(run)
        else:
            lane.serve()
        raise


def _said(service: str, limit: int, wait: float, path: Path, at: float) -> Said:
    text = f"service {service!r} is overloaded: at most {limit} at once from now on"
    if wait:
        text += f", and none for {wait:.3g} s"
    return Said(path, at, text, "warning", {"service": service, "limit": limit, "pause": wait})
