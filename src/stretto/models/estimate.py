"""Guesses how many tokens something is, where no provider has told: a token is about four characters."""

from __future__ import annotations

import json

from stretto.models.messages import is_object, is_row
from stretto.models.model import ModelCall

CHARACTERS_PER_TOKEN = 4
"""What providers name as a rule of thumb for English text; other languages and code take more tokens."""
TOKENS_PER_MESSAGE = 4
"""What the frame of a message takes, about."""
DEFAULT_OUTPUT = 4096
"""How many tokens an answer is taken to have at the most, when neither the call nor the model says."""
DEFAULT_WITH_THINKING = 16_384
"""The same for an answer that is to be thought about: reasoning counts as output."""


def tokens_in(characters: int) -> int:
    """Returns about how many tokens so many characters are."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def input_tokens(call: ModelCall) -> int:
    """Returns about how many tokens a call sends: system prompt, messages, tools and schemas of tools and output."""
    characters = len(call.system) + sum(_characters(message.get("parts", ())) for message in call.messages)
    for tool in call.tools:
        characters += len(tool.name) + len(tool.description) + len(json.dumps(tool.parameters))
    if call.output is not None:
        characters += len(json.dumps(call.output))
    return tokens_in(characters) + TOKENS_PER_MESSAGE * len(call.messages)


def _characters(value: object) -> int:
    """Returns how long the contents, arguments and instructions inside a message are."""
    if isinstance(value, str):
        return len(value)
    if is_object(value):
        told = [value[key] for key in ("content", "args", "tool_name") if key in value]
        return sum(_characters(part) for part in (told or value.values()))
    if is_row(value):
        return sum(_characters(part) for part in value)
    return 0
