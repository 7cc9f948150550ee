"""A clock that jumps over every wait, and a schedule that a seed decides: for tests that take no time.

Time stands still while something runs, and while threads, processes or sockets are at work for the loop; when nothing
is left to do it jumps to the next timer (as trio's ``MockClock`` with ``autojump_threshold=0`` does). What is shuffled
in each iteration of the loop is tasks among themselves, some of which are held back for another one: that order asyncio
promises to nobody, while its own callbacks, whose order its transports rely on, keep their places.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import math
import os
import random
import selectors
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

from stretto.core.checks import Hung
from stretto.core.policies import positive
from stretto.runtime.loop import drive

T = TypeVar("T")

RESOLVED_OUTSIDE = frozenset(
    {
        "aiosqlite.core",
        "asyncio.base_events",
        "asyncio.base_subprocess",
        "asyncio.futures",
        "stretto.runtime.admission",
        "stretto.runtime.threads",
        "stretto.runtime.workers",
    }
)
"""The modules whose futures are resolved by a thread or by the end of a process, not by another task."""

HELD_BACK = 0.25
"""The share of tasks that a shuffled schedule lets wait for another turn."""
YEAR = 366 * 86400.0


class VirtualClock:
    """Time that passes only where a test would have to wait.

    ``elapsed`` is how many virtual seconds have passed in all that ran on this clock. With a ``seed`` the order in
    which tasks take turns is shuffled by it, and Python's ``random`` begins with it, so that every run with this seed
    is the same. ``patience`` is how long threads and processes are really waited for, ``quiet`` how long open sockets
    and foreign threads may be silent, before the clock jumps all the same (real seconds). ``horizon`` is how far it
    goes (virtual seconds); a run that still waits then is ``Hung``.

    >>> clock = VirtualClock()
    >>> async def slow():
    ...     await asyncio.sleep(3600)
    ...     return "done"
    >>> clock.run(slow()), clock.elapsed
    ('done', 3600.0)
    """

    def __init__(
        self, seed: int | None = None, *, patience: float = 5.0, quiet: float = 0.02, horizon: float = YEAR
    ) -> None:
        for name, value in (("patience", patience), ("quiet", quiet)):
            positive("VirtualClock", name, value, zero=True)
        positive("VirtualClock", "horizon", horizon)
        self.seed, self.patience, self.quiet, self.horizon = seed, patience, quiet, horizon
        self.elapsed = 0.0
        self.order = None if seed is None else random.Random(seed)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Returns an event loop on this clock, for ``asyncio.Runner(loop_factory=clock.new_loop)``."""
        return VirtualLoop(self)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end on a loop of its own; raises ``Hung`` when it would wait for ever."""
        with self._seeded():
            return drive(main, new_loop=self.new_loop)

    @contextmanager
    def _seeded(self) -> Generator[None, None, None]:
        if self.seed is None:
            yield
            return
        before = random.getstate()
        random.seed(self.seed)
        try:
            yield
        finally:
            random.setstate(before)


def shuffled(seed: int) -> Callable[[], asyncio.AbstractEventLoop]:
    """Returns a factory of virtual event loops on which tasks take turns in an order that ``seed`` decides.

    >>> async def order():
    ...     seen = []
    ...     async with asyncio.TaskGroup() as group:
    ...         for name in "abc":
    ...             group.create_task(note(name, seen))
    ...     return "".join(seen)
    >>> async def note(name, seen):
    ...     seen.append(name)
    >>> def once(seed):
    ...     with asyncio.Runner(loop_factory=shuffled(seed)) as runner:
    ...         return runner.run(order())
    >>> len({once(seed) for seed in range(40)}), once(7) == once(7)
    (6, True)
    """
    return VirtualClock(seed).new_loop


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._held: list[asyncio.Handle] = []
        self.outside: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()
        self.programs: weakref.WeakSet[asyncio.SubprocessTransport] = weakref.WeakSet()
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Returns the virtual time (seconds)."""
        return self.clock.elapsed

    def create_future(self) -> asyncio.Future[Any]:
        """Makes a future, and remembers it when its maker is known to have it resolved from outside the loop."""
        future = super().create_future()
        frame = inspect.currentframe()
        maker = frame.f_back if frame is not None else None
        if maker is not None and maker.f_globals.get("__name__") in RESOLVED_OUTSIDE:
            self.outside.add(future)
        return future

    async def subprocess_exec(self, *args: Any, **settings: Any) -> Any:
        """Starts a program, and remembers it until it has ended."""
        return self._known(await super().subprocess_exec(*args, **settings))

    async def subprocess_shell(self, *args: Any, **settings: Any) -> Any:
        """Starts a shell command, and remembers it until it has ended."""
        return self._known(await super().subprocess_shell(*args, **settings))

    def _known(self, started: tuple[asyncio.SubprocessTransport, Any]) -> tuple[asyncio.SubprocessTransport, Any]:
        self.programs.add(started[0])
        return started

    def shuffle(self) -> bool:
        """Shuffles the tasks whose turn it is, holds some of them back for a turn, and says whether any is ready."""
        order, ready = self.clock.order, self._ready
        if order is None:
            return bool(ready)
        handles = [ready.popleft() for _ in range(len(ready))]  # a thread may add one meanwhile
        turns = [handle for handle in handles if _is_turn(handle)] + self._held
        order.shuffle(turns)
        held = sum(order.random() < HELD_BACK for _ in turns[1:])
        self._held, going = turns[:held], iter(turns[held:])
        for handle in handles:
            if not _is_turn(handle):
                ready.append(handle)
            elif (turn := next(going, None)) is not None:
                ready.append(turn)
        ready.extend(going)
        return bool(ready)

    @property
    def next_timer(self) -> float:
        """When the next timer is due (virtual seconds), infinity when none ever is."""
        return self._scheduled[0].when() if self._scheduled else math.inf

    def hung(self, why: str = "nothing is left to wait for") -> Hung:
        """Returns the error that names every task and where it waits."""
        waits = sorted(f"{task.get_name()!r} at {place_of(task)}" for task in asyncio.all_tasks(self))
        return Hung(waits, self.clock.elapsed, why)


