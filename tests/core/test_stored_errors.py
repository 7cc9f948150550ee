"""Errors inside outcomes have a stored form: a run that keeps partial results can be resumed."""

import pytest

from stretto.core.codec import decode, encode, from_plain, to_plain
from stretto.core.errors import BranchesFailed, CircuitOpen, ExecutionError, StepTimeout, StoreError
from stretto.core.events import StepCompleted
from stretto.core.outcome import Completed, Failed, TimedOut


def again(value):
    return from_plain(to_plain(value))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 3),
        KeyError("missing"),
        FileNotFoundError(2, "No such file", "a.txt"),
        StepTimeout("a/b", 3.5, "branch"),
        CircuitOpen("search", 3, 5.0),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        KeyboardInterrupt(),
    ],
)
def test_an_error_comes_back_with_its_type_its_words_and_its_attributes(error):
    error.add_note("raised in step 'a'")
    made = again(error)
    assert type(made) is type(error)
    assert (str(made), made.args, vars(made)) == (str(error), error.args, vars(error))


def test_a_group_comes_back_with_its_members():
    made = again(BranchesFailed("2 failed", [ValueError("a"), StepTimeout("x", 1)]))
    assert type(made) is BranchesFailed
    assert [str(e) for e in made.exceptions] == ["a", "step 'x' took longer than its timeout of 1 s"]


def test_outcomes_can_be_stored():
    event = StepCompleted("a", 1.0, [Completed(1), Failed(ValueError("no")), TimedOut(StepTimeout("b", 2))])
    made = decode("step_completed", "a", 1.0, encode(event)).output
    assert made[0] == Completed(1)
    assert (str(made[1].error), made[2].error.seconds) == ("no", 2)


def test_an_error_that_nobody_can_find_again_is_told_in_words():
    class Local(Exception):
        pass

    made = again(Local("hidden"))
    assert type(made) is ExecutionError
    assert "Local: hidden" in str(made)
    assert "ValueError" in str(again(ValueError(object())))


def test_an_attribute_that_cannot_be_stored_is_told_in_words():
    error = ValueError("x")
    error.connection = object()
    assert again(error).connection.startswith("<object object")


def test_only_errors_are_made_of_an_errors_stored_form():
    with pytest.raises(StoreError, match=r"names 'subprocess:Popen', which is no error"):
        from_plain({"$error": ["subprocess:Popen", [["ls"]], {}]})
