"""Timelines of runs over HTTP: every step with its times, what decided the end, and what is known of one step."""

import time
from typing import Any

import anyio
import pytest

from stretto import ParallelWorkflow, SequentialWorkflow, step
from stretto.core.codec import encode
from stretto.core.events import (
    AgentStarted,
    ErrorRecord,
    Event,
    ModelUsed,
    RunEnded,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
)
from stretto.core.journal import Line, owner_of_this_process
from stretto.server.timeline_forms import Timeline
from stretto.stores.store import Store
from tests.monitoring.logs import items, simple
from tests.server.conftest import Serve, Served

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def keep(store: Store, run_id: str, events: list[Event]) -> None:
    """Keeps a log as another process has written it."""
    owner = owner_of_this_process()
    await store.claim(run_id, owner)
    lines = [Line(place, one.kind, one.path, one.at, encode(one)) for place, one in enumerate(events)]
    await store.append(run_id, lines)
    await store.release(run_id, owner)


async def timeline_of(served: Served, run_id: str) -> Timeline:
    answer = await served.client.get(f"/api/runs/{run_id}/timeline")
    assert answer.status_code == 200, answer.text
    return Timeline.model_validate_json(answer.content, extra="forbid")


async def test_a_timeline_tells_steps_in_the_order_of_the_tree_and_what_decided_the_end(serve: Serve) -> None:
    async with serve() as served:
        await keep(served.store, "r1", simple())
        found = await timeline_of(served, "r1")
    assert (found.run_id, found.workflow_id, found.name, found.status) == ("r1", None, "Gather", "completed")
    assert (found.started_at, found.now, found.seq, found.total) == (1_790_000_000.0, 2200.0, len(simple()), 6)
    told = [
        (one.path, one.parent, one.start_ms, one.end_ms, one.slack_ms, one.self_ms, one.critical, one.batch)
        for one in found.spans
    ]
    assert told == [
        ("gather", "", 0.0, 2200.0, 0.0, 0.0, False, None),
        ("gather/query", "gather", 0.0, 1800.0, 0.0, 1800.0, True, 0),
        ("gather/api_1", "gather", 0.0, 500.0, 1300.0, 500.0, False, 0),
        ("gather/api_2", "gather", 0.0, 600.0, 1200.0, 600.0, False, 0),
        ("gather/serena", "gather", 0.0, 400.0, 1400.0, 400.0, False, 0),
        ("gather/aggregate", "gather", 1800.0, 2200.0, 0.0, 400.0, True, None),
    ]
    figures = found.summary
    assert (figures.wall_ms, figures.work_ms, figures.operations, figures.running) == (2200.0, 3700.0, 5, 0)
    assert (figures.critical_path, figures.bottleneck) == (["gather/query", "gather/aggregate"], "gather/query")
    assert (figures.bottleneck_share, figures.parallelization_ratio) == (pytest.approx(18 / 22), 0.8)
    assert (figures.tokens_input, figures.cost) == (0, None)
