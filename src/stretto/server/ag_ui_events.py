"""AG-UI's events, told from the log of a run: words, reasoning, calls, sub-agents, state, usage, and interruptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from stretto.agents.call import CallResult, Prepared
from stretto.agents.report import Report
from stretto.agents.stream_chunks import ChunkFold, ChunkType, StreamChunk, WorkflowComplete
from stretto.agents.stream_validations import ValidationRequired, ValidationResponse
from stretto.core.events import Event, ModelUsed, Path, RunEnded, RunStarted, StepCompleted, StepStarted, parent_of
from stretto.core.ledger import Usage

Told = dict[str, Any]
_WORDS = {ChunkType.TOKEN: "TEXT_MESSAGE", ChunkType.REASONING: "REASONING_MESSAGE"}
_TASKS = frozenset({ChunkType.TASK_CREATE, ChunkType.TASK_UPDATE, ChunkType.TASK_COMPLETE})


class _Tasks:
    """The state that is shared with the client: its own, and the tasks by their ids."""

    def __init__(self, state: object, tasks: Mapping[str, Told] | None) -> None:
        self._state: Told = dict(state) if _is_object(state) else {}
        self._tasks, self._shown = dict(tasks or {}), False

    def news(self, chunk: StreamChunk) -> list[Told]:
        """Takes a change of a task; returns the events that tell of it."""
        id = chunk.task_id or ""
        there = id in self._tasks
        task = {"name": chunk.task_name, "status": chunk.task_status, "priority": chunk.task_priority}
        if chunk.task_status == "deleted":
            self._tasks.pop(id, None)
        else:
            self._tasks[id] = task
        if not self._shown:
            self._shown = True
            return [{"type": "STATE_SNAPSHOT", "snapshot": {**self._state, "tasks": dict(self._tasks)}}]
        place = f"/tasks/{id.replace('~', '~0').replace('/', '~1')}"
        if chunk.task_status == "deleted":
            return [{"type": "STATE_DELTA", "delta": [{"op": "remove", "path": place}]}] if there else []
        change = {"op": "replace" if there else "add", "path": place, "value": task}
        return [{"type": "STATE_DELTA", "delta": [change]}]


class AgUiFold:
    """Folds the log of an execution into the events of one AG-UI run, for the client's ``thread_id`` and ``run_id``.

    ``state`` is the client's, to which ``tasks`` (by their ids) are added once there is news of any. ``answered`` are
    the requests that the client has just answered: it is not interrupted by them again. The first ``heard`` events of
    the log are known to the client already.
    """

    def __init__(
        self, thread_id: str, run_id: str, *, state: object = None, tasks: Mapping[str, Told] | None = None,
        heard: int = 0, answered: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._thread_id, self._run_id = thread_id, run_id
        self._chunks, self._run, self._position, self._heard = ChunkFold(), "", 0, heard
        self._tasks, self._answered = _Tasks(state, tasks), set(answered)
        self._open: dict[Path, tuple[str, str, Told]] = {}
        self._attempts: dict[Path, int] = {}
        self._messages: dict[Path, str] = {}
        self._calls: dict[Path, tuple[str, bool]] = {}
        self._agents: dict[Path, Told] = {}
        self._interrupts: dict[str, Told] = {}
        self._usage: dict[str, Usage] = {}
        self._ids: Counter[str] = Counter()
        self._result: Told = {}
        self.over = False

    def begin(self) -> list[Told]:
        """Returns what tells that the client's run has begun."""
        return [{"type": "RUN_STARTED", "threadId": self._thread_id, "runId": self._run_id}]

    def take(self, event: Event) -> list[Told]:
        """Takes the next event of the log; returns the events that tell of it."""
        before = self._speak() if self._position == self._heard else []
        self._position += 1
        sent = self._taken(event)
        return [*before, *sent] if self._position > self._heard else []

    def _speak(self) -> list[Told]:
        """Returns what tells that sub-agents go on which the client has been told are suspended."""
        self._heard = -1
        for id in self._answered:
            self._interrupts.pop(id, None)
        self._open.clear()
        return list(self._agents.values())

    def _taken(self, event: Event) -> list[Told]:
        match event:
            case RunStarted():
                self._run = event.run_id
            case ModelUsed():
                used = Usage(
                    input_tokens=event.input_tokens, output_tokens=event.output_tokens,
                    cached_tokens=event.cached_tokens, reasoning_tokens=event.reasoning_tokens,
                )  # fmt: skip
                self._usage[event.model] = self._usage.get(event.model, Usage()) + used
            case RunEnded(output=Report() as report):
                self._result = {"status": report.status.value, **({"error": report.error} if report.error else {})}
            case _:
                pass
        sent: list[Told] = []
        for told in self._chunks.take(event):
            if isinstance(told, WorkflowComplete):
                sent += self._complete(told)
            else:
                new = self._told(told, event)
                sent += [{**each, "timestamp": round(told.ts * 1000)} for each in new]
        return sent

    def interrupted(self) -> list[Told]:
        """Returns what ends the client's run while people are asked, nothing while nobody is."""
        before = self._speak() if self._position == self._heard else []
        if self.over or not self._interrupts or self._position < self._heard:
            return before
        self.over = True
        place = f"{self._run}.{self._position}"
        interrupts = [{**each, "id": f"{place}.{each['id']}"} for each in self._interrupts.values()]
        sent = self._close_all()
        for agent in reversed(self._agents.values()):
            id = agent["subagentRunId"]
            own = [each["id"] for each in interrupts if each.get("subagentRunId") == id]
            outcome = {"type": "suspended", "interruptIds": own}
            sent.append({"type": "SUBAGENT_FINISHED", "subagentRunId": id, "outcome": outcome})
        return [*before, *sent, self._finished({"type": "interrupt", "interrupts": interrupts})]

    def fail(self, why: str, code: str) -> list[Told]:
        """Returns what ends the client's run with an error."""
        self.over = True
        error = {"type": "RUN_ERROR", "message": why, "code": code}
        return [{**error, "usage": _used(self._usage)} if self._usage else error]

    # -- what is told --------------------------------------------------------------------------------------------------

    def _told(self, told: StreamChunk | ValidationRequired | ValidationResponse, event: Event) -> list[Told]:
        if isinstance(told, ValidationRequired):
            return self._ask(told.request_id, told.operation, told, _approval(told))
        if isinstance(told, ValidationResponse):
            self._interrupts.pop(told.request_id, None)
            return []
        match told.chunk_type:
            case ChunkType.TOKEN | ChunkType.REASONING:
                return self._say(told)
            case ChunkType.TOOL_START if isinstance(event, StepStarted):
                return [*self._close_of(told), *self._call(told, event)]
            case ChunkType.TOOL_END if told.path in self._calls:
                return self._called(told, event)
            case ChunkType.SUB_AGENT_START | ChunkType.SUB_AGENT_COMPLETE | ChunkType.SUB_AGENT_ERROR:
                return self._agent(told)
            case ChunkType.SUB_AGENT_PROGRESS:
                return [{"type": "CUSTOM", "name": "sub_agent_progress", "value": told.to_json(), **self._by(told)}]
            case ChunkType.USER_QUESTION_START:
                return self._ask(told.request_id or "", told.content or "", told, _question(told))
            case ChunkType.USER_QUESTION_COMPLETE:
                self._interrupts.pop(told.request_id or "", None)
                return []
            case _:
                return self._tasks.news(told) if told.chunk_type in _TASKS else []

    def _by(self, told: StreamChunk | ValidationRequired) -> Told:
        """Returns whose news it is: that of the nearest sub-agent above it."""
        path = told.path
        while path and path not in self._agents:
            path = parent_of(path)
        return {"subagentRunId": self._agents[path]["subagentRunId"]} if path else {}

    def _id(self, path: Path, attempt: int | None) -> str:
        return f"{self._run}/{path}" + (f"@{attempt}" if attempt and attempt > 1 else "")

    # -- words ---------------------------------------------------------------------------------------------------------

    def _say(self, chunk: StreamChunk) -> list[Told]:
        kind, by = _WORDS[chunk.chunk_type], self._by(chunk)
        anew = self._attempts.get(chunk.path, chunk.attempt) != chunk.attempt
        self._attempts[chunk.path] = chunk.attempt or 1
        sent: list[Told] = []
        held = self._open.get(chunk.path)
        if held is not None and (anew or held[0] != kind):
            sent += self._close(chunk.path)
            if anew:
                sent.append({"type": "CUSTOM", "name": "message_void", "value": {"messageId": held[1]}, **by})
        if chunk.path not in self._open:
            id = self._id(chunk.path, chunk.attempt) + ("#reasoning" if kind == "REASONING_MESSAGE" else "")
            id = self._new(id)
            self._open[chunk.path] = kind, id, by
            if kind == "REASONING_MESSAGE":
                sent.append({"type": "REASONING_START", "messageId": id, **by})
            else:
                self._messages[parent_of(chunk.path)] = id
            role = "assistant" if kind == "TEXT_MESSAGE" else "reasoning"
            sent.append({"type": f"{kind}_START", "messageId": id, "role": role, **by})
        id = self._open[chunk.path][1]
        return [*sent, {"type": f"{kind}_CONTENT", "messageId": id, "delta": chunk.content or "", **by}]

    def _new(self, id: str) -> str:
        self._ids[id] += 1
        return id if self._ids[id] == 1 else f"{id}#{self._ids[id]}"

    def _close(self, path: Path) -> list[Told]:
        kind, id, by = self._open.pop(path)
        ended: Told = {"type": f"{kind}_END", "messageId": id, **by}
        after: list[Told] = [{"type": "REASONING_END", "messageId": id, **by}] if kind == "REASONING_MESSAGE" else []
        return [ended, *after]

    def _close_of(self, chunk: StreamChunk, below: bool = False) -> list[Told]:
        """Ends what the agent of a chunk has been saying, with ``below`` also what others below it say."""
        agent = chunk.path if below else chunk.parent_path
        inside = [path for path in self._open if path.startswith(f"{agent}/")]
        own = [path for path in inside if below or self._open[path][2] == self._by(chunk)]
        return [each for path in own for each in self._close(path)]

    def _close_all(self) -> list[Told]:
        return [each for path in list(self._open) for each in self._close(path)]

    # -- calls and sub-agents ------------------------------------------------------------------------------------------

    def _call(self, chunk: StreamChunk, event: StepStarted) -> list[Told]:
        id, by = self._id(chunk.path, chunk.attempt), self._by(chunk)
        whole = isinstance(event.input, Prepared)
        self._calls[chunk.path] = id, whole
        said = self._messages.get(chunk.parent_path)
        started = {"type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": chunk.tool or "", **by}
        if said is not None:
            started["parentMessageId"] = said
        told = [started]
        if isinstance(event.input, Prepared):
            told += _arguments(id, event.input.arguments, by)
        return told

    def _called(self, chunk: StreamChunk, event: Event) -> list[Told]:
        id, whole = self._calls.pop(chunk.path)
        by = self._by(chunk)
        result = event.output if isinstance(event, StepCompleted) and isinstance(event.output, CallResult) else None
        sent: list[Told] = [] if whole else _arguments(id, {} if result is None else result.arguments, by)
        well = chunk.outcome == "success"
        content = result.content if well and result is not None else chunk.content or chunk.outcome or ""
        about = {"stretto": {"outcome": chunk.outcome, "duration": chunk.duration}}
        told = {"type": "TOOL_CALL_RESULT", "messageId": f"{id}#result", "toolCallId": id, "role": "tool"}
        return [*sent, {**told, "content": content, "metadata": about, **by}]

    def _agent(self, chunk: StreamChunk) -> list[Told]:
        if chunk.chunk_type is ChunkType.SUB_AGENT_START:
            above = self._by(chunk)
            id = self._id(chunk.path, chunk.attempt)
            started = {"type": "SUBAGENT_STARTED", "subagentRunId": id, "name": chunk.sub_agent_name or ""}
            if chunk.content:
                started["description"] = chunk.content
            if above:
                started["parentSubagentRunId"] = above["subagentRunId"]
            call = next((held[0] for path, held in self._calls.items() if chunk.path.startswith(f"{path}/")), None)
            if call is not None:
                started["parentToolCallId"] = call
            self._agents[chunk.path] = started
            return [started]
        sent = self._close_of(chunk, below=True)
        held = self._agents.pop(chunk.path, None)
        if held is None:
            return sent
        id = held["subagentRunId"]
        if chunk.chunk_type is ChunkType.SUB_AGENT_ERROR:
            error = {"type": "SUBAGENT_ERROR", "subagentRunId": id, "message": chunk.content or chunk.outcome or ""}
            return [*sent, {**error, "code": chunk.outcome or "error"}]
        ended = {"type": "SUBAGENT_FINISHED", "subagentRunId": id, "result": chunk.content or ""}
        return [*sent, {**ended, "outcome": {"type": "success"}}]

    # -- people --------------------------------------------------------------------------------------------------------

    def _ask(self, id: str, message: str, told: StreamChunk | ValidationRequired, asked: Told) -> list[Told]:
        if id in self._answered:
            return []
        by = self._by(told)
        call = self._calls.get(told.path)
        self._interrupts[id] = {
            "id": id, "message": message, **asked, **by, **({"toolCallId": call[0]} if call is not None else {}),
        }  # fmt: skip
        return []

    # -- the end -------------------------------------------------------------------------------------------------------

    def _complete(self, told: WorkflowComplete) -> list[Told]:
        if told.status != "completed":
            code = "cancelled" if told.status == "cancelled" else "execution_failed"
            return self.fail(told.error or f"the run was {told.status}", code)
        self.over = True
        finished = self._finished({"type": "success"})
        return [*self._close_all(), {**finished, "result": self._result} if self._result else finished]

    def _finished(self, outcome: Told) -> Told:
        told = {"type": "RUN_FINISHED", "threadId": self._thread_id, "runId": self._run_id, "outcome": outcome}
        return {**told, "usage": _used(self._usage)} if self._usage else told


