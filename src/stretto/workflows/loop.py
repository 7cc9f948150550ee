"""One step, again: over a count, a range or a collection, while or until a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias

from stretto.core.errors import BreakConditionMet, DefinitionError, ExecutionError
from stretto.core.events import Said
from stretto.core.function import FunctionStep, as_step
from stretto.core.outcome import Completed, Outcome
from stretto.core.policies import positive, whole
from stretto.core.resources import Clock
from stretto.core.step import Context, Step, Stepish
from stretto.workflows.condition import Conditional, as_condition, decide, is_step
from stretto.workflows.flow import is_ordered
from stretto.workflows.iteration import Break, Collect, Ended, Kept, LoopResult, LoopState
from stretto.workflows.progress import Ticker
from stretto.workflows.sequential import failure
from stretto.workflows.workflow import Workflow, check_flag, check_kind, check_word, one_step, owner_of, put

Over: TypeAlias = int | range | Collection[Any] | Callable[[Any], Iterable[Any]]
CARRIED = ("item", "last", "index")
"""What a body receives by name when a loop carries."""


@dataclass(frozen=True, kw_only=True)
class LoopWorkflow(Workflow[Any, Any]):
    """Runs ``body`` again and again, as ``body[0]``, ``body[1]`` and so on.

    ``over`` says how often: a count, a range (its end is not part of it), a collection, or a function that makes one
    of the loop's input. With a count, and without ``over``, the body receives the last output (first: the loop's
    input); otherwise the range's number or the collection's item. With ``carry`` it receives a mapping of ``item``,
    ``last`` (first: the loop's input, or None when the items are made of it) and ``index``, so that ``def add(item,
    last)`` accumulates.

    ``while_`` is asked about the last output before each iteration, ``until`` after each. Without ``over`` there must
    be ``max_iterations``; a loop cut off by it says so with a warning, and in its ``LoopResult``. ``breaks`` are asked
    about the ``LoopState`` before each iteration; a body may also raise ``BreakConditionMet``. ``delay`` passes
    between two iterations (seconds).

    ``collect`` says which outputs are the value. A failure is raised (``on_error="fail_fast"``), ends the loop with
    what there is (``"stop"``), or is left out (``"continue"``). With the latter two, or ``detailed``, the value is
    always a ``LoopResult``.
    """

    name: str = "loop"
    body: Stepish
    over: Over | None = None
    while_: Conditional | None = None
    until: Conditional | None = None
    max_iterations: int | None = None
    breaks: Iterable[Break] = ()
    collect: Collect = Collect.ALL
    carry: bool = False
    delay: float = 0.0
    on_error: Literal["fail_fast", "continue", "stop"] = "fail_fast"
    detailed: bool = False

    def __post_init__(self) -> None:
        """Refuses a loop that could not run, or never end."""
        super().__post_init__()
        owner = owner_of(self)
        body = one_step(self, "body", self.body)
        check_flag(self, "carry", self.carry)
        check_flag(self, "detailed", self.detailed)
        put(self, "body", body.by_name(CARRIED) if self.carry and isinstance(body, FunctionStep) else body)
        put(self, "over", _checked_over(owner, self.over))
        put(self, "breaks", tuple(self.breaks))
        for one in self.breaks:
            check_kind(self, "breaks", one, Break)
        for setting in ("while_", "until"):
            if (condition := getattr(self, setting)) is not None:
                put(self, setting, as_condition(condition, f"{setting} of {owner}"))
        if self.max_iterations is not None:
            whole(owner, "max_iterations", self.max_iterations)
        elif self.over is None:
            raise DefinitionError(
                f"{owner} says neither over= nor max_iterations=, so it might never end; give one of them"
            )
        check_kind(self, "collect", self.collect, Collect)
        positive(owner, "delay", self.delay, zero=True)
        check_word(self, "on_error", self.on_error, ("fail_fast", "continue", "stop"))

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the body, and the steps that decide."""
        body = as_step(self.body)
        deciding = {"while": self.while_, "until": self.until}
        deciding |= {f"break {one.message}": one.condition for one in self.breaks}
        return {body.name: body} | {n: c for n, c in deciding.items() if isinstance(c, Step)}

    async def execute(self, input: Any, context: Context) -> Any:
        """Runs the iterations."""
        result = await _Turning(self, input, context).to_the_end()
        if result.ended == "max_iterations":
            text = f"{owner_of(self)} stopped after its max_iterations ({self.max_iterations}) although it was not done"
            context.emit(Said(context.path, context.resource(Clock).now(), text, "warning"))
        return result if self.detailed or self.on_error != "fail_fast" else result.value


