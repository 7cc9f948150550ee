"""Rows of a timeline: what is told piece by piece amounts to what is told at once, and slack agrees with the path."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.events import (
    AgentStarted,
    Answered,
    Asked,
    ErrorRecord,
    Event,
    ModelUsed,
    Progress,
    RunEnded,
    RunResumed,
    RunStarted,
    Said,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
    StepTimedOut,
)
from stretto.monitoring.metrics import measure
from stretto.monitoring.slack import own_times, slacks
from stretto.monitoring.spans import SpanFold
from stretto.monitoring.timeline import LONGEST_ERROR, TimelineFold
from tests.monitoring.logs import ERROR, HOSTILE, runs, simple

LATER = {"self_ms": None, "slack_ms": None, "critical": False, "batch": None}


def folded(events: Sequence[Event]) -> TimelineFold:
    fold = TimelineFold()
    fold.feed_all(events)
    return fold


def rows_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [json.loads(row) for row in folded(events).told()[0]]


def row_of(path: str, events: Sequence[Event]) -> dict[str, Any]:
    return next(row for row in rows_of(events) if row["path"] == path)


def in_order(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Puts rows in the order of the tree as a client does: siblings by start, then as they became known."""
    below: dict[str, list[dict[str, Any]]] = {}
    for row in rows.values():
        below.setdefault(row["parent"], []).append(row)
    for each in below.values():
        each.sort(key=lambda row: (row["start_ms"] is None, row["start_ms"] or 0.0))
    found: list[dict[str, Any]] = []
    waiting = below.get("", [])[::-1]
    while waiting:
        row = waiting.pop()
        found.append(row)
        waiting += below.get(row["path"], [])[::-1]
    return found


@st.composite
def told(draw: st.DrawFn) -> list[Event]:
    """A log with agents, questions that are answered, and requests to models among its steps."""
    events: list[Event] = []
    asked: list[Asked] = []
    for event in draw(runs()):
        events.append(event)
        if event.path and draw(st.integers(0, 3)) == 0:
            used = ModelUsed(event.path, event.at, "m", 10, 5, cost=draw(st.sampled_from((None, 0.5))))
            agent = AgentStarted(event.path, event.at, draw(st.sampled_from(("lead", "kid"))))
            question = Asked(event.path, event.at, f"q{len(events)}", "?")
            events.append(draw(st.sampled_from((used, agent, question))))
            if events[-1] is question:
                asked.append(question)
        elif asked and draw(st.booleans()):
            events.append(Answered("", event.at, asked.pop().request_id, "yes"))
    return events


@settings(max_examples=60)
@given(told(), st.lists(st.integers(1, 9), min_size=1, max_size=8), st.sampled_from((1, 3, 500)))
def test_all_updates_amount_to_the_timeline(events: list[Event], cuts: list[int], most: int) -> None:
    fold, known, place, turn = TimelineFold(), dict[str, dict[str, Any]](), 0, 0
    while place < len(events):
        size = cuts[turn % len(cuts)]
        fold.feed_all(events[place : place + size])
        place, turn = place + size, turn + 1
        for _ in range(1 if most == 3 else len(events) * 9):
            if not fold.changed:
                break
            for row in map(json.loads, fold.changes(most)):
                assert not row["parent"] or row["parent"] in known or most == 3
                known[row["path"]] = row
    for row in map(json.loads, fold.changes(len(events) * 9)):
        known[row["path"]] = row
    whole, figures = folded(events).told()
    expected = [json.loads(row) for row in whole]
    assert in_order(known) == [row | LATER for row in expected]
    assert fold.seq == len(events)
    counted = fold.counted()
    if not fold.is_over:
        figures["work_ms"] = counted["work_ms"] = round(figures["work_ms"], 1)
        assert counted.keys() == figures.keys()
        assert {name: counted[name] for name in ("operations", "running", "failures")} == {
            name: figures[name] for name in ("operations", "running", "failures")
        }


@settings(max_examples=40)
@given(told())
def test_what_is_counted_while_a_run_goes_on_is_what_is_measured(events: list[Event]) -> None:
    fold = folded(events)
    fold.changes(len(events) * 9)
    counted, measured = fold.counted(), fold.measured()
    for name in ("operations", "failures", "tokens_input", "tokens_output", "cost"):
        assert counted[name] == measured[name]
    for name in ("wall_ms", "work_ms", "queue_ms"):
        assert abs(counted[name] - measured[name]) < 0.01
    assert 0 <= counted["parallelization_ratio"] <= 1
    assert (counted["critical_path"], counted["bottleneck"]) == ([], None)


@settings(max_examples=60)
@given(runs())
def test_what_decided_the_end_has_no_slack_and_no_step_works_longer_than_it_lasts(events: list[Event]) -> None:
    fold = SpanFold([*events, RunEnded("", events[-1].at, "completed")])
    spare, own = slacks(fold), own_times(fold)
    assert all(slack >= 0 for slack in spare.values())
    assert all(spare[path] < 1e-9 for path in measure(fold).critical_path)
    for path, span in fold.spans.items():
        assert 0 <= own[path] <= span.duration(fold.now) + 1e-9


