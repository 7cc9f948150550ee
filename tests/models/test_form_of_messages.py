"""Messages made in this process are, as pydantic-ai reads them, the ones that it would have made itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from stretto.models.messages import (
    Ending,
    Message,
    ToolCall,
    ToolResult,
    assistant_message,
    calls_of,
    dumped,
    loaded,
    results_message,
    text_of,
    user_message,
)

CALLS = some.lists(some.builds(ToolCall, some.text(), some.text(), some.text()), max_size=3)
VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),  # JSON knows neither
    lambda each: some.lists(each, max_size=3) | some.dictionaries(some.text(), each, max_size=3),
    max_leaves=6,
)


def at(written: Any) -> datetime:
    return datetime.fromisoformat(written)


@settings(deadline=None)
@given(some.text())
def test_what_a_user_says_is_read_as_a_prompt(text: str) -> None:
    message = json.loads(json.dumps(user_message(text)))
    said = UserPromptPart(content=text, timestamp=at(message["parts"][0]["timestamp"]))
    assert loaded([message]) == [ModelRequest(parts=[said])]
    assert text_of(message, "user-prompt") == text


@settings(deadline=None)
@given(some.text(), some.text(), CALLS, some.none() | some.text(), some.datetimes(timezones=some.just(UTC)))
def test_what_an_agent_says_is_read_as_a_response(
    text: str, reasoning: str, calls: list[ToolCall], model: str | None, when: datetime
) -> None:
    message = json.loads(json.dumps(assistant_message(text, calls, reasoning=reasoning, model=model, at=when)))
    parts: list[ThinkingPart | TextPart | ToolCallPart] = []
    parts += [ThinkingPart(content=reasoning)] if reasoning else []
    parts += [TextPart(content=text)] if text else []
    parts += [ToolCallPart(tool_name=call.name, args=call.arguments, tool_call_id=call.id) for call in calls]
    theirs = ModelResponse(parts=parts, model_name=model, timestamp=when)
    assert loaded([message]) == [theirs]
    assert dumped(loaded([message])) == dumped([theirs])
    assert calls_of(message) == calls_of(dumped([theirs])[0]) == tuple(calls)


@settings(deadline=None)
@given(some.lists(some.tuples(VALUES, some.sampled_from(["success", "failed", "denied"])), max_size=3))
def test_what_calls_came_to_is_read_as_tool_returns(came: list[tuple[Any, Ending]]) -> None:
    call = ToolCall("c", "look", "{}")
    message = json.loads(json.dumps(results_message([ToolResult(call, content, ending) for content, ending in came])))
    parts = [
        ToolReturnPart("look", content, "c", outcome=ending, timestamp=at(part["timestamp"]))
        for (content, ending), part in zip(came, message["parts"], strict=True)
    ]
    assert loaded([message]) == [ModelRequest(parts=parts)]
    assert dumped(loaded([message])) == dumped([ModelRequest(parts=parts)])


def test_a_result_that_is_no_json_is_written_as_pydantic_writes_it() -> None:
    given: list[Any] = [datetime(2026, 1, 2, tzinfo=UTC), {1: (2, 3)}, b"\xff", float("inf")]
    part = ToolReturnPart("look", given, "c")
    [theirs] = dumped([ModelRequest(parts=[part])])[0]["parts"]
    [ours] = results_message([ToolResult(ToolCall("c", "look", "{}"), given)])["parts"]
    assert ours["content"] == theirs["content"] == ["2026-01-02T00:00:00Z", {"1": [2, 3]}, "_w==", None]


@pytest.mark.parametrize(
    "make",
    [
        lambda: user_message("x"),
        lambda: assistant_message("x"),
        lambda: results_message([ToolResult(ToolCall("c", "look", "{}"), "x")]),
    ],
)
def test_what_is_said_now_is_of_now(make: Any) -> None:
    before = datetime.now(UTC)
    message: Message = make()
    told = [message.get("timestamp"), *(part.get("timestamp") for part in message["parts"])]
    assert all(before <= at(time) <= datetime.now(UTC) for time in told if time is not None)
