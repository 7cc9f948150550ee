"""Another way to enter the door: a step whose children are met by a rule before they run.

The step runs in the real context of a real run. Only the steps that it hands to that context are wrapped, and they hand
on wrapped ones in turn; the runtime knows nothing of it, and pays nothing for it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import Any, TypeVar

from stretto.core.aggregation import AggregationStrategy
from stretto.core.events import Event
from stretto.core.outcome import Outcome
from stretto.core.policies import ErrorMode, ParallelResourceLimits
from stretto.core.step import Answer, Branch, Branches, Context, Request, Step
from stretto.runtime.fingerprints import fingerprint

T = TypeVar("T")
Proceed = Callable[[], Awaitable[Any]]


class Rule(ABC):
    """Decides what happens where a step is about to run."""

    @abstractmethod
    async def meet(self, input: Any, context: Context, proceed: Proceed) -> Any:
        """Returns or raises in the step's place; ``await proceed()`` runs it after all."""


class Intercepted(Step[Any, Any]):
    """A step that a rule meets first; all else about it is the step's own."""

    def __init__(self, step: Step[Any, Any], rule: Rule) -> None:
        self.step, self.rule = step, rule
        self.name = step.name
        policy = step.policy
        if policy.fallback is not None:
            policy = replace(policy, fallback=Intercepted(policy.fallback, rule))
        if policy.cache is not None and not policy.version:
            policy = replace(policy, version=fingerprint(step))
        self.policy = policy
        vars(self).update(kind=step.kind, transparent=step.transparent)

    async def execute(self, input: Any, context: Context) -> Any:
        """Lets the rule meet the step."""

        async def proceed() -> Any:
            return await self.step.execute(input, InterceptingContext(context, self.rule))

        return await self.rule.meet(input, context, proceed)

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps that the step is made of."""
        return self.step.children()

    def __eq__(self, other: object) -> bool:
        """Compares the steps, so that like calls are still gathered into one batch."""
        if not isinstance(other, Intercepted):
            return NotImplemented
        return self.step == other.step and self.rule is other.rule

    def __hash__(self) -> int:
        """Hashes the step."""
        return hash((self.step, id(self.rule)))


class InterceptingContext(Context):
    """A real context that wraps the steps it is handed."""

    def __init__(self, context: Context, rule: Rule) -> None:
        self._context, self._rule = context, rule
        self.path = context.path

    async def run(self, step: Step[Any, T], input: Any, *, name: str | None = None) -> T:
        """Runs a step as a child, met by the rule."""
        output: T = await self._context.run(Intercepted(step, self._rule), input, name=name)
        return output

    def branches(
        self,
        limits: ParallelResourceLimits | None = None,
        error_mode: ErrorMode | None = None,
        aggregation: AggregationStrategy | None = None,
    ) -> AbstractAsyncContextManager[Branches]:
        """Opens a set of branches, each met by the rule."""
        return _Opening(self._context.branches(limits, error_mode, aggregation), self._rule)

    async def ask(self, request: Request) -> Answer:
        """Asks a human."""
        return await self._context.ask(request)

    def emit(self, event: Event) -> None:
        """Says something."""
        self._context.emit(event)

    def resource(self, type_: type[T]) -> T:
        """Returns what the run was given under this type."""
        return self._context.resource(type_)


class _Opening(AbstractAsyncContextManager[Branches]):
    """The block around a set of branches."""

    def __init__(self, opening: AbstractAsyncContextManager[Branches], rule: Rule) -> None:
        self._opening, self._rule = opening, rule

    async def __aenter__(self) -> Branches:
        return InterceptingBranches(await self._opening.__aenter__(), self._rule)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        return await self._opening.__aexit__(kind, error, tb)


class InterceptingBranches(Branches):
    """Real branches that wrap the steps they are handed."""

    def __init__(self, branches: Branches, rule: Rule) -> None:
        self._branches, self._rule = branches, rule

    async def start(
        self,
        step: Step[Any, Any],
        input: Any,
        *,
        name: str | None = None,
        timeout: float | None = None,
        required: bool = True,
        priority: float = 0.0,
    ) -> int:
        """Starts a branch, met by the rule."""
        wrapped = Intercepted(step, self._rule)
        return await self._branches.start(
            wrapped, input, name=name, timeout=timeout, required=required, priority=priority
        )

    def declare(self, name: str) -> int:
        """Reserves a place."""
        return self._branches.declare(name)

    def completed(self) -> AsyncIterator[Branch[Any]]:
        """Yields branches in the order in which they end."""
        return self._branches.completed()

    async def changed(self) -> Branch[Any] | None:
        """Waits for what happens next."""
        return await self._branches.changed()

    def nudge(self) -> None:
        self._branches.nudge()

    @property
    def room(self) -> int:
        """How many branches could start now."""
        return self._branches.room

    def cancel(self, reason: str = "cancelled") -> None:
        """Stops every branch."""
        self._branches.cancel(reason)

    @property
    def outcomes(self) -> list[Outcome[Any]]:
        """The outcomes in declared order."""
        return self._branches.outcomes

    @property
    def settled(self) -> bool:
        """Whether no further branch is wanted."""
        return self._branches.settled


def matches(pattern: str, path: str) -> bool:
    """Says whether a pattern names a path, or the end of one.

    ``*`` stands for any characters of one name, ``**`` for those of several. A name without ``#2`` or ``[17]`` names
    all repeats and items, with one exactly that: ``fetch`` and ``gather/fetch`` name ``gather/fetch#2`` as well.
    """
    whole = _compiled(pattern)
    return bool(whole.fullmatch(path) or whole.fullmatch(_without_repeats(path)))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    words = {"**": ".*", "*": "[^/]*"}
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("(?:.*/)?" + "".join(words.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _without_repeats(path: str) -> str:
    return "/".join(re.sub(r"(\[\d+\]|#\d+)+$", "", name) for name in path.split("/"))
