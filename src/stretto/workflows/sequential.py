"""Steps in turn: each gets the last one's output, and what was done is undone when a later one fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from stretto.core.errors import NothingSucceeded, StepTimeout
from stretto.core.events import ErrorRecord, StepUndone
from stretto.core.function import as_step
from stretto.core.outcome import Completed, Failed, Outcome, TimedOut, error_of
from stretto.core.resources import Clock
from stretto.core.step import Context, Step, Stepish
from stretto.workflows.workflow import StepsWorkflow, check_flag, check_word, names_of


@dataclass(frozen=True)
class PartialResult:
    """What a sequence that went on after failures came to: the last output, and how each step ended."""

    value: Any
    outcomes: Mapping[str, Outcome[Any]] = field(default_factory=dict[str, Outcome[Any]])

    @property
    def errors(self) -> dict[str, BaseException]:
        """The errors by step."""
        return {name: error for name, outcome in self.outcomes.items() if (error := error_of(outcome)) is not None}

    @property
    def complete(self) -> bool:
        """Whether no step failed."""
        return not self.errors


@dataclass(frozen=True, kw_only=True)
class SequentialWorkflow(StepsWorkflow[Any, Any]):
    """Steps in turn; the value is the last one's output.

    ``on_error="fail_fast"`` stops at the first failure and raises it. With ``rollback`` every completed step that has
    a ``policy.undo`` is undone then, the last one first; an undo that fails is reported and noted, and the others are
    tried all the same. ``on_error="continue"`` leaves a failed step out: the next one gets the last output that there
    is, nothing is undone, and the value is always a ``PartialResult``; when every step fails, ``NothingSucceeded`` is
    raised. Retries and a fallback belong to the step: its policy says them.

    A cancelled sequence undoes nothing: whoever cancels wants the work to stop within the cancellation timeout.
    """

    name: str = "sequential"
    on_error: Literal["fail_fast", "continue"] = "fail_fast"
    rollback: bool = True

    def __post_init__(self) -> None:
        """Refuses words that nothing reads."""
        super().__post_init__()
        check_word(self, "on_error", self.on_error, ("fail_fast", "continue"))
        check_flag(self, "rollback", self.rollback)

    async def execute(self, input: Any, context: Context) -> Any:
        """Runs the steps in turn."""
        if self.on_error == "continue":
            return await _as_far_as_possible(self.steps, input, context)
        return await in_turn(self.steps, input, context, rollback=self.rollback)


async def in_turn(steps: Sequence[Stepish], input: Any, context: Context, *, rollback: bool) -> Any:
    """Runs steps on each other's outputs; undoes the completed ones when one fails."""
    done: list[tuple[str, Step[Any, Any], Any]] = []
    value = input
    try:
        for name, step in zip(names_of(steps), map(as_step, steps), strict=True):
            value = await context.run(step, value, name=name)
            if rollback and step.policy.undo is not None:
                done.append((name, step, value))
    except Exception as error:
        for name, step, output in reversed(done):
            await _undo(name, step, output, context, error)
        raise
    return value


async def _undo(name: str, step: Step[Any, Any], output: Any, context: Context, cause: Exception) -> None:
    path = f"{context.path}/{name}" if context.path else name
    record = None
    try:
        await context.run(as_step(step.policy.undo), output, name=f"{name}.undo")
    except Exception as error:  # noqa: BLE001  # one undo that fails must not keep the others from being tried
        record = ErrorRecord(type(error).__name__, str(error), path)
        cause.add_note(f"{path} could not be undone: {type(error).__name__}: {error}")
    context.emit(StepUndone(path, context.resource(Clock).now(), record))


async def _as_far_as_possible(steps: Sequence[Stepish], input: Any, context: Context) -> PartialResult:
    value, outcomes = input, dict[str, Outcome[Any]]()
    for name, step in zip(names_of(steps), map(as_step, steps), strict=True):
        outcomes[name] = outcome = await outcome_of(step, value, context, name)
        if isinstance(outcome, Completed):
            value = outcome.value
    result = PartialResult(value, outcomes)
    if len(result.errors) == len(outcomes):
        raise NothingSucceeded(list(result.errors.values()), len(outcomes))
    return result


async def outcome_of(step: Step[Any, Any], input: Any, context: Context, name: str) -> Outcome[Any]:
    """Runs a step and returns how it ended; cancellation passes through."""
    try:
        return Completed(await context.run(step, input, name=name))
    except Exception as error:  # noqa: BLE001  # a failure is an outcome here
        return failure(error, context, name)


def failure(error: Exception, context: Context, name: str) -> Failed | TimedOut:
    """Returns the outcome for an error; a step's own timeout is ``TimedOut``."""
    own = f"{context.path}/{name}" if context.path else name
    return TimedOut(error) if isinstance(error, StepTimeout) and error.path == own else Failed(error)
