"""Never more at once than allowed, never more memory than there is, and no slot is lost."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError
from stretto.core.function import step
from stretto.core.policies import ParallelResourceLimits
from stretto.core.step import Context, Request
from stretto.runtime.run import start
from tests.runtime.stage import SLOW, go, named, sleeper, together, told, virtually, watch


@given(
    st.integers(0, 1000),
    st.integers(1, 4),
    st.integers(10, 60),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10)), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_slots_and_memory_are_never_overdrawn_and_everybody_has_a_turn(
    seed: int, slots: int, total: int, works: list[tuple[int, int]]
) -> None:
    now = {"running": 0, "memory": 0}

    def work(place: int, naps: int, memory: int) -> Any:
        async def use(x: Any) -> int:
            now["running"] += 1
            now["memory"] += memory
            assert now["running"] <= slots
            assert now["memory"] <= total
            for _ in range(naps):
                await asyncio.sleep(naps)
            now["running"] -= 1
            now["memory"] -= memory
            return place

        return named(f"w{place}", use, memory=memory or None)

    steps = [work(place, *how) for place, how in enumerate(works)]
    outcomes = go(together(*steps, max_concurrent_executions=slots, max_total_memory=total), seed=seed)
    assert [outcome.unwrap() for outcome in outcomes] == list(range(len(works)))


@given(st.integers(0, 10_000), st.integers(1, 3), st.lists(st.sampled_from("wfcat"), min_size=1, max_size=10))
@settings(max_examples=60, deadline=None)
def test_every_slot_is_free_again_whatever_became_of_the_branches(seed: int, slots: int, fates: list[str]) -> None:
    """Works, fails, is cancelled while it runs or waits for a slot, asks and is answered or not, times out."""

    def fate(kind: str, place: int) -> Any:
        async def live(x: Any, context: Context) -> None:
            await asyncio.sleep(place % 3)
            if kind == "f":
                raise ValueError
            if kind == "a":
                await context.ask(Request(question="?", timeout=place + 1, default="reject"))
            await asyncio.sleep(100 if kind == "t" else 1)

        return named(f"{kind}{place}", live)

    @step
    async def main(x: Any, context: Context) -> Any:
        limits = ParallelResourceLimits(max_concurrent_executions=slots, max_total_memory=100, max_memory_per_branch=7)
        async with context.branches(limits, SLOW) as branches:

            async def begin(kind: str, place: int) -> None:
                try:
                    async with asyncio.timeout(2 if kind == "c" else None):
                        await branches.start(fate(kind, place), x, timeout=5)
                except TimeoutError:
                    pass

            await asyncio.gather(*(begin(kind, place) for place, kind in enumerate(fates)))
            for place, kind in enumerate(fates):
                if kind == "c":
                    run.cancel_branch(f"main/c{place}")
            async for _ in branches.completed():
                pass
            return branches.room, branches._room._reserved  # type: ignore[attr-defined]

    async def drive() -> Any:
        nonlocal run
        async with start(main) as run:
            pass
        return run.outcome.unwrap()

    run: Any = None
    assert virtually(drive, seed) == (slots, 0)


def test_who_waits_for_room_goes_in_by_priority_and_then_in_order() -> None:
    order: list[str] = []

    def worker(name: str) -> Any:
        async def work(x: Any) -> None:
            order.append(name)
            await asyncio.sleep(1)

        return named(name, work)

    @step
    async def main(x: Any, context: Context) -> None:
        async with context.branches(ParallelResourceLimits(max_concurrent_executions=1)) as branches:
            await branches.start(worker("first"), x)
            waiting = {"low": 0.0, "also low": 0.0, "high": 2.0, "middle": 1.0}
            await asyncio.gather(*(branches.start(worker(name), x, priority=by) for name, by in waiting.items()))

    go(main)
    assert order == ["first", "high", "middle", "low", "also low"]


def test_how_long_a_branch_waited_for_room_is_in_the_log() -> None:
    run = watch(together(sleeper(4, "a"), sleeper(1, "b"), max_concurrent_executions=1))
    assert [event.queued for event in told(run, "step_started")] == [0, 0, 4]


def test_a_step_names_its_own_memory_and_others_are_given_what_the_limits_say() -> None:
    run = watch(together(sleeper(4, "a", memory=60), sleeper(1, "b"), max_memory_per_branch=50, max_total_memory=100))
    assert [event.queued for event in told(run, "step_started")] == [0, 0, 4]


def test_a_step_that_needs_more_memory_than_all_may_take_is_refused() -> None:
    with pytest.raises(DefinitionError, match="a branch reserves 101 bytes, but all branches together may take 100"):
        go(together(sleeper(1, memory=101), max_total_memory=100))
    with pytest.raises(DefinitionError, match="reserves 101 bytes"):
        go(together(*[sleeper(1)] * 2, sleeper(1, memory=101), max_concurrent_executions=1, max_total_memory=100))


def test_memory_without_a_limit_is_that_of_the_machine() -> None:
    assert go(together(sleeper(1, memory=1000), max_concurrent_executions=2))[0].status == "completed"
