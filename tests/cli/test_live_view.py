"""What a terminal shows of a live run: rows worth a line, questions in place, and nothing left behind."""

import json
import os
import re
import signal

import pytest

from stretto.cli.exits import Exit
from stretto.cli.live import picture
from stretto.cli.requests import choose
from stretto.cli.tree import SHOWN, Interest
from stretto.core.errors import DefinitionError
from stretto.core.events import (
    Asked,
    ErrorRecord,
    Progress,
    RunStarted,
    Said,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
)
from stretto.monitoring.spans import SpanFold

ERROR = ErrorRecord("builtins.ValueError", "no such thing")


def shown(events, *, room=40, final=False, unicode=True, width=100):
    fold, interest = SpanFold(), Interest()
    fold.feed_all(events)
    interest.take(fold, events)
    return picture(interest, fold, width, room, unicode=unicode, final=final).plain


def a_map(items, ended, failed=()):
    yield RunStarted("", 0.0, "id", "map", 0.0)
    yield StepStarted("map", 0.0)
    for item in range(items):
        yield StepStarted(f"map/item[{item}]", 0.1)
    for item in range(ended):
        at = 0.2 + (item * 37 % 100) / 100
        if item in failed:
            yield StepFailed(f"map/item[{item}]", at, ERROR)
        else:
            yield StepCompleted(f"map/item[{item}]", at)
    yield Progress("map", 2.0, ended, items)


def test_of_many_children_those_that_matter_are_shown():
    told = shown(list(a_map(1000, 990, failed={3, 500})))
    rows = told.splitlines()
    assert len(rows) == 1 + SHOWN + 1
    assert "990/1,000" in rows[0]
    assert sum("✕ item" in row for row in rows) == 2
    running = [row for row in rows if re.search(r"item\[99\d\]", row)]
    assert len(running) == 10
    assert "988 more done" in rows[-1]


def test_when_all_are_done_the_slowest_are_shown():
    told = shown(list(a_map(300, 300)), final=True)
    assert "288 more done" in told
    assert told.count("1.09 s") == 3  # those 99 hundredths slower than the fastest


def test_few_children_are_all_shown_in_their_order():
    told = shown(list(a_map(3, 1)))
    assert [row.split()[2] for row in told.splitlines()[1:]] == ["item[0]", "item[1]", "item[2]"]


def test_what_has_ended_well_is_folded_until_the_end():
    events = [
        RunStarted("", 0, "id", "all", 0.0), StepStarted("all", 0), StepStarted("all/a", 0), StepStarted("all/a/b", 0),
        StepCompleted("all/a/b", 1), StepCompleted("all/a", 1), StepStarted("all/c", 1),
    ]  # fmt: skip
    assert "b" not in [row.split()[-3] for row in shown(events).splitlines()]
    done = [*events, StepCompleted("all/c", 2), StepCompleted("all", 2)]
    assert "│  └─ ✓ b" in shown(done, final=True)


def test_a_tree_that_is_too_high_says_so():
    told = shown(list(a_map(10, 0)), room=5)
    assert len(told.splitlines()) == 5
    assert "… 7 more lines" in told


def test_rows_tell_errors_retries_messages_questions_and_reasons():
    events = [
        RunStarted("", 0, "id", "all", 0.0), StepStarted("all", 0),
        StepStarted("all/a", 0), StepFailed("all/a", 1, ERROR),
        StepStarted("all/b", 0, None, 0.9), StepRetrying("all/b", 1, 1, ERROR, 0.5), Said("all/b", 1, "page 3\nof 4"),
        StepStarted("all/c", 0), Asked("all/c", 1, "q", "May\x1b[31m it?"),
        StepStarted("all/d", 0), StepCancelled("all/d", 1, "no longer wanted"),
        StepStarted("all/e", 0), StepCompleted("all/e", 1, None, "cache"),
    ]  # fmt: skip
    told = shown(events)
    for part in ("ValueError: no such thing", "1 retry · queued 900 ms · page 3 of 4", "no longer wanted", "cache"):
        assert part in told
    assert "\x1b" not in told
    assert "! c" in told


def test_a_terminal_without_unicode_gets_ascii():
    told = shown(list(a_map(100, 50)), unicode=False)
    assert told.isascii()


