"""What every store must do: in memory, in a SQLite file, in PostgreSQL."""

import subprocess
import sys
import time
from unittest.mock import ANY

import pytest

from stretto.core.codec import LargeValue, decode
from stretto.core.errors import DefinitionError, RunBusy, RunNotFound, StoreError
from stretto.core.events import (
    Asked,
    ErrorRecord,
    RunResumed,
    RunStarted,
    Said,
    StepCompleted,
    StepRetrying,
    StepStarted,
)
from stretto.core.journal import Line, owner_of_this_process
from stretto.core.step import Answer
from stretto.stores import owner as owners
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from tests.stores.logs import DEAD, ended, failed, keep, started, step, written
from tests.stores.postgres_server import empty_tables

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request, tmp_path):
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "sqlite":
        made = SqlStore(tmp_path / "runs.db")
    else:
        made = SqlStore(await empty_tables())
    async with made:
        yield made


# -- the journal -------------------------------------------------------------------------------------------------------


async def test_what_was_appended_is_read_in_order_and_exactly(store):
    lines = written(
        [started("r1"), *step("a", 0.1, 0.1 + 0.2, {"text": "é \u2028 \x00 \U0001f600", "n": [1, 2.5, None]})]
    )
    assert await store.claim("r1", owner_of_this_process()) == 0
    await store.append("r1", lines[:1])
    await store.append("r1", lines[1:])
    assert await store.read("r1") == lines
    assert await store.read("r1", 2) == lines[2:]
    assert await store.read("r1", 3) == []
    assert all(type(line) is Line for line in await store.read("r1"))


async def test_groups_of_any_size_are_kept(store):
    owner = owner_of_this_process()
    await store.claim("r1", owner)
    lines = [Line(seq, "said", f"step/{seq}", seq / 7, '{"text":"x"}') for seq in range(5000)]
    for start, end in ((0, 0), (0, 1), (1, 3), (3, 6), (6, 15), (15, 32), (32, 5000)):
        await store.append("r1", lines[start:end])
    assert await store.read("r1") == lines


async def test_an_unknown_run_and_one_without_lines_are_not_found(store):
    with pytest.raises(RunNotFound, match="there is no run 'r1'"):
        await store.read("r1")
    await store.claim("r1", owner_of_this_process())
    with pytest.raises(RunNotFound):
        await store.read("r1")
    for asked in (store.summary, store.cancel_requested, store.answers, store.request_cancel, store.delete):
        with pytest.raises(RunNotFound):
            await asked("r0")
    with pytest.raises(RunNotFound):
        await store.post_answer("r0", "q", "approve")


async def test_a_place_that_is_taken_or_leaves_a_gap_is_refused_and_nothing_is_written(store):
    owner = await keep(store, "r1", [started("r1"), *step("a", 0.0, 1.0)], release=False)
    with pytest.raises(StoreError, match="place 2, which is taken"):
        await store.append("r1", written(step("b", 1.0, 2.0), first=2))
    with pytest.raises(StoreError, match="place 5, and leaves a gap: the next place is 3"):
        await store.append("r1", written(step("b", 1.0, 2.0), first=5))
    with pytest.raises(StoreError, match="place 5"):
        await store.append("r1", [*written([StepStarted("b", 1.0)], 3), *written([StepStarted("c", 1.0)], 5)])
    assert len(await store.read("r1")) == 3
    await store.append("r1", written(step("b", 1.0, 2.0), first=3))
    assert (await store.summary("r1")).steps.completed == 2
    await store.release("r1", owner)


async def test_a_line_that_cannot_be_understood_is_refused_and_nothing_is_written(store):
    await keep(store, "r1", [started("r1"), *step("a", 0.0, 1.0)], release=False)
    with pytest.raises(StoreError, match="'exploded', which is no status"):
        await store.append("r1", written([*step("b", 1.0, 2.0), ended(3.0, "exploded")], first=3))
    assert len(await store.read("r1")) == 3
    await store.append("r1", written([*step("b", 1.0, 2.0), ended(3.0)], first=3))
    assert (await store.summary("r1")).steps.completed == 2


async def test_only_who_claimed_a_run_writes_it(store):
    with pytest.raises(StoreError, match="was not claimed by this store"):
        await store.append("r1", written([started("r1")]))
    owner = await keep(store, "r1", release=False)
    with pytest.raises(RunBusy, match="is being written by"):
        await store.claim("r1", owner)
    await store.release("r1", "somebody else")
    with pytest.raises(RunBusy):
        await store.claim("r1", owner_of_this_process())
    await store.release("r1", owner)
    await store.release("r1", owner)
    assert await store.claim("r1", owner_of_this_process()) == 4
    await store.release("r0", owner)


