"""What a store holds as JSON that people expect: no code of the user's is imported to look at it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeGuard

from stretto.core.codec import decode
from stretto.core.errors import StoreError
from stretto.core.events import EVENTS, ErrorRecord, Event
from stretto.core.journal import Line
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, TimedOut

if TYPE_CHECKING:
    from stretto.stores.store import Store

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
        try:
            return _tagged(tag, held)
        except (TypeError, ValueError, LookupError, AttributeError):
            pass  # it only looks like a tag: previews show the keys of other people's objects as they are
    return {key: readable(item) for key, item in plain.items()}


def _tagged(tag: str, held: Any) -> Any:
    """Returns what stands behind a tag; raises ``KeyError`` where it is none, others where it is none of ours."""
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
            raise KeyError(tag)


def _key(plain: Any) -> str:
    return json.dumps(readable(plain), ensure_ascii=False)


async def told(store: Store, run_id: str) -> list[Event]:
    """Returns a run's events with their values as plain JSON, large ones left where they are kept."""
    return [plain_event(line) for line in await store.lines(run_id, full=False)]


def plain_event(line: Line) -> Event:
    """Returns a line's event; where ``decode`` would make objects, their JSON form stands."""
    if line.kind not in EVENTS:
        return decode(*line[1:])  # which says what is wrong with it
    held: dict[str, Any] = json.loads(line.data)
    if held.get("error") is not None:
        held["error"] = ErrorRecord(**held["error"])
    try:
        return EVENTS[line.kind](path=line.path, at=line.at, **held)
    except TypeError as error:
        raise StoreError(f"line {line.seq} of the log cannot be read ({error}); a newer version wrote it") from None
