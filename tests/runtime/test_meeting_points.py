"""Barriers, rendezvous and semaphores between branches of a run."""

import asyncio
from typing import Any

import pytest

from stretto.core.errors import BarrierBroken, DeadlockError, DefinitionError
from stretto.core.function import step
from stretto.core.outcome import Completed, Failed
from stretto.core.resources import Channels, EndOfChannel
from stretto.core.step import Context
from stretto.core.synchronization import Barrier, Rendezvous, Semaphore
from stretto.runtime.run import start
from tests.runtime.stage import go, named, raiser, sleeper, together, virtually


def at(barrier: Barrier, name: str = "party", after: float = 0.0) -> Any:
    async def arrive(x: Any, context: Context) -> Any:
        if after:
            await asyncio.sleep(after)
        return await barrier.wait(context)

    return named(name, arrive)


def values(outcomes: list[Any]) -> list[Any]:
    return [outcome.unwrap() for outcome in outcomes]


def errors(outcomes: list[Any]) -> list[type[BaseException] | None]:
    return [type(outcome.error) if isinstance(outcome, Failed) else None for outcome in outcomes]


def test_parties_of_a_barrier_go_on_together_and_know_their_places() -> None:
    trio = Barrier("trio", 3)
    outcomes = go(together(at(trio, "a", 2), at(trio, "b"), at(trio, "c", 1)))
    assert values(outcomes) == [2, 0, 1]


def test_a_barrier_can_be_used_again() -> None:
    pair = Barrier("pair", 2)

    @step
    async def twice(x: Any, context: Context) -> Any:
        return [await pair.wait(context), await pair.wait(context)]

    assert {tuple(value) for value in values(go(together(twice, twice)))} == {(0, 1), (1, 0)}


def test_a_rendezvous_exchanges_what_each_brought_in_the_order_of_arrival() -> None:
    meeting = Rendezvous("swap")

    def bring(name: str, after: float) -> Any:
        async def brought(x: Any, context: Context) -> Any:
            await asyncio.sleep(after)
            return await meeting.exchange(name, context)

        return named(name, brought)

    first, second = values(go(together(bring("late", 2), bring("early", 1))))
    assert first == second == ["early", "late"]
    first.append("own")
    assert second == ["early", "late"]


def test_a_cancelled_party_leaves_its_place_to_another() -> None:
    pair = Barrier("pair", 2)
    outcomes = go(
        together(at(pair, "gives_up"), at(pair, "a", 2), at(pair, "b", 2), sleeper(9), execution_timeout=None)
    )
    assert errors(outcomes) == [None, None, BarrierBroken, None]

    @step
    async def impatient(x: Any, context: Context) -> Any:
        try:
            async with asyncio.timeout(1):
                await pair.wait(context)
        except TimeoutError:
            return "gave up"

    assert values(go(together(impatient, at(pair, "a", 2), at(pair, "b", 2)))) == ["gave up", 0, 1]


def test_a_failed_party_breaks_the_barrier_for_the_others_and_is_named() -> None:
    trio = Barrier("trio", 3)
    outcomes = go(together(at(trio, "a"), at(trio, "b"), raiser(ValueError("no"), after=1)))
    assert errors(outcomes) == [BarrierBroken, BarrierBroken, ValueError]
    assert str(outcomes[0].error) == (
        "barrier 'trio' needs 3 parties, 2 wait (all/a, all/b), and 'all/bad' ended without arriving"
    )


def test_a_barrier_breaks_when_nobody_else_will_come() -> None:
    trio = Barrier("trio", 3)
    outcomes = go(together(at(trio, "a"), at(trio, "b")))
    assert errors(outcomes) == [BarrierBroken, BarrierBroken]
    assert "2 wait (all/a, all/b), and no other branch will come" in str(outcomes[0].error)


def test_a_broken_barrier_forgets_who_stood_there() -> None:
    trio = Barrier("trio", 3)

    @step
    async def again(x: Any, context: Context) -> Any:
        try:
            return await trio.wait(context)
        except BarrierBroken:
            return await Barrier("pair", 2).wait(context)

    outcomes = go(together(again, again))
    assert sorted(values(outcomes)) == [0, 1]


def test_parties_that_were_failed_by_a_deadlock_do_not_stand_there_any_more() -> None:
    trio = Barrier("trio", 3)
    outcomes = go(together(at(trio), at(trio), at(trio), max_concurrent_executions=2))
    assert errors(outcomes) == [DeadlockError, DeadlockError, BarrierBroken]
    assert "waits for room" in str(outcomes[0].error)
    assert "barrier 'trio' (2 of 3 parties are there)" in str(outcomes[0].error)


