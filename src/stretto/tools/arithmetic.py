"""The functions and constants of the calculator: exact for whole numbers, and explicit about what is not defined."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

Number: TypeAlias = int | float

MOST_BITS = 4_096
"""How long a whole number may become (about 1,233 digits)."""
CONSTANTS: dict[str, float] = {
    "pi": math.pi, "e": math.e, "tau": math.tau, "sqrt2": math.sqrt(2), "sqrt1_2": math.sqrt(0.5),
    "ln2": math.log(2), "ln10": math.log(10),
}  # fmt: skip
POLE = 1e-10
"""How near to an odd multiple of π/2 the tangent counts as undefined, by its cosine."""


class Undefined(Exception):
    """Something that has no value, in words."""


def checked(value: object) -> Number:
    """Returns a value that is a finite number of bearable length; raises ``Undefined``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Undefined("the result is no real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise Undefined("the result is not finite")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise Undefined(f"the result is longer than {MOST_BITS} bits (about 1,233 digits)")
    return value


def _defined(condition: bool, why: str) -> None:
    if not condition:
        raise Undefined(why)


def _root(x: Number) -> Number:
    _defined(x >= 0, "sqrt is defined from 0 on")
    if isinstance(x, int) and (whole := math.isqrt(x)) ** 2 == x:
        return whole
    return math.sqrt(x)


def _log(x: Number) -> float:
    _defined(x > 0, "a logarithm is defined above 0")
    return math.log(x)


def _log10(x: Number) -> float:
    _defined(x > 0, "a logarithm is defined above 0")
    return math.log10(x)


def _tan(x: Number) -> float:
    _defined(abs(math.cos(x)) >= POLE, "tan is not defined at odd multiples of pi/2")
    return math.tan(x)


def _arc(function: Callable[[float], float], name: str) -> Callable[[Number], float]:
    def arc(x: Number) -> float:
        _defined(-1 <= x <= 1, f"{name} is defined from -1 to 1")
        return function(x)

    return arc


def _sign(x: Number) -> int:
    return (x > 0) - (x < 0)


def _round(x: Number) -> int:
    """Rounds halves away from zero, as one learns it at school."""
    if isinstance(x, int):
        return x
    whole = math.floor(abs(x))
    return (whole + (abs(x) - whole >= 0.5)) * _sign(x)


UNARY: dict[str, Callable[[Number], Number]] = {
    "sin": math.sin, "cos": math.cos, "tan": _tan, "asin": _arc(math.asin, "asin"), "acos": _arc(math.acos, "acos"),
    "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "sqrt": _root, "cbrt": math.cbrt,
    "exp": math.exp, "exp2": math.exp2, "ln": _log, "log10": _log10, "abs": abs, "sign": _sign, "floor": math.floor,
    "ceil": math.ceil, "round": _round, "trunc": math.trunc, "degrees": math.degrees, "radians": math.radians,
}  # fmt: skip
"""The functions of one number; angles are in radians."""


def add(a: Number, b: Number) -> Number:
    """Adds."""
    return a + b


def subtract(a: Number, b: Number) -> Number:
    """Subtracts."""
    return a - b


def multiply(a: Number, b: Number) -> Number:
    """Multiplies; two numbers of at most ``MOST_BITS`` take no time."""
    return a * b


def divide(a: Number, b: Number) -> Number:
    """Divides; a quotient of whole numbers that is whole stays exact."""
    _defined(b != 0, "nothing can be divided by 0")
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def floor_divide(a: Number, b: Number) -> Number:
    """Divides and rounds down."""
    _defined(b != 0, "nothing can be divided by 0")
    return a // b


def modulo(a: Number, b: Number) -> Number:
    """Returns the rest of a division, with the sign of the divisor."""
    _defined(b != 0, "nothing can be divided by 0")
    return a % b


def power(a: Number, b: Number) -> Number:
    """Raises to a power; what would be too long is refused before it is computed."""
    _defined(a != 0 or b >= 0, "0 has no negative power")
    if isinstance(a, int) and isinstance(b, int) and b >= 0:
        _defined(abs(a) < 2 or abs(a).bit_length() * b <= 2 * MOST_BITS, "the power is far too large")
        raised: int = a**b
        return raised
    _defined(a >= 0 or b == math.floor(b), "a negative number has only whole powers")
    return math.pow(a, b)


def logarithm(a: Number, b: Number) -> float:
    """Returns the logarithm of ``a`` to the base ``b``."""
    _defined(a > 0, "a logarithm is defined above 0")
    _defined(b > 0 and b != 1, "the base of a logarithm lies above 0 and is not 1")
    if b == 2:
        return math.log2(a)
    return math.log10(a) if b == 10 else math.log(a) / math.log(b)


def root(a: Number, n: Number) -> Number:
    """Returns the ``n``-th root of ``a``; a negative number has only odd roots."""
    _defined(n != 0, "there is no root of degree 0")
    odd = n == math.floor(n) and int(n) % 2 == 1
    _defined(a >= 0 or odd, "a negative number has only roots of an odd degree")
    _defined(a != 0 or n > 0, "0 has no root of a negative degree")
    found = math.copysign(math.pow(abs(a), 1 / n), a)
    near = round(found)
    if isinstance(a, int) and isinstance(n, int) and 0 < n <= 64 and abs(near) < 2**53 and near**n == a:
        return near
    return found


BINARY: dict[str, Callable[[Number, Number], Number]] = {
    "add": add, "subtract": subtract, "multiply": multiply, "divide": divide, "modulo": modulo, "pow": power,
    "log": logarithm, "min": min, "max": max, "atan2": math.atan2, "nroot": root,
}  # fmt: skip
"""The functions of two numbers."""
