"""Responses in OpenAI's form, told from the log of a run: items, and the events that tell how they come about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from stretto.agents.call import CallResult
from stretto.agents.stream_chunks import ChunkFold, ChunkType, StreamChunk, WorkflowComplete
from stretto.core.events import Event, ModelUsed, RunEnded, RunStarted, StepCompleted, StepStarted, parent_of, step_name
from stretto.core.ledger import Ledger
from stretto.models.model import Reply
from stretto.server.client_streams import trouble_of
from stretto.server.openai_models import left_out, words_of
from stretto.server.openai_requests import TextFormat

SERVER = "stretto"
"""The server that makes the calls of agents, as the protocol names it."""
CANCELLED = "cancelled by its client"
"""Why a run was cancelled whose client has asked for that."""
Status = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
Item = dict[str, Any]


class InputTokens(BaseModel):
    """Tokens that were sent."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokens(BaseModel):
    """Tokens that came back."""

    reasoning_tokens: int


class ResponseUsage(BaseModel):
    """What a run took, all its agents' calls together."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class ResponseFailure(BaseModel):
    """Why there is no answer."""

    code: Literal["server_error"] = "server_error"
    message: str


class Incomplete(BaseModel):
    """What cut an answer off."""

    reason: Literal["max_output_tokens", "content_filter"]


class TextSaid(BaseModel):
    """The form of an answer."""

    format: TextFormat = Field(default_factory=lambda: TextFormat(type="text"))


class Said(BaseModel):
    """What of a request its response repeats."""

    model: str
    instructions: str | None = None
    metadata: dict[str, str] | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    background: bool = False
    store: bool = True


class ModelResponse(Said):
    """A response: how it stands, and its items so far (messages, reasoning, and calls as ``mcp_call``)."""

    id: str
    object: Literal["response"] = "response"
    created_at: float
    completed_at: float | None = None
    status: Status
    error: ResponseFailure | None = None
    incomplete_details: Incomplete | None = None
    output: list[Item]
    usage: ResponseUsage | None = None
    parallel_tool_calls: bool = True
    tool_choice: Literal["auto"] = "auto"
    tools: list[Item] = Field(default_factory=list[Item])
    text: TextSaid = Field(default_factory=TextSaid)
    top_p: None = None


@dataclass(slots=True)
class _Open:
    """A message or reasoning that is being written."""

    place: int
    part: str
    attempt: int
    text: str = ""


class ItemFold:
    """Folds the log of a run into a response, and into the events of its stream; the same log gives the same events.

    ``speaks`` says whether the answer is an agent's own words; of a workflow it is the output. What a model had said
    before it was asked anew stays as an incomplete item. ``run_id`` and ``created`` hold until the log tells them.
    """

    def __init__(self, said: Said, *, speaks: bool, run_id: str = "", created: float = 0.0) -> None:
        self._said, self._speaks = said, speaks
        self._chunks, self._ledger = ChunkFold(), Ledger()
        self._sequence = 0
        self._open: dict[str, _Open] = {}
        self._calls: dict[str, int] = {}
        self._pending: set[str] = set()
        self._asked: dict[str, dict[str, str]] = {}
        self._finish: str | None = None
        self._run_id, self._created = run_id, created
        self._completed: float | None = None
        self._items: list[Item] = []
        self.status: Status = "in_progress"
        self._error: ResponseFailure | None = None
        self._incomplete: Incomplete | None = None

    def take(self, event: Event) -> list[Item]:
        """Takes the next event; returns the events of the stream that tell of it."""
        match event:
            case RunStarted():
                self._run_id, self._created = event.run_id, event.started_at
            case ModelUsed():
                self._ledger.record(event)
            case StepCompleted(output=Reply() as reply):
                self._finish = reply.finish_reason
                asked = {call.id: call.arguments for call in reply.tool_calls}
                self._asked[_agent_of(event.path)] = asked
            case _:
                pass
        sent: list[Item] = []
        if isinstance(event, RunStarted):
            sent = [
                self._event("response.created", **self._whole()),
                self._event("response.in_progress", **self._whole()),
            ]
        for told in self._chunks.take(event):
            if isinstance(told, StreamChunk):
                sent += self._told(told, event)
            elif isinstance(told, WorkflowComplete) and isinstance(event, RunEnded):
                sent += self._end(told, event)
        return sent

    def fail(self, why: str, status: Status = "failed") -> list[Item]:
        """Ends a response that has no answer, as that of a run without an end; returns the events that tell so."""
        sent = [each for path in list(self._open) for each in self._close(path, "incomplete")]
        self.status, self._error = status, ResponseFailure(message=why)
        return [*sent, self._event("response.failed", **self._whole())]

    def response(self) -> ModelResponse:
        """Returns the response as it stands."""
        spent = self._ledger.usage
        usage = ResponseUsage(
            input_tokens=spent.input_tokens,
            input_tokens_details=InputTokens(
                cached_tokens=spent.cached_tokens, cache_write_tokens=spent.cache_write_tokens
            ),
            output_tokens=spent.output_tokens,
            output_tokens_details=OutputTokens(reasoning_tokens=spent.reasoning_tokens),
            total_tokens=spent.total,
        )
        return ModelResponse(
            **self._said.model_dump(), id=f"resp_{self._run_id}", created_at=self._created, status=self.status,
            completed_at=self._completed, error=self._error, incomplete_details=self._incomplete,
            output=[dict(item) for item in self._items], usage=None if self.status == "in_progress" else usage,
        )  # fmt: skip

    # -- events --------------------------------------------------------------------------------------------------------

    def _event(self, type: str, **fields: Any) -> Item:
        told = {"type": type, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return told

    def _whole(self) -> Item:
        return {"response": self.response().model_dump()}

    def _told(self, chunk: StreamChunk, event: Event) -> list[Item]:
        if chunk.sub_agent_id is not None:
            return []
        match chunk.chunk_type:
            case ChunkType.TOKEN if self._speaks:
                return self._write(chunk, "output_text")
            case ChunkType.REASONING if self._speaks:
                return self._write(chunk, "reasoning_text")
            case ChunkType.TOOL_START if isinstance(event, StepStarted):
                return [*self._close_all("commentary"), *self._call(chunk, event)]
            case ChunkType.TOOL_END:
                return self._called(chunk, event)
            case _:
                return []

    def _add(self, kind: str, item: Item) -> tuple[int, Item]:
        place = len(self._items)
        self._items.append({"id": f"{kind}_{self._run_id}_{place}", **item})
        return place, self._event("response.output_item.added", output_index=place, item=dict(self._items[place]))

    # -- words ---------------------------------------------------------------------------------------------------------

    def _write(self, chunk: StreamChunk, part: str) -> list[Item]:
        sent: list[Item] = []
        for path, open in list(self._open.items()):
            if path != chunk.path or open.part != part:
                sent += self._close(path, "completed")
            elif open.attempt != chunk.attempt:
                sent += self._close(path, "incomplete")
        if chunk.path not in self._open:
            sent += self._begin(chunk.path, part, chunk.attempt or 1)
        return [*sent, self._more(chunk.path, chunk.content or "")]

    def _begin(self, path: str, part: str, attempt: int) -> list[Item]:
        if part == "output_text":
            place, added = self._add(
                "msg", {"type": "message", "role": "assistant", "status": "in_progress", "content": []}
            )
        else:
            place, added = self._add("rs", {"type": "reasoning", "status": "in_progress", "summary": [], "content": []})
        self._open[path] = _Open(place, part, attempt)
        return [added, self._at(place, "response.content_part.added", part=_part(part, ""))]

    def _more(self, path: str, text: str) -> Item:
        open = self._open[path]
        open.text += text
        logprobs: Item = {"logprobs": []} if open.part == "output_text" else {}
        return self._at(open.place, f"response.{open.part}.delta", delta=text, **logprobs)

    def _at(self, place: int, type: str, **fields: Any) -> Item:
        return self._event(type, output_index=place, item_id=self._items[place]["id"], content_index=0, **fields)

    def _close(self, path: str, status: str, phase: str = "") -> list[Item]:
        open = self._open.pop(path)
        part = _part(open.part, open.text)
        item = self._items[open.place]
        item.update(status=status, content=[part])
        if open.part == "output_text" and phase:
            item["phase"] = phase
        logprobs: Item = {"logprobs": []} if open.part == "output_text" else {}
        return [
            self._at(open.place, f"response.{open.part}.done", text=open.text, **logprobs),
            self._at(open.place, "response.content_part.done", part=part),
            self._event("response.output_item.done", output_index=open.place, item=dict(item)),
        ]

    def _close_all(self, phase: str) -> list[Item]:
        return [each for path in list(self._open) for each in self._close(path, "completed", phase)]

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _call(self, chunk: StreamChunk, event: StepStarted) -> list[Item]:
        item = {
            "type": "mcp_call", "name": chunk.tool or "", "server_label": SERVER, "arguments": "",
            "status": "in_progress", "output": None, "error": None, "approval_request_id": None,
        }  # fmt: skip
        place, added = self._add("mcp", item)
        self._calls[event.path] = place
        sent = [added, self._of_call(place, "response.mcp_call.in_progress")]
        asked = self._asked.get(chunk.parent_path, {}).get(chunk.call_id or "")
        if asked is not None:
            return [*sent, *self._arguments(place, asked)]
        self._pending.add(event.path)
        return sent

    def _of_call(self, place: int, type: str, **fields: Any) -> Item:
        return self._event(type, output_index=place, item_id=self._items[place]["id"], **fields)

    def _arguments(self, place: int, text: str) -> list[Item]:
        self._items[place]["arguments"] = text
        return [
            self._of_call(place, "response.mcp_call_arguments.delta", delta=text),
            self._of_call(place, "response.mcp_call_arguments.done", arguments=text),
        ]

    def _called(self, chunk: StreamChunk, event: Event) -> list[Item]:
        place = self._calls.pop(event.path, None)
        if place is None:
            return []
        result = event.output if isinstance(event, StepCompleted) and isinstance(event.output, CallResult) else None
        sent: list[Item] = []
        if event.path in self._pending:
            self._pending.discard(event.path)
            given = {} if result is None else result.arguments
            sent += self._arguments(place, json.dumps(given, ensure_ascii=False))
        item = self._items[place]
        well = chunk.outcome in ("success", "put_off")
        if well:
            item.update(status="completed", output="" if result is None else result.content)
        else:
            error = {"type": "mcp_tool_execution_error", "content": chunk.content or chunk.outcome or ""}
            item.update(status="failed", error=error)
        sent.append(self._of_call(place, f"response.mcp_call.{'completed' if well else 'failed'}"))
        return [*sent, self._event("response.output_item.done", output_index=place, item=dict(item))]

    # -- the end -------------------------------------------------------------------------------------------------------

    def _end(self, told: WorkflowComplete, event: RunEnded) -> list[Item]:
        self._completed = told.ts
        if told.status != "completed":
            status: Status = "cancelled" if event.output == CANCELLED else "failed"
            return self.fail(trouble_of(event), status)
        why = left_out(event.output) if self._speaks else ""
        text = f"({why})" if why else "" if self._speaks else words_of(event.output)
        sent: list[Item] = []
        if why:
            self.status = "incomplete"
            reasons: dict[str | None, Literal["max_output_tokens", "content_filter"]] = {
                "length": "max_output_tokens", "content_filter": "content_filter",
            }  # fmt: skip
            reason = reasons.get(self._finish)
            self._incomplete = None if reason is None else Incomplete(reason=reason)
        else:
            self.status = "completed"
        if text:
            sent += self._close_all("commentary")
            sent += [*self._begin("", "output_text", 1), self._more("", text)]
        return [*sent, *self._close_all("final_answer"), self._event(f"response.{self.status}", **self._whole())]


def _agent_of(path: str) -> str:
    """Returns the path of the agent whose model answered at a path, also while it plans."""
    above = parent_of(path)
    return parent_of(above) if step_name(above) == "plan" else above


def _part(part: str, text: str) -> Item:
    return {"type": part, "text": text, **({"annotations": [], "logprobs": []} if part == "output_text" else {})}
