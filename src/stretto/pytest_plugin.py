"""Brings stretto's test tools to pytest: the markers ``virtual_clock`` and ``shuffle``, and fixtures.

It touches only tests that bear its markers, so that it lives beside other plugins for async tests, and imports what it
needs when a test needs it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stretto.stores.memory import MemoryStore
    from stretto.testing import StepHarness, VirtualClock

MARKERS = (
    "virtual_clock(patience=5.0, horizon=...): runs an async test on a clock that jumps over every wait; "
    "the settings are those of stretto.testing.VirtualClock",
    "shuffle(seeds=20): runs a test once per seed (a number of them, or a list) on a virtual clock, its tasks taking "
    "turns in an order that the seed decides; a sync test uses the virtual_clock fixture to run what is shuffled",
)
CLOCK, SEED = "virtual_clock", "shuffle_seed"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the markers known."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes one test per seed of those that are shuffled; the seed stands in the test's name."""
    marker = metafunc.definition.get_closest_marker("shuffle")
    if marker is None:
        return
    if not inspect.iscoroutinefunction(metafunc.definition.obj) and CLOCK not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} is marked with shuffle, but is neither async nor takes the virtual_clock "
            "fixture, so nothing would be shuffled"
        )
    seeds = _seeds(metafunc.definition.nodeid, *marker.args, **marker.kwargs)
    if SEED not in metafunc.fixturenames:
        metafunc.fixturenames.append(SEED)
    metafunc.parametrize(SEED, seeds, indirect=True, ids=[f"seed={seed}" for seed in seeds])


def _seeds(owner: str, seeds: Any = 20, **unknown: Any) -> list[int]:
    found = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if unknown or not found or not all(isinstance(seed, int) for seed in found):
        told = ", ".join([f"seeds={seeds!r}", *(f"{name}={value!r}" for name, value in unknown.items())])
        raise pytest.UsageError(f"{owner}: shuffle takes seeds, a number of them or a list of numbers, not {told}")
    return found


@pytest.fixture
def shuffle_seed(request: pytest.FixtureRequest) -> int | None:
    """The seed of a shuffled test, None in others."""
    return getattr(request, "param", None)


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest, shuffle_seed: int | None) -> VirtualClock:
    """The virtual clock that an async test runs on, or that a sync one runs things on; shuffled where marked so."""
    from stretto.testing import VirtualClock

    node: pytest.Item = request.node
    marker = node.get_closest_marker(CLOCK)
    settings: dict[str, Any] = {} if marker is None else dict(marker.kwargs)
    return VirtualClock(shuffle_seed, **settings)


@pytest.fixture
def memory_store() -> MemoryStore:
    """A store in memory."""
    from stretto.stores.memory import MemoryStore

    return MemoryStore()


@pytest.fixture
def harness() -> StepHarness:
    """A stage for single steps, without anything prepared; set its ``outputs`` and ``answers`` in the test."""
    from stretto.testing import StepHarness

    return StepHarness()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Gives marked async tests their clock, whether or not they ask for it."""
    if isinstance(item, pytest.Function) and _is_ours(item) and CLOCK not in item.fixturenames:
        item.fixturenames.append(CLOCK)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs marked async tests on their clock."""
    if not _is_ours(pyfuncitem):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names if name in pyfuncitem.funcargs}
    clock: Any = pyfuncitem.funcargs[CLOCK]
    clock.run(pyfuncitem.obj(**arguments))
    return True


def _is_ours(item: pytest.Function) -> bool:
    marked = any(item.get_closest_marker(name) is not None for name in ("virtual_clock", "shuffle"))
    return marked and inspect.iscoroutinefunction(item.obj)
