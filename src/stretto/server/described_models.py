"""Models as things of the house: those that the tables know, with prices, and those that are described over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping

from anyio.to_thread import run_sync

from stretto.configuring.kept_models import MODELS, KeptModel
from stretto.core.archive import Document, NotKept
from stretto.core.ledger import Usage
from stretto.models.facts import ModelFacts
from stretto.models.offline import RULES
from stretto.models.pricing import context_window, known_models
from stretto.models.resolve import OFFLINE
from stretto.server.described_agents import contradicting, kept_document
from stretto.server.house import House
from stretto.server.model_descriptions import ModelDetails, NewModelRequest, PriceDetails
from stretto.server.problems import Problem

ENOUGH = 1000
"""Prices are asked for so many tokens: some models take more per token when there are many."""


async def some_models(
    house: House, *, provider: str = "", text: str = "", kept: bool = False, limit: int = 50, offset: int = 0
) -> tuple[list[ModelDetails], int]:
    """Returns models by their ids, and how many there are; ``kept`` bounds them to those described here."""
    documents = {document.id: document for document in await house.store.archive.documents(MODELS)}
    wanted = text.casefold()

    def look() -> tuple[list[ModelDetails], int]:
        names = {id: _shown_name(document) for id, document in documents.items()}
        ids = names.keys() if kept else _ids(house) | names.keys()
        found = sorted(
            id for id in ids
            if (not provider or id.startswith(f"{provider}:")) and wanted in f"{id} {names.get(id, '')}".casefold()
        )  # fmt: skip
        page = found[offset : offset + limit]
        return [_details(house, id, documents.get(id)) for id in page], len(found)

    return await run_sync(look)


async def one_model(house: House, id: str) -> ModelDetails:
    """Returns a model that is known by name; raises ``NotKept``."""
    document = await _document(house, id)
    if document is None and id not in await run_sync(_ids, house):
        raise NotKept("model", id)
    return await run_sync(_details, house, id, document)


async def create_model(house: House, request: NewModelRequest) -> ModelDetails:
    """Describes a model; raises ``Problem`` for one that is described already, and for a provider there is not."""
    said = KeptModel.model_validate(request.model_dump(exclude={"id"}, exclude_unset=True))
    id = request.id
    async with house.room.changing:
        if id.startswith(f"{OFFLINE}:"):
            raise Problem(409, "read_only", "the offline models are what they are; describe one of another provider")
        with contradicting("unknown_reference"):
            house.room.models.check(id)
        if await _document(house, id) is not None:
            raise Problem(409, "taken", f"the model {id!r} is described already; change it (PUT)")
        await _keep(house, Document(kind=MODELS, id=id, name=id, body={}, created_at=time.time()), said)
    return await one_model(house, id)


async def replace_model(house: House, id: str, said: KeptModel) -> ModelDetails:
    """Describes a model anew; raises ``NotKept`` for one that was not described here."""
    async with house.room.changing:
        await _keep(house, await kept_document(house.store.archive, MODELS, "described model", id), said)
    return await one_model(house, id)


async def delete_model(house: House, id: str) -> None:
    """Removes what was said of a model, which can be asked as before; raises ``NotKept``."""
    async with house.room.changing:
        await kept_document(house.store.archive, MODELS, "described model", id)
        await house.store.archive.delete_document(MODELS, id)
        await house.room.renew()


async def _document(house: House, id: str) -> Document | None:
    try:
        return await kept_document(house.store.archive, MODELS, "described model", id)
    except NotKept:
        return None


async def _keep(house: House, document: Document, said: KeptModel) -> None:
    id = document.id
    if said.price is not None and id in house.room.given.prices:
        words = f"the price of {id!r} is in the settings ([prices]), which count more; change it there, or leave it out"
        raise Problem(409, "read_only", words)
    body = said.model_dump(mode="json", exclude_defaults=True)
    kept = Document(kind=MODELS, id=id, name=id, body=body, created_at=document.created_at, updated_at=time.time())
    await house.store.archive.put_document(kept)
    await house.room.renew()


def _ids(house: House) -> set[str]:
    """Returns the models that are known by name: those of the tables, the offline ones, those with a price."""
    models = house.room.models
    found = {f"{name}:{model}" for name in models.names for model in known_models(name)}
    own = {id for id in models.prices.own if not id.endswith(":*")}
    return found | own | {f"{OFFLINE}:{name}" for name in RULES}


def _shown_name(document: Document) -> str:
    named: Mapping[str, object] = document.body
    return str(named.get("name") or "")


def _details(house: House, id: str, document: Document | None) -> ModelDetails:
    provider, _, model = id.partition(":")
    facts = house.room.models.facts.get(id) or ModelFacts()
    name = "" if document is None else _shown_name(document)
    in_settings = id in house.room.given.prices
    return ModelDetails(
        id=id, provider=provider, model=model, name=name or model,
        origin="kept" if document is not None else "settings" if in_settings else "known",
        context_window=facts.context_window or context_window(id), max_output_tokens=facts.max_output,
        temperature=facts.temperature, is_reasoning=facts.reasons, price=_price(house, id),
        created_at=None if document is None else document.created_at,
        updated_at=None if document is None else document.updated_at,
    )  # fmt: skip


def _price(house: House, id: str) -> PriceDetails | None:
    prices = house.room.models.prices
    own = prices.own.get(id) or prices.own.get(f"{id.partition(':')[0]}:*")
    if own is not None:
        return PriceDetails(input=own.input, output=own.output, cached=own.cached, cache_write=own.cache_write)
    asked, answered = Usage(input_tokens=ENOUGH), Usage(output_tokens=ENOUGH)
    read = Usage(input_tokens=ENOUGH, cached_tokens=ENOUGH)
    written = Usage(input_tokens=ENOUGH, cache_write_tokens=ENOUGH)
    found = [prices.cost(id, usage) for usage in (asked, answered, read, written)]
    input, output, cached, cache_write = (None if cost is None else round(cost * 1e6 / ENOUGH, 6) for cost in found)
    if input is None or output is None:
        return None
    return PriceDetails(input=input, output=output, cached=cached, cache_write=cache_write)
