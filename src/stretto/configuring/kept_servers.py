"""MCP servers that were described over the API: documents of an archive, whose secrets lie in the system's keyring."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anyio.to_thread import run_sync

from stretto.agents.validation import is_mapping
from stretto.configuring.settings import ServerTable
from stretto.core.archive import Archive, Document
from stretto.core.errors import DefinitionError
from stretto.models.keys import SERVICE
from stretto.tools.mcp.config import HttpServer, McpConfig, ServerConfig, StdioServer

SERVERS = "mcp_server"
"""The kind of document that describes an MCP server in an archive."""
KEPT = "kept"
"""A value ``{"kept": name}`` stands for the secret of that name in the system's keyring."""
SECRET_NAMES = ("API_KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL", "PRIVATE_KEY", "AUTHORIZATION")
"""A variable or a header whose name holds one of these holds a secret."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SCHEME = re.compile(r"(?:bearer|basic|token)\s+", re.IGNORECASE)
_KEY = re.compile(
    r"(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{12,}|hf_\w{16,}"
    r"|xox[abprs]-[\w-]{10,}|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|-----BEGIN "
)
_DENSE = re.compile(r"(?=[^A-Za-z]*[A-Za-z])(?=\D*\d)[A-Za-z0-9+=_-]{40,}|[0-9a-fA-F]{32,}")

Place = Literal["env", "headers"]
PLACES: tuple[Place, ...] = ("env", "headers")
"""Where the values of a description stand that may be secrets."""


class SecretNotKept(DefinitionError):
    """A secret of a server cannot be kept here; ``server``, and the ``field`` that it was given for."""

    def __init__(self, server: str, field: str, why: str) -> None:
        super().__init__(
            f"MCP server {server!r}: {field} holds a secret, which is never written into the database, and {why}; "
            "write it as ${VARIABLE}, and set that variable where the server is started"
        )
        self.server, self.field, self.why = server, field, why


class SecretGone(DefinitionError):
    """A secret of a server is not in the system's keyring any more."""

    def __init__(self, server: str, field: str) -> None:
        super().__init__(f"MCP server {server!r}: the secret of {field} is not in the system's keyring; give it anew")
        self.server, self.field = server, field


class ProgramRefused(DefinitionError):
    """A server that a request described is a program, and this process starts no such programs."""

    def __init__(self, server: str) -> None:
        super().__init__(
            f"MCP server {server!r} is a program that was described over the API: without server.token, or "
            "server.token_file, none is started; set one, or describe the server in the file of mcp_servers"
        )
        self.server = server


@dataclass(frozen=True, kw_only=True)
class KeptServers:
    """The servers of an archive that can be used, and why the others cannot, by name."""

    config: McpConfig = field(default_factory=McpConfig)
    broken: Mapping[str, DefinitionError] = field(default_factory=dict[str, DefinitionError])


def is_secret(name: str, value: str) -> bool:
    """Says whether the value of a variable or a header is a secret: by its name, or because it looks like a key.

    What ``${VARIABLE}`` stands for is none: it is not written down.
    """
    rest = _SCHEME.sub("", _REFERENCE.sub(lambda found: found[2] or "", value)).strip()
    if not rest:
        return False
    plain = name.upper().replace("-", "_")
    return any(word in plain for word in SECRET_NAMES) or holds_key(rest) or _DENSE.fullmatch(rest) is not None


def holds_key(text: str) -> bool:
    """Says whether a text holds what looks like a key of a service."""
    return _KEY.search(text) is not None


def variables_of(body: Mapping[str, Any], *, defaults: bool = False) -> list[str]:
    """Returns the environment variables that a description refers to, with ``defaults`` also those that have one."""
    found: set[str] = set()
    coming: list[Any] = [body]
    while coming:
        value = coming.pop()
        if isinstance(value, str):
            found |= {match[1] for match in _REFERENCE.finditer(value) if defaults or match.group(2) is None}
        elif is_mapping(value):
            coming += value.values()
        elif isinstance(value, list | tuple):
            coming += value  # pyright: ignore[reportUnknownArgumentType]  # whatever it holds is looked at in its turn
    return sorted(found)


def may_start_programs(server: ServerTable) -> bool:
    """Says whether programs that a request has described are started: whoever asks must have shown a token."""
    return server.token is not None or server.token_file is not None


