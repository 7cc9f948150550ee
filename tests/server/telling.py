"""Logs made by hand, and a reader of server-sent events, for the tests of streams."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel

from stretto.configuring.settings import ServerTable
from stretto.core.codec import encode
from stretto.core.events import AgentStarted, Event, ModelDelta, RunEnded, RunResumed, RunStarted, StepStarted
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow, WorkflowRow
from stretto.server.hub import Hub
from stretto.stores.memory import MemoryStore
from stretto.stores.store import Store

WORKFLOW = "00000000-0000-4000-8000-000000000001"


class Told(NamedTuple):
    """An event as a client reads it."""

    id: str
    name: str
    data: dict[str, Any]

    @property
    def words(self) -> str:
        return str(self.data.get("content", ""))


def read(text: bytes) -> list[Told]:
    """Returns the events of a stream, as the standard reads them: those without data are none, ids are kept.

    That an agent begins, which is the first that every log tells here, is left out.
    """
    found: list[Told] = []
    last = ""
    for block in text.decode().split("\n\n"):
        fields = [line.partition(": ")[::2] for line in block.split("\n") if line and not line.startswith(":")]
        held = dict(fields)
        last = held.get("id", last)
        if "data" in held and '"chunk_type":"tool_start"' not in held["data"]:
            found.append(Told(last, held["event"], json.loads(held["data"])))
    return found


def beginning(run_id: str = "run") -> list[Event]:
    """Returns how the log of an agent begins whose model is about to answer."""
    started = RunStarted("", 0.0, run_id, "lead", time.time() + 1)
    return [started, AgentStarted("lead", 0.0, "lead", "lead"), StepStarted("lead/model", 0.0)]


def words(*said: str, path: str = "lead/model") -> list[Event]:
    """Returns what a model says, a word at a time."""
    return [ModelDelta(path, 1.0, "text", word) for word in said]


def end(status: str = "completed") -> Event:
    return RunEnded("", 2.0, status)


def resumed() -> Event:
    return RunResumed("", 1.5, 1)


async def keep(store: Store, run_id: str, events: Sequence[Event], first: int = 0) -> None:
    """Writes events behind those that a run has in a store."""
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    lines = [Line(first + n, event.kind, event.path, event.at, encode(event)) for n, event in enumerate(events)]
    await store.append(run_id, lines)
    await store.release(run_id, owner)


async def a_store(*run_ids: str, **fields: Any) -> MemoryStore:
    """Returns a store with a workflow of these executions."""
    store = MemoryStore()
    await store.records.add_workflow(WorkflowRow(id=WORKFLOW, name="w", agent_id="lead"))
    for run_id in run_ids:
        await store.records.add_execution(
            ExecutionRow(run_id=run_id, workflow_id=WORKFLOW, message="m", agent_id="lead", **fields)
        )
    return store


def a_hub(store: Store, **settings: Any) -> Hub:
    return Hub(store, ServerTable.model_validate(settings))


async def all_of(hub: Hub, workflow_id: str | None = WORKFLOW, after: str | None = None) -> list[Told]:
    """Returns what a stream sends that does not follow."""
    return read(b"".join([chunk async for chunk in hub.stream(workflow_id, after, follow=False)]))


class Watcher:
    """One who follows a stream, and has what it was sent."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self.sent, self.over, self._stream = b"", False, stream

    @property
    def told(self) -> list[Told]:
        return read(self.sent)

    async def watch(self) -> None:
        async for chunk in self._stream:
            self.sent += chunk
        self.over = True

    async def until(self, count: int) -> list[Told]:
        """Waits until so many events have come."""
        with anyio.fail_after(10):
            while len(self.told) < count:
                await anyio.lowlevel.checkpoint()
        return self.told
