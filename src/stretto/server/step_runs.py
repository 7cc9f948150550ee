"""Runs that belong to no workflow: of library workflows, and of agents that a request gives all they need."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel

from stretto.configuring.agent_room import AgentRoom
from stretto.core.errors import RunBusy
from stretto.core.events import Asked, Event
from stretto.core.journal import owner_of_this_process
from stretto.core.step import Step
from stretto.runtime.run import Run, RunSettings
from stretto.runtime.supervisor import Supervisor
from stretto.server.carrying import OnChange
from stretto.server.hub import Hub
from stretto.server.problems import Stopping
from stretto.server.span_updates import SpanUpdates
from stretto.server.telemetry import Follower, Telemetry
from stretto.stores.summary import Status


class StepRuns:
    """Starts runs as soon as ``has_room`` says so, in their order; ``freed`` is called when one is over."""

    def __init__(
        self, room: AgentRoom, supervisor: Supervisor, hub: Hub, updates: SpanUpdates, telemetry: Telemetry,
        has_room: Callable[[], bool], freed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._room, self._supervisor, self._telemetry = room, supervisor, telemetry
        self._hub, self._updates = hub, updates
        self._has_room, self._freed = has_room, freed
        self._waiting: list[anyio.Event] = []
        self.runs: dict[str, Run[Any]] = {}
        self.closed = False

    @property
    def taken(self) -> int:
        """How much room they take: one that waits for people takes none."""
        return sum(not run.questions for run in self.runs.values())

    async def start(
        self, step: Step[Any, Any], input: Any, *, labels: Mapping[str, str] | None = None,
        resume: Iterable[Event] = (), run_id: str | None = None, on_change: OnChange = "refuse",
    ) -> str:  # fmt: skip
        """Starts a run, or goes on with ``run_id``, as soon as there is room, and returns its id.

        Raises ``Stopping``, and ``RunBusy`` for a run that goes on here already.
        """
        waited = False
        while not self.closed and not (self._has_room() and (waited or not self._waiting)):
            turn = anyio.Event()
            self._waiting.insert(0 if waited else len(self._waiting), turn)  # nobody passes who has waited
            self._freed()
            await turn.wait()
            waited = True
        if self.closed:
            raise Stopping
        if run_id is not None and run_id in self.runs:
            raise RunBusy(run_id, owner_of_this_process())
        chosen: RunSettings = {**self._room.run_settings(), "labels": dict(labels or {}), "resume": resume}
        chosen["run_id"], chosen["on_change"] = run_id or uuid.uuid4().hex, on_change
        spans = self._telemetry.follower()
        run = self._supervisor.start(step, input, **chosen)
        self.runs[run.id] = run
        self._supervisor.beside(partial(self._over, run, spans), f"waiting for run {run.id}")
        return run.id

    async def _over(self, run: Run[Any], spans: Follower) -> None:
        teller = self._updates.follow(run)
        try:
            async for events in run.batches():
                if not teller.fold.seq:
                    self._tell(run, "running")
                spans.take(events)
                teller.take(events)
                if any(isinstance(event, Asked) for event in events):
                    self._freed()
            await run.ended.wait()
        finally:
            spans.close()
            del self.runs[run.id]
            self._freed()
        await teller.close()
        self._tell(run, teller.status)

    def _tell(self, run: Run[Any], status: Status) -> None:
        """Tells those who watch that a run has begun, or is over."""
        self._hub.announce("run_update", {"run_id": run.id, "status": status})

    async def admit(self) -> None:
        """Lets those start that wait, as far as there is room; all of them when nothing more is taken."""
        while self._waiting and (self._has_room() or self.closed):
            self._waiting.pop(0).set()
            await anyio.lowlevel.checkpoint()
