"""How one execution ended: one typed value per branch, and nothing else is possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NoReturn, TypeAlias, TypeVar

from stretto.core.errors import BranchCancelled, StepTimeout

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Completed(Generic[T]):
    """The branch ended with a value."""

    value: T

    @property
    def status(self) -> str:
        """The word for this outcome in logs and tables."""
        return "completed"

    def unwrap(self) -> T:
        """Returns the value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Failed:
    """The branch raised."""

    error: BaseException

    @property
    def status(self) -> str:
        """The word for this outcome in logs and tables."""
        return "failed"

    def unwrap(self) -> NoReturn:
        """Raises what the branch raised."""
        raise self.error


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The branch took longer than ``error.seconds``."""

    error: StepTimeout

    @property
    def status(self) -> str:
        """The word for this outcome in logs and tables."""
        return "timed_out"

    def unwrap(self) -> NoReturn:
        """Raises the timeout."""
        raise self.error


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The branch was stopped; ``stopped`` is false when it ignored that within the cancellation timeout."""

    reason: str = "cancelled"
    stopped: bool = True

    @property
    def status(self) -> str:
        """The word for this outcome in logs and tables."""
        return "cancelled"

    def unwrap(self) -> NoReturn:
        """Raises ``BranchCancelled``."""
        raise BranchCancelled(self.reason)


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The branch was declared, and ended before it began."""

    reason: str = "not started"

    @property
    def status(self) -> str:
        """The word for this outcome in logs and tables."""
        return "not_started"

    def unwrap(self) -> NoReturn:
        """Raises ``BranchCancelled``."""
        raise BranchCancelled(self.reason)


Outcome: TypeAlias = Completed[T] | Failed | TimedOut | Cancelled | NotStarted


def error_of(outcome: Outcome[object]) -> BaseException | None:
    """Returns the error of a failed or timed-out branch, and None for every other."""
    return outcome.error if isinstance(outcome, Failed | TimedOut) else None
