"""The children of one agent: how many may live at once, who they are, and how each of them ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.core.events import Progress
from stretto.core.ledger import Ledger
from stretto.core.outcome import Outcome
from stretto.core.policies import ErrorMode, ParallelResourceLimits, positive, whole
from stretto.core.settings import Described
from stretto.core.step import Branch, Branches, Context
from stretto.tools.tool import ToolFailed


@dataclass(frozen=True, kw_only=True)
class Delegation(Described):
    """How an agent may delegate: ``max_children`` of its children live at once, each for ``timeout`` seconds at most.

    Children are counted while they live: one that has ended makes room for another. The time that a child waits for a
    human counts in no timeout.
    """

    max_children: int = 15
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuses limits under which nobody could delegate."""
        whole("Delegation", "max_children", self.max_children)
        positive("Delegation", "timeout", self.timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one child is to do; ``name`` is how it is called in its path."""

    agent: Agent
    task: Task
    name: str


@dataclass(eq=False, slots=True)
class Child:
    """A child that lives: ``branches`` is the set that it runs in, and stops with."""

    id: str
    name: str
    task: str
    branches: Branches = field(repr=False)
    alone: bool = True


class Crew:
    """One agent's children, per run: the same agent may work in several runs at once."""

    def __init__(self, settings: Delegation) -> None:
        self.settings = settings
        self._living: WeakKeyDictionary[Ledger, list[Child]] = WeakKeyDictionary()

    def living(self, context: Context) -> list[Child]:
        """Returns the children that live in this run, the oldest first."""
        run = context.resource(Ledger)  # each run has one of its own
        found = self._living.get(run)
        if found is None:
            found = self._living[run] = []
        return found

    def room(self, context: Context) -> int:
        """Returns how many more may live at once."""
        return self.settings.max_children - len(self.living(context))

    async def run(self, jobs: Sequence[Job], context: Context) -> list[Outcome[Report]]:
        """Runs children at once, below the step of ``context``, and returns how they ended, in the order of the jobs.

        Raises ``ToolFailed`` when there is no room for all of them. Whoever ends first is told of first; none stops
        another.
        """
        living, most = self.living(context), self.settings.max_children
        if len(living) + len(jobs) > most:
            raise ToolFailed(
                "LIMIT_REACHED",
                f"{len(living)} of at most {most} sub-agents are at work, so {len(jobs)} more cannot start; "
                "wait until some have ended, or delegate less at once",
            )
        limits = ParallelResourceLimits(max_concurrent_executions=len(jobs), execution_timeout=self.settings.timeout)
        children: list[Child] = []
        try:
            async with context.branches(limits, ErrorMode.FAIL_SLOW) as branches:
                for job in jobs:
                    config = job.agent.config
                    child = Child(config.id, config.name, job.task.description, branches, len(jobs) == 1)
                    children.append(child)
                    living.append(child)
                for job in jobs:
                    await branches.start(job.agent, job.task, name=job.name)
                done = 0
                async for branch in branches.completed():
                    living.remove(children[branch.index])
                    done += 1
                    if len(jobs) > 1:
                        context.emit(_progress(children[branch.index], branch, done, len(jobs)))
        finally:
            for child in children:
                if child in living:
                    living.remove(child)
        return branches.outcomes

    def stop(self, id_or_name: str, context: Context) -> Child:
        """Stops a child that lives; raises ``ToolFailed`` when none is called so, or it is one of a batch."""
        living = self.living(context)
        found = [child for child in living if id_or_name in (child.id, child.name)]
        if not found:
            names = ", ".join(f"{child.id} ({child.name})" for child in living) or "none"
            raise ToolFailed("NOT_FOUND", f"no sub-agent {id_or_name!r} is at work; at work: {names}")
        [child, *more] = found
        if more:
            ids = ", ".join(one.id for one in found)
            raise ToolFailed("INVALID_INPUT", f"several sub-agents are called {id_or_name!r}; say which id: {ids}")
        if not child.alone:
            raise ToolFailed("INVALID_INPUT", f"{id_or_name!r} works in a batch, which goes on as a whole")
        child.branches.cancel("terminated by the agent that started it")
        return child


def _progress(child: Child, branch: Branch[Any], done: int, total: int) -> Progress:
    return Progress(done=done, total=total, text=f"{child.name}: {branch.outcome.status.replace('_', ' ')}")


def described(child: Child) -> dict[str, Any]:
    """Returns a child as a model is told of it."""
    return {"child_id": child.id, "name": child.name, "status": "running", "task": child.task[:100]}
