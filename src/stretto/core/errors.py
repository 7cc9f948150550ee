"""How things fail: the whole family, in the order in which it is drawn.

* StrettoError
  x DefinitionError              what was asked for cannot be built
    - UnknownSetting             a name that nothing reads
    - UnresolvedReference        a reference that points at nothing
    - PlanFileError              what is wrong with a file, place by place
    - PlanError                  operations that no order can satisfy
      . CyclicDependency
      . MissingProducer
      . DoubleProducer
      . DuplicateOperation
      . UnreachableOperation
  x ExecutionError               what was asked for did not happen
    - StepTimeout                also a TimeoutError
    - NothingSucceeded
    - TooFewSucceeded
    - BranchesFailed             also an ExceptionGroup
    - BranchCancelled
    - NestingTooDeep
    - DelegationForbidden
    - DeadlockError
      . BarrierBroken
    - CircuitOpen
    - ProcessDied
      . MemoryExceeded
    - ProcessRaised
    - NotSendable
    - ProgramMissing
    - CommandFailed
    - ValueMissing               a reference into data that do not hold it
    - OutputTooLarge
    - WrongBatch
    - WrongOutputs
    - OutputNotStorable
    - BreakConditionMet          a loop's body asked to stop
    - LateItem
    - HumanAborted
  x StoreError                   what was kept cannot be had
    - RunNotFound
    - RunBusy
    - DatabaseRefused
    - CodeChanged
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stretto.core.file_problem import FileProblem as FileProblem


def listed(names: Iterable[str]) -> str:
    """Joins names for a sentence: ``'a', 'b' and 'c'``."""
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}" if quoted else "nothing"


def told(failures: Iterable[BaseException]) -> str:
    """Joins errors for a sentence: ``ValueError: no; StepTimeout: step 'a' took longer``."""
    return "; ".join(f"{type(failure).__name__}: {failure}" for failure in failures)


class StrettoError(Exception):
    """The parent of every error that this library raises on purpose; each can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Says how to make it again without its ``__init__``, which takes other arguments than the message."""
        return _made_again, (type(self), self.args), self.__dict__ or None


def _made_again(kind: type[StrettoError], args: tuple[Any, ...]) -> StrettoError:
    made = kind.__new__(kind, *args)
    made.args = args
    return made


class DefinitionError(StrettoError):
    """A workflow, a step, a policy or a plan was described in a way that cannot work."""


class UnknownSetting(DefinitionError):
    """A setting that nothing reads."""

    def __init__(self, owner: str, setting: str, known: Iterable[str]) -> None:
        super().__init__(f"{owner} takes no {setting!r}; it takes {', '.join(sorted(known))}")
        self.owner, self.setting = owner, setting


class UnresolvedReference(DefinitionError):
    """A reference that points at nothing."""

    def __init__(self, owner: str, reference: str, known: Iterable[str]) -> None:
        names = listed(sorted(known))
        super().__init__(f"{owner} refers to {reference!r}, which does not exist; it can refer to {names}")
        self.owner, self.reference = owner, reference


class PlanFileError(DefinitionError):
    """A plan file that cannot be used; it tells every problem with its place."""

    def __init__(self, path: str, problems: Sequence[FileProblem]) -> None:
        shown = [problem.render(path) for problem in problems]
        head = [f"{path} has {len(shown)} problems:"] if len(shown) > 1 else []
        super().__init__("\n".join([*head, *shown]))
        self.path, self.problems = path, tuple(problems)


class PlanError(DefinitionError):
    """No execution order satisfies the operations."""


class CyclicDependency(PlanError):
    """Operations that wait for each other in a circle."""

    def __init__(self, path: Sequence[str], because: Sequence[str] = ()) -> None:
        why = f" ({'; '.join(because)})" if because else ""
        super().__init__(
            f"operations depend on each other in a circle: {' -> '.join(path)}{why}; "
            "remove one of these inputs, declare who touches a resource first before the others, "
            "or run the circle as a LoopWorkflow"
        )
        self.path, self.because = tuple(path), tuple(because)


class MissingProducer(PlanError):
    """An input that nobody makes."""

    def __init__(self, operation: str, ref: str, near: str | None = None) -> None:
        hint = f"; did you mean {near!r}?" if near else f"; produce it, or name it in given=({ref!r},)"
        needs = f"operation {operation!r} needs {ref!r}"
        super().__init__(f"{needs}, which no operation produces and no input provides{hint}")
        self.operation, self.ref = operation, ref


class DoubleProducer(PlanError):
    """A datum that two operations make."""

    def __init__(self, ref: str, producers: Sequence[str]) -> None:
        super().__init__(f"{ref!r} is produced by {listed(producers)}; give it one producer, or rename one of them")
        self.ref, self.producers = ref, tuple(producers)


class DuplicateOperation(PlanError):
    """Two operations under one id."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"two operations have the id {operation!r}; ids must differ, rename one of them")
        self.operation = operation


