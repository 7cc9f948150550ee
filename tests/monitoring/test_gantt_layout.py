"""The layout: rows, folding, ticks and words, shared by every drawing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.errors import DefinitionError
from stretto.core.events import Event, RunResumed, RunStarted, StepCompleted, StepFailed, StepStarted, StepUndone
from stretto.monitoring.gantt import Bar, Gantt, Row, lay_out
from stretto.monitoring.labels import captions, cells, clean, cut, figures
from stretto.monitoring.metrics import measure
from stretto.monitoring.units import duration_text, share_text, ticks
from tests.monitoring.logs import ERROR, eventful, items, runs, simple


def row_of(gantt: Gantt, label: str) -> Row:
    return next(row for row in gantt.rows if row.label == label)


def test_a_small_run_has_a_row_for_each_span():
    gantt = lay_out(simple())
    assert [(row.label, row.depth, row.parent) for row in gantt.rows] == [
        ("gather", 0, -1), ("query", 1, 0), ("api_1", 1, 0), ("api_2", 1, 0), ("serena", 1, 0), ("aggregate", 1, 0)
    ]  # fmt: skip
    assert gantt.visible() == gantt.rows
    assert [row.label for row in gantt.rows if row.bottleneck] == ["query"]
    assert [row.label for row in gantt.rows if row.critical] == ["gather", "query", "aggregate"]


def test_attempts_are_pieces_of_one_row():
    assert row_of(lay_out(eventful()), "get_items").bars == (
        Bar(0.23, 0.42, "failed"), Bar(0.52, 0.60, "failed"), Bar(0.8, 1.0, "failed")
    )  # fmt: skip


def test_executions_of_several_processes_are_pieces_of_one_row():
    log: list[Event] = [RunStarted("", 0, "r", "r", 0), StepStarted("a", 0.0), RunResumed("", 3.0, 0)]
    assert row_of(lay_out(log), "a").bars == (Bar(0.0, 3.0, "cancelled"),)
    row = row_of(lay_out([*log, StepStarted("a", 4.0), StepCompleted("a", 5.0)]), "a")
    assert row.bars == (Bar(0.0, 3.0, "cancelled"), Bar(4.0, 5.0, "completed"))
    assert (row.start, row.end, row.note) == (0.0, 5.0, "resumed")


def test_items_of_one_map_stand_in_one_dense_row():
    gantt = lay_out(items(2000), max_rows=12)
    rows = gantt.visible()
    assert len(rows) <= 12
    dense = row_of(gantt, "file × 2,000")
    assert dense.count == 2000
    assert dense.is_dense
    assert max(dense.density) == 1.0
    assert dense.tally == (("failed", 10), ("completed", 1990))
    assert (dense.mark, dense.fill, len(dense.faults)) == ("failed", "completed", 10)
    assert len(lay_out(items(2000), max_rows=12, hidden=True).rows) == 2005


def test_repeats_of_one_name_are_a_family_and_few_of_them_are_not():
    log: list[Event] = [
        StepStarted("ask", 0.0),
        *(StepStarted(f"ask#{n}", 0.0) for n in range(2, 30)),
        StepStarted("other", 0.0),
    ]
    assert [row.label for row in lay_out(log, max_rows=10).visible()] == ["ask × 29", "other"]
    assert len(lay_out(log, max_rows=30).visible()) == 30


def test_what_is_too_much_even_so_stands_in_a_row_of_its_own_and_failures_outside():
    log: list[Event] = [StepStarted(f"step_{n}_{chr(97 + n % 26)}{n}", 0.0) for n in range(100)]
    log += [StepFailed(log[77].path, 1.0, ERROR)]
    rows = lay_out(log, max_rows=10).visible()
    assert len(rows) <= 10
    assert rows[-1].label == "… 96 more"
    assert log[77].path in {row.path for row in rows}
    assert sum(row.count for row in rows) == 100


def test_a_family_is_kept_outside_of_the_rest():
    log: list[Event] = [StepStarted(f"step_{chr(97 + n % 26)}{n}x", float(n)) for n in range(50)]
    log += [StepStarted(f"file[{n}]", 0.0) for n in range(50)]
    assert "file × 50" in {row.label for row in lay_out(log, max_rows=10).visible()}


def test_deep_rows_beneath_a_folded_one_are_counted():
    log: list[Event] = [StepStarted("a", 0.0)]
    log += [StepStarted(f"a/{n}x", 0.0) for n in range(20)]
    log += [StepStarted(f"a/{n}x/deep[{m}]", 0.0) for n in range(20) for m in range(5)]
    for hidden in (False, True):
        rows = lay_out(log, max_rows=8, hidden=hidden).visible()
        assert len(rows) <= 8
        assert sum(row.count for row in rows) == 121


def test_a_chart_needs_some_rows():
    with pytest.raises(DefinitionError, match="max_rows is at least 5"):
        lay_out(simple(), max_rows=4)


def test_a_parent_without_a_start_has_the_extent_and_the_state_of_its_children():
    gantt = lay_out([StepStarted("a/b", 1.0), StepCompleted("a/b", 2.0)])
    assert (gantt.rows[0].start, gantt.rows[0].end, gantt.rows[0].duration, gantt.rows[0].mark) == (
        1.0,
        2.0,
        1.0,
        "completed",
    )
    assert lay_out([StepStarted("a/b", 1.0)]).rows[0].mark == "running"


@settings(max_examples=40)
@given(runs(), st.integers(5, 50), st.booleans())
def test_every_span_is_drawn_once_or_counted_in_a_folded_row(log: list[Event], most: int, hidden: bool):
    gantt = lay_out(log, max_rows=most, hidden=hidden)
    rows = gantt.visible()
    assert len(rows) <= most
    assert sum(row.count for row in rows) == sum(row.own for row in lay_out(log, max_rows=10_000).rows)
    paths = [row.path for row in rows if row.own]
    assert len(paths) == len(set(paths))
    for row in gantt.rows:
        for bar in row.bars:
            assert row.start is not None
            assert row.end is not None
            assert row.start <= bar.start <= bar.end <= row.end <= gantt.total
        assert all(0.0 <= busy <= 1.0 for busy in row.density)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (-1, "0 s"), (1e-9, "1 µs"), (0.00045, "450 µs"), (0.0012, "1.2 ms"), (0.038, "38 ms"),
        (0.9996, "1.00 s"), (1.68, "1.68 s"), (9.999, "10.0 s"), (41.8, "41.8 s"),
        (59.96, "1 m 00 s"), (125, "2 m 05 s"),
        (3599.7, "1 h 00 m"), (3720, "1 h 02 m"), (86400, "1 d 00 h"), (273600, "3 d 04 h"),
    ],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds: float, text: str):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("total", "most", "labels"),
    [
        (2.0, 5, ["0", "0.5 s", "1.0 s", "1.5 s", "2.0 s"]),
        (20.0, 5, ["0", "5 s", "10 s", "15 s", "20 s"]),
        (0.0008, 5, ["0", "200 µs", "400 µs", "600 µs", "800 µs"]),
        (0.4, 5, ["0", "100 ms", "200 ms", "300 ms", "400 ms"]),
        (600.0, 6, ["0", "2:00 m", "4:00 m", "6:00 m", "8:00 m", "10:00 m"]),
        (4 * 3600.0, 5, ["0", "1:00 h", "2:00 h", "3:00 h", "4:00 h"]),
        (5 * 86400.0, 6, ["0", "1 d", "2 d", "3 d", "4 d", "5 d"]),
        (90 * 86400.0, 5, ["0", "50 d"]),
        (200.0, 500, None),
        (0.0, 5, ["0"]),
        (5.0, 1, ["0"]),
    ],
)
def test_axes_are_marked_in_steps_that_people_count_in(total: float, most: int, labels: list[str] | None):
    marks = ticks(total, most)
    assert len(marks) <= most
    if labels is not None:
        assert [mark.label for mark in marks] == labels
    assert marks[-1].at <= total * 1.001


@given(st.floats(1e-7, 1e9), st.integers(2, 30))
def test_an_axis_never_has_too_many_marks(total: float, most: int):
    marks = ticks(total, most)
    assert 1 <= len(marks) <= most
    assert len({mark.label for mark in marks}) == len(marks)


def test_texts_are_cut_to_cells_and_keep_what_tells_items_apart():
    assert cut("abc", 3) == "abc"
    assert cut("abcdef", 4) == "abc…"
    assert cut("measure_every_file[17]", 12) == "measure_…17]"
    assert cells("漢字é") == 5
    assert cells("e\u0301") == 1
    assert cut("漢字漢字", 5) == "漢字…"
    assert cut("abc", 1) == "…"
    assert cut("abc", 0) == ""
    assert clean("a\nb\x1bc\ud800") == "a b\ufffdc\ufffd"
    assert share_text(0.756) == "76 %"


def test_captions_say_the_most_first():
    metrics = measure(eventful())
    said = {row.label: captions(row, metrics) for row in lay_out(eventful()).rows}
    assert said["query_users"] == ("1.68 s ◀ bottleneck 73 %", "1.68 s ◀ bottleneck", "1.68 s ◀", "1.68 s")
    assert said["get_items"] == ("770 ms · HTTPStatusError · 2 retries", "770 ms · HTTPStatusError", "770 ms")
    assert said["market"][0] == "960 ms · timed out · 3/10"
    assert said["docs"][0] == "10 ms · cache"
    assert said["slow"] == ("skipped: an earlier branch answered", "skipped")
    assert said["validate"][0] == "waiting for an answer: Apply to 14 files?"
    dense = row_of(lay_out(items(2000), max_rows=12), "file × 2,000")
    assert captions(dense, metrics)[0].endswith("10 failed")


def test_a_note_tells_what_is_special():
    log: list[Event] = [StepStarted("a", 0.0), StepCompleted("a", 1.0), StepUndone("a", 2.0)]
    assert lay_out(log).rows[0].note == "undone"


def test_figures_name_only_what_there_is():
    assert [name for name, _ in figures(measure(simple()))] == [
        "total", "work", "speed-up", "parallel", "operations", "at once", "bottleneck"
    ]  # fmt: skip
    assert dict(figures(measure(eventful())))["retries"] == "2"
    assert "bottleneck" not in dict(figures(measure([])))
