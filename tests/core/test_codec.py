"""What is stored comes back equal, or is refused with a reason."""

import dataclasses
import datetime as dt
import decimal
import json
import math
import pathlib
import sys
import uuid
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.codec import DEEPEST, LargeValue, NotStorable, decode, encode, from_plain, to_plain
from stretto.core.errors import OutputNotStorable, StoreError
from stretto.core.events import (
    EVENTS,
    AgentStarted,
    Answered,
    Asked,
    ErrorRecord,
    Event,
    HistoryShortened,
    ModelDelta,
    ModelUsed,
    PlanMade,
    Progress,
    RunEnded,
    RunResumed,
    RunStarted,
    Said,
    StepAbandoned,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepSkipped,
    StepStarted,
    StepTimedOut,
    StepUndone,
    TaskChanged,
)
from tests.core.stored_shapes import (
    Color,
    Hidden,
    Level,
    Listed,
    Made,
    OddError,
    Open,
    Outer,
    Pair,
    Person,
    Point,
    Refused,
    Rights,
    Site,
    Slotted,
    Unset,
    Vault,
)

PARIS = zoneinfo.ZoneInfo("Europe/Paris")


def again(value: Any) -> Any:
    """Writes a value as a completed step's output, and reads it back: through text that is JSON."""
    text = encode(StepCompleted("a", 1.0, value))
    json.loads(text, parse_constant=pytest.fail)
    event = decode("step_completed", "a", 1.0, text)
    assert isinstance(event, StepCompleted)
    return event.output


def alike(made: Any, value: Any) -> bool:
    """Says whether two values are the same, type by type; NaN is like NaN."""
    if type(made) is not type(value):
        return False
    if isinstance(value, float):
        return made == value or (math.isnan(made) and math.isnan(value))
    if isinstance(value, dict):
        return len(made) == len(value) and all(
            alike(pair, other) for pair, other in zip(made.items(), value.items(), strict=True)
        )
    if isinstance(value, list | tuple):
        return len(made) == len(value) and all(alike(one, other) for one, other in zip(made, value, strict=True))
    if dataclasses.is_dataclass(value):
        return all(alike(getattr(made, f.name), getattr(value, f.name)) for f in dataclasses.fields(value))
    return bool(made == value)


offsets = st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
texts = st.text(st.characters(categories=None)) | st.sampled_from(["$tuple", "$", "\ud800", "\udcff.txt", "ü", ""])
keys = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.binary(max_size=4))
scalars = st.one_of(
    texts, st.integers(), st.booleans(), st.none(), st.floats(), st.binary(max_size=9), st.uuids(), st.dates(),
    st.datetimes(), st.datetimes(timezones=offsets), st.timedeltas(), st.sampled_from([Color.RED, Color.BLUE]),
    st.just(Level.LOW), st.decimals(allow_nan=False),
    st.sampled_from([Rights.READ, Rights.READ | Rights.WRITE, Rights(0)]),
)  # fmt: skip
hashable = st.one_of(texts, st.integers(), st.none(), st.tuples(st.integers(), texts), st.builds(Point, st.integers()))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Slotted, inner),
    ),
    max_leaves=12,
)


@given(values)
def test_what_is_stored_comes_back_the_same(value):
    assert alike(again(value), value)


