"""CalculatorTool computes: a whole expression, or one operation with its numbers; nothing is ever evaluated as code."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stretto.core.errors import listed
from stretto.core.policies import StepPolicy
from stretto.core.step import Context
from stretto.tools import arithmetic
from stretto.tools.arguments import Arguments, Line
from stretto.tools.arithmetic import BINARY, CONSTANTS, UNARY, Number, Undefined, checked
from stretto.tools.local import LocalTool
from stretto.tools.tool import Invocation, ToolFailed

LONGEST = 1_000
"""How many characters an expression may have."""
DEEPEST = 60
"""How deep its parentheses and calls may be nested."""
EXACT = 2**53
"""Whole numbers from here on are told as text: as JSON numbers, most readers would round them."""

_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: arithmetic.add, ast.Sub: arithmetic.subtract, ast.Mult: arithmetic.multiply, ast.Div: arithmetic.divide,
    ast.FloorDiv: arithmetic.floor_divide, ast.Mod: arithmetic.modulo, ast.Pow: arithmetic.power,
}  # fmt: skip
_KNOWN = f"functions {', '.join([*UNARY, *BINARY])}; constants {', '.join(CONSTANTS)}; operators + - * / // % ** ( )"


class Calculate(Arguments):
    """Describes a computation."""

    expression: Line | None = Field(
        None,
        min_length=1,
        max_length=LONGEST,
        description=f"For example sqrt(2) * (3 + 4) ** 2. {_KNOWN}. Angles are in radians.",
    )
    operation: str | None = Field(
        None, description="In place of an expression: the name of one function, with a (and b) as its numbers."
    )
    a: int | float | None = Field(None, description="The first number of the operation.")
    b: int | float | None = Field(None, description="The second one: divisor, exponent, base of log, degree of nroot.")

    @model_validator(mode="after")
    def _one_form(self) -> Calculate:
        if (self.expression is None) == (self.operation is None):
            raise PydanticCustomError("form", "give either an expression, or an operation with its numbers")
        if self.expression is not None and (self.a, self.b) != (None, None):
            raise PydanticCustomError("form", "a and b belong to an operation; write them into the expression")
        if self.operation is not None:
            self._check_numbers(self.operation)
        return self

    def _check_numbers(self, operation: str) -> None:
        if operation not in UNARY and operation not in BINARY:
            raise PydanticCustomError("operation", "{why}", {"why": _unknown("operation", operation)})
        if self.a is None or (self.b is None) is (operation in BINARY):
            needed = "a and b" if operation in BINARY else "a only"
            raise PydanticCustomError(
                "numbers", "{operation} takes {needed}", {"operation": operation, "needed": needed}
            )


class CalculatorTool(LocalTool):
    """Computes exactly with whole numbers, and says what is not defined; text, nesting and size are bounded."""

    name = "CalculatorTool"
    description = (
        "Computes: use it for every calculation that must be right. Give an expression, or one operation with its "
        "numbers. Whole numbers are exact."
    )
    models = (Calculate,)
    policy = StepPolicy(idempotent=True)

    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Computes."""
        shown = asked.expression or asked.operation
        try:
            if asked.expression is not None:
                value = checked(_value(_parsed(asked.expression), DEEPEST))
            else:
                value = _called(asked.operation, [checked(n) for n in (asked.a, asked.b) if n is not None])
        except Undefined as error:
            raise ToolFailed("DOMAIN_ERROR", f"{shown!r} has no value here: {error}") from error
        except (OverflowError, ValueError, ZeroDivisionError) as error:
            raise ToolFailed("DOMAIN_ERROR", f"{shown!r} leads out of what can be represented: {error}") from error
        large = isinstance(value, int) and abs(value) >= EXACT
        told = {"result": str(value) if large else value, "exact": isinstance(value, int)}
        return told | ({"note": "too long for a JSON number, so it is a text"} if large else {})


def _parsed(expression: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as of "1or 2", which is refused below anyway
            return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise ToolFailed("INVALID_INPUT", f"the expression cannot be read{place}: {error.msg}; {_KNOWN}") from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise ToolFailed(
            "INVALID_INPUT", "the expression is nested too deeply; compute its parts one by one"
        ) from error


def _value(node: ast.expr, room: int) -> Number:
    """Returns the value of a part; only what is listed here can be part of an expression."""
    if not room:
        raise ToolFailed(
            "INVALID_INPUT", f"the expression is nested more than {DEEPEST} levels deep; compute its parts"
        )
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return checked(number)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, room - 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, room - 1)
        case ast.BinOp():
            return _chained(node, room - 1)
        case ast.Call(func=ast.Name(id=name)) if name not in UNARY and name not in BINARY:
            raise ToolFailed("INVALID_INPUT", _unknown("function", name))
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]):
            return _called(name, [_value(part, room - 1) for part in parts])
        case ast.Name(id=name):
            raise ToolFailed("INVALID_INPUT", _unknown("name", name))
        case _:
            raise _no_arithmetic(node, node.col_offset)


def _chained(node: ast.expr, room: int) -> Number:
    """Returns the value of operators in a row: a long sum is no deep one."""
    row: list[ast.BinOp] = []
    while isinstance(node, ast.BinOp):
        row.append(node)
        node = node.left
    value = _value(node, room)
    for part in reversed(row):
        operator = _OPERATORS.get(type(part.op))
        if operator is None:
            raise _no_arithmetic(part.op, part.col_offset)
        value = checked(operator(value, _value(part.right, room)))
    return value


def _no_arithmetic(node: ast.AST, place: int) -> ToolFailed:
    what = type(node).__name__
    return ToolFailed("INVALID_INPUT", f"what begins at character {place + 1} ({what}) is no arithmetic; {_KNOWN}")


def _called(name: str, numbers: list[Number]) -> Number:
    if name in UNARY and len(numbers) == 1:
        return checked(UNARY[name](numbers[0]))
    if name in ("min", "max") and numbers:
        return min(numbers) if name == "min" else max(numbers)
    if name in BINARY and len(numbers) == 2:
        return checked(BINARY[name](numbers[0], numbers[1]))
    needed = "one number" if name in UNARY else "two numbers"
    raise ToolFailed("INVALID_INPUT", f"{name} takes {needed}, not {len(numbers)}")


def _unknown(what: str, name: str) -> str:
    near = get_close_matches(name, [*UNARY, *BINARY, *CONSTANTS], 2)
    hint = f"did you mean {listed(near)}?" if near else _KNOWN
    return f"there is no {what} {name[:64]!r}; {hint}"
