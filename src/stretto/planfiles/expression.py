"""The language of ``when``: comparisons of references and literals, read when a file is loaded, and never guessed at.

    condition  = both { "or" both }
    both       = one { "and" one }
    one        = "not" one | operand [ sign operand ]
    sign       = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in"
    operand    = "(" condition ")" | "exists" reference | "length" reference | reference
               | number | text in quotes | "true" | "false" | "null" | "[" [ operand { "," operand } ] "]"

A condition is true or false: a number or a text alone is an error, also when it comes from a reference. Values of
different types are never equal, and have no order.
"""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from stretto.core.errors import ExecutionError
from stretto.planfiles.kinds import is_mapping, is_row
from stretto.planfiles.reference import Misspelt, Reference, Scope, as_json, read_reference
from stretto.planfiles.source import meant

DEEPEST = 40
"""How deep parentheses and ``not`` may be nested."""
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?P<word>[^\W\d]\w*)|(?P<reference>\$\{)
    |(?P<sign>==|!=|<=|>=|<|>|[()\[\],])|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<wrong>\S))""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = ("and", "or", "not", "in", "exists", "length", "true", "false", "null")
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_INSTEAD = {"=": "==", "&": "and", "|": "or", "!": "not"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Expression(ABC):
    """Something with a value; ``truth`` says whether that is true or false whatever the data are."""

    truth: ClassVar[bool] = True

    @abstractmethod
    def value(self, scope: Scope) -> Any:
        """Returns the value; raises ``ExecutionError`` where there is none."""

    @abstractmethod
    def references(self) -> list[tuple[Reference, bool]]:
        """Returns the references, and whether each must be there."""


@dataclass(frozen=True)
class Literal(Expression):
    """A value that stands in the file."""

    truth: ClassVar[bool] = False
    held: str | float | bool | None

    def value(self, scope: Scope) -> Any:
        return self.held

    def references(self) -> list[tuple[Reference, bool]]:
        return []


@dataclass(frozen=True)
class Row(Expression):
    """A list of values."""

    truth: ClassVar[bool] = False
    inner: tuple[Expression, ...]

    def value(self, scope: Scope) -> Any:
        return [one.value(scope) for one in self.inner]

    def references(self) -> list[tuple[Reference, bool]]:
        return [found for one in self.inner for found in one.references()]


@dataclass(frozen=True)
class Looked(Expression):
    """What a reference points at."""

    reference: Reference

    def value(self, scope: Scope) -> Any:
        return scope.look(self.reference)

    def references(self) -> list[tuple[Reference, bool]]:
        return [(self.reference, True)]


@dataclass(frozen=True)
class Exists(Expression):
    """Whether there is something to point at, be it null."""

    reference: Reference

    def value(self, scope: Scope) -> Any:
        return self.reference.name in scope.data and not scope.follow(self.reference)[1]

    def references(self) -> list[tuple[Reference, bool]]:
        return [(self.reference, False)]


@dataclass(frozen=True)
class Length(Expression):
    """How many items, keys or characters a value has."""

    truth: ClassVar[bool] = False
    reference: Reference

    def value(self, scope: Scope) -> Any:
        held = scope.look(self.reference)
        if not is_mapping(held) and not is_row(held) and not isinstance(held, str):
            raise _undecided(scope, f"{self.reference} is {_kind(held)}, which has no length")
        return len(held)

    def references(self) -> list[tuple[Reference, bool]]:
        return [(self.reference, True)]


@dataclass(frozen=True)
class Compared(Expression):
    """Two values, and what is asked about them."""

    left: Expression
    sign: str
    right: Expression

    def value(self, scope: Scope) -> Any:
        left, right = self.left.value(scope), self.right.value(scope)
        if self.sign in ("==", "!="):
            return _equal(left, right) is (self.sign == "==")
        if self.sign in ("in", "not in"):
            return _inside(left, right, scope) is (self.sign == "in")
        if not (_number(left) and _number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            told = f"{_kind(left)} {self.sign} {_kind(right)} has no answer; two numbers or two texts have an order"
            raise _undecided(scope, told)
        return _ORDER[self.sign](left, right)

    def references(self) -> list[tuple[Reference, bool]]:
        return self.left.references() + self.right.references()


@dataclass(frozen=True)
class Not(Expression):
    """The contrary."""

    inner: Expression

    def value(self, scope: Scope) -> Any:
        return not _truth(self.inner, scope)

    def references(self) -> list[tuple[Reference, bool]]:
        return self.inner.references()


@dataclass(frozen=True)
class Joined(Expression):
    """Several conditions with ``and`` or ``or`` between; stops at the first that decides."""

    word: str
    inner: tuple[Expression, ...]

    def value(self, scope: Scope) -> Any:
        asked = (_truth(one, scope) for one in self.inner)
        return all(asked) if self.word == "and" else any(asked)

    def references(self) -> list[tuple[Reference, bool]]:
        return [found for one in self.inner for found in one.references()]


@dataclass(frozen=True)
class When:
    """A condition of an operation: asked with the operation's data."""

    operation: str
    text: str = field(compare=False)
    expression: Expression

    def __call__(self, data: Mapping[str, Any]) -> bool:
        """Says whether it holds; raises ``ExecutionError`` when that cannot be said."""
        try:
            return _truth(self.expression, Scope(self.operation, data))
        except ExecutionError as error:
            error.add_note(f"in when: {self.text}")
            raise


def _truth(expression: Expression, scope: Scope) -> bool:
    value = expression.value(scope)
    if not isinstance(value, bool):
        raise _undecided(
            scope, f"a condition is true or false, and here stands {_kind(value)}; compare it with something"
        )
    return value


def _undecided(scope: Scope, told: str) -> ExecutionError:
    return ExecutionError(f"operation {scope.operation!r}: its condition cannot be decided: {told}")


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        shown = as_json(value, "a value") if value == value else "not a number"
        return shown if len(shown) < 40 else shown[:40] + "…"
    return (
        "a list"
        if isinstance(value, Sequence)
        else "a mapping"
        if isinstance(value, Mapping)
        else f"a {type(value).__name__}"
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def _inside(left: Any, right: Any, scope: Scope) -> bool:
    if isinstance(right, str):
        if not isinstance(left, str):
            raise _undecided(scope, f"{_kind(left)} cannot be part of a text")
        return left in right
    if isinstance(right, Mapping):
        return isinstance(left, str | int) and left in right
    if not is_row(right):
        raise _undecided(scope, f"'in' asks for a list, a mapping or a text, not {_kind(right)}")
    return any(_equal(left, one) for one in right)


def read_expression(text: str) -> Expression:
    """Reads a condition; raises ``Misspelt`` at the first sign that has no meaning here."""
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    reference: Reference | None = None


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while match := _TOKEN.match(text, at):
        kind = str(match.lastgroup)
        begin, at = match.start(kind), match.end()
        if kind == "wrong":
            sign = match.group(kind)
            hint = f"; write {_INSTEAD[sign]!r}" if sign in _INSTEAD else ""
            told = "this text does not end" if sign in "\"'" else f"{sign!r} has no meaning in a condition{hint}"
            raise Misspelt(begin, told)
        if kind == "reference":
            reference, at = read_reference(text, begin)
            found.append(_Token(kind, str(reference), begin, reference))
        else:
            found.append(_Token(kind, match.group(kind), begin))
    return [*found, _Token("end", "the end", len(text))]


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens, self._place, self._depth = _tokens(text), 0, 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> _Token | None:
        token = self._next
        if token.kind not in ("word", "sign") or token.text not in texts:
            return None
        self._place += 1
        return token

    def whole(self) -> Expression:
        """Reads all of it as one condition."""
        if self._next.kind == "end":
            raise Misspelt(0, "the condition is empty; leave 'when' out, or say what must hold")
        made = self._condition()
        if (rest := self._next).kind != "end":
            raise Misspelt(rest.at, self._surprise(rest))
        return made

    def _surprise(self, token: _Token) -> str:
        if token.text in _ORDER or token.text in ("==", "!="):
            return "comparisons cannot be chained; join two with 'and'"
        near = meant(token.text, _WORDS) if token.kind == "word" and token.text not in _WORDS else ""
        return f"{token.text!r} may not stand here" + (
            near if near.startswith("; did") else "; join conditions with 'and' or 'or'"
        )

    def _condition(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Misspelt(self._next.at, f"the condition is nested deeper than {DEEPEST} levels")
        made = self._row("or", lambda: self._row("and", self._one))
        self._depth -= 1
        return made

    def _row(self, word: str, read: Callable[[], Expression]) -> Expression:
        begin = self._next.at
        row = [self._judged(read(), begin, word)]
        while self._take(word):
            begin = self._next.at
            row.append(self._judged(read(), begin, word))
        return row[0] if len(row) == 1 else Joined(word, tuple(row))

    def _judged(self, made: Expression, begin: int, word: str) -> Expression:
        """Refuses what stands alone as a condition, and can never be true or false."""
        joined = self._next.text == word or (self._depth == 1 and self._next.kind == "end")
        if joined and not made.truth and not (isinstance(made, Literal) and isinstance(made.held, bool)):
            raise Misspelt(begin, "this is a value, not a condition; compare it: == != < <= > >= in")
        return made

    def _one(self) -> Expression:
        if self._take("not"):
            self._depth += 1
            if self._depth > DEEPEST:
                raise Misspelt(self._next.at, f"the condition is nested deeper than {DEEPEST} levels")
            begin = self._next.at
            inner = self._one()
            self._depth -= 1
            if not inner.truth and not (isinstance(inner, Literal) and isinstance(inner.held, bool)):
                raise Misspelt(begin, "'not' asks for a condition, and this is a value; compare it first")
            return Not(inner)
        left = self._operand()
        sign = self._sign()
        return left if sign is None else Compared(left, sign, self._operand())

    def _sign(self) -> str | None:
        if found := self._take("==", "!=", *_ORDER, "in"):
            return found.text
        if self._next.text == "not" and self._tokens[self._place + 1].text == "in":
            self._place += 2
            return "not in"
        return None

    def _operand(self) -> Expression:
        token = self._next
        if self._take("("):
            made = self._condition()
            self._close(token, ")")
            return made
        if self._take("["):
            return self._list(token)
        self._place += 1
        if token.reference is not None:
            return Looked(token.reference)
        if token.text in ("exists", "length") and token.kind == "word":
            return self._about(token)
        if token.kind == "number":
            return Literal(int(token.text) if re.fullmatch(r"-?[0-9]{1,4000}", token.text) else float(token.text))
        if token.kind == "text":
            return Literal(_ESCAPED.sub(r"\1", token.text[1:-1]))
        if token.kind == "word" and token.text in _LITERALS:
            return Literal(_LITERALS[token.text])
        raise Misspelt(token.at, self._unknown(token))

    def _close(self, opened: _Token, sign: str) -> None:
        if self._take(sign):
            return
        if self._next.kind == "end":
            raise Misspelt(opened.at, f"this {opened.text!r} is not closed")
        raise Misspelt(self._next.at, self._surprise(self._next))

    def _list(self, opened: _Token) -> Expression:
        row: list[Expression] = []
        while self._next.text != "]":
            if row and not self._take(","):
                break
            row.append(self._operand())
        self._close(opened, "]")
        return Row(tuple(row))

    def _about(self, token: _Token) -> Expression:
        wrapped = self._take("(")
        reference = self._next.reference
        if reference is None:
            raise Misspelt(self._next.at, f"{token.text!r} asks about a reference: {token.text} ${{name}}")
        self._place += 1
        if wrapped:
            self._close(wrapped, ")")
        return Exists(reference) if token.text == "exists" else Length(reference)

    def _unknown(self, token: _Token) -> str:
        if token.kind == "end":
            return "the condition ends where a value should stand"
        if token.kind != "word" or token.text in _WORDS:
            return f"{token.text!r} may not stand here; a value is missing before it"
        near = meant(token.text, _WORDS)
        told = f'{token.text!r} is unknown here; write ${{{token.text}}} for a datum, or "{token.text}" for a text'
        return told + (near if near.startswith("; did") else "")
