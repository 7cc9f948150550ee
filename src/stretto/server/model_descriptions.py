"""What is said of providers and models over HTTP: the fields of requests, and what is told of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from stretto.configuring.kept_models import KeptModel, KeptProvider
from stretto.configuring.settings import ModelId
from stretto.models.keys import Place
from stretto.server.dependencies import described

ProviderName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
KEY = r"^[\x21-\x7e]*$"


def _carried(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("holds characters that no key has: spaces, invisible ones, or such beyond ASCII")
    return key


class ProviderRequest(KeptProvider):
    """Describes a provider; without ``base_url`` and ``kind`` one of the known ones as it is."""


class NewProviderRequest(KeptProvider):
    """Describes a provider that is new, or a known one anew; ``name`` stands before the colon in ``name:model``."""

    name: ProviderName


class ProviderDetails(BaseModel):
    """A provider. ``key`` says where its key lies, None when there is none; the key itself is never told.

    ``key_variable`` is the environment variable that is looked into, None when no key is needed. ``kind`` is the
    protocol of one of the user's own. ``models`` says how many of its models are known by name. ``problem`` says why
    what is kept of it cannot be used. Times are seconds since the Unix epoch, None where unknown.
    """

    name: str
    display_name: str
    origin: Literal["known", "kept", "settings"]
    enabled: bool
    kind: str | None
    base_url: str
    key: Place | None
    key_name: str | None
    key_variable: str | None
    local: bool
    headers: dict[str, str]
    max_concurrency: int | None
    models: int
    changeable: bool
    problem: str
    created_at: float | None
    updated_at: float | None


class KeyRequest(BaseModel):
    """A provider's key; it goes into the system's keyring, and is never told again."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Annotated[SecretStr, Field(min_length=16, max_length=512), AfterValidator(_carried), described(KEY)]


class ProviderTestRequest(BaseModel):
    """How a provider is tried: without a ``model`` it is asked which models it has, at no cost."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+$")


class ProviderCheck(BaseModel):
    """What a try of a provider found: how long it took (milliseconds), the models that it has, or what it answered."""

    name: str
    ok: bool
    latency_ms: float | None = None
    models: list[str] = Field(default_factory=list[str])
    answer: str = ""
    error: str = ""


class PriceDetails(BaseModel):
    """What a model takes, in US dollars per million tokens; None means that it costs what other input costs."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None


class ModelRequest(KeptModel):
    """Says of a model what the tables do not know, or know otherwise."""


class NewModelRequest(KeptModel):
    """Describes a model that is new here; ``id`` is ``provider:model``."""

    id: ModelId


class ModelDetails(BaseModel):
    """A model; what is None is not known. ``price`` None means that what it costs is not known.

    ``origin`` is kept for one that was described here, settings where its price is in the settings, else known.
    """

    id: str
    provider: str
    model: str
    name: str
    origin: Literal["known", "kept", "settings"]
    context_window: int | None
    max_output_tokens: int | None
    temperature: float | None
    is_reasoning: bool
    price: PriceDetails | None
    created_at: float | None
    updated_at: float | None
