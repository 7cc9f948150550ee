"""Steps made of steps: the patterns, each in a file of its own, and the small values that they are described with."""

from stretto.workflows.branch import ParallelBranch
from stretto.workflows.condition import (
    Always,
    And,
    Case,
    Condition,
    Contains,
    Equals,
    Exists,
    GreaterThan,
    LessThan,
    Never,
    Not,
    Or,
)
from stretto.workflows.conditional import PASS, ConditionalWorkflow
from stretto.workflows.fan_out import FanOutWorkflow
from stretto.workflows.fork_join import ForkJoinWorkflow
from stretto.workflows.iteration import Break, Collect, LoopResult, LoopState
from stretto.workflows.loop import LoopWorkflow
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.planned import PlannedWorkflow
from stretto.workflows.scatter_gather import ScatterGatherWorkflow
from stretto.workflows.sequential import PartialResult, SequentialWorkflow
from stretto.workflows.stages import Batch, Filter, Map
from stretto.workflows.streaming import StreamingWorkflow
from stretto.workflows.windowed import WindowedWorkflow
from stretto.workflows.windows import Window
from stretto.workflows.workflow import Workflow

__all__ = [
    "PASS",
    "Always",
    "And",
    "Batch",
    "Break",
    "Case",
    "Collect",
    "Condition",
    "ConditionalWorkflow",
    "Contains",
    "Equals",
    "Exists",
    "FanOutWorkflow",
    "Filter",
    "ForkJoinWorkflow",
    "GreaterThan",
    "LessThan",
    "LoopResult",
    "LoopState",
    "LoopWorkflow",
    "Map",
    "MapReduceWorkflow",
    "Never",
    "Not",
    "Or",
    "ParallelBranch",
    "ParallelWorkflow",
    "PartialResult",
    "PlannedWorkflow",
    "ScatterGatherWorkflow",
    "SequentialWorkflow",
    "StreamingWorkflow",
    "Window",
    "WindowedWorkflow",
    "Workflow",
]
