"""A model is a step: messages in, a reply out; what it streams, and what it costs, it says to its context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from stretto.core.events import ModelDelta
from stretto.core.ledger import Usage
from stretto.core.step import Step
from stretto.models.messages import Message, ToolCall, calls_of, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOffer:
    """A tool as a model is told of it; ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Listener(Protocol):
    """Who follows an answer while it is being made, in the process that asks for it.

    An answer that the log holds already is not streamed again: nothing is heard of it.
    """

    def heard(self, delta: ModelDelta) -> None:
        """Takes the next piece."""
        ...

    def restart(self) -> bool:
        """Is told that the answer broke off and is asked for anew; returns False when it was acted on already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """What a model is asked.

    ``system`` is the system prompt of this call, ``messages`` the conversation without it. ``output`` is a JSON Schema
    that the answer must follow, under the name ``output_name``. ``thinking`` asks for reasoning: True, False, or None
    for the model's default. ``settings`` holds further settings by pydantic-ai's names.
    """

    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolOffer, ...] = ()
    output: Mapping[str, Any] | None = None
    output_name: str = "answer"
    temperature: float | None = None
    max_tokens: int | None = None
    thinking: bool | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    listener: Listener | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model answered; ``message`` goes into the history as it is.

    ``model`` is the one that answered (after a fallback not the one that was asked). ``cost`` is in US dollars, None
    when no price is known. ``finish_reason`` is stop, length, tool_call, content_filter or error, where told.
    """

    message: Message
    model: str
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    finish_reason: str | None = None

    @cached_property
    def text(self) -> str:
        """The answer in words."""
        return text_of(self.message)

    @cached_property
    def reasoning(self) -> str:
        """The model's reasoning, where the provider gives it."""
        return text_of(self.message, "thinking")

    @cached_property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls that it asks for."""
        return calls_of(self.message)


class Model(Step[ModelCall, Reply]):
    """Anything that answers; ``id`` is ``provider:model``, as users write it.

    ``context_window`` and ``max_output`` are in tokens, None when unknown.
    """

    kind: ClassVar[str] = "model"

    id: str
    context_window: int | None = None
    max_output: int | None = None
