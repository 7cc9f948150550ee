"""What clients of OpenAI's protocols may ask, and what an agent is given of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from stretto.models.messages import Message, ToolCall, ToolResult, assistant_message, results_message, user_message
from stretto.server.dependencies import Text
from stretto.server.problems import Problem

MOST_MESSAGES, MOST_TEXT, MOST_TASK = 10_000, 1_000_000, 100_000
"""How many messages a request may have, and how long each and the last one may be (characters)."""
Words = Annotated[Text, Field(max_length=MOST_TEXT)]
Id = Annotated[Text, Field(min_length=1, max_length=256)]
Name = Annotated[Text, Field(max_length=512)]


def _only(allowed: Sequence[Any], because: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(because)
        return value

    return BeforeValidator(check)


_NO_TOOLS = "an agent calls its own tools; leave tools out, and give them to the agent"
NoTools = Annotated[
    list[JsonValue] | None,
    _only((None, []), _NO_TOOLS),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {}, "maxItems": 0}, {"type": "null"}]}),
]
One = Annotated[Literal[1], _only((1,), "one answer is made of a request; leave it out")]
Whole = Annotated[
    float | None,
    _only((None, 1), "it is the agent's model that says how words are drawn; leave it out, or set the temperature"),
    WithJsonSchema({"anyOf": [{"const": 1}, {"type": "null"}]}),
]
Nought = Annotated[
    float | None,
    _only((None, 0), "agents do not know this; leave it out"),
    WithJsonSchema({"anyOf": [{"const": 0}, {"type": "null"}]}),
]
Temperature = Annotated[float | None, Field(ge=0, le=2)]
Tokens = Annotated[int | None, Field(ge=16, le=1_000_000)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


Metadata = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]] | None,
    Field(max_length=16),
]


class TextFormat(BaseModel):
    """The form of an answer: words."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]


class TextPart(BaseModel):
    """A piece of a message in words; agents take nothing else."""

    type: Literal["text", "input_text", "output_text"]
    text: Words


class CalledFunction(BaseModel):
    """Which function an earlier answer has called, with the JSON text of its arguments."""

    name: Annotated[Text, Field(max_length=256)]
    arguments: Words


class EarlierCall(BaseModel):
    """A call in an earlier answer."""

    id: Id
    type: Literal["function"] = "function"
    function: CalledFunction


Content: TypeAlias = Words | list[TextPart] | None


class ChatMessage(BaseModel):
    """A message of a conversation; fields that other clients add are passed over."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content = None
    tool_calls: list[EarlierCall] | None = None
    tool_call_id: Id | None = None


class StreamOptions(BaseModel):
    """How an answer is streamed; nothing is obfuscated."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class Asking(BaseModel):
    """What both protocols know; ``user`` and what follows it are taken, and change nothing here."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[Text, Field(min_length=1, max_length=300, description="An agent's id, or workflow/ and a name.")]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature = None
    metadata: Metadata = None
    tools: NoTools = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    top_p: Whole = None
    user: Name | None = None
    safety_identifier: Name | None = None
    prompt_cache_key: Name | None = None
    service_tier: Literal["auto", "default"] | None = None


class ChatRequest(Asking):
    """A request for a chat completion."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_tokens: Tokens = None
    max_completion_tokens: Tokens = None
    reasoning_effort: Effort | None = None
    n: One | None = None
    frequency_penalty: Nought = None
    presence_penalty: Nought = None
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] | None = None
    store: bool | None = None


class Reasoning(BaseModel):
    """Whether the model reasons: ``none`` says no, every other effort yes."""

    model_config = ConfigDict(extra="forbid")

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class TextConfig(BaseModel):
    """The form of an answer."""

    model_config = ConfigDict(extra="forbid")

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class MessageItem(BaseModel):
    """A message of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Words | list[TextPart]


class CallItem(BaseModel):
    """A call in an earlier answer: what a client was asked to call, or what an agent has called by itself."""

    type: Literal["function_call", "mcp_call"]
    id: Id | None = None
    call_id: Id | None = None
    name: Annotated[Text, Field(max_length=256)]
    arguments: Words
    output: Words | None = None


class OutputItem(BaseModel):
    """What a call came to."""

    type: Literal["function_call_output"]
    call_id: Id
    output: Words | list[TextPart]


class ReasoningItem(BaseModel):
    """What a model has thought; it is not shown to it again."""

    type: Literal["reasoning"]


Item: TypeAlias = MessageItem | CallItem | OutputItem | ReasoningItem


class ResponseRequest(Asking):
    """A request for a response; with ``previous_response_id`` it goes on from one that was stored."""

    input: Annotated[Words, Field(min_length=1)] | Annotated[list[Item], Field(min_length=1, max_length=MOST_MESSAGES)]
    instructions: Words | None = None
    previous_response_id: Annotated[Text, Field(pattern=r"^resp_[\w.-]{1,128}$")] | None = None
    max_output_tokens: Tokens = None
    reasoning: Reasoning | None = None
    text: TextConfig | None = None
    truncation: Literal["auto", "disabled"] | None = None
    background: bool | None = None
    store: bool | None = None
    include: list[Name] | None = None


class Wanted(BaseModel):
    """What a request asks of an agent: the last words of the user, what came before, and its caller's instructions."""

    words: str
    earlier: list[Message]
    instructions: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    thinking: bool | None = None


