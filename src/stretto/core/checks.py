"""What a test finds out about a step: errors that are failed assertions, too.

* StrettoError
  x CheckFailed                  also an AssertionError
    - Hung                       nothing is left that anybody could wait for
    - OrderDependent             the order of the schedule shows in the result
    - NotReproducible            one seed, two results
    - NeverMatched               something was prepared for a step that never ran
      . UnusedFault
      . UnusedOutput
      . UnusedAnswer
    - UnexpectedQuestion         a human was asked who is not there
    - UnexpectedCall             a step ran more often than outputs were prepared for it
    - SomethingLeft              tasks, threads or processes outlived a run
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from stretto.core.errors import StrettoError, listed


class CheckFailed(StrettoError, AssertionError):
    """A test found what it should not have found."""


class Hung(CheckFailed):
    """Every task waits, and neither a timer nor anything outside will wake one."""

    def __init__(self, waits: Sequence[str], at: float, why: str = "nothing is left to wait for") -> None:
        told = "; ".join(waits) or "no task is left"
        super().__init__(f"{why} at {at:g} s of virtual time: {told}")
        self.waits, self.at = tuple(waits), at


class OrderDependent(CheckFailed):
    """Two schedules of the same work gave different results."""

    def __init__(self, name: str, seeds: tuple[int, int], results: tuple[str, str], what: str = "result") -> None:
        super().__init__(
            f"the {what} of {name!r} depends on the order in which its branches take turns: "
            f"seed {seeds[0]} gives {results[0]}, seed {seeds[1]} gives {results[1]}; "
            "look for what branches share and change across an await"
        )
        self.name, self.seeds, self.results = name, seeds, results


class NotReproducible(CheckFailed):
    """The same schedule gave two results, so that nothing can be said about others."""

    def __init__(self, name: str, seed: int, results: tuple[str, str]) -> None:
        super().__init__(
            f"{name!r} gives {results[0]} and then {results[1]} under the same seed {seed}: it keeps something "
            "between runs, or depends on what no seed governs (the wall clock, threads, the network); "
            "make it anew for every run"
        )
        self.name, self.seed, self.results = name, seed, results


class NeverMatched(CheckFailed):
    """Something was prepared for a place where the run never came."""

    noun: ClassVar[str] = "preparation"

    def __init__(self, patterns: Sequence[str], seen: Iterable[str]) -> None:
        super().__init__(
            f"{self.noun} for {listed(patterns)} was never used; the run had {listed(sorted(seen))}: "
            "correct the name, or leave it out"
        )
        self.patterns = tuple(patterns)


class UnusedFault(NeverMatched):
    """A fault that hit no step."""

    noun: ClassVar[str] = "the fault"


class UnusedOutput(NeverMatched):
    """An output that no step returned."""

    noun: ClassVar[str] = "the output"


class UnusedAnswer(NeverMatched):
    """An answer to a question that nobody asked."""

    noun: ClassVar[str] = "the answer"


class UnexpectedQuestion(CheckFailed):
    """A step asked a human, and the test has no answer."""

    def __init__(self, path: str, question: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{path!r} asks {question!r}, and there are answers to {listed(known)} only; "
            "give StepHarness answers={...} with a part of this question"
        )
        self.path, self.question = path, question


class UnexpectedCall(CheckFailed):
    """A step ran more often than outputs were prepared for it."""

    def __init__(self, path: str, prepared: int) -> None:
        super().__init__(
            f"{path!r} runs once more, but only {prepared} outputs were prepared for it; "
            "add one, or give a function of the input"
        )
        self.path, self.prepared = path, prepared


class SomethingLeft(CheckFailed):
    """Tasks, threads or processes outlived what started them."""

    def __init__(self, tasks: Sequence[str], threads: Sequence[str], processes: Sequence[str]) -> None:
        kinds = (("tasks", tasks), ("threads", threads), ("processes", processes))
        told = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in kinds if found)
        super().__init__(f"something is left that should have ended: {told}")
        self.tasks, self.threads, self.processes = tuple(tasks), tuple(threads), tuple(processes)
