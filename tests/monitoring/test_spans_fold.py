"""The fold: what a log says of each step, whatever happens to it."""

import dataclasses

from hypothesis import given, settings

from stretto.core.events import (
    Answered,
    Asked,
    ErrorRecord,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    Said,
    StepAbandoned,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepUndone,
)
from stretto.monitoring.spans import MESSAGES_KEPT, Execution, SpanFold, fold_of
from tests.monitoring.logs import ERROR, eventful, items, runs, simple


def test_a_span_knows_when_it_ran_and_how_it_ended():
    span = SpanFold(simple()).spans["gather/query"]
    assert (span.start, span.end, span.status, span.kind, span.source) == (0.0, 1.8, "completed", "tool", "run")
    assert span.parent is not None
    assert span.parent.path == "gather"
    assert span.duration(99.0) == 1.8


def test_every_ending_has_its_status_and_its_reason():
    spans = SpanFold(eventful()).spans
    assert {path.rpartition("/")[2]: span.status for path, span in spans.items()} == {
        "lead": "running", "plan": "completed", "review": "completed", "db": "completed", "query_users": "completed",
        "api": "failed", "get_items": "failed", "market": "timed_out", "docs": "completed", "slow": "skipped",
        "crawl": "cancelled", "thread": "abandoned", "aggregate": "running", "validate": "pending",
    }  # fmt: skip
    assert spans["lead/review/market"].reason == "took longer than its branch's 1 s"
    assert spans["lead/review/market"].progress == (3, 10)
    assert spans["lead/review/thread"].reason == "did not stop within 0.5 s; its thread may still run"
    assert spans["lead/review/crawl"].reason == "no longer wanted"
    assert spans["lead/review/slow"].reason == "an earlier branch answered"
    assert spans["lead/review/docs"].source == "cache"
    assert spans["lead/validate"].question == "Apply to 14 files?"
    assert spans["lead/plan"].progress is None


def test_a_retried_step_counts_its_attempts_and_keeps_their_errors():
    span = SpanFold(eventful()).spans["lead/review/api/get_items"]
    assert span.attempts == 3
    assert [(retry.at, retry.wait) for retry in span.retries] == [(0.42, 0.1), (0.60, 0.2)]
    assert span.error == ERROR


def test_an_answer_ends_the_waiting_and_an_unknown_one_changes_nothing():
    fold = SpanFold(
        [*eventful(), Answered("lead/validate", 2.4, "other", "no"), Answered("lead/validate", 2.5, "q1", "yes")]
    )
    assert fold.spans["lead/validate"].question == ""


def test_a_step_that_is_answered_without_having_run_takes_no_time():
    span = SpanFold([StepCompleted("a", 3.0, None, "human")]).spans["a"]
    assert (span.start, span.end, span.source, span.duration(9.0)) == (3.0, 3.0, "human", 0.0)


def test_a_fallback_after_a_failure_has_the_last_word_and_keeps_the_error():
    span = SpanFold(
        [StepStarted("a", 0.0), StepFailed("a", 1.0, ERROR), StepCompleted("a", 2.0, None, "fallback")]
    ).spans["a"]
    assert (span.status, span.end, span.source, span.error) == ("completed", 2.0, "fallback", ERROR)


def test_an_abandoned_step_stays_abandoned_when_it_stops_after_all():
    span = SpanFold([StepStarted("a", 0.0), StepAbandoned("a", 1.0, 0.5), StepCancelled("a", 4.0)]).spans["a"]
    assert (span.status, span.end) == ("abandoned", 4.0)


def test_a_resumed_run_puts_back_what_was_in_flight_and_runs_it_again():
    log: list[Event] = [
        RunStarted("", 0.0, "r", "r", 0.0),
        StepStarted("flow", 0.0),
        StepStarted("flow/a", 0.0),
        StepCompleted("flow/a", 1.0),
        StepStarted("flow/b", 1.0),
        RunResumed("", 10.0, 1, ["flow/b"]),
    ]
    fold = SpanFold(log)
    b = fold.spans["flow/b"]
    assert (b.status, b.start, b.earlier) == ("pending", None, (Execution(1.0, 10.0),))
    assert list(fold.live()) == []
    assert fold.run.resumed == 1
    fold.feed_all([StepStarted("flow", 10.0), StepStarted("flow/b", 10.5), StepCompleted("flow/b", 12.5)])
    assert (b.status, b.start, b.end, b.attempts) == ("completed", 10.5, 12.5, 2)
    assert b.duration(99.0) == 11.0
    assert fold.spans["flow/a"].earlier == ()
    assert [span.path for span in fold.live()] == ["flow"]


