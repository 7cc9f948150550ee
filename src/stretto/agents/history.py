"""What of a conversation a model is shown: whole exchanges, at most so many messages and so many tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

from stretto.models.estimate import CHARACTERS_PER_TOKEN
from stretto.models.messages import Message

LEAST_SHOWN = 200
"""How many characters of a tool's result are left when the window is too small for it."""
CUT = "\n[The rest was left out: it does not fit into the context window.]"
NOT_KEPT = frozenset({"system-prompt", "instruction"})
"""Parts that belong to a turn, not to a conversation."""


def recent(history: Sequence[Message], limit: int, task: str) -> list[Message]:
    """Returns the last messages of a conversation, at most ``limit``, as a model may be shown them.

    They begin with something that a user said. System prompts of earlier turns are left out, a call without its result
    and a result without its call too, and the task itself where the caller has put it at the end already.
    """
    kept = list(history)
    if kept and _says_only(kept[-1], task):
        kept.pop()
    return shown([_without_prompts(message) for message in kept[max(0, len(kept) - limit) :]])


def shown(messages: Sequence[Message]) -> list[Message]:
    """Returns the messages from the first on that a user said, without calls and results that stand alone."""
    return paired(begun(messages))


def begun(messages: Sequence[Message]) -> list[Message]:
    """Returns the messages from the first on that a user said."""
    start = next((place for place, message in enumerate(messages) if is_said(message)), len(messages))
    return list(messages[start:])


def is_said(message: Mapping[str, Any]) -> bool:
    """Says whether a user speaks in a message."""
    return any(part.get("part_kind") == "user-prompt" for part in message.get("parts", ()))


def _says_only(message: Mapping[str, Any], text: str) -> bool:
    parts = message.get("parts", ())
    return len(parts) == 1 and parts[0].get("part_kind") == "user-prompt" and parts[0].get("content") == text


def _without_prompts(message: Message) -> Message:
    parts = [part for part in message.get("parts", ()) if part.get("part_kind") not in NOT_KEPT]
    changed: Message = {**message, "parts": parts}
    if changed.get("instructions"):
        changed["instructions"] = None
    return changed


def paired(messages: Sequence[Message]) -> list[Message]:
    """Returns the messages without calls that have no result and results that have no call before them.

    A message of which nothing is left is left out.
    """
    kept: list[Message] = []
    called: set[str] = set()
    for place, message in enumerate(messages):
        if message.get("kind") == "response":
            called = set(_answered(messages[place + 1 :])) & set(_ids(message, "tool-call"))
        parts = [part for part in message.get("parts", ()) if _has_partner(part, called)]
        if parts:
            kept.append(message if len(parts) == len(message["parts"]) else {**message, "parts": parts})
    return kept


def _answered(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the ids of the calls that are answered before the next response; some providers use an id twice."""
    for message in takewhile(lambda message: message.get("kind") != "response", messages):
        yield from _ids(message, "tool-return")
        yield from _ids(message, "retry-prompt")


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    parts = message.get("parts", ())
    return [part["tool_call_id"] for part in parts if part.get("part_kind") == kind and part.get("tool_name")]


def _has_partner(part: Mapping[str, Any], called: set[str]) -> bool:
    kind = part.get("part_kind")
    of_a_call = kind in ("tool-call", "tool-return") or (kind == "retry-prompt" and part.get("tool_name"))
    return not of_a_call or part["tool_call_id"] in called


class CallIds:
    """The ids of the calls in a conversation: some models give one id to several calls, or none.

    Providers pair calls and results by them, and refuse a conversation in which that cannot be done.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._times = dict.fromkeys((id for message in messages for id in _ids(message, "tool-call")), 1)

    def told_apart(self, message: Message) -> Message:
        """Returns a response of which every call has an id that no call before it has."""
        parts: list[dict[str, Any]] = message.get("parts", [])
        ids = {place: self._new(part["tool_call_id"]) for place, part in enumerate(parts) if _is_call(part)}
        if all(parts[place]["tool_call_id"] == id for place, id in ids.items()):
            return message
        told = [{**part, "tool_call_id": ids[place]} if place in ids else part for place, part in enumerate(parts)]
        return {**message, "parts": told}

    def _new(self, id: str) -> str:
        made = id = id or "call"
        while made in self._times:
            self._times[id] += 1
            made = f"{id}_{self._times[id]}"
        self._times[made] = 1
        return made


def _is_call(part: Mapping[str, Any]) -> bool:
    return part.get("part_kind") == "tool-call"


def has_results(message: Mapping[str, Any]) -> bool:
    """Says whether a message holds what calls came to."""
    return any(part.get("part_kind") in ("tool-return", "retry-prompt") for part in message.get("parts", ()))


def with_shorter_results(messages: Sequence[Message], tokens: int) -> list[Message]:
    """Returns the messages with the longest tool results cut, so that about ``tokens`` are saved.

    What is left of each is at least ``LEAST_SHOWN`` characters, and says that it was cut.
    """
    found = (len(part["content"]) for message in messages for part in _results(message))
    lengths = sorted((length for length in found if length > LEAST_SHOWN), reverse=True)
    longest, excess = LEAST_SHOWN, tokens * CHARACTERS_PER_TOKEN
    for count, (length, shorter) in enumerate(pairwise([*lengths, LEAST_SHOWN]), 1):
        if count * (length - shorter) >= excess:
            longest = max(LEAST_SHOWN, length - excess // count - len(CUT))
            break
        excess -= count * (length - shorter)
    return [_cut_results(message, longest) for message in messages]


def _results(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = message.get("parts", ())
    return [part for part in parts if part.get("part_kind") == "tool-return" and isinstance(part.get("content"), str)]


def _cut_results(message: Message, longest: int) -> Message:
    long = [part for part in _results(message) if len(part["content"]) > longest + len(CUT)]
    if not long:
        return message
    parts = [
        {**part, "content": part["content"][:longest] + CUT} if any(part is one for one in long) else part
        for part in message["parts"]
    ]
    return {**message, "parts": parts}
