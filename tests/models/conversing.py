"""Converses with a model as an agent does: asks it, makes its calls on real files, and shows it what they came to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stretto import run
from stretto.models.messages import ToolResult, results_message, user_message
from stretto.models.model import Model, ModelCall, Reply, ToolOffer


@dataclass
class Conversation:
    """What was asked and answered; ``calls`` are the calls as the model made them, ``replies`` what it said."""

    replies: list[Reply] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[ModelCall] = field(default_factory=list)

    @property
    def answer(self) -> str:
        return self.replies[-1].text

    def of(self, tool: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == tool]


class Refused(Exception):
    """A tool fails, with words for the model."""


class Denied(Exception):
    """A human says no."""


Tools = Mapping[str, tuple[Mapping[str, Any], Callable[..., Any]]]


async def converse(
    model: Model, task: str, tools: Tools | None = None, *, system: str = "", **more: Any
) -> Conversation:
    """Goes on until the model answers without a call; fails after twenty turns."""
    given, said = tools or {}, Conversation()
    messages = [user_message(task)]
    offers = tuple(
        ToolOffer(name=name, description=name, parameters={"type": "object", "properties": dict(properties)})
        for name, (properties, _) in given.items()
    )
    for _ in range(20):
        asked = ModelCall(messages=tuple(messages), system=system, tools=offers, **more)
        reply = await run(model, asked)
        said.asked.append(asked)
        said.replies.append(reply)
        if not reply.tool_calls:
            return said
        results = []
        for call in reply.tool_calls:
            arguments = json.loads(call.arguments)
            said.calls.append((call.name, arguments))
            results.append(result_of(call, arguments, given))
        messages += [reply.message, results_message(results)]
    raise AssertionError(f"no answer after twenty turns: {said.calls}")


def result_of(call: Any, arguments: Mapping[str, Any], tools: Tools) -> ToolResult:
    """Makes a call as an agent does: the model is shown text, whatever the tool returns."""
    try:
        output = tools[call.name][1](**arguments)
    except Refused as error:
        return ToolResult(call, f"Error: {error}", "failed")
    except Denied as error:
        return ToolResult(call, f"Denied: {error}", "denied")
    return ToolResult(call, output if isinstance(output, str) else json.dumps(output, ensure_ascii=False))
