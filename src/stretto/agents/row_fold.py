"""Folds the log of one run into rows, and hands out those that are new or have changed since the last look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stretto.agents.answer_fold import AnswerFold
from stretto.agents.call import CallResult
from stretto.agents.following import Asked, asked_of, ended_badly, milliseconds
from stretto.agents.helper_rows import HelperRows
from stretto.agents.people_rows import PeopleRows
from stretto.agents.report import Report
from stretto.agents.run_frame import RunFrame
from stretto.agents.workflow_rows import ToolExecution, ValidationRequest, WorkflowRowItem
from stretto.core import events as core
from stretto.core.events import Event, Path
from stretto.core.ledger import Ledger
from stretto.core.records import RowTable


@dataclass(slots=True)
class Changes:
    """Rows that are new or have changed, and the ids of those that no longer count, by their tables."""

    rows: dict[RowTable, Sequence[WorkflowRowItem]] = field(default_factory=dict[RowTable, Sequence[WorkflowRowItem]])
    removed: dict[RowTable, Sequence[str]] = field(default_factory=dict[RowTable, Sequence[str]])

    def put(self, table: RowTable, rows: Sequence[WorkflowRowItem], removed: Sequence[str] = ()) -> None:
        """Adds those of a table."""
        if rows:
            self.rows[table] = rows
        if removed:
            self.removed[table] = removed


@dataclass(slots=True)
class _Call:
    """A call that was begun, at the answer ``iteration`` of its agent."""

    asked: Asked
    agent: Path
    began: float
    iteration: int


class RowFold:
    """Folds the log of one run, event by event; what it has handed out and will not change it holds no longer.

    ``workflow_id`` is by default the run's id, ``message`` what the user asked, as it was written (see ``AnswerFold``);
    ``not_before`` bounds the times of rows (see ``RunFrame``). ``report`` is that of the primary agent, as soon as
    there is one.
    """

    def __init__(self, workflow_id: str = "", *, message: str | None = None, not_before: float = 0.0) -> None:
        self.frame, self.ledger = RunFrame(workflow_id, not_before), Ledger()
        self.ended: core.RunEnded | None = None
        self.report: Report | None = None
        self.now = 0.0
        self._followed = self.frame.followed
        self._people = PeopleRows(self.frame)
        self._helpers = HelperRows(self.frame, self.ledger)
        self._answers = AnswerFold(self.frame, self.ledger, message)
        self._calls: dict[Path, _Call] = {}
        self._executed: dict[Path, ToolExecution] = {}
        self._left: dict[Path, None] = {}
        self._take: dict[type[Event], Callable[[Any], None]] = {
            core.RunStarted: self._run_started,
            core.RunResumed: self._run_resumed,
            core.RunEnded: self._run_ended,
            core.AgentStarted: self._join,
            core.StepStarted: self._began,
            core.StepRetrying: self._begin_anew,
            core.ModelDelta: self._answers.heard,
            core.ModelUsed: self._used,
            core.Asked: self._people.asked,
            core.Answered: self._people.answered,
            core.Said: self._people.said,
            core.StepAbandoned: self._abandoned,
            core.StepCompleted: self._end,
            core.StepFailed: self._end,
            core.StepTimedOut: self._end,
            core.StepCancelled: self._end,
        }

    @property
    def context_tokens(self) -> int:
        """What the last call of a primary agent's model was sent."""
        return self._answers.context_tokens

    def take(self, event: Event) -> None:
        """Takes the next event of the log."""
        if event.at > self.now:
            self.now = event.at
        take = self._take.get(type(event))
        if take is not None:
            take(event)

    def _run_started(self, event: core.RunStarted) -> None:
        self.frame.run = event
        self._answers.run_began()

    def _run_resumed(self, event: core.RunResumed) -> None:
        self.ended = None
        self._helpers.resumed()

    def _run_ended(self, event: core.RunEnded) -> None:
        self.ended = event
        if isinstance(event.output, Report):
            self.report = event.output
        self._people.over()
        self._helpers.over(event.at)

    def _join(self, event: core.AgentStarted) -> None:
        self._followed.join(event)
        self._left.pop(event.path, None)
        (self._answers if self._followed.above(event.path) is None else self._helpers).join(event)

    def _began(self, event: core.StepStarted) -> None:
        agent = self._followed.owner(event.path)
        if agent is None:
            return
        if event.step == "call":
            asked = asked_of(event.path, event.input)
            self._calls[event.path] = _Call(asked, agent, event.at, self._answers.turns(agent))
        elif (answer := self._followed.answer(event.path)) is not None:
            self._answers.began(agent, answer, event.at)

    def _begin_anew(self, event: core.StepRetrying) -> None:
        path = event.path
        self._answers.begin_anew(path if path in self._followed.agents else self._followed.answer(path) or path)

    def _used(self, event: core.ModelUsed) -> None:
        self.ledger.record(event)
        self._answers.used(event)
        agent = self._followed.owner(event.path)
        while agent is not None:
            above = self._followed.above(agent)
            if above is None:
                self._answers.spent(agent)
            else:
                self._helpers.changed[agent] = None
            agent = above

    def _abandoned(self, event: core.StepAbandoned) -> None:
        self._people.ended(event.path)

    def _end(self, event: Event) -> None:
        path = event.path
        if path in self._people.waiting:
            self._people.ended(path)
        output = event.output if isinstance(event, core.StepCompleted) else None
        if (call := self._calls.pop(path, None)) is not None:
            self._execute(event, call, output)
        elif (answer := self._answers.answers.get(path)) is not None:
            self._answers.replied(event, answer, output)
        elif path in self._followed.agents:
            self._agent_ended(event, output if isinstance(output, Report) else None)

    def _agent_ended(self, event: Event, report: Report | None) -> None:
        self._left[event.path] = None
        if (working := self._answers.working.get(event.path)) is not None:
            self._answers.ended(event, working, report)
            self.report = report or self.report
        else:
            self._helpers.ended(event, self._helpers.helping[event.path], report)

    def _execute(self, event: Event, call: _Call, output: object) -> None:
        result = output if isinstance(output, CallResult) else None
        if result is not None and result.later is not None:
            return  # it is made, as somebody has edited it, when it is alone
        error = result.error if result is not None else ended_badly(event)
        success = result is not None and result.ending == "success"
        frame, path = self.frame, event.path
        self._executed[path] = ToolExecution(
            id=frame.row_id(path),
            workflow_id=frame.workflow_id,
            run_id=frame.run_id,
            message_id=frame.message_id(call.agent),
            agent_id=frame.agent_id(call.agent),
            path=path,
            tool_type="mcp" if result is not None and result.origin == "mcp" else "local",
            tool_name=call.asked.tool,
            server_name=result.server or None if result is not None else None,
            input_params=dict(result.arguments) if result is not None else call.asked.arguments,
            output_result=result.content if result is not None and success else None,
            success=success,
            error_message=error or None,
            duration_ms=milliseconds(event.at - call.began),
            iteration=call.iteration,
            created_at=frame.time(call.began),
        )

    @property
    def has_changed(self) -> bool:
        """Says whether there are changes to hand out."""
        return bool(
            self._executed or self._answers.has_changed or self._helpers.changed or self._people.changed or self._left
        )

    def changes(self) -> Changes:
        """Hands out the rows that are new or have changed since it was asked last."""
        made = Changes()
        made.put("message", *self._answers.messages(self.now))
        made.put("tool_execution", list(self._executed.values()))
        made.put("thinking_step", *self._answers.thoughts())
        made.put("sub_agent_execution", self._helpers.rows())
        people = list(self._people.changed.values())
        made.put("validation_request", [row for row in people if isinstance(row, ValidationRequest)])
        made.put("user_question", [row for row in people if not isinstance(row, ValidationRequest)])
        self._executed.clear()
        self._people.changed.clear()
        for agent in self._left:
            self._answers.forget(agent)
        self._left.clear()
        return made