def test_parties_in_different_sets_meet() -> None:
    pair = Barrier("pair", 2)
    left, right = together(at(pair, "a"), name="left"), together(at(pair, "b", 3), name="right")
    assert [values(outcome.unwrap()) for outcome in go(together(left, right))] == [[0], [1]]


def test_a_branch_that_has_not_come_yet_may_bring_several_parties() -> None:
    trio = Barrier("trio", 3)
    later = together(sleeper(1), at(trio, "b", 2), at(trio, "c", 3), name="later")
    assert go(together(at(trio, "a"), later))[0] == Completed(0)


def test_a_barrier_in_nested_sets_breaks_when_the_last_that_could_come_has_ended() -> None:
    pair = Barrier("pair", 2)
    left = together(at(pair, "a"), name="left")
    outcomes = go(together(left, sleeper(5)))
    assert errors(outcomes[0].unwrap()) == [BarrierBroken]


def test_one_barrier_with_two_numbers_of_parties_is_refused() -> None:
    outcomes = go(together(at(Barrier("odd", 3), "a"), at(Barrier("odd", 2), "b", 1), at(Barrier("odd", 3), "c", 2)))
    assert errors(outcomes)[1] is DefinitionError
    assert "barrier 'odd' is used with 3 and with 2 parties in one run; give it one number" in str(outcomes[1].error)


def test_one_semaphore_with_two_numbers_of_permits_is_refused() -> None:
    @step
    async def both(x: Any, context: Context) -> None:
        async with Semaphore("s", 1).hold(context):
            pass
        async with Semaphore("s", 2).hold(context):
            pass

    with pytest.raises(DefinitionError, match="is used with 1 and with 2 permits in one run"):
        go(both)


def test_a_barrier_of_a_set_that_runs_in_turn_is_a_deadlock_at_once() -> None:
    pair = Barrier("pair", 2)

    @step
    async def in_turn(x: Any, context: Context) -> None:
        await context.run(at(pair), x)

    with pytest.raises(BarrierBroken, match="1 wait"):
        go(in_turn)


@pytest.mark.parametrize("permits", [1, 2, 3])
def test_a_semaphore_lets_no_more_in_than_it_has_permits_and_serves_in_order(permits: int) -> None:
    inside, most, served = 0, 0, list[int]()
    doors = Semaphore("doors", permits)

    def guest(number: int) -> Any:
        async def enter(x: Any, context: Context) -> None:
            nonlocal inside, most
            async with doors.hold(context):
                inside += 1
                most = max(most, inside)
                served.append(number)
                await asyncio.sleep(1)
                inside -= 1

        return named(f"guest{number}", enter)

    go(together(*(guest(number) for number in range(7))))
    assert most == permits
    assert served == list(range(7))


def test_a_permit_is_handed_on_when_its_heir_is_cancelled_in_the_same_turn() -> None:
    lock = Semaphore("lock")

    def holding(name: str, seconds: float) -> Any:
        async def hold(x: Any, context: Context) -> str:
            async with lock.hold(context):
                await asyncio.sleep(seconds)
            return name

        return named(name, hold)

    async def main() -> Any:
        freed = asyncio.Event()

        @step
        async def holder(x: Any, context: Context) -> None:
            async with lock.hold(context):
                await freed.wait()
            run.cancel_branch("all/heir", "gone")  # the permit is the heir's already

        async with start(together(holder, holding("heir", 1), holding("next", 1))) as run:
            await asyncio.sleep(1)
            freed.set()
        return run

    outcomes = virtually(main).outcome.unwrap()
    assert [outcome.status for outcome in outcomes] == ["completed", "cancelled", "completed"]


def test_two_semaphores_taken_in_opposite_order_are_a_deadlock_that_names_who_waits_for_whom() -> None:
    one, two = Semaphore("one"), Semaphore("two")

    def taking(first: Semaphore, second: Semaphore, name: str) -> Any:
        async def take(x: Any, context: Context) -> None:
            async with first.hold(context):
                await asyncio.sleep(1)
                async with second.hold(context):
                    pass

        return named(name, take)

    outcomes = go(together(taking(one, two, "a"), taking(two, one, "b")))
    assert errors(outcomes) == [DeadlockError, DeadlockError]
    assert "'all/a' waits for semaphore 'two', held by all/b" in str(outcomes[0].error)
    assert "'all/b' waits for semaphore 'one', held by all/a" in str(outcomes[0].error)


