"""Values for the reader: plain JSON without the marks that the store needs, and short forms of it."""

from __future__ import annotations

import json
from typing import Any

from stretto.core.codec import NotStorable, preview, to_plain
from stretto.stores.plain import is_list, is_object, readable

__all__ = ["is_list", "is_object", "json_of", "readable", "short"]


def json_of(value: Any) -> Any:
    """Returns a value as JSON that people expect; what has no stored form is shown as Python shows it."""
    try:
        return readable(to_plain(value))
    except (NotStorable, RecursionError):
        return readable(preview(value))


def short(plain: Any, room: int = 200) -> str:
    """Returns a JSON value on one line, cut to ``room`` characters with its size."""
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    text = " ".join(text.split())
    if len(text) <= room:
        return text
    size = f"{len(plain):,} items" if is_list(plain) or is_object(plain) else f"{len(text):,} characters"
    return f"{text[: room - 1]}… ({size})"
