"""Values for the reader: plain JSON without the marks that the store needs, and short forms of it."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from stretto.core.codec import NotStorable, preview, to_plain
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut

OUTCOMES = {
    f"{outcome.__module__}:{outcome.__qualname__}": status
    for outcome, status in (
        (Completed, "completed"),
        (Failed, "failed"),
        (TimedOut, "timed_out"),
        (Cancelled, "cancelled"),
        (NotStarted, "not_started"),
    )
}
"""The word for each outcome by the stored name of its class."""


def is_list(plain: object) -> TypeGuard[list[Any]]:
    """Says whether a JSON value is an array."""
    return isinstance(plain, list)


def is_object(plain: object) -> TypeGuard[dict[str, Any]]:
    """Says whether a JSON value is an object."""
    return isinstance(plain, dict)


def readable(plain: Any) -> Any:
    """Returns a stored form as JSON that people expect: records as objects, tuples and sets as lists, dates as text."""
    if is_list(plain):
        return [readable(item) for item in plain]
    if not is_object(plain):
        return plain
    if len(plain) == 1:
        ((tag, held),) = plain.items()
        match tag:
            case "$tuple" | "$set" | "$frozenset":
                return [readable(item) for item in held]
            case "$data" if held[0] in OUTCOMES:
                return {"status": OUTCOMES[held[0]]} | {key: readable(item) for key, item in held[1].items()}
            case "$data" | "$model":
                return readable(held[1])
            case "$error":
                return f"{held[0].rpartition(':')[2]}: {', '.join(str(readable(item)) for item in held[1])}"
            case "$enum":
                return held[1]
            case "$map":
                return {item[0] if isinstance(item[0], str) else _key(item[0]): readable(item[1]) for item in held}
            case "$large":
                return {"size": held[1], "begins": held[2]}
            case _ if tag.startswith("$"):
                return readable(held)
            case _:
                pass
    return {key: readable(item) for key, item in plain.items()}


def _key(plain: Any) -> str:
    return json.dumps(readable(plain), ensure_ascii=False)


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
