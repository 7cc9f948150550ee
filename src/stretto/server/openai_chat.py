"""Chat completions in OpenAI's form, told from the log of a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stretto.agents.stream_chunks import ChunkFold, ChunkType, StreamChunk, Told, WorkflowComplete, news_json
from stretto.agents.stream_validations import ValidationRequired
from stretto.core.events import Event, ModelUsed, RunEnded, RunStarted, StepCompleted
from stretto.core.ledger import Ledger, Usage
from stretto.models.model import Reply
from stretto.server.client_streams import HEARTBEAT, Following, frame
from stretto.server.openai_models import Asked, left_out, words_of

DONE = b"data: [DONE]\n\n"
"""The end of a stream."""
FinishReason = Literal["stop", "length", "content_filter"]


class PromptTokens(BaseModel):
    """Tokens that were sent."""

    cached_tokens: int
    cache_write_tokens: int


class CompletionTokens(BaseModel):
    """Tokens that came back."""

    reasoning_tokens: int


class ChatUsage(BaseModel):
    """What a run took, all its agents' calls together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens
    completion_tokens_details: CompletionTokens


class ChatAnswer(BaseModel):
    """An answer; ``reasoning_content`` is what the model thought, as other servers of this protocol tell it."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    reasoning_content: str | None = None


class ChatChoice(BaseModel):
    """The one answer of a completion."""

    index: int = 0
    message: ChatAnswer
    finish_reason: FinishReason
    logprobs: None = None


class Beside(BaseModel):
    """What the protocol has no place for: the run, and the chunks that tell of calls, sub-agents, tasks, questions."""

    model_config = ConfigDict(title="StrettoExtension")

    run_id: str
    chunks: list[dict[str, Any]]


class ChatCompletion(BaseModel):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice] = Field(min_length=1, max_length=1)
    usage: ChatUsage
    metadata: dict[str, str] | None = None
    stretto: Beside


class ChatFold:
    """Folds the log of a run into an answer: event by event into what a stream sends, and into the whole.

    What a model had said before it was asked anew is left out of the whole; a stream cannot take it back, and begins
    a new paragraph.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked, self._chunks, self._ledger = asked, ChunkFold(), Ledger()
        self._texts: dict[str, tuple[int, str]] = {}
        self._reasoning: dict[str, tuple[int, str]] = {}
        self._last: dict[str, tuple[str, int]] = {}
        self._finish: str | None = None
        self.beside: list[dict[str, Any]] = []
        self.run_id, self.created = "", 0
        self.finish_reason: FinishReason = "stop"

    def take(self, event: Event) -> list[dict[str, Any]]:
        """Takes the next event; returns what a stream sends of it: deltas, and chunks beside them."""
        match event:
            case RunStarted():
                self.run_id, self.created = event.run_id, int(event.started_at)
            case ModelUsed():
                self._ledger.record(event)
            case StepCompleted(output=Reply() as reply):
                self._finish = reply.finish_reason
            case RunEnded(status="completed"):
                return self._end(event)
            case _:
                pass
        return [sent for told in self._chunks.take(event) for sent in self._told(told)]

    def _told(self, chunk: Told) -> list[dict[str, Any]]:
        if isinstance(chunk, WorkflowComplete):
            return []
        if not isinstance(chunk, StreamChunk):
            kind = "validation_required" if isinstance(chunk, ValidationRequired) else "validation_response"
            return self._tell({"chunk_type": kind, **news_json(chunk)})
        words = {ChunkType.TOKEN: "content", ChunkType.REASONING: "reasoning_content"}.get(chunk.chunk_type)
        if words is None:
            return self._tell(chunk.to_json())
        if chunk.sub_agent_id is not None or not self._asked.speaks:
            return []
        said = self._texts if words == "content" else self._reasoning
        return [{words: self._say(said, words, chunk.path, chunk.attempt or 1, chunk.content or "")}]

    def _tell(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        self.beside.append(told)
        return [{"stretto": told}]

    def _say(self, said: dict[str, tuple[int, str]], words: str, path: str, attempt: int, text: str) -> str:
        before = said.get(path)
        said[path] = attempt, before[1] + text if before is not None and before[0] == attempt else text
        last, self._last[words] = self._last.get(words), (path, attempt)
        return text if last in (None, (path, attempt)) else f"\n\n{text}"

    def _end(self, event: RunEnded) -> list[dict[str, Any]]:
        if why := left_out(event.output):
            self.finish_reason = "content_filter" if self._finish == "content_filter" else "length"
        text = (f"({why})" if why else "") if self._asked.speaks else words_of(event.output)
        return [{"content": self._say(self._texts, "content", "", 1, text)}] if text else []

    @property
    def usage(self) -> ChatUsage:
        """What the run took so far."""
        return chat_usage(self._ledger.usage)

    def completion(self, metadata: dict[str, str] | None) -> ChatCompletion:
        """Returns the whole answer of a run that is completed."""
        text, reasoning = (
            "\n\n".join(text for _, text in said.values() if text) for said in (self._texts, self._reasoning)
        )
        answer = ChatAnswer(content=text, reasoning_content=reasoning or None)
        return ChatCompletion(
            id=f"chatcmpl-{self.run_id}", created=self.created, model=self._asked.model,
            choices=[ChatChoice(message=answer, finish_reason=self.finish_reason)], usage=self.usage, metadata=metadata,
            stretto=Beside(run_id=self.run_id, chunks=self.beside),
        )  # fmt: skip


def chat_usage(spent: Usage) -> ChatUsage:
    """Returns what was spent as this protocol counts it."""
    return ChatUsage(
        prompt_tokens=spent.input_tokens,
        completion_tokens=spent.output_tokens,
        total_tokens=spent.total,
        prompt_tokens_details=PromptTokens(
            cached_tokens=spent.cached_tokens, cache_write_tokens=spent.cache_write_tokens
        ),
        completion_tokens_details=CompletionTokens(reasoning_tokens=spent.reasoning_tokens),
    )


async def chat_stream(asked: Asked, following: Following, with_usage: bool) -> AsyncIterator[bytes]:
    """Yields the chunks of a completion as a run makes them; one that fails ends with an error."""
    fold = ChatFold(asked)

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
        usage = {"usage": None} if with_usage else {}
        told = {
            "id": f"chatcmpl-{following.run.id}", "object": "chat.completion.chunk", "created": fold.created,
            "model": asked.model, "choices": choices,
        }  # fmt: skip
        return frame({**told, **usage, **more})

    begun = False
    async for events in following.batches():
        if not events:
            yield HEARTBEAT
        for event in events:
            sent = fold.take(event)
            if not begun and fold.created:
                begun = True
                yield chunk({"role": "assistant", "content": ""})
            for each in sent:
                yield chunk({}, **each) if "stretto" in each else chunk(each)
    if trouble := following.trouble:
        error = {"message": trouble, "type": "server_error", "param": None, "code": "execution_failed"}
        yield frame({"error": error})
    else:
        yield chunk({}, fold.finish_reason)
        if with_usage:
            yield chunk({}, choices=[], usage=fold.usage.model_dump())
    yield DONE
