"""The one nursery: every branch of every run is started, watched, stopped and told of here."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator, Collection
from typing import Any, Protocol, Self

from stretto.core.aggregation import AggregationStrategy, Tally
from stretto.core.errors import BranchCancelled, DefinitionError, StepTimeout
from stretto.core.events import Path, StepAbandoned, StepSkipped
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut, error_of
from stretto.core.policies import ErrorMode, ParallelResourceLimits, positive
from stretto.core.step import Branch, Branches, Step
from stretto.runtime.room import Room
from stretto.runtime.state import RunState

MAX_REFUSED = 10_000
"""After so many starts that nobody wants any more, the block that goes on starting is interrupted."""


class Live:
    """A branch that runs: its task, its room, its clock, and why it is being stopped."""

    __slots__ = (
        "begun",
        "doomed",
        "expired",
        "index",
        "left",
        "lent",
        "memory",
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
        self.begun = self.doomed = self.lent = False
        self.expired: float | None = None
        self.reason: str | None = None

    def cancel(self) -> None:
        """Cancels the task; one that has not begun would never tell of its end, so it is told to end by itself."""
        if self.task is not None and self.begun:
            self.task.cancel()
        else:
            self.doomed = True

    def pause(self, now: float) -> None:
        """Stops the branch's clock."""
        if self.timer is not None and self.expired is None:
            self.left = self.timer.when() - now
            self.timer.cancel()
            self.timer = None


class Door(Protocol):
    """What the nursery needs of a context: a path for a child, and a way to perform it there."""

    path: Path
    state: RunState
    scope: TaskBranches | None

    def child_path(self, step: Step[Any, Any], name: str | None) -> Path:
        """Returns the identity of a child."""
        ...

    async def perform(
        self, step: Step[Any, Any], input: Any, path: Path, queued: float, scope: TaskBranches, live: Live
    ) -> Any:
        """Executes a step at a path."""
        ...


