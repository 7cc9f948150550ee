"""Makes the models that the settings describe: providers of one's own, and prices."""

from __future__ import annotations

from stretto.configuring.settings import Settings
from stretto.models.pricing import Price
from stretto.models.providers import ProviderConfig
from stretto.models.resolve import Models


def models_of(settings: Settings, attempts: int = 4) -> Models:
    """Returns the models that the settings describe; a request that fails in passing is made ``attempts`` times."""
    providers = [
        ProviderConfig(
            name=name,
            base_url=said.base_url,
            kind=said.kind,
            key_name=said.key_name,
            headers=said.headers,
            max_concurrency=said.max_concurrency,
        )
        for name, said in settings.providers.items()
    ]
    prices = {
        model: Price(input=said.input, output=said.output, cached=said.cached, cache_write=said.cache_write)
        for model, said in settings.prices.items()
    }
    return Models(providers, prices=prices, attempts=attempts)
