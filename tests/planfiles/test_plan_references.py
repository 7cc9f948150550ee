import dataclasses
import json
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from stretto.core.errors import ExecutionError, ValueMissing
from stretto.planfiles.command_line import split
from stretto.planfiles.reference import Misspelt, Reference, Scope, Template, fill, read_template


def followed(text: str, **data: Any) -> Any:
    return read_template(text).value(Scope("op", data))


@dataclasses.dataclass
class Row:
    name: str


class Model(BaseModel):
    size: int


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${a}", {"b": [1, {"c d": "x"}]}),
        ("${ a.b }", [1, {"c d": "x"}]),
        ("${a.b[0]}", 1),
        ("${a.b[-1]['c d']}", "x"),
        ('${a["b"][1]["c d"]}', "x"),
        ("${a.b[0]} of ${a.b}", '1 of [1, {"c d": "x"}]'),
        ("$${a}", "${a}"),
        ("$$${a.b[0]}", "$${a.b[0]}"),
        ("a $ b $$ {c}", "a $ b $$ {c}"),
        ("", ""),
    ],
)
def test_a_reference_alone_keeps_its_type_and_one_in_a_text_becomes_text(text: str, value: Any):
    assert followed(text, a={"b": [1, {"c d": "x"}]}) == value


def test_fields_of_dataclasses_and_models_can_be_referred_to():
    assert followed("${a.name}${b.size}", a=Row("x"), b=Model(size=3)) == "x3"


def test_values_in_a_text_are_json():
    scope = Scope(
        "op",
        {
            "a": [
                True,
                None,
                1.5,
                "é",
                Row("x"),
                Model(size=1),
                {2},
                Path("p"),
                date(2024, 1, 2),
                MappingProxyType({"k": 1}),
            ]
        },
    )
    assert (
        read_template("<${a}>").text(scope)
        == '<[true, null, 1.5, "é", {"name": "x"}, {"size": 1}, [2], "p", "2024-01-02", {"k": 1}]>'
    )


def test_a_value_without_a_text_form_names_operation_and_reference():
    for value in (object(), b"x", float("nan")):
        with pytest.raises(ExecutionError, match=r"operation 'op': the value of \$\{a\} cannot be written"):
            followed("x ${a}", a=value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${a.rowz}", "'a' has no 'rowz'|a has no 'rowz'; it holds rows; did you mean 'rows'?"),
        ("${a.rows[9]}", r"a.rows is a list of 2, which has no place 9"),
        ("${a.rows.name}", r"a.rows is a list of 2; take one of its items first"),
        ("${b.x}", "b is a text, .*parse: json"),
        ("${c.x}", "c is null, which has no 'x'"),
        ("${d.x}", "d is an empty mapping"),
        ("${e.x}", "'e' was not produced"),
    ],
)
def test_a_path_that_is_not_there_says_what_is(text: str, told: str):
    with pytest.raises(ValueMissing, match=told) as caught:
        followed(text, a={"rows": [1, 2]}, b="text", c=None, d={})
    assert caught.value.operation == "op"
    assert caught.value.reference == text


def test_an_optional_datum_that_is_not_there_is_null():
    scope = Scope("op", {}, frozenset({"a"}))
    assert read_template("${a}").value(scope) is None
    with pytest.raises(ValueMissing, match="'a' was not produced"):
        read_template("${a.b}").value(scope)


@pytest.mark.parametrize(
    ("text", "offset"),
    [("${", 0), ("x ${a", 2), ("${}", 2), ("${1}", 2), ("${a b}", 4), ("${a..b}", 3), ("${a[x]}", 3), ("${a + 1}", 4)],
)
def test_a_misspelt_reference_is_refused_where_it_goes_wrong(text: str, offset: int):
    with pytest.raises(Misspelt) as caught:
        read_template(text)
    assert caught.value.offset == offset


keys = st.one_of(st.integers(-9, 9), st.text(max_size=8))


@given(st.from_regex(r"[a-zé_][\w-]{0,8}", fullmatch=True), st.lists(keys, max_size=4).map(tuple))
def test_a_reference_that_is_written_is_read_again(name: str, path: tuple[Any, ...]):
    reference = Reference(name, path)
    assert read_template(str(reference)) == Template((reference,))


@given(st.text())
def test_any_text_is_read_or_refused_inside_itself(text: str):
    try:
        made = read_template(text)
    except Misspelt as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017  # either ending is right
    else:
        assert "${" not in text or made.parts


@given(st.text())
def test_an_escaped_text_is_itself(text: str):
    assert read_template(text.replace("${", "$${")).value(Scope("op", {})) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_a_whole_reference_is_the_value_and_a_part_is_its_json(value: Any):
    scope = Scope("op", {"a": value})
    assert fill(Template((Reference("a"),)), scope) is value
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    assert read_template("<${a}>").text(scope) == f"<{shown}>"


@given(st.text(), st.text())
def test_no_value_is_ever_split_into_words(first: str, second: str):
    words = split(read_template("echo '${a} x' --name=${b} ${a}"))
    scope = Scope("op", {"a": first, "b": second})
    assert [word.text(scope) for word in words] == ["echo", f"{first} x", f"--name={second}", first]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("'a", "quotation"),
        ("a | b", "shell"),
        ("a > b", "shell"),
        ("a \0 b", "zero"),
        ("a &&  b", "shell"),
    ],
)
def test_a_command_line_that_needs_a_shell_is_refused(text: str, told: str):
    with pytest.raises(Misspelt, match=told):
        split(read_template(text))
