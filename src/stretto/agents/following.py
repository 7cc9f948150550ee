"""Who works where in a run of agents: the agent that a path belongs to, whose answer is made there, and which call."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from stretto.agents.call import Prepared
from stretto.core.events import (
    AgentStarted,
    Event,
    Path,
    StepCancelled,
    StepFailed,
    StepTimedOut,
    name_of,
    parent_of,
)


class Followed:
    """The agents of a run by their paths, folded from its log."""

    def __init__(self) -> None:
        self.agents: dict[Path, AgentStarted] = {}
        self._owners: dict[Path, Path | None] = {}
        self._answers: dict[Path, Path | None] = {}

    def join(self, started: AgentStarted) -> None:
        """Takes an agent in; one that begins anew, after a crash or a failure, is the same one."""
        if started.path not in self.agents:
            self._owners.clear()
            self._answers.clear()
        self.agents[started.path] = started

    def owner(self, path: Path) -> Path | None:
        """Returns the path of the agent that a path belongs to: the nearest one above it, or itself."""
        if path not in self._owners:
            above = parent_of(path)
            self._owners[path] = path if path in self.agents else self.owner(above) if above else None
        return self._owners[path]

    def above(self, agent: Path) -> Path | None:
        """Returns the agent above an agent, None for a primary one."""
        return self.owner(parent_of(agent))

    def primary(self, path: Path) -> Path | None:
        """Returns the agent that a path belongs to in the end: the one that has no other above it."""
        agent = self.owner(path)
        while agent is not None and (above := self.above(agent)) is not None:
            agent = above
        return agent

    def answer(self, path: Path) -> Path | None:
        """Returns the path of the model call that answers an agent, where ``path`` is it or a fallback below it.

        Other calls of models, as those that summarise a history or that a tool makes, answer nobody: None.
        """
        if path not in self._answers:
            self._answers[path] = self._answer(path)
        return self._answers[path]

    def _answer(self, path: Path) -> Path | None:
        agent = self.owner(path)
        if agent is None:
            return None
        names = path[len(agent) + 1 :].split("/")
        place = 1 if _plain(names[0]) == "plan" and len(names) > 1 else 0
        return "/".join((agent, *names[: place + 1])) if _plain(names[place]) == "model" else None


def _plain(name: str) -> str:
    return name.partition("#")[0]


class Asked(NamedTuple):
    """A call as the model asked for it; ``arguments`` may be cut where a log was read from a store."""

    id: str
    tool: str
    arguments: dict[str, Any]


def asked_of(path: Path, input: object) -> Asked:
    """Returns which call a step of kind call makes, from what the log says that it was given: it, or its preview."""
    if isinstance(input, Prepared):
        return Asked(input.call.id, input.call.name, dict(input.arguments))
    given = _shown(input)
    call = _shown(given.get("call"))
    name = call.get("name", _plain(name_of(path)))
    return Asked(str(call.get("id", "")), str(name), dict(_shown(given.get("arguments"))))


def _shown(preview: object) -> Mapping[str, Any]:
    """Returns the fields of a record in a preview, those that were not cut away."""
    held = preview
    if _is_object(held) and "$data" in held:
        held = held["$data"][1]
    if _is_object(held) and "$cut" in held:
        held = held["$cut"]
    return held if _is_object(held) else {}


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def request_key(run_id: str, request_id: str) -> str:
    """Returns the id, a UUID, under which a question of a run is known outside of it: always the same one."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stretto:{run_id}:{request_id}"))


def ended_badly(event: Event) -> str:
    """Returns in words how a step ended that has handed back nothing that can be read."""
    match event:
        case StepFailed():
            return event.error.message
        case StepTimedOut():
            return f"it was stopped: it took longer than {event.seconds:g} s"
        case StepCancelled():
            return f"it was stopped: {event.reason}"
        case _:
            return "what it has handed back cannot be read"


def milliseconds(seconds: float) -> int:
    """Returns a duration in milliseconds."""
    return round(seconds * 1000)
