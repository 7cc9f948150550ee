"""Models: steps that answer, of every provider and of none, with what they say, cost and refuse."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stretto.models.embedding import NoEmbedder, ProviderEmbedder, StaticEmbedder
    from stretto.models.errors import (
        BadKey,
        ContextTooLong,
        Filtered,
        ModelFailed,
        NoSuchModel,
        Overloaded,
        Passing,
        QuotaExhausted,
        RateLimited,
        Rejected,
        ReplyActedOn,
        ReplyCutOff,
        ServerFailed,
        ServiceFailed,
        TookTooLong,
        Unreachable,
    )
    from stretto.models.keys import Keys, MissingKey, NoKeyring
    from stretto.models.language_model import LanguageModel, model_policy
    from stretto.models.messages import Message, ToolCall, ToolResult, results_message, text_of, user_message
    from stretto.models.model import Listener, Model, ModelCall, Reply, ToolOffer
    from stretto.models.pricing import Price, Prices
    from stretto.models.providers import ProviderConfig
    from stretto.models.resolve import MissingExtra, Models, UnknownModel

_PLACES = {
    "embedding": ("NoEmbedder", "ProviderEmbedder", "StaticEmbedder"),
    "errors": (
        "BadKey", "ContextTooLong", "Filtered", "ModelFailed", "NoSuchModel", "Overloaded", "Passing",
        "QuotaExhausted", "RateLimited", "Rejected", "ReplyActedOn", "ReplyCutOff", "ServerFailed", "ServiceFailed",
        "TookTooLong", "Unreachable",
    ),
    "keys": ("Keys", "MissingKey", "NoKeyring"),
    "language_model": ("LanguageModel", "model_policy"),
    "messages": ("Message", "ToolCall", "ToolResult", "results_message", "text_of", "user_message"),
    "model": ("Listener", "Model", "ModelCall", "Reply", "ToolOffer"),
    "pricing": ("Price", "Prices"),
    "providers": ("ProviderConfig",),
    "resolve": ("MissingExtra", "Models", "UnknownModel"),
}  # fmt: skip
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "BadKey",
    "ContextTooLong",
    "Filtered",
    "Keys",
    "LanguageModel",
    "Listener",
    "Message",
    "MissingExtra",
    "MissingKey",
    "Model",
    "ModelCall",
    "ModelFailed",
    "Models",
    "NoEmbedder",
    "NoKeyring",
    "NoSuchModel",
    "Overloaded",
    "Passing",
    "Price",
    "Prices",
    "ProviderConfig",
    "ProviderEmbedder",
    "QuotaExhausted",
    "RateLimited",
    "Rejected",
    "Reply",
    "ReplyActedOn",
    "ReplyCutOff",
    "ServerFailed",
    "ServiceFailed",
    "StaticEmbedder",
    "TookTooLong",
    "ToolCall",
    "ToolOffer",
    "ToolResult",
    "UnknownModel",
    "Unreachable",
    "model_policy",
    "results_message",
    "text_of",
    "user_message",
]


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for (PEP 562), so that importing one does not load the others."""
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACE_OF[name]}"), name)
