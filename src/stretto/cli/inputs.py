"""Makes a run's input and labels of what stands on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stretto.cli.exits import TargetNotFound
from stretto.core.errors import DefinitionError


def read_input(text: str | None, settings: Iterable[str] = (), otherwise: Any = None) -> Any:
    """Returns the input: JSON, ``@file`` or ``-`` for stdin, and over it what ``key=value`` settings say.

    Raises ``DefinitionError`` for what is no JSON, or for settings of an input that is no mapping.
    """
    value = otherwise if text is None else _json(*_source(text))
    for setting in settings:
        key, value_text = pair(setting, "--set")
        value = _put(value, key.split("."), _json_or_text(value_text), key)
    return value


def pair(text: str, option: str) -> tuple[str, str]:
    """Splits ``key=value``; raises ``DefinitionError`` for anything else."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise DefinitionError(f"{option} takes key=value, not {text!r}")
    return key.strip(), value


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Splits every ``key=value``."""
    return dict(pair(text, option) for text in texts)


def _source(text: str) -> tuple[str, str]:
    if text == "-":
        return sys.stdin.read(), "stdin"
    if not text.startswith("@"):
        return text, "--input"
    path = Path(text[1:])
    try:
        return path.read_text("utf-8"), str(path)
    except FileNotFoundError:
        raise TargetNotFound(f"the input file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(f"the input file {path} cannot be read: {error}") from None


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        hint = f"; a text is written with quotes: --input '{json.dumps(text)}'" if source == "--input" else ""
        raise DefinitionError(f"{source} holds no JSON: {error}{hint}") from None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(held: Any, keys: list[str], value: Any, whole: str) -> Any:
    if held is None:
        held = {}
    if not isinstance(held, Mapping):
        raise DefinitionError(f"--set {whole}=… needs a mapping to put {keys[0]!r} into, and there is {held!r:.60}")
    copy: dict[str, Any] = {**held}
    copy[keys[0]] = value if len(keys) == 1 else _put(copy.get(keys[0]), keys[1:], value, whole)
    return copy


def seconds(text: str, option: str) -> float:
    """Reads a duration: ``90``, ``90s``, ``15m``, ``12h``, ``30d`` or ``2w``; raises ``DefinitionError``."""
    sizes = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    number, size = (text[:-1], sizes[text[-1]]) if text[-1:] in sizes else (text, 1)
    try:
        value = float(number) * size
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise DefinitionError(f"{option} takes a duration such as 90s, 15m, 12h or 30d, not {text!r}")
    return value
