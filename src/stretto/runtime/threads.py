"""Worker threads that never keep the interpreter from ending, and whose calls can be left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


class Call(Generic[T]):
    """One function call in a thread; ``future`` belongs to the loop that asked for it."""

    __slots__ = ("_context", "_function", "_loop", "_on_end", "ended", "future")

    def __init__(self, function: Callable[[], T], on_end: Callable[[Call[T]], None]) -> None:
        self._function, self._on_end = function, on_end
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self.future: asyncio.Future[T] = self._loop.create_future()
        self.ended = False

    def make(self) -> None:
        """Makes the call in this thread and tells its loop, if that still lives."""
        try:
            settle = self._settled(self._context.run(self._function))
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is its caller's
            settle = self._failed(error)
        self._on_end(self)
        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop was closed: nobody waits any more
            return

    def _settled(self, output: T) -> Callable[[], None]:
        return lambda: None if self.future.done() else self.future.set_result(output)

    def _failed(self, error: BaseException) -> Callable[[], None]:
        if isinstance(error, StopIteration | asyncio.CancelledError):  # in a future these would mean something else
            stand_in = RuntimeError(f"the function raised {type(error).__name__}")
            stand_in.__cause__ = error
            error = stand_in
        return lambda: None if self.future.done() else self.future.set_exception(error)


Inbox: TypeAlias = "SimpleQueue[Call[Any] | None]"


class Threads:
    """Daemon threads: an idle one is taken before a new one is started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Inbox] = []
        self._closed = False

    def start(self, function: Callable[[], T], on_end: Callable[[Call[T]], None]) -> Call[T]:
        """Starts a call; ``on_end`` is called in the thread when the function has ended, however it ended."""
        call = Call(function, on_end)
        (self._idle_inbox() or self._new_inbox()).put(call)
        return call

    def _idle_inbox(self) -> Inbox | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _new_inbox(self) -> Inbox:
        inbox: Inbox = SimpleQueue()
        threading.Thread(target=self._work, args=(inbox,), name="stretto worker", daemon=True).start()
        return inbox

    def _work(self, inbox: Inbox) -> None:
        while (call := inbox.get()) is not None:
            call.make()
            del call
            with self._lock:
                if self._closed:
                    return
                self._idle.append(inbox)

    def close(self) -> None:
        """Lets every thread end: idle ones now, the others when their call has ended."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)
