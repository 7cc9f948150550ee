"""Running from outside asyncio: one loop, orderly interrupts, and no waiting for what does not stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

KILLED = 130
"""The exit status after a second interrupt."""


def drive(
    main: Coroutine[Any, Any, T],
    on_interrupt: Callable[[], None] | None = None,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> T:
    """Runs a coroutine to its end on a loop of its own.

    The first interrupt (Ctrl-C, SIGTERM) calls ``on_interrupt``, or cancels the coroutine and raises
    ``KeyboardInterrupt`` at the end; a second one ends the process at once. Tasks that ignore their cancellation, and
    threads, which nobody can stop, are left behind. Raises ``RuntimeError`` inside a running loop: await there instead.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError("a loop is running here already; await run(...) instead of calling run_sync(...)")
    loop = new_loop()
    asyncio.set_event_loop(loop)
    interrupts = Interrupts(on_interrupt)

    async def interruptible() -> T:
        interrupts.task = asyncio.current_task()
        return await main

    try:
        restore = interrupts.listen(loop)
        try:
            return loop.run_until_complete(interruptible())
        except asyncio.CancelledError:
            if interrupts.count:
                raise KeyboardInterrupt from None
            raise
        finally:
            restore()
    finally:
        _close(loop)


class Interrupts:
    """Counts interrupts: the first asks, the second kills."""

    def __init__(self, on_interrupt: Callable[[], None] | None) -> None:
        self._on_interrupt = on_interrupt
        self.task: asyncio.Task[Any] | None = None
        self.count = 0

    def listen(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Listens on the main thread; returns what undoes it."""
        if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
            return lambda: None
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in signals}
        for number in signals:
            loop.add_signal_handler(number, self._interrupt)

        def restore() -> None:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

        return restore

    def _interrupt(self) -> None:
        self.count += 1
        if self.count > 1:
            os._exit(KILLED)
        if self._on_interrupt is not None:
            self._on_interrupt()
        elif self.task is not None:
            self.task.cancel()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Ends what is left on a loop, giving it one turn to stop, and closes the loop."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=0.1))
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was abandoned and named; asyncio need not say it again
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()
