"""`stretto doctor`, `version`, `examples`, the help, and the table of exit statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stretto.cli import gallery, health
from stretto.cli.exits import Exit


def found(result):
    return {row["about"]: row for row in json.loads(result.stdout)}


def test_doctor_finds_nothing_wrong_here(stretto, flow, database):
    stretto("run", flow, "-i", "[1]")
    result = stretto("doctor")
    assert result.exit_code == Exit.OK, result.stdout
    assert "nothing is wrong" in result.stdout
    assert f"{database}: 1 run" in " ".join(result.stdout.split())
    rows = found(stretto("doctor", "--json"))
    assert {"python", "libraries", "git", "database", "its health", "its disk", "memory", "processors"} <= set(rows)
    assert rows["its health"]["what"].startswith("sound")


def test_doctor_tells_of_a_database_that_is_none(stretto, database):
    database.write_text("something else altogether")
    result = stretto("doctor")
    assert result.exit_code == Exit.FAILED
    assert "✕ database" in result.stdout
    assert "--store PATH" in result.stdout
    assert "1 thing is wrong" in result.stdout


def test_doctor_tells_of_a_damaged_page(stretto, flow, database):
    stretto("run", flow, "-i", json.dumps(list(range(300))))
    content = bytearray(database.read_bytes())
    content[3 * 4096 : 4 * 4096] = os.urandom(4096)
    database.write_bytes(content)
    result = stretto("doctor", "--json")
    assert result.exit_code == Exit.FAILED
    assert any(row["verdict"] == "wrong" and row["way_out"] for row in found(result).values())


def test_doctor_tells_what_is_scarce(stretto, monkeypatch):
    monkeypatch.setattr(health, "LITTLE_DISK", 2**80)
    monkeypatch.setattr(health, "LITTLE_MEMORY", 2**80)
    monkeypatch.setattr(health, "FEW_FILES", 2**40)
    monkeypatch.setattr(health, "LARGE_WAL", -1)
    monkeypatch.setattr(health.shutil, "which", lambda name: None)
    monkeypatch.setattr(health, "installed", lambda name: "" if name == "rich" else "1.0")
    rows = found(stretto("doctor", "--json"))
    assert rows["its disk"]["way_out"] == "make room, or `stretto runs prune --older-than 30d`"
    assert rows["memory"]["verdict"] == "wrong"
    assert rows["open files"]["way_out"].startswith("ulimit -n")
    assert rows["git"]["verdict"] == "note"
    assert rows["libraries"]["way_out"] == "pip install rich"
    assert "its log" in rows


def test_doctor_copes_with_runs_in_memory(stretto):
    assert found(stretto("doctor", "--json", "--store", "memory"))["database"]["verdict"] == "note"


def test_the_version_is_told(stretto):
    assert stretto("version").stdout.startswith("stretto ")
    assert stretto("--version").stdout == stretto("version").stdout
    assert health.installed("no-such-distribution-of-this-name") == ""


def test_every_exit_status_is_in_the_help_and_in_the_documentation(stretto):
    told = " ".join(stretto("--help").stdout.split())
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for code in Exit:
        assert f"{int(code)} {code.meaning[:40]}" in told
        assert f"| {int(code)} | {code.meaning} |" in page


def test_every_command_explains_itself(stretto):
    from typer.main import get_command

    from stretto.cli.app import app

    for name in get_command(app).commands:
        result = stretto(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.stdout


def test_the_examples_are_listed_with_their_captions(stretto):
    result = stretto("examples")
    assert "survey" in result.stdout
    assert "Surveys a source tree" in result.stdout
    rows = json.loads(stretto("examples", "--json").stdout)
    assert all(row["caption"].endswith(".") for row in rows), rows
    assert {"survey", "plans/fan-out"} <= {row["name"] for row in rows}


def test_an_example_is_shown_and_copied(stretto, tmp_path):
    assert "analyze_dependencies" in stretto("examples", "show", "survey").stdout
    result = stretto("examples", "copy", "survey", tmp_path / "mine")
    assert "python -m survey" in result.stdout
    assert (tmp_path / "mine" / "survey" / "plan.py").is_file()
    assert stretto("examples", "copy", "survey", tmp_path / "mine").exit_code == Exit.USAGE
    stretto("examples", "copy", "plans/fan-out", tmp_path / "plans")
    assert (tmp_path / "plans" / "fan-out.yaml").is_file()


def test_an_unknown_example_is_told(stretto):
    result = stretto("examples", "show", "nothing")
    assert result.exit_code == Exit.NOT_FOUND
    assert "survey" in result.stderr


def test_a_copied_example_runs_where_it_was_copied_to(stretto, tmp_path):
    stretto("examples", "copy", "survey", tmp_path)
    command = [sys.executable, "-m", "survey", ".", "--out", "report.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "# Survey of" in (tmp_path / "report.md").read_text()


def test_an_example_runs_by_its_name(stretto, monkeypatch):
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command, **kept: called.append(command) or len(called) - 1)
    assert stretto("examples", "run", "survey", "/tmp", "--out", "x").exit_code == 0
    assert called[0][1:] == ["-m", "examples.survey", "/tmp", "--out", "x"]
    assert stretto("examples", "run", "plans/fan-out", "-q").exit_code == 1
    assert called[1][1:4] == ["-m", "stretto", "run"]
    assert called[1][-1] == "-q"
    stretto("examples", "run", "counters")
    assert called[2][1].endswith("counters.py")


def test_the_examples_of_an_installed_package_are_inside_it(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "stretto"
    (package / "examples" / "tiny").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "examples" / "tiny" / "__main__.py").write_text("")
    monkeypatch.setattr(gallery.stretto, "__file__", str(package / "__init__.py"))
    (example,) = gallery.find()
    assert (example.name, example.caption) == ("tiny", "")


def test_examples_that_are_not_installed_are_told(stretto, monkeypatch, tmp_path):
    monkeypatch.setattr(gallery.stretto, "__file__", str(tmp_path / "stretto" / "__init__.py"))
    result = stretto("examples")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "are not installed here" in result.stderr


@pytest.mark.parametrize("words", [["--help"], ["version"]])
def test_the_module_is_the_command(words):
    done = subprocess.run([sys.executable, "-m", "stretto", *words], capture_output=True, text=True, check=True)
    assert "stretto" in done.stdout
