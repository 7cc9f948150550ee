"""Conditions as small values: what they look at, what they ask of it, and their words for messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, is_dataclass
from typing import Any, TypeAlias, TypeGuard

from stretto.core.errors import DefinitionError, ExecutionError, listed
from stretto.core.function import as_step, is_async
from stretto.core.settings import Described
from stretto.core.step import Context, Step, Stepish, check_name

Key: TypeAlias = str | int
Where: TypeAlias = Key | tuple[Key, ...]


class ConditionFailed(ExecutionError):
    """A condition could not be decided: what it looks at is not there, or cannot be compared."""


class Condition(ABC):
    """Something that holds for a value, or does not. ``a & b``, ``a | b`` and ``~a`` combine conditions."""

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Says whether it holds; raises ``ConditionFailed`` when that cannot be said."""

    def __call__(self, value: Any) -> bool:
        """Says whether it holds, so that a condition can stand wherever a function can."""
        return self.holds(value)

    def __and__(self, other: Condition) -> And:
        """Holds when both hold."""
        return And(self, other)

    def __or__(self, other: Condition) -> Or:
        """Holds when one holds."""
        return Or(self, other)

    def __invert__(self) -> Not:
        """Holds when this one does not."""
        return Not(self)


@dataclass(frozen=True)
class Always(Condition):
    """Holds for every value."""

    def holds(self, value: Any) -> bool:
        return True


@dataclass(frozen=True)
class Never(Condition):
    """Holds for no value."""

    def holds(self, value: Any) -> bool:
        return False


@dataclass(frozen=True)
class Looking(Condition):
    """A condition about what stands at ``where``: a key, or keys for nested data; ``()`` is the value itself.

    Keys are a mapping's keys, a sequence's places, or a dataclass's fields.
    """

    where: Where

    def __post_init__(self) -> None:
        """Refuses what is no key."""
        for key in self.path:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise DefinitionError(
                    f"{type(self).__name__} looks at {self.where!r}; a key is a text or a whole number"
                )

    @property
    def path(self) -> tuple[Key, ...]:
        """The keys, from the outside in."""
        return self.where if isinstance(self.where, tuple) else (self.where,)

    def look(self, value: Any) -> Any:
        """Returns what stands there; raises ``ConditionFailed`` naming the first key that is missing."""
        found = value
        for key in self.path:
            try:
                found = _step_into(found, key)
            except LookupError:
                raise ConditionFailed(
                    f"{self!r} looks for {key!r}, which is not in the {_kind(found)}; "
                    "ask with Exists first, or produce it"
                ) from None
        return found


def _kind(value: object) -> str:
    kind = type(value).__name__
    return f"{kind} it was given" + (f"; there are {listed(sorted(map(str, value)))}" if _is_mapping(value) else "")


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_step(value: object) -> TypeGuard[Step[Any, Any]]:
    """Says whether the value is a step."""
    return isinstance(value, Step)


def _step_into(value: Any, key: Key) -> Any:
    if _is_mapping(value):
        return value[key]
    if _is_sequence(value) and isinstance(key, int):
        return value[key]
    if is_dataclass(value) and isinstance(key, str) and hasattr(value, key):
        return getattr(value, key)
    raise LookupError(key)


@dataclass(frozen=True)
class Exists(Looking):
    """Holds when there is something, be it None; the one condition for which a missing key is an answer."""

    def holds(self, value: Any) -> bool:
        try:
            self.look(value)
        except ConditionFailed:
            return False
        return True


@dataclass(frozen=True)
class Equals(Looking):
    """Holds when what stands there equals ``expected``."""

    expected: Any

    def holds(self, value: Any) -> bool:
        return bool(self.look(value) == self.expected)


@dataclass(frozen=True)
class Comparing(Looking):
    """A condition about the order of what stands there and ``bound``."""

    bound: Any

    def compare(self, value: Any, how: Callable[[Any, Any], Any]) -> bool:
        """Compares; raises ``ConditionFailed`` for values without an order."""
        found = self.look(value)
        try:
            return bool(how(found, self.bound))
        except TypeError as error:
            raise ConditionFailed(f"{self!r} cannot compare {found!r} with {self.bound!r}: {error}") from error


@dataclass(frozen=True)
class GreaterThan(Comparing):
    """Holds when what stands there is greater than ``bound``."""

    def holds(self, value: Any) -> bool:
        return self.compare(value, lambda found, bound: found > bound)


