"""What all rows of one run have in common: whose they are, when things happened, and for which answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stretto.agents.following import Followed
from stretto.core.events import Path, RunStarted


class RunFrame:
    """One run of a workflow, by default of one that is called as the run; ``not_before`` bounds the times of rows.

    A run that repeats another one from a place on has that one's log before its own: what it tells did happen then,
    and belongs to the execution that was asked for later, at ``not_before`` (seconds since the Unix epoch).
    """

    def __init__(self, workflow_id: str = "", not_before: float = 0.0) -> None:
        self.run: RunStarted | None = None
        self.followed = Followed()
        self._workflow_id, self._not_before = workflow_id, datetime.fromtimestamp(not_before, UTC)
        self._began: tuple[RunStarted | None, datetime] | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow's id."""
        return self._workflow_id or self.run_id

    @property
    def run_id(self) -> str:
        """The run's id, empty until its log has begun."""
        return "" if self.run is None else self.run.run_id

    def time(self, at: float) -> datetime:
        """Returns when something happened, given in seconds into the run."""
        if self._began is None or self._began[0] is not self.run:
            started = 0.0 if self.run is None else self.run.started_at
            self._began = self.run, datetime.fromtimestamp(started, UTC)
        return max(self._began[1] + timedelta(seconds=at), self._not_before)

    def row_id(self, path: Path) -> str:
        """Returns the id of the row that tells of a path, unique in its table."""
        return f"{self.run_id}:{path}"

    def answer_id(self, primary: Path) -> str:
        """Returns the id of the message in which a primary agent answers."""
        return f"{self.run_id}:{primary}:answer"

    def message_id(self, path: Path) -> str:
        """Returns the id of the answer for which something at a path happens."""
        return self.answer_id(self.followed.primary(path) or "")

    def agent_id(self, path: Path) -> str:
        """Returns the id of the agent that a path belongs to, empty where there is none."""
        agent = self.followed.owner(path)
        return "" if agent is None else self.followed.agents[agent].agent_id
