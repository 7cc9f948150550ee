"""Windows over a stream."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError, LateItem
from stretto.core.events import Said
from stretto.core.function import step
from stretto.workflows.windowed import WindowedWorkflow
from stretto.workflows.windows import Window

from .conftest import on_virtual_time


@step
async def same(window):
    return window


def windowed(window, **settings):
    return WindowedWorkflow(window=window, stages=(same,), **settings)


def timed(*arrivals, end=None):
    """Yields items at their times (seconds)."""

    async def source():
        for at, item in arrivals:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            yield item
        if end is not None:
            await asyncio.sleep(end - asyncio.get_running_loop().time())

    return source()


def test_tumbling_windows_by_count_and_the_last_one_is_flushed(go):
    assert go(windowed(Window.tumbling(count=3)), range(8)) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert go(windowed(Window.tumbling(count=2)), range(4)) == [[0, 1], [2, 3]]
    assert go(windowed(Window.tumbling(count=2)), []) == []


def test_sliding_windows_by_count_overlap(go):
    assert go(windowed(Window.sliding(count=4, every=2)), range(7)) == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6]]
    assert go(windowed(Window.sliding(count=3, every=1)), range(4)) == [[0, 1, 2], [1, 2, 3]]
    assert go(windowed(Window.sliding(count=5, every=2)), range(3)) == [[0, 1, 2]]


@given(st.integers(0, 30), st.integers(1, 6), st.data())
def test_every_item_is_in_a_window_and_full_windows_have_their_place(n, size, data):
    from stretto.runtime.run import run

    every = data.draw(st.integers(1, size))
    windows = on_virtual_time(lambda: run(windowed(Window.sliding(count=size, every=every)), range(n)))
    assert sorted({item for window in windows for item in window}) == list(range(n))
    for k, window in enumerate(windows):
        assert window == list(range(k * every, min(n, k * every + size)))


def test_windows_by_the_clock_close_while_no_item_arrives(go):
    closed_at = []

    @step
    async def noted(window):
        closed_at.append(asyncio.get_running_loop().time())
        return window

    flow = WindowedWorkflow(window=Window.tumbling(seconds=10), stages=(noted,))
    assert go(flow, timed((1, "a"), (4, "b"), (12, "c"), (45, "d"), end=47)) == [["a", "b"], ["c"], ["d"]]
    assert closed_at == [pytest.approx(10), pytest.approx(20), pytest.approx(47)]


def test_sliding_windows_by_the_clock(go):
    flow = windowed(Window.sliding(seconds=10, every=5))
    assert go(flow, timed((1, "a"), (6, "b"), (12, "c"), end=40)) == [["a", "b"], ["b", "c"], ["c"]]


def events(*times):
    return [{"at": at} for at in times]


def at(item):
    return item["at"]


def times(windows):
    return [[item["at"] for item in window] for window in windows]


def test_windows_by_event_time_close_when_time_has_passed_them(go):
    flow = windowed(Window.tumbling(seconds=10), time=at)
    assert times(go(flow, events(1, 4, 12, 19, 35))) == [[1, 4], [12, 19], [35]]


def test_sliding_windows_by_event_time(go):
    flow = windowed(Window.sliding(seconds=10, every=5), time=at)
    assert times(go(flow, events(1, 6, 12))) == [[1], [1, 6], [6, 12], [12]]


def test_late_items_are_dropped_and_told(watch):
    run = watch(windowed(Window.tumbling(seconds=10), time=at), events(1, 12, 3, 13))
    assert times(run.outcome.value) == [[1], [12, 13]]
    assert [e.text for e in run.log if isinstance(e, Said)] == ["1 late items were dropped: their windows were closed"]


def test_late_items_may_go_into_the_next_window(go):
    tumbling = windowed(Window.tumbling(seconds=10), time=at, late="next")
    assert times(go(tumbling, events(1, 12, 3, 13))) == [[1], [12, 3, 13]]
    sliding = windowed(Window.sliding(seconds=10, every=5), time=at, late="next")
    assert times(go(sliding, events(1, 22, 3))) == [[1], [1], [22, 3], [22]]


def test_late_items_may_be_an_error(go):
    with pytest.raises(LateItem, match="an item of time 3 came after its window ended at 12"):
        go(windowed(Window.tumbling(seconds=10), time=at, late="error"), events(1, 12, 3))


def test_an_item_that_is_only_out_of_order_is_not_late(go):
    flow = windowed(Window.tumbling(seconds=10), time=at, late="error")
    assert times(go(flow, events(5, 1, 12, 11))) == [[5, 1], [12, 11]]


def test_lateness_keeps_windows_open_longer(go):
    flow = windowed(Window.tumbling(seconds=10), time=at, lateness=5, late="error")
    assert times(go(flow, events(1, 12, 3, 16, 11))) == [[1, 3], [12, 16, 11]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 10}, "window must be a Window"),
        ({"late": "drop"}, "late and lateness are about time="),
        ({"lateness": 3}, "late and lateness are about time="),
        ({"lateness": -3, "time": at}, "lateness must be zero or more"),
        ({"late": "maybe", "time": at}, "not 'maybe'"),
        ({"window": Window.tumbling(count=3), "time": at}, "this one counts items"),
        ({"stages": ()}, "has no stages"),
    ],
)
def test_what_nothing_would_read_is_refused_when_built(settings, words):
    with pytest.raises(DefinitionError, match=words):
        WindowedWorkflow(**{"window": Window.tumbling(seconds=3), "stages": (same,)} | settings)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window.tumbling(),
        lambda: Window.tumbling(count=1, seconds=1),
        lambda: Window.tumbling(count=0),
        lambda: Window.tumbling(count=1.5),
        lambda: Window.tumbling(seconds=0),
        lambda: Window.sliding(count=2, every=3),
        lambda: Window.sliding(count=2, every=0),
        lambda: Window.sliding(count=2, every=1.5),
    ],
)
def test_windows_are_checked(make):
    with pytest.raises(DefinitionError):
        make()


def test_windows_have_the_settings_of_a_stream(go):
    fed = []

    @step
    async def write(x):
        fed.append(x)

    assert go(windowed(Window.tumbling(count=2), sink=write, checkpoint_every=3), range(4)) == 3
    assert fed == [[0, 1], [2], [3]]
