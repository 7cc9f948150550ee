"""Stages joined by bounded channels."""

import asyncio

import pytest

from stretto.core.errors import DefinitionError, ExecutionError, StepTimeout
from stretto.core.events import Progress, Said, StepCompleted
from stretto.core.function import step
from stretto.core.policies import ParallelResourceLimits
from stretto.runtime.run import run, start
from stretto.workflows.condition import Exists, GreaterThan
from stretto.workflows.sequential import SequentialWorkflow
from stretto.workflows.stages import Batch, Filter, Map, as_stage
from stretto.workflows.streaming import StreamingWorkflow


@step
async def increment(x):
    return x + 1


@step
async def double(x):
    return 2 * x


@step
async def second(x):
    await asyncio.sleep(1)
    return x


async def numbers(n, read=None, closed=None, every=0.0):
    try:
        for i in range(n):
            if every:
                await asyncio.sleep(every)
            if read is not None:
                read.append(i)
            yield i
    finally:
        if closed is not None:
            closed.append(True)


def limits(**settings):
    return ParallelResourceLimits(**{"max_concurrent_executions": 20} | settings)


@pytest.mark.parametrize("source", [lambda: range(5), lambda: [0, 1, 2, 3, 4], lambda: numbers(5)])
def test_items_flow_through_all_stages_in_order(go, source):
    assert go(StreamingWorkflow(stages=(increment, double)), source()) == [2, 4, 6, 8, 10]


def test_stages_work_at_the_same_time(watch):
    run = watch(StreamingWorkflow(stages=(second, second, second)), range(5))
    assert run.outcome.value == [0, 1, 2, 3, 4]
    assert run.seconds == pytest.approx(7)


def test_each_item_has_a_path_per_stage(watch):
    run = watch(StreamingWorkflow(name="s", stages=(increment, increment), sink=double), [7])
    ended = [e.path for e in run.log if isinstance(e, StepCompleted)]
    assert [path for path in ended if "[" in path] == ["s/increment[0]", "s/increment#2[0]", "s/sink[0]"]
    assert {"s/source", "s/increment", "s/increment#2"} <= set(ended)


def test_a_filter_keeps_what_holds(go):
    async def small(x):
        return x < 4

    flow = StreamingWorkflow(stages=(Filter(GreaterThan((), 1)), Filter(lambda x: x % 2 == 1), Filter(small)))
    assert go(flow, range(9)) == [3]


def test_a_filter_that_raises_names_itself_and_the_item(watch):
    run = watch(StreamingWorkflow(stages=(Filter(lambda x: 1 / x > 0, name="positive"),)), [1, 0])
    assert isinstance(run.outcome.error, ZeroDivisionError)
    assert "in filter 'positive' at item 1 of 'streaming'" in run.outcome.error.__notes__


def test_a_batch_is_a_list_of_so_many_and_the_rest_at_the_end(go):
    assert go(StreamingWorkflow(stages=(Batch(3),)), range(8)) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_a_batch_is_handed_on_when_its_time_is_over(go, virtually):
    async def bursts():
        for at, item in [(0, 1), (1, 2), (9, 3), (10, 4)]:
            await asyncio.sleep(max(0, at - asyncio.get_running_loop().time()))
            yield item

    ends = []

    @step
    async def noted(batch):
        ends.append(asyncio.get_running_loop().time())
        return batch

    assert go(StreamingWorkflow(stages=(Batch(10, seconds=4), noted)), bursts()) == [[1, 2], [3, 4]]
    assert ends == [pytest.approx(4), pytest.approx(10)]


def test_concurrency_maps_several_items_at_once_and_keeps_their_order(watch):
    @step
    async def uneven(x):
        await asyncio.sleep(4 - x % 4)
        return x

    run = watch(StreamingWorkflow(stages=(Map(uneven, concurrency=4),)), range(8))
    assert run.outcome.value == list(range(8))
    assert run.seconds < 12


def test_unordered_items_go_on_as_they_are_done(go):
    @step
    async def uneven(x):
        await asyncio.sleep(4 - x)
        return x

    assert go(StreamingWorkflow(stages=(Map(uneven, concurrency=4, ordered=False),)), range(4)) == [3, 2, 1, 0]


