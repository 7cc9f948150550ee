"""Every benchmark runs, at a tiny size, and prints what it promises; the table finds its place in a file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import against_peers, bench, graphs, makespan
from benchmarks.measure import QUICK, TINY, Figure
from tests.measuring import unmeasured

ROOT = Path(__file__).resolve().parent.parent
REACHED = Figure("what", "1 s", "2 s", "2.00 ×", "≤ 3 ×", True)
MISSED = Figure("other | thing", "1 s", "4 s", "4.00 ×", "≤ 3 ×", False, ["a note"])


@pytest.mark.parametrize("name", [name for name in bench.BENCHMARKS if name != "peers"])
def test_every_benchmark_prints_ratios_beside_a_baseline(name: str) -> None:
    command = [sys.executable, "benchmarks/bench.py", "--size", "tiny", "--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=unmeasured())
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "baseline" in line]
    assert lines
    for line in lines:
        assert re.search(r"ratio [\d.]+ × \| target .+ \| (reached|NOT REACHED)", line), line
    assert re.search(r"\d+ figures reached, \d+ missed", done.stdout)


def test_quick_mode_leaves_the_peers_out() -> None:
    assert against_peers.peers(QUICK) == []


def test_a_peer_that_cannot_be_run_is_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rounds.py").write_text("")
    (tmp_path / "on_nothing.py").write_text("import there_is_no_such_library\n")
    monkeypatch.setattr(against_peers, "HERE", tmp_path)
    with pytest.raises(against_peers.PeerFailed, match="No module named 'there_is_no_such_library'"):
        against_peers.Worker(Path(sys.executable), "on_nothing.py", 3, tmp_path)


def test_a_peers_process_does_the_work_when_it_is_told_to(tmp_path: Path) -> None:
    worker = against_peers.Worker(Path(sys.executable), "on_stretto.py", 5, tmp_path)
    try:
        assert worker.version
        assert worker.go() > 0
    finally:
        worker.close()


def test_the_table_is_put_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n")
    bench.write(page, [REACHED, MISSED], TINY)
    text = page.read_text()
    assert text.startswith("before\n<!-- benchmarks -->\n| What |")
    assert text.endswith("\n<!-- /benchmarks -->\nafter\n")
    assert "old" not in text
    assert "| what | 1 s | 2 s | 2.00 × | ≤ 3 × | reached |" in text
    assert "| other \\| thing | 1 s | 4 s | 4.00 × | ≤ 3 × | not reached |" in text


def test_a_file_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("nothing here\n")
    with pytest.raises(SystemExit, match="no place for the table"):
        bench.write(page, [REACHED], TINY)
    assert page.read_text() == "nothing here\n"


@pytest.mark.parametrize(("flags", "status"), [(["--check"], 1), ([], 0)])
def test_a_missed_figure_ends_with_status_1_only_when_checked(
    flags: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measured", lambda name, size: [REACHED, MISSED])
    monkeypatch.setattr(sys, "argv", ["bench.py", "--only", "planner", *flags])
    if status:
        with pytest.raises(SystemExit) as left:
            bench.main()
        assert left.value.code == status
    else:
        bench.main()
    assert "1 figures reached, 1 missed" in capsys.readouterr().out


def test_the_reference_scheduler_knows_a_case_worked_out_by_hand() -> None:
    work = graphs.Work("by hand")
    work.add("long", 5.0)
    work.add("a", 2.0)
    work.add("b", 2.0, "a")
    work.add("c", 1.0)
    assert work.critical_path == 5.0
    assert makespan.remaining(work) == {"long": 5.0, "a": 4.0, "b": 2.0, "c": 1.0}
    assert makespan.best_list_schedule(work, 1) == 10.0
    assert makespan.best_list_schedule(work, 2) == 5.0


@pytest.mark.parametrize("make", [*graphs.RANDOM, *graphs.REAL])
def test_graphs_are_the_same_for_a_seed_and_need_only_what_was_added_before(make: graphs.Maker) -> None:
    work, again, other = make(30, 3), make(30, 3), make(30, 4)
    assert work == again
    assert work.durations != other.durations
    seen: set[str] = set()
    for id, needs in work.needs.items():
        assert seen.issuperset(needs)
        seen.add(id)
