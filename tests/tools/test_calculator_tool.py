"""CalculatorTool: every function, exact whole numbers, explicit errors, and nothing that takes long or runs code."""

from __future__ import annotations

import json
import math
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto import run_sync
from stretto.tools import CalculatorTool, ToolFailed, Touches, WrongArguments
from stretto.tools.arithmetic import BINARY, CONSTANTS, UNARY

TOOL = CalculatorTool()


def result(expression: str) -> Any:
    return run_sync(TOOL, {"expression": expression})["result"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4),
        ("+3", 3),
        ("7 // 2", 3),
        ("7 % -3", -2),
        ("6 / 3", 2),
        ("10 ** 15 / 10", 10**14),
        ("1 / 4", 0.25),
        ("2 ** -1", 0.5),
        ("0.1 + 0.2", 0.1 + 0.2),
        (" 1+1\n", 2),
        ("sin(0)", 0.0),
        ("cos(0)", 1.0),
        ("tan(0)", 0.0),
        ("asin(1)", math.pi / 2),
        ("acos(1)", 0.0),
        ("atan(1)", math.pi / 4),
        ("sinh(0)", 0.0),
        ("cosh(0)", 1.0),
        ("tanh(0)", 0.0),
        ("sqrt(16)", 4),
        ("sqrt(2)", math.sqrt(2)),
        ("cbrt(-27)", -3.0),
        ("exp(0)", 1.0),
        ("exp2(3)", 8.0),
        ("ln(e)", 1.0),
        ("log10(1000)", 3.0),
        ("abs(-3)", 3),
        ("sign(-2.5)", -1),
        ("sign(0)", 0),
        ("floor(-1.5)", -2),
        ("ceil(1.2)", 2),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(7)", 7),
        ("trunc(-1.9)", -1),
        ("degrees(pi)", 180.0),
        ("radians(180)", math.pi),
        ("add(1, 2)", 3),
        ("subtract(1, 2)", -1),
        ("multiply(3, 4)", 12),
        ("divide(9, 3)", 3),
        ("modulo(9, 4)", 1),
        ("pow(2, 10)", 1024),
        ("pow(-8, 3)", -512),
        ("pow(4, 0.5)", 2.0),
        ("log(8, 2)", 3.0),
        ("log(1000, 10)", 3.0),
        ("log(9, 3)", math.log(9) / math.log(3)),
        ("min(3, 1, 2)", 1),
        ("max(3, 1)", 3),
        ("atan2(1, 1)", math.pi / 4),
        ("nroot(27, 3)", 3),
        ("nroot(-27, 3)", -3),
        ("nroot(2, 2)", math.sqrt(2)),
        ("nroot(8.0, -3)", 0.5),
        ("tau - 2 * pi", 0.0),
        ("sqrt2 * sqrt1_2", math.sqrt(2) * math.sqrt(0.5)),
        ("ln2 + ln10", math.log(2) + math.log(10)),
    ],
)
def test_expressions_have_the_values_that_mathematics_gives_them(expression, value):
    found = result(expression)
    assert found == pytest.approx(value)
    assert type(found) is type(value)


def test_there_are_23_functions_of_one_number_and_11_of_two():
    assert len(UNARY) == 23
    assert len(BINARY) == 11
    assert {"pi", "e", "tau", "sqrt2", "sqrt1_2", "ln2", "ln10"} == set(CONSTANTS)
    described = TOOL.parameters["properties"]["expression"]["description"]
    assert all(name in described for name in (*UNARY, *BINARY, *CONSTANTS))


@pytest.mark.parametrize(
    ("operation", "a", "b", "value"), [("sqrt", 9, None, 3), ("pow", 2, 8, 256), ("add", 1.5, 2, 3.5)]
)
def test_one_operation_with_its_numbers_is_computed_too(operation, a, b, value):
    arguments = {"operation": operation, "a": a} | ({} if b is None else {"b": b})
    assert run_sync(TOOL, TOOL.check(arguments))["result"] == value


def test_a_long_sum_is_no_deep_one():
    assert result("1+" * 499 + "1") == 500
    assert result("1000" + "-1" * 400) == 600


def test_long_whole_numbers_are_exact_and_told_as_text():
    told = run_sync(TOOL, {"expression": "2 ** 100 + 1"})
    assert told["result"] == str(2**100 + 1)
    assert told["exact"] is True
    assert "text" in told["note"]
    assert result("2 ** 53 - 1") == 2**53 - 1
    assert result("2 ** 53") == str(2**53)
    assert run_sync(TOOL, {"expression": "1.0"})["exact"] is False


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 / 0", "nothing can be divided by 0"),
        ("1 // 0", "nothing can be divided by 0"),
        ("1 % 0", "nothing can be divided by 0"),
        ("sqrt(-1)", "sqrt is defined from 0 on"),
        ("ln(0)", "a logarithm is defined above 0"),
        ("log10(-1)", "a logarithm is defined above 0"),
        ("log(2, 1)", "the base of a logarithm"),
        ("log(-2, 2)", "a logarithm is defined above 0"),
        ("asin(1.1)", "asin is defined from -1 to 1"),
        ("acos(-2)", "acos is defined from -1 to 1"),
        ("tan(pi / 2)", "tan is not defined"),
        ("tan(3 * pi / 2)", "tan is not defined"),
        ("0 ** -1", "0 has no negative power"),
        ("(-8) ** 0.5", "a negative number has only whole powers"),
        ("nroot(4, 0)", "no root of degree 0"),
        ("nroot(-4, 2)", "roots of an odd degree"),
        ("nroot(0, -1)", "negative degree"),
        ("1e308 * 10", "not finite"),
        ("1e999", "not finite"),
        ("exp(1000)", "what can be represented"),
        ("sin(10 ** 400)", "what can be represented"),
        ("cosh(1e9)", "what can be represented"),
        ("10 ** 400 + 0.5", "what can be represented"),
    ],
)
def test_what_is_not_defined_is_said(expression, why):
    with pytest.raises(ToolFailed, match=why) as caught:
        result(expression)
    assert caught.value.code == "DOMAIN_ERROR"
    assert repr(expression) in str(caught.value)


