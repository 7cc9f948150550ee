"""What a log of continuous integration shows of a run: stable lines, and not too many."""

import io
import sys

import pytest

from stretto.cli.lines import MOST_FAILURES, LineView
from stretto.cli.screen import Screen
from stretto.core import events as core
from stretto.core.events import ErrorRecord
from stretto.monitoring.spans import SpanFold

ERROR = ErrorRecord("builtins.ValueError", "no such\nthing")


@pytest.fixture
def lines(monkeypatch):
    def told(events):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        view, fold = LineView(Screen()), SpanFold()
        fold.feed_all(events)
        view.events(fold, events, 0)
        return [" ".join(line.split()) for line in stream.getvalue().splitlines()]

    return told


def test_every_kind_of_event_has_its_line(lines):
    assert lines(
        [
            core.RunStarted("", 0, "id1", "all", 0.0),
            core.RunResumed("", 0, 1200),
            core.StepStarted("all/a", 0.25, None, 0.2),
            core.StepRetrying("all/a", 1, 1, ERROR, 0.5),
            core.StepCompleted("all/a", 2.25, None, "cache"),
            core.StepFailed("all/b", 3, ERROR),
            core.StepTimedOut("all/c", 3, 1.5),
            core.StepCancelled("all/d", 3, "no longer wanted"),
            core.StepSkipped("all/e", 3, "its condition says no"),
            core.StepAbandoned("all/f", 3, 5.0),
            core.StepUndone("all/g", 3),
            core.StepUndone("all/h", 3, ERROR),
            core.Asked("all/i", 3, "i?1", "May it?"),
            core.Answered("all/i", 3, "i?1", "yes", by="Ann"),
            core.Said("all/j", 3, "half way"),
            core.Said("all/j", 3, "a detail", "debug"),
            core.Progress("all/k", 3, 5, 10, "pages"),
            core.Progress("all/l", 3, 5),
        ]
    ) == [
        "0.000 s run id1 (all) started",
        "0.000 s run resumed; 1,200 steps are done already",
        "0.250 s started all/a after 200 ms in the queue",
        "1.000 s retrying all/a attempt 1 failed (ValueError: no such thing); next in 500 ms",
        "2.250 s completed all/a 2.00 s (cache)",
        "3.000 s failed all/b ValueError: no such thing",
        "3.000 s timed out all/c after 1.5 s",
        "3.000 s cancelled all/d no longer wanted",
        "3.000 s skipped all/e its condition says no",
        "3.000 s abandoned all/f did not stop within 5 s",
        "3.000 s undone all/g",
        "3.000 s undone all/h failed: no such thing",
        "3.000 s asks all/i May it?",
        "3.000 s answered all/i yes by Ann",
        "3.000 s info all/j half way",
        "3.000 s progress all/k 5 of 10 (pages)",
        "3.000 s progress all/l 5",
    ]


def test_items_of_a_map_are_told_only_when_they_fail_and_not_without_end(lines):
    events = []
    for item in range(100):
        events += [core.StepStarted(f"map/item[{item}]", 1), core.StepFailed(f"map/item[{item}]", 2, ERROR)]
        events += [core.StepStarted(f"map/good[{item}]", 1), core.StepCompleted(f"map/good[{item}]", 2)]
    told = lines(events)
    assert len(told) == MOST_FAILURES
    assert told[-1].endswith("further failures of items are not shown here")


def test_progress_is_told_once_a_second_and_at_the_end(lines):
    told = lines([core.Progress("map", at / 10, at, 30) for at in range(31)])
    assert [line.split()[-3] for line in told] == ["0", "10", "20", "30"]
