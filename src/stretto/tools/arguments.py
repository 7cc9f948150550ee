"""Arguments of tools: the JSON schema that a model is shown, and the check of what it sends against pydantic models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from stretto.core.errors import listed
from stretto.tools.tool import WrongArguments

A = TypeVar("A", bound=BaseModel)


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul", "must not hold a NUL character")
    return text


def _more_than_space(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must hold more than white space")
    return text


Line = Annotated[str, AfterValidator(_without_nul)]
"""Text that every store can keep."""
Prose = Annotated[Line, AfterValidator(_more_than_space)]
"""Text that says something."""


class Arguments(BaseModel):
    """What a tool's arguments are described by: unknown names are refused, and nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: they cost tokens and say nothing."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # pydantic's own form

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Sets none."""
        return False


def schema_of(model: type[BaseModel], *, description: bool = False) -> dict[str, Any]:
    """Returns the JSON schema of a model's fields, as a provider takes it."""
    made = model.model_json_schema(schema_generator=_Untitled)
    made.pop("title", None)
    if not description:
        made.pop("description", None)
    return {"properties": {}, **made}


def merged_schema(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Returns one flat schema for several operations: providers take no ``oneOf`` at the top.

    Each property's description names the operations that take it; what each of them requires is told there, too, and
    checked by ``validated``.
    """
    variants: dict[str, list[dict[str, Any]]] = {}
    takers: dict[str, list[str]] = {}
    definitions: dict[str, Any] = {}
    for model in models:
        made = schema_of(model)
        definitions |= made.get("$defs", {})
        required = made.get("required", ())
        for name, described in made["properties"].items():
            if name != "operation":
                variants.setdefault(name, []).append(described)
                needed = " (required)" if name in required else ""
                takers.setdefault(name, []).append(f"{operation_of(model)}{needed}")
    properties = {name: _one_of(each, takers[name]) for name, each in variants.items()}
    operation = {
        "type": "string",
        "enum": [operation_of(model) for model in models],
        "description": " ".join(f"{operation_of(model)}: {model.__doc__}" for model in models),
    }
    schema = {
        "type": "object",
        "properties": {"operation": operation, **properties},
        "required": ["operation"],
        "additionalProperties": False,
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _one_of(variants: Sequence[Mapping[str, Any]], takers: Sequence[str]) -> dict[str, Any]:
    """Returns one schema for a property that several operations take, each in its own way."""
    texts = dict.fromkeys(variant["description"] for variant in variants if "description" in variant)
    kinds: list[dict[str, Any]] = []
    for variant in variants:
        kind = {key: value for key, value in variant.items() if key not in ("description", "default")}
        parts: list[dict[str, Any]] = kind["anyOf"] if kind.keys() == {"anyOf"} else [kind]
        kinds += [part for part in parts if part not in kinds]
    told = {"description": " ".join([*texts, f"For: {', '.join(takers)}."])}
    return (kinds[0] if len(kinds) == 1 else {"anyOf": kinds}) | told


def operation_of(model: type[BaseModel]) -> str:
    """Returns the word by which a model is chosen: its field ``operation`` is a ``Literal`` of it."""
    return str(get_args(model.model_fields["operation"].annotation)[0])


def validated(tool: str, model: type[A], arguments: Mapping[str, Any]) -> A:
    """Returns the arguments as a model; raises ``WrongArguments`` with every problem and its place."""
    if not isinstance(arguments, Mapping):
        raise WrongArguments(tool, (f"they must be a JSON object, not {type(arguments).__name__}",))
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        raise WrongArguments(tool, problems_of(error, model)) from None


def problems_of(error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """Returns a sentence for each problem: where, and what is wrong; values are not repeated."""
    return tuple(_problem(found["loc"], found["type"], found["msg"], model) for found in error.errors())


def _problem(loc: tuple[int | str, ...], kind: str, message: str, model: type[BaseModel]) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if kind == "extra_forbidden" and len(loc) == 1:
        return f"{place}: there is no such argument; known are {listed(_names(model.model_fields))}"
    return f"{place}: {message}" if place else message


def _names(fields: Mapping[str, FieldInfo]) -> list[str]:
    return [field.alias or name for name, field in fields.items()]


def as_json(tool: str, arguments: BaseModel) -> dict[str, Any]:
    """Returns checked arguments as JSON values, defaults filled in."""
    made: dict[str, Any] = json.loads(arguments.model_dump_json(by_alias=True))
    return made
