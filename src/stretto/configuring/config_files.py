"""Finds and reads the files that hold settings: ``stretto.toml`` here, and the user's own; no key may stand in them."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from stretto.core.errors import DefinitionError

PROJECT_FILE = "stretto.toml"
PATHS = ("workspace", "mcp_servers", "database")
"""Settings that are paths: relative ones begin where their file is."""

_SECRET_NAME = re.compile(r"(^|[_-])(api[_-]?key|key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(?:sk|gsk|xai|hf|pk)[-_][A-Za-z0-9_-]{16,}")
_BESIDE_VARIABLES = re.compile(r"(bearer|basic|token|apikey|key|digest|[\w-]+=)?", re.IGNORECASE)
_PASSWORD = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/\s@]*:[^/\s]+@")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class SettingRefused(DefinitionError):
    """A setting that nothing reads, or a value that it cannot have; ``where`` is a file, a variable or an option."""

    def __init__(self, where: str, key: str, problem: str) -> None:
        super().__init__(f"{where}: {f'{key}: ' if key else ''}{problem}")
        self.where, self.key, self.problem = where, key, problem


class SecretInFile(SettingRefused):
    """A key of a provider stands in a file, where it would be copied, shown and committed."""

    def __init__(self, where: str, key: str, way_out: str) -> None:
        super().__init__(where, key, f"a secret does not belong into a file; {way_out}")


@dataclass(frozen=True)
class ConfigFile:
    """A file with what it says; ``name`` is how it is called in messages."""

    path: Path
    name: str
    settings: Mapping[str, Any]


def user_file() -> Path:
    """Returns where the user's own settings are: ``stretto/config.toml`` in the XDG configuration directory."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(config) if os.path.isabs(config) else Path.home() / ".config") / "stretto" / "config.toml"


def config_files() -> list[ConfigFile]:
    """Returns the files that are there, the one that counts more first; raises ``SettingRefused``."""
    places = ((Path.cwd() / PROJECT_FILE, PROJECT_FILE), (user_file(), str(user_file())))
    return [
        ConfigFile(path, name, _from_its_place(path, read_table(path, name))) for path, name in places if path.is_file()
    ]


def read_table(path: Path, name: str) -> dict[str, Any]:
    """Reads a TOML file, or a JSON file by its ending.

    Raises ``SettingRefused`` when it is none, and ``SecretInFile`` when it holds a key.
    """
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text("utf-8")
        settings: Any = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (UnicodeDecodeError, ValueError) as error:  # both parsers' errors are ValueErrors
        raise SettingRefused(name, "", f"this is no {kind}: {error}") from None
    if not is_table(settings):
        raise SettingRefused(name, "", "this is no JSON object")
    for place, value in _leaves(settings):
        _check_secret(name, place, value)
    return settings


def _from_its_place(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    for key in PATHS:
        if isinstance(held := settings.get(key), str) and held and "://" not in held and held != "memory":
            settings[key] = str(path.parent / Path(held).expanduser())
    return settings


def is_table(value: Any) -> TypeGuard[dict[str, Any]]:
    """Says whether a value is a table with settings of its own."""
    return isinstance(value, dict)


def _is_row(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _leaves(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield place, value
    elif is_table(value):
        for key, each in value.items():
            yield from _leaves(each, (*place, key))
    elif _is_row(value):
        for number, each in enumerate(value):
            yield from _leaves(each, (*place, str(number)))


def _check_secret(file: str, key: Sequence[str], value: str) -> None:
    name = ".".join(key)
    provider = key[1] if key[0] == "providers" and len(key) > 2 else "PROVIDER"
    if key[0] == "providers" and "headers" in key[2:3]:
        kept = _VARIABLE.search(value) and _BESIDE_VARIABLES.fullmatch(_VARIABLE.sub("", value).strip())
        if (_SECRET_HEADER.search(key[-1]) and not kept) or _SECRET_VALUE.search(value):
            raise SecretInFile(file, name, 'keep it in an environment variable, and write "${ITS_NAME}" here')
        return
    if _PASSWORD.search(value):
        variable = f"STRETTO_{'__'.join(key).upper()}"
        raise SecretInFile(file, name, f"an address with a password is given by the environment: {variable}")
    if tuple(key) == ("server", "token"):
        raise SecretInFile(file, name, "name a token_file, or set STRETTO_SERVER__TOKEN in the environment")
    if _SECRET_NAME.search(key[-1]) or _SECRET_VALUE.search(value):
        raise SecretInFile(
            file, name,
            f"set the provider's variable in the environment, or type `stretto models key {provider}` to keep it in "
            "the system's keyring",
        )  # fmt: skip
