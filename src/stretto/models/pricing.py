"""Prices of models: genai-prices' table, and the user's own on top of it; unknown is unknown, never nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.ledger import Usage
from stretto.core.policies import positive
from stretto.core.settings import Described

LOCAL = frozenset({"offline", "ollama"})
"""Providers whose models run on the user's own machine: they cost nothing, by declaration."""
_THEIR_NAMES = {
    "alibaba": "qwen",
    "azure": "azure",
    "azure-responses": "azure",
    "bedrock": "aws",
    "google-cloud": "google",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "xai": "x-ai",
}
"""Providers that genai-prices calls by another name."""


@dataclass(frozen=True, kw_only=True)
class Price(Described):
    """What a model takes, in US dollars per million tokens.

    ``cached`` is the price of input read from the provider's cache, ``cache_write`` that of input written to it;
    without them such tokens cost as much as other ``input``.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        """Refuses prices below nothing."""
        for name in ("input", "output", "cached", "cache_write"):
            positive("Price", name, getattr(self, name), zero=True)

    def of(self, usage: Usage) -> float:
        """Returns what this usage costs (US dollars)."""
        plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        parts = (
            (plain, self.input),
            (usage.cached_tokens, cached),
            (usage.cache_write_tokens, written),
            (usage.output_tokens, self.output),
        )
        return sum(tokens * price for tokens, price in parts) / 1e6


class Prices:
    """Looks up prices by ``provider:model``.

    ``own`` comes first: by ``provider:model``, or by ``provider:*`` for all models of a provider.
    """

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self.own = dict(own or {})
        for name in self.own:
            if ":" not in name:
                raise DefinitionError(f"a price belongs to 'provider:model' or 'provider:*', not to {name!r}")

    def cost(self, id: str, usage: Usage) -> float | None:
        """Returns what this usage of a model costs (US dollars), or None when its price is unknown."""
        provider, _, model = id.partition(":")
        own = self.own.get(id) or self.own.get(f"{provider}:*")
        if own is not None:
            return own.of(usage)
        if provider in LOCAL:
            return 0.0
        if usage == Usage():
            return 0.0  # a request that was refused before it began
        return _theirs(provider, model, usage)


def _theirs(provider: str, model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as TheirUsage
    from genai_prices import calc_price

    taken = TheirUsage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens,
    )  # fmt: skip
    try:
        return float(calc_price(taken, model, provider_id=_THEIR_NAMES.get(provider, provider)).total_price)
    except (LookupError, ValueError):  # no such provider, model or price; or counts that contradict each other
        return None


def context_window(id: str) -> int | None:
    """Returns how many tokens a model takes in, as genai-prices knows it, or None."""
    from genai_prices.data_snapshot import get_snapshot

    provider, _, model = id.partition(":")
    try:
        found: Any = get_snapshot().find_provider_model(model, None, _THEIR_NAMES.get(provider, provider), None)
    except LookupError:
        return None
    window: int | None = found[1].context_window
    return window


def known_models(provider: str) -> tuple[str, ...]:
    """Returns the models of a provider that genai-prices has prices for, sorted; none for a provider it lacks."""
    from genai_prices.data_snapshot import get_snapshot

    name = _THEIR_NAMES.get(provider, provider)
    found = next((held for held in get_snapshot().providers if held.id == name), None)
    return () if found is None else tuple(sorted(model.id for model in found.models))


def near(word: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the words that look most like one that is unknown, three at most."""
    return tuple(get_close_matches(word, words, n=3, cutoff=0.6))
