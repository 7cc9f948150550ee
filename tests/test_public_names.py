"""The public face: what `stretto` hands on, where it lives, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import stretto

SOURCE = Path(stretto.__file__)


def test_every_public_name_has_one_home_and_is_declared_for_type_checkers() -> None:
    declared: dict[str, str] = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stretto."):
            declared |= {name.name: node.module for name in node.names}
    homes: dict[str, str] = stretto._HOME_OF  # type: ignore[attr-defined]  # private, and what this test is about
    assert declared == homes
    assert sorted(homes) == sorted(stretto.__all__) == sorted(dir(stretto))
    assert len(stretto.__all__) <= 60
    for name, home in homes.items():
        assert getattr(stretto, name) is getattr(import_module(home), name)


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="Fooflow"):
        _ = stretto.Fooflow  # type: ignore[attr-defined]  # it does not exist


def test_importing_stretto_imports_no_third_party_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import stretto; [getattr(stretto, name) for name in stretto.__all__]; "
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    third_party = {name for name in printed.split() if not name.startswith("_sysconfigdata")}  # part of the interpreter
    assert third_party <= {"stretto", "pydantic", "pydantic_core"}
