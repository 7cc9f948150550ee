"""How the outcomes of several branches become one value, and when no further outcome can change it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from stretto.core.errors import BranchCancelled, BranchesFailed, ExecutionError, NothingSucceeded, TooFewSucceeded
from stretto.core.outcome import Cancelled, Completed, NotStarted, Outcome, error_of
from stretto.core.policies import ErrorMode, whole
from stretto.core.settings import Described


@dataclass(slots=True)
class Tally:
    """How many branches were started, and how many of them ended in which way."""

    started: int = 0
    completed: int = 0
    failed: int = 0

    @property
    def live(self) -> int:
        """How many run now."""
        return self.started - self.completed - self.failed


class AggregationStrategy(Described, ABC):
    """Says what counts as success, and makes the value of it.

    ``ALL_SUCCESS``, ``FIRST_SUCCESS`` and ``PARTIAL_SUCCESS`` are the strategies without settings; ``custom`` makes
    one of a function.
    """

    ALL_SUCCESS: ClassVar[AggregationStrategy]
    FIRST_SUCCESS: ClassVar[AggregationStrategy]
    PARTIAL_SUCCESS: ClassVar[AggregationStrategy]

    default_mode: ClassVar[ErrorMode] = ErrorMode.FAIL_SLOW

    @staticmethod
    def custom(function: Callable[[list[Outcome[Any]]], Any]) -> Custom:
        """Returns the strategy whose value is ``function(outcomes)``."""
        return Custom(function)

    def settled(self, tally: Tally) -> bool:
        """Says whether no further outcome can change the value; the branches that still run are then cancelled."""
        return False

    @abstractmethod
    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> Any:
        """Makes the value of outcomes in declared order; the places in ``optional`` may have failed."""


def errors_of(outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> list[BaseException]:
    """Returns the errors of the branches that had to succeed and did not, in declared order."""
    errors: list[BaseException] = []
    for place, outcome in enumerate(outcomes):
        if place in optional:
            continue
        if (error := error_of(outcome)) is not None:
            errors.append(error)
        elif isinstance(outcome, Cancelled | NotStarted):
            errors.append(BranchCancelled(outcome.reason))
    return errors


def gathered(errors: Sequence[BaseException]) -> list[Exception]:
    """Returns the errors as ordinary exceptions, so that a group can hold them."""
    kept: list[Exception] = []
    for error in errors:
        if isinstance(error, Exception):
            kept.append(error)
        else:
            wrapped = ExecutionError(f"a branch ended with {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            kept.append(wrapped)
    return kept


def require(outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> None:
    """Raises ``BranchesFailed`` with the failure of every branch that had to succeed and did not."""
    if errors := errors_of(outcomes, optional):
        count = len(outcomes)
        raise BranchesFailed(f"{len(errors)} of {count} branches failed", gathered(errors))


@dataclass(frozen=True)
class AllSuccess(AggregationStrategy):
    """A list of the values in declared order; an optional branch that failed stands in it as its outcome."""

    default_mode: ClassVar[ErrorMode] = ErrorMode.FAIL_FAST

    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> list[Any]:
        """Returns the values; raises ``BranchesFailed`` when a required branch has none."""
        values = [outcome.value for outcome in outcomes if type(outcome) is Completed]
        if len(values) == len(outcomes):
            return values
        require(outcomes, optional)
        return [outcome.value if isinstance(outcome, Completed) else outcome for outcome in outcomes]


@dataclass(frozen=True)
class FirstSuccess(AggregationStrategy):
    """The first value that succeeds in time; the losers are cancelled and awaited."""

    def settled(self, tally: Tally) -> bool:
        """Says that one success is enough."""
        return tally.completed > 0

    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> Any:
        """Returns the winner's value; raises ``NothingSucceeded`` with every error."""
        for outcome in outcomes:
            if isinstance(outcome, Completed):
                return outcome.value
        raise NothingSucceeded(errors_of(outcomes), len(outcomes))


@dataclass(frozen=True)
class PartialSuccess(AggregationStrategy):
    """All outcomes in declared order, failures noted; at least ``minimum`` must have succeeded."""

    minimum: int = 1

    def __post_init__(self) -> None:
        """Refuses a minimum below zero."""
        whole("PartialSuccess", "minimum", self.minimum, at_least=0)

    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> list[Outcome[Any]]:
        """Returns the outcomes; raises ``NothingSucceeded`` or ``TooFewSucceeded`` with every error."""
        succeeded = sum(isinstance(outcome, Completed) for outcome in outcomes)
        if succeeded < self.minimum:
            errors = errors_of(outcomes)
            raise (
                TooFewSucceeded(self.minimum, succeeded, errors)
                if succeeded
                else NothingSucceeded(errors, len(outcomes))
            )
        return list(outcomes)


@dataclass(frozen=True)
class Quorum(AggregationStrategy):
    """The outcomes as they stand when ``needed`` branches have succeeded; the others are cancelled."""

    needed: int

    def __post_init__(self) -> None:
        """Refuses a quorum of nobody."""
        whole("Quorum", "needed", self.needed)

    def settled(self, tally: Tally) -> bool:
        """Says whether the quorum is there."""
        return tally.completed >= self.needed

    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> list[Outcome[Any]]:
        """Returns the outcomes; raises ``TooFewSucceeded`` below the quorum."""
        succeeded = sum(isinstance(outcome, Completed) for outcome in outcomes)
        if succeeded < self.needed:
            raise TooFewSucceeded(self.needed, succeeded, errors_of(outcomes))
        return list(outcomes)


@dataclass(frozen=True)
class Custom(AggregationStrategy):
    """What a function makes of the list of outcomes, which holds the failed ones as well."""

    function: Callable[[list[Outcome[Any]]], Any]

    def combine(self, outcomes: Sequence[Outcome[Any]], optional: Collection[int] = ()) -> Any:
        """Returns ``function(outcomes)``."""
        return self.function(list(outcomes))


AggregationStrategy.ALL_SUCCESS = AllSuccess()
AggregationStrategy.FIRST_SUCCESS = FirstSuccess()
AggregationStrategy.PARTIAL_SUCCESS = PartialSuccess()
