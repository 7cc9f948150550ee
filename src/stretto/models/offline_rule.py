"""What the offline model is made of: rules that look at a conversation and make the next move, one skill each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stretto.models.offline_sight import Sight


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call that a rule wants to make."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Move:
    """What is said next, and what is called; without calls it is the answer.

    ``facts`` are what the answer states, by name, for an answer that has to follow a schema.
    """

    text: str
    calls: tuple[Asked, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Rule(ABC):
    """One skill: says whether a conversation is its business, and makes the next move in it."""

    @abstractmethod
    def fits(self, sight: Sight) -> bool:
        """Says whether the task is for this rule."""

    @abstractmethod
    def move(self, sight: Sight) -> Move:
        """Returns what comes next, from nothing but the conversation."""


def still_open(sight: Sight, wanted: Iterable[Asked | None]) -> tuple[Asked, ...]:
    """Returns the calls that can be made and have not been asked for in this task, each of them once."""
    calls: list[Asked] = []
    for call in wanted:
        if call is None or call.tool not in sight.offers or call in calls:
            continue
        if sight.told(call.tool, call.arguments) is None:
            calls.append(call)
    return tuple(calls)


def next_move(sight: Sight, stages: Iterable[tuple[str, Sequence[Asked | None]]]) -> Move | None:
    """Returns the first stage of which anything is left to call, or None when all are through."""
    for text, wanted in stages:
        calls = still_open(sight, wanted)
        if calls:
            return Move(text, calls)
    return None