def test_a_sink_is_fed_and_the_value_is_the_count(go):
    fed = []

    @step
    async def write(x):
        fed.append(x)

    assert go(StreamingWorkflow(stages=(double,), sink=write), range(3)) == 3
    assert fed == [0, 2, 4]


@pytest.mark.parametrize("buffer", [1, 5])
def test_a_slow_stage_slows_the_source_to_the_size_of_the_buffer(virtually, buffer):
    read = []

    async def consume(x, context):
        async with StreamingWorkflow(stages=(double,), buffer=buffer).open(numbers(1000, read), context) as stream:
            async for item in stream:
                await asyncio.sleep(1)
                assert len(read) <= item // 2 + 2 * buffer + 4
                if item == 40:
                    break
            return stream.taken

    taken = virtually(lambda: run(step(consume), 0))
    assert 20 < taken < 1000


@pytest.mark.parametrize(("when_full", "kept"), [("drop_newest", [0, 1, 2]), ("drop_oldest", [0, 98, 99])])
def test_what_does_not_fit_is_dropped_counted_and_told(watch, when_full, kept):
    gate = asyncio.Event()

    @step
    async def stuck(x):
        if x == 0:
            await gate.wait()
        return x

    async def source():
        for i in range(100):
            await asyncio.sleep(0.01)
            yield i
        gate.set()

    run = watch(StreamingWorkflow(stages=(stuck,), buffer=2, when_full=when_full), source())
    assert run.outcome.value == kept
    (said,) = [e for e in run.log if isinstance(e, Said)]
    assert (said.level, said.text) == ("warning", "97 of 100 items were dropped because the buffer was full")


def test_a_source_that_never_waits_leaves_the_stages_a_turn_when_items_are_dropped(go):
    assert len(go(StreamingWorkflow(stages=(double,), buffer=4, when_full="drop_newest"), range(100))) > 20


def test_a_paused_source_is_left_alone_until_the_buffer_is_half_empty(watch):
    reads = []

    async def source():
        for i in range(12):
            reads.append((i, asyncio.get_running_loop().time()))
            yield i

    run = watch(StreamingWorkflow(stages=(second,), buffer=4, when_full="pause"), source())
    assert run.outcome.value == list(range(12))
    times = [at for _, at in reads]
    together = {at: times.count(at) for at in times}
    assert len(together) < 6, "read in bursts, not one by one"
    assert any("paused" in e.text for e in run.log if isinstance(e, Said))
    reads.clear()
    watch(StreamingWorkflow(stages=(second,), buffer=4, when_full="buffer"), source())
    assert len({at for _, at in reads}) > len(together)


def test_a_stage_that_fails_ends_the_stream_with_its_own_error_and_closes_the_source(watch):
    closed, cancelled = [], []

    @step
    async def breaks(x):
        if x == 3:
            await asyncio.sleep(1)
            raise ValueError("at 3")
        return x

    @step
    async def slow(x):
        try:
            await asyncio.sleep(99)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise

    run = watch(StreamingWorkflow(name="s", stages=(breaks, slow), buffer=8), numbers(50, closed=closed))
    assert type(run.outcome.error) is ValueError
    assert any("s/breaks[3]" in note for note in run.outcome.error.__notes__)
    assert (closed, cancelled) == ([True], [0])


def test_a_source_that_fails_ends_the_stream(go):
    async def source():
        yield 1
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        go(StreamingWorkflow(stages=(double,)), source())


def test_the_block_is_the_streams_lifetime(virtually):
    closed = []

    async def first_two(x, context):
        seen = []
        async with StreamingWorkflow(stages=(double,), buffer=1).open(numbers(10**6, closed=closed), context) as stream:
            async for item in stream:
                seen.append(item)
                if len(seen) == 2:
                    break
        return seen

    assert virtually(lambda: run(step(first_two), 0)) == [0, 2]
    assert closed == [True]


def test_an_error_in_the_block_stops_the_stream(virtually):
    closed = []

    async def failing(x, context):
        async with StreamingWorkflow(stages=(double,), buffer=1).open(numbers(10**6, closed=closed), context) as stream:
            async for _ in stream:
                raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        virtually(lambda: run(step(failing), 0))
    assert closed == [True]


