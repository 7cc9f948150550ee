"""The one door, opened: admit, replay, start, guard, execute, report, each a call into a neighbour file."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, TypeVar

from stretto.core.aggregation import AggregationStrategy, FirstSuccess
from stretto.core.decisions import Decisions
from stretto.core.errors import DefinitionError, NestingTooDeep, StepTimeout
from stretto.core.events import (
    Event,
    ModelUsed,
    Path,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepStarted,
    StepTimedOut,
)
from stretto.core.ledger import Ledger
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.resources import Channels, Clock, Meetings, Workers
from stretto.core.step import Answer, Context, Request, Step, check_name
from stretto.runtime.branches import TaskBranches
from stretto.runtime.channels import BranchChannels
from stretto.runtime.clock import RunClock
from stretto.runtime.guard import guarded
from stretto.runtime.live import Live, LiveBranches
from stretto.runtime.nesting import check_agent
from stretto.runtime.people import ask
from stretto.runtime.records import note_path, record
from stretto.runtime.replay import settle_in_flight
from stretto.runtime.state import RunState
from stretto.runtime.synchronization import BranchMeetings
from stretto.runtime.workers import ThreadsAndProcesses

T = TypeVar("T")


class RunContext(Context):
    """The context of one step of one run."""

    __slots__ = (
        "_asked",
        "_depth",
        "_names",
        "alarm",
        "asking",
        "clock",
        "kind",
        "left",
        "live",
        "parent",
        "path",
        "scope",
        "state",
    )

    def __init__(
        self,
        state: RunState,
        path: Path,
        depth: int = 0,
        parent: RunContext | None = None,
        scope: LiveBranches | None = None,
        live: Live | None = None,
        kind: str = "run",
    ) -> None:
        self.state, self.path, self._depth, self.parent = state, path, depth, parent
        self.scope, self.live, self.kind = scope, live, kind
        self.clock: asyncio.Timeout | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.left: float | None = None
        self._names: dict[str, int] | None = None
        self._asked = self.asking = 0

    def child_path(self, step: Step[Any, Any], name: str | None) -> Path:
        """Returns the identity of a child: its name, with ``#2`` when that name was asked for before."""
        if name is None:
            name = step.name
        if "/" in name or not name:
            check_name(name, f"a child of {self.path!r}")
        names = self._names
        if names is None:
            names = self._names = {}
        times = names[name] = names.get(name, 0) + 1
        if times > 1:
            plain = name
            while (name := f"{plain}#{times}") in names:  # a child may have asked for just that name
                times += 1
            names[plain], names[name] = times, 1
        return f"{self.path}/{name}" if self.path else name

    async def run(self, step: Step[Any, T], input: Any, *, name: str | None = None) -> T:
        """Runs a step as a child of this one, in this branch."""
        output: T = await self.perform(step, input, self.child_path(step, name), 0.0, self.scope, None)
        return output

    async def perform(
        self,
        step: Step[Any, Any],
        input: Any,
        path: Path,
        queued: float,
        scope: LiveBranches | None,
        live: Live | None,
    ) -> Any:
        """Executes a step at a path, unless the log says that it is completed."""
        state = self.state
        if state.done and path in state.done:
            return state.done[path]
        if self._depth >= state.max_depth:
            raise NestingTooDeep(state.max_depth, path)
        kind = step.kind
        if kind == "agent":
            check_agent(self, path)
        child = RunContext(state, path, self._depth + 1, self, scope, live, kind)
        log, now = state.log, state.now
        if path in state.in_flight:
            decided = await settle_in_flight(child, step)
            if decided is not None:
                log.append(StepCompleted(path, now(), decided.value, "human"))
                if state.durability == "sync":
                    await log.flushed()
                return decided.value
        log.append(StepStarted(path, now(), input, queued, kind))
        try:
            if state.durability == "sync" and not (step.transparent or step.policy.idempotent):
                await log.flushed()  # else a crash would hide that it began, and it would run twice unasked
            if step.policy.plain:
                output, source = await step.execute(input, child), "run"
            else:
                output, source = await guarded(child, step, input)
            if live is not None and (over := live.overrun()) is not None:
                raise StepTimeout(path, over, "branch")
            log.append(StepCompleted(path, now(), output, source))
        except CancelledError:
            if live is not None and live.expired is not None:
                log.append(StepTimedOut(path, now(), live.expired, "branch"))
                raise StepTimeout(path, live.expired, "branch") from None
            log.append(StepCancelled(path, now(), child.why()))
            raise
        except BaseException as error:
            if isinstance(error, StepTimeout) and error.path == path:
                log.append(StepTimedOut(path, now(), error.seconds, error.level))
            else:
                log.append(StepFailed(path, now(), record(state, error, path)))
            note_path(error, path)
            raise
        if state.durability == "sync":
            await log.flushed()
        return output

    def deadline(self) -> float | None:
        """Returns the time (of the loop) at which something around is given up, or None."""
        within = [context for context in self.lineage() if context.live is not None]
        times = [context.live.deadline for context in within if context.live is not None]
        times += [context.scope.deadline for context in within if context.scope is not None]
        return min((time for time in times if time is not None), default=None)

    def why(self) -> str:
        """Returns why this step is being stopped."""
        for context in self.lineage():
            if context.clock is not None and context.clock.expired():
                return f"{context.path!r} timed out"
            if context.live is not None:
                if context.live.reason:
                    return context.live.reason
                if context.live.expired is not None:
                    return f"{context.path!r} timed out"
                if context.scope is not None and context.scope.reason:
                    return context.scope.reason
        return "cancelled"

    def branches(
        self,
        limits: ParallelResourceLimits | None = None,
        error_mode: ErrorMode | None = None,
        aggregation: AggregationStrategy | None = None,
    ) -> TaskBranches:
        """Opens a set of branches."""
        if isinstance(aggregation, FirstSuccess) and error_mode is ErrorMode.FAIL_FAST:
            raise DefinitionError(
                f"the branches of {self.path!r}: FirstSuccess waits for a success although others fail, FAIL_FAST "
                "stops at the first failure; leave error_mode out"
            )
        mode = error_mode or (aggregation.default_mode if aggregation is not None else ErrorMode.FAIL_FAST)
        return TaskBranches(self, limits or ParallelResourceLimits(), mode, aggregation)

    async def ask(self, request: Request) -> Answer:
        """Asks a human, and waits without room and without a running clock."""
        self._asked += 1
        return await ask(self, request, f"{self.path}?{self._asked}")

    def emit(self, event: Event) -> None:
        """Appends an event to the run's log; one without a time gets the present, and this path where it has none."""
        if event.at < 0:
            event.at, event.path = self.state.now(), event.path or self.path
        if isinstance(event, ModelUsed):
            self.state.ledger.record(event)
        self.state.log.append(event)

    def resource(self, type_: type[T]) -> T:
        """Returns what the run was given, or one of the run's own: clock, channels, workers, meetings."""
        given = self.state.resources
        if type_ not in given and (make := _OWN.get(type_)) is not None:
            return make(self)  # type: ignore[no-any-return]  # the table pairs each class with its maker
        return self.state.given(type_, self.path)  # type: ignore[no-any-return]  # resources are keyed by their class

    def lineage(self) -> list[RunContext]:
        """Returns this context and those around it, innermost first."""
        chain: list[RunContext] = []
        context: RunContext | None = self
        while context is not None:
            chain.append(context)
            context = context.parent
        return chain


def _workers(context: RunContext) -> Workers:
    reserved = [around.live.memory for around in context.lineage() if around.live is not None]
    memory = next((share for share in reserved if share), None)  # what the innermost branch that names any reserves
    return ThreadsAndProcesses(context.path, context.state.pool, memory)


_OWN: dict[type[Any], Callable[[RunContext], Any]] = {
    Clock: lambda context: RunClock(context.state.now),
    Ledger: lambda context: context.state.ledger,
    Decisions: lambda context: context.state.decisions,
    Channels: lambda context: BranchChannels(context.state, context.path),
    Meetings: lambda context: BranchMeetings(context.state, context.path),
    Workers: _workers,
}
