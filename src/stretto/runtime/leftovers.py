"""What is alive beside the caller: unfinished tasks of all loops, threads at work, child processes."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from dataclasses import dataclass
from typing import Any

from stretto.runtime.virtual import place_of

IDLE = frozenset({("thread.py", "_worker"), ("threads.py", "Threads._work"), ("_asyncio.py", "WorkerThread.run")})
"""Where threads of a pool stand while they wait for work: file and function of their innermost frame."""
IDLE_WAITS = frozenset({("queue.py", "Queue.get"), ("threading.py", "Condition.wait")})
"""What may stand on top of that."""


@dataclass(frozen=True)
class Leftovers:
    """What is alive, each by a key that tells it from all others, with words for it."""

    tasks: dict[int, str]
    threads: dict[int, str]
    processes: dict[tuple[int, float], str]

    def beyond(self, before: Leftovers) -> Leftovers:
        """Returns what is here and was not there before."""
        return Leftovers(
            {key: told for key, told in self.tasks.items() if key not in before.tasks},
            {key: told for key, told in self.threads.items() if key not in before.threads},
            {key: told for key, told in self.processes.items() if key not in before.processes},
        )

    def __bool__(self) -> bool:
        """Says whether there is anything."""
        return bool(self.tasks or self.threads or self.processes)


def alive() -> Leftovers:
    """Returns what is alive now, the calling thread and the running task left out."""
    return Leftovers(_tasks(), _threads(), _processes())


def _tasks() -> dict[int, str]:
    try:
        current = asyncio.current_task()
    except RuntimeError:  # no loop runs here
        current = None
    found: dict[int, str] = {}
    for each in gc.get_objects():
        if issubclass(type(each), asyncio.Task):
            task: asyncio.Task[Any] = each
            if not task.done() and task is not current:
                found[id(task)] = f"{task.get_name()!r} at {place_of(task)}"
    return found


def _threads() -> dict[int, str]:
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # documented, for debuggers and the like
    found: dict[int, str] = {}
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread is threading.current_thread() or frame is None:
            continue
        inner = frame
        while inner.f_back is not None and _place(inner) in IDLE_WAITS:
            inner = inner.f_back
        if _place(inner) not in IDLE:
            where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
            found[id(thread)] = f"{thread.name!r} at {where}"
    return found


def _place(frame: Any) -> tuple[str, str]:
    return frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2], frame.f_code.co_qualname


def _processes() -> dict[tuple[int, float], str]:
    import psutil

    found: dict[tuple[int, float], str] = {}
    for child in psutil.Process().children(recursive=True):
        try:
            found[child.pid, child.create_time()] = f"{child.pid} {' '.join(child.cmdline()) or child.name()}"
        except psutil.Error:  # it has just ended
            continue
    return found
