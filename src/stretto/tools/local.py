"""A tool of this package: its operations are pydantic models, and what it does is a method for each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from typing import Any

from stretto.core.errors import listed
from stretto.core.step import Context
from stretto.tools.arguments import Arguments, as_json, merged_schema, operation_of, schema_of, validated
from stretto.tools.tool import Invocation, Tool, ToolFailed, Touches, WrongArguments


@cache
def _parameters(models: tuple[type[Arguments], ...]) -> dict[str, Any]:
    """Makes the schema of models, once: every server and every agent has these tools."""
    return schema_of(models[0]) if len(models) == 1 else merged_schema(models)


class LocalTool(Tool):
    """Checks arguments against ``models``, one for each operation, or a single one without operations."""

    models: Sequence[type[Arguments]]

    def __init__(self) -> None:
        """Takes the schema of the models."""
        self.parameters = deepcopy(_parameters(tuple(self.models)))

    def parsed(self, arguments: Mapping[str, Any]) -> Arguments:
        """Returns the arguments as the model of their operation; raises ``WrongArguments``.

        Arguments of other operations that are null do not count: some providers fill in every property of a schema.
        """
        if len(self.models) == 1:
            return validated(self.name, self.models[0], arguments)
        by_name = {operation_of(model): model for model in self.models}
        wanted = arguments.get("operation")
        if not isinstance(wanted, str) or wanted not in by_name:
            near = get_close_matches(str(wanted), by_name, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it is one of {listed(by_name)}"
            what = "is missing" if wanted is None else f"there is no operation {str(wanted)[:64]!r}"
            raise WrongArguments(self.name, (f"operation: {what}; {hint}",))
        model = by_name[wanted]
        others = {name for other in self.models for name in other.model_fields} - model.model_fields.keys()
        given = {name: value for name, value in arguments.items() if value is not None or name not in others}
        return validated(self.name, model, given)

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the arguments with defaults filled in; raises ``WrongArguments``."""
        return as_json(self.name, self.parsed(arguments))

    def touches(self, arguments: Mapping[str, Any]) -> Touches:
        """Says what a call reads and writes."""
        return self.touched(self.parsed(arguments))

    def touched(self, asked: Any) -> Touches:
        """Says what a checked call reads and writes: nothing, unless the tool says otherwise."""
        return Touches()

    async def execute(self, input: Invocation | Mapping[str, Any], context: Context) -> Any:
        """Checks the arguments and does what they ask for."""
        call = Invocation.of(input)
        return await self.perform(self.parsed(call.arguments), call, context)

    @abstractmethod
    async def perform(self, asked: Any, call: Invocation, context: Context) -> Any:
        """Does what is asked, and returns a JSON value; raises ``ToolFailed`` with words for the model."""


def not_found(what: str, id: str, hint: str) -> ToolFailed:
    """Returns the failure that says that something is not there, and what to do."""
    return ToolFailed("NOT_FOUND", f"there is no {what} {id!r}; {hint}")
