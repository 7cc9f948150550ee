"""The settings of the command line and the server: from options, the environment, ``stretto.toml``, the user's file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from stretto.agents.config import AgentConfig
from stretto.agents.validation import ApprovalSettings
from stretto.configuring.config_files import ConfigFile, SettingRefused, config_files, is_table
from stretto.models.providers import Kind

PREFIX = "STRETTO_"
OPTIONS = "the command line"
ENVIRONMENT = "the environment"
_MODEL_ID = r"^[^:\s\x00-\x1f\x7f-\x9f]+:[^\s\x00-\x1f\x7f-\x9f]+$"
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

ModelId = Annotated[str, Field(pattern=_MODEL_ID, max_length=193)]


class PriceTable(BaseModel):
    """What a model takes, in US dollars per million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    cache_write: float | None = Field(None, ge=0)


class ProviderTable(BaseModel):
    """A provider of one's own; ``key_name`` is the environment variable that holds its key.

    Without a ``kind`` it is that of its name, or ``openai``.
    In ``headers``, ``${NAME}`` stands for an environment variable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = ""
    kind: Kind | None = None
    key_name: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    max_concurrency: int | None = Field(None, ge=1)

    @field_validator("headers")
    @classmethod
    def _fill(cls, headers: dict[str, str]) -> dict[str, str]:
        return {name: _REFERENCE.sub(_variable, value) for name, value in headers.items()}


def _variable(match: re.Match[str]) -> str:
    found = os.environ.get(match[1])
    if found is None:
        raise ValueError(f"refers to the environment variable {match[1]}, which is not set")
    return found


class BudgetTable(BaseModel):
    """The most that a run may spend on models: tokens in and out together, US dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int | None = Field(None, ge=1)
    cost: float | None = Field(None, gt=0)


class ServerTable(BaseModel):
    """How the server serves.

    Without a ``token`` it listens on loopback only, and starts no programs that a request describes. ``token_file``
    holds one. ``origins`` are further addresses whose pages may speak to it, as ``https://host``.
    ``max_concurrent_workflows`` is how many run at once, by default as many as make sense for the processors; others
    wait in a queue. ``grace`` is how long a stop waits for what runs, ``execution_timeout`` how long a call that waits
    for its result may take (seconds). ``max_body`` is in bytes, ``requests_per_minute`` bounds what one client may ask.
    ``heartbeat`` is the pause between signs of life of a stream, ``send_timeout`` how long a client may take none of it
    (seconds), ``buffer`` how much of the stream is kept for those who come back (bytes). ``keep_days`` is how long
    workflows and runs are kept that nothing happens to, None for ever. ``telemetry`` is where spans and metrics are
    sent by OpenTelemetry's HTTP protocol, with prompts and answers only if ``telemetry_content`` says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", min_length=1, max_length=255)
    port: int = Field(8400, ge=0, le=65535)
    token: SecretStr | None = None
    token_file: Path | None = None
    origins: tuple[str, ...] = ()
    max_concurrent_workflows: int | None = Field(None, ge=1, le=10_000)
    grace: float = Field(10.0, ge=0, le=3600)
    execution_timeout: float = Field(300.0, gt=0, le=86_400)
    max_body: int = Field(10_485_760, ge=1024)
    requests_per_minute: int = Field(6000, ge=1)
    heartbeat: float = Field(15.0, gt=0, le=300)
    send_timeout: float = Field(30.0, gt=0, le=600)
    buffer: int = Field(33_554_432, ge=65_536)
    keep_days: float | None = Field(None, gt=0)
    telemetry: str | None = None
    telemetry_content: bool = False


class Settings(BaseSettings):
    """Everything that can be set; what is None is not set.

    ``model`` is asked by agents that name none, ``agent`` is the one that is spoken to, ``locale`` the language of
    its answers. ``database`` is where runs and the archive are kept, ``workspace`` the folder whose files tools may
    read, ``mcp_servers`` a JSON file with ``mcpServers``, ``embedder`` the model that finds memories by their meaning.
    ``approvals`` say which calls a human is asked about, ``server`` how `stretto serve` serves.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    model: ModelId | None = None
    agent: str | None = Field(None, min_length=1, max_length=128)
    locale: str | None = Field(None, min_length=1, max_length=64)
    database: str | None = None
    workspace: Path | None = None
    mcp_servers: Path | None = None
    embedder: ModelId | None = None
    budget: BudgetTable | None = None
    approvals: ApprovalSettings = Field(default_factory=lambda: ApprovalSettings.model_validate({}))
    providers: dict[str, ProviderTable] = Field(default_factory=dict[str, ProviderTable])
    prices: dict[str, PriceTable] = Field(default_factory=dict[str, PriceTable])
    agents: dict[str, AgentConfig] = Field(default_factory=dict[str, AgentConfig])
    server: ServerTable = Field(default_factory=lambda: ServerTable.model_validate({}))

    @field_validator("agents", mode="before")
    @classmethod
    def _name_agents(cls, agents: Any) -> Any:
        return {id: named(id, said) for id, said in agents.items()} if is_table(agents) else agents


