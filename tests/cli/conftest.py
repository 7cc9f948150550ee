"""Runs the command line in this process, or in one of its own, on a database that belongs to the test."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stretto.cli.app import app
from tests.cli.terminals import Terminal

FLOW = '''
"""Steps for the tests of the command line."""
from stretto import *
from stretto.core.resources import Clock


@step
async def double(x):
    return x * 2


@step
async def broken(x):
    raise ValueError("no such thing")


@step
async def slow(x, context):
    print("begun", flush=True)
    await context.resource(Clock).sleep(30)
    return x


@step
async def ask(x, context):
    answer = await context.ask(Request(question="May it go on?", reason="it costs money"))
    return [answer.choice, answer.value]


@step
async def add(l, r):
    return l + r


@step
async def same(x):
    return x


@step
def echo(given):
    return given


workflow = MapReduceWorkflow(name="doubles", map=double, reduce=step(name="sum")(sum))
first_then_slow = SequentialWorkflow(name="first_then_slow", steps=(double, slow))
plan = PlannedWorkflow(
    plan=analyze_dependencies(
        [
            Operation(id="left", step=double, inputs=("x",), outputs=("l",), duration=2),
            Operation(id="right", step=same, inputs=("x",), outputs=("r",), duration=1),
            Operation(id="sum", step=add, inputs=("l", "r"), outputs=("s",)),
        ],
        given=("x",),
    )
)
number = 17
'''


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is made already: its migrations need not run again for every test."""
    place = tmp_path_factory.mktemp("database") / "runs.db"
    CliRunner().invoke(app, ["runs", "--store", str(place)])
    return place


@pytest.fixture(autouse=True)
def database(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "runs.db"
    shutil.copyfile(empty_database, place)
    monkeypatch.setenv("STRETTO_DATABASE", str(place))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    paths, modules = list(sys.path), set(sys.modules)
    yield place
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if name.startswith("flow_"):
            del sys.modules[name]


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / f"flow_{uuid.uuid4().hex[:8]}.py"
    path.write_text(FLOW)
    return path


@pytest.fixture
def stretto() -> Callable[..., Result]:
    def invoke(*words: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)

    return invoke


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, **kept: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "stretto", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **kept,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*words: object, columns: int = 100) -> Terminal:
        opened.append(Terminal(tmp_path, *words, columns=columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
