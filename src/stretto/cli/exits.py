"""What the exit status of the command says: one table, in one place."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from stretto.core.errors import DefinitionError, RunNotFound, StepTimeout, StoreError, StrettoError
from stretto.core.outcome import Cancelled, Completed, Failed, NotStarted, Outcome, TimedOut


class TargetNotFound(DefinitionError):
    """What was to be run, shown or copied is not there."""


class Exit(IntEnum):
    """Every exit status of ``stretto``, with what it means."""

    meaning: str

    OK = 0, "it did what was asked"
    FAILED = 1, "the run failed, or doctor found something wrong"
    USAGE = 2, "the command line, the workflow, the plan or its input cannot work"
    NOT_FOUND = 3, "there is no such file, name, run or example"
    STORE = 4, "the store refused: damaged, foreign, busy, ended already, or the code has changed"
    TIMED_OUT = 5, "the run took longer than its timeout, or a wait for another process did"
    INTERRUPTED = 130, "the run was cancelled, by Ctrl-C or from elsewhere"
    PIPE = 141, "whoever read the output went away before it was written"

    def __new__(cls, number: int, meaning: str) -> Self:
        """Makes a number that says what it means."""
        made = int.__new__(cls, number)
        made._value_ = number
        made.meaning = meaning
        return made


def exit_of_error(error: BaseException) -> Exit:
    """Returns the exit status for an error that a command ended with."""
    if isinstance(error, RunNotFound | TargetNotFound):
        return Exit.NOT_FOUND
    if isinstance(error, StoreError):
        return Exit.STORE
    if isinstance(error, DefinitionError):
        return Exit.USAGE
    if isinstance(error, StepTimeout):
        return Exit.TIMED_OUT
    return Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.FAILED


def exit_of_outcome(outcome: Outcome[object]) -> Exit:
    """Returns the exit status for how a run ended; a step's own timeout that failed the run is a failure."""
    match outcome:
        case Completed():
            return Exit.OK
        case TimedOut():
            return Exit.TIMED_OUT
        case Failed(error):
            found = exit_of_error(error) if isinstance(error, StrettoError) else Exit.FAILED
            return Exit.FAILED if found is Exit.TIMED_OUT else found
        case Cancelled() | NotStarted():
            return Exit.INTERRUPTED


def table() -> str:
    """Returns the table as it stands in the help."""
    return "\n\n".join(f"[bold]{code.value:>3}[/bold]  {code.meaning}" for code in Exit)
