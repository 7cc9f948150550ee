"""The model for a machine without a key: it answers by rules, streams as any model does, and says what it is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stretto.core.errors import DefinitionError
from stretto.core.events import ModelDelta, ModelUsed
from stretto.core.ledger import Ledger, Usage
from stretto.core.policies import StepPolicy, positive
from stretto.core.resources import Clock, Workers
from stretto.core.step import Context
from stretto.models.messages import ToolCall, assistant_message
from stretto.models.model import Model, ModelCall, Reply
from stretto.models.offline_arithmetic import Arithmetic
from stretto.models.offline_plan import PLAN_TOOL, plan_of
from stretto.models.offline_reading import Reading
from stretto.models.offline_rule import Move, Rule
from stretto.models.offline_shape import shaped
from stretto.models.offline_sight import Sight
from stretto.models.offline_survey import Survey
from stretto.models.offline_talk import Greeting, NothingAsked, NothingFits

RULES: dict[str, tuple[Rule, ...]] = {
    "surveyor": (NothingAsked(), Survey(), Reading(), Arithmetic(), Greeting(), NothingFits()),
    "reader": (NothingAsked(), Reading(), Arithmetic(), Greeting(), NothingFits()),
}
"""The offline models and their skills: the first rule that a task fits answers."""
WORDS_PER_SECOND = 200.0
CHARACTERS_PER_TOKEN = 4
LARGE = 100_000
"""Characters; a longer conversation is read in a thread, so that it does not hold up the event loop."""
_PIECE = re.compile(r".{1,60}", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownOfflineModel(DefinitionError):
    """There is no offline model of this name."""

    def __init__(self, name: str) -> None:
        known = ", ".join(f"offline:{known}" for known in RULES)
        super().__init__(f"there is no offline model {name!r}; there are {known}")
        self.name = name


class OfflineModel(Model):
    """Answers by rules: no network, no key, no cost, and nothing that it has not read.

    The same conversation gets the same answer. ``words_per_second`` is the speed at which text streams, None for all
    at once; arguments of tool calls come without pauses. Tokens are estimates of 4 characters each.
    """

    def __init__(self, name: str, words_per_second: float | None = WORDS_PER_SECOND) -> None:
        if name not in RULES:
            raise UnknownOfflineModel(name)
        positive("an offline model", "words_per_second", words_per_second)
        self.id, self.name = f"offline:{name}", f"offline:{name}"
        self.policy = StepPolicy(idempotent=True)
        self._rules = RULES[name]
        self._pause = 1 / words_per_second if words_per_second else 0.0

    async def execute(self, input: ModelCall, context: Context) -> Reply:
        """Streams the move of the first rule that the conversation fits."""
        sight = Sight(input, self.id)
        if heard(input) > LARGE:
            move = await context.resource(Workers).thread(self.move, sight)
        else:
            move = self.move(sight)
        text, calls = self._text(sight, move), _calls(sight, move)
        usage = _usage(input, text, calls)
        with context.resource(Ledger).reserve(context.path, usage.total, 0.0):
            await self._stream(text, calls, input, context)
            context.emit(
                ModelUsed(
                    model=self.id, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost=0.0,
                    estimated=True,
                )
            )  # fmt: skip
        said = assistant_message(text, calls, model=self.id, at=_latest(input))
        return Reply(
            message=said, model=self.id, usage=usage, cost=0.0,
            finish_reason="tool_call" if calls else "stop",
        )  # fmt: skip

    def move(self, sight: Sight) -> Move:
        """Returns what the first fitting rule does."""
        return next(rule for rule in self._rules if rule.fits(sight)).move(sight)

    def _text(self, sight: Sight, move: Move) -> str:
        if move.calls:
            return move.text
        if sight.asked.output is not None:
            written = shaped(sight.asked.output, move)
            if written is not None:
                return written
        return f"{move.text.rstrip()}\n\n{sight.label}"

    async def _stream(self, text: str, calls: tuple[ToolCall, ...], input: ModelCall, context: Context) -> None:
        clock = context.resource(Clock)
        for delta in _pieces(text, calls):
            if self._pause and delta.part == "text":
                await clock.sleep(self._pause)
            context.emit(delta)
            if input.listener is not None:
                input.listener.heard(delta)


def offline_model(name: str, *, words_per_second: float | None = WORDS_PER_SECOND) -> Model:
    """Returns the offline model of a name, ``surveyor`` or ``reader``; raises ``UnknownOfflineModel``."""
    return OfflineModel(name, words_per_second)


def _calls(sight: Sight, move: Move) -> tuple[ToolCall, ...]:
    made = json.dumps([sight.turn, sight.said, [told.tool for told in sight.results]])
    mark = hashlib.sha256(made.encode()).hexdigest()[:10]
    calls = [(call.tool, call.arguments) for call in move.calls]
    if PLAN_TOOL in sight.offers and len(calls) > 1:
        calls = [(PLAN_TOOL, plan_of(calls))]
    return tuple(
        ToolCall(f"offline_{mark}_{place}", tool, json.dumps(arguments, ensure_ascii=False))
        for place, (tool, arguments) in enumerate(calls)
    )


def _pieces(text: str, calls: tuple[ToolCall, ...]) -> Iterator[ModelDelta]:
    index = 0
    if text:
        for word in re.findall(r"\S+\s*|\s+", text):
            yield ModelDelta(part="text", text=word, index=index)
        index = 1
    for number, call in enumerate(calls, index):
        for piece in _PIECE.findall(call.arguments):
            yield ModelDelta(part="tool_call", text=piece, index=number, tool=call.name, call_id=call.id)


def _usage(input: ModelCall, text: str, calls: tuple[ToolCall, ...]) -> Usage:
    said = len(text) + sum(len(call.name) + len(call.arguments) for call in calls)
    return Usage(input_tokens=_tokens(heard(input)), output_tokens=_tokens(said))


def heard(input: ModelCall) -> int:
    """Returns how many characters a model is told."""
    parts = [part for message in input.messages for part in message.get("parts", ())]
    return len(input.system) + sum(_length(part.get("content")) for part in parts)


def _length(content: Any) -> int:
    return len(content) if isinstance(content, str) else len(json.dumps(content, default=str))


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _latest(input: ModelCall) -> datetime:
    """Returns the time of the newest message: a reply's own would not follow from the conversation."""
    times = [part.get("timestamp") for message in input.messages for part in (message, *message.get("parts", ()))]
    known = [datetime.fromisoformat(time.replace("Z", "+00:00")) for time in times if isinstance(time, str)]
    return max(known, default=_EPOCH)
