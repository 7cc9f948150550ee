"""A store changes nothing about a run: every pattern has the same events and the same value with and without one."""

from typing import Any

import pytest

from stretto import (
    ConditionalWorkflow,
    FanOutWorkflow,
    ForkJoinWorkflow,
    LoopWorkflow,
    MapReduceWorkflow,
    Operation,
    ParallelBranch,
    ParallelWorkflow,
    PartialSuccess,
    PlannedWorkflow,
    ScatterGatherWorkflow,
    SequentialWorkflow,
    StreamingWorkflow,
    WindowedWorkflow,
    analyze_dependencies,
    step,
)
from stretto.stores.memory import MemoryStore
from stretto.workflows.windows import Window


@step
async def double(x: Any) -> Any:
    return x * 2


@step
async def broken(x: Any) -> Any:
    raise ValueError(f"not {x}")


@step
async def states(both: Any) -> Any:
    return {name: outcome.status for name, outcome in both.items()}


def large(x: Any) -> bool:
    return x > 2


PATTERNS: dict[str, tuple[Any, Any]] = {
    "sequential": (SequentialWorkflow(steps=(double, double)), 3),
    "sequential that goes on": (SequentialWorkflow(steps=(double, broken, double), on_error="continue"), 3),
    "sequential that fails": (SequentialWorkflow(steps=(double, broken)), 3),
    "conditional, first": (ConditionalWorkflow(branches=((large, double),), otherwise=broken), 3),
    "conditional, all": (ConditionalWorkflow(branches=((large, double), (large, double)), match="all"), 3),
    "conditional, otherwise": (ConditionalWorkflow(branches=((large, broken),), otherwise=double), 1),
    "loop over items": (LoopWorkflow(body=double, over=(1, 2, 3)), None),
    "loop until": (LoopWorkflow(body=double, until=large, max_iterations=9), 1),
    "loop that goes on": (LoopWorkflow(body=broken, over=2, on_error="continue"), 1),
    "parallel": (ParallelWorkflow(steps=(double, broken), aggregation=PartialSuccess()), 3),
    "fork and join": (
        ForkJoinWorkflow(
            branches=(ParallelBranch("a", (double,)), ParallelBranch("b", (broken,), required=False)), join=states
        ),
        3,
    ),
    "scatter and gather": (ScatterGatherWorkflow(recipients=(double, double)), 3),
    "fan out": (FanOutWorkflow(splitter=lambda x: range(x), workers=(double,)), 3),
    "map and reduce": (MapReduceWorkflow(map=double, reduce=sum), [1, 2, 3]),
    "streaming": (StreamingWorkflow(stages=(double,), checkpoint_every=2), [1, 2, 3]),
    "windowed": (WindowedWorkflow(window=Window.tumbling(count=2), stages=(len,)), [1, 2, 3]),
    "planned": (
        PlannedWorkflow(
            plan=analyze_dependencies(
                [
                    Operation(id="a", step=double, inputs=("x",), outputs=("y",)),
                    Operation(id="b", step=lambda y: y * 2, inputs=("y",), outputs=("z",)),
                ],
                given=("x",),
            )
        ),
        {"x": "-"},
    ),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_runs_the_same_with_and_without_a_store(watch, name):
    workflow, given = PATTERNS[name]
    without, with_one = watch(workflow, given), watch(workflow, given, store=MemoryStore())
    assert [(event.kind, event.path) for event in without.log] == [(event.kind, event.path) for event in with_one.log]
    assert str(without.outcome) == str(with_one.outcome)
    assert without.outcome.status == ("failed" if name.endswith("fails") else "completed")
