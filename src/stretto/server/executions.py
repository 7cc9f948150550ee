"""Carries out what is asked of workflows: a queue that is seen, several at once, and on with them after a restart."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio

from stretto.configuring.agent_room import AgentRoom
from stretto.configuring.settings import Settings
from stretto.core.errors import StoreError
from stretto.core.records import ExecutionRow
from stretto.runtime.run import Run
from stretto.runtime.supervisor import Supervisor
from stretto.server.carrying import Carrier, Live, OnChange
from stretto.server.hub import Hub
from stretto.server.problems import Stopping
from stretto.server.projection import Projector
from stretto.server.span_updates import SpanUpdates
from stretto.server.step_runs import StepRuns
from stretto.server.telemetry import Telemetry
from stretto.server.waiting import Waiting
from stretto.stores.database import DatabaseUnavailable
from stretto.stores.store import Store

AT_ONCE = 8
"""How many executions run at once for each processor, unless the settings say it: most of them wait for models."""
MOST_QUEUED = 1000
"""How many messages of one workflow may wait."""
OWED = 2.0
"""After so many seconds the server tries again to write what a store did not take."""
log = logging.getLogger("stretto.server")


class QueueFull(StoreError):
    """A workflow for which very many messages wait takes no more."""

    def __init__(self, id: str) -> None:
        super().__init__(f"{MOST_QUEUED:,} messages wait for workflow {id!r}; remove some, or wait until they are done")
        self.id = id


class WorkflowGoes(StoreError):
    """A workflow that is being deleted takes nothing more."""

    def __init__(self, id: str) -> None:
        super().__init__(f"workflow {id!r} is being deleted and takes nothing more; create another one")
        self.id = id


class HasBegun(StoreError):
    """An execution that has begun once keeps its message, also while it is queued to go on."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"execution {run_id!r} has begun before, and its message stays as it is; withdraw it, and run it again "
            "with another one"
        )
        self.run_id = run_id


