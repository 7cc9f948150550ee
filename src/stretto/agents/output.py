"""Answers of a declared type: its schema for the model, and the value that an answer stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from stretto.agents.call import is_object
from stretto.core.errors import DefinitionError, ExecutionError

TRIES = 3
"""How many answers an agent reads in the hope that one follows the schema."""
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.DOTALL)
TOLD = 10
"""How many problems of an answer a model is told of."""


class OutputInvalid(ExecutionError):
    """No answer of a model followed the schema that was asked for; ``problems`` are those of the last one."""

    def __init__(self, agent: str, output: str, tries: int, problems: tuple[str, ...]) -> None:
        super().__init__(
            f"agent {agent!r} was to answer with a {output}, and none of {tries} answers was one: "
            f"{'; '.join(problems)}; simplify the type, say in the system prompt what is wanted, or take another model"
        )
        self.agent, self.output, self.tries, self.problems = agent, output, tries, problems


class NoOutput(ValueError):
    """An answer does not follow the schema; ``problems`` say where and why."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class OutputType:
    """A type that an answer is read as: anything that pydantic can validate.

    Providers ask for an object: a type whose JSON form is none (a list, a number) is put into one, as ``value``.
    """

    def __init__(self, type_: Any) -> None:
        from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

        self.name = getattr(type_, "__name__", None) or str(type_)
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(type_)
            plain: dict[str, Any] = self._adapter.json_schema()
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            raise DefinitionError(f"output_type={self.name} has no JSON schema: {error}") from error
        self.wrapped = plain.get("type") != "object"
        self._plain = plain

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of an object."""
        if not self.wrapped:
            return self._plain
        inner = {key: held for key, held in self._plain.items() if key != "$defs"}
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {"value": inner},
            "required": ["value"],
            "additionalProperties": False,
        }
        if "$defs" in self._plain:
            schema["$defs"] = self._plain["$defs"]
        return schema

    def read(self, text: str) -> Any:
        """Returns the value of an answer; raises ``NoOutput``."""
        from pydantic import ValidationError
        from pydantic_core import from_json, to_json

        fenced = _FENCE.fullmatch(text)
        try:
            plain: Any = from_json(fenced[1] if fenced else text)
        except ValueError as error:
            raise NoOutput((f"the answer is no JSON: {error}",)) from None
        if self.wrapped:
            if not is_object(plain) or "value" not in plain:
                raise NoOutput(("the answer must be an object with 'value'",))
            plain = plain["value"]
        try:
            return self._adapter.validate_json(to_json(plain))
        except ValidationError as error:
            raise NoOutput(
                tuple(
                    f"{'.'.join(map(str, told['loc'])) or 'the answer'}: {told['msg']}"
                    for told in error.errors(include_url=False, include_input=False)[:TOLD]
                )
            ) from None


def correction(problem: NoOutput) -> str:
    """Returns what a model is told about an answer that does not follow the schema."""
    lines = "\n".join(f"- {line}" for line in problem.problems)
    return f"Your answer does not follow the schema:\n{lines}\nAnswer again with the corrected JSON object only."