def waiting_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


async def test_the_run_of_a_dead_process_can_be_claimed(store):
    child = waiting_process()
    theirs = owner_of_this_process().split(":")
    theirs[1] = str(child.pid)
    await store.claim("r1", ":".join(theirs))
    await store.append("r1", written([started("r1"), *step("a", 0.0, 1.0)]))
    with pytest.raises(RunBusy):
        await store.claim("r1", owner_of_this_process())
    assert (await store.summary("r1")).status == "running"
    child.kill()
    child.communicate()
    assert (await store.summary("r1")).status == "interrupted"
    assert await store.claim("r1", owner_of_this_process()) == 3
    assert (await store.summary("r1")).status == "running"


async def test_an_owner_elsewhere_lives_as_long_as_it_gives_signs(store, monkeypatch):
    await store.claim("r1", DEAD)
    await store.append("r1", written([started("r1")]))
    with pytest.raises(RunBusy):
        await store.claim("r1", owner_of_this_process())
    monkeypatch.setattr(owners, "SILENCE", -1.0)
    assert await store.claim("r1", owner_of_this_process()) == 1


async def test_a_claimed_run_without_lines_is_queued_and_leaves_no_trace_when_released(store):
    owner = owner_of_this_process()
    await store.claim("r1", owner)
    assert [(run.id, run.status, run.events) for run in await store.runs()] == [("r1", "queued", 0)]
    await store.release("r1", owner)
    assert await store.runs() == []


# -- durations ---------------------------------------------------------------------------------------------------------


async def test_durations_are_those_of_executions_newest_first(store):
    events = [
        started("r1"),
        *step("map/square[0]", 0.0, 1.0),
        *step("map/square[1]", 0.0, 2.0),
        *step("square#2", 1.0, 4.0),
        *step("square", 1.0, 9.0, source="cache"),
        *failed("square#3", 1.0, 8.0),
        StepCompleted("square#4", 8.0),
        *step("other/[7]", 1.0, 1.5),
    ]
    await keep(store, "r1", events)
    assert await store.durations("square") == [3.0, 2.0, 1.0]
    assert await store.durations("square", 2) == [3.0, 2.0]
    assert await store.durations("other") == [0.5]
    assert await store.durations("unknown") == []


async def test_a_step_that_began_in_one_group_is_measured_in_the_next(store):
    await keep(store, "r1", [started("r1"), StepStarted("a", 1.0)], release=False)
    await store.append("r1", written([StepCompleted("a", 1.5)], 2))
    assert await store.durations("a") == [0.5]


async def test_the_last_thousand_durations_are_kept(store):
    for run in range(3):
        events = [event for n in range(600) for event in step(f"a#{n}", 0.0, run * 1000.0 + n)]
        await keep(store, f"r{run}", [started(f"r{run}"), *events])
    kept = await store.durations("a", 5000)
    assert len(kept) == 1000
    assert (kept[0], kept[600], kept[-1]) == (2599.0, 1599.0, 1200.0)


# -- summaries ---------------------------------------------------------------------------------------------------------


async def test_a_summary_tells_what_the_log_amounts_to(store):
    error = ErrorRecord("ValueError", "no", "b")
    events = [
        started("r1", "survey", 1000.0, team="blue"),
        *step("a", 0.0, 1.0),
        StepRetrying("b", 1.0, 1, error, 0.1),
        *failed("b", 1.0, 2.0),
        ended(2.5, "failed", error),
    ]
    owner = await keep(store, "r1", events, release=False)
    summary = await store.summary("r1")
    assert (summary.name, summary.status, summary.owner, summary.labels) == (
        "survey",
        "failed",
        owner,
        {"team": "blue"},
    )
    assert (summary.started_at, summary.ended_at, summary.duration) == (1000.0, 1002.5, 2.5)
    assert (summary.steps.started, summary.steps.completed, summary.steps.failed, summary.steps.retried) == (2, 1, 1, 1)
    assert summary.error == "ValueError: no"
    assert summary.size == sum(len(line.data) for line in await store.read("r1"))
    assert summary.events == 7
    assert await store.runs() == [summary]
    await store.release("r1", owner)
    assert (await store.summary("r1")).owner is None


