"""What a run spends on models: tokens and money, counted for every call and held to a budget before the next one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from stretto.core.errors import DefinitionError, ExecutionError
from stretto.core.events import ModelUsed, Path, parent_of
from stretto.core.policies import positive, whole
from stretto.core.settings import Described


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one or more calls.

    ``input_tokens`` includes ``cached_tokens`` (read from the provider's cache) and ``cache_write_tokens``,
    ``output_tokens`` includes ``reasoning_tokens``: the parts are never added a second time.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Adds each kind of token."""
        return Usage(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(Usage)})


@dataclass(frozen=True, kw_only=True)
class Budget(Described):
    """The most that a run may spend on models: ``tokens`` in and out together, ``cost`` in US dollars."""

    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        """Refuses a budget that bounds nothing."""
        if self.tokens is None and self.cost is None:
            raise DefinitionError("Budget bounds nothing; give it tokens=, cost= or both, or leave the budget out")
        if self.tokens is not None:
            whole("Budget", "tokens", self.tokens)
        positive("Budget", "cost", self.cost)


class BudgetExceeded(ExecutionError):
    """A call was not made because it could take the run over its budget."""

    def __init__(self, path: Path, what: str, wanted: str, left: str) -> None:
        super().__init__(
            f"the call at {path!r} may take {wanted} {what}, and {left} of the run's budget are left; "
            "raise the budget, lower max_tokens, or shorten the history"
        )
        self.path, self.what = path, what


@dataclass(slots=True)
class Spent:
    """What calls have taken: ``cost`` in US dollars of those with a known price, ``unpriced`` counts the others."""

    usage: Usage
    cost: float = 0.0
    calls: int = 0
    unpriced: int = 0

    @property
    def known_cost(self) -> float | None:
        """What they cost, None when the price of any is unknown."""
        return None if self.unpriced else self.cost

    def add(self, usage: Usage, cost: float | None) -> None:
        """Adds a call."""
        self.usage += usage
        self.calls += 1
        if cost is None:
            self.unpriced += 1
        else:
            self.cost += cost


class Reservation:
    """What a call under way may take at the most."""

    __slots__ = ("cost", "tokens")

    def __init__(self, tokens: int, cost: float) -> None:
        self.tokens, self.cost = tokens, cost


class Ledger:
    """Counts what every call of a run has taken, and holds the next one to the budget.

    ``cost`` is in US dollars and counts the calls whose price is known; ``unpriced`` says how many have no known
    price, so that nobody takes the cost for the whole of it.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget
        self._total = Spent(Usage())
        self._by_path: dict[Path, Spent] = {}
        self._reserved: list[Reservation] = []

    @property
    def usage(self) -> Usage:
        """The tokens of all calls."""
        return self._total.usage

    @property
    def cost(self) -> float:
        """What the calls with a known price have cost."""
        return self._total.cost

    @property
    def calls(self) -> int:
        """How many calls have been made."""
        return self._total.calls

    @property
    def unpriced(self) -> int:
        """How many calls have no known price."""
        return self._total.unpriced

    def under(self, path: Path) -> Spent:
        """Returns what the calls at a path and below it have taken, those of earlier processes of the run included."""
        found = self._by_path.get(path, _NOTHING)
        return Spent(found.usage, found.cost, found.calls, found.unpriced)

    def record(self, used: ModelUsed) -> None:
        """Adds what a call took, as the log tells it."""
        usage = Usage(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cached_tokens=used.cached_tokens,
            cache_write_tokens=used.cache_write_tokens,
            reasoning_tokens=used.reasoning_tokens,
        )
        self._total.add(usage, used.cost)
        path = used.path
        while path:
            self._by_path.setdefault(path, Spent(Usage())).add(usage, used.cost)
            path = parent_of(path)

    @contextmanager
    def reserve(self, path: Path, tokens: int, cost: float | None) -> Generator[None, None, None]:
        """Sets aside what a call may take at the most, until the block ends.

        Raises ``BudgetExceeded`` before anything is spent, and ``DefinitionError`` when the budget is in money and the
        price of the call is unknown (``cost=None``).
        """
        self._check(path, tokens, cost)
        reservation = Reservation(tokens, cost or 0.0)
        self._reserved.append(reservation)
        try:
            yield
        finally:
            self._reserved.remove(reservation)

    def _check(self, path: Path, tokens: int, cost: float | None) -> None:
        budget = self.budget
        if budget is None:
            return
        if budget.tokens is not None:
            left = budget.tokens - self.usage.total - sum(held.tokens for held in self._reserved)
            if tokens > left:
                raise BudgetExceeded(path, "tokens", f"{tokens:,}", f"{max(0, left):,}")
        if budget.cost is not None:
            if cost is None:
                raise DefinitionError(
                    f"the price of the model at {path!r} is unknown, so a budget of ${budget.cost:g} cannot be held; "
                    "give the model a price, or the run a budget in tokens"
                )
            rest = budget.cost - self.cost - sum(held.cost for held in self._reserved)
            if cost > rest:
                raise BudgetExceeded(path, "US dollars", f"{cost:.4f}", f"{max(0.0, rest):.4f}")


_NOTHING = Spent(Usage())
