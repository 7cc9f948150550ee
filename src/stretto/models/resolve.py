"""Finds models by ``provider:model``: every provider that pydantic-ai knows, the user's own, and the offline one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from stretto.core.errors import DefinitionError
from stretto.core.resources import Embedder
from stretto.models.facts import ModelFacts
from stretto.models.keys import VARIABLES, Keys, MissingKey, variables
from stretto.models.language_model import CONCURRENCY, LanguageModel, model_policy
from stretto.models.listing import models_at
from stretto.models.model import Model
from stretto.models.pricing import Price, Prices, context_window, known_models, near
from stretto.models.providers import (
    OLLAMA,
    Connections,
    ProviderConfig,
    known_model,
    known_provider,
    own_model,
    own_provider,
)

if TYPE_CHECKING:
    from pydantic_ai.providers import Provider

OFFLINE = "offline"
PROVIDERS: tuple[str, ...] = (
    "alibaba", "anthropic", "azure", "azure-responses", "bedrock", "bedrock-mantle", "cerebras", "cohere", "crusoe",
    "deepseek", "fireworks", "github", "github-copilot", "google", "google-cloud", "groq", "heroku", "huggingface",
    "litellm", "meta", "mistral", "moonshotai", "nebius", OFFLINE, "ollama", "openai", "openai-chat",
    "openai-chatgpt", "openai-codex", "openai-responses", "openrouter", "ovhcloud", "sambanova", "snowflake",
    "together", "vercel", "vllm", "xai", "zai",
)  # fmt: skip
"""The providers that can be asked without describing them."""
_EXTRAS = {
    "anthropic": "anthropic", "bedrock": "bedrock", "bedrock-mantle": "bedrock", "cohere": "cohere",
    "google": "google", "google-cloud": "google", "groq": "groq", "mistral": "mistral", "xai": "xai",
}  # fmt: skip


class UnknownModel(DefinitionError):
    """A name that stands for no model; ``near`` are those that look like it."""

    def __init__(self, id: str, why: str, alike: Sequence[str] = ()) -> None:
        hint = f"; did you mean {', '.join(map(repr, alike))}?" if alike else ""
        super().__init__(f"there is no model {id!r}: {why}{hint}")
        self.id, self.near = id, tuple(alike)


class MissingExtra(DefinitionError):
    """What a provider's client needs is not installed."""

    def __init__(self, provider: str, extra: str) -> None:
        super().__init__(
            f'provider {provider!r} needs a client that is not installed; install it: pip install "stretto[{extra}]"'
        )
        self.provider, self.extra = provider, extra