async def test_a_live_run_is_running_and_one_that_was_left_is_interrupted(store):
    begun = time.time() - 50
    owner = await keep(store, "r1", [started("r1", started_at=begun), *step("a", 0.0, 7.0)], release=False)
    summary = await store.summary("r1")
    assert (summary.status, summary.ended_at) == ("running", None)
    assert 50 <= summary.duration < 100
    await store.release("r1", owner)
    summary = await store.summary("r1")
    assert (summary.status, summary.ended_at, summary.duration) == ("interrupted", None, 7.0)


async def test_a_resumed_run_runs_again_and_goes_on_counting(store):
    await keep(store, "r1", [started("r1"), *failed("a", 0.0, 1.0), ended(1.0, "failed", ErrorRecord("E", "m"))])
    owner = owner_of_this_process()
    assert await store.claim("r1", owner) == 4
    await store.append("r1", written([RunResumed("", 60.0, 0)], 4))
    summary = await store.summary("r1")
    assert (summary.status, summary.error, summary.ended_at) == ("running", None, None)
    await store.append("r1", written([*step("a", 60.0, 61.0), ended(62.0)], 5))
    summary = await store.summary("r1")
    assert (summary.status, summary.steps.started, summary.steps.completed, summary.steps.failed) == (
        "completed",
        2,
        1,
        1,
    )
    assert (summary.ended_at, summary.events) == (1062.0, 8)


async def test_runs_come_newest_first_in_pages(store):
    for number, begun in enumerate((300.0, 100.0, 200.0, 200.0)):
        await keep(store, f"r{number}", started_at=begun)
    assert [run.id for run in await store.runs()] == ["r0", "r3", "r2", "r1"]
    assert [run.id for run in await store.runs(2)] == ["r0", "r3"]
    assert [run.id for run in await store.runs(2, 3)] == ["r1"]
    assert [run.id for run in await store.runs(None, 1)] == ["r3", "r2", "r1"]
    assert [run.id for run in await store.runs(0)] == []
    assert await store.count_runs() == 4


async def test_runs_are_found_by_status_name_text_and_time(store):
    await keep(store, "r1", name="Survey", started_at=100.0, team="blue")
    error = ErrorRecord("ValueError", "100%_wrong")
    await keep(store, "r2", [started("r2", "ingest", 200.0), ended(1.0, "failed", error)])
    await keep(store, "r3", [started("r3", "Survey", 300.0)])
    await keep(store, "r4", [started("r4", "Survey", 400.0)], release=False)

    async def found(**asked):
        ids = [run.id for run in await store.runs(**asked)]
        assert await store.count_runs(**asked) == len(ids)
        return ids

    assert await found(status="completed") == ["r1"]
    assert await found(status="failed") == ["r2"]
    assert await found(status="interrupted") == ["r3"]
    assert await found(status="running") == ["r4"]
    assert await found(status="queued") == []
    assert await found(name="Survey") == ["r4", "r3", "r1"]
    assert await found(name="survey") == []
    assert await found(text="SURVEY") == ["r4", "r3", "r1"]
    assert await found(text="team=Blue") == ["r1"]
    assert await found(text="100%_W") == ["r2"]
    assert await found(text="1%w") == []
    assert await found(since=200.0) == ["r4", "r3", "r2"]
    assert await found(since=200.0, name="Survey", status="interrupted") == ["r3"]


async def test_the_beginning_of_an_id_finds_the_run(store):
    for run_id in ("3f2a10", "3f2b20", "3f2b20-1", "9%0"):
        await keep(store, run_id)
    assert await store.find("3f2a") == "3f2a10"
    assert await store.find("3f2b20") == "3f2b20"
    assert await store.find("9%") == "9%0"
    with pytest.raises(RunNotFound, match="did you mean '3f2b20-1' and '3f2b20'"):
        await store.find("3f2b")
    with pytest.raises(RunNotFound, match="did you mean '3f2a10'"):
        await store.find("3f2a11")
    with pytest.raises(RunNotFound, match="lists what there is"):
        await store.find("zzz")
    with pytest.raises(RunNotFound):
        await store.find("9_")
    with pytest.raises(RunNotFound):
        await store.find("")


# -- events and large values -------------------------------------------------------------------------------------------


