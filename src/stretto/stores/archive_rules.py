"""What may be kept in an archive and what not, whichever store keeps it."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from stretto.core.archive import NotKept, Scope, StoredMessage, TaskStatus, Todo
from stretto.core.errors import DefinitionError, StoreError


class IdTaken(StoreError):
    """Something with this id, or this name, is there already."""

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"{what} {id!r} is there already; choose another one, or change that one")
        self.what, self.id = what, id


class MessagesLeaveGap(StoreError):
    """Messages do not go on where the conversation ends: somebody else wrote, or one was left out."""

    def __init__(self, conversation: str, expected: int, seq: int) -> None:
        super().__init__(
            f"conversation {conversation!r} goes on with message {expected}, not {seq}; read what is there, then go on"
        )
        self.conversation, self.expected, self.seq = conversation, expected, seq


class TodoRefused(StoreError):
    """A task cannot be as it is said to be."""

    def __init__(self, todo: str, why: str) -> None:
        super().__init__(f"task {todo!r} {why}")
        self.todo, self.why = todo, why


class Standing(NamedTuple):
    """How a task stands, and which others it depends on."""

    status: TaskStatus
    dependencies: Sequence[str]


def check_scope(scope: Scope, workflow_id: str | None) -> None:
    """Raises ``DefinitionError`` when the memories of a workflow are asked for and none is named."""
    if scope not in ("both", "workflow", "general"):
        raise DefinitionError(f"scope must be 'both', 'workflow' or 'general', not {scope!r}")
    if scope == "workflow" and workflow_id is None:
        raise DefinitionError("scope 'workflow' needs a workflow_id; say which workflow's memories are meant")


def check_todo(todo: Todo, others: Mapping[str, Standing]) -> None:
    """Raises ``TodoRefused`` when a task depends on what is not there, on itself, or on what is still to be done."""
    for needed in todo.dependencies:
        if needed != todo.id and needed not in others:
            near = get_close_matches(needed, others, 3)
            hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "; add that one first"
            raise TodoRefused(
                todo.id, f"depends on {needed!r}, which is no task of workflow {todo.workflow_id!r}{hint}"
            )
    if todo.id in _all_needed(todo.dependencies, others):
        raise TodoRefused(todo.id, "would depend on itself; leave out one of its dependencies")
    waiting = [needed for needed in todo.dependencies if others[needed].status != "completed"]
    if waiting and todo.status in ("in_progress", "completed"):
        named = ", ".join(map(repr, waiting))
        raise TodoRefused(todo.id, f"cannot be {todo.status} before {named}: complete what it depends on first")


def _all_needed(first: Iterable[str], others: Mapping[str, Standing]) -> set[str]:
    needed: set[str] = set()
    coming = list(first)
    while coming:
        if (id := coming.pop()) not in needed:
            needed.add(id)
            coming += others[id].dependencies if id in others else ()
    return needed


def check_expected(todo: str, status: TaskStatus, expected: TaskStatus | None) -> None:
    """Raises ``TodoRefused`` when a task is not as its writer believes."""
    if expected is not None and status != expected:
        raise TodoRefused(todo, f"is {status} by now, not {expected}; look at it again")


def check_unneeded(todo: str, dependents: Collection[str]) -> None:
    """Raises ``TodoRefused`` when others depend on a task that is to go."""
    if dependents:
        raise TodoRefused(todo, f"cannot be deleted: {', '.join(map(repr, sorted(dependents)))} depend on it")


def check_messages(conversation: str, count: int, messages: Sequence[StoredMessage]) -> None:
    """Raises ``MessagesLeaveGap`` unless the messages go on behind the ``count`` that are there (the first is 0)."""
    for expected, message in enumerate(messages, count):
        if message.seq != expected:
            raise MessagesLeaveGap(conversation, expected, message.seq)


def check_bounds(limit: int | None, offset: int = 0) -> None:
    """Raises ``DefinitionError`` for a page that cannot be."""
    if (limit or 0) < 0 or offset < 0:
        raise DefinitionError(f"limit and offset must be 0 or more, not {limit} and {offset}")


def not_kept(what: str, id: str, there: Iterable[str]) -> NotKept:
    """Returns the error that names what is near."""
    return NotKept(what, id, get_close_matches(id, list(there), 3))


def json_text(what: str, id: str, body: Mapping[str, Any]) -> str:
    """Returns a body as JSON text; raises ``StoreError`` when it is none."""
    try:
        return json.dumps(dict(body), separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise StoreError(f"the body of {what} {id!r} is no JSON: {error}") from None


def packed(vector: Sequence[float] | None) -> bytes | None:
    """Returns a vector as float32 bytes, the least significant first; raises ``StoreError`` for what is none."""
    try:
        return None if vector is None else struct.pack(f"<{len(vector)}f", *vector)
    except (struct.error, OverflowError) as error:
        raise StoreError(f"the embedding cannot be kept as float32: {error}") from None


def unpacked(held: bytes | None) -> tuple[float, ...] | None:
    """Returns the vector that ``packed`` was given, rounded to float32."""
    return None if held is None else struct.unpack(f"<{len(held) // 4}f", held)