def test_the_timeout_ends_an_endless_stream(watch):
    run = watch(StreamingWorkflow(stages=(second,), timeout=5.5, sink=double), numbers(10**9))
    assert isinstance(run.outcome.error, StepTimeout)
    assert run.seconds == pytest.approx(5.5)


def test_execution_timeout_bounds_the_work_on_one_item_and_not_the_stage(watch):
    @step
    async def growing(x):
        await asyncio.sleep(x)
        return x

    flow = StreamingWorkflow(stages=(growing,), limits=limits(execution_timeout=3.5))
    assert watch(flow, [3, 3, 3]).outcome.value == [3, 3, 3]
    run = watch(flow, [1, 9])
    assert isinstance(run.outcome.error, StepTimeout)
    assert run.seconds == pytest.approx(4.5)


def test_a_stream_is_a_step_of_a_workflow(go):
    @step
    async def total(values):
        return sum(values)

    assert go(SequentialWorkflow(steps=(StreamingWorkflow(stages=(double,)), total)), range(4)) == 12


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stages": ()}, "has no stages"),
        ({"stages": double}, "stages must be a row"),
        ({"stages": ("double",)}, "not 'double'"),
        ({"buffer": 0}, "buffer must be a whole number of at least 1"),
        ({"when_full": "drop"}, "not 'drop'"),
        ({"checkpoint_every": 0}, "checkpoint_every must be a whole number"),
        ({"sink": 3}, "not of 3"),
        ({"limits": limits(max_concurrent_executions=1)}, "are 2, and only 1 may run.*at least 2"),
        ({"stages": (Map(double, concurrency=20),)}, "are 21, and only 20 may run"),
        ({"limits": limits(max_memory_per_branch=6, max_total_memory=10)}, "reserve 12 bytes"),
        ({"stages": (step(memory=11)(lambda x: x),), "limits": limits(max_total_memory=10)}, "reserve 11 bytes"),
    ],
)
def test_what_cannot_flow_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        StreamingWorkflow(**{"stages": (double,), "limits": limits()} | settings)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Map(3),
        lambda: Map(double, concurrency=0),
        lambda: Filter("x > 3"),
        lambda: Batch(0),
        lambda: Batch(3, seconds=0),
        lambda: Map(double, name="a/b"),
    ],
)
def test_stages_are_checked(make):
    with pytest.raises(DefinitionError):
        make()


@pytest.mark.parametrize("source", ["text", {1, 2}, 5])
def test_what_has_no_order_or_no_items_is_no_source(go, source):
    with pytest.raises(ExecutionError, match="a stream's source is a list"):
        go(StreamingWorkflow(stages=(double,)), source)


def test_children_hold_the_steps_of_the_stages_and_the_sink():
    flow = StreamingWorkflow(stages=(double, Batch(2), Filter(Exists("a")), double), sink=increment)
    assert list(flow.children()) == ["double", "double#2", "sink"]
    held = StreamingWorkflow(stages=(double,), checkpoint_every=3).children()
    assert list(held) == ["segment"]
    assert list(held["segment"].children()) == ["double"]
    assert as_stage(double) == Map(double)


def resumed(virtually, flow, source, events):
    async def main():
        async with start(flow, source, resume=events) as running:
            pass
        return running

    return virtually(main)


def test_checkpoints_are_segments_with_positions(watch):
    flow = StreamingWorkflow(name="s", stages=(double,), checkpoint_every=4)
    run = watch(flow, numbers(10))
    assert run.outcome.value == [2 * n for n in range(10)]
    assert [e.done for e in run.log if isinstance(e, Progress)] == [4, 8, 10]
    ended = [e.path for e in run.log if isinstance(e, StepCompleted)]
    assert [path for path in ended if path.startswith("s/segment") and path.count("/") == 1] == [
        "s/segment[0]",
        "s/segment[1]",
        "s/segment[2]",
    ]
    assert "s/segment[1]/double[5]" in ended
    assert watch(flow, numbers(8)).outcome.value == [2 * n for n in range(8)]


