"""What can go wrong with a call of a model: one family, sorted by what can be done about it.

    ModelFailed
    ├── Passing                     asking again may help
    │   ├── RateLimited             429: too many requests or tokens per minute
    │   └── ServiceFailed           the provider's own failure: these open its circuit
    │       ├── Overloaded          503, 529
    │       ├── ServerFailed        500, 502, 504 …
    │       ├── Unreachable         no connection, or it broke
    │       │   └── TookTooLong     no answer in time
    │       └── ReplyCutOff         the answer ended in the middle, or was unreadable
    ├── ReplyActedOn                cut off as well, but something was done about its beginning already
    ├── QuotaExhausted              402, insufficient quota: the account is empty
    └── Rejected                    400, 422: the request is not acceptable as it is
        ├── BadKey                  401, 403
        ├── NoSuchModel             404
        ├── ContextTooLong          the conversation does not fit
        └── Filtered                a content filter

Every one is made from a category of pydantic-ai's errors, never from the words of a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, ClassVar

from stretto.core.errors import CircuitOpen, ExecutionError
from stretto.models.messages import is_object

WORDS = 400
"""How many characters of what a provider said an error shows."""
_KEYS = re.compile(r"(?i)\b(?:sk|pk|key|gsk|xai|hf)[-_][A-Za-z0-9_*.-]{6,}|(bearer\s+)\S{6,}")


class ModelFailed(ExecutionError):
    """A model gave no answer; ``status_code`` is the provider's (None without one), ``retry_after`` in seconds."""

    happened: ClassVar[str] = "gave no answer"
    way_out: ClassVar[str] = "see what the provider says, or ask another model (fallbacks=)"

    def __init__(
        self, model: str, words: str = "", *, status_code: int | None = None, retry_after: float | None = None
    ) -> None:
        status = f" ({status_code})" if status_code is not None else ""
        said = f": {words}" if words else ""
        super().__init__(f"model {model!r} {self.happened}{status}{said}; {self.way_out}")
        self.model, self.words, self.status_code, self.retry_after = model, words, status_code, retry_after


class Passing(ModelFailed):
    """A failure that may be over when the model is asked again."""


class RateLimited(Passing):
    """The provider wants fewer requests or tokens per minute."""

    happened = "was asked too often"
    way_out = "wait, lower max_concurrency, or add another model as a fallback"


class ServiceFailed(Passing):
    """The provider failed by its own fault; so many in a row open its circuit."""


class Overloaded(ServiceFailed):
    """The provider has too much to do."""

    happened = "is overloaded or unavailable"
    way_out = "try again later, or add another model as a fallback"


class ServerFailed(ServiceFailed):
    """The provider's server failed."""

    happened = "failed on its server"
    way_out = "try again later, or add another model as a fallback"


class Unreachable(ServiceFailed):
    """There is no connection to the provider, or it broke."""

    happened = "cannot be reached"
    way_out = "look at the network, and at the provider's base_url"


class TookTooLong(Unreachable):
    """The provider did not answer in time."""

    happened = "did not answer in time"
    way_out = "ask for less (max_tokens), or allow more time (settings={'timeout': seconds})"


class ReplyCutOff(ServiceFailed):
    """An answer ended in the middle, or could not be read."""

    happened = "broke off its answer"
    way_out = "ask again, or add another model as a fallback"


class ReplyActedOn(ModelFailed):
    """An answer broke off after something had been done about its beginning, so it is not asked for anew."""

    happened = "broke off an answer that was acted on already"
    way_out = "what was done stands; begin anew, and tell the model of it"


class QuotaExhausted(ModelFailed):
    """The account's quota or credit is used up."""

    happened = "refuses: quota or credit is used up"
    way_out = "top up the account, or add a model of another provider as a fallback"


class Rejected(ModelFailed):
    """The provider does not accept the request as it is."""

    happened = "rejects the request"
    way_out = "change what is asked: settings, tools or messages"


class BadKey(Rejected):
    """The provider does not accept the key."""

    happened = "rejects the key"
    way_out = "give the right one: set its environment variable, or `stretto models key PROVIDER`"


class NoSuchModel(Rejected):
    """The provider does not know the model, or its address is wrong."""

    happened = "is unknown to its provider"
    way_out = "look at the name, and at the provider's base_url"


class ContextTooLong(Rejected):
    """The conversation does not fit into the model's context window."""

    happened = "finds the conversation too long"
    way_out = "shorten it, or ask a model with a larger context window"


class Filtered(Rejected):
    """The provider's content filter stopped the request or the answer."""

    happened = "was stopped by a content filter"
    way_out = "ask in other words"


ANOTHER_MODEL_MAY_DO: tuple[type[Exception], ...] = (
    Passing, CircuitOpen, QuotaExhausted, BadKey, NoSuchModel, ContextTooLong,
)  # fmt: skip
"""The failures for which a fallback is asked: not those of the request itself, which would fail everywhere, nor a
budget that is used up, nor an answer that was acted on."""


def masked(text: str, secrets: Collection[str] = ()) -> str:
    """Returns a text without these secrets, nor anything that has the form of a key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _KEYS.sub(lambda found: f"{found.group(1) or ''}***", text)


def failure(model: str, error: Exception, secrets: Collection[str] = (), *, begun: bool = False) -> ModelFailed | None:
    """Returns what an error of pydantic-ai is to us; None when it is none of a model's.

    ``begun`` says that a part of the answer was here already: then a broken connection has cut it off.
    """
    from pydantic_ai import exceptions as theirs

    table: tuple[tuple[type[Exception], type[ModelFailed]], ...] = (
        (theirs.ModelContextWindowExceededError, ContextTooLong),
        (theirs.ModelAuthenticationError, BadKey),
        (theirs.ModelNotFoundError, NoSuchModel),
        (theirs.ModelRequestRejectedError, Rejected),
        (theirs.ModelRateLimitError, RateLimited),
        (theirs.ModelQuotaExceededError, QuotaExhausted),
        (theirs.ModelUnavailableError, Overloaded),
        (theirs.ModelServerError, ServerFailed),
        (theirs.ModelTimeoutError, TookTooLong),
        (theirs.ModelRequestTimeout, TookTooLong),
        (theirs.ModelConnectionError, ReplyCutOff if begun else Unreachable),
        (theirs.ContentFilterError, Filtered),
        (theirs.UnexpectedModelBehavior, ReplyCutOff),
        (theirs.ModelHTTPError, Rejected),
        (theirs.ModelAPIError, ReplyCutOff),
    )
    kind = next((ours for their, ours in table if isinstance(error, their)), None)
    if kind is None:
        return None
    words = " ".join(masked(_words(error), secrets).split())
    return kind(
        model,
        words if len(words) <= WORDS else f"{words[:WORDS]}…",
        status_code=getattr(error, "status_code", None),
        retry_after=getattr(error, "retry_after", None),
    )


def was_refused(error: Exception) -> bool:
    """Says whether a request came to nothing before a provider could have worked on it: that costs no tokens."""
    from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError

    if isinstance(error, ModelConnectionError):
        return error.phase in {"pool", "connect"}
    return isinstance(error, ModelHTTPError) and not error.in_stream


def _words(error: Exception) -> str:
    """Returns what the provider said: the message in its answer, or else the error's own words."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return body or str(error)
    for _ in range(2):
        if is_object(body):
            body = body.get("message") or body.get("error") or body.get("detail") or ""
    if isinstance(body, str) and body:
        return body
    return str(getattr(error, "message", None) or error)
