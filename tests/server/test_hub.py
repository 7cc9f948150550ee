"""What the hub sends: every event once and in order, to those who watch, who come back, who come late or are slow."""

from __future__ import annotations

import gc
import random
import re
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from stretto.core.events import AgentStarted, Answered, Asked, Event, ModelDelta, RunStarted
from stretto.core.records import ExecutionRow
from stretto.server.frames import Frame, Place, encoded, place_of
from stretto.server.hub import BUSY, CALM, LONGEST, Hub
from tests.server.telling import (
    WORKFLOW,
    Told,
    Watcher,
    a_hub,
    a_store,
    all_of,
    beginning,
    end,
    keep,
    read,
    resumed,
    words,
)


def ids(told: list[Told]) -> list[str]:
    return [event.id for event in told]


def said(told: list[Told]) -> str:
    return "".join(event.words for event in told if event.name == "workflow_stream")


def test_events_are_told_with_their_place_and_the_end_when_it_is_closed() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"))
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take([*beginning(), *words("a ", "b ")])
        publisher.take([end()])
        before = await all_of(hub, after="1.0.0")
        assert ids(before) == ["1.2.0", "1.3.0"]
        assert said(before) == "a b "
        publisher.close()
        publisher.close()
        assert [(event.id, event.name) for event in await all_of(hub, after="1.2.0")] == [
            ("1.3.0", "workflow_stream"), ("1.4.0", "workflow_complete"),
        ]  # fmt: skip

    anyio.run(main)


def test_approvals_and_sub_agents_go_out_under_names_of_their_own() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"))
        publisher = hub.publisher(WORKFLOW, "run", 1)
        asked = Asked(
            "lead", 1.0, "q", "May it?", ["approve"], topic="approval", risk="high", value={"x": float("nan")}
        )
        kid = AgentStarted("lead/kid", 1.0, "kid", "kid", "lead", 2)
        publisher.take([*beginning(), asked, Answered("lead", 1.0, "q", "reject", reason="\ud800"), kid])
        told = await all_of(hub, after="0.0.0")
        assert [event.name for event in told] == ["validation_required", "validation_response", "sub_agent_start"]
        assert told[0].data["risk_level"] == "high"
        assert told[0].data["arguments"] == {"x": None}
        assert (told[1].data["approved"], told[1].data["reason"]) == (False, "\ud800")

    anyio.run(main)


def test_one_who_watches_is_woken_for_each_batch_and_gets_it_in_one_piece() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"))
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take(beginning())
        one, everything = Watcher(hub.stream(WORKFLOW)), Watcher(hub.stream())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.watch)
            tasks.start_soon(everything.watch)
            while hub.watching < 2 or not (one.sent and everything.sent):
                await anyio.lowlevel.checkpoint()
            publisher.take(words("a ", "b "))
            assert ids(await one.until(2)) == ["1.2.0", "1.3.0"]
            epoch = (await everything.until(2))[0].id.partition("-")[0]
            assert ids(everything.told) == [f"{epoch}-2", f"{epoch}-3"]
            hub.announce("workflow_update", {"workflow_id": WORKFLOW, "status": "renamed"})
            assert (await one.until(3))[2].id == "1.3.0"  # what stands in no log has no place
            assert (await everything.until(3))[2].name == "workflow_update"
            hub.announce("workflow_update", {"workflow_id": "another"})
            assert len(await everything.until(4)) == 4
            hub.close()
        assert (one.over, everything.over, len(one.told), hub.watching) == (True, True, 3, 0)
        assert await all_of(hub, None) == []

    anyio.run(main)


def test_a_stream_of_everything_goes_on_after_an_id_and_says_when_it_cannot() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"), buffer=65_536)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take([*beginning(), *words("a ", "b ")])
        first = Watcher(hub.stream(None, follow=False))
        await first.watch()
        epoch = first.sent.decode().partition("id: ")[2].partition("-")[0]
        assert ids(await all_of(hub, None, f"{epoch}-2")) == [f"{epoch}-3"]
        assert await all_of(hub, None, f"{epoch}-3") == []
        for strange in (
            f"{epoch}-4",
            "ffffffff-1",
            "nonsense",
            f"{epoch}-",
            f"{epoch}-²",
            "1.2.0",
            f"{epoch}-{'9' * 30}",
        ):
            [reset] = await all_of(hub, None, strange)
            assert (reset.name, reset.data, reset.id) == ("stream_reset", {"reason": "unknown"}, f"{epoch}-3")
        for _ in range(40):
            publisher.take(words("x" * 4000))
        [reset] = await all_of(hub, None, f"{epoch}-2")
        assert (reset.name, reset.data) == ("stream_reset", {"reason": "too_old"})

    anyio.run(main)


