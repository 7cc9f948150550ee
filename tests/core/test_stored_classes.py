"""A name in a stored value leads to a class of the kind that it claims, or nowhere; it starts nothing."""

import sys
from pathlib import Path

import pytest

from stretto.core.classes import name_of_class
from stretto.core.codec import from_plain
from stretto.core.errors import StoreError

RECORD = "from dataclasses import dataclass\n\n@dataclass\nclass Row:\n    n: int\n"
TRAP = "import sys\nsys.sprung = True\n"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("kept_"):
            del sys.modules[name]


def test_a_class_of_a_module_that_is_not_imported_yet_is_found_by_its_source(modules):
    (modules / "kept_rows.py").write_text(RECORD)
    assert from_plain({"$data": ["kept_rows:Row", {"n": 3}]}).n == 3


def test_a_class_inside_a_package_is_found(modules):
    package = modules / "kept_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rows.py").write_text(RECORD)
    assert from_plain({"$data": ["kept_package.rows:Row", {"n": 3}]}).n == 3


@pytest.mark.parametrize(
    "source",
    [
        TRAP,
        TRAP + "def Row(): ...\n",
        TRAP + "class Row: ...\n",
        TRAP + "class Row(:\n",
        TRAP + "Row = dict\n",
        "\xff\xfe",
    ],
)
def test_a_module_that_defines_no_such_class_is_not_imported(modules, source):
    (modules / "kept_trap.py").write_bytes(source.encode("latin-1"))
    with pytest.raises(StoreError, match="'kept_trap', which is not imported, and no source of that name defines"):
        from_plain({"$data": ["kept_trap:Row", {"n": 3}]})
    assert not hasattr(sys, "sprung")
    assert "kept_trap" not in sys.modules


@pytest.mark.parametrize(
    "module",
    ["antigravity", "no_such_module", "kept_trap.inner", "", "a..b", "../evil", "os path", "_xxsubinterpreters"],
)
def test_hostile_names_are_refused_without_an_import(modules, module):
    (modules / "kept_trap.py").write_text(TRAP)
    before = set(sys.modules)
    with pytest.raises(StoreError, match="which is not imported"):
        from_plain({"$error": [f"{module}:Row", [], {}]})
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ({"$error": ["subprocess:Popen", [["ls"]], {}]}, "names 'subprocess:Popen', which is no error"),
        ({"$error": ["tests.core.stored_shapes:Point", [1], {}]}, "which is no error"),
        ({"$data": ["tests.core.stored_shapes:Person", {}]}, "which is no dataclass or named tuple"),
        ({"$data": ["tests.core.stored_shapes:IMPORTED_ON_PURPOSE", {}]}, "which is no dataclass"),
        ({"$data": ["tests.core.stored_shapes:Listed", {"name": ""}]}, "which is no dataclass"),
        ({"$enum": ["tests.core.stored_shapes:Person", "a"]}, "which is no enumeration"),
        ({"$model": ["tests.core.stored_shapes:Point", {}]}, "which is no pydantic model"),
        ({"$model": ["builtins:eval", {}]}, "which is no pydantic model"),
        ({"$data": ["tests.core.stored_shapes:Nobody", {}]}, "cannot be imported: AttributeError"),
        ({"$data": ["tests.core.stored_shapes", {}]}, "cannot be imported: AttributeError"),
    ],
)
def test_what_a_name_leads_to_must_be_of_the_kind_that_is_claimed(plain, why):
    with pytest.raises(StoreError, match=why):
        from_plain(plain)


def test_a_module_that_fails_when_imported_is_told(modules):
    (modules / "kept_broken.py").write_text("1 / 0\n" + RECORD)
    with pytest.raises(StoreError, match="'kept_broken', which cannot be imported: ZeroDivisionError"):
        from_plain({"$data": ["kept_broken:Row", {"n": 3}]})


def test_a_class_made_anew_under_its_name_is_still_found(modules):
    (modules / "kept_again.py").write_text(RECORD)
    import kept_again

    old = kept_again.Row
    exec(compile(RECORD, "again", "exec"), vars(kept_again))
    assert kept_again.Row is not old
    assert name_of_class(old) == "kept_again:Row"