def test_a_deadlock_leaves_every_permit_where_it_was() -> None:
    one, two = Semaphore("one"), Semaphore("two")
    inside = most = 0

    def taking(first: Semaphore, second: Semaphore, name: str) -> Any:
        async def take(x: Any, context: Context) -> None:
            async with first.hold(context):
                await asyncio.sleep(1)
                async with second.hold(context):
                    pass

        return named(name, take)

    @step
    async def after(x: Any, context: Context) -> None:
        nonlocal inside, most
        async with one.hold(context), two.hold(context):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(1)
            inside -= 1

    @step
    async def both(x: Any, context: Context) -> Any:
        await context.run(together(taking(one, two, "a"), taking(two, one, "b")), x)
        return await context.run(together(after, after, after, name="then"), x)

    values(go(both))
    assert most == 1


def test_two_that_wait_for_each_others_items_are_a_deadlock() -> None:
    @step
    async def crossed(x: Any, context: Context) -> Any:
        one, two = context.resource(Channels).open(1), context.resource(Channels).open(1)

        return await context.run(together(named("left", pump(one, two)), named("right", pump(two, one))), x)

    def pump(source: Any, sink: Any) -> Any:
        async def pass_on(x: Any) -> None:
            await sink.send(await source.receive())

        return pass_on

    assert errors(go(crossed)) == [DeadlockError, DeadlockError]


def test_who_waits_for_a_channel_with_a_timeout_gets_the_whole_time_even_if_an_item_is_taken_away() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        channel = context.resource(Channels).open(2)
        loop = asyncio.get_running_loop()

        @step
        async def patient(x: Any) -> Any:
            return await channel.receive(timeout=10), loop.time()

        @step
        async def thief(x: Any) -> Any:
            await asyncio.sleep(1)
            channel.offer("first")  # wakes the patient one ...
            return await channel.receive()  # ... who comes too late

        @step
        async def giver(x: Any) -> None:
            await asyncio.sleep(5)
            channel.offer("second")

        return await context.run(together(patient, thief, giver), x)

    outcomes = go(main)
    assert values(outcomes) == [("second", 5.0), "first", None]


def test_a_channel_that_is_empty_for_too_long_times_out_and_a_closed_one_ends() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        channel = context.resource(Channels).open(1)
        with pytest.raises(TimeoutError):
            await channel.receive(timeout=3)
        assert asyncio.get_running_loop().time() == 3
        await channel.send(1)
        assert not channel.offer(2)
        assert len(channel) == 1
        channel.close()
        with pytest.raises(EndOfChannel):
            channel.offer(3)
        return [item async for item in channel]

    assert go(main) == [1]


def test_closing_a_channel_wakes_who_waits_at_either_end() -> None:
    @step
    async def main(x: Any, context: Context) -> Any:
        full, empty = context.resource(Channels).open(1), context.resource(Channels).open(1)
        full.offer(1)

        @step
        async def sends(x: Any) -> None:
            await full.send(2)

        @step
        async def receives(x: Any) -> None:
            await empty.receive()

        @step
        async def closes(x: Any) -> None:
            await asyncio.sleep(1)
            full.close()
            empty.close()

        return await context.run(together(sends, receives, closes), x)

    assert errors(go(main)) == [EndOfChannel, EndOfChannel, None]


def test_a_cancelled_receiver_passes_its_turn_on() -> None:
    async def main() -> Any:
        @step
        async def work(x: Any, context: Context) -> Any:
            channel = context.resource(Channels).open(4)

            @step
            async def receives(x: Any) -> Any:
                return await channel.receive()

            @step
            async def gives(x: Any) -> None:
                await asyncio.sleep(1)
                channel.offer("item")  # the first receiver's ...
                run.cancel_branch("work/all/receives", "gone")  # ... who goes

            return await context.run(together(receives, receives, gives), x)

        async with start(work) as run:
            pass
        return run.outcome.unwrap()

    assert [outcome.status for outcome in virtually(main)] == ["cancelled", "completed", "completed"]


def test_meetings_of_two_runs_never_mix() -> None:
    pair = Barrier("pair", 2)
    both = together(at(pair), at(pair))

    async def main() -> Any:
        async with start(both) as one, start(both) as other:
            pass
        return [values(run.outcome.unwrap()) for run in (one, other)]

    assert [sorted(places) for places in virtually(main)] == [[0, 1], [0, 1]]
