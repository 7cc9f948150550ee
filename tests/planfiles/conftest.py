"""Writes plan files, loads them, runs them on the real runtime."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stretto.core.errors import PlanFileError
from stretto.planfiles import LoadedPlan, load_plan
from stretto.runtime.run import run_sync


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "plan.yaml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    return write


@pytest.fixture
def load(written: Callable[..., Path]) -> Callable[..., LoadedPlan]:
    return lambda text, input=None, name="plan.yaml": load_plan(written(text, name), input)


@pytest.fixture
def value_of(load: Callable[..., LoadedPlan]) -> Callable[..., Any]:
    """Runs a plan and returns its data."""

    def run(text: str, input: Any = None, **settings: Any) -> Any:
        return run_sync(load(text).workflow, input, timeout=30, **settings)

    return run


@pytest.fixture
def problems(load: Callable[..., LoadedPlan]) -> Callable[..., list[tuple[int, int, str]]]:
    """Returns line, column and message of everything that is wrong with a file."""

    def find(text: str, name: str = "plan.yaml") -> list[tuple[int, int, str]]:
        with pytest.raises(PlanFileError) as caught:
            load(text, name=name)
        return [problem[:3] for problem in caught.value.problems]

    return find
