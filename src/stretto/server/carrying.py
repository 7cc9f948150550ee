"""Carries out one execution: runs it, tells what it does, keeps what came of it, and says so when a store cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import anyio

from stretto.configuring.agent_room import AgentRoom
from stretto.core.archive import NotKept
from stretto.core.errors import RunNotFound, StoreError
from stretto.core.events import Asked, RunEnded
from stretto.core.outcome import Failed
from stretto.core.records import ExecutionRow
from stretto.runtime.run import Run
from stretto.runtime.supervisor import Supervisor
from stretto.server.conversation import keep_answer
from stretto.server.hub import Hub, Publisher
from stretto.server.preparation import prepare
from stretto.server.projection import Projector
from stretto.server.span_updates import SpanTeller, SpanUpdates
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
    publisher: Publisher | None = None
    teller: SpanTeller | None = None
    cancelled: str = ""
    suspended: str = ""
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

    async def stop(self, reason: str) -> None:
        """Stops its run, and waits until it is over."""
        self.cancel(reason)
        await self.over.wait()

    def suspend(self, reason: str) -> None:
        """Stops its run, also one that has not begun yet, so that it can go on."""
        self.suspended = reason
        if self.run is not None:
            self.run.suspend(reason)


class Owed(NamedTuple):
    """Why an execution ended, and who tells its end, and that of its steps, once that is on disk."""

    why: str
    publisher: Publisher | None
    teller: SpanTeller | None


class Carrier:
    """Carries out executions; ``owed`` are those whose end no store has taken yet."""

    def __init__(
        self, *, store: Store, room: AgentRoom, supervisor: Supervisor, hub: Hub, updates: SpanUpdates,
        projector: Projector, telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._store, self._records, self._room, self._supervisor = store, store.records, room, supervisor
        self._hub, self._updates, self._projector, self._telemetry = hub, updates, projector, telemetry
        self.owed: dict[str, Owed] = {}

    async def carry_out(self, live: Live) -> None:
        """Carries out an execution to its end, or until its run is suspended.

        Whatever breaks, the execution is told as interrupted, as soon as the store takes that.
        """
        run_id = live.row.run_id
        try:
            await self._follow(live)
        except StoreError as error:
            log.error("execution %s: %s", run_id, error)
            why = str(error)
        except Exception as error:
            log.exception("execution %s broke", run_id)
            why = f"the server broke while it carried this out: {type(error).__name__}: {error}"
        else:
            await self._tell(run_id)
            return
        if live.run is not None:
            live.run.suspend("its server cannot follow it")
            await live.run.ended.wait()
        self.owed[run_id] = Owed(why, live.publisher, live.teller)

    async def _follow(self, live: Live) -> None:
        row = live.row
        prepared = await prepare(self._store, self._room, row, live.on_change)
        publisher = live.publisher = self._hub.publisher(row.workflow_id, row.run_id, row.ordinal)
        projection, spans = self._projector.projection(row), self._telemetry.follower()
        ended: RunEnded | None = None
        run = live.run = self._supervisor.start(prepared.step, prepared.task, **prepared.settings)
        teller = live.teller = self._updates.follow(run, row.workflow_id)
        projection.flushed = run.state.log.flushed
        live.stirred()
        if live.suspended:
            run.suspend(live.suspended)
        elif live.cancelled:
            run.cancel(live.cancelled)
        try:
            async for events in run.batches():
                publisher.take(events)
                projection.take(events)
                spans.take(events)
                teller.take(events)
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
            elif isinstance(run.outcome, Failed) and not live.suspended:
                await self._projector.refold(self._store, row)
                await self._interrupted(row.run_id, str(run.outcome.error))
        finally:
            spans.close()
        publisher.close()
        await teller.close()

    async def _interrupted(self, run_id: str, why: str) -> None:
        """Keeps that an execution could not go on; it waits for somebody to say what shall become of it."""
        row = await self._records.change_execution(run_id, expected=["running"], status="interrupted", error=why)
        told = {"workflow_id": row.workflow_id, "run_id": run_id, "status": "error", "error": why}
        self._hub.announce("workflow_complete", told)

    async def pay(self) -> list[str]:
        """Writes how executions ended whose store did not take it when they did; returns which were written."""
        paid: list[str] = []
        for run_id, owed in list(self.owed.items()):
            try:
                ended = await self._as_its_log_tells(run_id, owed.why)
            except NotKept:
                ended = False  # somebody has deleted it
            except StoreError as error:
                log.error("execution %s cannot be written yet: %s", run_id, error)
                continue
            if owed.publisher is not None:
                owed.publisher.close(tell=ended)
            if owed.teller is not None:
                await owed.teller.close()
            del self.owed[run_id]
            paid.append(run_id)
            await self._tell(run_id)
        return paid

    async def _as_its_log_tells(self, run_id: str, why: str) -> bool:
        """Writes the end that the log of an execution tells, or that it was interrupted; returns False for that."""
        row, ended = await self._records.execution(run_id), await self._end_of(run_id)
        if row.status == "running" and ended is not None:
            try:
                await self._projector.refold(self._store, row)
            except StoreError:
                raise
            except Exception:
                log.exception("the log of execution %s cannot be folded", run_id)
                ended = None
        if ended is not None:
            await keep_answer(self._store, row, ended)
        elif row.status == "running":
            await self._interrupted(run_id, why)
        return ended is not None

    async def _end_of(self, run_id: str) -> RunEnded | None:
        try:
            last = (await self._store.events(run_id))[-1]
        except RunNotFound:
            return None
        return last if isinstance(last, RunEnded) else None

    async def _tell(self, run_id: str) -> None:
        """Tells those who watch how an execution stands."""
        try:
            row = await self._records.execution(run_id)
        except StoreError as error:
            log.warning("how execution %s stands cannot be told: %s", run_id, error)
            return
        told = {"workflow_id": row.workflow_id, "run_id": row.run_id, "status": row.status}
        self._hub.announce("workflow_update", told)
