"""Coverage in greenlets, without asking at every call and return of a function which greenlet runs.

That question is half of what measuring costs. Only SQLAlchemy makes greenlets here, and it enters them in one place;
so each is given a tracer of its own, as each thread is, and the tracers change where a greenlet is entered and left.
Subprocesses measure as coverage does by itself.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from coverage.collector import Collector
from sqlalchemy.util.concurrency import _concurrency_shim as shim


def measure_greenlets_as_threads() -> None:
    """Changes how the collectors that measure now follow greenlets; does nothing where none measures."""
    collectors = [each for each in Collector._collectors if each.concur_id_func is not None]
    if not collectors:
        return
    for collector in collectors:
        collector.concur_id_func = None
        for tracer in collector.tracers:
            tracer.concur_id_func = None
    collector = collectors[-1]
    kind, plain = collector.core.tracer_class, shim._AsyncIoGreenlet
    free: list[Any] = []

    def new() -> Any:
        collector._start_tracer()
        return collector.tracers.pop()  # the collector stops and starts those of threads alone

    class Measured(plain):  # type: ignore[misc, valid-type]
        tracer: Any = None

        def switch(self, *args: Any, **kwargs: Any) -> Any:
            return self._inside(super().switch, *args, **kwargs)

        def throw(self, *args: Any) -> Any:
            return self._inside(super().throw, *args)

        def _inside(self, enter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            outside = sys.gettrace()
            if not isinstance(outside, kind):
                return enter(*args, **kwargs)
            if self.tracer is None:
                self.tracer = free.pop() if free else new()
            self.tracer.start()
            try:
                return enter(*args, **kwargs)
            finally:
                outside.start()
                if self.dead:
                    free.append(self.tracer)
                    self.tracer = None

    shim._AsyncIoGreenlet = Measured


def unmeasured() -> dict[str, str]:
    """Returns the environment of a process whose coverage is not wanted: measuring takes half of its time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
