"""Conditions as values."""

from dataclasses import dataclass

import pytest

from stretto.core.errors import DefinitionError
from stretto.workflows.condition import (
    Always,
    And,
    ConditionFailed,
    Contains,
    Equals,
    Exists,
    GreaterThan,
    Holds,
    LessThan,
    Never,
    Not,
    Or,
    as_condition,
    describe,
)


@dataclass
class Report:
    score: int


NESTED = {"a": {"b": [1, {"c": 7}]}, "text": "hello", "none": None, "report": Report(5)}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Always(), True),
        (Never(), False),
        (Equals("text", "hello"), True),
        (Equals(("a", "b", 0), 2), False),
        (GreaterThan(("a", "b", 1, "c"), 6), True),
        (GreaterThan(("a", "b", 1, "c"), 7), False),
        (LessThan(("report", "score"), 6), True),
        (LessThan(("report", "score"), 5), False),
        (Contains("text", "ell"), True),
        (Contains(("a", "b"), 9), False),
        (Exists("none"), True),
        (Exists(("a", "x")), False),
        (Exists(("a", "b", 5)), False),
        (Equals((), NESTED), True),
        (And(Always(), Exists("a")), True),
        (And(Always(), Never()), False),
        (Or(Never(), Exists("a")), True),
        (Or(Never(), Never()), False),
        (Not(Never()), True),
        (Always() & Never(), False),
        (Always() | Never(), True),
        (~Always(), False),
        (Holds(lambda x: "a" in x), True),
    ],
)
def test_conditions_hold(condition, holds):
    assert condition.holds(NESTED) is holds
    assert condition(NESTED) is holds


def test_a_missing_key_is_an_error_that_names_it_and_what_there_is():
    with pytest.raises(ConditionFailed, match=r"looks for 'x', which is not in the dict it was given; there are 'b'"):
        Equals(("a", "x"), 1).holds(NESTED)
    with pytest.raises(ConditionFailed, match="not in the Report"):
        Equals(("report", "y"), 1).holds(NESTED)


def test_what_has_no_order_cannot_be_compared():
    with pytest.raises(ConditionFailed, match="cannot compare 'hello' with 3"):
        GreaterThan("text", 3).holds(NESTED)


@pytest.mark.parametrize("make", [lambda: And(), lambda: Or()])
def test_a_combination_of_nothing_is_refused(make):
    with pytest.raises(DefinitionError, match="of no conditions says nothing"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: And(Always(), "score > 3"),
        lambda: Not("false"),
        lambda: Holds("score"),
        lambda: Equals(1.5, 2),
        lambda: Equals((True,), 2),
        lambda: as_condition("true", "a test"),
    ],
)
def test_text_and_other_things_are_no_conditions(make):
    with pytest.raises(DefinitionError):
        make()


def test_an_async_function_is_no_plain_condition():
    async def later(x):
        return True

    with pytest.raises(DefinitionError, match="is async"):
        Holds(later)


def test_conditions_have_words():
    def urgent(x):
        return True

    assert describe(Holds(urgent)) == "urgent"
    assert describe(Equals("a", 1)) == "Equals(where='a', expected=1)"
