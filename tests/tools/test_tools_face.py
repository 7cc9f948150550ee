"""The face of the tools: its names, what importing it costs, and the schemas that providers are sent."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest

from stretto import tools
from stretto.tools import ToolRegistry

SOURCE = Path(tools.__file__)


def test_every_name_of_the_face_has_one_home_and_is_declared_for_type_checkers():
    declared: dict[str, str] = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stretto."):
            declared |= {name.name: node.module for name in node.names}
    assert declared == {**tools._HOME_OF, "tool": "stretto.tools.function"}
    assert sorted(declared) == sorted(tools.__all__) == sorted(dir(tools))
    for name, home in declared.items():
        assert getattr(tools, name) is getattr(import_module(home), name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tools.nothing  # noqa: B018  # asking is the point


@pytest.mark.parametrize("first", ["stretto.tools.tool", "stretto.tools.function", "stretto.tools"])
def test_the_decorator_is_no_module_whatever_is_imported_first(first):
    code = f"import {first}\nfrom stretto.tools import tool\nassert callable(tool)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_tools_brings_in_nothing_but_pydantic():
    code = (
        "import sys, stretto.tools\n"
        "@stretto.tools.tool\ndef look(path: str) -> str:\n    'Looks.'\n    return path\n"
        "print(sorted({'griffe', 'pydantic_ai', 'sqlalchemy', 'mcp', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


EXAMPLES = {
    "MemoryTool": {"operation": "search", "query": "x"},
    "TodoTool": {"operation": "create", "name": "x"},
    "CalculatorTool": {"expression": "1 + 1"},
    "UserQuestionTool": {"question": "x", "question_type": "checkbox", "options": [{"id": "a", "label": "A"}]},
    "InternalReportTool": {"operation": "list"},
    "list_files": {},
    "read_file": {"path": "a"},
    "search_files": {"pattern": "x"},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_schema_is_one_that_providers_take_and_that_checked_arguments_follow(name, tmp_path):
    tool = ToolRegistry.builtin(tmp_path).get(name)
    jsonschema.Draft202012Validator.check_schema(tool.parameters)
    assert tool.parameters["type"] == "object"
    assert not {"oneOf", "anyOf", "allOf", "not", "enum"} & tool.parameters.keys()
    checked = tool.check(EXAMPLES[name])
    jsonschema.validate(checked, tool.parameters)
    assert tool.check(checked) == checked
    assert tool.description
    assert (tool.risk, tool.destructive, tool.origin) == ("low", False, "local")


def test_a_property_that_operations_take_differently_takes_what_each_of_them_does():
    schema = ToolRegistry.builtin().get("MemoryTool").parameters
    for arguments in (
        {"operation": "add", "type": "context", "content": "x", "scope": "general"},
        {"operation": "list", "scope": "both"},
    ):
        jsonschema.validate(arguments, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"operation": "list", "scope": "all"}, schema)
