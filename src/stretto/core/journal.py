"""Where a run's log is kept: what the runtime asks of a store, and nothing more."""

from __future__ import annotations

import itertools
import os
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

from stretto.core.step import Answer

Durability = Literal["sync", "async", "exit"]
"""When a completed step is on disk: before its successors start, with the next group, or at the end of the run."""


class Line(NamedTuple):
    """One event as it is written: its place in the run's log from 0, and ``core/codec.py``'s JSON text of it."""

    seq: int
    kind: str
    path: str
    at: float
    data: str


_owners = itertools.count(1)


def owner_of_this_process() -> str:
    """Returns a new name under which this process may claim a run: ``host:pid:time:number``.

    The process that bears this pid owns what was claimed as long as it is not younger than that time (seconds since
    the Unix epoch); the number tells two claims of one process apart, so that neither gives back the other's.
    """
    return f"{platform.node().replace(':', '-')}:{os.getpid()}:{time.time():.3f}:{next(_owners)}"


class Journal(ABC):
    """Keeps logs of runs."""

    @abstractmethod
    async def claim(self, run_id: str, owner: str) -> int:
        """Takes the sole right to write a run and returns how many lines it has (0 for a new one).

        ``owner`` is what ``owner_of_this_process`` says. Raises ``RunBusy`` while it is held, by whomever that lives.
        Claiming again after ``release`` or after the owner's process has died is allowed.
        """

    @abstractmethod
    async def release(self, run_id: str, owner: str) -> None:
        """Gives the right back."""

    @abstractmethod
    async def append(self, run_id: str, lines: Sequence[Line]) -> None:
        """Writes lines durably, all or none, to a run that was claimed here.

        The first must stand directly behind what is written: a place that is taken or that would leave a gap raises
        ``StoreError``. ``RunBusy`` says that another process took the run over, because this one seemed dead.
        """

    @abstractmethod
    async def read(self, run_id: str, since: int = 0) -> list[Line]:
        """Returns the lines from a place on; raises ``RunNotFound`` for a run without any."""

    @abstractmethod
    async def durations(self, step: str, limit: int = 100) -> list[float]:
        """Returns how long the last completed executions of a step of this name took, newest first (seconds).

        ``step`` is what ``core/events.py``'s ``step_name`` says of a path. What was replayed or came from a cache, a
        batch, a fallback or a human is no execution; at most 1,000 of a name are kept.
        """

    async def cancel_requested(self, run_id: str) -> bool:
        """Says whether somebody asked to cancel a run since it was claimed; a journal without a mailbox says no.

        The owner's polling is also its sign of life while it has nothing to write.
        """
        return False

    async def answers(self, run_id: str) -> dict[str, Answer]:
        """Returns the answers that were posted to a run, by the id of the question; none without a mailbox."""
        return {}

    async def pass_over(self, run_id: str, request_id: str) -> None:
        """Takes out of the mailbox an answer that its question does not take, so that another can be posted."""
