"""The figures of a run, and the chain of steps that decided its end."""

from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given, settings

from stretto.core.events import Event, RunEnded, RunResumed, RunStarted, StepCancelled, StepCompleted, StepStarted
from stretto.monitoring.metrics import critical_path, measure
from stretto.monitoring.spans import SpanFold
from tests.monitoring.logs import eventful, items, runs, simple


def log_of(*steps: tuple[str, float, float]) -> list[Event]:
    found: list[Event] = [
        event for path, start, end in steps for event in (StepStarted(path, start), StepCompleted(path, end))
    ]
    end = max(end for _, _, end in steps)
    return [
        RunStarted("", 0.0, "r", "r", 0.0),
        *sorted(found, key=lambda event: event.at),
        RunEnded("", end, "completed"),
    ]


def test_the_figures_of_a_simple_run_are_right():
    metrics = measure(simple())
    assert metrics.total_duration == pytest.approx(2.2)
    assert metrics.operations == 5
    assert [batch.operations for batch in metrics.parallel_batches] == [
        ("gather/serena", "gather/api_1", "gather/api_2", "gather/query")
    ]
    assert (metrics.parallel_batches[0].start, metrics.parallel_batches[0].end) == (0.0, 1.8)
    assert [step.path for step in metrics.sequential_steps] == ["gather/aggregate"]
    assert metrics.parallelization_ratio == pytest.approx(4 / 5)
    assert metrics.work == pytest.approx(3.7)
    assert metrics.speedup_factor == pytest.approx(3.7 / 2.2)
    assert metrics.critical_path == ("gather/query", "gather/aggregate")
    assert metrics.bottleneck == "gather/query"
    assert metrics.bottleneck_share == pytest.approx(1.8 / 2.2)
    assert metrics.peak_concurrency == metrics.slots == 4
    assert metrics.slot_utilization == pytest.approx(3.7 / 2.2 / 4)
    assert (metrics.run_id, metrics.name, metrics.status) == ("r1", "Gather", "completed")


def test_tokens_and_cost_are_unknown_rather_than_zero():
    metrics = measure(simple())
    assert (metrics.tokens_input, metrics.tokens_output, metrics.cost) == (None, None, None)


def test_slots_that_are_known_measure_the_utilization():
    assert measure(simple(), slots=10).slot_utilization == pytest.approx(3.7 / 2.2 / 10)


def test_retries_failures_and_queues_are_counted():
    metrics = measure(eventful())
    assert (metrics.retries, metrics.failures) == (2, 2)
    assert metrics.queue_times == {
        "lead/review/db/query_users": 0.03, "lead/review/docs": 0.42, "lead/review/crawl": 1.5,
    }  # fmt: skip
    assert metrics.total_queue_time == pytest.approx(1.95)
    assert metrics.max_queue_time == 1.5


def test_the_critical_path_goes_down_into_the_branch_that_ended_last():
    assert measure(eventful()).critical_path == ("lead/plan", "lead/review/db/query_users", "lead/aggregate")


def test_room_that_was_waited_for_makes_a_predecessor():
    metrics = measure(log_of(("a", 0, 1), ("b", 0, 3), ("c", 1, 4)))
    assert metrics.critical_path == ("a", "c")
    assert metrics.bottleneck == "c"


def test_touching_is_not_overlapping():
    metrics = measure(log_of(("a", 0, 1), ("b", 1, 2), ("c", 2, 2)))
    assert (metrics.parallel_batches, metrics.parallelization_ratio, metrics.peak_concurrency) == ((), 0.0, 1)
    assert [step.path for step in metrics.sequential_steps] == ["a", "b", "c"]
    assert metrics.critical_path == ("a", "b")


def test_what_took_no_time_overlaps_only_within_another():
    assert measure(log_of(("a", 0, 2), ("b", 1, 1))).parallelization_ratio == 1.0
    assert measure(log_of(("a", 0, 2), ("b", 0, 0))).parallelization_ratio == 0.0


