"""The cache of outputs: keys, time, size, and equal calls that are made once."""

import asyncio
import datetime
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError
from stretto.core.policies import CachePolicy
from stretto.runtime.cache import CacheKey, OutputCache, input_key

POLICY = CachePolicy(ttl=10)
KEY = CacheKey("search", "1", "cats")


@dataclass(frozen=True)
class Query:
    words: str
    limits: dict[Any, int]


class Work:
    """Counts how often it is done; ``gate`` holds it up, ``error`` makes it fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        self.calls += 1
        mine = self.calls
        await asyncio.sleep(0)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return mine


class Bench:
    """A cache with a clock that the test turns."""

    def __init__(self) -> None:
        self.cache, self.work, self.time = OutputCache(), Work(), 0.0

    async def get(self, key: CacheKey = KEY, policy: CachePolicy = POLICY) -> tuple[int, bool]:
        return await self.cache.get_or_call(key, policy, lambda: self.time, self.work)


def inside(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def use() -> None:
        await test(Bench())

    asyncio.run(asyncio.wait_for(use(), 20))


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_an_output_is_kept_until_its_time_is_over():
    async def test(bench: Bench) -> None:
        assert await bench.get() == (1, False)
        bench.time = 9.9
        assert await bench.get() == (1, True)
        bench.time = 10
        assert await bench.get() == (2, False)

    inside(test)


def test_steps_versions_and_inputs_are_kept_apart():
    async def test(bench: Bench) -> None:
        for key in (KEY, KEY._replace(step="other"), KEY._replace(version="2"), KEY._replace(input="dogs")):
            assert (await bench.get(key))[1] is False
            assert (await bench.get(key))[1] is True

    inside(test)


def test_the_entry_that_was_not_asked_for_longest_makes_room():
    async def test(bench: Bench) -> None:
        small = CachePolicy(maximum=2)
        a, b, c = (KEY._replace(input=letter) for letter in "abc")
        for key in (a, b, a, c):
            await bench.get(key, small)
        assert (await bench.get(a, small))[1] is True
        assert (await bench.get(b, small))[1] is False

    inside(test)


def test_an_output_of_none_is_an_output():
    async def test(bench: Bench) -> None:
        async def nothing() -> None:
            return None

        results = [await bench.cache.get_or_call(KEY, POLICY, lambda: 0.0, nothing) for _ in range(2)]
        assert results == [(None, False), (None, True)]

    inside(test)


def test_equal_calls_at_one_time_are_made_once():
    async def test(bench: Bench) -> None:
        results = await asyncio.gather(*(bench.get() for _ in range(5)))
        assert results == [(1, False)] + [(1, True)] * 4
        assert bench.work.calls == 1

    inside(test)


def test_a_failure_goes_to_all_who_wait_and_is_not_kept():
    async def test(bench: Bench) -> None:
        bench.work.error = OSError("down")
        errors = await asyncio.gather(*(bench.get() for _ in range(3)), return_exceptions=True)
        assert errors == [bench.work.error] * 3
        assert bench.work.calls == 1
        bench.work.error = None
        assert await bench.get() == (2, False)

    inside(test)


def test_when_the_one_who_calls_is_cancelled_another_calls():
    async def test(bench: Bench) -> None:
        bench.work.gate.clear()
        calls = [asyncio.create_task(bench.get()) for _ in range(4)]
        await turns()
        calls[1].cancel()
        calls[0].cancel()
        await turns()
        bench.work.gate.set()
        assert await asyncio.gather(*calls[2:]) == [(2, False), (2, True)]
        assert calls[0].cancelled()
        assert calls[1].cancelled()
        assert await bench.get() == (2, True)

    inside(test)


def test_one_who_is_told_to_call_and_cancelled_at_once_hands_on():
    async def test(bench: Bench) -> None:
        bench.work.gate.clear()
        calls = [asyncio.create_task(bench.get()) for _ in range(3)]
        await turns()
        calls[0].cancel()
        await asyncio.sleep(0)  # the second is told now, and has not run
        calls[1].cancel()
        bench.work.gate.set()
        assert await calls[2] == (2, False)

    inside(test)


def test_when_all_are_cancelled_the_next_call_begins_anew():
    async def test(bench: Bench) -> None:
        bench.work.gate.clear()
        calls = [asyncio.create_task(bench.get()) for _ in range(3)]
        await turns()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        bench.work.gate.set()
        assert await bench.get() == (2, False)

    inside(test)


def test_loops_share_what_is_kept_and_not_what_is_under_way():
    cache, work = OutputCache(), 0

    async def call() -> int:
        nonlocal work
        work += 1
        return work

    def get() -> tuple[int, bool]:
        return asyncio.run(use())

    async def use() -> tuple[int, bool]:
        return await cache.get_or_call(KEY, POLICY, lambda: 0.0, call)

    assert [get(), get()] == [(1, False), (1, True)]


@settings(max_examples=40, deadline=None)
@given(actions=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=25))
def test_whoever_is_cancelled_and_when_everyone_else_gets_an_output(actions: list[tuple[int, bool, bool]]):
    async def test(bench: Bench) -> None:
        calls = []
        for place, (pause, cancel, gate) in enumerate(actions):
            (bench.work.gate.set if gate else bench.work.gate.clear)()
            calls.append(asyncio.create_task(bench.get()))
            await turns(pause)
            if cancel:
                calls[place // 2].cancel()
        bench.work.gate.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.cancelled() or call.result()[0] >= 1 for call in calls)
        assert sum(not call.cancelled() and not call.result()[1] for call in calls) <= 1

    inside(test)


# Keys


def test_equal_inputs_have_equal_keys_whatever_their_order():
    def key(input: Any) -> Any:
        return input_key("search", POLICY, input)

    assert key({"a": 1, "b": [2]}) == key({"b": [2], "a": 1})
    assert key(Query("x", {1: 2, 3: 4})) == key(Query("x", {3: 4, 1: 2}))
    assert key([{(1, 2): {3: 4, 5: 6}, "z": None}]) == key([{"z": None, (1, 2): {5: 6, 3: 4}}])
    assert key({1, 2}) == key({2, 1})
    assert key(math.nan) == key(math.nan)


def test_unequal_inputs_have_unequal_keys():
    inputs = [
        1,
        "1",
        True,
        None,
        1.5,
        [1],
        (1,),
        {1},
        {"a": 1},
        {"a": "1"},
        b"1",
        datetime.date(2026, 1, 2),
        Query("x", {}),
    ]
    assert len({input_key("search", POLICY, input) for input in inputs}) == len(inputs)


def test_a_key_function_makes_the_key():
    policy = CachePolicy(key=lambda input: input["id"])
    assert input_key("search", policy, {"id": 7, "lock": object()}) == 7


def test_a_key_function_that_returns_what_cannot_be_a_key_is_refused():
    with pytest.raises(
        DefinitionError, match="step 'search': the key= of its cache must return something hashable, not list"
    ):
        input_key("search", CachePolicy(key=lambda input: [input]), 1)


def test_an_input_without_a_form_is_refused_with_a_way_out():
    with pytest.raises(DefinitionError, match=r"step 'search' has a cache, .* builtins\.object.*CachePolicy\(key="):
        input_key("search", POLICY, {"it": object()})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(DefinitionError, match=r"holds builtins\.list"):
        input_key("search", POLICY, endless)
