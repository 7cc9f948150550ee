"""The operations by which machines watch a server: alive, ready, and its figures."""

from __future__ import annotations

import logging
from typing import Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from stretto.core.errors import StoreError
from stretto.server.dependencies import Here
from stretto.server.house import House
from stretto.server.metrics import MEDIA_TYPE, Metrics

router = APIRouter(tags=["Health"])
PATIENCE = 2.0
"""How long the database may take to answer (seconds) before the server says that it is not ready."""
log = logging.getLogger("stretto.server")


class Alive(BaseModel):
    """The server's loop turns."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether the server takes work; ``database`` is ``ok``, ``slow`` or ``unusable``."""

    status: Literal["ready", "draining", "not_ready"]
    database: Literal["ok", "slow", "unusable"]


@router.get("/healthz", operation_id="get_health", summary="Is the process alive?")
async def get_health() -> Alive:
    """Answers as long as the process does anything at all."""
    return Alive()


@router.get(
    "/readyz", operation_id="get_readiness", summary="Does the server take work?",
    responses={503: {"model": Ready, "description": "It is ending, or its database does not answer."}},
)  # fmt: skip
async def get_readiness(request: Request, response: Response, house: Here) -> Ready:
    """Answers 503 while the server ends, and while its database does not answer within two seconds."""
    database = await _look(house)
    status: Literal["ready", "draining", "not_ready"] = "ready" if database == "ok" else "not_ready"
    if request.app.state.draining:
        status = "draining"
    response.status_code = 200 if status == "ready" else 503
    return Ready(status=status, database=database)


@router.get(
    "/metrics", operation_id="get_metrics", summary="Figures for Prometheus", response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text."}},
)  # fmt: skip
async def get_metrics(request: Request, house: Here) -> Response:
    """Returns the figures of the requests, of what runs and waits, and of the process."""
    metrics: Metrics = request.app.state.metrics
    waiting = await house.store.records.executions(statuses=["queued", "running"])
    queued = sum(1 for each in waiting if each.status == "queued")
    metrics.stands(
        running=len(waiting) - queued,
        queued=queued,
        live=len(house.supervisor.runs),
        watching=house.hub.watching,
        started_at=house.started_at,
    )
    return Response(await anyio.to_thread.run_sync(metrics.text), media_type=MEDIA_TYPE)


async def _look(house: House) -> Literal["ok", "slow", "unusable"]:
    try:
        with anyio.fail_after(PATIENCE):
            await house.store.runs(1)
    except TimeoutError:
        return "slow"
    except StoreError as error:
        log.warning("the database cannot be used: %s", error)
        return "unusable"
    return "ok"
