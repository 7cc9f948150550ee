"""The library of prompts: texts with ``{{variables}}``, found by words and category, and filled in."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stretto.core.archive import Document
from stretto.server.agent_descriptions import VISIBLE
from stretto.server.dependencies import Text
from stretto.server.described_agents import free_name, kept_document
from stretto.server.house import House
from stretto.server.problems import Problem

PROMPTS = "prompt"
"""The kind of document that holds a prompt in an archive."""
LONGEST = 100_000
"""How many characters a filled prompt may have: as many as a message of a workflow."""
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")

Category = Literal["system", "user", "analysis", "generation", "coding", "custom"]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Value = Annotated[Text, Field(max_length=50_000)]


class PromptVariable(BaseModel):
    """A variable of a prompt: what to write for it, and what stands there when nobody does."""

    model_config = ConfigDict(extra="forbid")

    name: VariableName
    description: Text = Field("", max_length=1000)
    default: Value | None = None


class PromptRequest(BaseModel):
    """Describes a prompt. What ``variables`` say is for those that stand in the content as ``{{name}}``."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128, pattern=VISIBLE)
    description: Text = Field("", max_length=1000)
    category: Category = "custom"
    content: Text = Field(min_length=1, max_length=50_000)
    variables: list[PromptVariable] = Field(default_factory=list[PromptVariable], max_length=200)