class UnreachableOperation(PlanError):
    """An operation that cannot run, whatever the input."""

    def __init__(self, operation: str, because: str) -> None:
        super().__init__(f"operation {operation!r} can never run: {because}")
        self.operation = operation


class ExecutionError(StrettoError):
    """A run did not do what it was asked to do."""


class StepTimeout(ExecutionError, TimeoutError):
    """A step, branch, workflow or run took longer than it was given (seconds)."""

    def __init__(self, path: str, seconds: float, level: str = "step") -> None:
        super().__init__(f"{level} {path!r} took longer than its timeout of {seconds:g} s")
        self.path, self.seconds, self.level = path, seconds, level


class NothingSucceeded(ExecutionError):
    """Every branch failed."""

    def __init__(self, failures: Sequence[BaseException], branches: int | None = None) -> None:
        count = len(failures) if branches is None else branches
        super().__init__(f"none of {count} branches succeeded: {told(failures) or 'no branch was started'}")
        self.failures = tuple(failures)


class TooFewSucceeded(ExecutionError):
    """Fewer branches succeeded than were asked for."""

    def __init__(self, minimum: int, succeeded: int, failures: Sequence[BaseException]) -> None:
        why = told(failures) or "no branch failed; start more, or ask for fewer"
        super().__init__(f"{succeeded} branches succeeded, at least {minimum} must: {why}")
        self.minimum, self.succeeded, self.failures = minimum, succeeded, tuple(failures)


class BranchesFailed(ExceptionGroup[Exception], ExecutionError):
    """Every failure of a set of branches, in declared order."""

    def derive(self, excs: Sequence[Exception], /) -> BranchesFailed:  # type: ignore[override]  # typeshed's overload cannot be met
        return BranchesFailed(self.message, excs)


class BranchCancelled(ExecutionError):
    """A value was asked of a branch that was cancelled or never started."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the branch has no value: {reason}")
        self.reason = reason


class NestingTooDeep(ExecutionError):
    """Steps run steps without an end in sight."""

    def __init__(self, depth: int, path: str) -> None:
        super().__init__(f"steps are nested deeper than {depth} levels at {path!r}; raise max_depth if this is meant")
        self.depth, self.path = depth, path


class DelegationForbidden(ExecutionError):
    """A sub-agent tried to start a sub-agent of its own."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the sub-agent at {path!r} may not start sub-agents; only the primary agent delegates")
        self.path = path


class DeadlockError(ExecutionError):
    """Every live branch waits for something that none of them can release."""

    def __init__(self, waits: Sequence[str]) -> None:
        super().__init__("every live branch waits, and none can go on: " + "; ".join(waits))
        self.waits = tuple(waits)


class BarrierBroken(DeadlockError):
    """A barrier or rendezvous that can no longer be met, because a party is gone."""

    def __init__(self, why: str) -> None:
        ExecutionError.__init__(self, why)
        self.waits = (why,)


class CircuitOpen(ExecutionError):
    """A service failed so often that it is left alone for a while."""

    def __init__(self, service: str, failures: int, seconds: float) -> None:
        again = f"it is tried again in {seconds:.3g} s"
        super().__init__(f"Circuit breaker OPEN for {service!r} after {failures} failures; {again}")
        self.service, self.failures, self.retry_after = service, failures, seconds


class ProcessDied(ExecutionError):
    """A step's process ended without an answer."""

    def __init__(self, path: str, how: str, stderr: str = "") -> None:
        super().__init__(f"the process of {path!r} {how}" + (f": {stderr}" if stderr else ""))
        self.path, self.how, self.stderr = path, how, stderr


class MemoryExceeded(ProcessDied):
    """A step's process asked for more memory than it was given (bytes)."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(path, f"exceeded its memory limit of {limit:,} bytes")
        self.limit = limit


class ProcessRaised(ExecutionError):
    """A step's process raised an error of a kind that cannot be brought over; its type and message can."""

    def __init__(self, path: str, kind: str, message: str) -> None:
        super().__init__(f"the process of {path!r} raised {kind}: {message}")
        self.path, self.kind, self.message = path, kind, message


class NotSendable(ExecutionError):
    """A value that cannot go to a step's process, or come back from it."""

    def __init__(self, path: str, what: str, why: str) -> None:
        super().__init__(
            f"{what} of {path!r} cannot be sent between processes: {why}; use values that pickle can write, made of "
            "classes and functions at a module's top level"
        )
        self.path, self.what, self.why = path, what, why


