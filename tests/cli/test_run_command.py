"""`stretto run`: what runs, on which input, what is shown of it, and with which status it leaves."""

import json
import sys
from pathlib import Path

import pytest

from stretto.cli.exits import Exit


def run_id_of(stretto, index=0):
    return json.loads(stretto("runs", "--json").stdout)[index]["id"]


def test_a_workflow_in_a_file_runs_on_the_input_and_is_kept(stretto, flow):
    result = stretto("run", flow, "--input", "[1, 2, 3]")
    assert result.exit_code == Exit.OK
    assert "doubles completed" in result.stdout
    assert "output     12" in result.stdout
    run_id = run_id_of(stretto)
    assert f"stretto show {run_id}" in result.stdout
    assert f"stretto gantt {run_id}" in result.stdout
    assert "doubles/reduce" in result.stderr  # the way there


def test_the_document_holds_id_status_output_error_and_metrics(stretto, flow):
    result = stretto("run", flow, "--input", "[1, 2]", "--json")
    document = json.loads(result.stdout)
    assert list(document) == ["run_id", "name", "status", "output", "error", "metrics"]
    assert (document["name"], document["status"], document["output"], document["error"]) == (
        "doubles",
        "completed",
        6,
        None,
    )
    assert document["metrics"]["operations"] == 3
    assert {"total_duration", "speedup_factor", "critical_path", "parallel_batches"} <= set(document["metrics"])


def test_every_event_is_a_line_and_the_document_is_the_last(stretto, flow):
    lines = [json.loads(line) for line in stretto("run", flow, "-i", "[1]", "--events", "--json").stdout.splitlines()]
    *events, document = lines
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert events[0]["kind"] == "run_started"
    assert events[-1]["kind"] == "run_ended"
    assert {"kind", "path", "at", "seq", "output", "source"} == set(events[-2])
    assert document["status"] == "completed"


def test_quiet_writes_the_output_and_nothing_else(stretto, flow):
    result = stretto("run", flow, "-i", "[1, 2]", "--quiet")
    assert (result.stdout, result.stderr) == ("6\n", "")


def test_a_name_chooses_what_runs_and_functions_are_steps(stretto, flow):
    flow.write_text(flow.read_text() + "\n\ndef plain(x):\n    return f'plain {x}'\n")
    assert stretto("run", f"{flow}:double", "-i", "21", "-q").stdout == "42\n"
    assert stretto("run", f"{flow}:plain", "-i", "1", "-q").stdout == "plain 1\n"


def test_a_module_is_found_in_the_working_directory(stretto, flow, monkeypatch):
    monkeypatch.chdir(flow.parent)
    assert stretto("run", f"{flow.stem}:double", "-i", "1", "-q").stdout == "2\n"


def test_a_file_in_a_package_is_imported_under_its_whole_name(stretto, tmp_path):
    package = tmp_path / "flow_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "numbers.py").write_text("def ten() -> int:\n    return 10\n")
    (package / "work.py").write_text(
        "from .numbers import ten\nfrom stretto import step\n\n@step\ndef workflow():\n    return ten()\n"
    )
    assert stretto("run", package / "work.py", "-q").stdout == "10\n"


def test_settings_are_json_or_text_and_may_be_dotted(stretto, flow):
    result = stretto(
        "run",
        f"{flow}:echo",
        "-i",
        '{"a": {"b": 1}}',
        "--set",
        "a.c=[1]",
        "--set",
        "name=Ann Lee",
        "--set",
        "n=3",
        "-q",
    )
    assert json.loads(result.stdout) == {"a": {"b": 1, "c": [1]}, "name": "Ann Lee", "n": 3}
    assert json.loads(stretto("run", f"{flow}:echo", "--set", "x=1", "-q").stdout) == {"x": 1}