class _JumpingSelector(selectors.DefaultSelector):
    """Turns waiting for a timer into a jump of the clock, and waits for the rest."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._spent: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()

    def select(self, timeout: float | None = None) -> Any:
        """Returns what is ready; where nothing is, waits for what is at work outside, then jumps."""
        loop, clock = self._loop, self._loop.clock
        found = super().select(0)
        if loop.shuffle() or found or (timeout is not None and timeout <= 0):
            return found
        if found := self._outside():
            return found
        when = loop.next_timer
        if when == math.inf:
            raise loop.hung()
        if when > clock.horizon:
            raise loop.hung(f"the horizon of {clock.horizon:g} s lies before the next timer")
        clock.elapsed = max(clock.elapsed, when)
        return []

    def _outside(self) -> Any:
        """Waits for threads, processes and sockets as long as the clock's patience lasts."""
        clock = self._loop.clock
        quiet = clock.quiet if len(self.get_map()) > 1 else 0.0
        while True:
            at_work = self._at_work()
            left = max((clock.patience - self._spent.get(each, 0.0) for each in at_work), default=0.0)
            if max(left, quiet) <= 0:
                return []
            began = time.monotonic()
            found = super().select(max(left, quiet))
            if found:
                return found
            waited = time.monotonic() - began
            quiet -= waited
            for each in at_work:
                self._spent[each] = self._spent.get(each, 0.0) + waited

    def _at_work(self) -> list[object]:
        at_work: list[object] = [future for future in list(self._loop.outside) if not future.done()]
        at_work += [program for program in list(self._loop.programs) if program.get_returncode() is None]
        for thread in threading.enumerate():
            idle = getattr(thread, "idle_workers", None)  # how anyio's worker threads know which of them are free
            if isinstance(idle, deque) and thread not in idle and getattr(thread, "loop", None) is self._loop:
                at_work.append(thread)
        return at_work


def _is_turn(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(getattr(handle, "_callback", None), "__self__", None), asyncio.Task)


def place_of(task: asyncio.Task[Any]) -> str:
    """Returns where a task waits: file, line and function of the innermost coroutine."""
    waits: Any = task.get_coro()
    place = repr(waits)
    while waits is not None:
        kind = next((kind for kind in ("cr", "ag", "gi") if hasattr(waits, f"{kind}_frame")), None)
        if kind is None:  # one step of an async generator hides it, but holds it
            waits = next((held for held in gc.get_referents(waits) if inspect.isasyncgen(held)), None)
            continue
        if (frame := getattr(waits, f"{kind}_frame")) is not None:
            code = frame.f_code
            place = f"{os.path.basename(code.co_filename)}:{frame.f_lineno} in {code.co_qualname}"
        waits = getattr(waits, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return place


async def hang() -> NoReturn:
    """Waits for what never comes; only a timeout or a cancellation ends it."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable: nobody resolves this future")
