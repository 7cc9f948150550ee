"""Everything that is known of a workflow: how it stands, what was said, called and thought, folded from a run's log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from stretto.agents.call import CallResult
from stretto.agents.following import Asked, Followed, asked_of, ended_badly, milliseconds
from stretto.agents.report import Report
from stretto.agents.result import WorkflowStatus
from stretto.core import events as core
from stretto.core.errors import DefinitionError
from stretto.core.events import TERMINAL, Event, Path
from stretto.core.ledger import Ledger
from stretto.models.model import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """How a workflow stands; times are in UTC, tokens and dollars those of all its agents.

    ``total_cost_usd`` is None when the price of any call is unknown. ``completed_at`` is when it ended, however that
    was. ``current_context_tokens`` is what the last call of a primary agent's model was sent.
    """

    id: str
    name: str
    agent_id: str
    status: WorkflowStatus
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    total_tokens_input: int
    total_tokens_output: int
    total_cost_usd: float | None
    model_id: str | None
    current_context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the user asked, or what a primary agent answered, as far as it got.

    ``tokens`` are those of the words of an answer. The other figures say what the whole answer took, sub-agents
    included: ``cost_usd`` is None when it is unknown, ``duration_ms`` until it has ended. A task has none of them.
    """

    id: str
    workflow_id: str
    role: Literal["user", "assistant"]
    content: str
    tokens: int | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    model: str | None = None
    provider: str | None = None
    cost_usd: float | None = None
    duration_ms: int | None = None
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolExecution:
    """A call of a tool that has ended, by any agent of the workflow; ``message_id`` is the answer that it was for.

    ``iteration`` counts the answers of the agent's model from 1. Where a call was stopped, ``input_params`` are as the
    log keeps them: long ones cut.
    """

    workflow_id: str
    message_id: str
    agent_id: str
    tool_type: Literal["local", "mcp"]
    tool_name: str
    server_name: str | None
    input_params: dict[str, Any]
    output_result: str | None
    success: bool
    error_message: str | None
    duration_ms: int
    iteration: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingStep:
    """What a model reasoned before one answer; ``step_number`` counts those of the workflow from 1.

    ``duration_ms`` is None where it came with the whole answer at once, ``tokens`` where nobody counts it.
    """

    workflow_id: str
    message_id: str
    agent_id: str
    step_number: int
    content: str
    duration_ms: int | None
    tokens: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFullState:
    """A workflow with everything that was said, called and thought, each in the order in which it began or ended."""

    workflow: Workflow
    messages: tuple[Message, ...]
    tool_executions: tuple[ToolExecution, ...]
    thinking_steps: tuple[ThinkingStep, ...]


def workflow_state(
    events: Iterable[Event], *, id: str = "", name: str = "", agent_id: str = "", created_at: datetime | None = None
) -> WorkflowFullState:
    """Returns what the log of one run says of a workflow, while the run goes on or afterwards; see ``WorkflowFold``."""
    fold = WorkflowFold(id=id, name=name, agent_id=agent_id, created_at=created_at)
    for event in events:
        fold.take(event)
    return fold.state()


@dataclass(slots=True)
class _Answer:
    """One answer of a model: what it has thought and written so far, and when it thought (seconds into the run)."""

    agent: Path
    began: float
    text: str = ""
    reasoning: str = ""
    thought_from: float | None = None
    thought_until: float = 0.0
    thinking: bool = False
    reasoning_tokens: int = 0
    output_tokens: int = 0

    def heard(self, event: core.ModelDelta) -> None:
        """Takes the next piece."""
        if event.part == "reasoning":
            self.reasoning += event.text
            self.thinking = True
            if self.thought_from is None:
                self.thought_from = event.at
        elif event.part == "text":
            self.text += event.text
        self.thought(event.at, event.part == "reasoning")

    def thought(self, at: float, still: bool = False) -> None:
        """Notes that the model thought until now, and whether it still does."""
        if self.thinking:
            self.thought_until, self.thinking = at, still

    @property
    def duration_ms(self) -> int | None:
        """How long the model thought, None where nobody heard it think."""
        return None if self.thought_from is None else milliseconds(self.thought_until - self.thought_from)


@dataclass(slots=True)
class _Working:
    """A primary agent: what it was asked, from when to when it worked (seconds into the run), and its report."""

    task: str
    began: float
    ended: float | None = None
    report: Report | None = None


