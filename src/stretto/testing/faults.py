"""Failure injection: the same step, with what can go wrong going wrong where and when the test says."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from stretto.core.checks import UnusedFault
from stretto.core.errors import DefinitionError
from stretto.core.events import Path
from stretto.core.function import as_step
from stretto.core.policies import positive, whole
from stretto.core.resources import Clock
from stretto.core.step import Context, Step, Stepish
from stretto.runtime.virtual import hang
from stretto.testing.interception import Intercepted, Proceed, Rule, matches

CRASHED = 137
"""The exit status of a process that a fault has ended: what a shell says of one that was killed."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong where a path matches ``at``.

    ``at`` is a name, a path or the end of one; ``*`` stands for any part of a name, ``**`` for anything; without it
    every step is hit. ``delay`` (seconds) comes first, then one of: ``error`` (an exception, its class, or a function
    that makes one) is raised; ``hang`` waits until it is cancelled; ``crash`` ends this process on the spot, as a power
    cut would, with status 137. The first ``skip`` executions pass unharmed, the next ``times`` are hit (default: all
    of them). A ``late`` fault strikes when the step has done its work.

    >>> Fault(at="gather/web_*", error=OSError("down"), times=1)
    Fault(at='gather/web_*', error=OSError('down'), delay=0.0, hang=False, crash=False, times=1, skip=0, late=False)
    """

    at: str = "**"
    error: BaseException | Callable[[], BaseException] | None = None
    delay: float = 0.0
    hang: bool = False
    crash: bool = False
    times: int | None = None
    skip: int = 0
    late: bool = False

    def __post_init__(self) -> None:
        """Refuses a fault that does nothing, or two things at once."""
        owner = f"Fault(at={self.at!r})"
        positive(owner, "delay", self.delay, zero=True)
        whole(owner, "skip", self.skip, at_least=0)
        if self.times is not None:
            whole(owner, "times", self.times)
        if not self.at:
            raise DefinitionError("a fault needs a place: at='name', at='path/to/step' or at='**' for every step")
        chosen = (self.error is not None) + self.hang + self.crash
        if chosen > 1 or (not chosen and not self.delay):
            raise DefinitionError(f"{owner} needs a delay, or exactly one of error, hang and crash (beside a delay)")


def inject(step: Step[Any, Any] | Stepish, faults: Sequence[Fault]) -> Step[Any, Any]:
    """Returns a step that does what ``step`` does, except where a fault hits it or one of the steps it runs.

    It has the step's name and policy, so that paths, retries, timeouts and limits are what they were. Faults are
    counted anew in every run. One that hit nothing raises ``UnusedFault`` when the step has succeeded, and is noted on
    the error when it has not.

    >>> from stretto import step
    >>> from stretto import RetryPolicy
    >>> from stretto.testing import run_virtual
    >>> @step(idempotent=True, retry=RetryPolicy(attempts=2))
    ... async def fetch(url):
    ...     return f"page of {url}"
    >>> run_virtual(inject(fetch, [Fault(at="fetch", error=OSError("down"), times=1)]), "a.example")
    'page of a.example'
    """
    return Faulty(as_step(step), tuple(faults))


class Faulty(Step[Any, Any]):
    """A step into which faults are injected."""

    def __init__(self, step: Step[Any, Any], faults: tuple[Fault, ...]) -> None:
        if not faults:
            raise DefinitionError(
                f"inject({step.name!r}) was given no fault; give at least one, or run the step itself"
            )
        self.step, self.faults = step, faults
        self.name, self.policy = step.name, step.policy
        vars(self).update(kind=step.kind, transparent=step.transparent)
        self._ledgers: WeakKeyDictionary[Context, _Ledger] = WeakKeyDictionary()

    def children(self) -> dict[str, Step[Any, Any]]:
        """Returns the steps that the step is made of."""
        return dict(self.step.children())

    async def execute(self, input: Any, context: Context) -> Any:
        """Executes the step among its faults; another attempt of the same execution goes on counting."""
        ledger = self._ledgers.setdefault(context, _Ledger(self.faults))
        try:
            output = await Intercepted(self.step, ledger).execute(input, context)
        except BaseException as error:
            if ledger.unused:
                error.add_note(str(UnusedFault(ledger.unused, ledger.seen)))
            raise
        if ledger.unused:
            raise UnusedFault(ledger.unused, ledger.seen)
        return output


class _Ledger(Rule):
    """Counts which fault has met how many executions in one run."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._met = [0] * len(faults)
        self.seen: set[Path] = set()

    @property
    def unused(self) -> list[str]:
        """The places of faults that hit nothing."""
        return [fault.at for fault, met in zip(self._faults, self._met, strict=True) if met <= fault.skip]

    async def meet(self, input: Any, context: Context, proceed: Proceed) -> Any:
        """Lets the faults strike that are due here."""
        self.seen.add(context.path)
        due: list[tuple[Fault, int]] = []
        for place, fault in enumerate(self._faults):
            if matches(fault.at, context.path):
                self._met[place] += 1
                hit = self._met[place] - fault.skip
                if hit > 0 and (fault.times is None or hit <= fault.times):
                    due.append((fault, hit))
        for fault, hit in due:
            if not fault.late:
                await _strike(fault, hit, context)
        output = await proceed()
        for fault, hit in due:
            if fault.late:
                await _strike(fault, hit, context)
        return output


async def _strike(fault: Fault, hit: int, context: Context) -> None:
    if fault.delay:
        await context.resource(Clock).sleep(fault.delay)
    if fault.crash:
        os._exit(CRASHED)
    if fault.hang:
        await hang()
    if fault.error is not None:
        raise _made(fault.error, hit)


def _made(error: BaseException | Callable[[], BaseException], hit: int) -> BaseException:
    """Returns the error itself for the first hit, and a copy for later ones where it can be copied."""
    if not isinstance(error, BaseException):
        return error()
    if hit == 1:
        return error
    try:
        made = copy.copy(error)
    except TypeError:  # its constructor takes other arguments than it keeps
        return error
    vars(made).pop("__notes__", None)
    return made
