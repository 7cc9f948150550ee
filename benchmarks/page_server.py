"""The server whose page is measured, in a process of its own: with much data, and runs that tell what is wanted."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import anyio
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.streaming_server import follow_run
from stretto.configuring.settings import ServerTable, Settings
from stretto.core.codec import encode
from stretto.core.events import AgentStarted, Event, ModelDelta, RunEnded, RunStarted, StepCompleted, StepStarted
from stretto.core.function import step
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.records import ExecutionRow, Fold, Row, WorkflowRow
from stretto.core.step import Context, Step
from stretto.server.app import create_app
from stretto.server.house import House
from stretto.server.serving import leave_alone_what_is_there, listening
from stretto.stores.sql import SqlStore

LONG = "00000000-0000-4000-8000-0000000000aa"
"""The workflow whose run has taken many steps."""
WIDE = "wide"
"""The run of many spans."""
PARAGRAPH = (
    "Paragraph {n} tells of **what was found** in `module_{n}.py`: the limit of [section {n}](https://example.com/{n}) "
    "is reached after _some_ steps, and those that wait are told why.\n\n"
    "- first, the queue is read\n- then, each message is answered\n\n"
    "```python\nfor item in range({n}):\n    print(item)\n```\n\n"
)


def spans(count: int) -> list[Event]:
    """Returns the log of a run of so many steps, ten under each parent, of which eight run at once."""
    began = time.time() - 3600
    events: list[Event] = [RunStarted("", 0.0, WIDE, "bench", began)]
    for group in range(count // 11):
        path, start = f"batch_{group}", group * 0.010
        events.append(StepStarted(path, start, {"group": group}, 0.001, "workflow"))
        steps = [f"{path}/call_{number}" for number in range(10)]
        events += [StepStarted(each, start + place * 0.001, {"number": place}) for place, each in enumerate(steps)]
        events += [StepCompleted(each, start + 0.008 + place * 0.001, "done") for place, each in enumerate(steps)]
        events.append(StepCompleted(path, start + 0.020, "done"))
    return [*events, RunEnded("", count // 11 * 0.010 + 0.020, "completed")]


def activities(count: int) -> list[Row]:
    """Returns the rows of so many calls of a tool."""
    return [
        {
            "id": f"long/{place}", "workflow_id": LONG, "message_id": "long:answer", "agent_id": "talker",
            "tool_type": "local", "tool_name": "read_file", "server_name": None,
            "input_params": {"path": f"src/module_{place}.py"}, "output_result": "line of a file\n" * 10,
            "success": True, "error_message": None, "duration_ms": 12, "iteration": place,
            "created_at": "2026-01-01T00:00:00Z",
        }
        for place in range(count)
    ]  # fmt: skip


async def _keep(store: SqlStore, run_id: str, events: list[Event]) -> None:
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    lines = [Line(seq, each.kind, each.path, each.at, encode(each)) for seq, each in enumerate(events)]
    for start in range(0, len(lines), 5000):
        await store.append(run_id, lines[start : start + 5000])
    await store.release(run_id, owner)


async def fill(store: SqlStore, rows: int, steps: int) -> None:
    """Keeps a run of so many steps, and a workflow with so many rows."""
    now = time.time()
    await _keep(store, WIDE, spans(steps))
    records = store.records
    await records.add_workflow(WorkflowRow(id=LONG, name="long", agent_id="talker", created_at=now, updated_at=now))
    execution = ExecutionRow(
        run_id="long", workflow_id=LONG, message="Read everything.", agent_id="talker", created_at=now
    )
    await _keep(store, "long", [RunStarted("", 0.0, "long", "bench", now), RunEnded("", 1.0, "completed")])
    await records.add_execution(execution)
    await records.keep([Fold(run_id="long", workflow_id=LONG, lines=2, rows={"tool_execution": activities(rows)})])
    await records.change_execution("long", status="completed")


@step(name="talker")
async def talk(input: dict[str, Any], context: Context) -> None:
    """Tells what is asked for: moments, a long answer, calls of tools, or words as fast as they go."""
    what, count, rate = input["what"], int(input["count"]), float(input["rate"])
    context.emit(AgentStarted(agent_id="talker", name="talker"))
    if what == "tools":
        await _call_tools(context, count, rate)
        return

    @step(name="model")
    async def answer(_: Any, inner: Context) -> None:
        began, place = time.perf_counter(), 0
        async for text in _texts(what, count):
            await anyio.sleep(max(0.0, began + place / rate - time.perf_counter()))
            said = f"{time.time() * 1000:.0f}\n\n" if what == "moments" else text
            inner.emit(ModelDelta(part="text", text=said))
            place += 1

    await context.run(answer, None)


async def _texts(what: str, count: int) -> AsyncIterator[str]:
    whole = ""
    if what == "answer":
        whole = "".join(PARAGRAPH.format(n=number) for number in range(count // 200))[:count]
    for place in range(0, len(whole), 20) if whole else range(count):
        yield whole[place : place + 20] if whole else f"word {place} "


@dataclass(frozen=True)
class Called(Step[dict[str, Any], str]):
    """A call of a tool, as agents make it."""

    kind: ClassVar[str] = "call"

    name: str

    async def execute(self, input: dict[str, Any], context: Context) -> str:
        """Returns at once."""
        return "done"


async def _call_tools(context: Context, count: int, rate: float) -> None:
    began = time.perf_counter()
    for number in range(count):
        call = {"call": {"id": f"c{number}", "name": "read_file"}, "arguments": {"path": f"{number}.py"}}
        await context.run(Called(f"call_{number}"), call)
        if number % 50 == 49:
            await anyio.sleep(max(0.0, began + number / rate - time.perf_counter()))


async def begin(request: Request) -> Response:
    """Starts a run of a workflow that tells what is asked for."""
    house: House = request.app.state.house
    said = dict(request.query_params)

    async def follow() -> None:
        await follow_run(house, said["workflow"], talk, said)

    house.supervisor.beside(follow, "talker")
    return JSONResponse({})


async def clients(request: Request) -> Response:
    """Says how many clients the stream of everything has."""
    house: House = request.app.state.house
    return JSONResponse({"clients": house.hub.watching})


async def serve(folder: str, rows: int, steps: int) -> None:
    """Fills a database, prints the port, and serves until it is killed."""
    agents = {"talker": {"id": "talker", "name": "talker", "llm": {"model": "offline:surveyor"}}}
    chosen = Settings.model_validate({"agents": agents, "server": {"requests_per_minute": 1_000_000}})
    with listening(ServerTable.model_validate({"port": 0})) as listener:
        async with SqlStore(Path(folder) / "page.db") as store:
            await fill(store, rows, steps)
            app = create_app(chosen, store)
            app.router.routes.insert(0, Route("/api/bench/begin", begin, methods=["POST"]))
            app.router.routes.insert(0, Route("/api/bench/clients", clients))
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
            leave_alone_what_is_there()
            print(listener.getsockname()[1], flush=True)
            await server.serve([listener])


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
