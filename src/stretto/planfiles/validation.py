"""Checks nodes against the model, and says what is wrong in the words of the file."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stretto.planfiles.document import Node
from stretto.planfiles.reference import as_json
from stretto.planfiles.source import Problems, meant

M = TypeVar("M", bound=BaseModel)

SHOWN = 40
"""How much of a wrong value is shown (characters)."""
_TRUTH_LIKE = ("yes", "no", "on", "off", "y", "n")


def validate(model: type[M], node: Node, owner: str, problems: Problems) -> M | None:
    """Returns the model's instance, or None after noting everything that is wrong, each at its place."""
    if not isinstance(node.content, dict):
        known = " and ".join(name for name, field in fields_of(model).items() if field.is_required())
        problems.add(node.start, f"{owner} should be a mapping with {known or 'settings'}, not {shown(node.plain())}")
        return None
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        for found in error.errors(include_url=False):
            _note(model, node, owner, found, problems)
    return None


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Returns the fields of a model by the names that a file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def shown(value: Any) -> str:
    """Returns a short form of a value for messages."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = as_json(value, "a value")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _note(model: type[BaseModel], node: Node, owner: str, found: ErrorDetails, problems: Problems) -> None:
    way = found["loc"]
    at_key = bool(way) and way[-1] == "[key]"
    path = way[:-1] if at_key else way
    place, key = node.at(path)
    kind, name = found["type"], _dotted(path)
    if kind == "extra_forbidden":
        around = _dotted(path[:-1])
        known = fields_of(_model_at(model, path[:-1]))
        near = meant(str(path[-1]), known).replace("; there are", "; it takes")
        problems.add(key.start, f"{f'{around!r} of {owner}' if around else owner} takes no {str(path[-1])!r}{near}")
    elif kind == "missing":
        around = f" in {_dotted(path[:-1])!r}" if path[:-1] else ""
        problems.add(place.start, f"{owner} needs {str(path[-1])!r}{around}")
    elif at_key or kind == "string_pattern_mismatch":
        problems.add((key if at_key else place).start, _about_pattern(name, owner, found["input"]))
    else:
        problems.add(place.start, f"{name!r} of {owner} {_about(found)}")


def _about_pattern(name: str, owner: str, value: Any) -> str:
    return (
        f"{name!r} of {owner} cannot be {shown(value)}: a name begins with a letter or '_' and goes on with letters, "
        "digits, '_' and '-'"
    )


def _about(found: ErrorDetails) -> str:
    value = found["input"]
    if found["type"] == "value_error":
        said = str(found.get("ctx", {}).get("error", found["msg"]))
        return f"{said}, not {shown(value)}" if said.startswith("should") else f"is wrong: {said}"
    said = (
        found["msg"]
        .replace("Input should", "should")
        .replace("valid ", "")
        .replace("dictionary", "mapping")
        .replace("a integer", "an integer")
    )
    said = said[:1].lower() + said[1:]
    hint = ""
    if found["type"] == "bool_type" and str(value).lower() in _TRUTH_LIKE:
        hint = "; write true or false"
    elif found["type"] == "string_type" and not isinstance(value, list | dict):
        hint = "; put it in quotes to make it a text"
    return f"{said}, not {shown(value)}{hint}"


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _model_at(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel]:
    for step in path:
        field = fields_of(model).get(str(step))
        model = (_model_in(field.annotation) if field is not None else None) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
