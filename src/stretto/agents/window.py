"""A conversation in a model's context window: what outgrows it is summarised by the model, or left out, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stretto.agents.config import AgentConfig
from stretto.agents.history import has_results, is_said, shown, with_shorter_results
from stretto.core.events import HistoryShortened
from stretto.core.step import Context
from stretto.models.errors import ContextTooLong
from stretto.models.estimate import input_tokens
from stretto.models.messages import Message, user_message
from stretto.models.model import Model, ModelCall, Reply

SHARE = 0.8
"""How much of the window a conversation may fill, the room for the answer (``max_tokens``) included."""
KEPT = 0.5
"""How much of that is left when it is shortened, so that it is not shortened again at once."""
SMALLEST = 0.25
"""How much of the window a conversation may fill in any case, however long an answer may be."""
MOST_OFF = 4.0
"""By how much an estimate is corrected at the most when a provider has counted more tokens."""
SUMMARISE = (
    "The conversation above is about to be left out because it grows too long. Summarise it for yourself: what was "
    "asked, what was decided, which facts, names, paths and figures were found, what failed, and what is still to be "
    "done. Answer with the summary only."
)


class Window:
    """What a model is shown of a conversation; ``messages`` ends with the task and what has come of it so far."""

    def __init__(self, config: AgentConfig, model: Model, frame: ModelCall, messages: Sequence[Message]) -> None:
        self._config, self._model, self._frame = config, model, frame
        self.messages = list(messages)
        self._task = self.messages[-1]
        self._sizes = [_size(message) for message in self.messages]
        self._around = input_tokens(frame)
        self._off = 1.0

    def add(self, message: Message) -> None:
        """Shows one more message."""
        self.messages.append(message)
        self._sizes.append(_size(message))

    def learn(self, reply: Reply) -> None:
        """Corrects the estimate by what the provider has counted for the messages so far."""
        if counted := reply.usage.input_tokens:
            self._off = min(MOST_OFF, max(1.0, counted / (self._around + sum(self._sizes))))

    @property
    def tokens(self) -> int:
        """About how many tokens the model is sent."""
        return int((self._around + sum(self._sizes)) * self._off)

    @property
    def limit(self) -> int | None:
        """How many tokens it may be sent, None when nobody knows the size of its window."""
        window = self._model.context_window
        if window is None:
            return None
        return max(int(window * SHARE) - (self._config.llm.max_tokens or 0), int(window * SMALLEST))

    async def fit(self, context: Context, *, refused: bool = False) -> bool:
        """Shortens the conversation when it is too long, and says whether it did.

        ``refused`` says that the provider found it too long, whatever the estimate says.
        """
        before, limit = self.tokens, self.limit
        if not refused and (limit is None or before <= limit):
            return False
        most = before - 1 if limit is None else min(limit, before - 1) if refused else limit
        room = int(most * KEPT / self._off) - self._around
        cut = self._cut(room)
        place = next(at for at, message in enumerate(self.messages) if message is self._task)
        dropped = [message for message in self.messages[:cut] if message is not self._task]
        head = await self._summary(dropped, most, context) if self._config.context == "summarise" else []
        task = [self._task] if place < cut else []
        kept = self.messages[cut:]
        least = input_tokens(replace(self._frame, messages=(*head, *task, *kept)))
        excess = least - int(most / self._off)
        shorter = with_shorter_results(kept, excess) if excess > 0 else kept
        if not dropped and shorter == kept:
            return False
        self.messages = [*head, *task, *shorter]
        self._sizes = [_size(message) for message in self.messages]
        context.emit(
            HistoryShortened(
                how="summarised" if head else "trimmed", dropped=len(dropped), kept=len(task) + len(kept),
                tokens_before=before, tokens_after=self.tokens,
            )
        )  # fmt: skip
        return True

    def _cut(self, room: int) -> int:
        """Returns from which message on the conversation is kept: from the first place from which on it fits.

        It is cut where a user begins to speak, and while the task is worked on where the model does; if nothing fits,
        at the last such place.
        """
        place = next(at for at, message in enumerate(self.messages) if message is self._task)
        left, found = sum(self._sizes), 0
        for at, message in enumerate(self.messages):
            allowed = not has_results(message) and (at > place or is_said(message))
            if at and allowed:
                found = at
                if left + (self._sizes[place] if at > place else 0) <= room:
                    break
            left -= self._sizes[at]
        return found

    async def _summary(self, dropped: Sequence[Message], most: int, context: Context) -> list[Message]:
        """Asks the model for a summary; returns none when it has nothing to say, or when even that is too much."""
        room = int(most / self._off) - self._around
        fitting: list[Message] = []
        for message in reversed(dropped):
            room -= _size(message)
            if room < 0:
                break
            fitting.insert(0, message)
        told = shown(fitting)
        if not told:
            return []
        asked = user_message(SUMMARISE)
        call = replace(self._frame, messages=(*told, asked), output=None)
        try:
            reply = await context.run(self._model, call, name="summary")
        except ContextTooLong:
            return []
        return [asked, reply.message] if reply.text.strip() and not reply.tool_calls else []


def _size(message: Message) -> int:
    return input_tokens(ModelCall(messages=(message,)))
