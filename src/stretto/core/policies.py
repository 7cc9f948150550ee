"""What may be asked of the runtime: how many, how long, how often, and where."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any, Literal, TypeGuard

from stretto.core.errors import DefinitionError
from stretto.core.settings import Described


def positive(owner: str, setting: str, value: float | None, *, zero: bool = False) -> None:
    """Raises ``DefinitionError`` unless the value is a positive number (or None)."""
    if value is not None:
        number(owner, setting, value, zero=zero)


def number(owner: str, setting: str, value: float, *, zero: bool = False) -> None:
    """Raises ``DefinitionError`` unless the value is a positive number."""
    if not _is_number(value) or not (value > 0 or (zero and value == 0)):
        raise DefinitionError(
            f"{owner}: {setting} must be {'zero or more' if zero else 'greater than 0'}, not {value!r}; "
            "leave it out for the default"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_kind(setting: str, value: object, kind: tuple[type, ...], word: str) -> None:
    if not isinstance(value, kind):
        raise DefinitionError(f"StepPolicy: {setting} must be {word}, not {value!r}; leave it out for the default")


def whole(owner: str, setting: str, value: int, at_least: int = 1) -> None:
    """Raises ``DefinitionError`` unless the value is a whole number of at least ``at_least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise DefinitionError(f"{owner}: {setting} must be a whole number of at least {at_least}, not {value!r}")


class ErrorMode(Enum):
    """When a failing branch stops its siblings."""

    FAIL_FAST = "fail_fast"
    FAIL_SLOW = "fail_slow"


@dataclass(frozen=True, kw_only=True)
class ParallelResourceLimits(Described):
    """How much a set of branches may take: executions, bytes and seconds.

    ``execution_timeout`` bounds each branch (seconds). ``max_memory_per_branch`` is reserved for every branch that
    names no memory of its own, and ``max_total_memory`` is what all live ones may reserve together (bytes); a step
    with ``isolation="process"`` is held to its share by the operating system. ``cancellation_timeout`` is how long a
    cancelled branch may take to stop (seconds) before it is left behind and reported.
    """

    max_concurrent_executions: int = 10
    max_memory_per_branch: int | None = None
    max_total_memory: int | None = None
    execution_timeout: float | None = None
    cancellation_timeout: float = 5.0

    def __post_init__(self) -> None:
        """Refuses limits under which nothing could run."""
        owner = type(self).__name__
        whole(owner, "max_concurrent_executions", self.max_concurrent_executions)
        for name in ("max_memory_per_branch", "max_total_memory"):
            if (value := getattr(self, name)) is not None:
                whole(owner, name, value)
        positive(owner, "execution_timeout", self.execution_timeout)
        number(owner, "cancellation_timeout", self.cancellation_timeout, zero=True)
        if self.max_memory_per_branch and self.max_total_memory and self.max_memory_per_branch > self.max_total_memory:
            raise DefinitionError(
                f"{owner}: max_memory_per_branch ({self.max_memory_per_branch:,} bytes) is more than max_total_memory "
                f"({self.max_total_memory:,} bytes); no branch could ever start"
            )


@dataclass(frozen=True, kw_only=True)
class RetryPolicy(Described):
    """How often a failing idempotent step is tried again, and how long it waits before (seconds).

    Attempt n waits ``wait * factor ** n`` (n from 1), at most ``max_wait``, of which up to the share ``jitter`` is
    taken away at random; an error with a ``retry_after`` attribute (seconds) is waited for that long instead.
    ``on`` names the errors that are worth another try. Source of the jitter: "Exponential Backoff And Jitter" (AWS
    Architecture Blog, 2015), equal jitter.
    """

    attempts: int = 3
    wait: float = 0.1
    factor: float = 2.0
    max_wait: float = 30.0
    jitter: float = 0.5
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        """Refuses a policy that cannot be followed."""
        whole("RetryPolicy", "attempts", self.attempts)
        number("RetryPolicy", "wait", self.wait, zero=True)
        number("RetryPolicy", "factor", self.factor)
        number("RetryPolicy", "max_wait", self.max_wait, zero=True)
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise DefinitionError(f"RetryPolicy: jitter must lie between 0 and 1, not {self.jitter!r}")
        _check_errors("RetryPolicy", "on", self.on)


