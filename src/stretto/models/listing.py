"""Asks a provider which models it has: the cheapest way to find out whether it can be reached and takes its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import anyio

from stretto.core.errors import DefinitionError, ExecutionError
from stretto.models.errors import (
    WORDS,
    BadKey,
    ModelFailed,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Rejected,
    ServerFailed,
    TookTooLong,
    Unreachable,
    masked,
)

PATIENCE = 10.0
"""How long a provider may take to answer (seconds)."""
_STATUSES: dict[int, type[ModelFailed]] = {
    401: BadKey, 402: QuotaExhausted, 403: BadKey, 429: RateLimited, 503: Overloaded, 529: Overloaded,
}  # fmt: skip


class ProviderFailed(ExecutionError):
    """A provider did not say which models it has; ``status_code`` is what it answered, None without an answer."""

    def __init__(self, provider: str, kind: type[ModelFailed], words: str, status_code: int | None) -> None:
        status = f" ({status_code})" if status_code is not None else ""
        said = f": {words}" if words else ""
        super().__init__(f"provider {provider!r} {kind.happened}{status}{said}; {kind.way_out}")
        self.provider, self.kind, self.words, self.status_code = provider, kind, words, status_code


class CannotList(DefinitionError):
    """A provider's client has no list of models to ask for."""

    def __init__(self, provider: str) -> None:
        super().__init__(f"provider {provider!r} has no list of models to ask for; name a model, and it is asked")
        self.provider = provider


async def models_at(
    provider: str, source: Callable[[], Awaitable[Any]], headers: dict[str, str], secrets: Collection[str]
) -> tuple[str, ...]:
    """Returns the names of the models that a provider says it has, sorted; ``source`` gives its client.

    Raises ``ProviderFailed``, and ``CannotList`` when the client has no way to ask.
    """
    told: dict[str, Any] = {"extra_headers": headers} if headers else {}
    try:
        with anyio.fail_after(PATIENCE):
            held = getattr(await source(), "models", None)
            ask = getattr(held, "list_async", None) or getattr(held, "list", None)
            if ask is None:
                raise CannotList(provider)
            found = await ask(**told)
        return tuple(sorted(str(each.id) for each in found.data))
    except CannotList:
        raise
    except TimeoutError:
        raise ProviderFailed(provider, TookTooLong, "", None) from None
    except Exception as error:  # noqa: BLE001  # clients raise what they like, and their words may hold the key
        raise _failed(provider, error, secrets) from None


def _failed(provider: str, error: Exception, secrets: Collection[str]) -> ProviderFailed:
    status: Any = getattr(error, "status_code", None)
    code = status if isinstance(status, int) else None
    kind: type[ModelFailed] = Unreachable
    if code is not None:
        kind = _STATUSES.get(code) or (ServerFailed if code >= 500 else Rejected)
    words = " ".join(masked(str(error), secrets).split())
    return ProviderFailed(provider, kind, words if len(words) <= WORDS else f"{words[:WORDS]}…", code)
