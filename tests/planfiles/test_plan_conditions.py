# ruff: noqa: E501  # tables are read by their rows

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.errors import ExecutionError, ValueMissing
from stretto.planfiles.expression import When, read_expression
from stretto.planfiles.reference import Misspelt

DATA: dict[str, Any] = {"a": {"n": 3, "s": "text", "t": True, "l": [1, "x"], "z": None}, "b": 2}


def holds(text: str, data: dict[str, Any] = DATA) -> bool:
    return When("op", text, read_expression(text))(data)


@pytest.mark.parametrize(
    "text",
    [
        "true", "not false", "${a.t}", "${a.n} > 2", "${a.n} >= 3", "${b} < ${a.n}", "2 <= ${b}", "${a.s} == 'text'",
        '${a.s} == "text"', r"'it\'s' == 'it\'s'", "${a.n} != 4", "${a.n} == 3.0", "${a.z} == null", "${a.t} == true",
        "${a.t} != 1", "${a.n} != '3'", "exists ${a.n}", "exists ${a.z}", "not exists ${a.x}", "not exists ${c}",
        "exists(${a.l[1]})", "length ${a.l} == 2", "length(${a.s}) == 4", "length ${a} == 5", "1 in ${a.l}",
        "'x' in ${a.l}", "true not in ${a.l}", "'ex' in ${a.s}", "'n' in ${a}", "${b} in [1, 2]", "[] == []",
        "false or true", "true or ${a.x} > 1", "not (false and ${a.x} > 1)", "false and false or true",
        "not true or true", "not ${b} == 3", "(${b}) == (2)", "-1.5e1 < -.5", "'a' < 'b'", "[1] == [1]",
    ],
)  # fmt: skip
def test_what_holds(text: str):
    assert holds(text) is True
    assert holds(f"not ({text})") is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${a.n}", "a condition is true or false, and here stands 3"),
        ("${a.l} and true", "here stands a list"),
        ("${a.n} > 'x'", '3 > "x" has no answer'),
        ("${a.t} > 0", "true > 0 has no answer"),
        ("${a.z} < 1", "null < 1"),
        ("1 in ${b}", "'in' asks for"),
        ("1 in ${a.s}", "cannot be part of a text"),
        ("length ${b} > 1", "which has no length"),
        ("${a} > 1", "a mapping > 1"),
    ],
)
def test_what_cannot_be_decided_is_an_error_and_never_false(text: str, told: str):
    with pytest.raises(ExecutionError, match="operation 'op': its condition cannot be decided") as caught:
        holds(text)
    assert told in str(caught.value)
    assert caught.value.__notes__ == [f"in when: {text}"]


def test_a_path_that_is_not_there_is_an_error_unless_exists_asks():
    with pytest.raises(ValueMissing, match="a has no 'x'"):
        holds("${a.x} == 1")


@pytest.mark.parametrize(
    ("text", "offset", "told"),
    [
        ("", 0, "empty"), ("3", 0, "a value"), ("'x'", 0, "a value"), ("${a} = 3", 5, "=="), ("${a} && ${b}", 5, "'and'"),
        ("!${a}", 0, "'not'"), ("1 < ${a} < 3", 9, "chained"), ("a > 1", 0, "${a}"), ("exist ${a}", 0, "'exists'"),
        ("exists 3", 7, "asks about a reference"), ("${a} >", 6, "ends"), ("(${a} > 1", 0, "not closed"),
        ("${a} > 1)", 8, "may not stand"), ("${a} 3", 5, "may not stand"), ("not 3", 4, "a value"), ("'x", 0, "does not end"),
        ("${a", 0, "close it"), ("true and", 8, "ends"), ("and true", 0, "missing"), ("${a} in [1, 2", 8, "not closed"),
        ("length ${a}", 0, "a value"), ("true and 3", 9, "a value"), ("__import__('os')", 0, "unknown"), ("${a} is 1", 5, "may not"),
        ("1 + 1 == 2", 2, "no meaning"), ("exists (${a}", 7, "not closed"), ("${a} in [1 2]", 11, "may not"),
        ("(" * 50, 40, "deeper"), ("not " * 50, 160, "deeper"),
    ],
)  # fmt: skip
def test_unknown_syntax_is_refused_where_it_stands(text: str, offset: int, told: str):
    with pytest.raises(Misspelt) as caught:
        read_expression(text)
    assert told in caught.value.message
    assert caught.value.offset == offset


@given(st.text(alphabet="${}ab.[]0\"'<>=!()&| andorintxsl-,1", max_size=40) | st.text())
def test_any_text_is_a_condition_or_refused_inside_itself(text: str):
    try:
        read_expression(text)
    except Misspelt as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017  # either ending is right


@given(st.text())
def test_a_quoted_text_is_itself(value: str):
    quoted = json.dumps(value, ensure_ascii=False) if "\\" not in json.dumps(value, ensure_ascii=False) else None
    if quoted is not None:
        assert holds(f"${{v}} == {quoted}", {"v": value})


numbers = st.integers(-5, 5)


@given(numbers, numbers, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from(["and", "or"]))
def test_conditions_agree_with_arithmetic(a: int, b: int, c: int, sign: str, word: str):
    text = f"${{a}} {sign} ${{b}} {word} not ${{b}} {sign} ${{c}}"
    truth = eval(f"a {sign} b {word} not b {sign} c", {"a": a, "b": b, "c": c})
    assert holds(text, {"a": a, "b": b, "c": c}) is truth
