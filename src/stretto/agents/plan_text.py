"""Reads a plan while its JSON is still being written: each operation is there as soon as its last brace is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stretto.agents.call import MOST_NESTED, is_deep, is_object
from stretto.core.errors import ExecutionError

REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z0-9_-]+)((?:\.[^.\[\]{}]+|\[\d+\])*)\}")
"""``${id}``, ``${id.field}``, ``${id.list[2].field}``: the output of another operation, or a part of it.

``$${`` stands for ``${`` as text.
"""
_PART = re.compile(r"\.([^.\[\]{}]+)|\[(\d+)\]")


class WrongPlan(ExecutionError):
    """A model's plan cannot be carried out; ``problem`` says why, for the model to correct it."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the plan cannot be carried out: {problem}")
        self.problem = problem


class PlannedCall(BaseModel):
    """One operation of a plan as the model wrote it; ``after`` names those that come first although no data does."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="A name that other operations can refer to.")
    tool: str = Field(min_length=1, description="The tool to call.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Its arguments; ${id} or ${id.field} stands for another operation's output."
    )
    after: list[str] = Field(default_factory=list[str], description="Operations that come first although no data does.")

    @property
    def references(self) -> tuple[str, ...]:
        """The operations whose outputs it needs, in the order in which they are named."""
        return tuple(dict.fromkeys(_references(self.arguments)))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (found[1] for found in REFERENCE.finditer(value))
    elif is_object(value):
        for item in value.values():
            yield from _references(item)
    elif _is_list(value):
        for item in value:
            yield from _references(item)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def call_of(written: Any) -> PlannedCall:
    """Returns the operation that a JSON value describes; raises ``WrongPlan`` when it describes none."""
    try:
        return PlannedCall.model_validate(written)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors(include_url=False)]
        raise WrongPlan(f"{json.dumps(written)[:120]} is no operation: {'; '.join(told)}") from None


def resolve(value: Any, data: Mapping[str, Any]) -> Any:
    """Returns arguments with the outputs of other operations in the place of their references.

    A text that is one reference becomes the value itself; inside of a longer text it becomes its text (JSON, unless it
    is text already). Raises ``WrongPlan`` when an output has no such part.
    """
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        if whole is not None:
            return _part(whole, data)
        return REFERENCE.sub(lambda found: _text(_part(found, data)), value).replace("$${", "${")
    if is_object(value):
        return {key: resolve(item, data) for key, item in value.items()}
    if _is_list(value):
        return [resolve(item, data) for item in value]
    return value


def _part(found: re.Match[str], data: Mapping[str, Any]) -> Any:
    at = data[found[1]]
    for name, index in _PART.findall(found[2]):
        try:
            at = at[int(index)] if index else at[name]
        except (LookupError, TypeError):
            raise WrongPlan(
                f"{found[0]} names a part that the output of {found[1]!r} does not have; there it is {_text(at)[:200]}"
            ) from None
    return at


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class PlanReader:
    """Takes the JSON text ``{"operations": [...]}`` piece by piece and hands out each element once it is whole.

    Braces are counted outside of texts; an element is read by the JSON parser as soon as its own brace closes. What is
    wrong with one that it cannot read is kept in ``problems``, and the next one is read all the same.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._open: list[str] = []
        self._in_text = self._escaped = False
        self._element: list[str] | None = None
        self._key: list[str] = []
        self._last_key = ""

    def feed(self, piece: str) -> list[Any]:
        """Returns the elements that this piece completes."""
        found: list[Any] = []
        for letter in piece:
            if self._element is not None:
                self._element.append(letter)
            if self._in_text:
                self._letter(letter)
            elif letter == '"':
                self._in_text, self._key = True, []
            elif letter in "{[":
                self._open.append(letter)
                if letter == "{" and self._open == ["{", "[", "{"] and self._last_key == "operations":
                    self._element = ["{"]
            elif letter in "}]" and self._open:
                self._open.pop()
                if self._element is not None and self._open == ["{", "["]:
                    try:
                        found.append(_parsed("".join(self._element)))
                    except WrongPlan as error:
                        self.problems.append(error.problem)
                    self._element = None
        return found

    def _letter(self, letter: str) -> None:
        if self._escaped:
            self._escaped = False
        elif letter == "\\":
            self._escaped = True
        elif letter == '"':
            self._in_text = False
            if self._open == ["{"]:
                self._last_key = "".join(self._key)
            return
        if self._open == ["{"]:
            self._key.append(letter)


def _parsed(text: str) -> Any:
    try:
        read: Any = json.loads(text)
        deep = is_deep(read)
    except RecursionError:
        read, deep = None, True
    except ValueError as error:
        raise WrongPlan(f"an operation is no JSON ({error}): {text[:80]}") from None
    if deep:
        raise WrongPlan(f"an operation is nested too deeply (more than {MOST_NESTED} levels): {text[:80]}")
    return read


def problem_of(text: str) -> str:
    """Returns what is wrong with the text of a whole plan, whatever could be read of it; empty when nothing is."""
    try:
        plan: Any = json.loads(text)
    except RecursionError:
        return ""  # that is told of the operation in which it happens
    except ValueError as error:
        return f"its JSON is broken, and only what could be read of it was carried out ({error})"
    operations = plan.get("operations") if is_object(plan) else None
    if not _is_list(operations) or not operations:
        return f"its arguments hold no operations: {text[:200]}"
    others = sum(not is_object(each) for each in operations)
    return f"{others} of its operations are no objects, and were not carried out" if others else ""
