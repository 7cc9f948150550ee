"""The operations on providers of models, and on their keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stretto.server import described_providers as work
from stretto.server.dependencies import Here, Limit, Offset, Page, Text
from stretto.server.model_descriptions import (
    KeyRequest,
    NewProviderRequest,
    ProviderCheck,
    ProviderDetails,
    ProviderRequest,
    ProviderTestRequest,
)
from stretto.server.problems import answers

router = APIRouter(prefix="/api", tags=["Models"])

Name = Annotated[
    str,
    Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="A provider's name."),
]
_CONFLICT = "It could not be asked so, it is described in the settings, or its key would be sent elsewhere."


@router.get("/providers", operation_id="list_providers", summary="List the providers of models")
async def list_providers(
    house: Here,
    text: Annotated[Text, Query(max_length=128, description="A part of the name, in any case.")] = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[ProviderDetails]:
    """Returns the providers, those that can be asked first; keys are never told, only where they lie."""
    found = await work.all_providers(house, text)
    return Page(items=found[offset : offset + limit], total=len(found), limit=limit, offset=offset)


@router.post(
    "/providers", operation_id="create_provider", summary="Describe a provider", status_code=201,
    responses=answers(_409=f"{_CONFLICT} Or the name is taken."),
)  # fmt: skip
async def create_provider(house: Here, request: NewProviderRequest) -> ProviderDetails:
    """Keeps a description: of one's own provider, or of a known one in its place."""
    return await work.create_provider(house, request)


@router.get("/providers/{name}", operation_id="get_provider", summary="Show a provider", responses=answers(404))
async def get_provider(house: Here, name: Name) -> ProviderDetails:
    """Returns what is said of a provider, and where its key lies."""
    return await work.one_provider(house, name)


@router.put(
    "/providers/{name}", operation_id="update_provider", summary="Describe a provider anew",
    responses=answers(404, _409=_CONFLICT),
)  # fmt: skip
async def update_provider(house: Here, name: Name, request: ProviderRequest) -> ProviderDetails:
    """Holds for the next execution; what runs goes on with what it began with."""
    return await work.replace_provider(house, name, request)


@router.delete(
    "/providers/{name}", operation_id="delete_provider", summary="Remove what is kept of a provider", status_code=204,
    responses=answers(404, _409="It comes along, is described in the settings, or agents ask its models."),
)  # fmt: skip
async def delete_provider(house: Here, name: Name) -> None:
    """Removes the description and the key of a provider; a known one is what it was."""
    await work.delete_provider(house, name)


@router.post("/providers/{name}/test", operation_id="test_provider", summary="Try a provider", responses=answers(404))
async def test_provider(house: Here, name: Name, request: ProviderTestRequest) -> ProviderCheck:
    """Asks which models there are, or a model a tiny question; a provider that fails is an answer, not an error."""
    return await work.try_provider(house, name, request)


@router.put(
    "/providers/{name}/key", operation_id="set_provider_key", summary="Keep a provider's key", status_code=204,
    responses=answers(404, _409="This system has no keyring; set the key in the environment."),
)  # fmt: skip
async def set_provider_key(house: Here, name: Name, request: KeyRequest) -> None:
    """Puts a key into the system's keyring; it can be replaced and removed, and never be read."""
    await work.keep_key(house, name, request)


@router.delete(
    "/providers/{name}/key", operation_id="delete_provider_key", summary="Remove a provider's key", status_code=204,
    responses=answers(404, _409="This system has no keyring."),
)  # fmt: skip
async def delete_provider_key(house: Here, name: Name) -> None:
    """Takes a key out of the system's keyring; one of the environment stays where it is."""
    await work.remove_key(house, name)