@dataclass(slots=True)
class _Call:
    """A call that was begun."""

    asked: Asked
    agent: Path
    began: float
    iteration: int


class WorkflowFold:
    """Folds the log of one run, event by event, into what is known of the workflow that it carries out.

    ``id`` and ``name`` are those of the workflow, by default of the run; ``agent_id`` by default that of the first
    agent at work, ``created_at`` when the run began. A run whose process has died is running, as far as a log knows;
    one that was cancelled leaves the workflow idle.
    """

    def __init__(self, *, id: str = "", name: str = "", agent_id: str = "", created_at: datetime | None = None) -> None:
        self._id, self._name, self._agent_id, self._created_at = id, name, agent_id, created_at
        self._run: core.RunStarted | None = None
        self._ended: core.RunEnded | None = None
        self._now = 0.0
        self._followed, self._ledger = Followed(), Ledger()
        self._working: dict[Path, _Working] = {}
        self._answers: dict[Path, _Answer] = {}
        self._turns: dict[Path, set[Path]] = {}
        self._calls: dict[Path, _Call] = {}
        self._executions: dict[Path, ToolExecution] = {}
        self._context_tokens = 0

    def take(self, event: Event) -> None:
        """Takes the next event of the log."""
        self._now = max(self._now, event.at)
        match event:
            case core.RunStarted():
                self._run = event
            case core.RunResumed():
                self._ended = None
            case core.RunEnded():
                self._ended = event
            case core.AgentStarted():
                self._join(event)
            case core.StepStarted():
                self._began(event)
            case core.StepRetrying():
                self._begin_anew(event.path)
            case core.ModelDelta():
                self._heard(event)
            case core.ModelUsed():
                self._used(event)
            case _ if event.kind in TERMINAL:
                self._end(event)
            case _:
                pass

    def _join(self, event: core.AgentStarted) -> None:
        self._followed.join(event)
        if self._followed.above(event.path) is None:
            known = self._working.get(event.path)
            self._working[event.path] = _Working(event.task, event.at if known is None else known.began)

    def _began(self, event: core.StepStarted) -> None:
        agent = self._followed.owner(event.path)
        if agent is None:
            return
        turns = self._turns.setdefault(agent, set())
        if event.step == "call":
            self._calls[event.path] = _Call(asked_of(event.path, event.input), agent, event.at, len(turns))
        elif (answer := self._followed.answer(event.path)) is not None:
            turns.add(answer)
            self._answers[answer] = _Answer(agent, event.at)

    def _begin_anew(self, path: Path) -> None:
        if (answer := self._followed.answer(path)) is not None and answer in self._answers:
            self._answers[answer] = _Answer(self._answers[answer].agent, self._answers[answer].began)

    def _heard(self, event: core.ModelDelta) -> None:
        answer = self._answers.get(self._followed.answer(event.path) or "")
        if answer is not None:
            answer.heard(event)

    def _used(self, event: core.ModelUsed) -> None:
        self._ledger.record(event)
        place = self._followed.answer(event.path)
        answer = self._answers.get(place or "")
        if answer is None:
            return
        answer.reasoning_tokens, answer.output_tokens = event.reasoning_tokens, event.output_tokens
        if answer.agent in self._working:
            self._context_tokens = event.input_tokens

    def _end(self, event: Event) -> None:
        working, call = self._working.get(event.path), self._calls.pop(event.path, None)
        output = event.output if isinstance(event, core.StepCompleted) else None
        if working is not None:
            working.ended = event.at
            working.report = output if isinstance(output, Report) else None
        elif call is not None:
            self._execute(event, call, output)
        elif (answer := self._answers.get(event.path)) is not None:
            answer.thought(event.at)
            if isinstance(output, Reply):
                answer.text, answer.reasoning = output.text, output.reasoning
            else:
                self._turns[answer.agent].discard(event.path)

    def _execute(self, event: Event, call: _Call, output: object) -> None:
        result = output if isinstance(output, CallResult) else None
        if result is not None and result.later is not None:
            return  # it is made, as somebody has edited it, when it is alone
        error = result.error if result is not None else ended_badly(event)
        success = result is not None and result.ending == "success"
        self._executions[event.path] = ToolExecution(
            workflow_id=self._workflow_id(),
            message_id=self._message_id(call.agent),
            agent_id=self._followed.agents[call.agent].agent_id,
            tool_type="mcp" if result is not None and result.origin == "mcp" else "local",
            tool_name=call.asked.tool,
            server_name=result.server or None if result is not None else None,
            input_params=dict(result.arguments) if result is not None else call.asked.arguments,
            output_result=result.content if result is not None and success else None,
            success=success,
            error_message=error or None,
            duration_ms=milliseconds(event.at - call.began),
            iteration=call.iteration,
            created_at=self._time(call.began),
        )

    # -- what it comes to ----------------------------------------------------------------------------------------------

    def state(self) -> WorkflowFullState:
        """Returns what is known so far; raises ``DefinitionError`` when nothing says when the workflow was created."""
        return WorkflowFullState(
            workflow=self._workflow(),
            messages=tuple(message for path, working in self._working.items() for message in self._said(path, working)),
            tool_executions=tuple(self._executions.values()),
            thinking_steps=self._thoughts(),
        )

    def _workflow(self) -> Workflow:
        if self._run is None and self._created_at is None:
            raise DefinitionError("a log without its beginning does not say when its workflow was created; created_at=")
        first = next(iter(self._followed.agents.values()), None)
        created = self._created_at or self._time(0.0)
        return Workflow(
            id=self._workflow_id(),
            name=self._name or (self._run.name if self._run is not None else ""),
            agent_id=self._agent_id or (first.agent_id if first is not None else ""),
            status=self._status(),
            created_at=created,
            updated_at=created if self._run is None else self._time(self._now),
            completed_at=None if self._ended is None else self._time(self._ended.at),
            total_tokens_input=self._ledger.usage.input_tokens,
            total_tokens_output=self._ledger.usage.output_tokens,
            total_cost_usd=None if self._ledger.unpriced else self._ledger.cost,
            model_id=None if first is None else first.model,
            current_context_tokens=self._context_tokens,
        )

    def _status(self) -> WorkflowStatus:
        if self._run is None:
            return WorkflowStatus.IDLE
        if self._ended is None:
            return WorkflowStatus.RUNNING
        ended = {"completed": WorkflowStatus.COMPLETED, "cancelled": WorkflowStatus.IDLE}
        return ended.get(self._ended.status, WorkflowStatus.ERROR)

    def _said(self, path: Path, working: _Working) -> list[Message]:
        """Returns the task of a primary agent, and its answer when there is any of it."""
        report, workflow_id = working.report, self._workflow_id()
        task = Message(
            id=f"{self._run_id()}:{path}:task", workflow_id=workflow_id, role="user",
            content=working.task if report is None else report.task, timestamp=self._time(working.began),
        )  # fmt: skip
        answers = [answer for answer in self._answers.values() if answer.agent == path]
        written = "\n\n".join(answer.text for answer in answers if answer.text.strip())
        content = written if report is None else report.response
        if not content:
            return [task]
        spent, model_id = self._ledger.under(path), self._followed.agents[path].model
        provider, _, model = model_id.partition(":")
        answer = Message(
            id=self._message_id(path),
            workflow_id=workflow_id,
            role="assistant",
            content=content,
            tokens=answers[-1].output_tokens if answers else None,
            tokens_input=spent.usage.input_tokens,
            tokens_output=spent.usage.output_tokens,
            model=model or provider,
            provider=provider if model else None,
            cost_usd=spent.known_cost,
            duration_ms=None if working.ended is None else milliseconds(working.ended - working.began),
            timestamp=self._time(self._now if working.ended is None else working.ended),
        )
        return [task, answer]

    def _thoughts(self) -> tuple[ThinkingStep, ...]:
        thinking = [answer for answer in self._answers.values() if answer.reasoning.strip()]
        return tuple(
            ThinkingStep(
                workflow_id=self._workflow_id(),
                message_id=self._message_id(answer.agent),
                agent_id=self._followed.agents[answer.agent].agent_id,
                step_number=number,
                content=answer.reasoning,
                duration_ms=answer.duration_ms,
                tokens=answer.reasoning_tokens or None,
                created_at=self._time(answer.began if answer.thought_from is None else answer.thought_from),
            )
            for number, answer in enumerate(thinking, 1)
        )

    def _message_id(self, path: Path) -> str:
        return f"{self._run_id()}:{self._followed.primary(path)}:answer"

    def _workflow_id(self) -> str:
        return self._id or self._run_id()

    def _run_id(self) -> str:
        return "" if self._run is None else self._run.run_id

    def _time(self, at: float) -> datetime:
        return datetime.fromtimestamp((0.0 if self._run is None else self._run.started_at) + at, UTC)