def test_what_is_no_longer_kept_is_read_from_the_log() -> None:
    async def main() -> None:
        store = await a_store("run")
        hub = a_hub(store, buffer=65_536)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        log = [*beginning(), *words(*(f"{n} " + "x" * 1000 for n in range(200)))]
        for n in range(0, len(log), 7):
            publisher.take(log[n : n + 7])
        await keep(store, "run", log)
        told = await all_of(hub, after="1.4.0")
        assert ids(told) == [f"1.{n + 1}.0" for n in range(4, 201)]
        assert [event.words.split()[0] for event in told] == [str(n) for n in range(3, 200)]

    anyio.run(main)


def test_a_log_that_is_not_yet_on_disk_is_waited_for_and_then_joined_without_a_gap() -> None:
    async def main() -> None:
        store = await a_store("run")
        hub = a_hub(store, buffer=65_536, send_timeout=5)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        log = [*beginning(), *words(*(f"{n} " + "x" * 1000 for n in range(100)))]
        for event in log:
            publisher.take([event])
        watcher = Watcher(hub.stream(WORKFLOW, "1.0.0"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            await anyio.sleep(0.06)
            assert watcher.told == []
            await keep(store, "run", log[:50])
            await anyio.sleep(0.06)
            await keep(store, "run", log[50:], 50)
            await watcher.until(100)
            publisher.take(words("last"))
            await watcher.until(101)
            hub.close()
        assert ids(watcher.told) == [f"1.{n + 1}.0" for n in range(1, 102)]

    anyio.run(main)


def test_a_stream_ends_when_what_was_told_never_comes_to_disk() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"), buffer=65_536, send_timeout=0.05)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take([*beginning(), *words(*("x" * 2000 for _ in range(100)))])
        watcher = Watcher(hub.stream(WORKFLOW, "1.0.0"))
        with anyio.fail_after(10):
            await watcher.watch()
        assert (watcher.over, watcher.told) == (True, [])

    anyio.run(main)


def test_another_server_tells_what_was_missed_of_all_executions() -> None:
    async def main() -> None:
        store = await a_store("one", "two", "three")
        await keep(store, "one", [*beginning("one"), *words("a ", "b "), end()])
        await keep(store, "two", [*beginning("two"), *words("c "), end("cancelled")])
        hub = a_hub(store)
        assert ids(await all_of(hub, after="0.0.0")) == ["1.2.0", "1.3.0", "1.4.0", "2.2.0", "2.3.0"]
        assert ids(await all_of(hub, after="1.3.0")) == ["1.4.0", "2.2.0", "2.3.0"]
        assert ids(await all_of(hub, after="2.3.0")) == []
        assert ids(await all_of(hub, after="4.0.0")) == []
        for strange in ("5.0.0", "x", "1.2", "1.2.3.4", "-1.0.0", "1.1.0\n", "١.0.0"):
            [reset] = await all_of(hub, after=strange)
            assert (reset.name, reset.data, reset.id) == ("stream_reset", {"reason": "unknown"}, "3.0.0")

    anyio.run(main)


def test_the_words_that_a_dead_process_told_and_did_not_keep_are_told_anew() -> None:
    async def main() -> None:
        store = await a_store("run")
        kept = [*beginning(), *words("a ", "b ")]
        await keep(store, "run", kept)
        hub = a_hub(store)  # the old one had also told "c ", which is lost
        watcher = Watcher(hub.stream(WORKFLOW, "1.4.0"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            while not watcher.sent:
                await anyio.lowlevel.checkpoint()
            publisher = hub.publisher(WORKFLOW, "run", 1)
            publisher.take([*kept, resumed(), *words("C ")])
            await keep(store, "run", [resumed(), *words("C "), end()], len(kept))
            publisher.take([end()])
            publisher.close()
            await watcher.until(2)
            hub.close()
        assert ids(watcher.told) == ["1.4.1", "1.5.1"]
        assert ids(await all_of(hub, after="1.2.0")) == []  # a hub that is closed sends nothing
        other = a_hub(store)
        assert ids(await all_of(other, after="1.4.0")) == ["1.4.1", "1.5.1"]
        assert ids(await all_of(other, after="1.2.0")) == ["1.3.0", "1.4.1", "1.5.1"]

    anyio.run(main)


def test_what_a_run_told_before_it_was_resumed_is_not_told_again() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("run"))
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take([*beginning(), *words("a "), resumed(), *words("b "), resumed(), *words("c ")])
        assert [(event.id, event.words) for event in await all_of(hub, None, None)] == []
        told = await all_of(hub, after="1.3.2")
        assert [(event.id, event.words) for event in told] == [("1.4.2", "c ")]

    anyio.run(main)


def test_a_run_that_cannot_go_on_tells_nothing_of_its_past() -> None:
    async def main() -> None:
        store = await a_store("run")
        hub = a_hub(store)
        past: list[Event] = [RunStarted("", 0.0, "run", "lead", time.time() - 60), *beginning()[1:], *words("a ")]
        await keep(store, "run", past)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take(past)
        publisher.close()
        hub.announce("workflow_complete", {"workflow_id": WORKFLOW, "status": "error"})
        assert ids(await all_of(hub, after="0.0.0")) == ["1.2.0"]

    anyio.run(main)


def test_what_a_repetition_has_taken_over_is_not_told_again() -> None:
    async def main() -> None:
        store = await a_store("run", created_at=time.time() + 100, rerun={"run_id": "old", "mode": "failed"})
        await keep(store, "run", [*beginning(), *words("a ")])
        later = ModelDelta("lead/model", 200.0, "text", "b ")
        await keep(store, "run", [resumed(), later], 4)
        told = await all_of(a_hub(store), after="0.0.0")
        assert [(event.id, event.words) for event in told] == [("1.3.1", "b ")]

    anyio.run(main)


def test_one_who_waits_for_the_next_execution_hears_nothing_of_the_one_before() -> None:
    async def main() -> None:
        store = await a_store("one", "two")
        hub = a_hub(store)
        first = hub.publisher(WORKFLOW, "one", 1)
        first.take([*beginning("one"), *words("a ")])
        watcher = Watcher(hub.stream(WORKFLOW, "2.0.0"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            while not watcher.sent:
                await anyio.lowlevel.checkpoint()
            first.take([*words("b "), end()])
            first.close()
            second = hub.publisher(WORKFLOW, "two", 2)
            second.take([*beginning("two"), *words("c ")])
            await watcher.until(1)
            hub.close()
        assert [(event.id, event.words) for event in watcher.told] == [("2.2.0", "c ")]

    anyio.run(main)


def test_words_are_put_together_under_load_only_and_never_over_something_else() -> None:
    async def main() -> None:
        store = await a_store("run")
        hub = a_hub(store)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        thought = ModelDelta("lead/model", 1.0, "reasoning", "hm ")
        other = words("z ", path="lead/model#2")
        log = [*beginning(), *words("a ", "b "), thought, thought, *words("c "), *other, *words("d ", "e ")]
        publisher.take(beginning())
        publisher.take(log[3:])
        assert len(await all_of(hub, after="1.0.0")) == 8
        busy = a_hub(store)
        busy.load.add(1_000_000)
        publisher = busy.publisher(WORKFLOW, "run", 1)
        assert publisher.pause == LONGEST
        publisher.take(log)
        told = await all_of(busy, after="1.0.0")
        assert [(event.id, event.words) for event in told] == [
            ("1.3.0", "a b "), ("1.5.0", "hm hm "), ("1.6.0", "c "), ("1.7.0", "z "), ("1.9.0", "d e "),
        ]  # fmt: skip
        await keep(store, "run", log)
        inside = await all_of(busy, after="1.8.0")  # amid words that were put together
        assert [(event.id, event.words) for event in inside] == [("1.9.0", "e ")]

    anyio.run(main)


def test_the_pause_grows_with_what_is_told_and_sent_and_is_over_soon() -> None:
    async def main() -> None:
        hub = a_hub(await a_store())
        assert hub.load.pause == 0.0
        hub.load.add(round(CALM / 4))
        assert hub.load.pause == 0.0
        hub.load.add(round((CALM + BUSY) / 4))
        assert 0.0 < hub.load.pause < LONGEST
        hub.load.add(round(BUSY))
        assert hub.load.pause == LONGEST

    anyio.run(main)


def test_one_who_hears_nothing_gets_a_sign_of_life_and_one_who_takes_nothing_is_cut_off() -> None:
    async def main() -> None:
        hub = a_hub(await a_store(), heartbeat=0.05, send_timeout=0.2)
        quiet = Watcher(hub.stream(WORKFLOW))
        cut = anyio.Event()

        async def take_nothing() -> None:
            with anyio.CancelScope() as scope:
                async for _ in hub.stream(None, scope=scope):
                    await anyio.sleep_forever()
            cut.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hub.work)
            tasks.start_soon(quiet.watch)
            tasks.start_soon(take_nothing)
            with anyio.fail_after(10):
                await cut.wait()
                while quiet.sent.count(b"\n:\n\n") < 3:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert quiet.told == []

    anyio.run(main)


def test_one_who_falls_behind_what_is_kept_is_disconnected_and_misses_nothing_when_it_is_back() -> None:
    async def main() -> None:
        store = await a_store("run")
        hub = a_hub(store, buffer=65_536)
        publisher = hub.publisher(WORKFLOW, "run", 1)
        publisher.take(beginning())
        stream = hub.stream(WORKFLOW)
        await anext(stream)
        log = words(*("x" * 1000 for _ in range(200)))
        for event in log:
            publisher.take([event])
        rest = [chunk async for chunk in stream]
        assert rest == []
        await keep(store, "run", [*beginning(), *log])
        assert ids(await all_of(hub, after="1.0.0")) == [f"1.{n + 1}.0" for n in range(1, 201)]

    anyio.run(main)


def test_the_streams_of_a_workflow_that_is_gone_end() -> None:
    async def main() -> None:
        hub = a_hub(await a_store())
        watcher = Watcher(hub.stream(WORKFLOW))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            while not watcher.sent:
                await anyio.lowlevel.checkpoint()
            hub.forget(WORKFLOW)
            hub.forget("another")
        assert watcher.over

    anyio.run(main)


@pytest.mark.parametrize(
    ("rows", "place"),
    [([], "1.0.0"), (["queued"], "1.0.0"), (["completed"], "2.0.0"), (["completed", "interrupted"], "2.0.0")],
)
def test_a_stream_begins_with_the_place_from_which_it_tells(rows: list[Any], place: str) -> None:
    async def main() -> None:
        store = await a_store()
        for n, status in enumerate(rows):
            row = ExecutionRow(run_id=f"r{n}", workflow_id=WORKFLOW, message="m", agent_id="a", status=status)
            await store.records.add_execution(row)
        watcher = Watcher(a_hub(store).stream(WORKFLOW, follow=False))
        await watcher.watch()
        assert watcher.sent == f"retry: 1000\nid: {place}\n\n".encode()

    anyio.run(main)


def test_an_execution_that_goes_on_after_a_later_one_is_told_to_all_who_watch() -> None:
    async def main() -> None:
        store = await a_store("one", "two")
        log = [*beginning("one"), *words("a ")]
        hub = a_hub(store)
        for ordinal, run_id in ((1, "one"), (2, "two")):
            publisher = hub.publisher(WORKFLOW, run_id, ordinal)
            publisher.take([*beginning(run_id), *words("a ")])
            publisher.close()
        watcher = Watcher(hub.stream(WORKFLOW))
        await keep(store, "one", log)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watcher.watch)
            while not watcher.sent:
                await anyio.lowlevel.checkpoint()
            publisher = hub.publisher(WORKFLOW, "one", 1)
            publisher.take([*log, resumed(), *words("b ")])
            while not watcher.over:  # it has to come again
                await anyio.lowlevel.checkpoint()
        assert [(event.id, event.words) for event in await all_of(hub, after="2.2.0")] == [("1.3.1", "b ")]

    anyio.run(main)


def test_an_execution_that_begins_after_a_later_one_tells_nothing_of_that_again() -> None:
    async def main() -> None:
        hub = a_hub(await a_store("one", "two"))
        for ordinal, run_id in ((2, "two"), (1, "one")):
            publisher = hub.publisher(WORKFLOW, run_id, ordinal)
            publisher.take([*beginning(run_id), *words("a ")])
            publisher.close()
        assert ids(await all_of(hub, after="2.2.0")) == ["1.2.0"]

    anyio.run(main)


@pytest.mark.parametrize("seed", [0, 2])
def test_a_client_that_drops_at_random_gets_every_event_once_and_in_order(seed: int) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        store = await a_store("one", "two")
        hub = a_hub(store, buffer=65_536, send_timeout=5)
        held: list[Told] = []
        over = anyio.Event()

        async def run(run_id: str, ordinal: int) -> None:
            log = [*beginning(run_id), *words(*(f"{ordinal}.{n} {'x' * 300}" for n in range(400))), end()]
            publisher = hub.publisher(WORKFLOW, run_id, ordinal)
            at = kept = 0
            while at < len(log):
                to = at + chance.choice((1, 3, 10, 80))
                hub.load.add(chance.choice((0, 0, 100_000)))
                publisher.take(log[at:to])
                at = to
                await anyio.lowlevel.checkpoint()
                if chance.random() < 0.3 or at >= len(log):
                    await keep(store, run_id, log[kept:at], kept)
                    kept = at
            publisher.close()

        async def runs() -> None:
            await run("one", 1)
            await run("two", 2)
            over.set()

        async def client() -> None:
            after = "0.0.0"
            drops = 0
            while drops < 100 or not over.is_set() or ended(held) < 2:
                drops += 1
                sent = b""
                patience = chance.randrange(1, 6)
                with anyio.move_on_after(0.05):
                    stream = hub.stream(WORKFLOW, after)
                    async for chunk in stream:
                        sent += chunk
                        patience -= 1
                        if not patience:
                            sent = sent[: chance.randrange(len(sent))]  # the last packets are lost
                            sent = sent[: sent.rfind(b"\n\n") + 2] if b"\n\n" in sent else b""
                            break
                    await stream.aclose()
                held.extend(read(sent))
                after = held[-1].id if held else after

        def ended(told: list[Told]) -> int:
            return sum(event.name == "workflow_complete" for event in told)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(runs)
                tasks.start_soon(client)
        places = [place for event in held if (place := place_of(event.id))]
        assert places == sorted(set(places))
        spoken = re.findall(r"\d\.\d+", said(held))
        assert spoken == [f"{ordinal}.{n}" for ordinal in (1, 2) for n in range(400)]

    anyio.run(main)


def test_places_are_ordered_as_they_are_told_and_texts_that_are_no_unicode_are_escaped() -> None:
    assert place_of("3.12.1") == Place(3, 1, 12)
    assert Place(3, 1, 12).id == "3.12.1"
    assert encoded("x", {"text": "\ud800"}) == b'event: x\ndata: {"text": "\\ud800"}\n\n'
    assert encoded("x", {"text": "a\nb"}).count(b"\n") == 3


def test_the_memory_of_a_hub_is_bounded_and_its_channels_go_with_their_last_frame() -> None:
    async def main() -> None:
        hub: Hub = a_hub(await a_store(), buffer=65_536)
        for n in range(300):
            publisher = hub.publisher(f"w{n}", "run", 1)
            publisher.take([*beginning(), *words("x" * 1000)])
            publisher.close()
        assert hub.size <= 65_536
        assert hub.channels < 100

    anyio.run(main)


def test_frames_that_are_let_go_of_are_gone_whatever_the_number_of_channels() -> None:
    async def main() -> None:
        hub: Hub = a_hub(await a_store(), buffer=65_536)
        names = [f"one of twenty, {n}" for n in range(20)]
        publishers = [hub.publisher(name, "run", 1) for name in names]
        for publisher in publishers:
            publisher.take(beginning())
        for _ in range(200):
            for publisher in publishers:
                publisher.take(words("x" * 200))
        frames = [each for each in gc.get_objects() if isinstance(each, Frame)]
        kept = sum(each.channel is not None and each.channel.name in names for each in frames)
        assert 50 < kept < 1000
        assert hub.size <= 65_536

    anyio.run(main)
