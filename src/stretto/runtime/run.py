"""A run: one execution of one step, seen and steered from the outside."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypedDict, TypeVar, Unpack, overload

from stretto.core.errors import DefinitionError, OutputNotStorable, StepTimeout, UnknownSetting
from stretto.core.events import Event, ModelUsed, Path, RunEnded, RunResumed, RunStarted, StepAbandoned, parent_of
from stretto.core.function import as_step
from stretto.core.journal import Durability, Journal, owner_of_this_process
from stretto.core.ledger import Budget, Ledger
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut
from stretto.core.policies import ErrorMode, ParallelResourceLimits, positive, whole
from stretto.core.step import Answer, Step, Stepish, check_name
from stretto.monitoring.metrics import WorkflowMetrics, measure
from stretto.runtime.branches import TaskBranches
from stretto.runtime.context import RunContext
from stretto.runtime.fingerprints import fingerprints
from stretto.runtime.log import EventLog
from stretto.runtime.loop import drive
from stretto.runtime.mailbox import Mailbox
from stretto.runtime.records import record
from stretto.runtime.replay import OnChange, Replay, WhenInFlight, check_code, replay
from stretto.runtime.shared import PROCESS, Shared
from stretto.runtime.state import RunState

T = TypeVar("T")


class RunSettings(TypedDict, total=False):
    """What a run may be given; see ``Settings`` for what each means."""

    run_id: str
    store: Journal | None
    durability: Durability
    timeout: float | None
    cancellation_timeout: float
    max_depth: int
    resources: Sequence[Any] | Mapping[type[Any], Any]
    labels: Mapping[str, str]
    resume: Iterable[Event]
    in_flight: WhenInFlight
    on_change: OnChange
    mapping: Mapping[str, str]
    shared: Shared
    budget: Budget | None
    retain: int | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was given.

    ``store`` keeps the log; with a ``run_id`` that it holds already, that run goes on. ``durability`` says when a
    completed step is on disk. ``timeout`` bounds the whole run, ``cancellation_timeout`` how long it may take to stop
    (seconds). ``max_depth`` bounds the nesting of steps. ``resources`` are objects that steps obtain by their type.
    ``resume`` goes on from another run's events. ``in_flight`` says what becomes of steps that are not idempotent and
    were under way: ask, retry or abort. ``on_change`` says what happens when completed steps have other code now:
    refuse, accept, or map with ``mapping`` of old paths to new ones. ``shared`` holds caches, breakers, limits.
    ``budget`` bounds what the run spends on models, over all its processes. ``retain`` is how many of the events that
    the store holds stay in memory as well, None for all of them.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    store: Journal | None = None
    durability: Durability = "async"
    timeout: float | None = None
    cancellation_timeout: float = 5.0
    max_depth: int = 32
    resources: Sequence[Any] | Mapping[type[Any], Any] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    resume: Iterable[Event] = ()
    in_flight: WhenInFlight = "ask"
    on_change: OnChange = "refuse"
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    shared: Shared = PROCESS
    budget: Budget | None = None
    retain: int | None = None

    def __post_init__(self) -> None:
        """Refuses what no run could follow."""
        check_name(self.run_id, "a run")
        positive("run", "timeout", self.timeout)
        positive("run", "cancellation_timeout", self.cancellation_timeout, zero=True)
        whole("run", "max_depth", self.max_depth)
        if self.retain is not None:
            whole("run", "retain", self.retain)
            if self.store is None:
                raise DefinitionError("run: retain needs a store, where the events are that memory does not hold")
        for name, known in (
            ("durability", ("sync", "async", "exit")),
            ("in_flight", ("ask", "retry", "abort")),
            ("on_change", ("refuse", "accept", "map")),
        ):
            if getattr(self, name) not in known:
                raise DefinitionError(f"run: {name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if bool(self.mapping) != (self.on_change == "map"):
            raise DefinitionError("run: mapping and on_change='map' belong together; give both or neither")

    def by_type(self) -> dict[type[Any], Any]:
        """Returns the resources under their types and those of their parents."""
        if isinstance(self.resources, Mapping):
            return dict(self.resources)
        found: dict[type[Any], Any] = {}
        for given in self.resources:
            for type_ in type(given).__mro__[:-1]:
                found.setdefault(type_, given)
        return found


class Run(Generic[T]):
    """A live run: its events, its outcome, and the ways to steer it."""

    def __init__(self, step: Step[Any, T], input: Any, settings: Settings) -> None:
        self.id, self.step, self.settings = settings.run_id, step, settings
        self.outcome: Outcome[T] = NotStarted("the run has not ended")
        self._input = input
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self._scope: TaskBranches | None = None
        self._stop_reason: str | None = None
        self._left_behind: list[Path] = []
        self.ended = asyncio.Event()
        log = EventLog(self.id, self.now, settings.store, settings.retain)
        self.state = RunState(
            log=log,
            now=self.now,
            max_depth=settings.max_depth,
            durability=settings.durability,
            cancellation_timeout=settings.cancellation_timeout,
            resources=settings.by_type(),
            when_in_flight=settings.in_flight,
            shared=settings.shared,
            ledger=Ledger(settings.budget),
        )

    def now(self) -> float:
        """Returns seconds since the run began."""
        return self._time() - self._began

    @property
    def log(self) -> list[Event]:
        """The events so far, earlier processes' included; raises ``DefinitionError`` when not all are in memory."""
        if self.state.log.dropped:
            raise DefinitionError(f"run {self.id!r} retains its last events only; read the others from its store")
        return self.state.log.events

    def events(self, since: int = 0) -> AsyncIterator[Event]:
        """Yields the run's events from a place on, live, until it has ended."""
        return self.state.log.since(since)

    def batches(self, since: int = 0) -> AsyncIterator[list[Event]]:
        """Yields the same events, all that are there at once."""
        return self.state.log.batches(since)

    async def result(self) -> T:
        """Waits for the end; returns the value, or raises what the run ended with."""
        await self.ended.wait()
        return self.outcome.unwrap()

    @property
    def questions(self) -> list[str]:
        """The ids of the requests that wait for a human."""
        return list(self.state.questions)

    def answer(
        self, request_id: str, choice: str = "approve", *, value: Any = None, reason: str = "", by: str = ""
    ) -> bool:
        """Answers a question; returns False when nobody waits for it (any more).

        Raises ``DefinitionError`` for a choice that the question does not offer.
        """
        return self.state.answer(request_id, Answer(choice=choice, value=value, reason=reason, by=by))

    def cancel(self, reason: str = "cancelled") -> None:
        """Stops the run, all the way down, within its cancellation timeout; what was done is kept."""
        self._stop_reason = self._stop_reason or reason
        if self._scope is not None and not self.ended.is_set():
            self._scope.stop(reason)

    def suspend(self, reason: str = "suspended") -> None:
        """Stops the run as a crash would, but in order: its log ends without an end, so that it can be resumed.

        What is under way is cancelled and not recorded: it counts as in flight when the run goes on.
        """
        self.state.log.close()
        self.cancel(reason)

    def cancel_branch(self, path: Path, reason: str = "cancelled") -> bool:
        """Stops one branch; returns False when none is live at this path."""
        return any(scope.cancel_one(path, reason) for scope in list(self.state.scopes.get(parent_of(path), ())))

    @property
    def metrics(self) -> WorkflowMetrics:
        """What the log says about time so far: durations, parallelism, speed-up, critical path, bottleneck."""
        return measure(self.log)

    def gantt(self, width: int = 100) -> str:
        """Returns the run's Gantt as text, ``width`` columns wide."""
        from stretto.monitoring.terminal import draw_terminal

        return draw_terminal(self.log, width=width)

    def _repr_html_(self) -> str:
        """Returns the run as a notebook shows it."""
        from stretto.monitoring.notebook import run_html

        return run_html(self.log)

    @property
    def abandoned(self) -> list[Path]:
        """The paths that did not stop when they were told to, and may still run."""
        return [*self.state.abandoned, *self._left_behind]

    async def drive(self) -> None:
        """Executes the run from its first event to its last."""
        log, store = self.state.log, self.settings.store
        me = owner_of_this_process()
        claimed = False
        try:
            if store is not None:
                log.begin(await store.claim(self.id, me))
                claimed = True
            await self._begin()
        except BaseException as error:  # noqa: BLE001  # a run that cannot begin says so in its outcome
            self.outcome = Failed(error)
            log.close()
            await self._let_go(me if claimed else None)
            return
        writer = asyncio.get_running_loop().create_task(log.write(self.settings.durability))
        writer.add_done_callback(self._stop_if_broken)
        mailbox = None if store is None else Mailbox(store, self.id, self.state, self.cancel)
        reader = None if mailbox is None else asyncio.get_running_loop().create_task(mailbox.watch())
        try:
            self.outcome = await self._execute()
            for path in await self.state.left_behind():
                self._left_behind.append(path)
                log.append(StepAbandoned(path, self.now(), self.settings.cancellation_timeout, "thread"))
        except Exception as error:  # noqa: BLE001  # what cannot even be started is the run's outcome
            self.outcome = Failed(error)
        if mailbox is not None and reader is not None:
            mailbox.close()
            await reader
        self.state.close_pool()
        self._close_log()
        try:
            await writer
        except Exception as error:  # noqa: BLE001  # what broke the store is the run's outcome
            self.outcome = Failed(error)
        finally:
            await self._let_go(me)

    def _stop_if_broken(self, writer: asyncio.Task[None]) -> None:
        if not writer.cancelled() and (error := writer.exception()) is not None:
            self.cancel(f"the store failed: {error}")

    async def _let_go(self, me: str | None) -> None:
        """Gives the run back to the store, and says that it has ended."""
        try:
            if self.settings.store is not None and me is not None:
                await self.settings.store.release(self.id, me)
        except Exception as error:  # noqa: BLE001  # a store that was broken before has told so already
            if not isinstance(self.outcome, Failed):
                self.outcome = Failed(error)
        finally:
            self.ended.set()

    def _close_log(self) -> None:
        log = self.state.log
        if log.broken is not None:
            self.outcome = Failed(log.broken)
        try:
            log.append(self._end_event())
        except OutputNotStorable as error:
            self.outcome = Failed(error)
            log.append(self._end_event())
        log.close()

    async def _begin(self) -> None:
        log, settings = self.state.log, self.settings
        code = fingerprints(self.step)
        earlier = list(settings.resume)
        if log.first and settings.store is not None:
            from stretto.core.codec import decode

            earlier = [decode(*line[1:]) for line in await settings.store.read(self.id)]
            log.events[:0] = earlier
        started = RunStarted(
            "", self.now(), self.id, self.step.name, time.time(), self._input, code, dict(settings.labels)
        )
        if not earlier:
            log.append(started)
            return
        found: Replay = replay(earlier)
        for event in earlier:
            if isinstance(event, ModelUsed):
                self.state.ledger.record(event)
        check_code(self.id, found, code, settings.on_change, settings.mapping)
        if found.started is not None:
            self._began -= max(0.0, time.time() - found.started.started_at)
        found.decisions.settle = self.state.answer
        self.state.done, self.state.in_flight, self.state.decisions = found.done, found.in_flight, found.decisions
        if not log.first:  # the log of its own tells everything, so that it can be resumed in turn
            for event in earlier:
                log.append(replace(event, run_id=self.id) if isinstance(event, RunStarted) else event)
        log.append(RunResumed("", self.now(), len(found.done), sorted(found.in_flight)))

    async def _execute(self) -> Outcome[T]:
        root = RunContext(self.state, "")
        limits = ParallelResourceLimits(
            max_concurrent_executions=1,
            execution_timeout=self.settings.timeout,
            cancellation_timeout=self.settings.cancellation_timeout,
        )
        branches = self._scope = root.branches(limits, ErrorMode.FAIL_SLOW)
        driver = asyncio.current_task()
        if driver is not None:
            self.state.enter(driver)
        try:
            async with branches:
                if self._stop_reason is not None:
                    branches.stop(self._stop_reason)
                await branches.start(self.step, self._input)
        except asyncio.CancelledError:
            self._stop_reason = self._stop_reason or "cancelled from outside"
        finally:
            if driver is not None:
                self.state.quit(driver)
        outcome: Outcome[T] = (
            branches.outcomes[0] if branches.outcomes else NotStarted(self._stop_reason or "cancelled")
        )
        if isinstance(outcome, TimedOut) and outcome.error.level == "branch":
            outcome = TimedOut(StepTimeout(outcome.error.path, outcome.error.seconds, "run"))
        return outcome

    def _end_event(self) -> RunEnded:
        outcome, now = self.outcome, self.now()
        if isinstance(outcome, Completed):
            return RunEnded("", now, "completed", outcome.value)
        if isinstance(outcome, Failed | TimedOut):
            return RunEnded("", now, outcome.status, None, record(self.state, outcome.error, self.step.name))
        reason = outcome.reason if isinstance(outcome, Cancelled | NotStarted) else ""
        return RunEnded("", now, "cancelled", reason)


