"""How deep agents may stand below each other: the primary one delegates, its sub-agents do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stretto.core.errors import DelegationForbidden, ExecutionError
from stretto.core.events import Path

if TYPE_CHECKING:
    from stretto.runtime.context import RunContext

MOST_LEVELS = 3
"""How many steps that orchestrate may stand in one line, from the first agent down to the last."""


class TooManyLevels(DelegationForbidden):
    """An agent would stand below more workflows than may lie between it and the primary agent."""

    def __init__(self, path: Path, line: tuple[Path, ...]) -> None:
        ExecutionError.__init__(
            self,
            f"the agent at {path!r} would be level {len(line)} of orchestration, and at most {MOST_LEVELS} are allowed "
            f"({' > '.join(line)}); let the primary agent delegate from a workflow that lies in no other one",
        )
        self.path, self.line = path, line


def check_agent(above: RunContext, path: Path) -> None:
    """Raises when no agent may be started at ``path``, below the step of ``above``.

    The levels of orchestration are counted from the first agent on, which is level 1: every agent and every workflow
    in the line down to the new agent is one, the new agent included; tools, models and workflows above the first
    agent are none. Of the at most three levels two may be agents: one that has an agent above it is a sub-agent, and
    below a sub-agent none is started (``DelegationForbidden``). Four levels or more raise ``TooManyLevels``.
    """
    orchestrating = [(step.kind, step.path) for step in above.lineage() if step.kind in ("agent", "workflow")]
    kinds = [kind for kind, _ in orchestrating]
    agents = [place for kind, place in orchestrating if kind == "agent"]
    if len(agents) > 1:
        raise DelegationForbidden(agents[0])
    if not agents:
        return
    line = orchestrating[: kinds.index("agent") + 1]  # innermost first; the first agent is the only one, and the last
    if len(line) + 1 > MOST_LEVELS:
        raise TooManyLevels(path, (*(place for _, place in reversed(line)), path))