def test_the_bottleneck_so_far_is_the_longest_operation():
    events = list(a_map(30, 20))
    fold, interest = SpanFold(events), Interest()
    interest.take(fold, events)
    assert interest.bottleneck(fold) == (pytest.approx(1.9), "map/item[20]")  # it has run since 0.1


@pytest.mark.parametrize(("text", "choice"), [("yes", "yes"), (" Y ", "yes"), ("2", "no"), ("never", "never")])
def test_a_choice_may_be_short(text, choice):
    assert choose(Asked("a", 0, "a?1", "?", ["yes", "no", "never"]), text) == choice


@pytest.mark.parametrize("text", ["", "n", "4", "maybe"])
def test_what_is_no_choice_is_refused(text):
    with pytest.raises(DefinitionError, match="choose yes, no, never"):
        choose(Asked("a", 0, "a?1", "?", ["yes", "no", "never"]), text)


def test_without_choices_any_text_will_do():
    assert choose(Asked("a", 0, "a?1", "?"), " what you like\n") == "what you like"


def test_a_live_run_is_a_tree_that_moves_and_leaves_its_last_state(terminal, flow):
    flow.write_text(
        flow.read_text()
        + "\n@step\nasync def nap(x, context):\n    await context.resource(Clock).sleep(0.4)\n    return x\n"
        + "naps = MapReduceWorkflow(name='naps', map=nap, reduce=step(name='sum')(sum),"
        + " limits=ParallelResourceLimits(max_concurrent_executions=5))\n"
    )
    screen = terminal("run", f"{flow}:naps", "-i", json.dumps(list(range(20))))
    assert screen.end() == Exit.OK
    told = screen.plain
    assert any(frame in told for frame in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
    assert re.search(r"\d+/20", told)
    assert "bottleneck so far" in told
    assert "5 running" in told or "6 running" in told
    last = told.rpartition("bottleneck so far")[2]
    assert "✓ naps" in last
    assert "9 more done" in last
    assert "output     190" in last
    assert screen.told.rstrip().endswith("\x1b[?25h") or screen.told.count("\x1b[?25l") == screen.told.count(
        "\x1b[?25h"
    )


def test_a_question_is_asked_in_place(terminal, flow):
    screen = terminal("run", f"{flow}:ask")
    screen.until("1 approve  2 reject > ")
    screen.type("maybe\n")
    screen.until("none of the choices")
    screen.type("2\n")
    assert screen.end() == Exit.OK
    assert "May it go on?" in screen.plain
    assert '["reject", null]' in screen.plain


def test_a_question_may_be_answered_elsewhere_while_it_stands_here(terminal, flow, stretto):
    screen = terminal("run", f"{flow}:ask", "--run-id", "mine")
    screen.until("2 reject > ")
    assert stretto("answer", "mine", "approve").exit_code == Exit.OK
    screen.until("answered elsewhere")
    assert screen.end() == Exit.OK
    assert '["approve", null]' in screen.plain


def test_at_the_end_of_input_the_question_waits_for_the_store(terminal, flow, stretto):
    screen = terminal("run", f"{flow}:ask", "--run-id", "mine")
    screen.until("2 reject > ")
    screen.type("\x04")
    screen.until("answer from another terminal")
    stretto("answer", "mine", "approve")
    assert screen.end() == Exit.OK


def test_control_c_in_the_terminal_stops_in_order_and_gives_the_cursor_back(terminal, flow):
    screen = terminal("run", f"{flow}:first_then_slow", "-i", "1")
    screen.until("running")
    screen.until("begun")
    os.killpg(screen.process.pid, signal.SIGINT)
    assert screen.end() == Exit.INTERRUPTED
    assert "stopping in order" in screen.plain
    assert "1 completed step is kept" in screen.plain
    assert screen.told.count("\x1b[?25l") <= screen.told.count("\x1b[?25h")


def test_events_on_a_terminal_are_not_mixed_with_a_tree(terminal, flow):
    screen = terminal("run", flow, "-i", "[1]", "--events")
    assert screen.end() == Exit.OK
    assert "\x1b[?25l" not in screen.told
    assert '"kind":"run_ended"' in screen.plain
