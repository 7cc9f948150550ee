"""What a loop is told and tells: when to break, which outputs to keep, where it stands, how it ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from stretto.core.errors import DefinitionError
from stretto.core.outcome import Outcome, error_of
from stretto.core.policies import whole
from stretto.core.settings import Described
from stretto.workflows.condition import Conditional, as_condition

Ended = Literal["done", "condition", "break", "max_iterations", "error"]
"""Why a loop ended: nothing left to do, its condition, a break, the safety limit, or a failure."""


@dataclass(frozen=True)
class LoopState:
    """Where a loop stands: the iteration that would come next (from 0), and the last output."""

    iteration: int
    last: Any


@dataclass(frozen=True)
class Break(Described):
    """Ends a loop with a message; the condition is asked about the ``LoopState`` before each iteration."""

    condition: Conditional
    message: str

    def __post_init__(self) -> None:
        """Refuses a break without a message."""
        if not isinstance(self.message, str) or not self.message.strip():
            raise DefinitionError(f"a Break needs a message that says why, not {self.message!r}")
        object.__setattr__(self, "condition", as_condition(self.condition, f"Break {self.message!r}"))


@dataclass(frozen=True)
class Collect:
    """Which outputs are the value: ``Collect.ALL``, ``Collect.LAST``, ``Collect.first(n)``, ``Collect.last(n)``."""

    ALL: ClassVar[Collect]
    LAST: ClassVar[Collect]

    which: Literal["all", "the last", "first", "last"]
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuses a count of nothing."""
        if (self.count is None) != (self.which in ("all", "the last")):
            raise DefinitionError(
                f"Collect: {self.which!r} with count {self.count!r}; use Collect.first(n) or Collect.last(n)"
            )
        if self.count is not None:
            whole("Collect", "count", self.count)

    @classmethod
    def first(cls, count: int) -> Collect:
        """Keeps the first ``count`` outputs."""
        return cls("first", count)

    @classmethod
    def last(cls, count: int) -> Collect:
        """Keeps the last ``count`` outputs."""
        return cls("last", count)


Collect.ALL = Collect("all")
Collect.LAST = Collect("the last")


class Kept:
    """The outputs that a loop keeps while it runs: never more than its policy asks for."""

    def __init__(self, collect: Collect) -> None:
        self._collect = collect
        self._held: deque[Any] = deque(maxlen={"last": collect.count, "the last": 1}.get(collect.which))

    def add(self, output: Any) -> None:
        """Takes an output, if it is wanted."""
        if self._collect.which != "first" or len(self._held) < (self._collect.count or 0):
            self._held.append(output)

    def value(self) -> Any:
        """Returns what the loop's value is: a list, or for LAST the output (None if there was none)."""
        if self._collect.which == "the last":
            return self._held[0] if self._held else None
        return list(self._held)


@dataclass(frozen=True)
class LoopResult:
    """How a loop ended: its value, how many iterations began, why it ended, and each iteration's outcome by name."""

    value: Any
    iterations: int
    ended: Ended
    message: str = ""
    outcomes: Mapping[str, Outcome[Any]] = field(default_factory=dict[str, Outcome[Any]])

    @property
    def errors(self) -> dict[str, BaseException]:
        """The errors by iteration."""
        return {name: error for name, outcome in self.outcomes.items() if (error := error_of(outcome)) is not None}
