"""Whatever is done to a store, the one on disk answers as the one in memory does."""

import asyncio
import json
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import StrettoError
from stretto.core.events import ErrorRecord
from stretto.core.journal import owner_of_this_process
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.stores.store import Store
from stretto.stores.values import LARGE, cut, mend
from tests.stores.logs import ended, failed, started, step, written

RUNS = st.sampled_from(["r1", "r2", "r22"])
OUTPUTS = st.one_of(
    st.none(), st.text(max_size=3), st.integers(), st.just("x" * (LARGE + 1)), st.floats(allow_nan=False)
)
STEPS = st.builds(
    step, st.sampled_from(["a", "b#2", "map/c[0]", "map/c[1]"]), st.just(1.0), st.sampled_from([1.5, 2.1]), OUTPUTS
)
FAILURES = st.builds(failed, st.sampled_from(["a", "b"]), st.just(1.0), st.just(3.0))
BEGINNINGS = st.builds(
    lambda *said: [started(*said)], RUNS, st.sampled_from(["one", "Two"]), st.sampled_from([1000.0, 2000.0, 2000.5])
)
ENDINGS = st.sampled_from(
    [[ended(9.0)], [ended(9.0, "failed", ErrorRecord("E", "why"))], [ended(9.0, "cancelled")], [ended(9.0, "odd")]]
)
EVENTS = st.lists(st.one_of(BEGINNINGS, STEPS, FAILURES, ENDINGS), max_size=4).map(
    lambda groups: list(chain.from_iterable(groups))
)
DEEDS = st.one_of(
    st.tuples(st.just("claim"), RUNS),
    st.tuples(st.just("claim"), RUNS),
    st.tuples(st.just("release"), RUNS),
    st.tuples(st.just("append"), RUNS, EVENTS, st.sampled_from([0, 0, 0, 0, 0, 1, -1])),
    st.tuples(st.just("append"), RUNS, EVENTS, st.just(0)),
    st.tuples(st.just("prune"), st.sampled_from([{"keep": 1}, {"older_than": 0.0}, {"statuses": ["failed"]}, {}])),
    st.tuples(st.just("delete"), RUNS),
    st.tuples(st.just("find"), st.sampled_from(["r", "r1", "r2", "r22", "x"])),
    st.tuples(st.just("request_cancel"), RUNS),
    st.tuples(st.just("post_answer"), RUNS, st.sampled_from(["q1", "q2"])),
)


@cache
def empty_file() -> Path:
    """Returns a migrated database to copy."""
    path = Path(tempfile.mkdtemp(prefix="stretto-test-")) / "runs.db"

    async def make():
        async with SqlStore(path) as store:
            await store.runs()

    asyncio.run(make())
    return path


async def do(store: Store, deed, places: dict[str, int], owner: str):
    """Does one deed and returns what came of it, errors included."""
    try:
        match deed:
            case ("claim" | "release") as verb, run_id:
                return await getattr(store, verb)(run_id, owner)
            case "append", run_id, events, slip:
                return await store.append(run_id, written(events, places.get(run_id, 0) + slip))
            case "prune", said:
                return await store.prune(**said)
            case "post_answer", run_id, request_id:
                return await store.post_answer(run_id, request_id, "approve", {"a": (1,)})
            case verb, argument:
                return await getattr(store, verb)(argument)
    except StrettoError as error:
        return type(error), str(error)


def settled(run):
    """Returns a summary without what depends on the time of the day."""
    if run.status in ("queued", "running"):
        return replace(
            run, duration=0.0, started_at=0.0 if run.status == "queued" or run.started_at > 1e6 else run.started_at
        )
    return replace(run, started_at=0.0, ended_at=None) if run.started_at > 1e6 else run


async def state(store: Store):
    """Returns everything that a store says."""
    runs = await store.runs(None)
    found = [[settled(run) for run in runs]]
    for run in runs:
        found.append([await store.answers(run.id), await store.cancel_requested(run.id)])
        if run.events:
            found.append([await store.read(run.id), await store.events(run.id, 1, full=False)])
    found += [await store.durations(name) for name in ("a", "b", "c")]
    searches = [
        {"status": "running"},
        {"status": "interrupted"},
        {"status": "failed"},
        {"text": "E: W"},
        {"name": "Two"},
    ]
    found += [[run.id for run in await store.runs(2, 0, **asked)] for asked in searches]
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(DEEDS, min_size=1, max_size=20))
def test_any_sequence_of_deeds_gives_the_same_on_disk_as_in_memory(deeds):
    async def compare(path: Path):
        owner = owner_of_this_process()
        async with MemoryStore() as memory, SqlStore(path) as disk:
            for deed in deeds:
                places = {run.id: run.events for run in await memory.runs(None)}
                assert await do(disk, deed, places, owner) == await do(memory, deed, places, owner)
            assert await state(disk) == await state(memory)

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty_file(), folder)
        asyncio.run(compare(Path(folder) / "runs.db"))


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.sampled_from(["output", "data", "text", "error"]), st.text(max_size=5)), st.integers(1, 9))
def test_what_is_cut_is_mended_exactly(fields, times):
    held = {name: text * (LARGE // 10 * times) for name, text in fields.items()}
    data = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    short, large = cut(data)
    assert mend(short, large) == data
    assert len(large) == len(
        {t for n, t in held.items() if n in ("output", "data") and len(json.dumps(t, ensure_ascii=False)) > LARGE}
    )


@pytest.mark.parametrize("data", ["", "7", "[1]", "{", "{}", '{"output"', '{"output":', "x" * (LARGE + 1)])
def test_what_is_no_object_is_not_cut(data):
    assert cut(data) == (data, {})
