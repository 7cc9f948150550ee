"""Messages as this package carries them: the JSON form of pydantic-ai's, which is what is stored and logged.

pydantic-ai documents that form and reads what earlier versions have written; its classes change more often. What is
said in this process is written here as that form, without what pydantic-ai fills in, so that only asking a provider
imports pydantic-ai.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

from pydantic_core import to_jsonable_python

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

Message: TypeAlias = dict[str, Any]
"""One request to a model, or one of its responses, as JSON values."""
Ending: TypeAlias = Literal["success", "failed", "denied"]
"""How a tool call ended."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for; ``arguments`` is the JSON text as the model wrote it, well-formed or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to, as the model is told."""

    call: ToolCall
    content: Any
    ending: Ending = "success"


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Says whether a JSON value is an object."""
    return isinstance(value, Mapping)


def is_row(value: object) -> TypeGuard[Sequence[Any]]:
    """Says whether a JSON value is an array."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def dumped(messages: Sequence[ModelMessage]) -> list[Message]:
    """Returns pydantic-ai's messages as JSON values."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    written: list[Message] = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    return [{**message, "parts": _sendable(message["parts"])} for message in written]


def loaded(messages: Sequence[Mapping[str, Any]]) -> list[ModelMessage]:
    """Returns pydantic-ai's messages of their JSON form; raises ``pydantic.ValidationError`` when it is none."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.validate_python(list(messages))


def user_message(text: str) -> Message:
    """Returns what a user says."""
    return _request([{"part_kind": "user-prompt", "content": text, "timestamp": _written(None)}])


def assistant_message(
    text: str = "",
    calls: Sequence[ToolCall] = (),
    *,
    reasoning: str = "",
    model: str | None = None,
    at: datetime | None = None,
) -> Message:
    """Returns what an agent has said: what it thought, what it wrote and what it called, each left out when empty.

    ``at`` is when, now by default.
    """
    said = (("thinking", reasoning), ("text", text))
    parts: list[Message] = [{"part_kind": kind, "content": content} for kind, content in said if content]
    parts += [
        {"part_kind": "tool-call", "tool_name": call.name, "args": call.arguments, "tool_call_id": call.id}
        for call in calls
    ]
    return {"kind": "response", "parts": _sendable(parts), "model_name": model, "timestamp": _written(at)}


def results_message(results: Sequence[ToolResult]) -> Message:
    """Returns what the calls of one turn came to, in the order of the calls."""
    return _request(
        [
            {
                "part_kind": "tool-return", "tool_name": result.call.name, "tool_call_id": result.call.id,
                "content": to_jsonable_python(result.content, bytes_mode="base64", inf_nan_mode="null"),
                "outcome": result.ending, "timestamp": _written(None),
            }
            for result in results
        ]
    )  # fmt: skip


def _request(parts: list[Message]) -> Message:
    return {"kind": "request", "parts": _sendable(parts)}


def _sendable(parts: list[Message]) -> list[Message]:
    """Returns parts as UTF-8 can hold them: half of a pair of surrogates becomes ``?``, no provider takes it."""
    return [{name: _whole(value) for name, value in part.items()} for part in parts]


def _whole(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def _written(at: datetime | None) -> str:
    """Returns a time, or now, as pydantic writes it."""
    return (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def text_of(message: Mapping[str, Any], part_kind: str = "text") -> str:
    """Returns the text of a message's parts of one kind (``text``, ``thinking``, ``user-prompt``), joined."""
    found = [part["content"] for part in message.get("parts", ()) if part.get("part_kind") == part_kind]
    return "".join(text for text in found if isinstance(text, str))


def calls_of(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """Returns the tool calls that a response asks for, in its order."""
    import json

    calls: list[ToolCall] = []
    for part in message.get("parts", ()):
        if part.get("part_kind") == "tool-call":
            given = part.get("args")
            text = given if isinstance(given, str) else json.dumps(given if given is not None else {})
            calls.append(ToolCall(part["tool_call_id"], part["tool_name"], text))
    return tuple(calls)


def role_of(message: Message) -> Literal["user", "assistant", "tool"]:
    """Returns who says a message: the user, the agent, or the tools that it called."""
    if message.get("kind") == "response":
        return "assistant"
    kinds = {part.get("part_kind") for part in message.get("parts", ())}
    return "tool" if "tool-return" in kinds else "user"
