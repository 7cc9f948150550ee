"""Holds a run to its promise that nothing outlives it: no task, no thread at work, no child process."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from stretto.core.checks import SomethingLeft
from stretto.core.policies import positive
from stretto.runtime.leftovers import alive

POLL = 0.01
"""How often threads and processes that wind down are looked at (seconds)."""


@contextmanager
def assert_nothing_left(within: float = 2.0) -> Generator[None, None, None]:
    """Raises ``SomethingLeft`` when the block leaves tasks, threads at work or child processes behind.

    Threads and processes may take ``within`` real seconds to wind down, tasks may not: nothing turns their loop
    meanwhile. Threads of a pool that wait for work are not at work. What was there before the block does not count;
    an error in the block is passed on.

    >>> with assert_nothing_left():
    ...     threading.Thread(target=print, args=("over soon",)).start()
    over soon
    """
    positive("assert_nothing_left", "within", within, zero=True)
    before = alive()
    yield
    deadline = time.monotonic() + within
    while left := alive().beyond(before):
        if left.tasks or time.monotonic() >= deadline:
            raise SomethingLeft(list(left.tasks.values()), list(left.threads.values()), list(left.processes.values()))
        threading.Event().wait(POLL)
