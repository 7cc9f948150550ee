"""Reads runs from the store: those of this server, of other servers, and of ``stretto run`` alike."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from stretto.core.archive import NotKept
from stretto.core.errors import RunNotFound, StoreError
from stretto.core.events import EVENTS, Event, PlanMade, step_name
from stretto.core.journal import Line
from stretto.core.preview import preview
from stretto.core.records import ExecutionRow
from stretto.monitoring.spans import SpanFold
from stretto.server.house import House
from stretto.server.plan_views import PlanItem, plan_of
from stretto.server.problems import Problem
from stretto.server.run_views import (
    AgentItem,
    EventItem,
    EventKind,
    Failure,
    RunDetail,
    RunItem,
    event_of,
    item_of,
    sendable,
)
from stretto.stores.plain import plain_event, readable

T = TypeVar("T")
AT_ONCE = 500
"""How many lines of a log an export reads at once."""
SOON = 2.0
"""How long a run that is asked for, and has not begun, is waited for (seconds)."""
_ENDS = ("run_started", "run_resumed", "run_ended", "agent_started")
_SPANS = frozenset(EVENTS) - {"model_delta", "task_changed", "plan_made", "agent_started", "history_shortened"}


async def item(house: House, run_id: str) -> RunItem:
    """Returns how a run stands, one that is about to begin as soon as it does; raises ``RunNotFound``."""
    try:
        summary = await house.store.summary(run_id)
    except RunNotFound:
        if await execution_of(house, run_id) is None:
            raise
        await _begin(house, run_id)
        summary = await house.store.summary(run_id)
    return item_of(summary, house.executions.run(run_id) is not None)


async def _begin(house: House, run_id: str) -> None:
    """Waits a moment for the first words of an execution."""
    with anyio.move_on_after(SOON):
        run = await house.executions.begun(run_id)
        if run is not None:
            async for _ in run.batches():  # its first words, which are written then
                break
            await run.state.log.flushed()


async def detail(house: House, run_id: str) -> RunDetail:
    """Returns a run with what went in and came out; raises ``RunNotFound``."""
    told = await item(house, run_id)
    found = await house.store.lines(run_id, full=False, kinds=_ENDS) if told.events else []
    lines = list(map(sendable, found))
    held: dict[str, dict[str, Any]] = {line.kind: json.loads(line.data) for line in lines}
    last = next((line.kind for line in reversed(lines) if line.kind != "agent_started"), "")
    ended = held.get("run_ended", {}) if last == "run_ended" else {}
    error = ended.get("error")
    return RunDetail(
        **dict(told),
        input=preview(readable(held.get("run_started", {}).get("input"))),
        output=preview(readable(ended.get("output"))),
        failure=None if error is None else Failure(type=error["type"], message=error["message"], path=error["path"]),
        resumed=sum(line.kind == "run_resumed" for line in lines),
        agents=agents_of(lines),
    )


def agents_of(lines: Sequence[Line]) -> list[AgentItem]:
    """Returns the agents that lines tell of, each as it began last."""
    found: dict[str, AgentItem] = {}
    for line in lines:
        if line.kind == "agent_started":
            held = json.loads(line.data)
            found[line.path] = AgentItem(
                path=line.path, **{name: held[name] for name in AgentItem.model_fields if name != "path"}
            )
    return list(found.values())


async def events(house: House, run_id: str, since: int, kinds: Sequence[EventKind], limit: int) -> list[EventItem]:
    """Returns events of a run from a place in its log on, values cut; raises ``RunNotFound``.

    Of a run that this server carries out, everything that was told of it by now is among them.
    """
    run = house.executions.run(run_id)
    if run is not None and not run.ended.is_set():
        await run.state.log.flushed()
    lines = await house.store.lines(run_id, since, full=False, kinds=kinds or None, limit=limit)
    return await apart(lambda: [event_of(sendable(line)) for line in lines])


async def event(house: House, run_id: str, seq: int) -> EventItem:
    """Returns one event with its values whole; raises ``RunNotFound``, and ``Problem`` when the log has no such."""
    lines = await house.store.lines(run_id, seq, limit=1)
    if not lines:
        raise Problem(404, "not_found", f"run {run_id!r} has no event {seq}; its log ends before that place")
    return await apart(lambda: event_of(sendable(lines[0]), whole=True))


async def folded(house: House, run_id: str, draw: Callable[[SpanFold], T]) -> T:
    """Returns what a function makes of a run's spans, worked out beside the loop; raises ``RunNotFound``."""
    lines = await house.store.lines(run_id, full=False, kinds=_SPANS)
    return await apart(lambda: draw(SpanFold(plain_event(sendable(line)) for line in lines)))


async def plans(house: House, run_id: str) -> list[PlanItem]:
    """Returns the plans that steps of a run made, of each step the last; raises ``RunNotFound``."""
    lines = await house.store.lines(run_id, kinds=("plan_made",))
    made = [event for line in lines if isinstance(event := plain_event(sendable(line)), PlanMade)]
    named: list[Line] = []
    if any(step_name(event.path) == "plan" for event in made):
        named = await house.store.lines(run_id, full=False, kinds=("step_started", "step_skipped"))
    paths = {line.path for line in named}
    last = {event.path: event for event in made}  # a run that is resumed makes its plans again
    return [plan_of(event, paths) for event in last.values()]


async def plain_log(house: House, run_id: str) -> list[Event]:
    """Returns a run's events with plain values, without the words of models; raises ``RunNotFound``."""
    lines = await house.store.lines(run_id, full=False, kinds=frozenset(EVENTS) - {"model_delta"})
    return await apart(lambda: [plain_event(line) for line in lines])


async def exported(house: House, run_id: str) -> AsyncGenerator[bytes]:
    """Yields a run as one JSON document: how it stands, and every event as the store keeps it, values whole.

    Raises ``RunNotFound`` before the first piece.
    """
    told = await item(house, run_id)
    seq, separator = 0, ""
    lines = await house.store.lines(run_id, 0, limit=AT_ONCE)
    yield b'{"format":"stretto.run","version":1,"run":' + told.model_dump_json().encode() + b',"events":['
    while lines:
        parts = [
            f'{{"seq":{seq},"kind":{json.dumps(kind)},"path":{json.dumps(path)},"at":{at!r},"data":{data}}}'
            for seq, kind, path, at, data in lines
        ]
        yield (separator + ",\n".join(parts)).encode()
        separator, seq = ",\n", lines[-1].seq + 1
        lines = await house.store.lines(run_id, seq, limit=AT_ONCE)
    yield b"]}\n"


async def execution_of(house: House, run_id: str) -> ExecutionRow | None:
    """Returns the execution of a workflow that a run carries out, None for any other run."""
    try:
        return await house.store.records.execution(run_id)
    except NotKept:
        return None


async def apart(work: Callable[[], T]) -> T:
    """Does work that takes a while in another thread, so that streams go on meanwhile."""
    return await anyio.to_thread.run_sync(work)


async def delete(house: House, run_id: str) -> None:
    """Removes a run that is over; raises ``RunNotFound``, ``RunBusy``, and ``StoreError`` for one of a workflow."""
    row = await execution_of(house, run_id)
    if row is not None:
        raise StoreError(f"run {run_id!r} is of workflow {row.workflow_id!r}, and goes when that is deleted")
    await house.store.delete(run_id)
