"""The builder makes the same value as the keywords."""

from dataclasses import MISSING, fields

import pytest

from stretto.core.aggregation import AggregationStrategy, PartialSuccess
from stretto.core.errors import DefinitionError, UnknownSetting
from stretto.core.function import step
from stretto.core.policies import ErrorMode, ParallelResourceLimits, StepPolicy
from stretto.core.synchronization import Barrier
from stretto.workflows.branch import ParallelBranch
from stretto.workflows.builder import WorkflowBuilder
from stretto.workflows.condition import Always, Case, Equals, Never
from stretto.workflows.conditional import PASS, ConditionalWorkflow
from stretto.workflows.fan_out import FanOutWorkflow
from stretto.workflows.fork_join import ForkJoinWorkflow
from stretto.workflows.iteration import Break, Collect
from stretto.workflows.loop import LoopWorkflow
from stretto.workflows.map_reduce import MapReduceWorkflow
from stretto.workflows.parallel import ParallelWorkflow
from stretto.workflows.scatter_gather import ScatterGatherWorkflow
from stretto.workflows.sequential import SequentialWorkflow
from stretto.workflows.stages import Batch
from stretto.workflows.streaming import StreamingWorkflow
from stretto.workflows.windowed import WindowedWorkflow
from stretto.workflows.windows import Window


@step
async def one(x):
    return x


@step
async def two(x):
    return x


def choose(x):
    return "one"


def when(x):
    return x


LIMITS = ParallelResourceLimits(
    max_concurrent_executions=4,
    max_memory_per_branch=10,
    max_total_memory=100,
    execution_timeout=3,
    cancellation_timeout=1,
)
POLICY = StepPolicy(idempotent=True)
BRANCH = ParallelBranch("b", steps=(one, two), required=False)


def limited(builder):
    return (
        builder.with_execution_timeout(3)
        .with_max_total_memory(100)
        .with_max_memory_per_branch(10)
        .with_cancellation_timeout(1)
        .with_max_concurrency(4)
    )


def common(builder):
    return builder.with_total_timeout(30).with_policy(POLICY)


PAIRS = [
    (
        common(SequentialWorkflow.builder("w"))
        .add_step(one)
        .add_step(two)
        .with_on_error("continue")
        .with_rollback(False),
        SequentialWorkflow(name="w", timeout=30, policy=POLICY, steps=(one, two), on_error="continue", rollback=False),
    ),
    (
        common(ConditionalWorkflow.builder("w"))
        .add_case(Never(), one)
        .add_case(Always(), two, name="second")
        .with_otherwise(PASS)
        .with_match("all")
        .with_limits(LIMITS),
        ConditionalWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            branches=((Never(), one), Case(Always(), two, name="second")),
            otherwise=PASS,
            match="all",
            limits=LIMITS,
        ),
    ),
    (
        common(LoopWorkflow.builder("w"))
        .with_body(one)
        .with_over(5)
        .with_while(Always())
        .with_until(Never())
        .with_max_iterations(3)
        .add_break(Equals("iteration", 2), "enough")
        .with_collect(Collect.LAST)
        .with_carry(True)
        .with_delay(0.5)
        .with_on_error("stop")
        .with_detailed(True),
        LoopWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            body=one,
            over=5,
            while_=Always(),
            until=Never(),
            max_iterations=3,
            breaks=[Break(Equals("iteration", 2), "enough")],
            collect=Collect.LAST,
            carry=True,
            delay=0.5,
            on_error="stop",
            detailed=True,
        ),
    ),
    (
        limited(common(ParallelWorkflow.builder("w")))
        .add_step(one)
        .add_branch(BRANCH)
        .with_error_mode(ErrorMode.FAIL_SLOW)
        .with_aggregation(AggregationStrategy.PARTIAL_SUCCESS)
        .with_barriers(Barrier("b", 2)),
        ParallelWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            steps=(one, BRANCH),
            limits=LIMITS,
            error_mode=ErrorMode.FAIL_SLOW,
            aggregation=PartialSuccess(minimum=1),
            barriers=(Barrier("b", 2),),
        ),
    ),
    (
        limited(common(ForkJoinWorkflow.builder("w")))
        .add_branch(BRANCH)
        .add_branch(one)
        .with_join(two)
        .with_error_mode(ErrorMode.FAIL_SLOW),
        ForkJoinWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            branches=(BRANCH, one),
            join=two,
            limits=LIMITS,
            error_mode=ErrorMode.FAIL_SLOW,
        ),
    ),
    (
        limited(common(ScatterGatherWorkflow.builder("w")))
        .add_recipient(one)
        .add_recipient(two)
        .with_quorum(2)
        .with_deadline(9),
        ScatterGatherWorkflow(
            name="w", timeout=30, policy=POLICY, recipients=(one, two), quorum=2, deadline=9, limits=LIMITS
        ),
    ),
    (
        limited(common(FanOutWorkflow.builder("w")))
        .with_splitter(one)
        .add_worker(one)
        .add_worker(two)
        .with_router(choose)
        .with_aggregator(two)
        .with_error_mode(ErrorMode.FAIL_SLOW)
        .with_aggregation(PartialSuccess()),
        FanOutWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            splitter=one,
            workers=(one, two),
            router=choose,
            aggregator=two,
            limits=LIMITS,
            error_mode=ErrorMode.FAIL_SLOW,
            aggregation=PartialSuccess(),
        ),
    ),
    (
        limited(common(MapReduceWorkflow.builder("w")))
        .with_map(one)
        .with_reduce(two)
        .with_combine(two, 5)
        .with_error_mode(ErrorMode.FAIL_SLOW)
        .with_aggregation(PartialSuccess()),
        MapReduceWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            map=one,
            reduce=two,
            combine=two,
            chunk=5,
            limits=LIMITS,
            error_mode=ErrorMode.FAIL_SLOW,
            aggregation=PartialSuccess(),
        ),
    ),
    (
        limited(common(StreamingWorkflow.builder("w")))
        .add_stage(one)
        .add_stage(Batch(3))
        .with_sink(two)
        .with_buffer(5)
        .with_when_full("pause")
        .with_checkpoint_every(7),
        StreamingWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            stages=(one, Batch(3)),
            sink=two,
            buffer=5,
            when_full="pause",
            checkpoint_every=7,
            limits=LIMITS,
        ),
    ),
    (
        limited(common(WindowedWorkflow.builder("w")))
        .add_stage(one)
        .with_sink(two)
        .with_buffer(5)
        .with_when_full("pause")
        .with_checkpoint_every(7)
        .with_window(Window.tumbling(seconds=5))
        .with_time(when, lateness=2)
        .with_late("next"),
        WindowedWorkflow(
            name="w",
            timeout=30,
            policy=POLICY,
            stages=(one,),
            sink=two,
            buffer=5,
            when_full="pause",
            checkpoint_every=7,
            limits=LIMITS,
            window=Window.tumbling(seconds=5),
            time=when,
            lateness=2,
            late="next",
        ),
    ),
]


