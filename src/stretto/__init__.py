"""Stretto orchestrates agent and tool workflows: it runs together what may, and tells the truth about every outcome."""

from stretto.core.aggregation import (
    AggregationStrategy,
    AllSuccess,
    Custom,
    FirstSuccess,
    PartialSuccess,
    Quorum,
)
from stretto.core.errors import BranchesFailed, DefinitionError, ExecutionError, PlanError, StrettoError
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
    "Step",
    "StepPolicy",
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