class Executions:
    """Starts what is queued when there is room, follows what runs, and says when it is over.

    Of one workflow one execution runs at a time, in the order in which they were asked for.
    """

    def __init__(
        self, *, store: Store, room: AgentRoom, supervisor: Supervisor, hub: Hub, projector: Projector,
        settings: Settings, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._records, self._room, self._supervisor = store.records, room, supervisor
        self._hub, self._settings = hub, settings
        supervisor.beside((updates := SpanUpdates(hub)).work, "telling of steps")
        self._carrier = Carrier(
            store=store, room=room, supervisor=supervisor, hub=hub, updates=updates, projector=projector,
            telemetry=telemetry,
        )  # fmt: skip
        self._steps = StepRuns(room, supervisor, hub, updates, telemetry, self._has_room, self.awake)
        self.start_step = self._steps.start
        self._live: dict[str, Live] = {}
        self._waiting = Waiting(self._records, self.run, self._live.__contains__)
        self._accepted: set[str] = set()
        self._held = Counter[str]()
        self._starting = anyio.Lock()
        self._wake = anyio.Event()
        self._closing = False

    # -- what is asked for ---------------------------------------------------------------------------------------------

    async def ask(
        self, workflow_id: str, message: str, agent_id: str, locale: str = "", rerun: Mapping[str, Any] | None = None
    ) -> ExecutionRow:
        """Queues an execution, durably; raises ``NotKept``, ``QueueFull``, ``WorkflowGoes`` and ``Stopping``."""
        if self._closing:
            raise Stopping
        if await self._records.executions(
            workflow_id=workflow_id, statuses=["queued"], limit=1, offset=MOST_QUEUED - 1
        ):
            raise QueueFull(workflow_id)
        if self._held[workflow_id]:
            raise WorkflowGoes(workflow_id)
        asked = ExecutionRow(
            run_id=uuid.uuid4().hex, workflow_id=workflow_id, message=message, agent_id=agent_id, locale=locale,
            created_at=time.time(), rerun=rerun,
        )  # fmt: skip
        row = await self._records.add_execution(asked)
        if self._held[workflow_id]:  # since it was asked for
            with suppress(StoreError):
                await self._records.delete_execution(row.run_id)
            raise WorkflowGoes(workflow_id)
        self._tell(row)
        self.awake()
        return row

    async def wait(self, run_id: str) -> ExecutionRow:
        """Waits until an execution is over, and returns how it ended; raises ``NotKept`` and ``Stopping``."""
        return await self._waiting.end(run_id)

    async def begun(self, run_id: str) -> Run[Any] | None:
        """Waits until an execution runs, and returns its run; None when it will not run here any more."""
        return await self._waiting.beginning(run_id)

    async def edit(self, run_id: str, message: str) -> ExecutionRow:
        """Changes a message that is queued; raises ``StoreError`` when it is not any more, or goes on."""
        if (await self._records.execution(run_id)).started_at is not None:
            raise HasBegun(run_id)
        row = await self._records.change_execution(run_id, expected=["queued"], message=message)
        self._tell(row)
        return row

    async def withdraw(self, run_id: str) -> None:
        """Removes a message that is queued; raises ``StoreError`` when it is not any more.

        One that was queued to go on is interrupted again: what it has done is kept.
        """
        row, status = await self._records.execution(run_id), "withdrawn"
        if row.started_at is None:
            await self._records.delete_execution(run_id)
        else:
            why = "it was taken out of the queue before it went on"
            await self._records.change_execution(run_id, expected=["queued"], status="interrupted", error=why)
            status = "interrupted"
        self._accepted.discard(run_id)
        self._is_over(run_id)
        self._tell(row, status)

    async def cancel(self, workflow_id: str, reason: str = "cancelled by the user") -> bool:
        """Cancels what runs of a workflow and waits for its end; returns False when nothing runs."""
        async with self._starting:  # what is being started has started
            found = [live for live in self._live.values() if live.row.workflow_id == workflow_id]
        for live in found:
            await live.stop(reason)
        return bool(found)

    @asynccontextmanager
    async def held(self, workflow_id: str) -> AsyncGenerator[None]:
        """Keeps a workflow from being asked for anything, and from starting anything, inside the block."""
        async with self._starting:
            self._held[workflow_id] += 1
        try:
            yield
        finally:
            self._held[workflow_id] -= 1
            self._held += Counter()  # forgets what nobody holds
            self._stir()

    async def cancel_run(self, run_id: str, reason: str = "cancelled by the user") -> bool:
        """Cancels a run of this server and waits for its end; returns False when it does not run here."""
        async with self._starting:  # what is being started has started
            live = self._live.get(run_id)
        if live is not None:
            await live.stop(reason)
            return True
        run = self._steps.runs.get(run_id)
        if run is not None:
            run.cancel(reason)
            await run.ended.wait()
        return run is not None

    async def resume(self, run_id: str, *, on_change: OnChange = "refuse") -> ExecutionRow:
        """Goes on with an interrupted execution, also with a changed agent if ``on_change`` is accept.

        Raises ``StoreError`` when it is not interrupted.
        """
        row = await self._records.change_execution(run_id, expected=["interrupted"], status="queued", error=None)
        if on_change == "accept":
            self._accepted.add(run_id)
        self._tell(row)
        self.awake()
        return row

    # -- what runs -----------------------------------------------------------------------------------------------------

    @property
    def limit(self) -> int:
        """How many executions run at once at the most."""
        return self._room.settings.server.max_concurrent_workflows or AT_ONCE * (os.cpu_count() or 1)

    @property
    def running(self) -> int:
        """How many runs are under way, those that wait for people included."""
        return len(self._live) + len(self._steps.runs)

    def run(self, run_id: str) -> Run[Any] | None:
        """Returns the live run of an execution or of a library workflow, None when it does not run here."""
        live = self._live.get(run_id)
        return self._steps.runs.get(run_id) if live is None else live.run

    def _has_room(self) -> bool:
        return sum(live.counts for live in self._live.values()) + self._steps.taken < self.limit

    # -- from the first to the last ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Goes on with what was running when the last server ended, and starts what is queued."""
        for row in await self._records.executions(statuses=["running"]):
            self._begin(row)
        self._supervisor.beside(self._dispatch, "starting what is queued")

    async def close(self) -> None:
        """Starts nothing more; waits a while for what runs, and leaves the rest so that it can go on."""
        async with self._starting:  # what is being started has started
            self._closing = self._steps.closed = True
        self._waiting.close()
        self.awake()
        with anyio.move_on_after(self._settings.server.grace):
            for live in list(self._live.values()):
                await live.over.wait()
            for run in list(self._steps.runs.values()):
                await run.ended.wait()
        for live in self._live.values():
            live.suspend("the server stops")
        for run in self._supervisor.runs:
            run.suspend("the server stops")
        for live in list(self._live.values()):
            await live.over.wait()

    def awake(self) -> None:
        """Has the queue looked at now, as when there is more room."""
        wake, self._wake = self._wake, anyio.Event()
        wake.set()

    async def _dispatch(self) -> None:
        while True:
            wake, again = self._wake, False
            try:
                for run_id in await self._carrier.pay():
                    self._is_over(run_id)
                await self._steps.admit()
                await self._start_queued()
            except StoreError as error:
                log.error("the queue cannot be read or written: %s", error)
                again = True
            except Exception:
                log.exception("starting what is queued broke; it is tried again")
                again = True
            with anyio.move_on_after(OWED if again or self._carrier.owed else None):
                await wake.wait()

    async def _start_queued(self) -> None:
        if self._closing or not self._has_room():
            return
        busy = {live.row.workflow_id for live in self._live.values()}
        for row in await self._records.executions(statuses=["queued"]):
            if self._closing or not self._has_room():
                return
            if row.workflow_id not in busy:
                busy.add(row.workflow_id)
                async with self._starting:
                    if not self._closing and not self._held[row.workflow_id]:
                        await self._start(row)

    async def _start(self, row: ExecutionRow) -> None:
        try:
            begun = await self._records.change_execution(
                row.run_id, expected=["queued"], status="running", started_at=row.started_at or time.time()
            )
        except DatabaseUnavailable:
            raise  # it is tried again
        except StoreError:  # it was withdrawn, or its workflow deleted, a moment ago
            self._accepted.discard(row.run_id)
            return
        self._begin(begun, "accept" if row.run_id in self._accepted else "refuse")
        self._accepted.discard(row.run_id)

    def _begin(self, row: ExecutionRow, on_change: OnChange = "refuse") -> None:
        live = self._live[row.run_id] = Live(row, self._stir, on_change)
        self._tell(row)
        self._supervisor.beside(partial(self._carry_out, live), f"carrying out {row.run_id}")

    async def _carry_out(self, live: Live) -> None:
        try:
            await self._carrier.carry_out(live)
        finally:
            del self._live[live.row.run_id]
            live.over.set()
            self._is_over(live.row.run_id)

    def _stir(self) -> None:
        """Wakes those who wait for a run to begin, and the queue: a run that asks people takes no room."""
        self._waiting.some_begun()
        self.awake()

    def _is_over(self, run_id: str) -> None:
        self._stir()
        self._waiting.may_be_over(run_id)

    def _tell(self, row: ExecutionRow, status: str = "") -> None:
        told = {"workflow_id": row.workflow_id, "run_id": row.run_id, "status": status or row.status}
        self._hub.announce("workflow_update", told)
