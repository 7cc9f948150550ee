"""Finds code whose result depends on the order in which branches take turns."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeGuard, Unpack

from stretto.core.checks import NotReproducible, OrderDependent
from stretto.core.codec import preview
from stretto.core.errors import DefinitionError
from stretto.core.function import as_step
from stretto.core.outcome import Completed, Outcome, error_of
from stretto.core.step import Step, Stepish
from stretto.runtime.run import Run, RunSettings, start
from stretto.runtime.shared import Shared
from stretto.runtime.virtual import VirtualClock


@dataclass(frozen=True)
class _Seen:
    """What one run looks like from outside, times left out."""

    outcome: Outcome[Any]
    result: Any
    events: Counter[tuple[str, str]]


def find_order_dependence(
    step: Step[Any, Any] | Stepish,
    input: Any = None,
    *,
    seeds: Iterable[int] = range(50),
    **settings: Unpack[RunSettings],
) -> None:
    """Runs a step under many schedules; raises ``OrderDependent`` for the first two whose results differ.

    Every run is on a virtual clock of its own, with a copy of the input and nothing shared. What is compared is how
    the run ended, value or error, and which events it had at which paths how often. The first seed is run twice: if
    its runs differ, ``NotReproducible`` says that something else than the schedule decides. Threads and processes keep
    their own time: their order is not shuffled.

    >>> from stretto import step
    >>> @step
    ... async def count(names, context):
    ...     total = [0]
    ...     @step
    ...     async def add(name):
    ...         before = total[0]
    ...         await asyncio.sleep(0)  # the others change the total meanwhile
    ...         total[0] = before + len(name)
    ...     async with context.branches() as branches:
    ...         for name in names:
    ...             await branches.start(add, name)
    ...     return total[0]
    >>> find_order_dependence(count, ["a", "bb"])
    Traceback (most recent call last):
    stretto.core.checks.OrderDependent: the result of 'count' depends on the order in which its branches take turns: ...
    """
    whole = as_step(step)
    first: tuple[int, _Seen] | None = None
    for seed in seeds:
        seen = _observe(whole, input, seed, settings)
        if first is None:
            first = seed, seen
            again = _observe(whole, input, seed, settings)
            if again.result != seen.result or again.events != seen.events:
                raise NotReproducible(whole.name, seed, _told(seen, again))
        elif seen.result != first[1].result:
            raise OrderDependent(whole.name, (first[0], seed), _told(first[1], seen))
        elif seen.events != first[1].events:
            raise OrderDependent(whole.name, (first[0], seed), _told(first[1], seen), "course")
    if first is None:
        raise DefinitionError("find_order_dependence needs seeds; leave them out for 50 of them")


def _observe(step: Step[Any, Any], input: Any, seed: int, settings: RunSettings) -> _Seen:
    async def main() -> _Seen:
        own: RunSettings = {**settings, "shared": Shared()}
        opening: AbstractAsyncContextManager[Run[Any]] = start(step, copy.deepcopy(input), **own)
        async with opening as run:
            pass
        events = Counter((event.kind, event.path) for event in run.log)
        return _Seen(run.outcome, comparable(run.outcome), events)

    return VirtualClock(seed).run(main())


def comparable(value: Any) -> Any:
    """Returns a value that equals another one's when the two mean the same: errors by type and words."""
    kind: type[Any] = value.__class__
    if isinstance(value, BaseException):
        return kind, str(value), [comparable(error) for error in getattr(value, "exceptions", ())]
    if _is_row(value):
        return kind, [comparable(item) for item in value]
    if _is_mapping(value):
        return kind, {key: comparable(item) for key, item in value.items()}
    if is_dataclass(kind):
        return kind, [comparable(getattr(value, field.name)) for field in fields(kind)]
    if "__eq__" not in {name for parent in kind.__mro__[:-1] for name in vars(parent)} and not callable(value):
        return kind, {name: comparable(held) for name, held in getattr(value, "__dict__", {}).items()}
    return value


def _is_row(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _told(one: _Seen, other: _Seen) -> tuple[str, str]:
    if one.result != other.result:
        return _words(one.outcome), _words(other.outcome)
    return _difference(one.events, other.events), _difference(other.events, one.events)


def _words(outcome: Outcome[Any]) -> str:
    if isinstance(outcome, Completed):
        return repr(preview(outcome.value))
    error = error_of(outcome)
    return outcome.status if error is None else f"{type(error).__name__}: {error}"


def _difference(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> str:
    more = sorted((one - other).elements())
    return ", ".join(f"{kind} at {path!r}" for kind, path in more[:5]) or "no event that the other lacks"
