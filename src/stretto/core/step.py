"""The one idea, and the one door.

A step turns an input into an output. A workflow is a step made of steps. A step never runs another by itself: it asks
its context. What passes that door is limited, timed, retried, cached, cancelled, recorded and reported: once, in one
place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

from stretto.core.aggregation import AggregationStrategy
from stretto.core.errors import DefinitionError
from stretto.core.events import Event, Path
from stretto.core.outcome import Outcome
from stretto.core.policies import PLAIN, ErrorMode, ParallelResourceLimits, StepPolicy, positive
from stretto.core.settings import Described

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
T = TypeVar("T")


class Step(ABC, Generic[In, Out]):
    """Anything that turns an input into an output.

    ``kind`` is the word for it in logs and on the Gantt. ``transparent`` steps do nothing but ask their context: after
    a crash they are simply gone through again, and what they had finished is not run twice.
    """

    name: str
    policy: StepPolicy = PLAIN
    kind: ClassVar[str] = "step"
    transparent: ClassVar[bool] = False

    @abstractmethod
    async def execute(self, input: In, context: Context) -> Out:
        """Does the work; asks ``context`` for everything that is a step of its own."""

    def children(self) -> Mapping[str, Step[Any, Any]]:
        """Returns the steps that this one is made of, by name; used to notice changed code and to draw."""
        return {}


@dataclass(frozen=True, slots=True)
class Branch(Generic[T]):
    """One execution among siblings: its place, its name and how it ended."""

    index: int
    name: str
    outcome: Outcome[T]


class Branches(ABC):
    """Executions that live and die together."""

    @abstractmethod
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
        """Starts a branch as soon as there is room, and returns its place.

        ``timeout`` (seconds) replaces the limits' ``execution_timeout``. A branch that is not ``required`` may fail
        without stopping its siblings. Of those that wait for room the one with the highest ``priority`` goes first.
        """

    @abstractmethod
    def declare(self, name: str) -> int:
        """Reserves a place for a branch that may never start, and returns it; till then it is ``NotStarted``."""

    @abstractmethod
    def completed(self) -> AsyncIterator[Branch[Any]]:
        """Yields branches in the order in which they end, until all that were started have ended."""

    @abstractmethod
    async def changed(self) -> Branch[Any] | None:
        """Waits for what happens next: returns the next branch that has ended, each of them once.

        Returns None when a branch has given its room back while it waits for a human, when somebody has called
        ``nudge``, and when no branch is left.
        """

    @abstractmethod
    def nudge(self) -> None:
        """Lets ``changed`` return at once: something has happened that its caller waits for beside the branches."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many branches could start now without waiting for a slot."""

    @abstractmethod
    def cancel(self, reason: str = "cancelled") -> None:
        """Stops every branch of this set; leaving the block waits for them."""

    @property
    @abstractmethod
    def outcomes(self) -> list[Outcome[Any]]:
        """The outcomes in declared order."""

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether no further branch is wanted: the value is settled, or a failure has stopped the others."""


Topic = Literal["question", "approval", "decision"]
"""What a human is asked for: to tell, to allow what was proposed, or to decide how a run goes on."""
Risk = Literal["", "low", "medium", "high"]
"""How much harm what is asked about could do."""


@dataclass(frozen=True, kw_only=True)
class Request(Described):
    """A question for a human; ``choices`` are the words that may be chosen, ``default`` stands when time is up.

    ``timeout`` is in seconds; without one the question waits for as long as the run lives, and over restarts.
    ``topic`` and ``risk`` say how it is shown; without ``choices`` any text is an answer. ``details`` are shown, and
    kept as a preview; ``value`` is kept whole, for it may be edited: the answer's ``value`` replaces it.
    """

    question: str
    choices: tuple[str, ...] = ("approve", "reject")
    reason: str = ""
    details: Any = None
    timeout: float | None = None
    default: str | None = None
    topic: Topic = "question"
    risk: Risk = ""
    value: Any = None

    def __post_init__(self) -> None:
        """Refuses a question without an answer."""
        if not isinstance(self.question, str) or not self.question.strip():
            raise DefinitionError(f"a request needs a question, not {self.question!r}")
        positive("a request", "timeout", self.timeout)
        if self.default is not None and self.choices and self.default not in self.choices:
            raise DefinitionError(f"the default {self.default!r} is none of the choices {', '.join(self.choices)}")
        if self.timeout is not None and self.default is None:
            raise DefinitionError("a request with a timeout needs a default: what is answered when nobody does?")
        for setting, known in (("topic", get_args(Topic)), ("risk", get_args(Risk))):
            if getattr(self, setting) not in known:
                words = ", ".join(repr(word) for word in known)
                raise DefinitionError(f"a request's {setting} is one of {words}, not {getattr(self, setting)!r}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a human said: the word chosen, a value (an edit, a text), why, and when (seconds since the Unix epoch).

    ``by`` is ``timeout`` when nobody answered in time.
    """

    choice: str
    value: Any = None
    reason: str = ""
    by: str = ""
    at: float = field(default=0.0, compare=False)

    @property
    def approved(self) -> bool:
        """Whether the answer was ``approve``."""
        return self.choice == "approve"


class Context(ABC):
    """What a running step may ask for: five verbs, and its own path."""

    path: Path

    @abstractmethod
    async def run(self, step: Step[Any, T], input: Any, *, name: str | None = None) -> T:
        """Runs a step as a child of this one, and returns its output."""

    @abstractmethod
    def branches(
        self,
        limits: ParallelResourceLimits | None = None,
        error_mode: ErrorMode | None = None,
        aggregation: AggregationStrategy | None = None,
    ) -> AbstractAsyncContextManager[Branches]:
        """Runs several steps at once; leaving the block waits for all of them.

        Without ``error_mode`` the mode is the aggregation's default, and FAIL_FAST without an aggregation. FAIL_FAST
        raises the first failure of a required branch; FAIL_SLOW raises nothing: the outcomes tell.
        """

    @abstractmethod
    async def ask(self, request: Request) -> Answer:
        """Asks a human, and waits; meanwhile the step's room is free for others and no timeout runs."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Says something: ``Said(text="…")``, ``Progress(done=3, total=7)``; path and time are filled in."""

    @abstractmethod
    def resource(self, type_: type[T]) -> T:
        """Returns what the run was given under this type; raises ``DefinitionError`` when it was given none."""


Stepish = Step[Any, Any] | Callable[..., Awaitable[Any]] | Callable[..., Any]


def check_name(name: str, owner: str = "a step") -> str:
    """Returns the name, or raises ``DefinitionError`` when no path could hold it."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or len(name) > 200:
        raise DefinitionError(f"{owner} cannot be called {name!r}: a name is 1 to 200 printable characters without '/'")
    return name
