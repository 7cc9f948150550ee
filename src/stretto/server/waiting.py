"""Waits for executions to begin and to end, on behalf of whoever has asked for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import anyio

from stretto.core.archive import NotKept
from stretto.core.records import ExecutionRow, Records
from stretto.runtime.run import Run
from stretto.server.problems import Stopping

OVER = frozenset({"completed", "error", "cancelled", "interrupted"})
"""The states of an execution that has ended, or waits for somebody to say that it goes on."""


class Waiting:
    """Those who wait for executions; ``run`` returns the run of one, ``is_live`` says whether it runs here."""

    def __init__(self, records: Records, run: Callable[[str], Run[Any] | None], is_live: Callable[[str], bool]) -> None:
        self._records, self._run, self._is_live = records, run, is_live
        self._over: WeakValueDictionary[str, anyio.Event] = WeakValueDictionary()  # as long as somebody waits
        self._begun = anyio.Event()
        self._closing = False

    async def end(self, run_id: str) -> ExecutionRow:
        """Waits until an execution is over, and returns how it ended.

        Raises ``NotKept`` when it was withdrawn, ``Stopping`` when the server stops before.
        """
        while True:
            over = self._over.setdefault(run_id, anyio.Event())
            row = await self._records.execution(run_id)
            if row.status in OVER:
                return row
            if self._closing and not self._is_live(run_id):
                raise Stopping
            await over.wait()

    async def beginning(self, run_id: str) -> Run[Any] | None:
        """Waits until an execution runs, and returns its run; None when it is over, withdrawn, or the server stops."""
        while (run := self._run(run_id)) is None:
            begun = self._begun
            try:
                row = await self._records.execution(run_id)
            except NotKept:
                return None
            if row.status in OVER or (self._closing and not self._is_live(run_id)):
                return self._run(run_id)
            await begun.wait()
        return run

    def some_begun(self) -> None:
        """Has those who wait for a beginning look again."""
        begun, self._begun = self._begun, anyio.Event()
        begun.set()

    def may_be_over(self, run_id: str) -> None:
        """Has those who wait for the end of an execution look how it stands."""
        if (over := self._over.pop(run_id, None)) is not None:
            over.set()

    def close(self) -> None:
        """Has nobody wait any longer for what is not live."""
        self._closing = True
        self.some_begun()
        for run_id in [waited for waited in self._over if not self._is_live(waited)]:
            self.may_be_over(run_id)