class ProgramMissing(ExecutionError):
    """A command line whose program, or whose directory, is not there."""

    def __init__(self, path: str, missing: str, way_out: str) -> None:
        super().__init__(f"the command of {path!r} cannot start: {missing}; {way_out}")
        self.path, self.missing = path, missing


class CommandFailed(ExecutionError):
    """A command line that ended with a status other than 0; ``stderr`` is the end of what it said."""

    def __init__(self, path: str, program: str, status: int, stderr: str) -> None:
        how = f"ended with status {status}" if status >= 0 else f"was killed by signal {-status}"
        super().__init__(f"the command {program!r} of {path!r} {how}: {stderr or 'it wrote nothing to stderr'}")
        self.path, self.program, self.status, self.stderr = path, program, status, stderr


class ValueMissing(ExecutionError):
    """A reference into a value that does not hold what it names."""

    def __init__(self, operation: str, reference: str, there: str) -> None:
        super().__init__(f"operation {operation!r} refers to {reference}, but {there}")
        self.operation, self.reference, self.there = operation, reference, there


class OutputTooLarge(ExecutionError):
    """A command wrote more than is kept of it (bytes)."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(
            f"the command of {path!r} wrote more than {limit:,} bytes and was stopped; "
            "let it write to a file, and return the file's name"
        )
        self.path, self.limit = path, limit


class WrongBatch(ExecutionError):
    """A step that gathers like calls did not return one output per input."""

    def __init__(self, step: str, inputs: int, got: str) -> None:
        super().__init__(
            f"step {step!r} was called with a batch of {inputs} inputs and must return a list of {inputs} outputs "
            f"in the same order; it returned {got}"
        )
        self.step, self.inputs = step, inputs


class WrongOutputs(ExecutionError):
    """An operation gave other data than it declared."""

    def __init__(self, operation: str, outputs: Sequence[str], got: str) -> None:
        declared = f"operation {operation!r} declares the outputs {listed(outputs)}"
        super().__init__(f"{declared}, so its step must return a mapping that holds exactly these; it returned {got}")
        self.operation, self.outputs = operation, tuple(outputs)


class OutputNotStorable(ExecutionError):
    """A step returned what the store cannot keep."""

    def __init__(self, path: str, kind: str, why: str) -> None:
        super().__init__(
            f"step {path!r} returned {kind}, which cannot be stored: {why}; "
            "return JSON values, dataclasses, pydantic models, bytes, dates or paths"
        )
        self.path, self.kind = path, kind


class BreakConditionMet(ExecutionError):
    """A loop's body asks its loop to end now, with a message."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class LateItem(ExecutionError):
    """An item came after its window was closed."""

    def __init__(self, at: float, watermark: float) -> None:
        late = f"an item of time {at:g} came after its window ended at {watermark:g}"
        super().__init__(f"{late}; choose late='drop' or 'next'")
        self.at, self.watermark = at, watermark


class HumanAborted(ExecutionError):
    """A human was asked, and said no."""

    def __init__(self, path: str, question: str, reason: str = "") -> None:
        super().__init__(f"{path!r} was refused by a human ({question})" + (f": {reason}" if reason else ""))
        self.path, self.question, self.reason = path, question, reason


class StoreError(StrettoError):
    """What was kept cannot be had."""


class RunNotFound(StoreError):
    """No run under that id."""

    def __init__(self, run_id: str, near: Sequence[str] = ()) -> None:
        hint = f"; did you mean {listed(near)}?" if near else "; `stretto runs` lists what there is"
        super().__init__(f"there is no run {run_id!r}{hint}")
        self.run_id = run_id


class RunBusy(StoreError):
    """Another process writes this run."""

    def __init__(self, run_id: str, owner: str) -> None:
        super().__init__(f"run {run_id!r} is being written by {owner}; end that process first, or wait for it")
        self.run_id, self.owner = run_id, owner


class DatabaseRefused(StoreError):
    """A file that is no database of ours, or of a newer version."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"the database {place} is refused: {why}; it was not changed")
        self.place, self.why = place, why


class CodeChanged(StoreError):
    """The code of a run is not what it was when the run began."""

    def __init__(self, run_id: str, changes: Mapping[str, str]) -> None:
        what = "; ".join(f"{name}: {change}" for name, change in changes.items())
        super().__init__(
            f"run {run_id!r} cannot go on with this code: {what}; "
            "start anew, or pass on_change='map' with a mapping of old paths to new ones"
        )
        self.run_id, self.changes = run_id, dict(changes)
