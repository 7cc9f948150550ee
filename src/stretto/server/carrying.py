"""Carries out one execution: runs it, tells what it does, keeps what came of it, and says so when a store cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio

from stretto.configuring.agent_room import AgentRoom
from stretto.core.archive import NotKept
from stretto.core.errors import StoreError
from stretto.core.events import Asked, RunEnded
from stretto.core.outcome import Failed
from stretto.core.records import ExecutionRow
from stretto.runtime.run import Run
from stretto.runtime.supervisor import Supervisor
from stretto.server.conversation import keep_answer
from stretto.server.hub import Hub
from stretto.server.preparation import prepare
from stretto.server.projection import Projector
from stretto.server.telemetry import Telemetry
from stretto.stores.store import Store

OnChange = Literal["refuse", "accept"]
log = logging.getLogger("stretto.server")


@dataclass
class Live:
    """An execution that is carried out here; ``stirred`` is called when its run has begun, and when it asks."""

    row: ExecutionRow
    stirred: Callable[[], None]
    on_change: OnChange = "refuse"
    run: Run[Any] | None = None
    cancelled: str = ""
    over: anyio.Event = field(default_factory=anyio.Event)

    @property
    def counts(self) -> bool:
        """Says whether it takes room: one that waits for people does not."""
        return self.run is None or not self.run.questions

    def cancel(self, reason: str) -> None:
        """Stops its run, also one that has not begun yet."""
        self.cancelled = reason
        if self.run is not None:
            self.run.cancel(reason)


class Carrier:
    """Carries out executions; ``owed`` are those whose end no store has taken yet, and why they ended."""

    def __init__(
        self, *, store: Store, room: AgentRoom, supervisor: Supervisor, hub: Hub, projector: Projector,
        telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._store, self._records, self._room, self._supervisor = store, store.records, room, supervisor
        self._hub, self._projector, self._telemetry = hub, projector, telemetry
        self.owed: dict[str, str] = {}

    async def carry_out(self, live: Live) -> None:
        """Carries out an execution to its end, or until its run is suspended.

        Whatever breaks, the execution is told as interrupted, as soon as the store takes that.
        """
        run_id = live.row.run_id
        try:
            await self._follow(live)
            self._tell(await self._records.execution(run_id))
        except StoreError as error:
            log.error("execution %s: %s", run_id, error)
            self.owed[run_id] = str(error)
        except Exception as error:
            log.exception("execution %s broke", run_id)
            self.owed[run_id] = f"the server broke while it carried this out: {type(error).__name__}: {error}"
        if run_id in self.owed and live.run is not None:
            live.run.cancel("its server cannot follow it")
            await live.run.ended.wait()

    async def _follow(self, live: Live) -> None:
        row = live.row
        prepared = await prepare(self._store, self._room, row, live.on_change)
        publisher = self._hub.publisher(row.workflow_id, row.run_id, row.ordinal)
        projection, spans = self._projector.projection(row), self._telemetry.follower()
        ended: RunEnded | None = None
        run = live.run = self._supervisor.start(prepared.step, prepared.task, **prepared.settings)
        projection.flushed = run.state.log.flushed
        live.stirred()
        if live.cancelled:
            run.cancel(live.cancelled)
        try:
            async for events in run.batches():
                publisher.take(events)
                projection.take(events)
                spans.take(events)
                if any(isinstance(event, Asked) for event in events):
                    live.stirred()
                if isinstance(events[-1], RunEnded):
                    ended = events[-1]
                elif publisher.pause:
                    await anyio.sleep(publisher.pause)
            await run.ended.wait()
            await self._projector.settle(projection)
            if ended is not None:
                await keep_answer(self._store, row, ended)
            elif isinstance(run.outcome, Failed):
                await self._projector.refold(self._store, row)
                await self._interrupted(row.run_id, str(run.outcome.error))
        finally:
            publisher.close()
            spans.close()

    async def _interrupted(self, run_id: str, why: str) -> None:
        """Keeps that an execution could not go on; it waits for somebody to say what shall become of it."""
        row = await self._records.change_execution(run_id, expected=["running"], status="interrupted", error=why)
        told = {"workflow_id": row.workflow_id, "run_id": run_id, "status": "error", "error": why}
        self._hub.announce("workflow_complete", told)

    async def pay(self) -> list[str]:
        """Writes how executions ended whose store did not take it when they did; returns which were written."""
        paid: list[str] = []
        for run_id, why in list(self.owed.items()):
            try:
                await self._interrupted(run_id, why)
            except NotKept:
                pass  # somebody has deleted it
            except StoreError as error:
                if (await self._standing(run_id)) == "running":
                    log.error("execution %s cannot be written yet: %s", run_id, error)
                    break
            del self.owed[run_id]
            paid.append(run_id)
        return paid

    async def _standing(self, run_id: str) -> str:
        try:
            return (await self._records.execution(run_id)).status
        except StoreError:
            return "running"

    def _tell(self, row: ExecutionRow) -> None:
        told = {"workflow_id": row.workflow_id, "run_id": row.run_id, "status": row.status}
        self._hub.announce("workflow_update", told)
