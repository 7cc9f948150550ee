"""Runs every block of the README and of docs/: what a page shows is what happens."""

import contextlib
import doctest
import io
import json
import linecache
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import Block, blocks, name_of, pages

LANGUAGES = {"python", "text", "console", "yaml", "json", "toml", "sh", "mermaid"}
_COMPARE = doctest.OutputChecker()
_LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def same(wanted: str, got: str) -> bool:
    return _COMPARE.check_output(wanted.strip() + "\n", got.strip() + "\n", _LOOSELY)


def run_python(block: Block, page: str, namespace: dict[str, object]) -> str:
    """Executes a block in its page's namespace, with its source where inspect finds it; returns what it printed."""
    name = f"<{page}:{block.line}>"
    linecache.cache[name] = (len(block.text), None, block.text.splitlines(keepends=True), name)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.text, name, "exec"), namespace)
    return printed.getvalue()


def run_file(block: Block) -> None:
    """Writes a block that is a file, and runs it: a test by pytest, anything else as a module."""
    path = Path(block.file)
    path.write_text(block.text, "utf-8")
    if not path.name.startswith("test_"):
        runpy.run_path(block.file, run_name=path.stem)
        return
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run_command(words: list[str]) -> tuple[int, str]:
    """Runs ``stretto …`` or ``python file.py`` here, in this process; returns status, and both outputs together."""
    told, modules, paths = io.StringIO(), set(sys.modules), list(sys.path)
    status: object = 0
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        try:
            if words[0] == "stretto":
                from stretto.cli.app import app

                app(args=words[1:], prog_name="stretto", standalone_mode=True)
            else:
                runpy.run_path(words[1], run_name="__main__")
        except SystemExit as end:
            status = end.code
        finally:
            sys.path[:] = paths
            for module in set(sys.modules) - modules:
                if Path(getattr(sys.modules[module], "__file__", None) or "/").is_relative_to(Path.cwd()):
                    del sys.modules[module]
    return int(status) if isinstance(status, int) else 1, told.getvalue()


def check_console(block: Block, where: str) -> None:
    """Runs the commands of a block; each expected line must be in the output, in order, ``...`` for anything."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        command, _, note = line.partition("  #")
        words = shlex.split(command)
        assert words[0] in ("stretto", "python"), f"{where}: {words[0]} is not run by this test; use a sh block"
        wanted = int(found[1]) if (found := re.search(r"status (\d+)", note)) else 0
        status, told = run_command(words)
        assert status == wanted, f"{where}: {command} ended with {status}, not {wanted}:\n{told}"
        rest = " ".join(told.split())
        for one in filter(None, map(str.strip, expected.splitlines())):
            pattern = ".*?".join(re.escape(" ".join(piece.split())) for piece in one.split("..."))
            found = re.search(pattern, rest)
            assert found, f"{where}: {command} did not say {one!r} there, but:\n{told}"
            rest = rest[found.end() :]


def check_yaml(block: Block, folder: Path) -> None:
    """Loads a plan file."""
    from stretto.planfiles.load import load_plan

    path = folder / (block.file or f"plan_at_line_{block.line}.yaml")
    path.write_text(block.text, "utf-8")
    assert load_plan(path).plan.operations


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A directory, a store and a terminal of the page's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRETTO_DATABASE", str(tmp_path / "runs.db"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_block_of_a_page_does_what_the_page_says(page, alone):
    namespace: dict[str, object] = {"__name__": "page"}
    printed = None
    for block in blocks(page):
        where = f"{name_of(page)}:{block.line}"
        assert block.language in LANGUAGES, f"{where} is a block of {block.language!r}, which nothing checks"
        if block.language == "text" and printed is not None:
            assert same(block.text, printed), f"{where} shows\n{block.text}\nbut this was printed:\n{printed}"
        printed = None
        if block.language == "python" and block.file:
            run_file(block)
        elif block.language == "python":
            printed = run_python(block, name_of(page), namespace)
        elif block.language == "console":
            check_console(block, where)
        elif block.language == "yaml":
            check_yaml(block, alone)
        elif block.language == "json":
            json.loads(block.text)
            if block.file:
                Path(block.file).write_text(block.text, "utf-8")
        elif block.language == "toml":
            tomllib.loads(block.text)
            if block.file:
                Path(block.file).parent.mkdir(exist_ok=True)
                Path(block.file).write_text(block.text, "utf-8")
    assert os.getcwd() == str(alone)
