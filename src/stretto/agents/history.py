"""What of a conversation a model is shown: whole exchanges, at most so many messages and so many tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stretto.models.messages import Message

CHARACTERS_PER_TOKEN = 4
"""How an estimate counts: about right for English, too few tokens for other languages and for code."""
MESSAGE_TOKENS = 4
"""What a message takes beside its text."""
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
    return begun(paired([_without_prompts(message) for message in kept[max(0, len(kept) - limit) :]]))


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
    results = {id for message in messages for id in _ids(message, "tool-return")}
    called: set[str] = set()
    kept: list[Message] = []
    for message in messages:
        parts = [part for part in message.get("parts", ()) if _has_partner(part, called, results)]
        called.update(_ids({"parts": parts}, "tool-call"))
        if parts:
            kept.append(message if len(parts) == len(message["parts"]) else {**message, "parts": parts})
    return kept


def _ids(message: Mapping[str, Any], kind: str) -> list[str]:
    return [part["tool_call_id"] for part in message.get("parts", ()) if part.get("part_kind") == kind]


def _has_partner(part: Mapping[str, Any], called: set[str], results: set[str]) -> bool:
    kind = part.get("part_kind")
    if kind == "tool-call":
        return part["tool_call_id"] in results
    if kind == "tool-return" or (kind == "retry-prompt" and part.get("tool_name")):
        return part["tool_call_id"] in called
    return True


def estimate(message: Mapping[str, Any]) -> int:
    """Returns about how many tokens a message takes: a token for every four characters."""
    letters = 0
    for part in message.get("parts", ()):
        for name in ("content", "args", "tool_name"):
            held = part.get(name)
            if held is not None:
                letters += len(held) if isinstance(held, str) else len(json.dumps(held, ensure_ascii=False))
    return MESSAGE_TOKENS + letters // CHARACTERS_PER_TOKEN


def estimate_all(messages: Sequence[Mapping[str, Any]]) -> int:
    """Returns about how many tokens the messages take together."""
    return sum(map(estimate, messages))
