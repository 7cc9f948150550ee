"""Durations and sizes as people write them: ``30s``, ``5m``, ``512 MiB``."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([a-zA-Z]+)")

DURATION = r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h|d)$"
"""What a written duration looks like, for the schema."""
SIZE = r"^[0-9]+(\.[0-9]+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)$"
"""What a written size looks like, for the schema."""


def to_seconds(value: object) -> object:
    """Returns the seconds of a written duration, and anything else as it is; raises ``ValueError`` for other texts."""
    if not isinstance(value, str):
        return value
    found = _QUANTITY.fullmatch(value)
    if found is None or found[2] not in _SECONDS:
        raise ValueError(f"{value!r} is no duration; write seconds (30), or a number with {', '.join(_SECONDS)}")
    return float(found[1]) * _SECONDS[found[2]]


def to_bytes(value: object) -> object:
    """Returns the bytes of a written size, and anything else as it is; raises ``ValueError`` for other texts."""
    if not isinstance(value, str):
        return value
    found = _QUANTITY.fullmatch(value)
    if found is None or found[2] not in _BYTES:
        raise ValueError(f"{value!r} is no size; write bytes, or a number with {', '.join(_BYTES)}")
    return int(float(found[1]) * _BYTES[found[2]])