def _check_errors(owner: str, setting: str, kinds: object) -> None:
    if not _is_row(kinds) or not kinds or not all(_is_error(kind) for kind in kinds):
        raise DefinitionError(
            f"{owner}: {setting} must be a tuple of exception types, as (ConnectionError,), not {kinds!r}; "
            "leave it out for all"
        )


def _is_row(kinds: object) -> TypeGuard[tuple[object, ...]]:
    return isinstance(kinds, tuple)


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


@dataclass(frozen=True, kw_only=True)
class CachePolicy(Described):
    """Keeps a deterministic step's outputs for ``ttl`` seconds; equal calls at one time are made once.

    ``key`` makes the key of an input; without it the input's JSON form is the key. ``maximum`` entries are kept.
    """

    ttl: float = 3600.0
    key: Callable[[Any], Hashable] | None = None
    maximum: int = 10_000

    def __post_init__(self) -> None:
        """Refuses a cache that could keep nothing."""
        number("CachePolicy", "ttl", self.ttl)
        if self.key is not None and not callable(self.key):
            raise DefinitionError(f"CachePolicy: key must be a function of the input, not {self.key!r}")
        whole("CachePolicy", "maximum", self.maximum)


@dataclass(frozen=True, kw_only=True)
class BatchPolicy(Described):
    """Gathers like calls of a step for ``wait`` seconds, or until ``size`` are there, and makes them as one.

    The step then receives a list of inputs and returns a list of outputs, as long and in the same order.
    """

    size: int = 100
    wait: float = 0.01

    def __post_init__(self) -> None:
        """Refuses a batch of nothing."""
        whole("BatchPolicy", "size", self.size)
        number("BatchPolicy", "wait", self.wait, zero=True)


@dataclass(frozen=True, kw_only=True)
class CircuitBreaker(Described):
    """Leaves an external service alone for ``reset`` seconds after ``failures`` failures in a row.

    The state is kept per ``service`` and process. After ``reset`` one call is let through: its success closes the
    circuit, its failure opens it again. ``on`` names the errors that are failures of the service; any other is the
    caller's own, and counts as nothing. Source of the pattern: M. Nygard, "Release It!", 2007.
    """

    service: str
    failures: int = 5
    reset: float = 30.0
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        """Refuses a breaker that could never open or close."""
        if not isinstance(self.service, str) or not self.service:
            raise DefinitionError(f"CircuitBreaker: service must be the name of what it protects, not {self.service!r}")
        whole("CircuitBreaker", "failures", self.failures)
        number("CircuitBreaker", "reset", self.reset, zero=True)
        _check_errors("CircuitBreaker", "on", self.on)


@dataclass(frozen=True)
class ServiceLimit(Described):
    """Makes at most ``maximum`` calls of an external service at once, and fewer when it says that it is overloaded.

    It says so by an error with a ``retry_after`` (seconds), or with a ``status_code`` or ``status`` of 429, 503 or 529
    on it or on its ``response``. That halves the limit, down to ``minimum``, and no call starts before ``retry_after``
    has passed; every success raises it by 1/limit. The limit is kept per ``service`` and process. Source: D. Chiu and
    R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks", 1989.
    """

    service: str
    _: KW_ONLY
    maximum: int = 10
    minimum: int = 1

    def __post_init__(self) -> None:
        """Refuses limits between which there is nothing."""
        if not isinstance(self.service, str) or not self.service:
            raise DefinitionError(f"ServiceLimit: service must be the name of what is called, not {self.service!r}")
        whole("ServiceLimit", "maximum", self.maximum)
        whole("ServiceLimit", "minimum", self.minimum)
        if self.minimum > self.maximum:
            raise DefinitionError(f"ServiceLimit: minimum {self.minimum} is more than maximum {self.maximum}")


