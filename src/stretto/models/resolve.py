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
from stretto.models.keys import VARIABLES, Keys, MissingKey, variables
from stretto.models.language_model import CONCURRENCY, LanguageModel, model_policy
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
    passing is made at the most, ``max_concurrency`` how many requests of one provider are made at once.

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
        table: dict[str, Price] = {}
        for config in providers:
            if config.name in self.providers:
                raise DefinitionError(f"provider {config.name!r} is described twice; leave one of them out")
            self.providers[config.name] = config
            table.update({f"{config.name}:{model}": price for model, price in config.prices.items()})
        self.prices = Prices({**table, **(prices or {})})
        self.keys = keys or Keys()
        self.attempts, self.max_concurrency = attempts, max_concurrency
        self._connections = Connections()

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
        return LanguageModel(
            partial(self._connections.model, id, *self._makers(id, config, key)),
            id=id,
            policy=model_policy(provider, attempts=self.attempts, max_concurrency=concurrency, fallback=fallback),
            prices=self.prices,
            context_window=context_window(id),
            secrets=_secrets(config, key),
        )

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
        source = partial(self._connections.model, f"{id}#embedder", make, partial(_embedder, model, plain, headers))
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
        return provider, model

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
