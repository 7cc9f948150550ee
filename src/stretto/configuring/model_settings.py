"""Makes the models that the settings describe: providers of one's own, and prices."""

from __future__ import annotations

from stretto.configuring.settings import PriceTable, ProviderTable, Settings
from stretto.models.pricing import Price
from stretto.models.providers import ProviderConfig
from stretto.models.resolve import Models


def models_of(settings: Settings, attempts: int = 4) -> Models:
    """Returns the models that the settings describe; a request that fails in passing is made ``attempts`` times."""
    return Models(providers_of(settings), prices=prices_of(settings), attempts=attempts)


def providers_of(settings: Settings) -> list[ProviderConfig]:
    """Returns the providers that the settings describe; raises ``DefinitionError`` for one that could not be asked."""
    return [provider_of(name, said) for name, said in settings.providers.items()]


def prices_of(settings: Settings) -> dict[str, Price]:
    """Returns the prices that the settings say, by ``provider:model``."""
    return {model: price_of(said) for model, said in settings.prices.items()}


def provider_of(name: str, said: ProviderTable) -> ProviderConfig:
    """Returns a provider as the models take it; raises ``DefinitionError`` for one that could not be asked."""
    return ProviderConfig(
        name=name,
        base_url=said.base_url,
        kind=said.kind,
        key_name=said.key_name,
        headers=said.headers,
        max_concurrency=said.max_concurrency,
    )


def price_of(said: PriceTable) -> Price:
    """Returns a price as the models take it."""
    return Price(input=said.input, output=said.output, cached=said.cached, cache_write=said.cache_write)