@pytest.mark.parametrize(
    "value",
    [
        "ü",
        "half a pair: \ud800",
        "\udcff.txt",
        True,
        1,
        0,
        False,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        10**599,
        -(10**600),
        10**9000,
        [10**9000, math.nan, {"a": math.inf}],
        {1: "a", "1": "b", None: 3, (1, 2): [4]},
        {"$large": 1},
        {"$tuple": [1], "b": 2},
        {"a": {"$": 1}},
        pathlib.Path("a/b"),
        pathlib.PurePosixPath("a/b"),
        pathlib.PureWindowsPath("C:/a"),
        uuid.UUID(int=7),
        range(10, 1, -3),
        decimal.Decimal("1.10"),
        dt.timedelta.max,
        dt.timedelta(microseconds=-1),
        dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC),
        Made(1, [2]),
        Outer.Inner(3),
        LargeValue("d", 3, "s"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_these_come_back_the_same(value):
    assert alike(again(value), value)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("naive", ["2024-07-01T12:00", "2024-10-27T02:30", "2024-03-31T02:30"])
def test_a_time_keeps_its_zone_and_which_of_two_like_hours_it_is(naive, fold):
    value = dt.datetime.fromisoformat(naive).replace(tzinfo=PARIS, fold=fold)
    made = again(value)
    assert made.tzinfo is PARIS
    assert (made.replace(tzinfo=None), made.utcoffset()) == (value.replace(tzinfo=None), value.utcoffset())


def test_models_come_back_with_what_was_given_and_what_is_private():
    person = Person(name="Ada", fullName="Ada L.", anything=(1, {2}))
    person._seen = 3
    made = again(person)
    assert made == person
    assert (made._seen, made.model_fields_set) == (3, {"name", "full", "anything"})
    assert again(Open(a=2, b=3)) == Open(a=2, b=3)


def test_a_model_whose_fields_have_no_form_of_their_own_is_stored_as_its_dump_if_that_loses_nothing():
    site = Site(url="https://example.org/a", siteName="here")
    assert again(site) == site
    with pytest.raises(OutputNotStorable, match="SecretStr"):
        again(Vault(secret="hidden"))
    with pytest.raises(OutputNotStorable, match=r"builtins\.object"):
        again(Person(name="a", anything=object()))


def test_errors_are_errors_first():
    made = again(Refused("no"))
    assert (type(made), made.why) == (Refused, "no")
    assert again(OddError(3)).code == 3


def holding(value: Any) -> Any:
    held: list[Any] = [value]
    held.append(held)
    return held


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = (value,)
    return value


def local() -> Any:
    class Point(Exception):
        pass

    from dataclasses import make_dataclass

    return make_dataclass("Nowhere", ["x"])(1), Point


@pytest.mark.parametrize(
    ("value", "kind", "why"),
    [
        (object(), "builtins.object", "no stored form is known for this type"),
        ([1, {"a": {1: object()}}], "builtins.object", "no stored form"),
        (holding(1), "builtins.list", "it holds itself, or is nested more than 150 levels deep"),
        (deep(DEEPEST + 1), "builtins.tuple", "nested more than"),
        (local()[0], "types.Nowhere", "define it at a module's top level"),
        (Hidden(1), "tests.core.stored_shapes.Elsewhere", "no other process finds its class under this name"),
        (Unset(), "tests.core.stored_shapes.Unset", "its field 'never' was never set"),
        (Listed("x"), "tests.core.stored_shapes.Listed", "no stored form is known"),
        (Point, "builtins.type", "no stored form is known"),
        (type("Text", (str,), {})("a"), "tests.core.test_codec.Text", "no stored form is known"),
        ({object: 1}, "builtins.type", "no stored form"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_path_its_kind_and_the_reason(value, kind, why):
    with pytest.raises(OutputNotStorable) as caught:
        encode(StepCompleted("lead/coder", 1.0, value))
    assert (caught.value.path, caught.value.kind) == ("lead/coder", kind)
    assert why in str(caught.value)
    assert "'lead/coder'" in str(caught.value)
    with pytest.raises(OutputNotStorable, match="step 'the run' returned"):
        encode(RunEnded("", 1.0, "completed", value))
    with pytest.raises(NotStorable):
        to_plain(value)


def test_a_value_that_a_store_left_out_is_told_by_its_size_and_its_beginning():
    assert from_plain({"$large": ["d", 3, "s"]}) == LargeValue("d", 3, "s")


def test_the_deepest_value_can_be_read_again():
    value = deep(DEEPEST)
    assert again(value) == value


def test_a_value_is_refused_rather_than_half_written_when_the_stack_is_nearly_full():
    def under(frames: int) -> Any:
        return to_plain(deep(DEEPEST)) if not frames else under(frames - 1)

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    with pytest.raises(NotStorable, match="nested"):
        under(sys.getrecursionlimit() - used - 100)


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ({"$later": 1}, "unknown form '\\$later'; it was written by a newer version"),
        ({"$tuple": 3}, "a stored value cannot be read: TypeError"),
        ({"$date": "yesterday"}, "cannot be read: ValueError"),
        ({"$decimal": "x"}, "cannot be read: InvalidOperation"),
        ({"$int": "xyz"}, "cannot be read: ValueError"),
        ({"$enum": []}, "cannot be read: IndexError"),
        ({"$enum": [3]}, "cannot be read: AttributeError"),
        ({"$enum": ["tests.core.stored_shapes:Color", "GREEN"]}, "cannot be read: KeyError"),
        ({"$time": "2024-07-01T12:00:00+02:00[No/Where]"}, "cannot be read: ZoneInfoNotFoundError"),
        ({"$data": ["tests.core.stored_shapes:Point", {"x": 1}]}, "a stored Point has no 'y': its class has changed"),
        ({"$data": ["tests.core.stored_shapes:Point", {"x": 1, "y": 2, "z": 3}]}, "which its class no longer has"),
        ({"$data": ["tests.core.stored_shapes:Pair", {"left": 1}]}, "a stored Pair has no 'right'"),
        ({"$model": ["tests.core.stored_shapes:Open", {"b": 1}, [], None, None]}, "a stored Open has no 'a'"),
        ({"$model": ["tests.core.stored_shapes:Site", {"url": "?"}]}, "cannot be read: ValidationError"),
        ({"$set": [[]]}, "cannot be read: TypeError"),
    ],
)
def test_a_damaged_value_is_told_in_a_sentence(plain, why):
    with pytest.raises(StoreError, match=why):
        from_plain(plain)


@pytest.mark.parametrize("data", ["", "[]", "{", '{"output":1,"more":2}', '{"error":3}', "[" * 100_000])
def test_a_damaged_event_is_told_in_a_sentence(data):
    with pytest.raises(StoreError, match="the log's step_completed of 'a' cannot be read"):
        decode("step_completed", "a", 1.0, data)


def test_an_event_of_a_newer_version_is_refused():
    with pytest.raises(StoreError, match="unknown kind 'step_dreamt'; it was written by a newer version"):
        decode("step_dreamt", "a", 1.0, "{}")


SAMPLES: list[Event] = [
    RunStarted("", 0.0, "r1", "survey", 1e9, {"a": 1}, {"a": "x"}, {"l": "m"}),
    RunResumed("", 1.0, 3, ["a", "b[1]"]),
    RunEnded("", 2.0, "completed", (1, {2})),
    RunEnded("", 2.0, "failed", None, ErrorRecord("ValueError", "no", "a", "Traceback")),
    StepStarted("a", 1.0, "in\udcff", 0.25, 'odd "kind"'),
    StepStarted("a", 1.0, 10**9000),
    StepStarted("a", 1.0, 5),
    StepCompleted("a", 1.0, {"a": [1, 2.5, None, True]}, "cache"),
    StepCompleted("a", 1.0, 10**601),
    StepCompleted("a", 1.0, 7),
    StepFailed("a", 1.0, ErrorRecord("ValueError", "no")),
    StepTimedOut("a", 1.0, 2.5, "branch"),
    StepCancelled("a", 1.0, "a sibling failed"),
    StepSkipped("a", 1.0, "the condition is false"),
    StepRetrying("a", 1.0, 2, ErrorRecord("ValueError", "no"), 0.2),
    StepAbandoned("a", 1.0, 5.0, "thread"),
    StepUndone("a", 1.0, ErrorRecord("ValueError", "no")),
    StepUndone("a", 1.0),
    Asked("a", 1.0, "q1", "May I?", ["yes", "no"], "because", {"x": [1]}),
    Answered("a", 1.0, "q1", "yes", Point(1, 2), "fine", "ada"),
    Progress("a", 1.0, 3, 10, "three"),
    Said("a", 1.0, "hello", "warning", {"k": 1}),
    ModelDelta("a", 1.0, "tool_call", '{"x"', 2, "search", "c1"),
    ModelUsed("a", 1.0, "openai:gpt", 10, 5, 4, 1, 2, 0.01),
    ModelUsed("a", 1.0, "own:model", estimated=True),
    AgentStarted("a", 1.0, "id", "coder", "lead", 2, "openai:gpt", "write", ["calculator"], ["files"]),
    HistoryShortened("a", 1.0, "summarised", 12, 8, 9000, 3000),
    PlanMade("a", 1.0, {"batches": [["a", "b"], ["c"]]}),
    TaskChanged("a", 1.0, "t1", "write", "pending", 2, "created"),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.kind)
def test_an_event_comes_back_as_it_was_said(event):
    made = decode(event.kind, event.path, event.at, encode(event))
    if isinstance(event, StepStarted) and isinstance(event.input, int) and event.input > 10**100:
        assert made.input == {"$repr": "<int of 29,898 bits>"}
    else:
        assert made == event
    assert type(made) is type(event)


def test_every_kind_of_event_has_a_sample_here():
    assert {event.kind for event in SAMPLES} == set(EVENTS)
