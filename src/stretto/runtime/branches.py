"""The one nursery: every branch of every run is started, watched, stopped and told of here."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator
from typing import Any, Self

from stretto.core.errors import BranchCancelled, DefinitionError, StepTimeout
from stretto.core.events import Path, StepSkipped
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut, error_of
from stretto.core.policies import positive
from stretto.core.step import Branch, Step
from stretto.runtime.live import Live, LiveBranches
from stretto.runtime.state import Rank, was_granted

TURN = 250
"""After so many starts everybody else gets a turn."""

_WAITING = NotStarted()

MAX_REFUSED = 10_000
"""After so many starts that nobody wants any more, the block that goes on starting is interrupted."""


class TaskBranches(LiveBranches):
    """Branches as asyncio tasks.

    Not ``asyncio.TaskGroup``: that waits without end for a task that ignores its cancellation, knows no room, and
    costs a callback per task. Here a branch never raises into the loop, its outcome is recorded, and what does not
    stop within the cancellation timeout is left behind and named.
    """

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
        self._outcomes.append(_WAITING)
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
        live.task = self._loop.create_task(self._branch(step, input, path, live, queued))
        self._state.enter(live.task)
        if index % TURN == TURN - 1:
            await self._give_way()
        return index

    async def _give_way(self) -> None:
        """Lets the loop run what was started, so that a long row of starts neither piles up nor keeps others out."""
        self._waiting = True
        try:
            await asyncio.sleep(0)
        finally:
            self._waiting = False

    async def _queue(self, path: Path, memory: int, priority: float) -> float:
        began = self._state.now()
        future = self._room.queue(memory, priority)
        self._waiting = True
        try:
            await self._state.wait(future, path, "room", Rank.ROOM)
            if self.reason is not None and was_granted(future):
                self._room.give_back(memory)
        except BaseException:
            if was_granted(future):
                self._room.give_back(memory)
            self._serve()
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

    def declare(self, name: str) -> int:
        """Reserves a place for a branch that may never start."""
        self._outcomes.append(_WAITING)
        self._names.append(f"{self.path}/{name}" if self.path else name)
        return len(self._outcomes) - 1

    async def _branch(self, step: Step[Any, Any], input: Any, path: Path, live: Live, queued: float) -> None:
        outcome: Outcome[Any]
        live.begun = True
        try:
            if live.doomed:
                raise CancelledError
            if live.seconds is not None:
                live.timer = self._loop.call_later(live.seconds, self._expire, live)
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
        if self._news:
            self._tell()
        if self._idle is not None and not self.live:
            state.wake(self._idle)
        if state.meetings.places:
            state.meetings.look(live.path)
        if live.task is not None:
            state.quit(live.task)

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
                seen += 1
                yield self._branch_at(self._ended[seen - 1])
            else:
                await self._wait_for_news()

    async def changed(self) -> Branch[Any] | None:
        """Waits for what happens next in this set."""
        while self._told == len(self._ended) and self.live and not self._lent:
            await self._wait_for_news()
        self._lent = False
        if self._told == len(self._ended):
            return None
        self._told += 1
        return self._branch_at(self._ended[self._told - 1])

    def _branch_at(self, index: int) -> Branch[Any]:
        return Branch(index, self._names[index].rpartition("/")[2], self._outcomes[index])

    async def _wait_for_news(self) -> None:
        news: asyncio.Future[None] = self._loop.create_future()
        self._news.append(news)
        self._waiting = True
        try:
            await self._state.wait(news, self.path, "its branches", Rank.NEWS)
        finally:
            self._waiting = False

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Waits for every branch; raises the first failure when the mode is FAIL_FAST."""
        self._in_body, self.closed = False, True
        if error is not None and not self._interrupted:
            self.stop(f"the block that started it ended with {type(error).__name__}")
        if self._state.meetings.places:
            self._state.meetings.look()
        outer: CancelledError | None = None
        while self.live:
            self._idle = self._loop.create_future()
            try:
                await self._state.wait(self._idle, self.path, "its branches", Rank.CHILDREN)
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
        failure = self.error
        if failure is not None and (error is None or self._interrupted):
            raise failure
        return self._interrupted and isinstance(error, CancelledError)
