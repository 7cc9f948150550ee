"""Which MCP servers there are and how they are reached: the common ``mcpServers`` JSON, read and checked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from stretto.core.errors import DefinitionError

SERVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SOUNDS_SECRET = re.compile(r"key|token|secret|passw|pwd|auth|credential|cookie", re.IGNORECASE)
_NAMED = re.compile(r"([A-Za-z0-9_-]{1,64})\s*[=:]\s*(.+)", re.DOTALL)
"""An argument that names what it gives: ``--token=x``, ``TOKEN=x``, ``Authorization: Bearer x``."""
_HIDDEN = {"env", "headers", "url"}

Word = Annotated[str, Field(max_length=512, pattern=r"^[^\x00]*$")]
VariableName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class McpConfigError(DefinitionError):
    """A server's configuration cannot be followed; ``server``, ``field`` and what is wrong with it."""

    def __init__(self, server: str, field: str, problem: str) -> None:
        where = f"MCP server {server!r}" if server else "the MCP configuration"
        super().__init__(f"{where}: {f'{field}: ' if field else ''}{problem}")
        self.server, self.field, self.problem = server, field, problem


class _Server(BaseModel):
    """What is said of every server; seconds, bytes and counts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    description: str = Field("", max_length=1024)
    disabled: bool = False
    timeout: float = Field(60.0, gt=0, le=86_400)
    connect_timeout: float = Field(30.0, gt=0, le=3_600)
    stop_timeout: float = Field(2.0, gt=0, le=60)
    max_concurrency: int = Field(8, ge=1, le=1_000)
    max_restarts: int = Field(3, ge=0, le=1_000)
    max_message: int = Field(16 * 2**20, ge=1_024)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nobody but the server may see."""
        return ()


