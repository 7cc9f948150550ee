"""What the offline model sees: the task, what its tools have answered, what is on offer, the language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stretto.models.messages import Message, calls_of, text_of
from stretto.models.model import ModelCall, ToolOffer
from stretto.models.offline_json import fields_of, items_of, json_value
from stretto.models.offline_plan import PLAN_TOOL, operations_of

_WORD = re.compile(r"[^\W\d_]+")


def words_in(text: str) -> frozenset[str]:
    """Returns the words of a text, in small letters."""
    return frozenset(word.lower() for word in _WORD.findall(text))


FRENCH = words_in(
    "le la les un une des du de ce cet cette ces mon ton son est sont et ou où pour dans avec sur qui que quoi quel "
    "quelle combien fais faire fait donne analyse examine inventaire dépôt projet bonjour salut merci moins fois "
    "divisé racine carrée calcule décris explique français code source vaut aide moi je tu nous vous"
)
ENGLISH = words_in(
    "the a an of this that these is are and or for in with on who what which how many make give look survey repository "
    "project hello hi thanks minus times divided square root compute calculate describe explain english worth help me "
    "i you we please do to"
)
_LANGUAGE = re.compile(r"(?m)^- Answer in (\S+)\.$")
_CONTEXT = re.compile(r"\n\nContext:\n\{.*\}\s*\Z", re.DOTALL)
_CORRECTION = "Your answer does not follow the schema:"


@dataclass(frozen=True, slots=True)
class Told:
    """What a call came to; ``ok`` says whether it succeeded, ``denied`` that a human has said no."""

    tool: str
    arguments: Mapping[str, Any]
    content: Any
    ok: bool = True
    denied: bool = False


@dataclass(frozen=True)
class Sight:
    """A conversation as the rules see it; everything in it follows from the ``ModelCall``. ``id`` is the model's."""

    asked: ModelCall
    id: str

    @cached_property
    def offers(self) -> Mapping[str, ToolOffer]:
        """The tools on offer, by name."""
        return {offer.name: offer for offer in self.asked.tools}

    @cached_property
    def turn(self) -> int:
        """How many answers the model has given in this conversation."""
        return sum(message.get("kind") == "response" for message in self.asked.messages)

    @cached_property
    def _start(self) -> int:
        prompts = [
            place
            for place, message in enumerate(self.asked.messages)
            if _has(message, "user-prompt") and not text_of(message, "user-prompt").startswith(_CORRECTION)
        ]
        return prompts[-1] if prompts else 0

    @cached_property
    def said(self) -> str:
        """What the user said last, without the JSON that the caller has added for context."""
        messages = self.asked.messages
        return _CONTEXT.sub("", text_of(messages[self._start], "user-prompt")).strip() if messages else ""

    @cached_property
    def results(self) -> tuple[Told, ...]:
        """What the calls since the user's last words came to, in their order.

        A result is what stands in a part of that kind and bears the id of a call: text that looks like one is text.
        """
        calls = {call.id: call for message in self.asked.messages for call in calls_of(message)}
        found: list[Told] = []
        for message in self.asked.messages[self._start :]:
            for part in message.get("parts", ()):
                call = calls.get(str(part.get("tool_call_id")))
                if call is None or part.get("part_kind") not in ("tool-return", "retry-prompt"):
                    continue
                ending = part.get("outcome", "success") if part["part_kind"] == "tool-return" else "failed"
                arguments = _arguments(call.arguments)
                if call.name == PLAN_TOOL:
                    found += _of_plan(arguments, part.get("content"))
                else:
                    found.append(_told(call.name, arguments, part.get("content"), ending))
        return tuple(found)

    @cached_property
    def _by_call(self) -> Mapping[str, Told]:
        return {_key(told.tool, told.arguments): told for told in reversed(self.results)}

    def told(self, tool: str, arguments: Mapping[str, Any]) -> Told | None:
        """Returns what a call with these arguments came to in this task, or None when it was not made."""
        return self._by_call.get(_key(tool, arguments))

    def of(self, tool: str) -> Iterator[Told]:
        """Yields what the calls of one tool came to."""
        return (result for result in self.results if result.tool == tool)

    @cached_property
    def french(self) -> bool:
        """Whether the answer is to be in French: as the system prompt says, else as the user writes."""
        asked_for = _LANGUAGE.findall(self.asked.system)
        if asked_for:
            return bool(asked_for[-1] == "French")
        words = [word.lower() for word in _WORD.findall(self.said)]
        return sum(word in FRENCH for word in words) > sum(word in ENGLISH for word in words)

    def say(self, english: str, french: str) -> str:
        """Returns the one of two sentences that is in the language of the answer."""
        return french if self.french else english

    @property
    def label(self) -> str:
        """The line that says what has made an answer."""
        return self.say(
            f"*Written by rules ({self.id}), not by a language model.*",
            f"*Écrit par des règles ({self.id}), non par un modèle de langage.*",
        )

    def words(self) -> frozenset[str]:
        """Returns the words of the task, in small letters."""
        return words_in(self.task)

    @cached_property
    def task(self) -> str:
        """What is to be done: what the user said, or what they answered when they were asked what they want."""
        answers = [answer_text(told.content) for told in self.of("UserQuestionTool") if told.ok]
        return answers[-1] if answers and answers[-1] else self.said

    def takes(self, tool: str, *names: str) -> bool:
        """Says whether a tool is on offer and takes arguments of these names."""
        offer = self.offers.get(tool)
        return offer is not None and set(names) <= set(offer.parameters.get("properties", {}))


def answer_text(content: Any) -> str:
    """Returns the words of a human's answer: what they wrote, else what they chose."""
    given = fields_of(json_value(content))
    written = str(given.get("text") or "").strip()
    return written or " ".join(str(label) for label in items_of(given.get("labels")))


def _has(message: Message, kind: str) -> bool:
    return any(part.get("part_kind") == kind for part in message.get("parts", ()))


def _key(tool: str, arguments: Mapping[str, Any]) -> str:
    return f"{tool} {json.dumps(arguments, sort_keys=True)}"


def _told(tool: str, arguments: Mapping[str, Any], content: Any, ending: str) -> Told:
    return Told(tool, arguments, content, ending in ("success", "completed"), denied=ending == "denied")


def _of_plan(arguments: Mapping[str, Any], content: Any) -> Iterator[Told]:
    """Yields what the operations of a plan came to, as if each had been called."""
    results = fields_of(fields_of(json_value(content)).get("results"))
    for id, tool, given in operations_of(arguments):
        result = fields_of(results.get(id))
        yield _told(tool, given, result.get("output", ""), str(result.get("status", "failed")))


def _arguments(text: str) -> Mapping[str, Any]:
    return fields_of(json_value(text))