def test_a_path_that_starts_again_keeps_its_first_execution():
    span = SpanFold([StepStarted("a", 0.0), StepFailed("a", 1.0, ERROR), StepStarted("a", 2.0)]).spans["a"]
    assert (span.earlier, span.status, span.error) == ((Execution(0.0, 1.0),), "running", None)
    assert span.is_live


def test_a_path_that_ended_before_a_resume_stays_as_it_was():
    fold = SpanFold([StepStarted("a", 0.0), RunResumed("", 5.0, 0), StepCompleted("a", 6.0, None, "human")])
    assert fold.spans["a"].executions(6.0) == (Execution(0.0, 5.0), Execution(6.0, 6.0))


def test_the_run_itself_is_the_root_and_ends_with_its_status():
    fold = SpanFold(simple())
    assert (fold.root.name, fold.root.status, fold.root.end, fold.is_over) == ("Gather", "completed", 2.2, True)
    assert fold.run.run_id == "r1"
    failed = SpanFold([RunStarted("", 0.0, "r", "r", 0.0), RunEnded("", 1.0, "failed", None, ERROR)])
    assert (failed.root.status, failed.root.error) == ("failed", ERROR)


def test_only_the_last_messages_are_kept_and_all_are_counted():
    fold = SpanFold(Said("a", float(at), f"line {at}", "debug") for at in range(MESSAGES_KEPT + 5))
    span = fold.spans["a"]
    assert span.said == MESSAGES_KEPT + 5
    assert [message.text for message in span.messages] == [f"line {at}" for at in range(5, MESSAGES_KEPT + 5)]
    assert span.messages[0].level == "debug"


def test_a_step_that_was_rolled_back_says_so_unless_that_failed():
    undone = SpanFold([StepStarted("a", 0.0), StepCompleted("a", 1.0), StepUndone("a", 2.0)]).spans["a"]
    assert undone.undone
    kept = SpanFold([StepCompleted("a", 1.0), StepUndone("a", 2.0, ErrorRecord("E", "no"))]).spans["a"]
    assert not kept.undone
    assert kept.error == ErrorRecord("E", "no")


def test_a_kind_of_event_that_says_nothing_of_spans_only_moves_the_clock():
    @dataclasses.dataclass(slots=True)
    class Noticed(Event):
        pass

    fold = SpanFold([Noticed("a", 7.0)])
    assert (fold.now, fold.spans) == (7.0, {})
    fold.advance(9.0)
    fold.advance(8.0)
    assert fold.now == 9.0


def test_a_child_heard_of_before_its_parent_gets_one():
    fold = SpanFold([StepStarted("a/b/c", 1.0)])
    assert [child.path for child in fold.root.children] == ["a"]
    assert fold.span("a/b").children == [fold.spans["a/b/c"]]
    assert fold.span("") is fold.root


def test_a_path_known_before_it_starts_has_no_earlier_execution():
    log: list[Event] = [
        StepStarted("a/b", 1.0),
        RunResumed("", 2.0, 0),
        RunEnded("", 3.0, "exploded"),
        StepSkipped("a/b", 3.0),
    ]
    fold = SpanFold(log)
    assert fold.spans["a"].executions(3.0) == ()
    assert fold.spans["a/b"].status == "skipped"
    assert fold.root.status == "failed"


def test_a_step_that_ran_is_not_skipped_afterwards():
    assert SpanFold([StepCompleted("a", 1.0), StepSkipped("a", 2.0)]).spans["a"].status == "completed"


def test_a_fold_stands_for_itself():
    fold = SpanFold(simple())
    assert fold_of(fold) is fold


def test_an_ask_of_the_run_itself_waits_at_the_root():
    assert SpanFold([Asked("", 0.0, "q", "Go on?")]).root.question == "Go on?"


@settings(max_examples=40)
@given(runs())
def test_no_span_ends_before_it_starts_and_none_outlives_the_clock(log: list[Event]):
    fold = SpanFold(log)
    for span in fold.spans.values():
        for execution in span.executions(fold.now):
            assert 0 <= execution.start <= execution.end <= fold.now
        assert span.parent is fold.span(span.path.rpartition("/")[0])


@settings(max_examples=40)
@given(runs())
def test_feeding_one_by_one_is_feeding_all(log: list[Event]):
    one_by_one = SpanFold()
    for event in log:
        one_by_one.feed(event)
    at_once = SpanFold(log)
    assert [dataclasses.replace(span, parent=None, children=[]) for span in one_by_one.spans.values()] == [
        dataclasses.replace(span, parent=None, children=[]) for span in at_once.spans.values()
    ]


def test_a_hundred_thousand_spans_fold():
    assert len(SpanFold(items(20_000)).spans) == 20_004