class TaskBranches(Branches):
    """Branches as asyncio tasks.

    Not ``asyncio.TaskGroup``: that waits without end for a task that ignores its cancellation, knows no room, and
    costs a callback per task. Here a branch never raises into the loop, its outcome is recorded, and what does not
    stop within the cancellation timeout is left behind and named.
    """

    def __init__(
        self, door: Door, limits: ParallelResourceLimits, mode: ErrorMode, aggregation: AggregationStrategy | None
    ) -> None:
        self._door, self.limits, self._state, self.path = door, limits, door.state, door.path
        self.outer = door.scope
        self._fail_fast = mode is ErrorMode.FAIL_FAST
        settles = aggregation is not None and type(aggregation).settled is not AggregationStrategy.settled
        self._aggregation = aggregation if settles else None
        self._room = Room(limits)
        self._outcomes: list[Outcome[Any]] = []
        self._names: list[Path] = []
        self._ended: list[int] = []
        self.live: dict[int, Live] = {}
        self._tally = Tally()
        self._news: asyncio.Future[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._parent: asyncio.Task[Any] | None = None
        self._in_body = self._waiting = self._interrupted = False
        self._refused = 0
        self.closed = False
        self.reason: str | None = None
        self.deadline: float | None = None
        self.error: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Opens the set."""
        self._parent, self._in_body = asyncio.current_task(), True
        self._state.scopes.setdefault(self.path, []).append(self)
        return self

    async def start(
        self,
        step: Step[Any, Any],
        input: Any,
        *,
        name: str | None = None,
        timeout: float | None = None,
        required: bool = True,
        priority: float = 0.0,
    ) -> int:
        """Starts a branch as soon as there is room, and returns its place."""
        if self.closed:
            raise DefinitionError(f"the branches of {self.path!r} have ended; start this one inside their block")
        if timeout is not None:
            positive("a branch", "timeout", timeout)
        path = self._door.child_path(step, name)
        index = len(self._outcomes)
        self._outcomes.append(NotStarted())
        self._names.append(path)
        memory = step.policy.memory or self.limits.max_memory_per_branch or 0
        queued = 0.0
        if self.reason is None and not self._room.take(memory):
            queued = await self._queue(path, memory, priority)
        if self.reason is not None:
            await self._refuse(index, path)
            return index
        seconds = self.limits.execution_timeout if timeout is None else timeout
        live = self.live[index] = Live(index, path, memory, required, seconds)
        self._tally.started += 1
        self._state.active += 1
        live.task = self._loop.create_task(self._branch(step, input, path, live, queued))
        if seconds is not None:
            live.timer = self._loop.call_later(seconds, self._expire, live)
        return index

    async def _queue(self, path: Path, memory: int, priority: float) -> float:
        began = self._state.now()
        future = self._room.queue(memory, priority)
        self._waiting = True
        try:
            await self._state.wait(future, path, "room", soft=True)
        except CancelledError:
            if future.done() and not future.cancelled() and self.reason is None:
                self._leave_room(memory)
            raise
        finally:
            self._waiting = False
        return self._state.now() - began

    async def _refuse(self, index: int, path: Path) -> None:
        because = self.reason or "stopped"
        self._outcomes[index] = NotStarted(because)
        self._state.emit(StepSkipped(path, self._state.now(), because))
        self._refused += 1
        if self._refused > MAX_REFUSED and self._parent is not None and not self._interrupted:
            self._interrupted = True
            self._parent.cancel()
        await asyncio.sleep(0)

    def declare(self, name: str, *, required: bool = True) -> int:
        """Reserves a place for a branch that may never start."""
        self._outcomes.append(NotStarted())
        self._names.append(f"{self.path}/{name}" if self.path else name)
        return len(self._outcomes) - 1

    async def _branch(self, step: Step[Any, Any], input: Any, path: Path, live: Live, queued: float) -> None:
        outcome: Outcome[Any]
        live.begun = True
        try:
            if live.doomed:
                raise CancelledError
            outcome = Completed(await self._door.perform(step, input, path, queued, self, live))
        except CancelledError:
            because = live.reason or self.reason or "the step cancelled itself"
            outcome = NotStarted(because) if live.doomed else Cancelled(because)
            if live.doomed:
                self._state.emit(StepSkipped(path, self._state.now(), because))
        except BaseException as error:  # noqa: BLE001  # whatever a branch raises is its outcome
            own = isinstance(error, StepTimeout) and error.path == path
            outcome = TimedOut(error) if own and isinstance(error, StepTimeout) else Failed(error)
        if live.index in self.live:
            self._end(live, outcome)
        else:
            self._state.abandoned.pop(path, None)

    def _end(self, live: Live, outcome: Outcome[Any]) -> None:
        state, tally, index = self._state, self._tally, live.index
        self._outcomes[index] = outcome
        self._ended.append(index)
        del self.live[index]
        if live.timer is not None:
            live.timer.cancel()
        if not live.lent:
            self._leave_room(live.memory)
        if type(outcome) is Completed:
            tally.completed += 1
        else:
            tally.failed += 1
            if self.reason is None and live.required and self._fail_fast:
                self.error = error_of(outcome) or BranchCancelled(getattr(outcome, "reason", ""))
                self.stop(f"{live.path!r} {outcome.status.replace('_', ' ')}")
        if self.reason is None and self._aggregation is not None and self._aggregation.settled(tally):
            self.stop("the value is settled")
        if self._news is not None:
            news, self._news = self._news, None
            state.wake(news)
        if self._idle is not None and not self.live:
            state.wake(self._idle)
        if state.meetings.places:
            state.meetings.gone(self, live.path)
        state.active -= 1
        if state.active <= 0:
            state.suspect()

    def _leave_room(self, memory: int) -> None:
        self._room.give_back(memory)
        if self._room.waiting:
            while (future := self._room.next()) is not None:
                self._state.wake(future)

    def stop(self, reason: str) -> None:
        """Cancels what runs, refuses what waits, and sets the time until which branches may take to stop."""
        if self.reason is not None:
            return
        self.reason = reason
        grace, outer = self.limits.cancellation_timeout, self.outer
        while outer is not None:  # what stops because an outer set stops must be done before that one gives up
            if outer.deadline is not None:
                grace = min(grace, 0.8 * max(0.0, outer.deadline - self._loop.time()))
            outer = outer.outer
        self.deadline = self._loop.time() + grace
        self._alarm = self._loop.call_later(grace, self._abandon_all, grace)
        for live in list(self.live.values()):
            live.cancel()
        waiting, self._room.waiting = self._room.waiting, []
        for *_, future in waiting:
            self._state.wake(future)
        outside = self._in_body and not self._waiting and self._parent is not asyncio.current_task()
        if outside and self._parent is not None:
            self._interrupted = True
            self._parent.cancel()

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
        live.timer = self._loop.call_later(grace, self._abandon, live, grace)
        live.cancel()

    def _abandon_all(self, waited: float) -> None:
        for live in list(self.live.values()):
            self._abandon(live, waited)

    def _abandon(self, live: Live, waited: float) -> None:
        state = self._state
        state.emit(StepAbandoned(live.path, state.now(), waited))
        if live.task is not None:
            state.abandoned[live.path] = live.task
        if live.expired is not None:
            outcome: Outcome[Any] = TimedOut(StepTimeout(live.path, live.expired, "branch"))
        else:
            because = live.reason or self.reason or "cancelled"
            outcome = Cancelled(f"{because}; it did not stop within {waited:g} s", stopped=False)
        self._end(live, outcome)

    def lend(self, live: Live) -> None:
        """Gives a branch's room to others while it waits for a human."""
        live.lent = True
        self._leave_room(live.memory)

    async def reclaim(self, live: Live) -> None:
        """Waits for room again, before everybody else."""
        if not self._room.take(live.memory):
            future = self._room.queue(live.memory, float("inf"))
            try:
                await self._state.wait(future, live.path, "room", soft=True)
            except CancelledError:
                if future.done() and not future.cancelled() and self.reason is None:
                    self._leave_room(live.memory)
                raise
        if self.reason is None:
            live.lent = False

    def resume_clock(self, live: Live) -> None:
        """Lets a paused branch's clock go on."""
        if live.left is not None and live.index in self.live:
            live.timer = self._loop.call_later(live.left, self._expire, live)
            live.left = None

    def parties(self) -> Collection[Live]:
        """Returns the branches that are alive."""
        return self.live.values()

    @property
    def outcomes(self) -> list[Outcome[Any]]:
        """The outcomes in declared order."""
        return list(self._outcomes)

    @property
    def settled(self) -> bool:
        """Whether no further branch is wanted."""
        return self.reason is not None

    async def completed(self) -> AsyncIterator[Branch[Any]]:
        """Yields branches in the order in which they end."""
        seen = 0
        while seen < len(self._ended) or self.live:
            if seen < len(self._ended):
                index = self._ended[seen]
                seen += 1
                yield Branch(index, self._names[index].rpartition("/")[2], self._outcomes[index])
                continue
            self._news = self._news or self._loop.create_future()
            self._waiting = True
            try:
                await self._state.wait(self._news, self.path, "its branches", soft=True)
            finally:
                self._waiting = False

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Waits for every branch; raises the first failure when the mode is FAIL_FAST."""
        self._in_body, self.closed = False, True
        if error is not None and not self._interrupted:
            self.stop(f"the block that started it ended with {type(error).__name__}")
        if self._state.meetings.places:
            self._state.meetings.gone(self, None)
        outer: CancelledError | None = None
        while self.live:
            self._idle = self._loop.create_future()
            try:
                await self._state.wait(self._idle, self.path, "its branches", soft=True)
            except CancelledError as cancelled:
                outer = cancelled
                self.stop("its parent was cancelled")
        if self._alarm is not None:
            self._alarm.cancel()
        self._state.leave(self.path, self)
        others = self._interrupted and self._parent is not None and self._parent.uncancel() > 0
        if outer is not None:
            raise outer
        if others and isinstance(error, CancelledError):
            return False
        if self.error is not None and (error is None or self._interrupted):
            raise self.error
        return self._interrupted and isinstance(error, CancelledError)
