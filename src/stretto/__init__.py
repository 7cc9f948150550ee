"""Stretto orchestrates agent and tool workflows: it runs together what may, and tells the truth about every outcome."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.core.aggregation import (
        AggregationStrategy,
        AllSuccess,
        Custom,
        FirstSuccess,
        PartialSuccess,
        Quorum,
    )
    from stretto.core.errors import (
        BranchesFailed,
        DefinitionError,
        ExecutionError,
        PlanError,
        StepTimeout,
        StrettoError,
    )
    from stretto.core.events import Event, Progress, Said
    from stretto.core.function import FunctionStep, as_step, step
    from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut
    from stretto.core.policies import (
        AdaptiveTimeout,
        BatchPolicy,
        CachePolicy,
        CircuitBreaker,
        ErrorMode,
        ParallelResourceLimits,
        RetryPolicy,
        ServiceLimit,
        StepPolicy,
    )
    from stretto.core.step import Answer, Branches, Context, Request, Step
    from stretto.core.synchronization import Barrier, Rendezvous, Semaphore
    from stretto.planning.operation import Operation
    from stretto.planning.plan import ExecutionPlan, analyze_dependencies
    from stretto.runtime.run import Run, run, run_sync, start
    from stretto.workflows.branch import ParallelBranch
    from stretto.workflows.conditional import ConditionalWorkflow
    from stretto.workflows.fan_out import FanOutWorkflow
    from stretto.workflows.fork_join import ForkJoinWorkflow
    from stretto.workflows.loop import LoopWorkflow
    from stretto.workflows.map_reduce import MapReduceWorkflow
    from stretto.workflows.parallel import ParallelWorkflow
    from stretto.workflows.planned import PlannedWorkflow
    from stretto.workflows.scatter_gather import ScatterGatherWorkflow
    from stretto.workflows.sequential import SequentialWorkflow
    from stretto.workflows.streaming import StreamingWorkflow
    from stretto.workflows.windowed import WindowedWorkflow

__all__ = [
    "AdaptiveTimeout",
    "AggregationStrategy",
    "AllSuccess",
    "Answer",
    "Barrier",
    "BatchPolicy",
    "Branches",
    "BranchesFailed",
    "CachePolicy",
    "Cancelled",
    "CircuitBreaker",
    "Completed",
    "ConditionalWorkflow",
    "Context",
    "Custom",
    "DefinitionError",
    "ErrorMode",
    "Event",
    "ExecutionError",
    "ExecutionPlan",
    "Failed",
    "FanOutWorkflow",
    "FirstSuccess",
    "ForkJoinWorkflow",
    "FunctionStep",
    "LoopWorkflow",
    "MapReduceWorkflow",
    "NotStarted",
    "Operation",
    "Outcome",
    "ParallelBranch",
    "ParallelResourceLimits",
    "ParallelWorkflow",
    "PartialSuccess",
    "PlanError",
    "PlannedWorkflow",
    "Progress",
    "Quorum",
    "Rendezvous",
    "Request",
    "RetryPolicy",
    "Run",
    "Said",
    "ScatterGatherWorkflow",
    "Semaphore",
    "SequentialWorkflow",
    "ServiceLimit",
    "Step",
    "StepPolicy",
    "StepTimeout",
    "StreamingWorkflow",
    "StrettoError",
    "TimedOut",
    "WindowedWorkflow",
    "analyze_dependencies",
    "as_step",
    "run",
    "run_sync",
    "start",
    "step",
]

_HOMES = {
    "stretto.core.aggregation": "AggregationStrategy AllSuccess Custom FirstSuccess PartialSuccess Quorum",
    "stretto.core.errors": "BranchesFailed DefinitionError ExecutionError PlanError StepTimeout StrettoError",
    "stretto.core.events": "Event Progress Said",
    "stretto.core.function": "FunctionStep as_step step",
    "stretto.core.outcome": "Cancelled Completed Failed NotStarted Outcome TimedOut",
    "stretto.core.policies": (
        "AdaptiveTimeout BatchPolicy CachePolicy CircuitBreaker ErrorMode ParallelResourceLimits RetryPolicy "
        "ServiceLimit StepPolicy"
    ),
    "stretto.core.step": "Answer Branches Context Request Step",
    "stretto.core.synchronization": "Barrier Rendezvous Semaphore",
    "stretto.planning.operation": "Operation",
    "stretto.planning.plan": "ExecutionPlan analyze_dependencies",
    "stretto.runtime.run": "Run run run_sync start",
    "stretto.workflows.branch": "ParallelBranch",
    "stretto.workflows.conditional": "ConditionalWorkflow",
    "stretto.workflows.fan_out": "FanOutWorkflow",
    "stretto.workflows.fork_join": "ForkJoinWorkflow",
    "stretto.workflows.loop": "LoopWorkflow",
    "stretto.workflows.map_reduce": "MapReduceWorkflow",
    "stretto.workflows.parallel": "ParallelWorkflow",
    "stretto.workflows.planned": "PlannedWorkflow",
    "stretto.workflows.scatter_gather": "ScatterGatherWorkflow",
    "stretto.workflows.sequential": "SequentialWorkflow",
    "stretto.workflows.streaming": "StreamingWorkflow",
    "stretto.workflows.windowed": "WindowedWorkflow",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Returns a public name from its home, which is imported only now: ``import stretto`` costs next to nothing."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'stretto' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