def _arguments(id: str, arguments: Mapping[str, Any], by: Told) -> list[Told]:
    text = json.dumps(arguments, ensure_ascii=False)
    return [
        {"type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": text, **by},
        {"type": "TOOL_CALL_END", "toolCallId": id, **by},
    ]


def _approval(told: ValidationRequired) -> Told:
    asked: Told = {
        "reason": "tool_call",
        "responseSchema": _schema(told.choices, {"description": "The arguments, where they are edited."}),
        "metadata": {
            "operation_type": told.operation_type, "risk_level": told.risk_level, "arguments": told.arguments,
            "details": told.details, "reason": told.reason, "choices": list(told.choices),
        },
    }  # fmt: skip
    if told.expires_at is not None:
        asked["expiresAt"] = datetime.fromtimestamp(told.expires_at, UTC).isoformat()
    return asked


def _question(chunk: StreamChunk) -> Told:
    form = chunk.user_question
    shown = {} if form is None else {"question_type": form.question_type, "options": list(form.options)}
    context = {} if form is None else {"context": form.context, "text_placeholder": form.text_placeholder}
    return {"reason": "input_required", "responseSchema": _schema((), {}), "metadata": {**shown, **context}}


def _schema(choices: tuple[str, ...], value: Told) -> Told:
    choice: Told = {"type": "string", **({"enum": list(choices)} if choices else {})}
    return {"type": "object", "properties": {"choice": choice, "value": value, "reason": {"type": "string"}}}


def _used(usage: Mapping[str, Usage]) -> list[Told]:
    return [_usage(model, used) for model, used in usage.items()]


def _usage(model: str, used: Usage) -> Told:
    provider, _, name = model.partition(":")
    return {
        **({"provider": provider} if name else {}), "model": name or provider, "inputTokens": used.input_tokens,
        "outputTokens": used.output_tokens, "totalTokens": used.total, "reasoningTokens": used.reasoning_tokens,
        "cachedInputTokens": used.cached_tokens,
    }  # fmt: skip


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
