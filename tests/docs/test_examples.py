"""Runs every example, and compares what it prints with what its docstring says it prints."""

import ast
import contextlib
import doctest
import io
import os
import runpy
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stretto import Step
from tests.docs.pages import DOCS, REPOSITORY

EXAMPLES = sorted(path for path in (REPOSITORY / "examples").glob("*.py") if path.name != "__init__.py")
OWN_PROCESS = {"process_isolation", "resume_after_crash"}
_COMPARE = doctest.OutputChecker()


def promised(path: Path) -> str:
    """Returns what stands behind "It prints:" in an example's docstring."""
    told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    _, found, printed = told.partition("It prints:\n")
    assert found, f"{path.name} does not say what it prints"
    return textwrap.dedent(printed).strip() + "\n"


def test_there_are_examples():
    names = {path.stem for path in EXAMPLES}
    assert {"fan_out_fan_in", "sequential_pipeline", "hybrid", "resume_after_crash"} <= names


def run(path: Path, bytecode: Path) -> str:
    """Runs an example as a program, in this process where that makes no difference; returns what it prints."""
    if path.stem not in OWN_PROCESS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            runpy.run_path(str(path), run_name="__main__")
        return printed.getvalue()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(bytecode)}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(path, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRETTO_DATABASE", str(tmp_path / "runs.db"))
    printed = run(path, tmp_path_factory.getbasetemp().parent / "bytecode")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert _COMPARE.check_output(promised(path), printed, flags), f"it printed\n{printed}"
    assert not list(tmp_path.iterdir()), f"{path.name} leaves files behind"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_run_from_the_command_line(path):
    held = runpy.run_path(str(path), run_name="example")
    assert isinstance(held["workflow"], Step), f"`stretto run examples/{path.name}` looks for a workflow"
    assert len(path.read_text("utf-8").splitlines()) <= 110, f"{path.name} is too long to teach"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_stands_in_the_index(path):
    assert f"(../examples/{path.name})" in (DOCS / "index.md").read_text("utf-8")
