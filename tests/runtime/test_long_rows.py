"""A long row of starts: others get their turn meanwhile, what was started ends, and stopping is seen at once."""

import asyncio

import pytest

from stretto import Context, ErrorMode, ParallelResourceLimits, ParallelWorkflow, run, run_sync, step
from stretto.runtime.branches import TURN
from stretto.runtime.fingerprints import fingerprint, fingerprints

WIDE = ParallelResourceLimits(max_concurrent_executions=100 * TURN)


@step
async def same(value: int) -> int:
    return value


def test_a_long_row_of_starts_lets_others_have_a_turn() -> None:
    ended_meanwhile: list[int] = []

    @step
    async def row(count: int, context: Context) -> int:
        async with context.branches(WIDE) as branches:
            for value in range(count):
                await branches.start(same, value)
            ended_meanwhile.append(sum(outcome.status == "completed" for outcome in branches.outcomes))
        return len(branches.outcomes)

    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> int:
        beside = asyncio.ensure_future(other())
        try:
            return await run(row, 4 * TURN)
        finally:
            beside.cancel()

    assert asyncio.run(both()) == 4 * TURN
    assert turns >= 4
    assert ended_meanwhile[0] >= 2 * TURN


def test_a_failure_during_a_turn_stops_the_row_and_is_raised() -> None:
    started: list[int] = []

    @step
    async def fails_at_first(value: int) -> int:
        if value == 0:
            raise ValueError("no")
        return value

    @step
    async def row(count: int, context: Context) -> None:
        async with context.branches(WIDE, ErrorMode.FAIL_FAST) as branches:
            for value in range(count):
                await branches.start(fails_at_first, value)
                if not branches.settled:
                    started.append(value)

    with pytest.raises(ValueError, match="no"):
        run_sync(row, 4 * TURN)
    assert len(started) <= TURN


def test_a_step_that_stands_in_a_workflow_many_times_has_one_digest() -> None:
    several = ParallelWorkflow(steps=(same, same, same))
    prints = fingerprints(several)
    assert set(prints) == {"parallel", "parallel/same", "parallel/same#2", "parallel/same#3"}
    assert {prints[f"parallel/same{repeat}"] for repeat in ("", "#2", "#3")} == {fingerprint(same)}
    assert several.branch_names is several.branch_names
