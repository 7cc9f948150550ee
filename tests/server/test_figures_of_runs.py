"""The figures of a run over HTTP, of a log whose times are known."""

import pytest

from stretto.core.codec import encode
from stretto.core.events import Event, ModelUsed, RunEnded, RunStarted, StepCompleted, StepStarted
from stretto.core.journal import Line, owner_of_this_process
from tests.server.conftest import Serve

pytestmark = pytest.mark.anyio

LOG: list[Event] = [
    RunStarted("", 0.0, "known", "flow", 1.0),
    StepStarted("flow", 0.0), StepStarted("flow/a", 0.0), StepStarted("flow/b", 0.0),
    StepCompleted("flow/b", 1.0, "b"), StepCompleted("flow/a", 3.0, "a"),
    StepStarted("flow/c", 3.0),
    ModelUsed("flow/c", 3.5, "m", cost=0.25, input_tokens=30, output_tokens=4, cached_tokens=10),
    StepCompleted("flow/c", 4.0, "c"), StepCompleted("flow", 4.0, "c"), RunEnded("", 4.0, "completed"),
]  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_every_figure_of_a_run_is_told(serve: Serve) -> None:
    async with serve() as served:
        owner = owner_of_this_process()
        await served.store.claim("known", owner)
        lines = [Line(place, one.kind, one.path, one.at, encode(one)) for place, one in enumerate(LOG)]
        await served.store.append("known", lines)
        await served.store.release("known", owner)
        answer = await served.client.get("/api/runs/known/metrics")
        assert answer.status_code == 200, answer.text
        told = answer.json()
    assert (told["total_duration"], told["work"], told["operations"]) == (4.0, 5.0, 3)
    assert told["parallelization_ratio"] == pytest.approx(2 / 3)
    assert told["speedup_factor"] == pytest.approx(1.25)
    assert (told["critical_path"], told["bottleneck"], told["bottleneck_share"]) == (
        ["flow/a", "flow/c"],
        "flow/a",
        0.75,
    )
    [batch] = told["parallel_batches"]
    assert sorted(batch["operations"]) == ["flow/a", "flow/b"]
    assert [step["path"] for step in told["sequential_steps"]] == ["flow/c"]
    assert (told["queue_times"], told["total_queue_time"], told["peak_concurrency"]) == ({}, 0.0, 2)
    assert (told["tokens_input"], told["tokens_output"], told["tokens_cached"], told["cost"]) == (30, 4, 10, 0.25)