@dataclass(frozen=True)
class LessThan(Comparing):
    """Holds when what stands there is less than ``bound``."""

    def holds(self, value: Any) -> bool:
        return self.compare(value, lambda found, bound: found < bound)


@dataclass(frozen=True)
class Contains(Comparing):
    """Holds when what stands there contains ``bound``: a part of a text, a member of a collection."""

    def holds(self, value: Any) -> bool:
        return self.compare(value, lambda found, part: part in found)


@dataclass(frozen=True, init=False)
class Several(Condition):
    """A condition made of conditions."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        if not conditions:
            raise DefinitionError(f"{type(self).__name__} of no conditions says nothing; use Always() or Never()")
        for condition in conditions:
            if not isinstance(condition, Condition):
                raise DefinitionError(
                    f"{type(self).__name__} combines conditions, not {condition!r}; wrap a function in Holds(…)"
                )
        object.__setattr__(self, "conditions", conditions)


@dataclass(frozen=True, init=False)
class And(Several):
    """Holds when every one holds; stops at the first that does not."""

    def holds(self, value: Any) -> bool:
        return all(condition.holds(value) for condition in self.conditions)


@dataclass(frozen=True, init=False)
class Or(Several):
    """Holds when one holds; stops at the first that does."""

    def holds(self, value: Any) -> bool:
        return any(condition.holds(value) for condition in self.conditions)


@dataclass(frozen=True)
class Not(Condition):
    """Holds when the other does not."""

    condition: Condition

    def __post_init__(self) -> None:
        """Refuses what is no condition."""
        if not isinstance(self.condition, Condition):
            raise DefinitionError(f"Not takes a condition, not {self.condition!r}; wrap a function in Holds(…)")

    def holds(self, value: Any) -> bool:
        return not self.condition.holds(value)


@dataclass(frozen=True)
class Holds(Condition):
    """A function as a condition; it must return True or False."""

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuses what cannot be asked: text is never a condition."""
        if not callable(self.function):
            raise DefinitionError(
                f"a condition is a function or a value such as Equals('key', 1), not {self.function!r}"
            )
        if is_async(self.function):
            raise DefinitionError(f"{self.function!r} is async; give it as a step, or make it a plain function")

    def holds(self, value: Any) -> bool:
        return verdict(self.function(value), describe(self.function))


Conditional: TypeAlias = Condition | Callable[[Any], Any] | Step[Any, Any]
"""What may stand as a condition: a value of this file, a plain function, or a step (also an async function)."""


def describe(condition: object) -> str:
    """Returns the words for a condition."""
    if isinstance(condition, Holds):
        return describe(condition.function)
    if isinstance(condition, Condition):
        return repr(condition)
    return str(getattr(condition, "__name__", None) or getattr(condition, "name", None) or repr(condition))


def verdict(answer: object, who: str) -> bool:
    """Returns the answer when it is one; raises ``ConditionFailed`` for everything but True and False."""
    if not isinstance(answer, bool):
        raise ConditionFailed(
            f"condition {who} returned {answer!r}; a condition returns True or False, so wrap it in bool(…)"
        )
    return answer


def as_condition(condition: Conditional, owner: str) -> Condition | Step[Any, Any]:
    """Returns a condition, or the step that decides; raises ``DefinitionError`` for text and all else."""
    if isinstance(condition, Condition):
        return condition
    if is_step(condition):
        return condition
    given: Any = condition
    try:
        return as_step(given) if callable(given) and is_async(given) else Holds(given)
    except DefinitionError as error:
        error.add_note(f"in {owner}")
        raise


async def decide(condition: Condition | Step[Any, Any], value: Any, context: Context, owner: str, name: str) -> bool:
    """Says whether the condition holds; a step is run as ``name``. An error gets a note that names the condition."""
    try:
        if isinstance(condition, Condition):
            return condition.holds(value)
        return verdict(await context.run(condition, value, name=name), condition.name)
    except Exception as error:
        error.add_note(f"in condition {describe(condition)} of {owner}")
        raise


@dataclass(frozen=True)
class Case(Described):
    """A step, and the condition under which it runs; ``name`` is the step's own unless it is given."""

    condition: Conditional
    step: Stepish
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        """Refuses what is no condition or no step."""
        if self.name is not None:
            check_name(self.name, "a Case")
        object.__setattr__(self, "step", as_step(self.step))
        object.__setattr__(self, "condition", as_condition(self.condition, f"case {self.name or self.step!r}"))