def test_slack_is_what_a_step_could_have_lost_before_the_next_that_waited() -> None:
    events: list[Event] = [RunStarted("", 0.0, "r", "r", 0.0)]
    for name, start, end in (("a", 0, 4), ("b", 0, 3), ("c", 4, 5), ("d", 1, 2), ("e", 3, 9), ("f", 9, 10)):
        events += [StepStarted(name, start), StepCompleted(name, end)]
    events.sort(key=lambda event: event.at)
    found = slacks(SpanFold([*events, RunEnded("", 10.0, "completed")]))
    assert found == {"a": 4.0, "b": 0.0, "c": 4.0, "d": 1.0, "e": 0.0, "f": 0.0}


def test_attempts_are_told_when_there_were_several() -> None:
    events: list[Event] = [
        RunStarted("", 0.0, "r", "r", 0.0),
        StepStarted("a", 1.0),
        StepRetrying("a", 2.0, 1, ERROR, 0.5),
        StepStarted("b", 1.0),
        RunResumed("", 3.0, 0, ["a"]),
        StepStarted("a", 4.0),
    ]
    assert row_of("b", events) | {"start_ms": 1000.0, "end_ms": 3000.0, "status": "pending"} == row_of("b", events)
    assert row_of("a", events)["tries"] == [
        {"start_ms": 1000.0, "end_ms": 2000.0, "status": "failed"},
        {"start_ms": 2500.0, "end_ms": 3000.0, "status": "cancelled"},
        {"start_ms": 4000.0, "end_ms": None, "status": "running"},
    ]
    assert row_of("a", [*events, StepFailed("a", 5.0, ERROR)])["tries"][2]["status"] == "failed"
    assert row_of("a", events[:2])["tries"] == []


def test_a_step_says_what_went_wrong_in_few_words_and_what_it_waits_for() -> None:
    begun: list[Event] = [RunStarted("", 0.0, "r", "r", 0.0), StepStarted("a", 0.0, None, 0.25, "tool")]
    assert row_of("a", [*begun, Asked("a", 1.0, "q", "?")])["status"] == "waiting"
    assert row_of("a", [*begun, Asked("a", 1.0, "q", "?"), Answered("", 1.0, "q", "yes")])["status"] == "running"
    long = row_of("a", [*begun, StepFailed("a", 1.0, ErrorRecord("E", "x" * 300))])["error"]
    assert (len(long), long[-1]) == (LONGEST_ERROR, "…")
    assert row_of("a", [*begun, StepFailed("a", 1.0, ErrorRecord("E", ""))])["error"] == "E"
    assert "took longer" in row_of("a", [*begun, StepTimedOut("a", 1.0, 1.0)])["error"]
    assert row_of("a", begun)["queued_ms"] == 250.0


def test_a_step_belongs_to_the_nearest_agent_also_when_that_is_told_late() -> None:
    events: list[Event] = [RunStarted("", 0.0, "r", "r", 0.0), StepStarted("lead", 0.0), StepStarted("lead/kid/a", 0.0)]
    assert {row["agent"] for row in rows_of(events)} == {None}
    fold = folded(events)
    fold.changes(9)
    fold.feed_all([AgentStarted("lead", 0.0, "lead"), AgentStarted("lead/kid", 0.0, "kid")])
    told = {row["path"]: row["agent"] for row in map(json.loads, fold.changes(9))}
    assert told == {"lead": "lead", "lead/kid": "kid", "lead/kid/a": "kid"}
    fold.feed(AgentStarted("lead", 0.0, "lead"))  # as when the run is resumed
    assert list(fold.changed) == ["lead"]


def test_what_only_says_something_changes_no_row_and_names_can_be_anything() -> None:
    fold = folded(simple())
    fold.changes(99)
    fold.feed_all([Progress("gather", 3.0, 1, 2), Said("nowhere", 4.0, "hm")])
    assert (fold.changed, fold.now, fold.seq) == ({}, 4.0, len(simple()) + 2)
    for name in HOSTILE:
        name = name.replace("/", "∕")
        events: list[Event] = [RunStarted("", 0.0, "r", "r", 0.0), StepStarted(name, 0.0), StepFailed(name, 1.0, ERROR)]
        [row] = rows_of([*events, RunEnded("", 1.0, "failed")])
        assert row["path"] == name.encode("utf-8", "replace").decode()


def test_operations_that_run_beside_each_other_are_counted_while_they_do() -> None:
    fold = folded(simple()[:8])
    fold.changes(99)
    assert fold.counted()["parallelization_ratio"] == 1.0
    assert fold.counted()["running"] == 2
