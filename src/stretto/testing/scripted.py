"""A model whose answers are written down beforehand, for tests of agents: no network, no chance, any speed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stretto.core.checks import CheckFailed
from stretto.core.events import ModelDelta, ModelUsed
from stretto.core.ledger import Ledger, Usage
from stretto.core.policies import StepPolicy
from stretto.core.resources import Clock
from stretto.core.step import Context
from stretto.models.messages import ToolCall, assistant_message
from stretto.models.model import Model, ModelCall, Reply


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """One scripted answer: text, reasoning, tool calls as ``(name, arguments)``, and what it took.

    Arguments that are a text are sent as they are, so that malformed JSON can be scripted.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    usage: Usage = field(default_factory=lambda: Usage(input_tokens=10, output_tokens=5))
    cost: float | None = None
    breaks: Exception | None = None
    """Is raised after everything has been streamed, as a connection that breaks off."""


Script: TypeAlias = "str | Scripted | Exception | Callable[[ModelCall], str | Scripted]"


class ScriptedModel(Model):
    """Answers in the order of its script; ``seen`` holds what it was asked.

    An exception in the script is raised in place of an answer, a function is asked for one. ``tokens_per_second``
    streams the words of an answer at that speed, by the run's clock; without it they come at once. Being asked more
    often than the script is long raises ``CheckFailed``, unless ``forever`` repeats the last answer.
    """

    def __init__(
        self,
        *script: Script,
        id: str = "scripted:model",
        tokens_per_second: float | None = None,
        context_window: int | None = None,
        forever: bool = False,
        policy: StepPolicy | None = None,
    ) -> None:
        self.id, self.name = id, id.replace("/", "_")
        self.policy = StepPolicy(idempotent=True) if policy is None else policy
        self.context_window = context_window
        self.seen: list[ModelCall] = []
        self._script, self._pause, self._forever = script, 1 / tokens_per_second if tokens_per_second else 0.0, forever

    async def execute(self, input: ModelCall, context: Context) -> Reply:
        """Streams the next answer of the script."""
        place = len(self.seen)
        self.seen.append(input)
        if place >= len(self._script) and not (self._forever and self._script):
            raise CheckFailed(f"{self.id} was asked {place + 1} times, and its script has {len(self._script)} answers")
        written = self._script[min(place, len(self._script) - 1)]
        if isinstance(written, Exception):
            raise written
        made = written(input) if callable(written) else written
        answer = Scripted(text=made) if isinstance(made, str) else made
        with context.resource(Ledger).reserve(context.path, answer.usage.total, answer.cost):
            await self._stream(answer, place, input, context)
            context.emit(self._used(answer))
        if answer.breaks is not None:
            raise answer.breaks
        said = assistant_message(answer.text, _calls(answer, place), reasoning=answer.reasoning, model=self.id)
        return Reply(
            message=said, model=self.id, usage=answer.usage, cost=answer.cost,
            finish_reason="tool_call" if answer.calls else "stop",
        )  # fmt: skip

    async def _stream(self, answer: Scripted, place: int, input: ModelCall, context: Context) -> None:
        clock = context.resource(Clock)
        for delta in _pieces(answer, place):
            if self._pause:
                await clock.sleep(self._pause)
            context.emit(delta)
            if input.listener is not None:
                input.listener.heard(delta)

    def _used(self, answer: Scripted) -> ModelUsed:
        usage = answer.usage
        return ModelUsed(
            model=self.id, cost=answer.cost, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
        )  # fmt: skip


def _calls(answer: Scripted, place: int) -> list[ToolCall]:
    return [
        ToolCall(f"call_{place}_{index}", name, given if isinstance(given, str) else json.dumps(given))
        for index, (name, given) in enumerate(answer.calls)
    ]


def _pieces(answer: Scripted, place: int) -> Iterator[ModelDelta]:
    index = 0
    for part, text in (("reasoning", answer.reasoning), ("text", answer.text)):
        if text:
            for word in re.findall(r"\S+\s*|\s+", text):
                yield ModelDelta(part=part, text=word, index=index)
            index += 1
    for number, call in enumerate(_calls(answer, place), index):
        for piece in re.findall(r".{1,4}", call.arguments, re.DOTALL):
            yield ModelDelta(part="tool_call", text=piece, index=number, tool=call.name, call_id=call.id)