async def read_servers(archive: Archive, *, programs: bool) -> KeptServers:
    """Returns the servers of an archive; with ``programs`` also those that are programs."""
    usable: dict[str, ServerConfig] = {}
    broken: dict[str, DefinitionError] = {}
    for document in await archive.documents(SERVERS):
        try:
            usable[document.name] = await config_of(document, programs=programs)
        except DefinitionError as error:
            broken[document.name] = error
    return KeptServers(config=McpConfig(usable), broken=broken)


async def config_of(document: Document, *, programs: bool) -> ServerConfig:
    """Returns what a document describes, its secrets filled in.

    Raises ``ProgramRefused``, ``SecretGone``, and ``McpConfigError`` for a variable that is not set.
    """
    body, known = dict(document.body), dict(os.environ)
    if body.get("command") and not programs:
        raise ProgramRefused(document.name)
    for place, name, kept in kept_in(body):
        secret = await run_sync(_read, kept)
        if secret is None:
            raise SecretGone(document.name, f"{place}.{name}")
        stand_in = f"kept_{uuid.uuid4().hex}"
        known[stand_in] = secret
        body[place] = {**body[place], name: f"${{{stand_in}}}"}
    return McpConfig.of({"mcpServers": {document.name: body}}, known).servers[document.name]


def kept_in(body: Mapping[str, Any]) -> list[tuple[Place, str, str]]:
    """Returns the secrets of a description: where each stands, for which name, and its name in the keyring."""
    found: list[tuple[Place, str, str]] = []
    for place in PLACES:
        given: Any = body.get(place)
        for name, value in given.items() if is_mapping(given) else ():
            if is_mapping(value):
                found.append((place, str(name), str(value[KEPT])))
    return found


def check_open_secrets(name: str, config: ServerConfig, body: Mapping[str, Any]) -> None:
    """Raises ``SecretNotKept`` when arguments or the address of a server hold a secret in clear."""
    why = "arguments and addresses are"
    if isinstance(config, StdioServer):
        bare = config.model_copy(update={"env": {}})
        given = list(body.get("args", ()))
        for place, text in enumerate(given):
            if any(secret in text for secret in bare.secrets) or holds_key(text):
                raise SecretNotKept(name, f"args.{place}", f"{why} shown as they are")
    elif isinstance(config, HttpServer):
        bare_http = config.model_copy(update={"headers": {}})
        address = str(body.get("url", ""))
        if any(secret in address for secret in bare_http.secrets):
            raise SecretNotKept(name, "url", f"{why} shown as they are")


async def keep_secrets(server: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the secrets of a description into the system's keyring; returns the description with names for them.

    Raises ``SecretNotKept`` where there is no keyring; then none of them is there.
    """
    made = dict(body)
    new: list[str] = []
    try:
        for place in PLACES:
            held = dict(made.get(place) or {})
            for name, value in held.items():
                if isinstance(value, str) and is_secret(name, value):
                    kept = f"mcp/{uuid.uuid4().hex}"
                    await run_sync(_write, server, f"{place}.{name}", kept, value)
                    new.append(kept)
                    held[name] = {KEPT: kept}
            if held:
                made[place] = held
    except SecretNotKept:
        await forget_secrets(new)
        raise
    return made


async def forget_secrets(names: Iterable[str]) -> None:
    """Takes secrets out of the system's keyring; one that is not there, or a keyring that is gone, is passed over."""
    for name in names:
        await run_sync(_delete, name)


def _read(name: str) -> str | None:
    import keyring

    try:
        return keyring.get_password(SERVICE, name)
    except Exception:  # noqa: BLE001  # backends raise what they like: one that cannot be asked holds nothing
        return None


def _write(server: str, field: str, name: str, value: str) -> None:
    import keyring

    try:
        keyring.set_password(SERVICE, name, value)
    except Exception as error:  # noqa: BLE001  # backends raise what they like, and their words may hold the secret
        why = f"this system has no keyring that can be used ({type(error).__name__})"
        raise SecretNotKept(server, field, why) from None


def _delete(name: str) -> None:
    from contextlib import suppress

    import keyring

    with suppress(Exception):  # what cannot be asked holds nothing that could be taken out
        keyring.delete_password(SERVICE, name)