class PromptCopyRequest(BaseModel):
    """How the copy of a prompt is called; without a ``name`` like the prompt itself, with a number."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=128, pattern=VISIBLE)


class Prompt(BaseModel):
    """A prompt; ``variables`` are those of its content, in the order in which they first stand there.

    ``problem`` says why what is kept of it cannot be read, empty when it can. Times are seconds since the Unix epoch.
    """

    id: str
    name: str
    description: str
    category: Category
    content: str
    variables: list[PromptVariable]
    created_at: float
    updated_at: float
    problem: str = ""


class FillRequest(BaseModel):
    """What stands for the variables of a prompt, by their names."""

    model_config = ConfigDict(extra="forbid")

    values: dict[VariableName, Value] = Field(
        default_factory=dict[str, str], max_length=200, json_schema_extra={"additionalProperties": False}
    )


class FilledPrompt(BaseModel):
    """A prompt whose variables are filled in; ``missing`` are those for which there is neither value nor default.

    They stand in the text as they did.
    """

    text: str
    missing: list[str]


def variables_in(content: str) -> list[str]:
    """Returns the names of the variables of a text, each once, in the order in which they first stand there."""
    return list(dict.fromkeys(match[1] for match in _VARIABLE.finditer(content)))


def filled(content: str, values: Mapping[str, str]) -> str:
    """Returns a text with values for its variables; what a value says is never filled in again.

    Raises ``Problem`` for a text that would be longer than a message can be.
    """
    length = len(content)
    for match in _VARIABLE.finditer(content):
        length += len(values.get(match[1], match[0])) - len(match[0])
    if length > LONGEST:
        raise Problem(409, "too_long", f"the text would have {length:,} characters; a message has {LONGEST:,} at most")
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), content)


async def some_prompts(house: House, text: str, category: Category | None) -> list[Prompt]:
    """Returns the prompts by name; ``text`` is a part of name, description or content, in any case."""
    wanted = text.casefold()
    found = [_read(document) for document in await house.store.archive.documents(PROMPTS)]
    return [
        prompt for prompt in found
        if (category is None or prompt.category == category)
        and any(wanted in part.casefold() for part in (prompt.name, prompt.description, prompt.content))
    ]  # fmt: skip


async def one_prompt(house: House, id: str) -> Prompt:
    """Returns a prompt; raises ``NotKept``."""
    return _read(await kept_document(house.store.archive, PROMPTS, "prompt", id))


async def create_prompt(house: House, request: PromptRequest) -> Prompt:
    """Keeps a new prompt; raises ``StoreError`` for a name that is taken, ``Problem`` for a variable there is not."""
    now = time.time()
    return await _keep(house, uuid.uuid4().hex, request, now, new=True)


async def replace_prompt(house: House, id: str, request: PromptRequest) -> Prompt:
    """Puts a prompt in the place of another; raises ``NotKept``, and what ``create_prompt`` raises."""
    before = await kept_document(house.store.archive, PROMPTS, "prompt", id)
    return await _keep(house, id, request, before.created_at)


async def copy_prompt(house: House, id: str, request: PromptCopyRequest) -> Prompt:
    """Keeps a copy of a prompt under another name; raises what ``create_prompt`` raises."""
    held = await one_prompt(house, id)
    _check_readable(held)
    names = {document.name for document in await house.store.archive.documents(PROMPTS)}
    name = request.name or free_name(held.name, names, 128)
    told = {**held.model_dump(include=set(PromptRequest.model_fields)), "name": name}
    return await create_prompt(house, PromptRequest.model_validate(told))


async def delete_prompt(house: House, id: str) -> None:
    """Removes a prompt; raises ``NotKept``."""
    await kept_document(house.store.archive, PROMPTS, "prompt", id)
    await house.store.archive.delete_document(PROMPTS, id)


async def fill_prompt(house: House, id: str, request: FillRequest) -> FilledPrompt:
    """Returns a prompt with values for its variables.

    Raises ``NotKept``, and ``Problem`` for a value of a variable that it does not have.
    """
    prompt = await one_prompt(house, id)
    _check_readable(prompt)
    _check_variables(prompt.name, request.values, [each.name for each in prompt.variables])
    values = {each.name: each.default for each in prompt.variables if each.default is not None} | request.values
    missing = [each.name for each in prompt.variables if each.name not in values]
    return FilledPrompt(text=filled(prompt.content, values), missing=missing)


async def _keep(house: House, id: str, request: PromptRequest, created_at: float, *, new: bool = False) -> Prompt:
    names = [each.name for each in request.variables]
    for name in names:
        if names.count(name) > 1:
            raise Problem(409, "conflict", f"the variable {name!r} is described twice; leave one of them out")
    _check_variables(request.name, names, variables_in(request.content))
    document = Document(
        kind=PROMPTS, id=id, name=request.name, body=request.model_dump(mode="json", exclude={"name"}),
        created_at=created_at, updated_at=time.time(),
    )  # fmt: skip
    await house.store.archive.put_document(document, replace=not new)
    return _read(document)


def _check_readable(prompt: Prompt) -> None:
    if prompt.problem:
        raise Problem(409, "broken_prompt", f"the prompt {prompt.name!r} cannot be used: {prompt.problem}")


def _check_variables(prompt: str, named: list[str] | Mapping[str, str], there: list[str]) -> None:
    for name in named:
        if name not in there:
            told = ", ".join(f"{{{{{each}}}}}" for each in there[:20]) or "none"
            raise Problem(
                409, "unknown_variable", f"the prompt {prompt!r} has no variable {{{{{name}}}}}; it has {told}"
            )


def _read(document: Document) -> Prompt:
    """Returns the prompt that a document holds; one that cannot be read says why, and has no content."""
    said: PromptRequest | None = None
    problem = ""
    try:
        said = PromptRequest.model_validate({**document.body, "name": document.name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"what is kept of it cannot be read: {where}: {first['msg']}; write it anew, or delete it"
    content = "" if said is None else said.content
    known = {} if said is None else {each.name: each for each in said.variables}
    return Prompt(
        id=document.id, name=document.name, description="" if said is None else said.description,
        category="custom" if said is None else said.category, content=content,
        variables=[known.get(name) or PromptVariable(name=name, description="") for name in variables_in(content)],
        created_at=document.created_at, updated_at=document.updated_at, problem=problem,
    )  # fmt: skip