def named(id: str, said: Any) -> Any:
    """Returns what is said of an agent, with its id as its id and its name where none is said."""
    return {"id": id, "name": id, **said} if is_table(said) else said


def load(**options: Any) -> Settings:
    """Returns the settings; ``options`` (those that are None are not given) count more than all else.

    Raises ``SettingRefused``, which names where the setting stands.
    """
    files = config_files()
    given = {name: value for name, value in options.items() if value is not None}

    class Here(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            held = (InitSettingsSource(settings_cls, dict(file.settings)) for file in files)
            return (init_settings, env_settings, *held)

    _check_variables()
    try:
        return Here(**given)
    except SettingsError as error:
        raise SettingRefused(ENVIRONMENT, "", f"{error}; write JSON, or NAME__PART for its parts") from None
    except ValidationError as error:
        raise refusal(error, [(OPTIONS, given), *_places(files)], Settings) from None


def _places(files: Sequence[ConfigFile]) -> list[tuple[str, Mapping[str, Any]]]:
    variables: dict[str, Any] = {}
    for name in sorted(os.environ):  # STRETTO_X, which is JSON, stands before STRETTO_X__Y
        if name.startswith(PREFIX) and os.environ[name]:
            place: Any = variables
            *parts, last = name.removeprefix(PREFIX).lower().split("__")
            for part in parts:
                place = place.setdefault(part, {}) if is_table(place) else place
            if is_table(place):
                place[last] = os.environ[name]
    return [(ENVIRONMENT, variables), *((file.name, file.settings) for file in files)]


def where_said() -> Callable[[Sequence[str]], str | None]:
    """Reads the environment and the files now; returns what tells which of them says a setting, None for neither."""
    places = _places(config_files())
    return lambda key: next((name for name, held in places if _holds(held, key)), None)


def _check_variables() -> None:
    """Raises ``SettingRefused`` for a variable that nearly names a setting: nobody would read it."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in os.environ:
        begin = name.split("__")[0]
        if name.startswith(PREFIX) and begin not in known and (near := get_close_matches(begin, known, 1, 0.85)):
            raise SettingRefused(ENVIRONMENT, name, f"there is no such setting; did you mean {near[0]}?")


def refusal(
    problems: ValidationError, said: Sequence[tuple[str, Mapping[str, Any]]], owner: type[BaseModel]
) -> SettingRefused:
    """Returns what is wrong with the first wrong setting, in words, with the first of the places that say it."""
    error = problems.errors(include_url=False, include_context=False)[0]
    place = tuple(map(str, error["loc"]))
    where = next((name for name, held in said if _holds(held, place)), said[-1][0] if said else OPTIONS)
    key = ".".join(place)
    if where == ENVIRONMENT:
        names = [PREFIX + "__".join(place[:length]).upper() for length in range(len(place), 0, -1)]
        where, length = next(
            ((name, len(place) - at) for at, name in enumerate(names) if name in os.environ), (where, 0)
        )
        key = ".".join(place[length:])
    if error["type"] == "extra_forbidden":
        known = _known(owner, place[:-1])
        near = get_close_matches(place[-1], known, 3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}"
        return SettingRefused(where, key, f"there is no such setting; {hint}")
    if error["type"] == "missing":
        return SettingRefused(where, key, "is missing")
    words = str(error["msg"]).removeprefix("Value error, ")
    words = words.replace("Input should", "must", 1).replace("String should", "must", 1)
    if error["type"] == "string_pattern_mismatch" and _MODEL_ID in words:
        words = "must be provider:model, as offline:surveyor"
    shown = repr(error["input"])
    hidden = "headers" in place
    return SettingRefused(where, key, words if hidden or len(shown) > 80 else f"{words}; it is {shown}")


def _holds(held: Mapping[str, Any], place: Sequence[str]) -> bool:
    """Says whether a setting stands there, or the beginning of the way to it as a value."""
    for part in place:
        if part not in held:
            return False
        inner = held[part]
        if not is_table(inner):
            return True
        held = inner
    return True


def _known(owner: type[BaseModel], place: Sequence[str]) -> list[str]:
    """Returns which settings there are at a place; the names of a table of tables are not settings."""
    found = owner
    for part in place:
        if part in found.model_fields:
            found = _table(found.model_fields[part].annotation) or found
    return sorted(found.model_fields)


def _table(annotation: Any) -> type[BaseModel] | None:
    """Returns the model that an annotation names, within a dict or an optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_table(each) for each in get_args(annotation))
    return next((each for each in inner if each is not None), None)