def test_the_input_may_come_from_a_file_or_from_stdin(stretto, flow, tmp_path):
    (tmp_path / "input.json").write_text("[5]")
    assert stretto("run", flow, "--input", f"@{tmp_path / 'input.json'}", "-q").stdout == "10\n"
    assert stretto("run", flow, "--input", "-", "-q", stdin="[6]").stdout == "12\n"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("run", "missing.py"), Exit.NOT_FOUND, "missing.py does not exist"),
        (("run", "no_such_module_at_all:x"), Exit.NOT_FOUND, "there is no module 'no_such_module_at_all'"),
        (("run", "FLOW:doubble"), Exit.NOT_FOUND, "'doubble'; it has"),
        (("run", "FLOW:"), Exit.NOT_FOUND, "names nothing behind the colon"),
        (("run", "a plan"), Exit.NOT_FOUND, "names no Python file"),
        (("run", "missing.yaml"), Exit.NOT_FOUND, "missing.yaml does not exist"),
        (("run", "FOLDER/"), Exit.NOT_FOUND, "is a directory"),
        (("run", "FLOW:number"), Exit.USAGE, "'number' is a int, and no step"),
        (("run", "FLOW", "-i", "[1"), Exit.USAGE, "--input holds no JSON"),
        (("run", "FLOW", "-i", "@nothing.json"), Exit.NOT_FOUND, "nothing.json does not exist"),
        (("run", "FLOW", "--set", "x"), Exit.USAGE, "--set takes key=value"),
        (("run", "FLOW", "-i", "[1]", "--set", "x=1"), Exit.USAGE, "needs a mapping"),
        (("run", "FLOW:double", "--max-concurrency", "2"), Exit.USAGE, "runs nothing at once"),
        (("run", "FLOW", "--max-concurrency", "0"), Exit.USAGE, "--max-concurrency"),
        (("run", "FLOW", "--timeout", "soon"), Exit.USAGE, "--timeout takes a duration"),
        (("run", "FLOW", "--durability", "never"), Exit.USAGE, "never"),
        (("run", "FLOW", "--store", "redis://x"), Exit.USAGE, "runs cannot be kept in 'redis'"),
        (("run", "FLOW", "--store", " "), Exit.USAGE, "names no place"),
        (("run", "FLOW", "--run-id", "a/b"), Exit.USAGE, "a run cannot be called 'a/b'"),
        (("run", "FLOW:plan", "-i", '{"y": 1}'), Exit.USAGE, "'y'"),
        (("run",), Exit.USAGE, "TARGET"),
        (("ruin",), Exit.USAGE, "ruin"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told_in_a_sentence(stretto, flow, tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    result = stretto(*(word.replace("FLOW", str(flow)).replace("FOLDER", str(tmp_path)) for word in words))
    assert result.exit_code == code
    assert told in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_file_that_raises_is_told_with_the_users_frames(stretto, tmp_path):
    path = tmp_path / "flow_raises.py"
    path.write_text("def boom():\n    raise KeyError('x')\n\nboom()\n")
    result = stretto("run", path)
    assert result.exit_code == Exit.USAGE
    assert "raised KeyError while it was imported" in result.stderr
    assert "flow_raises.py:2 in boom" in result.stderr
    assert "importlib" not in result.stderr


def test_a_file_with_the_name_of_a_module_of_python_is_refused(stretto, tmp_path):
    (tmp_path / "json.py").write_text("x = 1\n")
    result = stretto("run", tmp_path / "json.py")
    assert result.exit_code == Exit.USAGE
    assert "rename the file" in result.stderr


def test_a_name_that_no_module_can_have_is_refused(stretto, tmp_path):
    (tmp_path / "my flow.py").write_text("x = 1\n")
    assert "is no module name" in stretto("run", tmp_path / "my flow.py").stderr


def test_a_missing_import_of_the_users_is_theirs(stretto, tmp_path):
    path = tmp_path / "flow_needs.py"
    path.write_text("import nothing_of_that_name\n")
    result = stretto("run", path)
    assert result.exit_code == Exit.USAGE
    assert "nothing_of_that_name" in result.stderr


def test_a_failing_step_is_told_with_path_error_and_frame(stretto, flow):
    result = stretto("run", f"{flow}:broken", "-i", "1")
    assert result.exit_code == Exit.FAILED
    assert "in broken" in result.stderr
    assert "ValueError: no such thing" in result.stderr
    line = flow.read_text().partition("no such thing")[0].count("\n") + 1
    assert f"{flow.name}:{line} in broken" in result.stderr
    assert "asyncio" not in result.stderr
    assert "stretto resume" in result.stderr
    document = json.loads(stretto("run", f"{flow}:broken", "--json").stdout)
    assert document["error"] == {"type": "builtins.ValueError", "message": "no such thing", "path": "broken"}


def test_debug_shows_the_whole_traceback(stretto, flow):
    assert "Traceback" in stretto("run", f"{flow}:broken", "--debug").stderr


def test_a_group_of_failures_is_told_one_by_one(stretto, flow):
    flow.write_text(
        flow.read_text()
        + "\nboth = ParallelWorkflow(name='both', steps=(broken, broken), error_mode=ErrorMode.FAIL_SLOW)\n"
    )
    result = stretto("run", f"{flow}:both")
    assert result.exit_code == Exit.FAILED
    assert "in both/broken" in result.stderr
    assert "in both/broken#2" in result.stderr


def test_a_run_over_its_timeout_has_a_status_of_its_own(stretto, flow):
    result = stretto("run", f"{flow}:slow", "--timeout", "0.2s", "--json")
    assert result.exit_code == Exit.TIMED_OUT
    assert json.loads(result.stdout.partition("\n")[2])["status"] == "timed_out"


def test_max_concurrency_bounds_the_workflow_and_those_in_it(stretto, flow):
    flow.write_text(flow.read_text() + "\nnested = SequentialWorkflow(name='nested', steps=(echo, workflow))\n")
    document = json.loads(
        stretto("run", f"{flow}:nested", "-i", "[1, 2, 3, 4, 5]", "--max-concurrency", "1", "--json").stdout
    )
    assert document["metrics"]["peak_concurrency"] == 1
    assert document["output"] == 30


def test_memory_keeps_nothing(stretto, flow, database):
    database.unlink()
    result = stretto("run", flow, "-i", "[1]", "--store", "memory")
    assert "kept in memory only" in result.stdout
    assert not database.exists()


def test_a_place_may_be_named(stretto, flow, tmp_path, database):
    database.unlink()
    stretto("run", flow, "-i", "[1]", "--store", tmp_path / "other.db", "--run-id", "mine", "--label", "team=blue")
    assert not database.exists()
    (row,) = json.loads(stretto("runs", "--json", "--store", tmp_path / "other.db").stdout)
    assert (row["id"], row["labels"]) == ("mine", {"team": "blue"})


def test_a_run_id_is_used_once(stretto, flow):
    stretto("run", flow, "-i", "[1]", "--run-id", "mine")
    result = stretto("run", flow, "-i", "[1]", "--run-id", "mine")
    assert result.exit_code == Exit.STORE
    assert "stretto resume mine" in result.stderr


def test_durability_reaches_the_run(stretto, flow, monkeypatch):
    from stretto.runtime import log

    seen = []
    write = log.EventLog.write

    async def noting(self, durability):
        seen.append(durability)
        await write(self, durability)

    monkeypatch.setattr(log.EventLog, "write", noting)
    for durability in ("sync", "exit"):
        assert stretto("run", flow, "-i", "[1]", "--durability", durability).exit_code == 0
    assert seen == ["sync", "exit"]


def test_a_damaged_database_is_refused_and_not_changed(stretto, flow, database):
    database.write_bytes(b"this is no database at all, whatever its name says")
    before = database.read_bytes()
    for words in (("run", flow, "-i", "[1]"), ("runs",), ("show",), ("gantt",), ("resume", "last"), ("cancel", "x")):
        result = stretto(*words)
        assert result.exit_code == Exit.STORE
        assert "is refused" in result.stderr
    assert database.read_bytes() == before


def test_the_plan_and_the_chart_may_be_shown_with_the_run(stretto, flow):
    result = stretto("run", f"{flow}:plan", "-i", '{"x": 4}', "--plan", "--gantt")
    assert result.exit_code == 0
    assert "Critical path" in result.stderr
    assert "bottleneck" in result.stdout.rpartition("operations 3")[2]
    assert "s: 12" in result.stdout


def test_plan_files_run_with_their_defaults_and_with_other_input(stretto, tmp_path):
    path = tmp_path / "sums.yaml"
    path.write_text("name: sums\ninputs:\n  word: one\noperations:\n  - id: say\n    run: printf '%s two' ${word}\n")
    assert json.loads(stretto("plan", path, "--json").stdout)["operations"] == ["say"]
    assert json.loads(stretto("run", path, "-q").stdout)["say"] == "one two"
    assert json.loads(stretto("run", path, "-q", "--set", "word=three").stdout)["say"] == "three two"
    unknown = stretto("run", path, "--set", "wrod=three")
    assert unknown.exit_code == Exit.USAGE
    assert "wrod" in unknown.stderr


def test_a_plan_file_with_an_error_points_at_it(stretto, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("operations: 7\n")
    result = stretto("run", path)
    assert result.exit_code == Exit.USAGE
    assert "wrong.yaml:1" in result.stderr


def test_no_color_leaves_no_escape_sequences(stretto, flow, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in stretto("run", flow, "-i", "[1]").stdout
    assert "\x1b[" not in stretto("run", flow, "-i", "[1]", "--no-color").stdout.replace("\x1b[1m", "").replace(
        "\x1b[0m", ""
    )
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in stretto("run", flow, "-i", "[1]").stdout


def test_an_output_in_an_object_is_json_that_people_expect(stretto, flow):
    flow.write_text(
        flow.read_text()
        + "\nimport datetime, pathlib\nfrom dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n"
        + "    tags: set\n\n@step\ndef odd():\n    return {'p': Point(1, {'a'}), 't': (1, 2),"
        + " 'd': datetime.date(2020, 1, 2),"
        + " 'path': pathlib.Path('a/b'), 'm': {1: 2, (3, 4): 5}, 'e': ErrorMode.FAIL_FAST, 'b': b'x'}\n"
    )
    document = json.loads(stretto("run", f"{flow}:odd", "--json").stdout)
    assert document["output"] == {
        "p": {"x": 1, "tags": ["a"]}, "t": [1, 2], "d": "2020-01-02", "path": "a/b", "m": {"1": 2, "[3, 4]": 5},
        "e": "FAIL_FAST", "b": "eA==",
    }  # fmt: skip
    shown = json.loads(stretto("show", "last", "--json").stdout)
    assert shown["output"] == document["output"]


def test_the_working_directory_of_a_relative_target_does_not_matter_later(stretto, flow, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert stretto("run", f"{flow.name}:broken", "-i", "1").exit_code == Exit.FAILED
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = stretto("resume", "last")
    assert result.exit_code == Exit.FAILED  # it fails again: it was found, and run again
    assert "ValueError" in result.stderr
    assert Path.cwd() == elsewhere


def test_a_command_that_no_path_leads_to_is_named_by_its_place(stretto, flow, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    place = Path(sys.executable).with_name("stretto")
    monkeypatch.chdir(tmp_path)
    assert f"{place} show" in stretto("run", flow, "-i", "[1]").stdout
    monkeypatch.chdir(place.parent)
    assert "  stretto show" in stretto("run", flow, "-i", "[1]").stdout
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert "python -m stretto show" in stretto("run", flow, "-i", "[1]").stdout


def test_a_resumed_run_remembers_its_input_its_limit_and_its_timeout(stretto, flow, monkeypatch):
    from stretto.cli import watching

    seen = []

    def noting(screen, step, value, settings, store, showing):
        seen.append((step.limits.max_concurrent_executions, value, settings.get("timeout"), settings.get("run_id")))
        return Exit.FAILED

    flow.write_text(
        flow.read_text() + "\nfails = MapReduceWorkflow(name='fails', map=broken, reduce=step(name='sum')(sum))\n"
    )
    stretto("run", f"{flow}:fails", "-i", "[1]", "--max-concurrency", "3", "--timeout", "1m", "--run-id", "mine")
    monkeypatch.setattr(watching, "execute", noting)
    assert stretto("resume", "mine").exit_code == Exit.FAILED
    stretto("resume", "mine", "--input", "[2]", "--max-concurrency", "4", "--timeout", "2m")
    assert seen == [(3, [1], 60.0, "mine"), (4, [2], 120.0, "mine")]


def test_an_input_that_is_too_large_to_be_remembered_is_asked_for_again(stretto, flow, monkeypatch):
    from stretto.cli import watching

    monkeypatch.setattr(watching, "LONGEST_LABEL", 10)
    stretto("run", f"{flow}:broken", "-i", '"a rather long text"', "--run-id", "mine")
    result = stretto("resume", "mine")
    assert result.exit_code == Exit.USAGE
    assert "too large to be remembered" in result.stderr
    assert "ValueError" in stretto("resume", "mine", "--input", '"a rather long text"').stderr


def test_a_program_of_ones_own_can_be_watched(flow, capsys, monkeypatch):
    import importlib

    from stretto.cli.watching import watch

    monkeypatch.syspath_prepend(flow.parent)
    module = importlib.import_module(flow.stem)
    assert watch(module.plan, {"x": 1}, plan=True, tell=lambda data: f"the sum is {data['s']}") == Exit.OK
    told = capsys.readouterr()
    assert "the sum is 3" in told.out
    assert "Critical path" in told.err
    assert watch(module.plan, {"y": 1}) == Exit.USAGE
    assert watch(module.broken, 1, target=f"{flow.stem}:broken", folder=str(flow.parent)) == Exit.FAILED
    assert watch(module.double, 1, store="redis://x") == Exit.USAGE
    assert "runs cannot be kept" in capsys.readouterr().err
