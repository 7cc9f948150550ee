"""Logs of which only the end stays in memory: readers find the rest in the store, and nothing is lost."""

import asyncio
from typing import Any

import pytest

from stretto.core.errors import DefinitionError
from stretto.core.events import Event, Said
from stretto.core.function import step
from stretto.core.step import Context
from stretto.runtime.run import Run, start
from stretto.stores.memory import MemoryStore
from tests.runtime.stage import named, virtually


@step
async def talk(count: int, context: Context) -> int:
    for number in range(count):
        context.emit(Said(text=str(number)))
        await asyncio.sleep(0.01)
    return count


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Said)]


def test_memory_holds_no_more_than_about_twice_what_is_retained() -> None:
    async def main() -> None:
        most = 0
        async with start(talk, 500, store=MemoryStore(), retain=20) as run:
            async for _ in run.events():
                most = max(most, len(run.state.log.events))
        assert most < 100
        assert run.state.log.dropped > 400

    virtually(main)


def test_readers_get_every_event_from_wherever_they_begin() -> None:
    async def main() -> None:
        store = MemoryStore()
        seen: list[Event] = []
        late: list[Event] = []

        async def read_late(run: Run[Any]) -> None:
            await asyncio.sleep(3)
            late.extend([event async for event in run.events()])

        async with start(talk, 500, store=store, retain=20, run_id="r") as run:
            reading = asyncio.create_task(read_late(run))
            async for events in run.batches():
                seen += events
            await reading
        afterwards = [event async for event in run.events(250)]
        expected = [str(n) for n in range(500)]
        assert texts(seen) == texts(late) == expected
        assert len(seen) == len(late) == len(await store.read("r"))
        assert afterwards == seen[250:]

    virtually(main)


def test_a_log_that_is_not_all_in_memory_cannot_be_had_as_a_list() -> None:
    async def main() -> None:
        async with start(talk, 200, store=MemoryStore(), retain=10, run_id="r") as run:
            pass
        with pytest.raises(DefinitionError, match="run 'r' retains its last events only"):
            _ = run.log

    virtually(main)


def test_a_resumed_run_lets_go_of_its_past_and_its_readers_still_find_it() -> None:
    async def main() -> None:
        store = MemoryStore()
        slow = named("slow", lambda x: asyncio.sleep(1000), idempotent=True)

        @step(idempotent=True)
        async def both(x: int, context: Context) -> int:
            done = await context.run(talk, x)
            await context.run(slow if not again else talk, 3)
            return done

        again = False
        async with start(both, 300, store=store, retain=10, run_id="r", on_change="accept") as run:
            await asyncio.sleep(20)
            run.suspend()
        again = True
        async with start(both, 300, store=store, retain=10, run_id="r", on_change="accept") as run:
            seen = [event async for event in run.events()]
        assert run.outcome.unwrap() == 300
        assert texts(seen) == [*map(str, range(300)), "0", "1", "2"]
        assert len(seen) == len(await store.read("r"))

    virtually(main)


def test_what_is_retained_needs_a_store_and_a_whole_number() -> None:
    async def main() -> None:
        with pytest.raises(DefinitionError, match="retain needs a store"):
            async with start(talk, 1, retain=10):
                pass
        with pytest.raises(DefinitionError, match="retain"):
            async with start(talk, 1, retain=0, store=MemoryStore()):
                pass

    virtually(main)
