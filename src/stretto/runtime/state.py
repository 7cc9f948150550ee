"""What all contexts of one run share, and who of them waits: the ground of deadlock detection.

``active`` counts the branches that can go on by themselves. A branch that waits for room, for its children, for a
channel or for a meeting is not one of them. When none is left while some wait, nobody of this run can ever wake them.

Only the tasks that the run itself has started count. A wait in a task that a step has started counts for nothing, so
that a step that gathers is never taken for stuck; on the other hand nobody sees that such a task, or a timeout of the
step's own, would have helped a branch which waits.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

from stretto.core.decisions import Decisions
from stretto.core.errors import DeadlockError, DefinitionError, listed
from stretto.core.events import Event, Path
from stretto.core.journal import Durability
from stretto.core.ledger import Ledger
from stretto.core.step import Answer, Request
from stretto.runtime.log import EventLog
from stretto.runtime.meetings import Ground
from stretto.runtime.shared import Shared
from stretto.runtime.workers import WorkerPool

FORCED = "forced"
"""What a wait for one's own room gives when the room is more than there is."""


class Rank(IntEnum):
    """Whose wait is ended first when nobody can go on.

    ``RETURN`` is granted: who gave its room to others while a human thought takes it back from those who wait for it.
    The others are failed, but ``CHILDREN`` never is: somebody below waits as well.
    """

    RETURN = 0
    MEETING = 1
    ROOM = 2
    NEWS = 3
    CHILDREN = 4


class Question(NamedTuple):
    """A request that waits for a human, where the answer goes, and till when (Unix time) it may be given."""

    request: Request
    future: asyncio.Future[Answer]
    until: float = math.inf


class Wait(NamedTuple):
    """Who waits for what; the words are made when somebody reads them."""

    path: Path
    what: str | Callable[[], str]
    rank: Rank
    hope: Callable[[], bool] | None = None
    """Says whether something outside the run may end the wait: a timer, or another run."""

    def __str__(self) -> str:
        """Says it as part of a sentence."""
        return f"{self.path!r} waits for {self.what if isinstance(self.what, str) else self.what()}"


