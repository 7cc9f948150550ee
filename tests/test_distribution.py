"""What is packed and installed: everything that is read beside the modules, the examples, and the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tests.built_page import built_page

REPOSITORY = Path(__file__).parents[1]
PAGE = "stretto/server/static"


def unpacked(root: Path, place: Path) -> Path:
    """Builds the wheel of a checkout, and unpacks it as an installer does."""
    (wheel,) = WheelBuilder(str(root)).build(directory=str(place / "dist"), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    return place


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installer makes of the wheel of this checkout."""
    built_page()
    return unpacked(REPOSITORY, tmp_path_factory.mktemp("site-packages"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout, unpacked."""
    built_page()
    place = tmp_path_factory.mktemp("source")
    (packed,) = SdistBuilder(str(REPOSITORY)).build(directory=str(place / "dist"), versions=["standard"])
    with tarfile.open(packed) as archive:
        archive.extractall(place, filter="data")
    return place / "stretto-0.1.0"


def page_of(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


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


def test_a_wheel_brings_the_page_and_serves_it_without_node(installed, tmp_path):
    packed = page_of(installed / PAGE)
    assert packed == page_of(REPOSITORY / "src" / PAGE)
    assert {"index.html", ".build-stamp"} <= set(packed)
    assert [name for name in packed if name.startswith("assets/") and name.endswith(".js.gz")]
    assert not [name for name in packed if name.endswith((".map", ".ts", ".svelte"))]
    code = "from stretto.server import page; print(page.index('/below').body.decode())"
    environment = {**os.environ, "PYTHONPATH": str(installed), "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert b'<base href="/below/">' in done.stdout


def test_a_source_distribution_is_installed_with_the_page_where_there_is_no_node(source, tmp_path, monkeypatch):
    assert (source / "ui" / "package-lock.json").is_file()
    assert (source / "ui" / "src" / "main.ts").is_file()
    assert not (source / "ui" / "node_modules").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STRETTO_REQUIRE_PAGE", "1")
    assert page_of(unpacked(source, tmp_path / "site-packages") / PAGE) == page_of(REPOSITORY / "src" / PAGE)
