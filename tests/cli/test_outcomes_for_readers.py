"""Outcomes in a run's output bear their word, so that nobody takes a failure for a value."""

from __future__ import annotations

from stretto.cli.values import json_of
from stretto.core.errors import StepTimeout
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut


def test_every_outcome_says_how_it_ended() -> None:
    outcomes = [
        Completed((1, 2)),
        Failed(ValueError("no")),
        TimedOut(StepTimeout("w/slow", 3)),
        Cancelled("enough"),
        NotStarted("the value is settled"),
    ]
    assert json_of(outcomes) == [
        {"status": "completed", "value": [1, 2]},
        {"status": "failed", "error": "ValueError: no"},
        {"status": "timed_out", "error": "StepTimeout: step 'w/slow' took longer than its timeout of 3 s"},
        {"status": "cancelled", "reason": "enough", "stopped": True},
        {"status": "not_started", "reason": "the value is settled"},
    ]
    assert [shown["status"] for shown in json_of(outcomes)] == [outcome.status for outcome in outcomes]
