"""Admission of processes: no more at once than the machine has processors and free memory for."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stretto.core.policies import whole

USUAL_PROCESS = 128 * 2**20
"""What a process that names no memory is taken to need (bytes)."""


def processors() -> int:
    """Returns how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(eq=False)
class _Waiter:
    memory: int
    future: asyncio.Future[None]
    admitted: bool = False


class Admission:
    """Lets processes in, first come first served, while slots and memory are free.

    Without ``slots`` there are as many as processors. Without ``memory`` it is what the machine has free whenever
    nobody is inside (bytes). One that asks for more than all of it is let in alone.
    """

    def __init__(self, slots: int | None = None, memory: int | None = None) -> None:
        self._slots = processors() if slots is None else slots
        whole("WorkerPool", "processes", self._slots)
        if memory is not None:
            whole("WorkerPool", "memory", memory)
        self._fixed = memory
        self._memory = 0
        self._reserved = 0
        self._waiting: deque[_Waiter] = deque()
        self._lock = threading.Lock()
        self.inside = 0

    @asynccontextmanager
    async def admitted(self, memory: int | None) -> AsyncGenerator[None, None]:
        """Waits for a slot and bytes, and gives them back at the end."""
        need = USUAL_PROCESS if memory is None else memory
        await self._enter(need)
        try:
            yield
        finally:
            self._leave(need)

    async def _enter(self, need: int) -> None:
        with self._lock:
            if not self._waiting and self._fits(need):
                self._take(need)
                return
            waiter = _Waiter(need, asyncio.get_running_loop().create_future())
            self._waiting.append(waiter)
        try:
            await waiter.future
        except asyncio.CancelledError:
            with self._lock:
                if not waiter.admitted:
                    self._waiting.remove(waiter)
                    self._admit()
            if waiter.admitted:
                self._leave(need)
            raise

    def _fits(self, need: int) -> bool:
        if not self.inside:
            self._memory = self._fixed if self._fixed is not None else _free_memory()
            return True
        return self.inside < self._slots and self._reserved + need <= self._memory

    def _take(self, need: int) -> None:
        self.inside += 1
        self._reserved += need

    def _leave(self, need: int) -> None:
        with self._lock:
            self.inside -= 1
            self._reserved -= need
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0].memory):
            waiter = self._waiting.popleft()
            try:
                waiter.future.get_loop().call_soon_threadsafe(_wake, waiter.future)
            except RuntimeError:  # its loop was closed: nobody waits there any more
                continue
            waiter.admitted = True
            self._take(waiter.memory)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _free_memory() -> int:
    import psutil

    return psutil.virtual_memory().available