@pytest.mark.parametrize(("builder", "workflow"), PAIRS, ids=lambda p: type(p).__name__)
def test_both_ways_of_saying_it_make_the_same_value(builder, workflow):
    assert builder.build() == workflow


@pytest.mark.parametrize("workflow", [pair[1] for pair in PAIRS], ids=lambda w: type(w).__name__)
def test_the_pairs_leave_no_setting_at_its_default(workflow):
    for field in fields(workflow):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        assert getattr(workflow, field.name) != default, field.name


@pytest.mark.parametrize("workflow", [pair[1] for pair in PAIRS], ids=lambda w: type(w).__name__)
def test_workflows_are_frozen(workflow):
    with pytest.raises(AttributeError):
        workflow.name = "other"


def test_one_limit_leaves_the_others_as_they_were():
    flow = ParallelWorkflow.builder().add_step(one).with_limits(LIMITS).with_max_concurrency(2).build()
    assert flow.limits == ParallelResourceLimits(
        max_concurrent_executions=2,
        max_memory_per_branch=10,
        max_total_memory=100,
        execution_timeout=3,
        cancellation_timeout=1,
    )


def test_a_builder_is_a_value_that_can_be_gone_on_from_twice():
    start = ParallelWorkflow.builder("p").add_step(one)
    assert start.add_step(two).build() == ParallelWorkflow(name="p", steps=(one, two))
    assert start.with_name("q").build() == ParallelWorkflow(name="q", steps=(one,))
    assert start.with_steps(two, two).build() == ParallelWorkflow(name="p", steps=(two, two))


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda: LoopWorkflow.builder().add_step(one), "LoopWorkflow takes no 'steps'; it takes body, breaks, carry"),
        (lambda: SequentialWorkflow.builder().with_max_concurrency(2), "SequentialWorkflow takes no 'limits'"),
        (lambda: SequentialWorkflow.builder().with_aggregation(PartialSuccess()), "takes no 'aggregation'"),
        (lambda: ScatterGatherWorkflow.builder().with_error_mode(ErrorMode.FAIL_SLOW), "takes no 'error_mode'"),
        (lambda: SequentialWorkflow.builder().add_case(Always(), one), "takes no 'branches'"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused_when_said(say, words):
    with pytest.raises(UnknownSetting, match=words):
        say()


def test_what_is_missing_is_named_when_built():
    with pytest.raises(DefinitionError, match="MapReduceWorkflow cannot be built without 'map'"):
        MapReduceWorkflow.builder().build()
    with pytest.raises(DefinitionError, match="has no steps"):
        ParallelWorkflow.builder().with_steps().build()


def test_only_dataclasses_have_a_builder():
    class Bare:
        pass

    with pytest.raises(DefinitionError, match="Bare is not a dataclass"):
        WorkflowBuilder(Bare, {}).build()


def test_the_seeds_with_timeout_is_the_execution_timeout_where_there_are_limits():
    built = ParallelWorkflow.builder("gather").add_step(one).with_max_concurrency(2).with_timeout(30).build()
    limits = ParallelResourceLimits(max_concurrent_executions=2, execution_timeout=30)
    assert built == ParallelWorkflow(name="gather", steps=(one,), limits=limits)
    assert SequentialWorkflow.builder().add_step(one).with_timeout(3).build() == SequentialWorkflow(
        steps=(one,), timeout=3
    )
