"""The work of sub-agents in one run, folded from its log into rows."""

from __future__ import annotations

from dataclasses import dataclass

from stretto.agents.following import ended_badly, milliseconds
from stretto.agents.report import Report, ReportStatus
from stretto.agents.run_frame import RunFrame
from stretto.agents.workflow_rows import SubAgentExecution, SubAgentState
from stretto.core.events import AgentStarted, Event, Path, StepCancelled, StepCompleted
from stretto.core.ledger import Ledger


@dataclass(slots=True)
class Helping:
    """A sub-agent at work, or one whose work is over; times are in seconds into the run."""

    began: float
    task: str
    status: SubAgentState = "running"
    ended: float | None = None
    result: str | None = None
    error: str | None = None


class HelperRows:
    """Folds what sub-agents do; ``changed`` holds the paths of those whose rows are new or have changed."""

    def __init__(self, frame: RunFrame, ledger: Ledger) -> None:
        self._frame, self._ledger = frame, ledger
        self.helping: dict[Path, Helping] = {}
        self.changed: dict[Path, None] = {}

    def join(self, event: AgentStarted) -> None:
        """Takes a sub-agent in; one that begins anew is the same one."""
        known = self.helping.get(event.path)
        self.helping[event.path] = Helping(event.at if known is None else known.began, event.task)
        self.changed[event.path] = None

    def ended(self, event: Event, helping: Helping, report: Report | None) -> None:
        """Takes the end of its work."""
        helping.ended = event.at
        if report is not None:
            failed = report.status is ReportStatus.FAILED
            helping.task, helping.error = report.task, report.error or None
            helping.status, helping.result = "error" if failed else "completed", report.response or None
        elif isinstance(event, StepCompleted):
            helping.status, helping.result = "completed", str(event.output)
        else:
            helping.status = "cancelled" if isinstance(event, StepCancelled) else "error"
            helping.error = ended_badly(event)
        self.changed[event.path] = None

    def resumed(self) -> None:
        """Takes that the run goes on in another process: who was at work has to begin again."""
        for path, helping in self.helping.items():
            if helping.ended is None:
                helping.status = "pending"
                self.changed[path] = None

    def over(self, at: float) -> None:
        """Takes that the run has ended: who was at work is so no longer."""
        for path, helping in self.helping.items():
            if helping.ended is None:
                helping.status, helping.ended = "cancelled", at
                self.changed[path] = None

    def rows(self) -> list[SubAgentExecution]:
        """Makes the rows that are new or have changed."""
        made = [self._row(path, self.helping[path]) for path in self.changed]
        self.changed.clear()
        return made

    def _row(self, path: Path, helping: Helping) -> SubAgentExecution:
        frame, followed = self._frame, self._frame.followed
        started, above = followed.agents[path], followed.above(path) or ""
        spent, ended = self._ledger.under(path), helping.ended
        return SubAgentExecution(
            id=frame.row_id(path),
            workflow_id=frame.workflow_id,
            run_id=frame.run_id,
            message_id=frame.message_id(path),
            path=path,
            parent_agent_id=started.parent_id or followed.agents[above].agent_id,
            parent_execution_id=frame.row_id(above) if above in self.helping else None,
            sub_agent_id=started.agent_id,
            sub_agent_name=started.name,
            model=started.model,
            task_description=helping.task,
            status=helping.status,
            duration_ms=None if ended is None else milliseconds(ended - helping.began),
            tokens_input=spent.usage.input_tokens,
            tokens_output=spent.usage.output_tokens,
            cost_usd=spent.known_cost,
            result_summary=helping.result,
            error_message=helping.error,
            created_at=frame.time(helping.began),
            completed_at=None if ended is None else frame.time(ended),
        )