async def test_events_come_back_decoded(store):
    await keep(store, "r1", [started("r1", team="blue"), *step("a", 0.0, 1.0, {"rows": (1, 2)}), ended(2.0)])
    events = await store.events("r1")
    assert [event.kind for event in events] == ["run_started", "step_started", "step_completed", "run_ended"]
    assert isinstance(events[0], RunStarted)
    assert events[0].labels == {"team": "blue"}
    assert events[2] == StepCompleted("a", 1.0, {"rows": (1, 2)})
    assert await store.events("r1", 2) == events[2:]


async def test_large_values_are_left_out_on_demand_and_shown_with_their_size(store):
    large = {"text": 'é"\\' * 50_000, "$odd": [1]}
    small = ["x" * 100] * 50
    events = [
        started("r1"),
        *step("a", 0.0, 1.0, large),
        *step("b", 1.0, 2.0, small),
        *step("c", 1.0, 2.0, large),
        Said("c", 2.0, "t" * 100_000, "info", {"k": {str(n): "y" * 500 for n in range(200)}}),
        ended(2.0),
    ]
    await keep(store, "r1", events)
    assert await store.read("r1") == written(events)
    full = await store.events("r1")
    assert (full[2].output, full[4].output, full[6].output) == (large, small, large)
    cut = await store.events("r1", full=False)
    assert cut[2].output == LargeValue(ANY, len('{"$map":[["text",""],["$odd",[1]]]}') + 50_000 * 5, ANY)
    assert cut[2].output == cut[6].output
    assert cut[2].output.start.startswith('{"$map":[["text","é')
    assert cut[4].output == small
    assert cut[7].text == "t" * 100_000
    assert [event.at for event in cut] == [event.at for event in full]


# -- retention ---------------------------------------------------------------------------------------------------------


async def kept_ids(store):
    return [run.id for run in await store.runs(None)]


async def test_pruning_removes_what_is_old_or_too_many(store):
    now = time.time()
    for number, days in enumerate((1, 2, 3, 4)):
        await keep(store, f"r{number}", started_at=now - days * 86400)
    assert await store.prune(older_than=2.5 * 86400, dry_run=True) == ["r2", "r3"]
    assert await kept_ids(store) == ["r0", "r1", "r2", "r3"]
    assert await store.prune(older_than=2.5 * 86400, keep=3) == ["r3"]
    assert await store.prune(keep=1) == ["r1", "r2"]
    assert await store.prune(keep=1) == []
    assert await kept_ids(store) == ["r0"]
    assert await store.prune(older_than=0) == ["r0"]
    with pytest.raises(RunNotFound):
        await store.read("r0")


async def test_pruning_by_status_leaves_the_others_and_whatever_is_live(store):
    await keep(store, "r1", started_at=1.0)
    await keep(store, "r2", [started("r2", started_at=2.0)])
    await keep(store, "r3", [started("r3", started_at=3.0)], release=False)
    assert await store.prune(statuses=["interrupted", "running"]) == ["r2"]
    assert await store.prune(older_than=0) == ["r1"]
    assert await kept_ids(store) == ["r3"]


async def test_pruning_without_a_word_or_with_a_senseless_one_is_refused(store):
    with pytest.raises(DefinitionError, match="needs older_than, keep or statuses"):
        await store.prune()
    for senseless in ({"keep": -1}, {"older_than": -1.0}):
        with pytest.raises(DefinitionError, match="neither may be negative"):
            await store.prune(**senseless)


async def test_a_live_run_is_not_deleted(store):
    owner = await keep(store, "r1", [started("r1")], release=False)
    with pytest.raises(RunBusy):
        await store.delete("r1")
    await store.release("r1", owner)
    await store.delete("r1")
    assert await kept_ids(store) == []
    assert await store.claim("r1", owner) == 0


async def test_a_large_value_stays_while_another_run_holds_it(store):
    large = "x" * 100_000
    for run_id in ("r1", "r2"):
        await keep(store, run_id, [started(run_id), *step("a", 0.0, 1.0, large), ended(2.0)])
    await store.delete("r1")
    assert (await store.events("r2"))[2].output == large
    await store.delete("r2")
    await keep(store, "r3", [started("r3"), *step("a", 0.0, 1.0, large), ended(2.0)])
    assert (await store.events("r3"))[2].output == large


# -- the mailbox -------------------------------------------------------------------------------------------------------