@dataclass(eq=False)
class RunState:
    """One run's shared state."""

    log: EventLog
    now: Callable[[], float]
    max_depth: int = 32
    durability: Durability = "async"
    cancellation_timeout: float = 5.0
    resources: Mapping[type[Any], Any] = field(default_factory=dict[type[Any], Any])
    done: dict[Path, Any] = field(default_factory=dict[Path, Any])
    in_flight: set[Path] = field(default_factory=set[Path])
    when_in_flight: str = "ask"
    questions: dict[str, Question] = field(default_factory=dict[str, Question])
    abandoned: dict[Path, asyncio.Task[Any]] = field(default_factory=dict[Path, asyncio.Task[Any]])
    scopes: dict[Path, list[Any]] = field(default_factory=dict[Path, list[Any]])
    active: int = 0
    tasks: dict[asyncio.Task[Any], asyncio.Future[Any] | None] = field(
        default_factory=dict[asyncio.Task[Any], "asyncio.Future[Any] | None"]
    )
    blocked: dict[asyncio.Future[Any], Wait] = field(default_factory=dict[asyncio.Future[Any], Wait])
    tracebacks: int = 0
    shared: Shared = field(default_factory=Shared)
    ledger: Ledger = field(default_factory=Ledger)
    decisions: Decisions = field(init=False)
    meetings: Ground = field(init=False)
    look: Callable[[], Awaitable[None]] | None = None
    """Looks into the mailbox now, where the run has one."""

    def __post_init__(self) -> None:
        """Opens the meeting ground."""
        self.decisions = Decisions(self.answer)
        self.meetings = Ground(self.fail, self.scopes)

    @cached_property
    def pool(self) -> WorkerPool:
        """The run's threads and processes, made when the first is needed."""
        return WorkerPool(admission=self.shared.admission)

    async def left_behind(self) -> list[Path]:
        """Waits for threads whose callers were cancelled; returns the paths of those that do not end in time."""
        return await self.pool.drained(self.cancellation_timeout) if "pool" in self.__dict__ else []

    def close_pool(self) -> None:
        """Lets the run's threads end: idle ones now, those left behind when they are done."""
        if "pool" in self.__dict__:
            self.pool.close()

    def emit(self, event: Event) -> None:
        """Appends an event."""
        self.log.append(event)

    def answer(self, request_id: str, answer: Answer) -> bool:
        """Hands an answer to who waits for it; see ``Run.answer``."""
        waiting = self.questions.get(request_id)
        if waiting is None or waiting.future.done():
            return False
        choices = waiting.request.choices
        if choices and answer.choice not in choices:
            raise DefinitionError(
                f"{answer.choice!r} is no answer to {request_id!r}; it takes one of {listed(choices)}"
            )
        waiting.future.set_result(answer if answer.at else replace(answer, at=time.time()))
        return True

    def enter(self, task: asyncio.Task[Any]) -> None:
        """Counts a task as one of this run's."""
        self.tasks[task] = None
        self.active += 1

    def quit(self, task: asyncio.Task[Any]) -> None:
        """Counts a task no more: it has ended, or was left behind, and what it does now is its own business."""
        if task in self.tasks:
            waits = self.tasks.pop(task)
            if waits is None or self.blocked.pop(waits, None) is None:
                self.active -= 1
            if self.active <= 0:
                self.suspect()

    async def wait(
        self,
        future: asyncio.Future[Any],
        path: Path,
        what: str | Callable[[], str],
        rank: Rank = Rank.MEETING,
        hope: Callable[[], bool] | None = None,
    ) -> Any:
        """Waits for a future that only another branch of this run resolves, by ``wake``.

        While ``hope`` says that something outside may resolve it, too, there is no deadlock; who gave that hope calls
        ``suspect`` when it is gone.
        """
        task = asyncio.current_task()
        if task is None or task not in self.tasks:
            return await future
        self.blocked[future] = Wait(path, what, rank, hope)
        self.tasks[task] = future
        self.active -= 1
        if self.active <= 0:
            self.suspect()
        try:
            return await future
        finally:
            if self.blocked.pop(future, None) is not None:
                self.active += 1
            if task in self.tasks:
                self.tasks[task] = None

    def wake(self, future: asyncio.Future[Any], value: Any = None) -> None:
        """Resolves a future; from now on its waiter counts as active."""
        if not future.done():
            if self.blocked.pop(future, None) is not None:
                self.active += 1
            future.set_result(value)

    def fail(self, future: asyncio.Future[Any], error: BaseException) -> None:
        """Makes the waiter of a future raise."""
        if not future.done():
            if self.blocked.pop(future, None) is not None:
                self.active += 1
            future.set_exception(error)

    def suspect(self) -> None:
        """Looks for a deadlock as soon as everything that is under way has been done."""
        if self.blocked:
            asyncio.get_running_loop().call_soon(self._confirm, 0)

    def _confirm(self, looked: int) -> None:
        if self.active > 0 or not self.blocked or any(future.done() for future in self.blocked):
            return
        if looked < 2:  # a cancelled waiter becomes active a turn after it was cancelled
            asyncio.get_running_loop().call_soon(self._confirm, looked + 1)
            return
        if any(wait.hope is not None and wait.hope() for wait in self.blocked.values()):
            return
        first = min(wait.rank for wait in self.blocked.values())
        if first is Rank.CHILDREN:
            return
        told = [str(wait) for wait in self.blocked.values() if wait.path]
        for future in [future for future, wait in self.blocked.items() if wait.rank is first]:
            if first is Rank.RETURN:
                self.wake(future, FORCED)
            else:
                self.fail(future, DeadlockError(told))

    def leave(self, path: Path, scope: Any) -> None:
        """Forgets a set of branches that has ended."""
        left = self.scopes[path]
        left.remove(scope)
        if not left:
            del self.scopes[path]

    def given(self, type_: type[Any], path: Path) -> Any:
        """Returns a resource that the run was given; raises ``DefinitionError`` when there is none."""
        if type_ in self.resources:
            return self.resources[type_]
        had = ", ".join(sorted(t.__name__ for t in self.resources)) or "none"
        raise DefinitionError(
            f"step {path!r} asks for a {type_.__name__}, which the run was not given (it has: {had}); "
            f"pass resources=[...] with one to run()"
        )


def was_granted(future: asyncio.Future[Any]) -> bool:
    """Says whether a future was resolved with what its waiter, who is being cancelled, must now hand on."""
    return future.done() and not future.cancelled() and future.exception() is None and future.result() != FORCED
