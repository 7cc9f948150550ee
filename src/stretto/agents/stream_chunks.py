"""What is sent of a workflow while it runs: the log of a run, event by event, as chunks for whoever watches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeGuard

from stretto.agents.call import CallResult
from stretto.agents.following import Asked, Followed, asked_of, ended_badly, milliseconds, request_key
from stretto.agents.report import Report, ReportStatus
from stretto.agents.stream_validations import ValidationRequired, ValidationResponse, required_of, response_of
from stretto.core import events as core
from stretto.core.events import TERMINAL, Event, Path, parent_of
from stretto.core.ledger import Ledger
from stretto.models.model import Reply


class ChunkType(StrEnum):
    """What a chunk tells of."""

    TOKEN = "token"  # noqa: S105  # a word of an answer
    REASONING = "reasoning"
    TOOL_START = "tool_start"
    TOOL_END = "tool_end"
    ERROR = "error"
    SUB_AGENT_START = "sub_agent_start"
    SUB_AGENT_PROGRESS = "sub_agent_progress"
    SUB_AGENT_COMPLETE = "sub_agent_complete"
    SUB_AGENT_ERROR = "sub_agent_error"
    TASK_CREATE = "task_create"
    TASK_UPDATE = "task_update"
    TASK_COMPLETE = "task_complete"
    USER_QUESTION_START = "user_question_start"
    USER_QUESTION_COMPLETE = "user_question_complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubAgentStreamMetrics:
    """What a sub-agent has taken so far, all below it included."""

    duration_ms: int
    tokens_input: int
    tokens_output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuestion:
    """A question to the user; ``options`` are pairs of ``id`` and ``label``."""

    question_id: str
    question: str
    question_type: str
    options: tuple[dict[str, str], ...]
    text_placeholder: str
    text_required: bool
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChunk:
    """One piece of news of a workflow; what does not apply is None.

    ``seq`` counts chunks from 1: the same log gives the same numbers. ``ts`` is in seconds since the Unix epoch,
    ``duration`` in milliseconds, ``progress`` in per cent. ``path`` says at what it happened, ``parent_path`` the agent
    to which that belongs. ``attempt`` counts from 1; where it grows, what was said at this path before is void.
    ``outcome`` says how something ended: success, partial, error, denied, cancelled, timed_out, or put_off for a call
    that was edited and is made later; of a question answered, skipped or timeout. ``question_id`` is the id under which
    a question can be answered, ``request_id`` names it in its run. The ``sub_agent_…`` fields are those
    of the sub-agent that the chunk is of.
    """

    workflow_id: str
    chunk_type: ChunkType
    seq: int
    ts: float
    run_id: str
    path: Path
    parent_path: Path
    content: str | None = None
    tool: str | None = None
    duration: int | None = None
    sub_agent_id: str | None = None
    sub_agent_name: str | None = None
    parent_agent_id: str | None = None
    metrics: SubAgentStreamMetrics | None = None
    progress: int | None = None
    task_id: str | None = None
    task_name: str | None = None
    task_status: str | None = None
    task_priority: int | None = None
    question_id: str | None = None
    request_id: str | None = None
    user_question: UserQuestion | None = None
    call_id: str | None = None
    attempt: int | None = None
    outcome: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the chunk as JSON values, without what is None."""
        return news_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowComplete:
    """The end of a run; ``error`` says why it is not completed. ``seq`` and ``ts`` are as in a chunk."""

    workflow_id: str
    status: Literal["completed", "error", "cancelled"]
    error: str | None
    seq: int
    ts: float
    run_id: str


Told: TypeAlias = StreamChunk | WorkflowComplete | ValidationRequired | ValidationResponse
"""What an event gives to tell."""


def news_json(told: Told) -> dict[str, Any]:
    """Returns a piece of news as JSON values, without what is None."""
    found = {name: value for name in _FIELDS[type(told)] if (value := getattr(told, name)) is not None}
    for name in _NESTED & found.keys():
        found[name] = asdict(found[name])
    return found


_FIELDS = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (StreamChunk, WorkflowComplete, ValidationRequired, ValidationResponse)
}
_NESTED = {"metrics", "user_question"}


