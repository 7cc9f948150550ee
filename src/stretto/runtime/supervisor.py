"""Keeps runs and the work around them going beside a block, for programs that serve rather than wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, Unpack

from stretto.core.errors import DefinitionError
from stretto.core.function import as_step
from stretto.core.step import Stepish
from stretto.runtime.run import Run, RunSettings, make_settings


class Supervisor:
    """Starts runs and works that outlive whoever started them; at the end of the block all of them are over.

    A run that fails says so in its outcome. A work that raises is told to ``on_error``, and stops nothing else. Leaving
    the block suspends the runs that are left, so that they can be resumed, and cancels the works.
    """

    def __init__(self, on_error: Callable[[str, BaseException], None]) -> None:
        self._on_error = on_error
        self._works: dict[asyncio.Task[Any], str] = {}
        self._runs: dict[asyncio.Task[None], Run[Any]] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        """Opens it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for run in self._runs.values():
            run.suspend("the program ends")
        await self._over(self._runs)
        for work in list(self._works):
            work.cancel()
        await self._over(self._works)

    @property
    def runs(self) -> list[Run[Any]]:
        """The runs that have not ended."""
        return list(self._runs.values())

    def start(self, step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> Run[Any]:
        """Starts a run; see ``stretto.start``. Raises ``DefinitionError`` when the supervisor is closed."""
        self._check()
        run: Run[Any] = Run(as_step(step), input, make_settings(settings))
        task = asyncio.get_running_loop().create_task(run.drive(), name=f"run {run.id}")
        self._runs[task] = run
        task.add_done_callback(self._run_over)
        return run

    def beside(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Starts a work; ``name`` is how it is called when it raises."""
        self._check()
        task = asyncio.get_running_loop().create_task(work(), name=name)
        self._works[task] = name
        task.add_done_callback(self._work_over)

    def _check(self) -> None:
        if self._closed:
            raise DefinitionError("nothing new can be started: the supervisor is closed")

    def _run_over(self, task: asyncio.Task[None]) -> None:
        run = self._runs.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(f"run {run.id}", error)

    def _work_over(self, task: asyncio.Task[Any]) -> None:
        name = self._works.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(name, error)

    async def _over(self, tasks: dict[asyncio.Task[Any], Any]) -> None:
        """Waits until all are over, whatever happens to the one who waits."""
        outer: asyncio.CancelledError | None = None
        while left := list(tasks):
            try:
                await asyncio.wait(left)
            except asyncio.CancelledError as cancelled:
                outer = cancelled
        if outer is not None:
            raise outer
