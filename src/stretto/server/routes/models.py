"""The operations on models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from stretto.server import described_models as work
from stretto.server.dependencies import Here, Limit, Offset, Page, Text
from stretto.server.model_descriptions import ModelDetails, ModelRequest, NewModelRequest
from stretto.server.problems import answers

router = APIRouter(prefix="/api", tags=["Models"])

ModelPath = Annotated[
    str,
    Path(max_length=193, pattern=r"^[^:\s\x00-\x1f\x7f-\x9f]+:[^\s\x00-\x1f\x7f-\x9f]+$", description="provider:model"),
]


@router.get("/models", operation_id="list_models", summary="List the models that are known by name")
async def list_models(
    house: Here,
    provider: Annotated[Text, Query(max_length=64, description="Whose models.")] = "",
    text: Annotated[Text, Query(max_length=128, description="A part of the id or the name, in any case.")] = "",
    kept: Annotated[bool, Query(description="Only those that were described here.")] = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[ModelDetails]:
    """Returns models by their ids, with prices and context windows; others of a provider may be named as well."""
    found, total = await work.some_models(
        house, provider=provider, text=text, kept=kept, limit=limit, offset=offset
    )  # fmt: skip
    return Page(items=found, total=total, limit=limit, offset=offset)


@router.post(
    "/models", operation_id="create_model", summary="Describe a model", status_code=201,
    responses=answers(_409="It is described already, its provider is unknown, or its price is in the settings."),
)  # fmt: skip
async def create_model(house: Here, request: NewModelRequest) -> ModelDetails:
    """Says of a model what the tables do not know: prices, limits, and how it is asked."""
    return await work.create_model(house, request)


@router.get("/models/{model_id:path}", operation_id="get_model", summary="Show a model", responses=answers(404))
async def get_model(house: Here, model_id: ModelPath) -> ModelDetails:
    """Returns a model that is known by name."""
    return await work.one_model(house, model_id)


@router.put(
    "/models/{model_id:path}", operation_id="update_model", summary="Describe a model anew",
    responses=answers(404, _409="Its price is in the settings."),
)  # fmt: skip
async def update_model(house: Here, model_id: ModelPath, request: ModelRequest) -> ModelDetails:
    """Replaces what was said of a model; holds for the next execution."""
    return await work.replace_model(house, model_id, request)


@router.delete(
    "/models/{model_id:path}", operation_id="delete_model", summary="Forget what was said of a model", status_code=204,
    responses=answers(404),
)  # fmt: skip
async def delete_model(house: Here, model_id: ModelPath) -> None:
    """Removes a description; the model can be asked as before."""
    await work.delete_model(house, model_id)
