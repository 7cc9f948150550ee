"""The system prompt of one turn: made anew every time, and never kept in a conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from stretto.agents.config import AgentConfig
from stretto.core.errors import DefinitionError
from stretto.tools.tool import Tool

LANGUAGES = {"fr": "French", "en": "English"}
_LANGUAGE = re.compile(r"[^\W_][\w \-()]{0,63}")


def language_of(locale: str) -> str:
    """Returns the language that a locale names (``fr-CA`` is French); empty for none.

    A language's own name stands as it is. Raises ``DefinitionError`` for what is no name of a language: it would go
    into the system prompt.
    """
    if not locale:
        return ""
    known = LANGUAGES.get(re.split(r"[-_]", locale.lower(), maxsplit=1)[0])
    if known is not None:
        return known
    if not _LANGUAGE.fullmatch(locale):
        raise DefinitionError(
            f"locale {locale[:80]!r} is no language; write 'en', 'fr', or a language's name of at most 64 letters"
        )
    return locale


def system_prompt(
    config: AgentConfig,
    *,
    tools: Sequence[Tool],
    now: datetime,
    locale: str = "",
    servers: str = "",
    iterations: int | None = None,
) -> str:
    """Returns what the model is told before the conversation.

    ``servers`` describes the MCP servers of this turn, ``iterations`` is how often the model may be asked. A tool
    stands with its first sentence and its briefing: its schema reaches the model another way.
    """
    parts = [config.system_prompt.strip()]
    own = [tool for tool in tools if tool.origin != "sub_agent"]
    others = [tool for tool in tools if tool.origin == "sub_agent"]
    if own:
        parts.append("## Tools\n" + _listed(own))
    if others:
        parts.append("## Delegation\n" + _listed(others))
    if servers.strip():
        parts.append("## MCP servers\n" + servers.strip())
    facts = [f"Now: {now:%A}, {now.isoformat(timespec='minutes')} ({now.tzname() or 'no time zone'})"]
    if iterations is not None and tools:
        facts.append(
            f"You may answer with tool calls {iterations - 1} times at the most for one task, then you must answer."
        )
        facts.append("Calls of one answer run at the same time unless one writes what another reads or writes.")
    if language := language_of(locale):
        facts.append(f"Answer in {language}.")
    parts.append("## Now\n" + "\n".join(f"- {fact}" for fact in facts))
    return "\n\n".join(parts)


def _listed(tools: Sequence[Tool]) -> str:
    lines: list[str] = []
    for tool in tools:
        lines.append(f"- {tool.name}: {first_sentence(tool.description)}")
        lines += [f"  {line}" for line in tool.briefing().splitlines()]
    return "\n".join(lines)


def first_sentence(text: str) -> str:
    """Returns a description's first sentence on one line, at most 200 characters of it."""
    line = " ".join(text.split())
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    return sentence if len(sentence) <= 200 else sentence[:199] + "…"
