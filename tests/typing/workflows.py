"""What a type checker must say about workflows and their builders."""

from typing import assert_type

from stretto.core.aggregation import PartialSuccess
from stretto.core.policies import ErrorMode
from stretto.workflows.builder import WorkflowBuilder
from stretto.workflows.condition import Always
from stretto.workflows.conditional import ConditionalWorkflow
from stretto.workflows.fork_join import ForkJoinWorkflow
from stretto.workflows.loop import LoopWorkflow
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.scatter_gather import ScatterGatherWorkflow
from stretto.workflows.sequential import SequentialWorkflow
from stretto.workflows.streaming import StreamingWorkflow
from stretto.workflows.windowed import WindowedWorkflow
from stretto.workflows.windows import Window


async def search(query: str) -> str:
    """Returns what was found."""
    return query


parallel = ParallelWorkflow.builder("gather").add_step(search).with_max_concurrency(2).with_timeout(30)
assert_type(parallel, WorkflowBuilder[ParallelWorkflow])
assert_type(parallel.with_error_mode(ErrorMode.FAIL_SLOW).with_aggregation(PartialSuccess()).build(), ParallelWorkflow)
assert_type(parallel.add_branch(search).with_barriers().build(), ParallelWorkflow)
assert_type(SequentialWorkflow.builder().add_step(search).with_rollback(False).build(), SequentialWorkflow)
assert_type(ConditionalWorkflow.builder().add_case(Always(), search).build(), ConditionalWorkflow)
assert_type(LoopWorkflow.builder().with_body(search).with_over(3).build(), LoopWorkflow)
assert_type(ForkJoinWorkflow.builder().add_branch(search).with_join(search).build(), ForkJoinWorkflow)
assert_type(MapReduceWorkflow.builder().with_map(search).with_execution_timeout(3).build(), MapReduceWorkflow)
assert_type(ScatterGatherWorkflow.builder().add_recipient(search).with_quorum(1).build(), ScatterGatherWorkflow)
assert_type(StreamingWorkflow.builder().add_stage(search).with_buffer(3).build(), StreamingWorkflow)
windowed = WindowedWorkflow.builder().add_stage(search).with_window(Window.tumbling(count=3))
assert_type(windowed.build(), WindowedWorkflow)

LoopWorkflow.builder().add_step(search)  # type: ignore[misc]  # a loop has a body, not steps
SequentialWorkflow.builder().with_aggregation(PartialSuccess())  # type: ignore[misc]  # nothing runs at once
SequentialWorkflow.builder().with_max_concurrency(2)  # type: ignore[misc]  # nothing runs at once
ScatterGatherWorkflow.builder().with_error_mode(ErrorMode.FAIL_SLOW)  # type: ignore[misc]  # failures are outcomes
StreamingWorkflow.builder().with_window(Window.tumbling(count=3))  # type: ignore[misc]  # only a windowed one is cut
ParallelWorkflow(stepz=(search,))  # type: ignore[call-arg]  # unknown settings are seen by the type checker
