"""Providers and models that are described in an archive, beside those of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stretto.agents.config import Name
from stretto.configuring.model_settings import price_of, prices_of, provider_of, providers_of
from stretto.configuring.settings import PriceTable, ProviderTable, Settings
from stretto.core.archive import Archive, Document
from stretto.core.errors import DefinitionError
from stretto.models.facts import ModelFacts
from stretto.models.pricing import Price
from stretto.models.providers import Kind, ProviderConfig
from stretto.models.resolve import Models

PROVIDERS, MODELS = "provider", "model"
"""The kinds of document that describe providers and models in an archive."""

ADDRESS = r"^(https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[^\s?#\x00-\x1f\x7f]*)?)?$"
"""The pattern of an address: no user, no password, no query."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
HeaderValue = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
Dollars = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
"""A price in US dollars per million tokens."""


class KeptProvider(BaseModel):
    """A provider as an archive describes it.

    ``display_name`` is shown in the place of its name. Models of a provider that is not ``enabled`` cannot be asked.
    The rest is what a provider of the settings has; one that says nothing of it is one of the known ones as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    display_name: str = Field("", max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
    enabled: bool = True
    base_url: str = Field("", max_length=512, pattern=ADDRESS)
    kind: Kind | None = None
    key_name: str | None = Field(None, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict[str, str], max_length=50, json_schema_extra={"additionalProperties": False}
    )
    max_concurrency: int | None = Field(None, ge=1, le=100_000)

    def config(self, name: str) -> ProviderConfig | None:
        """Returns the provider, or None when nothing is said of how it is asked.

        Raises ``DefinitionError`` for one that could not be asked, and for a variable in ``headers`` that is not set.
        """
        said = self.model_dump(exclude={"display_name", "enabled"}, exclude_defaults=True)
        if not said:
            return None
        try:
            return provider_of(name, ProviderTable.model_validate(said))
        except ValidationError as error:
            words = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise DefinitionError(f"provider {name!r}: headers: {words}") from None


class KeptPrice(PriceTable):
    """What a model takes, in US dollars per million tokens."""

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None


class KeptModel(BaseModel):
    """A model as an archive describes it; what is None is what the tables know.

    ``name`` is shown. ``context_window`` and ``max_output_tokens`` are in tokens, ``temperature`` is that of agents
    that name none; one that is no reasoning model is never asked to reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name | None = None
    context_window: int | None = Field(None, ge=1024, le=2_000_000)
    max_output_tokens: int | None = Field(None, ge=256, le=128_000)
    temperature: float | None = Field(None, ge=0, le=2)
    is_reasoning: bool = True
    price: KeptPrice | None = None

    @property
    def facts(self) -> ModelFacts:
        """What the models are told of it."""
        return ModelFacts(
            context_window=self.context_window, max_output=self.max_output_tokens, temperature=self.temperature,
            reasons=self.is_reasoning,
        )  # fmt: skip


def read_provider(document: Document) -> KeptProvider:
    """Returns what a document says of a provider; raises ``DefinitionError`` when it cannot be read."""
    try:
        return KeptProvider.model_validate(document.body)
    except ValidationError as error:
        raise _unreadable("provider", document.id, error) from None


def read_model(document: Document) -> KeptModel:
    """Returns what a document says of a model; raises ``DefinitionError`` when it cannot be read."""
    try:
        return KeptModel.model_validate(document.body)
    except ValidationError as error:
        raise _unreadable("model", document.id, error) from None


def _unreadable(what: str, id: str, error: ValidationError) -> DefinitionError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return DefinitionError(f"the {what} {id!r} that is kept cannot be used: {place}: {first['msg']}; describe it anew")


async def describe(models: Models, settings: Settings, archive: Archive) -> dict[str, str]:
    """Describes to ``models`` what settings and archive say; where both do, the settings count.

    Returns what of the archive cannot be used, and why, by ``provider NAME`` and ``model ID``.
    """
    problems: dict[str, str] = {}
    configs = {config.name: config for config in providers_of(settings)}
    off: set[str] = set()
    for document in await archive.documents(PROVIDERS):
        if document.id in settings.providers:
            continue
        try:
            provider = read_provider(document)
            config = provider.config(document.id)
        except DefinitionError as error:
            problems[f"provider {document.id}"] = str(error)
            continue
        off |= set() if provider.enabled else {document.id}
        configs |= {} if config is None else {document.id: config}
    prices: dict[str, Price] = {}
    facts: dict[str, ModelFacts] = {}
    for document in await archive.documents(MODELS):
        try:
            model = read_model(document)
        except DefinitionError as error:
            problems[f"model {document.id}"] = str(error)
            continue
        facts[document.id] = model.facts
        if model.price is not None:
            prices[document.id] = price_of(model.price)
    models.describe(configs.values(), prices={**prices, **prices_of(settings)}, facts=facts, switched_off=off)
    return problems
