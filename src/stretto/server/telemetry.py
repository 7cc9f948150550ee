"""Sends spans and metrics of runs where the settings say, by OpenTelemetry; nothing when they say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from stretto.configuring.settings import ServerTable
from stretto.core.errors import DefinitionError
from stretto.core.events import Event


class TelemetryMissing(DefinitionError):
    """Telemetry is asked for, and what sends it is not installed."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"server.telemetry is {place!r}, and OpenTelemetry is not installed; install stretto[telemetry], or leave "
            "the setting out"
        )
        self.place = place


class Follower(Protocol):
    """Turns what one run tells into spans and metrics."""

    def take(self, events: Sequence[Event]) -> None:
        """Takes the next events of the run's log, from its beginning."""

    def close(self) -> None:
        """Takes nothing more."""


class Telemetry(Protocol):
    """Makes followers, and sends what they tell."""

    def follower(self) -> Follower:
        """Returns what follows one run; what had happened before is not told again."""
        ...

    async def close(self) -> None:
        """Sends what is left, for a few seconds at the most."""


class _Nobody:
    """Follows nothing."""

    def take(self, events: Sequence[Event]) -> None: ...

    def close(self) -> None: ...


class _Off:
    """What there is when nothing is to be sent."""

    def follower(self) -> Follower:
        return _Nobody()

    async def close(self) -> None: ...


def open_telemetry(settings: ServerTable) -> Telemetry:
    """Returns what sends spans and metrics; it does nothing unless ``settings.telemetry`` names a place.

    Raises ``DefinitionError`` for what is no address, and ``TelemetryMissing`` without the extra ``telemetry``.
    """
    place = settings.telemetry
    if place is None:
        return _Off()
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DefinitionError(f"server.telemetry must be an address as http://localhost:4318, not {place!r:.80}")
    try:
        from stretto.server.telemetry_sending import sending
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise TelemetryMissing(place) from None
    return sending(place, content=settings.telemetry_content)
