"""The operations on the library of prompts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stretto.server import prompt_library as work
from stretto.server.dependencies import Here, Limit, Offset, Page, Text
from stretto.server.problems import answers
from stretto.server.prompt_library import (
    Category,
    FilledPrompt,
    FillRequest,
    Prompt,
    PromptCopyRequest,
    PromptRequest,
)

router = APIRouter(prefix="/api", tags=["Prompts"])

PromptId = Annotated[str, Path(pattern=r"^[\w-]{1,128}$", description="A prompt's id.")]
_TAKEN = "The name is taken, or a variable is described that is not in the content."


@router.get("/prompts", operation_id="list_prompts", summary="List and search the prompts")
async def list_prompts(
    house: Here,
    text: Annotated[Text, Query(max_length=256, description="A part of name, description or content.")] = "",
    category: Annotated[Category | None, Query(description="Only those of this category.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[Prompt]:
    """Returns the prompts by name."""
    found = await work.some_prompts(house, text, category)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


@router.post(
    "/prompts", operation_id="create_prompt", summary="Keep a new prompt", status_code=201,
    responses=answers(_409=_TAKEN),
)  # fmt: skip
async def create_prompt(house: Here, request: PromptRequest) -> Prompt:
    """Keeps a prompt; its variables are what stands in the content as {{name}}."""
    return await work.create_prompt(house, request)


@router.get("/prompts/{prompt_id}", operation_id="get_prompt", summary="Show a prompt", responses=answers(404))
async def get_prompt(house: Here, prompt_id: PromptId) -> Prompt:
    """Returns a prompt with its variables."""
    return await work.one_prompt(house, prompt_id)


@router.put(
    "/prompts/{prompt_id}", operation_id="update_prompt", summary="Replace a prompt",
    responses=answers(404, _409=_TAKEN),
)  # fmt: skip
async def update_prompt(house: Here, prompt_id: PromptId, request: PromptRequest) -> Prompt:
    """Puts a prompt in the place of the one with this id."""
    return await work.replace_prompt(house, prompt_id, request)


@router.delete(
    "/prompts/{prompt_id}", operation_id="delete_prompt", summary="Delete a prompt", status_code=204,
    responses=answers(404),
)  # fmt: skip
async def delete_prompt(house: Here, prompt_id: PromptId) -> None:
    """Removes a prompt."""
    await work.delete_prompt(house, prompt_id)


@router.post(
    "/prompts/{prompt_id}/duplicate", operation_id="duplicate_prompt", summary="Copy a prompt", status_code=201,
    responses=answers(404, _409=_TAKEN),
)  # fmt: skip
async def duplicate_prompt(house: Here, prompt_id: PromptId, request: PromptCopyRequest) -> Prompt:
    """Keeps a copy under another name."""
    return await work.copy_prompt(house, prompt_id, request)


@router.post(
    "/prompts/{prompt_id}/render", operation_id="render_prompt", summary="Fill in the variables of a prompt",
    responses=answers(404, _409="A value is for no variable of the prompt, or the text would be too long."),
)  # fmt: skip
async def render_prompt(house: Here, prompt_id: PromptId, request: FillRequest) -> FilledPrompt:
    """Returns the text with values and defaults; variables without either stay, and are told."""
    return await work.fill_prompt(house, prompt_id, request)
