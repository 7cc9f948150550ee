"""Batching of like calls: when a batch is made, what everyone gets, and who calls when the first is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import WrongBatch
from stretto.core.policies import BatchPolicy
from stretto.runtime.batching import Batcher

AT_ONCE = BatchPolicy(size=100, wait=0)
FOR_LONG = BatchPolicy(size=100, wait=600)


class Service:
    """Doubles what it gets, and notes the batches; ``gate`` holds it up."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, inputs: list[Any]) -> list[Any]:
        self.batches.append(inputs)
        await asyncio.sleep(0)
        await self.gate.wait()
        return [2 * item for item in inputs]


def inside(test: Callable[[Batcher, Service], Awaitable[None]]) -> None:
    async def use() -> None:
        await test(Batcher(), Service())

    asyncio.run(asyncio.wait_for(use(), 20))


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_calls_that_come_together_are_made_as_one_and_get_their_own_outputs():
    async def test(batcher: Batcher, service: Service) -> None:
        outputs = await asyncio.gather(*(batcher.call("double", 1, AT_ONCE, item, service) for item in (3, 1, 2)))
        assert outputs == [6, 2, 4]
        assert service.batches == [[3, 1, 2]]

    inside(test)


def test_a_full_batch_does_not_wait():
    async def test(batcher: Batcher, service: Service) -> None:
        policy = BatchPolicy(size=2, wait=600)
        calls = [asyncio.create_task(batcher.call("double", 1, policy, item, service)) for item in range(5)]
        assert await asyncio.gather(*calls[:4]) == [0, 2, 4, 6]
        assert service.batches == [[0, 1], [2, 3]]
        calls[4].cancel()

    inside(test)


def test_a_batch_is_made_when_it_has_waited_long_enough():
    async def test(batcher: Batcher, service: Service) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await batcher.call("double", 1, BatchPolicy(size=100, wait=0.05), 4, service) == 8
        assert loop.time() - began >= 0.04

    inside(test)


def test_unlike_calls_are_not_gathered():
    async def test(batcher: Batcher, service: Service) -> None:
        await asyncio.gather(batcher.call("a", 1, AT_ONCE, 1, service), batcher.call("a", 2, AT_ONCE, 2, service))
        assert service.batches == [[1], [2]]

    inside(test)


def test_what_the_call_raises_every_caller_raises():
    async def broken(inputs: list[Any]) -> list[Any]:
        raise OSError(f"down for {inputs}")

    async def test(batcher: Batcher, service: Service) -> None:
        calls = (batcher.call("double", 1, AT_ONCE, item, broken) for item in (1, 2))
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [str(error) for error in errors] == ["down for [1, 2]"] * 2
        assert await batcher.call("double", 1, AT_ONCE, 5, service) == 10

    inside(test)


@pytest.mark.parametrize(("given_back", "told"), [([1], "a list of 1"), ((1, 2), "tuple"), (None, "NoneType")])
def test_a_step_that_does_not_answer_every_input_is_named_with_the_numbers(given_back: Any, told: str):
    async def wrong(inputs: list[Any]) -> Any:
        return given_back

    async def test(batcher: Batcher, service: Service) -> None:
        calls = (batcher.call("double", 1, AT_ONCE, item, wrong) for item in (1, 2))
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, WrongBatch)
            assert "step 'double' was called with a batch of 2 inputs" in str(error)
            assert str(error).endswith(f"it returned {told}")

    inside(test)


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_a_caller_who_is_cancelled_while_a_batch_is_gathered_leaves_it(cancelled: int):
    async def test(batcher: Batcher, service: Service) -> None:
        policy = BatchPolicy(size=4, wait=600)
        calls = [asyncio.create_task(batcher.call("double", 1, policy, item, service)) for item in range(3)]
        await turns()
        calls[cancelled].cancel()
        await turns()
        calls += [asyncio.create_task(batcher.call("double", 1, policy, item, service)) for item in (3, 4)]
        outputs = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(outputs.pop(cancelled), asyncio.CancelledError)
        left = [item for item in range(5) if item != cancelled]
        assert outputs == [2 * item for item in left]
        assert service.batches == [left]

    inside(test)


def test_when_the_caller_who_calls_is_cancelled_the_next_calls_for_those_who_are_left():
    async def test(batcher: Batcher, service: Service) -> None:
        service.gate.clear()
        calls = [asyncio.create_task(batcher.call("double", 1, AT_ONCE, item, service)) for item in range(4)]
        await asyncio.wait_for(asyncio.sleep(0.01), 5)
        assert service.batches == [[0, 1, 2, 3]]
        calls[2].cancel()
        calls[0].cancel()
        await turns()
        service.gate.set()
        assert await asyncio.gather(calls[1], calls[3]) == [2, 6]
        assert service.batches == [[0, 1, 2, 3], [1, 3]]
        assert calls[0].cancelled()
        assert calls[2].cancelled()

    inside(test)


def test_when_all_callers_are_cancelled_the_next_call_begins_anew():
    async def test(batcher: Batcher, service: Service) -> None:
        calls = [asyncio.create_task(batcher.call("double", 1, FOR_LONG, item, service)) for item in range(3)]
        await turns()
        for call in reversed(calls):
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert service.batches == []
        assert await batcher.call("double", 1, AT_ONCE, 7, service) == 14

    inside(test)


def test_one_who_is_told_to_lead_and_cancelled_at_once_hands_on():
    async def test(batcher: Batcher, service: Service) -> None:
        policy = BatchPolicy(size=4, wait=600)
        calls = [asyncio.create_task(batcher.call("double", 1, policy, item, service)) for item in range(3)]
        await turns()
        calls[0].cancel()
        await asyncio.sleep(0)  # the second is told now, and has not run
        calls[1].cancel()
        await turns()
        calls += [asyncio.create_task(batcher.call("double", 1, policy, item, service)) for item in (3, 4, 5)]
        assert await asyncio.gather(*calls[2:]) == [4, 6, 8, 10]

    inside(test)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 5), actions=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=25))
def test_whoever_is_cancelled_and_when_everyone_else_gets_the_output_of_his_input(
    size: int, actions: list[tuple[int, bool]]
):
    async def test(batcher: Batcher, service: Service) -> None:
        policy = BatchPolicy(size=size, wait=0.001)
        calls = []
        for item, (pause, cancel) in enumerate(actions):
            calls.append(asyncio.create_task(batcher.call("double", 1, policy, item, service)))
            await turns(pause)
            if cancel:
                calls[item // 2].cancel()
        outputs = await asyncio.gather(*calls, return_exceptions=True)
        for item, (call, output) in enumerate(zip(calls, outputs, strict=True)):
            assert call.cancelled() or output == 2 * item
        assert all(len(batch) <= size for batch in service.batches)

    inside(test)
