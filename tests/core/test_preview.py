"""A preview shows how a value begins; it never fails and never walks what it does not show."""

import json
from collections import OrderedDict, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.codec import PREVIEW_ITEMS, PREVIEW_TEXT, preview
from stretto.core.preview import PREVIEW_TOTAL
from tests.core.stored_shapes import Color, Open, Person, Point, Secretive, Speaking


class Endless(list):
    """A list that would take a day to walk, and says so when somebody tries."""

    def __len__(self) -> int:
        return 10**9

    def __repr__(self) -> str:
        raise AssertionError("walked")


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Lying:
    def __len__(self) -> int:
        raise TypeError("no length")


class Shouting:
    def __repr__(self) -> str:
        return "x" * 10_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, 1),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (float("nan"), {"$float": "nan"}),
        (10**100, {"$repr": "<int of 333 bits>"}),
        ("short", "short"),
        ("x" * 501, {"$cut": "x" * 500, "size": 501}),
        ([1, (2, {3})], [1, [2, [3]]]),
        (deque([1]), [1]),
        (list(range(25)), {"$cut": list(range(20)), "size": 25}),
        ({"a": 1, 2: "b"}, {"a": 1, "2": "b"}),
        ({n: n for n in range(21)}, {"$cut": {str(n): n for n in range(20)}, "size": 21}),
        ([[[[1, 2]]]], [[[{"$cut": "list of 2", "size": 2}]]]),
        ([[[{"a": 1}]]], [[[{"$cut": "dict of 1", "size": 1}]]]),
        ([[[Point(1)]]], [[[{"$data": ["Point", "2 fields"]}]]]),
        (Point(1, "a"), {"$data": ["Point", {"x": 1, "y": "a"}]}),
        (Secretive("ada", "pw"), {"$data": ["Secretive", {"user": "ada"}]}),
        (Speaking([1]), {"$repr": "I speak for myself"}),
        (Open(a=2), {"$data": ["Open", {"a": 2}]}),
        (Color.RED, {"$repr": "<Color.RED: 1>"}),
        (b"x" * 21, {"$cut": "bytes of 21", "size": 21}),
        (b"ab", {"$repr": "b'ab'"}),
        (OrderedDict(a=1), {"$repr": "OrderedDict([('a', 1)])"}),
        (Endless(), {"$cut": "Endless of 1000000000", "size": 10**9}),
        (Broken(), {"$repr": "<Broken that cannot be shown: RuntimeError>"}),
        (Lying(), {"$repr": "<Lying that cannot be shown: TypeError>"}),
        (Shouting(), {"$repr": "x" * PREVIEW_TEXT}),
    ],
)
def test_a_value_is_shown_short(value, shown):
    assert preview(value) == shown


def test_one_item_that_cannot_be_shown_does_not_hide_the_others():
    assert preview([1, Broken()]) == [1, {"$repr": "<Broken that cannot be shown: RuntimeError>"}]


class Counted:
    """Counts how often it is looked at."""

    looks = 0

    def __repr__(self) -> str:
        Counted.looks += 1
        return "c"


def test_of_ten_million_items_only_those_that_are_shown_are_looked_at():
    Counted.looks = 0
    one = Counted()
    many = [one] * 10_000_000
    for value in (many, tuple(many[:1000]), deque(many[:1000]), dict.fromkeys(range(1000), one), Point(many, many)):
        preview(value)
    assert Counted.looks == 6 * PREVIEW_ITEMS


def test_a_preview_is_small_however_wide_and_deep_the_value():
    value: Any = "x" * 10_000
    for _ in range(10):
        value = [value] * 1000
    shown = json.dumps(preview(value))
    assert len(shown) < 3 * PREVIEW_TOTAL
    assert '"size": 1000' in shown
    assert len(json.dumps(preview({"k" * 10_000 + str(n): "v" * 10_000 for n in range(1000)}))) < 3 * PREVIEW_TOTAL
    assert len(json.dumps(preview([[list(range(20))] * 20] * 20, depth=9))) < 6 * PREVIEW_TOTAL


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.builds(Broken)),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner), st.dictionaries(st.integers() | st.text(), inner), st.builds(Point, inner)
    ),
)


@given(anything)
def test_every_preview_is_json(value):
    json.loads(json.dumps(preview(value), allow_nan=False))


def test_a_value_that_holds_itself_is_shown():
    value: list[Any] = [1]
    value.append(value)
    assert preview(value) == [1, [1, [1, {"$cut": "list of 2", "size": 2}]]]


def test_a_models_private_and_hidden_fields_are_not_shown():
    assert preview(Person(name="Ada"))["$data"][1] == {"name": "Ada", "full": "", "anything": None}
