"""Runs a step or a coroutine on a virtual clock, from outside asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeGuard, TypeVar, Unpack, overload

from stretto.core.errors import DefinitionError
from stretto.core.step import Step, Stepish
from stretto.runtime.run import RunSettings, run
from stretto.runtime.virtual import VirtualClock

T = TypeVar("T")


@overload
def run_virtual(main: Coroutine[Any, Any, T], /, *, clock: VirtualClock | None = None) -> T: ...
@overload
def run_virtual(
    main: Step[Any, T], input: Any = None, /, *, clock: VirtualClock | None = None, **settings: Unpack[RunSettings]
) -> T: ...
@overload
def run_virtual(
    main: Stepish, input: Any = None, /, *, clock: VirtualClock | None = None, **settings: Unpack[RunSettings]
) -> Any: ...
def run_virtual(main: Any, input: Any = None, /, *, clock: VirtualClock | None = None, **settings: Any) -> Any:
    """Runs a step with an input (as ``run_sync`` does), or a coroutine, without waiting for any timer.

    ``clock`` is read afterwards (``clock.elapsed``), or brings a seed: ``VirtualClock(seed=7)``. Further settings are
    those of ``run``. Raises ``Hung``, which names who waits where, when nothing is left to wait for.
    """
    clock = clock or VirtualClock()
    if not _is_coroutine(main):
        return clock.run(run(main, input, **settings))
    if input is not None or settings:
        main.close()
        raise DefinitionError(
            "a coroutine has its input already: run_virtual takes an input and settings for steps only"
        )
    return clock.run(main)


def _is_coroutine(value: object) -> TypeGuard[Coroutine[Any, Any, Any]]:
    return isinstance(value, Coroutine)