def wanted_of_chat(request: ChatRequest) -> Wanted:
    """Returns what a chat asks; raises ``Problem`` when nobody asks anything at its end."""
    said = [each for each in request.messages if each.role not in ("system", "developer")]
    told = [_text(each.content) for each in request.messages if each.role in ("system", "developer")]
    if not said or said[-1].role != "user":
        raise _nothing_asked("messages")
    return Wanted(
        words=_task(_text(said[-1].content), "messages"),
        earlier=_conversation(said[:-1]),
        instructions="\n\n".join(filter(None, told)),
        temperature=request.temperature,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        thinking=None if request.reasoning_effort is None else request.reasoning_effort != "none",
    )


def wanted_of_response(request: ResponseRequest) -> Wanted:
    """Returns what a request for a response asks; raises ``Problem`` when nobody asks anything at its end."""
    items: list[Item] = (
        [MessageItem(role="user", content=request.input)] if isinstance(request.input, str) else request.input
    )
    told = [each for each in items if isinstance(each, MessageItem) and each.role in ("system", "developer")]
    said = [each for each in items if each not in told]
    last = said[-1] if said else None
    if not isinstance(last, MessageItem) or last.role != "user":
        raise _nothing_asked("input")
    effort = None if request.reasoning is None else request.reasoning.effort
    return Wanted(
        words=_task(_text(last.content), "input"),
        earlier=_conversation([message for each in said[:-1] for message in _messages(each)]),
        instructions="\n\n".join(filter(None, [request.instructions or "", *(_text(each.content) for each in told)])),
        temperature=request.temperature,
        max_tokens=request.max_output_tokens,
        thinking=None if effort is None else effort != "none",
    )


def _messages(item: Item) -> list[ChatMessage]:
    """Returns an item of a response as messages of a chat."""
    match item:
        case MessageItem():
            return [ChatMessage(role=item.role, content=item.content)]
        case CallItem():
            id = item.call_id or item.id or item.name
            called = EarlierCall(id=id, function=CalledFunction(name=item.name, arguments=item.arguments))
            call = ChatMessage(role="assistant", tool_calls=[called])
            told = item.output is not None or item.type == "mcp_call"
            return [call, ChatMessage(role="tool", tool_call_id=id, content=item.output or "")] if told else [call]
        case OutputItem():
            return [ChatMessage(role="tool", tool_call_id=item.call_id, content=item.output)]
        case ReasoningItem():
            return []


def _conversation(said: Sequence[ChatMessage]) -> list[Message]:
    """Returns messages as agents keep them; results of calls that are not there are left out."""
    kept: list[Message] = []
    calls: dict[str, ToolCall] = {}
    results: list[ToolResult] = []
    for each in said:
        if each.role == "tool":
            if (call := calls.get(each.tool_call_id or "")) is not None:
                results.append(ToolResult(call, _text(each.content)))
            continue
        if results:
            kept.append(results_message(results))
            results = []
        if each.role == "user":
            kept.append(user_message(_text(each.content)))
        else:
            made = [ToolCall(one.id, one.function.name, one.function.arguments) for one in each.tool_calls or ()]
            calls.update({call.id: call for call in made})
            kept.append(assistant_message(_text(each.content), made))
    return [*kept, results_message(results)] if results else kept


def _text(content: Content) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content or ())


def _task(words: str, field: str) -> str:
    if not words.strip() or len(words) > MOST_TASK:
        raise Problem(
            422, "invalid", f"{field}: the last message must have 1 to {MOST_TASK:,} characters; it has {len(words):,}"
        )
    return words


def _nothing_asked(field: str) -> Problem:
    return Problem(422, "invalid", f"{field}: the last of them must be the user's: it is what the agent works on")
