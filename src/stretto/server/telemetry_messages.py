"""What models were told and said, in the form that the GenAI conventions of OpenTelemetry give to messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stretto.models.messages import is_object, is_row
from stretto.models.model import Reply

LONGEST = 20_000
"""How many characters of one text are sent; a longer one ends with its length."""
_TEXTS = {"text": "text", "user-prompt": "text", "system-prompt": "text", "thinking": "reasoning"}


def messages_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Returns a conversation as JSON text."""
    return json.dumps([{"role": role, "parts": parts} for message in messages for role, parts in _told(message)])


def answer_of(reply: Reply) -> str:
    """Returns a model's answer as JSON text."""
    told = [
        {"role": role, "parts": parts, "finish_reason": reply.finish_reason} for role, parts in _told(reply.message)
    ]
    return json.dumps(told)


def instructions_of(system: str) -> str:
    """Returns a system prompt as JSON text."""
    return json.dumps([{"type": "text", "content": cut(system)}])


def value_of(value: object) -> str:
    """Returns arguments or a result as text, JSON where it is none already."""
    return cut(value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False))


def cut(text: str) -> str:
    """Returns a text, cut with its length when it is long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def _told(message: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yields who says what: results of tools stand in a message of their own."""
    answers = message.get("kind") == "response"
    said: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for part in message.get("parts", ()):
        kind = str(part.get("part_kind", ""))
        if kind == "tool-call":
            told = {"type": "tool_call", "id": part.get("tool_call_id"), "name": part.get("tool_name")}
            said.append({**told, "arguments": value_of(part.get("args"))})
        elif kind in ("tool-return", "retry-prompt"):
            told = {"type": "tool_call_response", "id": part.get("tool_call_id")}
            results.append({**told, "response": value_of(part.get("content"))})
        elif kind in _TEXTS:
            said.append({"type": _TEXTS[kind], "content": _words(part.get("content"))})
    if results:
        yield "tool", results
    if said:
        yield "assistant" if answers else "user", said


def _words(content: object) -> str:
    """Returns the words of a content; of pictures and files only that they were there."""
    if isinstance(content, str):
        return cut(content)
    return cut("\n".join(map(_piece, content))) if is_row(content) else ""


def _piece(each: object) -> str:
    if isinstance(each, str):
        return each
    return f"({each.get('kind', 'file')})" if is_object(each) else "(file)"
