"""Measuring what the tests cover, at half of what it costs by itself.

In greenlets it asks at every call and return of a function which greenlet runs. Only SQLAlchemy makes greenlets here,
and it enters them in one place; so each is given a tracer of its own, as each thread is, and the tracers change where
a greenlet is entered and left. A worker would be measured three times, and what began first goes on where what began
last pauses. Subprocesses measure as coverage does by itself, but only those that run what nothing else does.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from coverage import process_startup
from coverage.collector import Collector
from sqlalchemy.util.concurrency import _concurrency_shim as shim

PROCESSES = "COVERAGE_PROCESS"
"""How the variables begin that have a process measured."""
_asked: dict[str, str] = {}


def measure_workers_once(config: pytest.Config) -> None:
    """Ends what has begun to measure this process, where it is a worker: that of its session is still to begin."""
    controller = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    for begun in (getattr(controller, "cov", None), getattr(process_startup, "coverage", None)):
        if begun is not None:
            begun.stop()
            begun._auto_save = False


@contextmanager
def paused(config: pytest.Config) -> Iterator[None]:
    """Measures nothing inside the block."""
    plugin = config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is None or not controller.started:
        yield
        return
    controller.pause()
    try:
        yield
    finally:
        controller.resume()


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
    return {name: value for name, value in os.environ.items() if not name.startswith(PROCESSES)}


def measure_processes(wanted: bool) -> None:
    """Has processes that begin from now on measured, or not."""
    for name in [name for name in os.environ if name.startswith(PROCESSES)]:
        _asked[name] = os.environ.pop(name)
    if wanted:
        os.environ.update(_asked)