@dataclass(frozen=True, kw_only=True)
class AdaptiveTimeout(Described):
    """A timeout learnt from the step's own history in the store.

    It is ``factor`` times the ``percentile`` of the last completed durations, between ``minimum`` and ``maximum``
    (seconds); with fewer than ``samples`` of them it is ``default``.
    """

    default: float = 30.0
    factor: float = 3.0
    percentile: float = 0.95
    minimum: float = 1.0
    maximum: float = 3600.0
    samples: int = 5

    def __post_init__(self) -> None:
        """Refuses settings that name no timeout."""
        for name in ("default", "factor", "minimum", "maximum"):
            number("AdaptiveTimeout", name, getattr(self, name))
        whole("AdaptiveTimeout", "samples", self.samples)
        if not _is_number(self.percentile) or not 0 < self.percentile <= 1:
            raise DefinitionError(
                f"AdaptiveTimeout: percentile must lie above 0 and at most at 1, not {self.percentile!r}"
            )
        if self.minimum > self.maximum:
            raise DefinitionError(f"AdaptiveTimeout: minimum {self.minimum:g} is more than maximum {self.maximum:g}")

    def seconds(self, durations: list[float]) -> float:
        """Returns the timeout for these durations (nearest-rank percentile)."""
        if len(durations) < self.samples:
            return self.default
        ranked = sorted(durations)
        rank = max(0, -(-int(len(ranked) * self.percentile * 1_000_000) // 1_000_000) - 1)
        return min(self.maximum, max(self.minimum, self.factor * ranked[rank]))


Isolation = Literal["none", "thread", "process"]


@dataclass(frozen=True, kw_only=True)
class StepPolicy(Described):
    """How a step is executed; everything is off unless it is asked for.

    ``timeout`` bounds one attempt (seconds). ``idempotent`` says that running twice does no harm: only such steps are
    retried, and run again after a crash. ``critical`` says that a failure of a step that is not idempotent is put
    before a human. ``fallback`` runs on the input when the step has failed with one of ``fallback_on``, ``undo`` takes
    back what a completed step did when a later one fails (it receives the step's output). ``memory`` is reserved
    (bytes). ``version`` changes when the step's meaning does: a resumed run notices. ``duration`` is an estimate for
    planning (seconds).
    """

    timeout: float | AdaptiveTimeout | None = None
    idempotent: bool = False
    retry: RetryPolicy | None = None
    critical: bool = False
    cache: CachePolicy | None = None
    batch: BatchPolicy | None = None
    breaker: CircuitBreaker | None = None
    service: ServiceLimit | None = None
    fallback: Any = field(default=None)
    fallback_on: tuple[type[Exception], ...] = (Exception,)
    undo: Any = field(default=None)
    isolation: Isolation = "none"
    memory: int | None = None
    version: str = ""
    duration: float | None = None
    plain: bool = field(init=False, repr=False, compare=False, default=True)
    """Whether nothing was asked for that the door must look after."""

    def __post_init__(self) -> None:
        """Refuses contradictions."""
        asked = (self.timeout, self.retry, self.cache, self.batch, self.breaker, self.service, self.fallback)
        object.__setattr__(self, "plain", not self.critical and all(setting is None for setting in asked))
        for setting, kind, word in _MUST_BE:
            _check_kind(setting, getattr(self, setting), kind, word)
        if not isinstance(self.timeout, AdaptiveTimeout):
            positive("StepPolicy", "timeout", self.timeout)
        if self.retry is not None and self.retry.attempts > 1 and not self.idempotent:
            raise DefinitionError(
                "a step is retried only when running it twice does no harm: "
                "say idempotent=True, or leave retry out and use fallback= or critical=True"
            )
        if self.critical and self.idempotent:
            raise DefinitionError(
                "critical=True asks a human about steps that may not run twice; with idempotent=True use retry="
            )
        if self.isolation not in ("none", "thread", "process"):
            raise DefinitionError(f"isolation must be 'none', 'thread' or 'process', not {self.isolation!r}")
        if self.memory is not None:
            whole("StepPolicy", "memory", self.memory)
        positive("StepPolicy", "duration", self.duration, zero=True)
        _check_errors("StepPolicy", "fallback_on", self.fallback_on)
        for setting, other in (("fallback", self.fallback), ("undo", self.undo)):
            if other is not None and not hasattr(other, "execute"):
                raise DefinitionError(f"StepPolicy: {setting} must be a step, not {other!r}; make one with @step")


_MUST_BE: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("idempotent", (bool,), "True or False"),
    ("critical", (bool,), "True or False"),
    ("retry", (RetryPolicy, type(None)), "a RetryPolicy"),
    ("cache", (CachePolicy, type(None)), "a CachePolicy"),
    ("batch", (BatchPolicy, type(None)), "a BatchPolicy"),
    ("breaker", (CircuitBreaker, type(None)), "a CircuitBreaker"),
    ("service", (ServiceLimit, type(None)), "a ServiceLimit"),
    ("version", (str,), "text"),
)

PLAIN = StepPolicy()
