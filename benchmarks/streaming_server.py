"""The servers that the benchmarks of streams measure, each in a process of its own: Stretto's, and a bare endpoint."""

from __future__ import annotations

import gc
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from stretto.configuring.settings import ServerTable, Settings
from stretto.core.events import AgentStarted, Event, ModelDelta, RunEnded, RunStarted, StepStarted
from stretto.core.function import step
from stretto.core.records import ExecutionRow, WorkflowRow
from stretto.core.step import Context, Step
from stretto.server.app import create_app
from stretto.server.house import House
from stretto.server.preparation import RETAINED
from stretto.server.serving import leave_alone_what_is_there, listening
from stretto.stores.sql import SqlStore

WORKFLOW = "00000000-0000-4000-8000-000000000000"


def log_of(count: int) -> list[Event]:
    """Returns the log of a run whose two agents say ``count`` words in turn, so that none can be put together."""
    events: list[Event] = [RunStarted("", 0.0, "run", "bench", time.time() + 60)]
    for name in ("left", "right"):
        events += [AgentStarted(name, 0.0, name, name), StepStarted(f"{name}/model", 0.0)]
    names = ("left/model", "right/model")
    events += [ModelDelta(names[n % 2], n / 1000, "text", f"word {n} ") for n in range(count)]
    return [*events, RunEnded("", count / 1000, "completed")]


@step(name="talker")
async def talk(input: tuple[float, float], context: Context) -> None:
    """Says so many words per second, each the moment at which it was said, for so many seconds."""
    rate, seconds = input
    context.emit(AgentStarted(agent_id="talker", name="talker"))

    @step(name="model")
    async def answer(_: Any, inner: Context) -> None:
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await anyio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            inner.emit(ModelDelta(part="text", text=f"{time.perf_counter():.6f} "))

    await context.run(answer, None)


async def _follow(house: House, rate: float, seconds: float) -> None:
    now, workflow_id = time.time(), str(uuid.uuid4())
    await house.store.records.add_workflow(
        WorkflowRow(id=workflow_id, name="talk", agent_id="talker", created_at=now, updated_at=now)
    )
    await follow_run(house, workflow_id, talk, (rate, seconds))


async def follow_run(house: House, workflow_id: str, step: Step[Any, Any], input: Any) -> None:
    """Starts a run of a workflow, and tells, folds and keeps what it says, as the server does with executions."""
    run_id = uuid.uuid4().hex
    row = await house.store.records.add_execution(
        ExecutionRow(
            run_id=run_id, workflow_id=workflow_id, message="Talk.", agent_id="talker", status="running",
            created_at=time.time(),
        )
    )  # fmt: skip
    publisher, projection = house.hub.publisher(workflow_id, run_id, row.ordinal), house.projector.projection(row)
    run = house.supervisor.start(step, input, store=house.store, run_id=run_id, durability="sync", retain=RETAINED)
    projection.flushed = run.state.log.flushed
    async for events in run.batches():
        publisher.take(events)
        projection.take(events)
        if publisher.pause:
            await anyio.sleep(publisher.pause)
    await house.projector.settle(projection)
    publisher.close()


async def talkers(request: Request) -> Response:
    """Starts ``workflows`` runs that say ``rate`` words per second together, for ``seconds``."""
    house: House = request.app.state.house
    workflows, seconds = int(request.query_params["workflows"]), float(request.query_params["seconds"])
    rate = float(request.query_params["rate"]) / workflows
    for number in range(workflows):

        async def follow() -> None:
            await _follow(house, rate, seconds)

        house.supervisor.beside(follow, f"talker {number}")
    return JSONResponse({})


async def log_of_words(request: Request) -> Response:
    """Tells a log of ``count`` words as fast as it goes, a few at a time."""
    house: House = request.app.state.house
    events = log_of(int(request.query_params["count"]))

    async def tell() -> None:
        publisher = house.hub.publisher(WORKFLOW, "run", 1)
        for start in range(0, len(events), 20):
            publisher.take(events[start : start + 20])
            await anyio.lowlevel.checkpoint()
        publisher.close()

    house.supervisor.beside(tell, "telling")
    return JSONResponse({})


async def memory(request: Request) -> Response:
    """Says how much memory the process takes (bytes)."""
    gc.collect()
    return JSONResponse({"rss": psutil.Process().memory_info().rss})


async def bare(request: Request) -> Response:
    """Sends the same bytes as Stretto, an event at a time, as anybody would write it first."""
    frames: list[bytes] = request.app.state.frames

    async def each() -> AsyncIterator[bytes]:
        for frame in frames:
            yield frame

    return StreamingResponse(each(), media_type="text/event-stream")


async def load(request: Request) -> Response:
    """Takes what the bare endpoint is to send."""
    body = await request.body()
    request.app.state.frames = [frame + b"\n\n" for frame in body.split(b"\n\n") if frame]
    return JSONResponse({"frames": len(request.app.state.frames)})


async def serve(kind: str, folder: str) -> None:
    """Serves until it is killed, with a database in a folder; prints the port."""
    with listening(ServerTable.model_validate({"port": 0})) as listener:
        async with SqlStore(Path(folder) / "bench.db") as store:
            app: Any = Starlette(routes=[Route("/bare", bare), Route("/load", load, methods=["POST"])])
            if kind == "stretto":
                app = create_app(Settings(), store)
                for path, endpoint in (("/talkers", talkers), ("/log", log_of_words), ("/memory", memory)):
                    app.router.routes.insert(0, Route(path, endpoint))
            config = uvicorn.Config(app, log_config=None, access_log=False)
            server = uvicorn.Server(config)
            leave_alone_what_is_there()
            print(listener.getsockname()[1], flush=True)
            await server.serve([listener])


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], sys.argv[2])
