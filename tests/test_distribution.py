"""What is installed from a wheel: everything that is read beside the modules, and the examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel, and unpacks it as an installer does."""
    place = tmp_path_factory.mktemp("site-packages")
    (wheel,) = WheelBuilder(str(REPOSITORY)).build(directory=str(place / "dist"), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    return place


def test_a_wheel_holds_what_is_read_beside_the_modules(installed):
    held = {str(path.relative_to(installed)) for path in (installed / "stretto").rglob("*") if path.is_file()}
    beside = [path for path in (REPOSITORY / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {str(path.relative_to(REPOSITORY / "src")) for path in beside} <= held
    assert {"stretto/py.typed", "stretto/planfiles/plan.schema.json", "stretto/monitoring/page/page.js"} <= held
    assert not [name for name in held if "__pycache__" in name]


def test_a_wheel_brings_the_examples(installed):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "stretto", "examples"]
    done = subprocess.run([*command, "--json"], cwd=installed, env=environment, capture_output=True, check=True)
    found = {row["name"]: row["path"] for row in json.loads(done.stdout)}
    assert "survey" in found
    assert "plans/fan-out" in found
    assert all(path.startswith(str(installed)) for path in found.values())
    ran = subprocess.run(
        [*command, "run", "price_pipeline"], cwd=installed, env=environment, capture_output=True, check=True
    )
    assert b"Final price: $243" in ran.stdout


def test_a_wheel_has_no_other_names_at_its_top(installed):
    assert {path.name for path in installed.iterdir()} == {"stretto", "stretto-0.1.0.dist-info", "dist"}
