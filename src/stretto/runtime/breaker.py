"""Circuit breakers: a service that keeps failing is left alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from stretto.core.errors import CircuitOpen
from stretto.core.policies import CircuitBreaker

State = Literal["closed", "open", "half-open"]


@dataclass
class _Circuit:
    """What is known of a service: failures in a row, since when it is left alone, and whether a trial is under way."""

    failures: int = 0
    opened: float | None = None
    trying: bool = False


class Breakers:
    """The circuits of this process, one per service. ``now`` is their clock (seconds)."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._circuits: dict[str, _Circuit] = {}
        self._lock = threading.Lock()

    @contextmanager
    def passage(self, policy: CircuitBreaker) -> Generator[None, None, None]:
        """Lets one call through, or raises ``CircuitOpen``; how the block ends is how the call ended.

        An exception of those that the policy names is a failure, another one and a cancellation count as nothing: a
        timeout must be raised inside to be counted.
        A call that began before the circuit opened does not move it any more.
        """
        trial = self.before(policy)
        try:
            yield
        except policy.on:
            self.failure(policy, trial=trial)
            raise
        except BaseException:
            self.neither(policy, trial=trial)
            raise
        self.success(policy, trial=trial)

    def before(self, policy: CircuitBreaker) -> bool:
        """Says whether the call that may be made now is a trial; raises ``CircuitOpen`` when none may be made."""
        with self._lock:
            circuit = self._circuits.setdefault(policy.service, _Circuit())
            if circuit.opened is None:
                return False
            left = circuit.opened + policy.reset - self._now()
            if left > 0 or circuit.trying:
                raise CircuitOpen(policy.service, circuit.failures, left if left > 0 else policy.reset)
            circuit.trying = True
            return True

    def success(self, policy: CircuitBreaker, *, trial: bool) -> None:
        """Notes a success: the service's failures are forgotten, and a trial closes the circuit."""
        with self._lock:
            circuit = self._circuits[policy.service]
            if trial or circuit.opened is None:
                circuit.failures, circuit.opened, circuit.trying = 0, None, False

    def failure(self, policy: CircuitBreaker, *, trial: bool) -> None:
        """Notes a failure: one too many opens the circuit, and so does a trial's."""
        with self._lock:
            circuit = self._circuits[policy.service]
            if not trial and circuit.opened is not None:
                return
            circuit.failures += 1
            if trial or circuit.failures >= policy.failures:
                circuit.opened, circuit.trying = self._now(), False

    def neither(self, policy: CircuitBreaker, *, trial: bool) -> None:
        """Notes that a call was given up: the next may be the trial."""
        if trial:
            with self._lock:
                self._circuits[policy.service].trying = False

    def state(self, policy: CircuitBreaker) -> State:
        """Returns how the circuit of a service stands."""
        with self._lock:
            circuit = self._circuits.get(policy.service, _Circuit())
            if circuit.opened is None:
                return "closed"
            return "open" if self._now() < circuit.opened + policy.reset else "half-open"