@pytest.mark.parametrize(
    "bomb",
    [
        "9**9**9",
        "10**10**10",
        "9**9**9**9",
        "(10**1000)**2",
        "2**99999999999999999999",
        "pow(9, pow(9, 9))",
        "9" * 450 + "*" + "9" * 450 + "*" + "9" * 95 + "**9",
        "+".join(["2**4095"] * 100),
        "(" * 400 + "1" + ")" * 400,
        "-" * 999 + "1",
        "abs(" * 150 + "1" + ")" * 150,
        "2**" * 300 + "2",
        "factorial(10**9)",
        "1 << 10**9",
    ],
)
def test_bombs_are_refused_at_once(bomb):
    began = time.perf_counter()
    with pytest.raises((ToolFailed, WrongArguments)):
        result(bomb)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("__import__('os')", "there is no function '__import__'"),
        ("().__class__", "is no arithmetic"),
        ("'a' * 3", "is no arithmetic"),
        ("True + 1", "is no arithmetic"),
        ("1j", "is no arithmetic"),
        ("[1, 2]", "is no arithmetic"),
        ("lambda: 1", "is no arithmetic"),
        ("1 if 2 else 3", "is no arithmetic"),
        ("1 < 2", "is no arithmetic"),
        ("2 ^ 3", "is no arithmetic"),
        ("(x := 3)", "is no arithmetic"),
        ("sin(x=1)", "is no arithmetic"),
        ("~1", "is no arithmetic"),
        ("pi(2)", "there is no function 'pi'"),
        ("sine(1)", r"there is no function 'sine'; did you mean 'sin'"),
        ("x + 1", "there is no name 'x'"),
        ("nan", "there is no name 'nan'"),
        ("sin()", "sin takes one number, not 0"),
        ("atan2(1)", "atan2 takes two numbers, not 1"),
        ("min()", "min takes two numbers"),
        ("1 +", "cannot be read"),
        ("1; 2", "cannot be read at character"),
        ("1or 2", "is no arithmetic"),
        ("  ", "cannot be read"),
    ],
)
def test_what_is_no_arithmetic_is_refused_with_a_hint(expression, why):
    with pytest.raises(ToolFailed, match=why) as caught:
        result(expression)
    assert caught.value.code == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "either an expression, or an operation"),
        ({"expression": "1", "operation": "sin", "a": 1}, "either an expression, or an operation"),
        ({"expression": "1", "a": 1}, "a and b belong to an operation"),
        ({"operation": "sin"}, "sin takes a only"),
        ({"operation": "sin", "a": 1, "b": 2}, "sin takes a only"),
        ({"operation": "pow", "a": 1}, "pow takes a and b"),
        ({"operation": "powr", "a": 1, "b": 2}, "there is no operation 'powr'; did you mean 'pow'"),
        ({"operation": "add", "a": "x", "b": 2}, "a"),
        ({"expression": "1" * 1001}, "expression"),
        ({"expression": ""}, "expression"),
        ({"expression": "1\x00"}, "NUL"),
    ],
)
def test_arguments_of_neither_form_are_refused(arguments, why):
    with pytest.raises(WrongArguments, match=why):
        TOOL.check(arguments)


@pytest.mark.parametrize("number", [math.inf, math.nan])
def test_numbers_that_are_none_are_refused(number):
    with pytest.raises((WrongArguments, ToolFailed)):
        run_sync(TOOL, {"operation": "sin", "a": number})


def test_a_computation_touches_nothing():
    assert TOOL.touches({"expression": "1"}) == Touches()


@given(
    st.recursive(
        st.integers(-1000, 1000).map(lambda n: f"({n})"),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({''.join(parts)})"),
        max_leaves=12,
    )
)
def test_whole_numbers_are_as_python_computes_them(expression):
    value = eval(expression)  # of digits and signs only
    assert int(result(expression)) == value


@given(st.text("0123456789.+-*/%() sincoqrtlgepa,", max_size=60))
def test_any_text_gives_a_number_or_a_failure(text):
    try:
        told = run_sync(TOOL, {"expression": text or "1"})
    except (ToolFailed, WrongArguments):
        return
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_quotients_are_exact_when_they_are_whole(a, b):
    quotient = Fraction(a, b)
    found = result(f"({a}) / {b}")
    assert int(found) == quotient if quotient.denominator == 1 else float(found) == pytest.approx(float(quotient))