def _checked_over(owner: str, over: Any) -> Any:
    if isinstance(over, int):
        whole(owner, "over", over)
        return over
    if over is None or isinstance(over, range) or (callable(over) and not is_step(over)):
        return over
    if is_ordered(over) and not isinstance(over, Iterator):
        return tuple(over)
    why = "has no order" if isinstance(over, set | frozenset) else "is no collection that can be run over twice"
    raise DefinitionError(
        f"{owner}: over is {over!r}, which {why}; give a count, a range, a list, or a function of the input that "
        "makes one"
    )


class _Turning:
    """One execution of a loop: everything that changes from turn to turn."""

    def __init__(self, loop: LoopWorkflow, input: Any, context: Context) -> None:
        self._loop, self._context = loop, context
        self._body = as_step(loop.body)
        self._by_item = loop.over is not None and not isinstance(loop.over, int)
        self._items, total = _items_of(loop, input)
        self._ticker = Ticker(context, min(total, loop.max_iterations or total)) if total is not None else None
        self._last: Any = None if callable(loop.over) else input
        self._kept = Kept(loop.collect)
        self._outcomes: dict[str, Outcome[Any]] | None = {} if loop.detailed or loop.on_error != "fail_fast" else None
        self._iteration = 0

    async def to_the_end(self) -> LoopResult:
        """Runs iterations until something ends them."""
        loop = self._loop
        while True:
            if (message := await self._break()) is not None:
                return self._result("break", message)
            if loop.while_ is not None and not await self._holds(loop.while_, self._last, "while"):
                return self._result("condition")
            if (item := next(self._items, self)) is self:
                return self._result("done")
            if self._iteration == loop.max_iterations:
                return self._result("max_iterations")
            if self._iteration and loop.delay:
                await self._context.resource(Clock).sleep(loop.delay)
            try:
                ended = await self._turn(item)
            except BreakConditionMet as asked:
                return self._result("break", asked.message)
            if ended is not None:
                return self._result(ended)
            if loop.until is not None and await self._holds(loop.until, self._last, "until"):
                return self._result("condition")

    async def _turn(self, item: Any) -> Ended | None:
        index, self._iteration = self._iteration, self._iteration + 1
        name = f"{self._body.name}[{index}]"
        given: Any = item if self._by_item else self._last
        if self._loop.carry:
            given = {"item": item, "last": self._last, "index": index}
        try:
            output = await self._context.run(self._body, given, name=name)
        except BreakConditionMet:
            raise
        except Exception as error:
            if self._outcomes is None:
                raise
            self._outcomes[name] = failure(error, self._context, name)
            if self._loop.on_error == "fail_fast":
                raise
            return "error" if self._loop.on_error == "stop" else None
        self._last = output
        self._kept.add(output)
        if self._outcomes is not None:
            self._outcomes[name] = Completed(output)
        if self._ticker is not None:
            self._ticker.reached(self._iteration)
        return None

    async def _break(self) -> str | None:
        for number, one in enumerate(self._loop.breaks):
            if await self._holds(one.condition, LoopState(self._iteration, self._last), f"break{number}"):
                return one.message
        return None

    async def _holds(self, condition: Conditional, value: Any, word: str) -> bool:
        owner = owner_of(self._loop)
        return await decide(as_condition(condition, owner), value, self._context, owner, f"{word}[{self._iteration}]")

    def _result(self, ended: Ended, message: str = "") -> LoopResult:
        if self._ticker is not None:
            self._ticker.finished(self._iteration)
        return LoopResult(self._kept.value(), self._iteration, ended, message, self._outcomes or {})


def _items_of(loop: LoopWorkflow, input: Any) -> tuple[Iterator[Any], int | None]:
    over: Any = loop.over
    if over is None:  # without a condition the safety limit is the count
        conditions = loop.while_ is not None or loop.until is not None or bool(tuple(loop.breaks))
        return (count() if conditions else iter(range(loop.max_iterations or 0))), None
    if isinstance(over, int):
        over = range(over)
    elif callable(over):
        over = over(input)
    if not is_ordered(over):
        raise ExecutionError(f"{owner_of(loop)}: over= made {over!r} of the input, which is no ordered collection")
    return iter(over), len(over) if isinstance(over, Sized) else None
