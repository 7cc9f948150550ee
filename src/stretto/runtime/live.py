"""What runs in a set of branches, and how it is stopped: timeouts, cancellation, and who does not stop in time."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Collection
from typing import Any, Protocol

from stretto.core.aggregation import AggregationStrategy, Tally
from stretto.core.errors import StepTimeout
from stretto.core.events import Path, StepAbandoned
from stretto.core.outcome import Cancelled, Failed, Outcome, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Branches, Step
from stretto.runtime.room import Room
from stretto.runtime.state import FORCED, Rank, RunState, was_granted


class Live:
    """A branch that runs: its task, its room, its clock, and why it is being stopped."""

    __slots__ = (
        "asking",
        "begun",
        "deadline",
        "doomed",
        "expired",
        "index",
        "left",
        "lent",
        "memory",
        "overdue",
        "path",
        "reason",
        "required",
        "seconds",
        "task",
        "timer",
    )

    def __init__(self, index: int, path: Path, memory: int, required: bool, seconds: float | None) -> None:
        self.index, self.path, self.memory, self.required, self.seconds = index, path, memory, required, seconds
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.left: float | None = None
        self.deadline: float | None = None
        self.begun = self.doomed = self.lent = False
        self.asking = 0
        self.expired: float | None = None
        self.overdue: StepTimeout | None = None
        self.reason: str | None = None

    def cancel(self) -> None:
        """Cancels the task; one that has not begun would never tell of its end, so it is told to end by itself."""
        if self.task is not None and self.begun:
            self.task.cancel()
        else:
            self.doomed = True

    def overrun(self) -> float | None:
        """Returns the timeout that is over (seconds), or None; also when the loop was blocked and could not tell."""
        timer = self.timer if self.deadline is None else None
        if timer is not None and self.task is not None and timer.when() <= self.task.get_loop().time():
            self.expired = self.seconds
        return self.expired

    def pause(self, now: float) -> None:
        """Stops the branch's clock while something in it waits for a human."""
        self.asking += 1
        if self.timer is not None and self.deadline is None:
            self.left = self.timer.when() - now
            self.timer.cancel()
            self.timer = None


class Door(Protocol):
    """What the nursery needs of a context: a path for a child, and a way to perform it there."""

    path: Path
    state: RunState

    def deadline(self) -> float | None:
        """Returns the time (of the loop) at which something around is given up, or None."""
        ...

    def child_path(self, step: Step[Any, Any], name: str | None) -> Path:
        """Returns the identity of a child."""
        ...

    async def perform(
        self, step: Step[Any, Any], input: Any, path: Path, queued: float, scope: LiveBranches, live: Live
    ) -> Any:
        """Executes a step at a path."""
        ...