@pytest.mark.parametrize("checkpoint_every", [None, 4])
@pytest.mark.parametrize("sink", [False, True])
def test_a_resumed_stream_equals_an_uninterrupted_one_wherever_it_was_cut(watch, virtually, checkpoint_every, sink):
    calls = []

    @step(idempotent=True)
    async def work(x):
        calls.append(x)
        return x * 10

    @step(idempotent=True)
    async def write(x):
        return None

    flow = StreamingWorkflow(
        stages=(Map(work, concurrency=2), Batch(2), Filter(lambda b: b[0] != 40)),
        checkpoint_every=checkpoint_every,
        sink=write if sink else None,
    )
    whole = watch(flow, numbers(10))
    for cut in range(1, len(whole.log), 3):
        calls.clear()
        events = whole.log[:cut]
        done = {e.path for e in events if isinstance(e, StepCompleted)}
        again = resumed(virtually, flow, numbers(10), events)
        assert again.outcome == whole.outcome
        finished = {int(path.rpartition("[")[2][:-1]) for path in done if "work[" in path}
        assert not finished & set(calls), "no finished item is run again"


def test_a_source_that_is_a_function_is_opened_behind_the_last_checkpoint(watch, virtually):
    opened, read = [], []

    def source(position):
        opened.append(position)

        async def items():
            for n in range(position, 10):
                read.append(n)
                yield n

        return items()

    flow = StreamingWorkflow(name="s", stages=(double,), checkpoint_every=4)
    whole = watch(flow, source)
    cut = next(i for i, e in enumerate(whole.log) if isinstance(e, StepCompleted) and e.path == "s/segment[0]") + 1
    opened.clear()
    read.clear()
    again = resumed(virtually, flow, source, whole.log[:cut])
    assert again.outcome == whole.outcome
    assert opened == [4]
    assert read == [4, 5, 6, 7, 8, 9]
    plain = StreamingWorkflow(stages=(double,))
    assert watch(plain, source).outcome.value == [2 * n for n in range(10)]


def test_a_stream_resumed_twice_still_equals_an_uninterrupted_one(watch, virtually):
    steps = [step(idempotent=True, name=name)(double.function) for name in ("one", "two")]
    flow = StreamingWorkflow(stages=steps)
    whole = watch(flow, range(6))
    first = resumed(virtually, flow, range(6), whole.log[: len(whole.log) - 4])
    twice = resumed(virtually, flow, range(6), [*whole.log[: len(whole.log) - 4], *first.log[: len(first.log) - 3]])
    assert first.outcome == twice.outcome == whole.outcome


def test_a_resumed_run_takes_over_an_output_only_for_the_same_items(watch, virtually):
    sums = []

    @step(idempotent=True)
    async def total(batch):
        sums.append(list(batch))
        return sum(batch)

    async def slow_then_fast(slow):
        for n in range(6):
            await asyncio.sleep(3 if n in slow else 0)
            yield n

    flow = StreamingWorkflow(stages=(Batch(3, seconds=2), total))
    whole = watch(flow, slow_then_fast({2}))
    assert sums == [[0, 1], [2, 3, 4], [5]]
    sums.clear()
    cut = next(i for i, e in enumerate(whole.log) if isinstance(e, StepCompleted) and "total[2-4]" in e.path) + 1
    again = resumed(virtually, flow, slow_then_fast({5}), whole.log[:cut])
    assert again.outcome.value == [3, 7, 5], "and not 9, the recorded output for items 2 to 4"
    assert sums == [[0, 1, 2], [3, 4], [5]]


def test_memory_of_a_stage_is_reserved_while_the_stream_is_open(go):
    needy = step(memory=5, name="needy")(double.function)
    assert go(StreamingWorkflow(stages=(needy,), limits=limits(max_total_memory=5)), range(3)) == [0, 2, 4]


def test_progress_of_a_stream_is_what_left_it(virtually):
    async def count(x, context):
        async with StreamingWorkflow(stages=(Filter(lambda n: n > 1),)).open(range(4), context) as stream:
            seen = [item async for item in stream]
        return seen, stream.taken, stream.dropped, stream.pauses

    assert virtually(lambda: run(step(count), 0)) == ([2, 3], 4, 0, 0)
