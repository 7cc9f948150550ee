"""An execution ends in one of five ways, and each says which, and gives its value or raises."""

import pytest

from stretto.core.errors import BranchCancelled, StepTimeout
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut, error_of

LATE = StepTimeout("a", 1)
NO = ValueError("no")


def test_a_completed_branch_gives_its_value():
    assert (Completed(3).unwrap(), Completed(3).status, error_of(Completed(3))) == (3, "completed", None)


@pytest.mark.parametrize(
    ("outcome", "status", "error"), [(Failed(NO), "failed", NO), (TimedOut(LATE), "timed_out", LATE)]
)
def test_a_failed_branch_raises_its_own_error(outcome, status, error):
    assert outcome.status == status
    assert error_of(outcome) is error
    with pytest.raises(type(error)) as caught:
        outcome.unwrap()
    assert caught.value is error


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (Cancelled(), "cancelled", "cancelled"),
        (Cancelled("a sibling failed", stopped=False), "cancelled", "a sibling failed"),
        (NotStarted(), "not_started", "not started"),
        (NotStarted("skipped"), "not_started", "skipped"),
    ],
)
def test_a_branch_without_a_value_says_why(outcome, status, reason):
    assert (outcome.status, outcome.reason, error_of(outcome)) == (status, reason, None)
    with pytest.raises(BranchCancelled, match=f"the branch has no value: {reason}"):
        outcome.unwrap()


def test_outcomes_are_values():
    assert Completed(1) == Completed(1)
    assert hash(Cancelled("x")) == hash(Cancelled("x"))
    with pytest.raises(AttributeError):
        Completed(1).value = 2  # type: ignore[misc]