async def test_a_request_to_cancel_reaches_the_owner_and_ends_with_its_claim(store):
    owner = await keep(store, "r1", [started("r1")], release=False)
    assert not await store.cancel_requested("r1")
    await store.request_cancel("r1")
    assert await store.cancel_requested("r1")
    await store.release("r1", owner)
    await store.claim("r1", owner)
    assert not await store.cancel_requested("r1")


async def test_what_does_not_run_cannot_be_cancelled(store):
    await keep(store, "r1")
    with pytest.raises(StoreError, match=r"it is completed$"):
        await store.request_cancel("r1")
    await keep(store, "r2", [started("r2")])
    with pytest.raises(StoreError, match="it is interrupted; `stretto resume` would go on"):
        await store.request_cancel("r2")


async def test_lines_come_in_parts_with_their_large_values(store):
    value = {"text": "long " * 20_000}
    asked = [Asked("a", 1.0, f"a?{number}", "may it?", value=value) for number in (1, 2, 3)]
    await keep(store, "r1", [started("r1"), *asked])
    part = await store.lines("r1", 1, limit=2)
    assert [decode(*line[1:]) for line in part] == asked[:2]
    assert [line.seq for line in await store.lines("r1", 2, full=False, limit=9)] == [2, 3]
    assert [line.seq for line in await store.lines("r1", kinds={"asked"}, limit=1)] == [1]
    assert await store.lines("r1", limit=0) == []


async def test_an_error_whose_words_are_no_unicode_is_kept(store):
    await keep(store, "r1", [started("r1"), ended(1.0, "failed", ErrorRecord("OSError", "no caf\udce9"))])
    assert (await store.summary("r1")).error == "OSError: no caf?"


async def test_lines_of_some_kinds_come_with_their_large_values_or_without(store):
    value = {"text": "long " * 20_000}
    asked = [Asked("a", 1.0, f"a?{number}", "may it?", value=value) for number in (1, 2)]
    await keep(store, "r1", [started("r1"), asked[0], StepStarted("a", 1.0), asked[1]])
    whole = await store.lines("r1", kinds={"asked"})
    assert [line.seq for line in whole] == [1, 3]
    assert [decode(*line[1:]) for line in whole] == asked
    assert [line.seq for line in await store.lines("r1", 2, kinds={"asked", "answered"})] == [3]
    assert all(len(line.data) < 1000 for line in await store.lines("r1", full=False, kinds={"asked"}))
    assert await store.lines("r1", kinds={"answered"}) == []


async def test_an_answer_that_was_passed_over_makes_room_for_another(store):
    owner = await keep(store, "r1", [started("r1")], release=False)
    await store.post_answer("r1", "q1", "perhaps")
    await store.pass_over("r1", "q1")
    await store.pass_over("r1", "nothing")
    await store.post_answer("r1", "q1", "approve")
    assert {id: answer.choice for id, answer in (await store.answers("r1")).items()} == {"q1": "approve"}
    await store.release("r1", owner)


async def test_answers_wait_for_the_process_that_asks_even_for_the_next_one(store):
    owner = await keep(store, "r1", [started("r1")], release=False)
    await store.post_answer("r1", "q1", "edit", {"path": ("a", b"\x00")}, "better", "ann")
    await store.release("r1", owner)
    await store.post_answer("r1", "q2", "approve")
    await store.claim("r1", owner)
    assert await store.answers("r1") == {
        "q1": Answer(choice="edit", value={"path": ("a", b"\x00")}, reason="better", by="ann"),
        "q2": Answer(choice="approve"),
    }


async def test_a_question_is_answered_once_and_only_while_the_run_is_not_over(store):
    owner = await keep(store, "r1", [started("r1")], release=False)
    await store.post_answer("r1", "q1", "approve")
    with pytest.raises(StoreError, match="'q1' of run 'r1' has been answered already"):
        await store.post_answer("r1", "q1", "reject")
    with pytest.raises(StoreError, match=r"the answer's value is builtins\.object, which cannot be stored"):
        await store.post_answer("r1", "q2", "approve", object())
    await store.append("r1", written([ended(1.0)], 1))
    await store.release("r1", owner)
    with pytest.raises(StoreError, match="has ended"):
        await store.post_answer("r1", "q3", "approve")
    assert list(await store.answers("r1")) == ["q1"]


async def test_a_closed_store_says_so(store):
    await keep(store, "r1", release=False)
    await store.close()
    for use in (store.read("r1"), store.runs(), store.claim("r2", "me"), store.durations("a"), store.summary("r1")):
        with pytest.raises(StoreError, match="the store is closed"):
            await use