def test_losers_that_were_cancelled_are_not_on_the_critical_path():
    log: list[Event] = [
        RunStarted("", 0.0, "r", "r", 0.0),
        StepStarted("race", 0.0),
        StepStarted("race/quick", 0.0),
        StepStarted("race/slow", 0.0),
        StepCompleted("race/quick", 1.0),
        StepCancelled("race/slow", 1.1),
        StepCompleted("race", 1.1),
    ]
    assert measure(log).critical_path == ("race/quick",)
    assert measure([*log[:5], StepCancelled("race/slow", 3.0), StepCancelled("race", 3.0)]).critical_path == (
        "race/slow",
    )
    alone = [*log[:2], StepStarted("race/slow", 0.0), StepCancelled("race/slow", 1.0), StepCompleted("race", 1.0)]
    assert measure(alone).critical_path == ("race/slow",)


def test_a_step_that_only_its_children_tell_of_spans_them():
    log: list[Event] = [
        StepStarted("lead/a", 1.0),
        StepCompleted("lead/a", 2.0),
        StepStarted("b", 2.0),
        StepCompleted("b", 3.0),
    ]
    assert [span.path for span in critical_path(log)] == ["lead/a", "b"]
    assert [span.path for span in critical_path([StepStarted("a/b/c", 1.0), StepCompleted("a/b/c", 2.0)])] == ["a/b/c"]


def test_a_resumed_step_counts_both_of_its_executions():
    log: list[Event] = [
        RunStarted("", 0.0, "r", "r", 0.0),
        StepStarted("a", 0.0),
        StepStarted("b", 0.0),
        StepCompleted("b", 1.0),
        RunResumed("", 4.0, 1),
        StepStarted("a", 6.0),
        StepCompleted("a", 8.0),
        RunEnded("", 8.0, "completed"),
    ]
    metrics = measure(log)
    assert metrics.work == pytest.approx(1 + 4 + 2)
    assert metrics.operations == 2
    assert metrics.parallelization_ratio == 1.0
    assert metrics.sequential_steps == ()
    assert metrics.critical_path == ("a",)


def test_a_run_without_steps_has_figures():
    metrics = measure([RunStarted("", 0.0, "r", "r", 0.0)])
    assert (metrics.operations, metrics.speedup_factor, metrics.parallelization_ratio) == (0, 1.0, 0.0)
    assert (metrics.critical_path, metrics.bottleneck, metrics.slot_utilization) == ((), None, 0.0)
    assert measure([]).total_duration == 0.0


def test_a_live_run_is_measured_up_to_now():
    fold = SpanFold([RunStarted("", 0.0, "r", "r", 0.0), StepStarted("a", 1.0)])
    fold.advance(5.0)
    metrics = measure(fold)
    assert (metrics.total_duration, metrics.work, metrics.critical_path) == (5.0, 4.0, ("a",))


@settings(max_examples=40)
@given(runs())
def test_the_figures_stay_within_their_bounds(log: list[Event]):
    metrics = measure(log)
    assert 0.0 <= metrics.parallelization_ratio <= 1.0
    assert 0.0 <= metrics.slot_utilization <= 1.0
    assert 0.0 <= metrics.bottleneck_share <= 1.0
    assert metrics.speedup_factor <= max(1, metrics.operations) + 1e-9
    together = {path for batch in metrics.parallel_batches for path in batch.operations}
    alone = {step.path for step in metrics.sequential_steps}
    assert not together & alone
    assert len(together | alone) == metrics.operations
    assert metrics.peak_concurrency <= metrics.operations


@settings(max_examples=40)
@given(runs())
def test_the_critical_path_follows_time_without_overlaps(log: list[Event]):
    fold = SpanFold(log)
    path = critical_path(fold)
    for before, after in pairwise(path):
        assert before.executions(fold.now)[-1].end <= after.executions(fold.now)[0].start
    assert all(not span.children for span in path)


def test_measuring_is_not_quadratic():
    def seconds(many: int) -> float:
        fold = SpanFold(items(many))
        begun = perf_counter()
        measure(fold)
        return perf_counter() - begun

    seconds(500)
    assert seconds(20_000) < 60 * max(seconds(2_000), 0.002)