def make_settings(settings: Mapping[str, Any]) -> Settings:
    """Makes settings; raises ``UnknownSetting`` for a name that nothing reads."""
    known = RunSettings.__annotations__
    for name in settings:
        if name not in known:
            raise UnknownSetting("run", name, known)
    return Settings(**settings)


@overload
def start(
    step: Step[Any, T], input: Any = None, **settings: Unpack[RunSettings]
) -> AbstractAsyncContextManager[Run[T]]: ...
@overload
def start(
    step: Stepish, input: Any = None, **settings: Unpack[RunSettings]
) -> AbstractAsyncContextManager[Run[Any]]: ...
@asynccontextmanager
async def start(step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> AsyncGenerator[Run[Any]]:
    """Runs a step beside the block; leaving the block waits for its end, an error in the block cancels it.

    Nothing is raised when the run fails: ``run.outcome`` tells, and ``await run.result()`` raises.
    """
    running: Run[Any] = Run(as_step(step), input, make_settings(settings))
    driver = asyncio.get_running_loop().create_task(running.drive())
    try:
        yield running
    except BaseException as error:
        running.cancel(f"the block around the run ended with {type(error).__name__}")
        raise
    finally:
        await _finish(driver, running)


async def _finish(driver: asyncio.Task[None], running: Run[Any]) -> None:
    outer: asyncio.CancelledError | None = None
    while not driver.done():
        try:
            await asyncio.wait([driver])
        except asyncio.CancelledError as cancelled:
            outer = cancelled
            running.cancel("its caller was cancelled")
    if outer is not None:
        raise outer
    driver.result()


@overload
async def run(step: Step[Any, T], input: Any = None, **settings: Unpack[RunSettings]) -> T: ...
@overload
async def run(step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> Any: ...
async def run(step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> Any:
    """Runs a step and returns its output, or raises what it ended with.

    A failure keeps its type and traceback and bears a note that names the path; a cancelled run raises
    ``BranchCancelled``, one that overran its ``timeout`` raises ``StepTimeout``.
    """
    async with start(step, input, **settings) as running:
        pass
    return running.outcome.unwrap()


@overload
def run_sync(step: Step[Any, T], input: Any = None, **settings: Unpack[RunSettings]) -> T: ...
@overload
def run_sync(step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> Any: ...
def run_sync(step: Stepish, input: Any = None, **settings: Unpack[RunSettings]) -> Any:
    """Runs a step from outside asyncio; see ``run``."""
    return drive(run(step, input, **settings))