class LiveBranches(Branches):
    """The live branches of a set, and the ways to stop them."""

    def __init__(
        self, door: Door, limits: ParallelResourceLimits, mode: ErrorMode, aggregation: AggregationStrategy | None
    ) -> None:
        self._door, self.limits, self._state, self.path = door, limits, door.state, door.path
        self._fail_fast = mode is ErrorMode.FAIL_FAST
        settles = aggregation is not None and type(aggregation).settled is not AggregationStrategy.settled
        self._aggregation = aggregation if settles else None
        self._room = Room(limits)
        self._outcomes: list[Outcome[Any]] = []
        self._names: list[Path] = []
        self._ended: list[int] = []
        self.live: dict[int, Live] = {}
        self._tally = Tally()
        self._news: list[asyncio.Future[None]] = []
        self._idle: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._parent: asyncio.Task[Any] | None = None
        self._in_body = self._waiting = self._interrupted = False
        self._refused = self._told = 0
        self._lent = False
        self._returning: set[int] = set()
        self.closed = False
        self.reason: str | None = None
        self.deadline: float | None = None
        self.error: BaseException | None = None

    @abstractmethod
    def _end(self, live: Live, outcome: Outcome[Any]) -> None:
        """Takes the outcome of a branch that has ended or was left behind."""

    def _leave_room(self, memory: int) -> None:
        self._room.give_back(memory)
        if self._room.waiting:
            self._serve()

    def _serve(self) -> None:
        """Lets those in for whom there is room now."""
        while (future := self._room.next()) is not None:
            self._state.wake(future)

    def stop(self, reason: str) -> None:
        """Cancels what runs, refuses what waits, and sets the time until which branches may take to stop."""
        if self.reason is not None:
            self._hasten()
            return
        self.reason = reason
        self._hasten()
        for live in list(self.live.values()):
            live.cancel()
        waiting, self._room.waiting = self._room.waiting, []
        for *_, future in waiting:
            self._state.wake(future, FORCED)
        outside = self._in_body and not self._waiting and self._parent is not asyncio.current_task()
        if outside and self._parent is not None:
            self._interrupted = True
            self._parent.cancel()

    def _hasten(self) -> None:
        """Sets the time at which this set gives up those that do not stop: before anything around it gives up."""
        now, grace, around = self._loop.time(), self.limits.cancellation_timeout, self._door.deadline()
        if around is not None:
            grace = min(grace, 0.8 * max(0.0, around - now))
        if self.deadline is not None and self.deadline <= now + grace:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self.deadline = now + grace
        self._alarm = self._loop.call_later(grace, self._abandon_all, grace)

    def cancel(self, reason: str = "cancelled") -> None:
        """Stops every branch of this set."""
        self.stop(reason)

    def cancel_one(self, path: Path, reason: str) -> bool:
        """Cancels the live branch at a path, and says whether there was one."""
        for live in self.live.values():
            if live.path == path:
                live.reason = reason
                self._cancel_watched(live)
                return True
        return False

    def _expire(self, live: Live) -> None:
        live.expired = live.seconds
        self._cancel_watched(live)

    def _cancel_watched(self, live: Live) -> None:
        if live.timer is not None:
            live.timer.cancel()
        grace = self.limits.cancellation_timeout
        live.deadline = self._loop.time() + grace
        live.timer = self._loop.call_later(grace, self._abandon, live, grace)
        live.cancel()

    def _abandon_all(self, waited: float) -> None:
        for live in list(self.live.values()):
            self._abandon(live, waited)

    def give_up(self, live: Live, error: StepTimeout) -> None:
        """Leaves a branch behind in which a step ignores that its own time is over."""
        if live.index in self.live:
            live.overdue = error
            self._abandon(live, self.limits.cancellation_timeout)

    def _abandon(self, live: Live, waited: float) -> None:
        state = self._state
        state.emit(StepAbandoned(live.path, state.now(), waited))
        if live.task is not None:
            state.abandoned[live.path] = live.task
        if live.expired is not None:
            outcome: Outcome[Any] = TimedOut(StepTimeout(live.path, live.expired, "branch"))
        elif live.overdue is not None:
            outcome = TimedOut(live.overdue) if live.overdue.path == live.path else Failed(live.overdue)
        else:
            because = live.reason or self.reason or "cancelled"
            outcome = Cancelled(f"{because}; it did not stop within {waited:g} s", stopped=False)
        self._end(live, outcome)

    def lend(self, live: Live) -> None:
        """Gives a branch's room to others while it waits for a human."""
        if live.lent or live.index not in self.live:
            return
        live.lent = self._lent = True
        self._leave_room(live.memory)
        self._tell()

    def nudge(self) -> None:
        """Lets ``changed`` return at once."""
        self._lent = True
        self._tell()

    def _tell(self) -> None:
        """Wakes who waits for the next thing that happens here."""
        if self._news:
            news, self._news = self._news, []
            for future in news:
                self._state.wake(future)

    @property
    def room(self) -> int:
        """How many branches could start now without waiting."""
        return self._room.free

    async def reclaim(self, live: Live) -> None:
        """Waits for room again, before everybody else."""
        if not live.lent or live.index in self._returning or live.index not in self.live:
            return
        self._returning.add(live.index)
        try:
            if not self._room.take(live.memory):
                await self._regain(live)
            if live.index in self._returning and live.index in self.live:
                live.lent = False
            else:
                self._leave_room(live.memory)
        finally:
            self._returning.discard(live.index)

    async def _regain(self, live: Live) -> None:
        future = self._room.queue(live.memory, float("inf"))
        try:
            if await self._state.wait(future, live.path, "room", Rank.RETURN) == FORCED:
                self._room.force(live.memory)
        except BaseException:
            if was_granted(future):
                self._leave_room(live.memory)
            raise

    def retake(self, live: Live) -> None:
        """Gives a branch its room again although none may be free: it was cancelled, and may still go on."""
        if live.lent and live.index in self.live:
            live.lent = False
            self._returning.discard(live.index)
            self._room.force(live.memory)

    def resume_clock(self, live: Live) -> None:
        """Lets a paused branch's clock go on when nothing in it waits for a human any more."""
        live.asking -= 1
        if not live.asking and live.left is not None:
            if live.index in self.live and live.deadline is None:
                live.timer = self._loop.call_later(live.left, self._expire, live)
            live.left = None

    def parties(self) -> Collection[Live]:
        """Returns the branches that are alive."""
        return self.live.values()