class StdioServer(_Server):
    """A server that is a program: started by us, spoken to over its standard input and output."""

    type: Literal["stdio"] = "stdio"
    command: str = Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")
    args: tuple[Word, ...] = Field((), max_length=50)
    env: dict[VariableName, SecretStr] = Field({}, max_length=50)
    cwd: str | None = Field(None, min_length=1, max_length=4096, pattern=r"^[^\x00]+$")

    @field_validator("env")
    @classmethod
    def _check_values(cls, values: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return _checked(values, "\x00")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of variables and arguments whose names sound secret, and passwords in addresses."""
        values = [value.get_secret_value() for name, value in self.env.items() if _SOUNDS_SECRET.search(name)]
        given = [*self.args, *(value.get_secret_value() for value in self.env.values())]
        for text in given:
            values += _in_address(text)
        return _telling([*values, *_in_arguments(self.args)])


class HttpServer(_Server):
    """A server that is reached over streamable HTTP."""

    type: Literal["http"] = "http"
    url: str = Field(max_length=2048, pattern=r"^https?://[^\s/?#]+[^\s]*$")
    headers: dict[HeaderName, SecretStr] = Field({}, max_length=50)

    @field_validator("headers")
    @classmethod
    def _check_values(cls, values: dict[str, SecretStr]) -> dict[str, SecretStr]:
        return _checked(values, "\x00\r\n")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of all headers, of ``Bearer x`` also ``x``, and what is secret in the address."""
        return _telling([*(value.get_secret_value() for value in self.headers.values()), *_in_address(self.url)])

    @property
    def place(self) -> str:
        """The address as it may be shown: without user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


ServerConfig = StdioServer | HttpServer


@dataclass(frozen=True)
class McpConfig:
    """The servers by their names. ``of`` makes one of the common JSON form, ``load`` of a file that holds it."""

    servers: Mapping[str, ServerConfig] = field(default_factory=dict[str, ServerConfig])

    @classmethod
    def of(cls, data: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> McpConfig:
        """Returns the configuration that ``{"mcpServers": {name: {...}}}`` says.

        ``${NAME}`` in a text is replaced by that variable of ``environ`` (default: this process's), and
        ``${NAME:-other}`` by ``other`` when it is not set. Other entries beside ``mcpServers`` are other programs'.
        Raises ``McpConfigError``.
        """
        servers = _object(data.get("mcpServers"))
        if servers is None:
            raise McpConfigError("", "mcpServers", 'must be an object, as {"mcpServers": {"name": {"command": "npx"}}}')
        known = os.environ if environ is None else environ
        return cls({str(name): _server(str(name), said, known) for name, said in servers.items()})

    @classmethod
    def load(cls, path: str | Path, environ: Mapping[str, str] | None = None) -> McpConfig:
        """Reads a JSON file; raises ``McpConfigError`` when it is none, or names a server twice."""
        try:
            data = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=_each_once)
        except ValueError as error:
            raise McpConfigError("", "", f"{str(path)!r} is not JSON: {error}") from None
        return cls.of(data, environ)


def _object(value: object) -> dict[str, Any] | None:
    """Returns a JSON object, or None for anything else."""
    if not isinstance(value, Mapping):
        return None
    given: Mapping[Any, Any] = {**value}
    return {str(key): each for key, each in given.items()}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise McpConfigError("", name, "is there twice")
        found[name] = value
    return found


def _server(name: str, said: object, environ: Mapping[str, str]) -> ServerConfig:
    if not SERVER_NAME.fullmatch(name):
        raise McpConfigError(name[:80], "", "a server's name is 1 to 64 letters, digits, '_' and '-'")
    given = _object(said)
    if given is None:
        raise McpConfigError(
            name, "", f"must be an object, not {'a text' if isinstance(said, str) else repr(said)}"[:200]
        )
    settings = {key: _expanded(name, key, value, environ) for key, value in given.items()}
    kind = settings.get("type") or ("http" if "url" in settings else "stdio")
    if kind in ("streamable-http", "streamableHttp", "streamable_http"):
        kind = settings["type"] = "http"
    if kind not in ("http", "stdio"):
        old = "; Server-Sent Events alone are not spoken, give the streamable HTTP address" if kind == "sse" else ""
        raise McpConfigError(name, "type", f"must be 'stdio' or 'http', not {kind!r}{old}")
    if kind == "stdio" and "command" not in settings:
        raise McpConfigError(name, "command", "is missing: a server has a command (stdio) or a url (http)")
    try:
        return (HttpServer if kind == "http" else StdioServer).model_validate(settings)
    except ValidationError as error:
        raise _problem(name, error, settings) from None


def _problem(name: str, error: ValidationError, settings: Mapping[str, Any]) -> McpConfigError:
    """Tells the first problem, with the value unless it may be a secret."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    if first["type"] == "extra_forbidden":
        known = sorted({*StdioServer.model_fields, *HttpServer.model_fields})
        return McpConfigError(name, ".".join(place), f"is not a setting of such a server; there are {', '.join(known)}")
    value: Any = settings
    for part in first["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    if place and (place[0] in _HIDDEN or (place[0] == "args" and _is_told_secret(settings["args"], value))):
        shown = "a value that is not shown"
    else:
        shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:80]}… of {len(repr(value)):,} characters"
    if first["type"] == "missing":
        return McpConfigError(name, ".".join(place), "is missing")
    return McpConfigError(name, ".".join(place), f"{first['msg']}; it is {shown}")


def _expanded(server: str, field: str, value: Any, environ: Mapping[str, str]) -> Any:
    """Replaces ``${NAME}`` in all texts of a value."""
    if (entries := _object(value)) is not None:
        return {key: _expanded(server, f"{field}.{key}", each, environ) for key, each in entries.items()}
    if isinstance(value, list):
        items: list[Any] = [*value]
        return [_expanded(server, f"{field}.{place}", each, environ) for place, each in enumerate(items)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match[1]
        if name in environ:
            return environ[name]
        if match[2] is None:  # pyright: ignore[reportUnnecessaryComparison]  # a group that took no part is None
            raise McpConfigError(server, field, f"the environment variable {name} is not set; set it, or write a value")
        return match[2]

    return _VARIABLE.sub(variable, value)


def _checked(values: dict[str, SecretStr], refused: str) -> dict[str, SecretStr]:
    for name, value in values.items():
        text = value.get_secret_value()
        if len(text) > 4096 or any(character in text for character in refused):
            raise ValueError(f"the value of {name} must be at most 4,096 characters, without NUL or line breaks")
    return values


def _in_arguments(given: Sequence[str]) -> list[str]:
    """Returns the values that arguments give to secret-sounding names, as ``--token x`` or ``--token=x``."""
    found: list[str] = []
    for before, text in zip(("", *given), given, strict=False):
        named = _NAMED.match(text)
        if named is not None and _SOUNDS_SECRET.search(named[1]):
            found.append(named[2])
        elif before.startswith("-") and not _NAMED.match(before) and _SOUNDS_SECRET.search(before):
            found.append(text)
    return found


def _is_row(given: object) -> TypeGuard[list[object]]:
    return isinstance(given, list)


def _is_told_secret(given: object, value: object) -> bool:
    """Says whether a value of the arguments, or all of them, must not be shown."""
    secrets = _in_arguments([text for text in given if isinstance(text, str)] if _is_row(given) else [])
    return any(secret in str(value) for secret in secrets)


def _in_address(text: str) -> list[str]:
    """Returns the password and the values of secret-sounding parameters of an address, as written and decoded."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return []
    if not parts.netloc:
        return []
    _, _, password = parts.netloc.rpartition("@")[0].partition(":")
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    found = [password, *(value for name, _, value in pairs if _SOUNDS_SECRET.search(name))]
    return [form for value in found for form in (value, unquote(value))]


def _telling(texts: Sequence[str]) -> tuple[str, ...]:
    """Returns the values that are long enough to be recognised.

    With them what stands behind a scheme's name, and the lines of those that have several: servers write lines.
    """
    whole = [*texts, *(text.split(" ", 1)[1].strip() for text in texts if " " in text)]
    whole += [line.strip() for text in whole if "\n" in text for line in text.splitlines() if len(line.strip()) >= 12]
    return tuple(sorted({text for text in whole if len(text) >= 4}, key=len, reverse=True))
