"""Providers of one's own, and connections to all of them: one client for each provider and event loop."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from stretto.core.errors import DefinitionError
from stretto.core.policies import whole
from stretto.core.settings import Described
from stretto.models.pricing import Price

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar
    from pydantic_ai.models import Model as ProviderModel
    from pydantic_ai.providers import Provider

Kind = Literal["openai", "openai-responses", "anthropic", "mistral", "ollama"]
"""Which protocol a provider speaks: OpenAI's chat completions or responses, or those of Anthropic, Mistral, Ollama."""
KINDS: tuple[Kind, ...] = ("openai", "openai-responses", "anthropic", "mistral", "ollama")
OLLAMA = "http://localhost:11434"
NO_KEY = "no-key"
"""What is sent as a key to a provider that wants none; the clients insist on sending one."""


@dataclass(frozen=True, kw_only=True)
class ProviderConfig(Described):
    """A provider of one's own: ``name`` is what stands before the colon in ``name:model``.

    ``base_url`` is where its API begins (as ``http://localhost:8000/v1``). ``key_name`` is the environment variable
    that holds its key; without one, and with none in the keyring, no key is needed. ``headers`` are sent with every
    request. ``prices`` are by model, ``*`` for all of them. Without a ``kind`` it is that of its name, or ``openai``.
    """

    name: str
    base_url: str = ""
    kind: Kind | None = None
    key_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    max_concurrency: int | None = None
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])

    def __post_init__(self) -> None:
        """Refuses a provider that could not be asked."""
        owner = f"provider {self.name!r}"
        plain = self.name.replace("-", "").replace("_", "").replace(".", "")
        if not plain.isalnum() or not plain.isascii() or len(self.name) > 64:
            raise DefinitionError(f"{owner}: a name is 1 to 64 letters, digits, '-', '_' or '.'")
        if self.kind is not None and self.kind not in KINDS:
            raise DefinitionError(f"{owner}: kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.headers and self.spoken == "mistral":
            raise DefinitionError(f"{owner}: the client for Mistral sends no headers of one's own; leave them out")
        if not self.base_url and self.spoken in {"openai", "openai-responses"}:
            raise DefinitionError(f"{owner} needs a base_url, as 'http://localhost:8000/v1'")
        if self.base_url:
            wrong = DefinitionError(f"{owner}: base_url must be an http or https address, as 'https://host/v1'")
            try:
                parts = urlsplit(self.base_url)
                if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                    raise wrong
            except ValueError:  # half an IPv6 address, or a port that is none
                raise wrong from None
            if parts.username or parts.password:
                raise DefinitionError(f"{owner}: base_url must hold no password; name the key's variable by key_name=")
        if self.max_concurrency is not None:
            whole(owner, "max_concurrency", self.max_concurrency)

    @property
    def spoken(self) -> Kind:
        """The protocol that it speaks."""
        return self.kind or KINDS[KINDS.index(self.name) if self.name in KINDS else 0]

    @property
    def address(self) -> str | None:
        """Where its API begins, None for the protocol's own provider; Ollama's gets its ``/v1`` when it has no path."""
        if self.spoken != "ollama":
            return self.base_url or None
        base = (self.base_url or OLLAMA).rstrip("/")
        return base if urlsplit(base).path else f"{base}/v1"


class Connections:
    """The clients of providers, one for each and event loop, with their connections kept open for the next request.

    Connections belong to the loop that opened them. They are closed when that loop shuts down its asynchronous
    generators, as ``asyncio.run`` and ``stretto.run_sync`` do at their end, or by ``close`` before that.
    """

    def __init__(self) -> None:
        self._all: RunVar[_Open] | None = None

    async def model(
        self,
        id: str,
        provider: Callable[[], Provider[Any]],
        model: Callable[[Provider[Any]], Any],
        version: int = 0,
    ) -> Any:
        """Returns pydantic-ai's model or embedder of this id for the running loop, made when there is none yet.

        Another ``version`` of the provider (another address, another key) gets a client of its own.
        """
        opened = self._here()
        found = opened.models.get((id, version))
        if found is None:
            name = (id.partition(":")[0], version)
            found = opened.models[id, version] = model(opened.provider(name, provider))
            await opened.keep(name)
        return found

    async def close(self) -> None:
        """Closes the clients of the running loop."""
        await self._here().close()

    def _here(self) -> _Open:
        from anyio.lowlevel import RunVar

        if self._all is None:
            self._all = RunVar("stretto providers")
        try:
            return self._all.get()
        except LookupError:
            made = _Open()
            self._all.set(made)
            return made


class _Open:
    """What is open in one event loop; a generator for each provider closes its client at its end."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, int], Any] = {}
        self._providers: dict[tuple[str, int], Provider[Any]] = {}
        self._keepers: dict[tuple[str, int], AsyncGenerator[None, None]] = {}

    def provider(self, name: tuple[str, int], make: Callable[[], Provider[Any]]) -> Provider[Any]:
        """Returns a provider, made when there is none yet; retries are ours, so its own are turned off."""
        if name not in self._providers:
            made = self._providers[name] = make()
            client: Any = made.client
            if isinstance(getattr(client, "max_retries", None), int):
                client.max_retries = 0
            _quicken(client)
        return self._providers[name]

    async def keep(self, name: tuple[str, int]) -> None:
        """Sees to it that a provider's client is closed with the loop."""
        if name not in self._keepers:
            keeper = self._keepers[name] = _keep(self._providers[name])
            await anext(keeper)

    async def close(self) -> None:
        """Closes every client; the next request opens one anew."""
        keepers = list(self._keepers.values())
        self.models.clear()
        self._providers.clear()
        self._keepers.clear()
        for keeper in keepers:
            await keeper.aclose()


def _quicken(client: Any) -> None:
    """Has a client of OpenAI's or Anthropic's read each piece of a stream by pydantic's own validator.

    Theirs walks through the types of every piece in Python, which takes most of the time of a stream. What does not
    validate, as a word that their types do not know, is still read in their way.
    """
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    usual = getattr(client, "_process_response_data", None)
    if usual is None:
        return
    readers: dict[Any, TypeAdapter[Any]] = {}

    def process(*, data: object, cast_to: Any, response: Any) -> Any:
        try:
            reader = readers.get(cast_to)
            if reader is None:
                reader = readers[cast_to] = TypeAdapter(cast_to)
            return reader.validate_python(data)
        except (ValidationError, PydanticUserError, TypeError):
            return usual(data=data, cast_to=cast_to, response=response)

    client._process_response_data = process


async def _keep(provider: Provider[Any]) -> AsyncGenerator[None, None]:
    async with provider:
        yield


def own_provider(config: ProviderConfig, key: SecretStr | None) -> Provider[Any]:
    """Returns pydantic-ai's provider for one of the user's own; to its address goes what it is described with alone.

    Clients also send what the environment holds for OpenAI and Anthropic: headers, organisation, project.
    """
    made = _own_provider(config, key)
    held: dict[str, Any] = {"organization": None, "project": None, "_custom_headers": dict[str, str]()}
    for name, nothing in held.items() if config.base_url else ():
        if hasattr(made.client, name):
            setattr(made.client, name, nothing)
    return made


def _own_provider(config: ProviderConfig, key: SecretStr | None) -> Provider[Any]:
    value = key.get_secret_value() if key is not None else NO_KEY
    address = config.address
    if config.spoken == "anthropic":
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicProvider(api_key=value, base_url=address)
    if config.spoken == "mistral":
        from pydantic_ai.providers.mistral import MistralProvider

        return MistralProvider(api_key=value, base_url=address)
    if config.spoken == "ollama":
        from pydantic_ai.providers.ollama import OllamaProvider

        return OllamaProvider(api_key=value, base_url=address)
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    return OpenAICompatibleProvider(config.name, base_url=address or "", api_key=value)


def own_model(config: ProviderConfig, model: str, provider: Provider[Any]) -> ProviderModel:
    """Returns pydantic-ai's model at one of the user's own providers."""
    settings: Any = {"extra_headers": dict(config.headers)} if config.headers else None
    if config.spoken == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel

        return AnthropicModel(model, provider=provider, settings=settings)
    if config.spoken == "mistral":
        from pydantic_ai.models.mistral import MistralModel

        return MistralModel(model, provider=provider)
    if config.spoken == "ollama":
        from pydantic_ai.models.ollama import OllamaModel

        return OllamaModel(model, provider=provider, settings=settings)
    if config.spoken == "openai-responses":
        from pydantic_ai.models.openai import OpenAIResponsesModel

        return OpenAIResponsesModel(model, provider=provider, settings=settings)
    from pydantic_ai.models.openai import OpenAIChatModel

    return OpenAIChatModel(model, provider=provider, settings=settings)


def known_provider(name: str, key: SecretStr | None) -> Provider[Any]:
    """Returns one of the providers that pydantic-ai knows, with its key."""
    from pydantic_ai.providers import infer_provider_class

    made: Any = infer_provider_class(name)
    if key is not None and "api_key" in inspect.signature(made.__init__).parameters:
        return made(api_key=key.get_secret_value())  # type: ignore[no-any-return]  # a provider, as all of them
    return made()  # type: ignore[no-any-return]  # a provider, as all of them


def known_model(id: str, provider: Provider[Any]) -> ProviderModel:
    """Returns pydantic-ai's model of an id ``provider:model``."""
    from pydantic_ai.models import infer_model

    return infer_model(id, provider_factory=lambda _: provider)
