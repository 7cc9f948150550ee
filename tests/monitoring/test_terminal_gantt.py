"""The chart in a terminal: width, signs, ASCII, colours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.core.events import Event, ModelUsed, RunResumed, RunStarted, StepCompleted, StepStarted
from stretto.monitoring.labels import cells
from stretto.monitoring.terminal import draw_rich, draw_terminal
from tests.monitoring.logs import eventful, items, runs, simple


def test_the_seeds_chart_is_drawn():
    assert draw_terminal(simple(), width=80).splitlines() == [
        "✓ Gather  completed · 2.20 s",
        "",
        "                0           0.5 s        1.0 s       1.5 s       2.0 s",
        "                ┬───────────┬────────────┬───────────┬───────────┬─────",
        "✓ gather        ╺━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸ 2.20 s",
        "  ✓ query     ◆ ████████████████████████████████████████████▏ 1.80 s ◀",
        "  ✓ api_1       ████████████▎ 500 ms",
        "  ✓ api_2       ██████████████▊ 600 ms",
        "  ✓ serena      █████████▉ 400 ms",
        "  ✓ aggregate ◆                                             ██████████ 400 ms",
        "",
        "total 2.20 s   work 3.70 s   speed-up 1.68×   parallel 80 %   operations 5",
        "at once 4   bottleneck gather/query (82 %)",
        "◆ critical path   ◀ bottleneck",
    ]


def test_every_status_has_a_sign_besides_its_colour():
    drawn = draw_terminal(eventful(), width=140)
    for sign in ("◔ lead", "✓ plan", "✕ get_items", "◷ market", "⊘ crawl", "⊗ thread", "↷ slow", "! validate"):
        assert sign in drawn
    assert "▓▓┄" in drawn
    assert "░░" in drawn
    assert "HTTPStatusError · 2 retries" in drawn
    assert "waiting for an answer: Apply to 14 files?" in drawn


def test_ascii_keeps_to_ascii():
    for log in (simple(), eventful(), items(300)):
        drawn = draw_terminal(log, width=90, max_rows=12, ascii=True)
        assert drawn.isascii()
    assert "x file x 300" in drawn
    assert "####" in drawn


def test_many_items_are_one_row_with_a_profile_and_its_failures():
    drawn = draw_terminal(items(2000), width=140, max_rows=12)
    row = next(line for line in drawn.splitlines() if "file × 2,000" in line)
    assert row.count("✕") >= 5
    assert "█" in row
    assert row.endswith("✕10")


def test_a_chart_adapts_to_its_width_within_bounds():
    widths = {
        width: max(cells(line) for line in draw_terminal(eventful(), width=width).splitlines())
        for width in (10, 60, 120, 500)
    }
    assert widths[10] == widths[60] <= 60
    assert 90 < widths[120] <= 120
    assert 150 < widths[500] <= 200


def test_the_number_of_rows_is_kept():
    assert len(draw_terminal(items(50), max_rows=10).splitlines()) < len(
        draw_terminal(items(50), max_rows=60).splitlines()
    )


def test_a_resumed_step_shows_its_pause():
    log: list[Event] = [StepStarted("a", 0.0), RunResumed("", 3.0, 0), StepStarted("a", 6.0), StepCompleted("a", 9.0)]
    assert "▚┄┄" in draw_terminal(log, width=80)


def test_rich_has_the_same_words_in_colours():
    text = draw_rich(eventful(), width=120)
    plain = "\n".join(line.rstrip() for line in text.plain.splitlines())
    assert plain == draw_terminal(eventful(), width=120).rstrip("\n")
    styles = {str(span.style) for span in text.spans}
    assert {"green", "red", "magenta", "blue", "yellow", "dark_orange"} <= styles


@pytest.mark.parametrize(
    "name", ["漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", "e\u0301" * 60, "[bold]x[/bold]\x1b[31m"]
)
def test_strange_names_keep_the_columns(name: str):
    log: list[Event] = [
        StepStarted(name, 0.0),
        StepCompleted(name, 1.0),
        StepStarted("plain", 1.0),
        StepCompleted("plain", 2.0),
    ]
    drawn = draw_terminal(log, width=80)
    assert "\x1b" not in drawn
    bars = [line for line in drawn.splitlines() if "█" in line]
    assert len(bars) == 2
    assert cells(bars[1].split("█")[0]) > cells(bars[0].split("█")[0]) > 0


@settings(max_examples=60)
@given(runs(most=25), st.integers(60, 200), st.booleans())
def test_no_line_is_wider_than_the_terminal(log: list[Event], width: int, plain: bool):
    drawn = draw_terminal(log, width=width, max_rows=15, ascii=plain)
    assert all(cells(line) <= width for line in drawn.splitlines())


def test_what_models_took_stands_below_the_chart():
    events = [
        RunStarted("", 0.0, "r", "lead", 0.0), StepStarted("lead", 0.0), StepStarted("lead/model", 0.0),
        ModelUsed("lead/model", 0.5, "m:x", 12_345, 980, cost=0.5), StepCompleted("lead/model", 1.0),
    ]  # fmt: skip
    assert "tokens 12.3k in, 980 out   cost $0.500" in draw_terminal(events)
    events.insert(4, ModelUsed("lead/model", 0.6, "m:y", 1_200_000, 1))
    assert "tokens 1.2M in, 981 out   cost unknown" in draw_terminal(events)
