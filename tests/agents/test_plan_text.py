"""A plan's text: read piece by piece it gives the same operations as read at once, and each as early as can be."""

import json
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.agents.plan_text import PlannedCall, PlanReader, WrongPlan, call_of, resolve

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=4), st.data())
def test_a_plan_in_pieces_is_the_plan_as_a_whole(elements: list[dict[str, Any]], data: st.DataObject) -> None:
    indent = data.draw(st.sampled_from([None, 2]))
    text = json.dumps(
        {"thought": 'a "{[', "operations": elements}, ensure_ascii=data.draw(st.booleans()), indent=indent
    )
    sizes = cycle(data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=12)))
    reader, found, at = PlanReader(), list[Any](), 0
    while at < len(text):
        size = next(sizes)
        found += reader.feed(text[at : at + size])
        at += size
    assert found == elements


def test_an_operation_is_there_with_its_last_brace() -> None:
    reader = PlanReader()
    assert reader.feed('{"operations": [{"id": "a", "arguments": {"x": "}"}') == []
    assert reader.feed("}") == [{"id": "a", "arguments": {"x": "}"}}]


def test_lists_under_other_names_are_no_operations() -> None:
    assert PlanReader().feed('{"other": [{"id": "a"}], "x": {"operations": [{"id": "b"}]}} ]') == []


def test_an_element_that_is_no_json_is_told() -> None:
    reader = PlanReader()
    assert reader.feed('{"operations": [{"id": nonsense}]}') == []
    [problem] = reader.problems
    assert "is no JSON" in problem


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_what_stands_beside_a_broken_element_is_read_however_the_text_comes(size: int) -> None:
    text = '{"operations": [{"id": "a"}, {"id": nonsense}, {"id": "c"}]}'
    reader = PlanReader()
    found = [each for at in range(0, len(text), size) for each in reader.feed(text[at : at + size])]
    assert found == [{"id": "a"}, {"id": "c"}]
    assert len(reader.problems) == 1


def test_an_operation_knows_what_it_needs() -> None:
    call = call_of({"id": "c", "tool": "join", "arguments": {"x": ["${a}", {"y": "${b.z} and ${a.q[0]}"}], "n": 1}})
    assert call == PlannedCall(id="c", tool="join", arguments=call.arguments)
    assert call.references == ("a", "b")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("text", "is no operation: it: "),
        ({"id": "a", "tool": "t", "args": {}}, "args: "),
        ({"id": "a b", "tool": "t"}, "id: "),
        ({"tool": "t"}, "id: "),
        ({"id": "a"}, "tool: "),
        ({"id": "a", "tool": "t", "arguments": []}, "arguments: "),
        ({"id": "a", "tool": "t", "after": "b"}, "after: "),
    ],
)
def test_what_is_no_operation_is_refused_with_the_reason(written: Any, told: str) -> None:
    with pytest.raises(WrongPlan, match=told):
        call_of(written)


def test_references_become_values_and_inside_of_texts_their_text() -> None:
    data = {"a": {"list": [{"n": 3}], "b": "x"}, "t": "plain"}
    assert resolve("${a.list[0].n}", data) == 3
    assert resolve({"all": ["${a}", "n=${a.list[0]}; ${t}!"], "k": 1}, data) == {
        "all": [data["a"], 'n={"n": 3}; plain!'],
        "k": 1,
    }
    assert resolve("$${a} and ${t}", data) == "${a} and plain"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("${a.c}", r'there it is \{"list"'),
        ("${a.list[4]}", "does not have"),
        ("${t.x}", "it is plain"),
        ("${t[x]}", None),
    ],
)
def test_a_part_that_is_not_there_is_told_with_what_is(reference: str, told: str | None) -> None:
    data = {"a": {"list": []}, "t": "plain"}
    if told is None:
        assert resolve(reference, data) == reference
        return
    with pytest.raises(WrongPlan, match=told):
        resolve(reference, data)