class Models:
    """The models that can be asked, and the connections to their providers.

    ``providers`` describes the user's own, and replaces known ones of the same name. ``prices`` are by
    ``provider:model`` or ``provider:*``, on top of genai-prices. ``attempts`` is how often a request that fails in
    passing is made at the most, ``max_concurrency`` how many requests of one provider are made at once. What was
    described can be described anew, by ``describe``; models that were got before stay what they were.

    Connections are kept open from one request to the next. They are closed at the end of the event loop, or of an
    ``async with Models() as models:``, or by ``close``.
    """

    def __init__(
        self,
        providers: Iterable[ProviderConfig] = (),
        *,
        prices: Mapping[str, Price] | None = None,
        keys: Keys | None = None,
        attempts: int = 4,
        max_concurrency: int = CONCURRENCY,
    ) -> None:
        self.providers: dict[str, ProviderConfig] = {}
        self.facts: dict[str, ModelFacts] = {}
        self.switched_off: frozenset[str] = frozenset()
        self.prices = Prices()
        self.describe(providers, prices=prices)
        self.keys = keys or Keys()
        self.attempts, self.max_concurrency = attempts, max_concurrency
        self._connections = Connections()
        self._versions: dict[str, list[tuple[ProviderConfig | None, SecretStr | None]]] = {}

    def describe(
        self,
        providers: Iterable[ProviderConfig] = (),
        *,
        prices: Mapping[str, Price] | None = None,
        facts: Mapping[str, ModelFacts] | None = None,
        switched_off: Iterable[str] = (),
    ) -> None:
        """Puts these descriptions in the place of all those before; ``facts`` are by ``provider:model``.

        Models of a provider that is ``switched_off`` cannot be got. Raises ``DefinitionError`` when a provider is
        described twice, or a price belongs to nothing; then everything stays as it was.
        """
        known: dict[str, ProviderConfig] = {}
        table: dict[str, Price] = {}
        for config in providers:
            if config.name in known:
                raise DefinitionError(f"provider {config.name!r} is described twice; leave one of them out")
            known[config.name] = config
            table.update({f"{config.name}:{model}": price for model, price in config.prices.items()})
        self.prices = Prices({**table, **(prices or {})})
        self.providers, self.facts, self.switched_off = known, dict(facts or {}), frozenset(switched_off)

    @property
    def names(self) -> tuple[str, ...]:
        """The providers that can be named, sorted."""
        return tuple(sorted({*PROVIDERS, *self.providers}))

    def get(self, id: str, fallbacks: Sequence[str] = ()) -> Model:
        """Returns a model; ``fallbacks`` are asked in turn when those before them fail.

        Raises ``UnknownModel``, ``MissingKey`` or ``MissingExtra``. Whether the provider has the model, only the
        provider knows: names are not checked against a list.
        """
        fallback = self.get(fallbacks[0], fallbacks[1:]) if fallbacks else None
        provider, model = self._split(id)
        if provider == OFFLINE:
            from stretto.models.offline import offline_model

            return offline_model(model)
        key = self._key(provider)
        config = self._config(provider)
        _import(provider, config)
        concurrency = (config.max_concurrency if config is not None else None) or self.max_concurrency
        version, facts = self._version(provider, config, key), self.facts.get(id) or ModelFacts()
        service = f"{provider} {version + 1}" if version else provider
        return LanguageModel(
            partial(self._connections.model, id, *self._makers(id, config, key), version),
            id=id,
            policy=model_policy(service, attempts=self.attempts, max_concurrency=concurrency, fallback=fallback),
            prices=self.prices,
            context_window=facts.context_window or context_window(id),
            max_output=facts.max_output,
            temperature=facts.temperature,
            reasons=facts.reasons,
            secrets=_secrets(config, key),
        )

    def check(self, id: str) -> None:
        """Raises ``UnknownModel`` for an id that no model can have; whether there is a key is not looked at."""
        provider, model = self._split(id)
        if provider == OFFLINE:
            from stretto.models.offline import offline_model

            offline_model(model)

    async def known_there(self, provider: str) -> tuple[str, ...]:
        """Asks a provider which models it has.

        Raises ``ProviderFailed`` when it does not say so within 10 s, ``CannotList`` when it cannot be asked, and what
        ``get`` raises.
        """
        if provider == OFFLINE:
            from stretto.models.offline import RULES

            return tuple(sorted(RULES))
        self._split(f"{provider}:*")
        key, config = self._key(provider), self._config(provider)
        _import(provider, config)
        make, _ = self._makers(f"{provider}:*", config, key)
        version = self._version(provider, config, key)
        source = partial(self._connections.model, f"{provider}:*#client", make, lambda made: made.client, version)
        return await models_at(provider, source, dict(config.headers) if config else {}, _secrets(config, key))

    def embedder(self, id: str) -> Embedder:
        """Returns an embedder: ``provider:model``, or ``model2vec:<directory or name>`` for one that runs here."""
        from stretto.models.embedding import ProviderEmbedder, StaticEmbedder

        if id.startswith("model2vec:"):
            return StaticEmbedder(id.partition(":")[2])
        provider, model = self._split(id)
        key = self._key(provider)
        config = self._config(provider)
        _import(provider, config)
        make, _ = self._makers(id, config, key)
        plain = config is not None and config.spoken in {"openai", "openai-responses", "ollama"}
        headers = {} if config is None else dict(config.headers)
        made = partial(_embedder, model, plain, headers)
        source = partial(self._connections.model, f"{id}#embedder", make, made, self._version(provider, config, key))
        return ProviderEmbedder(id, source, _secrets(config, key))

    async def close(self) -> None:
        """Closes the connections of the running event loop; a later request opens new ones."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        await self.close()

    def _split(self, id: str) -> tuple[str, str]:
        provider, colon, model = id.partition(":")
        if not colon or not model or not provider:
            ids = [f"{name}:{known}" for name in self.names for known in known_models(name)]
            wanted = provider or model
            alike = [full for full in ids if full.partition(":")[2] == wanted][:3]
            alike = alike or [full for known in near(wanted, tuple({i.partition(":")[2] for i in ids})) for full in ids
                              if full.partition(":")[2] == known][:3]  # fmt: skip
            raise UnknownModel(id, "a model is named as 'provider:model'", alike)
        if provider not in self.names:
            alike = [f"{name}:{model}" for name in near(provider, self.names)]
            raise UnknownModel(id, f"there is no provider {provider!r}; describe it with a ProviderConfig", alike)
        if provider in self.switched_off:
            raise UnknownModel(id, f"the provider {provider!r} is switched off; switch it on, or name another")
        return provider, model

    def _version(self, provider: str, config: ProviderConfig | None, key: SecretStr | None) -> int:
        """Returns which description and key of a provider these are, counted from 0 in the order of their use."""
        seen = self._versions.setdefault(provider, [])
        if (config, key) not in seen:
            seen.append((config, key))
        return seen.index((config, key))

    def _key(self, provider: str) -> SecretStr | None:
        config = self.providers.get(provider)
        own = (config.key_name,) if config is not None and config.key_name else ()
        needs = bool(own) or (provider in VARIABLES and (config is None or not config.base_url))
        found = self.keys.get(provider, own)
        if found is None and needs:
            raise MissingKey(provider, (own or variables(provider))[0])
        return found

    def _config(self, provider: str) -> ProviderConfig | None:
        if provider == "ollama" and provider not in self.providers:
            return ProviderConfig(name=provider, base_url=self.keys.variable("OLLAMA_BASE_URL") or OLLAMA)
        return self.providers.get(provider)

    def _makers(self, id: str, config: ProviderConfig | None, key: SecretStr | None) -> tuple[Any, Any]:
        provider, _, model = id.partition(":")
        if config is None:
            return partial(known_provider, provider, key), partial(known_model, id)
        return partial(own_provider, config, key), partial(own_model, config, model)


def _secrets(config: ProviderConfig | None, key: SecretStr | None) -> list[str]:
    headers = [] if config is None else list(config.headers.values())
    return [*headers, *([] if key is None else [key.get_secret_value()])]


def _import(provider: str, config: ProviderConfig | None) -> None:
    """Imports a provider's client now, so that no running loop waits for it; raises ``MissingExtra``."""
    kind = provider if config is None else config.spoken
    try:
        from pydantic_ai import direct as direct  # what every request needs
        from pydantic_ai.providers import infer_provider_class

        infer_provider_class(kind)
        module = f"pydantic_ai.models.{kind.replace('-', '_')}"
        import_module(module if find_spec(module) is not None else "pydantic_ai.models.openai")
    except ImportError:
        raise MissingExtra(provider, _EXTRAS.get(kind, "openai")) from None


def _embedder(model: str, is_plain: bool, headers: dict[str, str], provider: Provider[Any]) -> Any:
    if is_plain:  # pydantic-ai knows no provider of this name, but its client
        from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel

        return OpenAIEmbeddingModel(model, provider=provider, settings={"extra_headers": headers} if headers else None)
    from pydantic_ai.embeddings import infer_embedding_model

    return infer_embedding_model(f"{provider.name}:{model}", provider_factory=lambda _: provider)
