"""Work beside the event loop: in threads, which can only be left behind, and in processes, which can be killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from stretto.core.errors import DefinitionError, OutputTooLarge, ProgramMissing
from stretto.core.policies import positive, whole
from stretto.core.resources import CommandResult, Workers
from stretto.runtime import child
from stretto.runtime.admission import Admission
from stretto.runtime.calls import Answer, Printed, died, request
from stretto.runtime.process import HAS_LIFELINE, Subprocess
from stretto.runtime.threads import Call, Threads

T = TypeVar("T")

FLUSH = 1.0
"""How long a process may live on after its answer, and a command's children after the command (seconds)."""


class WorkerPool:
    """What all workers of a run, or of several, share: limits, and the account of who is at work.

    ``processes`` functions run at once in processes (default: as many as processors), as long as ``memory`` bytes hold
    them (default: what the machine has free); the others wait. Commands count as neither: the limits of their branches
    bound them. ``threads`` calls run at once in threads. A cancelled command is asked to end, and killed after
    ``grace`` seconds. ``capture`` is how much of a command's output is kept (bytes), beyond which it is stopped. Pools
    that are given one ``admission`` share its limits on processes and memory.
    """

    def __init__(
        self,
        *,
        processes: int | None = None,
        memory: int | None = None,
        threads: int = 256,
        grace: float = 0.5,
        capture: int = 64 * 2**20,
        admission: Admission | None = None,
    ) -> None:
        whole("WorkerPool", "threads", threads)
        whole("WorkerPool", "capture", capture)
        positive("WorkerPool", "grace", grace, zero=True)
        self.grace, self.capture = grace, capture
        self.admission = admission or Admission(processes, memory)
        self.desks = Admission(threads, sys.maxsize)
        self._threads = Threads()
        self._lock = threading.Lock()
        self._left_behind: dict[Call[Any], str] = {}
        self._watchers: list[asyncio.Future[None]] = []
        self._working = 0

    @property
    def in_flight(self) -> int:
        """How many threads, processes and commands are at work for somebody who waits for them."""
        return self._working

    @property
    def busy(self) -> Mapping[str, int]:
        """The paths whose threads were left behind and have not ended, and how many of each."""
        with self._lock:
            return Counter(self._left_behind.values())

    async def drained(self, timeout: float) -> list[str]:
        """Waits until no thread that was left behind is at work, and returns the paths of those that are after all."""
        with self._lock:
            if not self._left_behind:
                return []
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
        try:
            async with asyncio.timeout(timeout):
                await watcher
        except TimeoutError:
            pass
        finally:
            with self._lock:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)
        return sorted(self.busy)

    def close(self) -> None:
        """Lets the threads end: idle ones now, those at work when they are done."""
        self._threads.close()

    @contextmanager
    def at_work(self) -> Generator[None, None, None]:
        """Counts as at work."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def start(self, function: Callable[[], T]) -> Call[T]:
        """Starts a function in a thread."""
        return self._threads.start(function, self._ended)

    def leave_behind(self, call: Call[Any], path: str) -> None:
        """Remembers a call whose caller has gone, until it ends."""
        with self._lock:
            if not call.ended:
                self._left_behind[call] = path

    def _ended(self, call: Call[Any]) -> None:
        with self._lock:
            call.ended = True
            if self._left_behind.pop(call, None) is None or self._left_behind:
                return
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            try:
                watcher.get_loop().call_soon_threadsafe(_wake, watcher)
            except RuntimeError:  # its loop was closed: nobody waits any more
                continue


class ThreadsAndProcesses(Workers):
    """The workers of one step; ``path`` names it in errors, ``memory`` bounds processes that name no bound (bytes)."""

    __slots__ = ("_memory", "_path", "_pool")

    def __init__(self, path: str, pool: WorkerPool, memory: int | None = None) -> None:
        self._path, self._pool, self._memory = path, pool, memory

    async def thread(self, function: Callable[..., T], *args: Any) -> T:
        """Runs a function in a thread, with the caller's context variables.

        A thread cannot be killed: on cancellation it is left behind, and ``WorkerPool.busy`` names it until it ends.
        """
        async with self._pool.desks.admitted(0):
            with self._pool.at_work():
                call = self._pool.start(partial(function, *args))
                try:
                    return await call.future
                except asyncio.CancelledError:
                    self._pool.leave_behind(call, self._path)
                    raise

    async def process(
        self,
        function: Callable[..., Any],
        *args: Any,
        keywords: Mapping[str, Any] | None = None,
        memory: int | None = None,
    ) -> Any:
        """Runs a module-level function in a process of its own, killed with its children on timeout and cancellation.

        It may take ``memory`` bytes beside the bare interpreter, its modules and its input included. What it prints
        goes to our stderr. Raises what the function raises, with a note that holds its traceback; ``MemoryExceeded``;
        ``ProcessDied`` when there is no answer; ``ProcessRaised`` or ``NotSendable`` for what pickle cannot bring.
        """
        memory = self._memory if memory is None else memory
        if memory is not None:
            whole(self._path, "memory", memory)
        printed = Printed()
        answer = Answer(lambda: process.must_end_in(FLUSH))
        process = Subprocess(
            [sys.executable, "-P", child.__file__, "{answer}", "{lifeline}", "kernel" if HAS_LIFELINE else "watch"],
            stdin=partial(request, self._path, function, args, keywords or {}, memory),
            stdout=printed,
            extra={"answer": answer},
            linger=0.0,
        )
        async with self._pool.admission.admitted(memory):
            with self._pool.at_work():
                status = await self._supervise(process, grace=0.0)
        tail = printed.close()
        if not answer.is_complete:
            raise died(self._path, status, tail)
        return answer.open(self._path, memory)

    async def command(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        memory: int | None = None,
    ) -> CommandResult:
        """Runs a command line to its end; what it leaves running behind it is killed then.

        ``memory`` bounds the data of each of its processes (bytes, ``RLIMIT_DATA``). On timeout and cancellation it
        and its children are asked to end, and killed after the pool's grace. Raises ``ProgramMissing``, and
        ``OutputTooLarge`` when stdout and stderr together exceed the pool's ``capture``.
        """
        memory = self._memory if memory is None else memory
        self._check(argv, cwd, env)
        captured = _Captured(self._path, self._pool.capture)
        limited = (
            ["/bin/sh", "-c", 'ulimit -d "$0" && exec "$@"', str(-(-memory // 1024))] if memory is not None else []
        )
        process = Subprocess(
            [*limited, *argv],
            stdin=lambda: stdin,
            stdout=partial(captured.take, captured.stdout),
            stderr=partial(captured.take, captured.stderr),
            cwd=cwd,
            env=env,
            linger=FLUSH,
        )
        with self._pool.at_work():
            try:
                status = await self._supervise(process, self._pool.grace)
            except (OSError, ValueError) as error:
                raise ProgramMissing(
                    self._path, f"{argv[0]!r}: {error}", "look at the program and its arguments"
                ) from error
        return CommandResult(status, bytes(captured.stdout), bytes(captured.stderr))

    async def _supervise(self, process: Subprocess, grace: float) -> int:
        ended = self._pool.start(process.run).future
        ended.add_done_callback(_seen)
        try:
            await asyncio.wait({ended})
        except asyncio.CancelledError:
            try:
                if grace and not ended.done():
                    process.signal(signal.SIGTERM)
                    await asyncio.wait({ended}, timeout=grace)
            finally:
                process.signal(signal.SIGKILL)
                await asyncio.wait({ended})
            raise
        return ended.result()

    def _check(self, argv: Sequence[str], cwd: str | None, env: Mapping[str, str] | None) -> None:
        if not argv:
            raise DefinitionError(f"the command of {self._path!r} is empty; name a program first")
        if cwd is not None and not os.path.isdir(cwd):
            raise ProgramMissing(self._path, f"its directory {cwd!r} does not exist", "make it, or give another cwd")
        program = argv[0]
        if os.path.dirname(program):
            there = os.path.join(cwd or "", program)
            found = there if os.access(there, os.X_OK) and os.path.isfile(there) else None
        else:
            found = shutil.which(program, path=(os.environ if env is None else env).get("PATH"))
        if found is None:
            raise ProgramMissing(
                self._path, f"there is no program {program!r} that may be executed", "install it, or give its full path"
            )


class _Captured:
    """What a command has written so far."""

    def __init__(self, path: str, limit: int) -> None:
        self._path, self._limit, self._size = path, limit, 0
        self.stdout, self.stderr = bytearray(), bytearray()

    def take(self, kept: bytearray, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise OutputTooLarge(self._path, self._limit)
        kept += data


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _seen(future: asyncio.Future[Any]) -> None:
    """Marks an error as looked at, so that a call which nobody waits for any more ends quietly."""
    if not future.cancelled():
        future.exception()