class ChunkFold:
    """Turns the events of one run into chunks, in their order; ``workflow_id`` is by default the run's.

    A primary agent is told as a tool of its id that starts and ends, without a ``call_id``, the agents below it as
    sub-agents. Words of a model stream as it makes them; those of an answer that nobody heard, because it came from a
    cache, are told at once when it is there. What other calls of models say, as summaries of a history, is not told.
    """

    def __init__(self, workflow_id: str = "") -> None:
        self._workflow_id, self._run_id, self._started_at, self._seq = workflow_id, "", 0.0, 0
        self._followed, self._ledger = Followed(), Ledger()
        self._attempts: Counter[str] = Counter()
        self._heard: set[Path] = set()
        self._calls: dict[Path, tuple[float, Asked]] = {}
        self._agents: dict[Path, float] = {}
        self._asked: dict[str, core.Asked] = {}
        self._failed = False

    def take(self, event: Event) -> list[Told]:
        """Takes the next event of the log; returns what it gives to tell."""
        match event:
            case core.RunStarted():
                self._run_id, self._started_at = event.run_id, event.started_at
                self._workflow_id = self._workflow_id or event.run_id
            case core.RunResumed():
                self._failed = False
            case core.RunEnded():
                return self._complete(event)
            case core.AgentStarted():
                return self._join(event)
            case core.StepStarted():
                return self._began(event)
            case core.StepRetrying():
                self._attempt(parent_of(event.path) if parent_of(event.path) in self._calls else event.path)
            case core.ModelDelta():
                return self._said(event)
            case core.ModelUsed():
                self._ledger.record(event)
            case core.Progress():
                return self._progressed(event)
            case core.TaskChanged():
                return [self._task(event)]
            case core.Asked():
                return [self._question(event)]
            case core.Answered() if event.request_id in self._asked:
                return [self._answered(event)]
            case _ if event.kind in TERMINAL:
                return self._ended(event)
            case _:
                pass
        return []

    def _chunk(self, event: Event, type: ChunkType, *, path: Path | None = None, **told: Any) -> StreamChunk:
        """Makes a chunk."""
        return StreamChunk(chunk_type=type, **self._place(event, event.path if path is None else path), **told)

    def _place(self, event: Event, at: Path) -> dict[str, Any]:
        """Returns what all news have; they bear the ids of the sub-agent to which their path belongs."""
        self._seq += 1
        agent = self._followed.owner(at)
        parent = self._followed.owner(parent_of(at))
        ids: dict[str, Any] = {}
        if agent is not None and (above := self._followed.above(agent)) is not None:
            started = self._followed.agents[agent]
            parent_id = started.parent_id or self._followed.agents[above].agent_id
            ids = {"sub_agent_id": started.agent_id, "sub_agent_name": started.name, "parent_agent_id": parent_id}
        return {
            "workflow_id": self._workflow_id, "seq": self._seq, "ts": self._started_at + event.at,
            "run_id": self._run_id, "path": at, "parent_path": parent or "", **ids,
        }  # fmt: skip

    # -- models --------------------------------------------------------------------------------------------------------

    def _attempt(self, path: Path) -> None:
        """Counts an attempt; one of a fallback counts for the answer that it is asked for."""
        place = self._followed.answer(path) or path
        self._attempts[place] += 1
        self._heard.discard(place)

    def _said(self, event: core.ModelDelta) -> list[Told]:
        place = self._followed.answer(event.path)
        if place is None or event.part not in ("text", "reasoning") or not event.text:
            return []
        self._heard.add(place)
        return [self._words(event, place, event.part, event.text)]

    def _words(self, event: Event, place: Path, part: str, text: str) -> StreamChunk:
        type = ChunkType.TOKEN if part == "text" else ChunkType.REASONING
        return self._chunk(event, type, path=place, content=text, attempt=max(1, self._attempts[place]))

    def _replied(self, event: Event, reply: Reply) -> list[Told]:
        """Tells an answer that nobody heard, and of a sub-agent what it does next."""
        told: list[Told] = []
        if event.path not in self._heard:
            parts = (("reasoning", reply.reasoning), ("text", reply.text))
            told += [self._words(event, event.path, part, text) for part, text in parts if text]
        agent = self._followed.owner(event.path)
        if agent is not None and self._followed.above(agent) is not None:
            calls = ", ".join(call.name for call in reply.tool_calls)
            doing = f"calls {calls}" if calls else "has answered"
            metrics = self._metrics(agent, event.at)
            told.append(self._chunk(event, ChunkType.SUB_AGENT_PROGRESS, path=agent, content=doing, metrics=metrics))
        return told

    # -- agents --------------------------------------------------------------------------------------------------------

    def _join(self, event: core.AgentStarted) -> list[Told]:
        self._followed.join(event)
        self._agents[event.path] = event.at
        attempt = max(1, self._attempts[event.path])
        if self._followed.above(event.path) is None:
            return [self._chunk(event, ChunkType.TOOL_START, tool=event.agent_id, attempt=attempt)]
        return [self._chunk(event, ChunkType.SUB_AGENT_START, content=event.task, progress=0, attempt=attempt)]

    def _metrics(self, agent: Path, at: float) -> SubAgentStreamMetrics:
        spent = self._ledger.under(agent).usage
        began = self._agents[agent]
        return SubAgentStreamMetrics(
            duration_ms=milliseconds(at - began), tokens_input=spent.input_tokens, tokens_output=spent.output_tokens
        )

    def _progressed(self, event: core.Progress) -> list[Told]:
        """Tells how far something is that a sub-agent does."""
        agent = self._followed.owner(event.path)
        if agent is None or self._followed.above(agent) is None:
            return []
        done = min(100, 100 * event.done // event.total) if event.total else None
        metrics = self._metrics(agent, event.at)
        return [
            self._chunk(event, ChunkType.SUB_AGENT_PROGRESS, content=event.text or None, progress=done, metrics=metrics)
        ]

    def _agent_ended(self, event: Event, output: object) -> list[Told]:
        metrics = self._metrics(event.path, event.at)
        del self._agents[event.path]
        outcome, content = _outcome(event), ended_badly(event)
        if isinstance(output, Report):
            outcome = "error" if output.status is ReportStatus.FAILED else output.status.value
            content = output.error if outcome == "error" else output.response
        elif outcome == "success":
            content = str(output)
        if self._followed.above(event.path) is None:
            return self._primary_ended(event, outcome, content, metrics.duration_ms)
        well = outcome in ("success", "partial")
        told: dict[str, Any] = {"content": content, "outcome": outcome, "metrics": metrics}
        type = ChunkType.SUB_AGENT_COMPLETE if well else ChunkType.SUB_AGENT_ERROR
        attempt = max(1, self._attempts[event.path])
        progress = 100 if well else None
        return [self._chunk(event, type, duration=metrics.duration_ms, progress=progress, attempt=attempt, **told)]

    def _primary_ended(self, event: Event, outcome: str, content: str, duration: int) -> list[Told]:
        badly = outcome in ("error", "timed_out")
        told: list[Told] = [
            self._chunk(
                event, ChunkType.TOOL_END, tool=self._followed.agents[event.path].agent_id, duration=duration,
                content=content if badly else None, attempt=max(1, self._attempts[event.path]), outcome=outcome,
            )
        ]  # fmt: skip
        if badly:
            self._failed = True
            told.append(self._chunk(event, ChunkType.ERROR, content=content, outcome=outcome))
        return told

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _began(self, event: core.StepStarted) -> list[Told]:
        self._attempt(event.path)
        if event.step != "call" or self._followed.owner(event.path) is None:
            return []
        asked = asked_of(event.path, event.input)
        self._calls[event.path] = event.at, asked
        attempt = self._attempts[event.path]
        call_id = asked.id or None
        return [self._chunk(event, ChunkType.TOOL_START, tool=asked.tool, call_id=call_id, attempt=attempt)]

    def _ended(self, event: Event) -> list[Told]:
        output = event.output if isinstance(event, core.StepCompleted) else None
        if event.path in self._agents:
            return self._agent_ended(event, output)
        call = self._calls.pop(event.path, None)
        if call is not None:
            return [self._call_ended(event, *call, output)]
        if isinstance(output, Reply) and self._followed.answer(event.path) == event.path:
            return self._replied(event, output)
        return []

    def _call_ended(self, event: Event, began: float, asked: Asked, output: object) -> StreamChunk:
        outcome, error = _outcome(event), ended_badly(event)
        if isinstance(output, CallResult):
            outcome, error = {"failed": "error"}.get(output.ending, output.ending), output.error
            outcome = outcome if output.later is None else "put_off"
        return self._chunk(
            event, ChunkType.TOOL_END, tool=asked.tool, call_id=asked.id or None, content=error or None,
            duration=milliseconds(event.at - began), attempt=self._attempts[event.path], outcome=outcome,
        )  # fmt: skip

    # -- people and the run --------------------------------------------------------------------------------------------

    def _task(self, event: core.TaskChanged) -> StreamChunk:
        types = {"created": ChunkType.TASK_CREATE, "completed": ChunkType.TASK_COMPLETE}
        status = "deleted" if event.change == "deleted" else event.status
        return self._chunk(
            event, types.get(event.change, ChunkType.TASK_UPDATE), task_id=event.task_id, task_name=event.name,
            task_status=status, task_priority=event.priority,
        )  # fmt: skip

    def _question(self, event: core.Asked) -> Told:
        self._asked[event.request_id] = event
        self._attempts[event.request_id] += 1
        attempt = self._attempts[event.request_id]
        if event.topic == "approval":
            return required_of(event, {**self._place(event, event.path), "attempt": attempt})
        key = request_key(self._run_id, event.request_id)
        return self._chunk(
            event, ChunkType.USER_QUESTION_START, content=event.question, question_id=key, request_id=event.request_id,
            user_question=_question_of(event, key), attempt=attempt,
        )  # fmt: skip

    def _answered(self, event: core.Answered) -> Told:
        asked = self._asked.pop(event.request_id)
        waited = milliseconds(event.at - asked.at)
        if asked.topic == "approval":
            return response_of(event, waited, self._place(event, event.path))
        outcome = "timeout" if event.by == "timeout" else "skipped" if event.choice == "skip" else "answered"
        return self._chunk(
            event, ChunkType.USER_QUESTION_COMPLETE, question_id=request_key(self._run_id, event.request_id),
            request_id=event.request_id, duration=waited, outcome=outcome,
        )  # fmt: skip

    def _complete(self, event: core.RunEnded) -> list[Told]:
        told: list[Told] = []
        error: str | None = None
        status: Literal["completed", "error", "cancelled"] = "completed"
        if event.status != "completed":
            status = "cancelled" if event.status == "cancelled" else "error"
            error = event.error.message if event.error is not None else f"the run was {event.status.replace('_', ' ')}"
            if status == "error" and not self._failed:
                told.append(self._chunk(event, ChunkType.ERROR, content=error, outcome=_ENDINGS[event.status]))
        self._seq += 1
        told.append(
            WorkflowComplete(
                workflow_id=self._workflow_id, status=status, error=error, seq=self._seq,
                ts=self._started_at + event.at, run_id=self._run_id,
            )
        )  # fmt: skip
        return told


_ENDINGS = {"failed": "error", "timed_out": "timed_out"}


def _outcome(event: Event) -> str:
    return {"step_completed": "success", "step_failed": "error"}.get(event.kind, event.kind.removeprefix("step_"))


def _question_of(asked: core.Asked, key: str) -> UserQuestion:
    """Returns the form that UserQuestionTool's details describe; any other question offers its choices."""
    form: Mapping[str, Any] = asked.details if _is_object(asked.details) and "question_type" in asked.details else {}
    choices = [{"id": choice, "label": choice} for choice in asked.choices]
    return UserQuestion(
        question_id=key,
        question=asked.question,
        question_type=str(form.get("question_type", "checkbox" if choices else "text")),
        options=tuple(form.get("options", ()) if form else choices),
        text_placeholder=str(form.get("text_placeholder", "")),
        text_required=bool(form.get("text_required", False)),
        context=asked.reason,
    )


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)
