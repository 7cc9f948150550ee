"""Tools: what a model may call; most names are imported when they are used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stretto.tools.function import tool  # now: the module of that name, imported later, would stand in its place

if TYPE_CHECKING:
    from stretto.tools.calculator import CalculatorTool
    from stretto.tools.files import ListFilesTool, ReadFileTool, SearchFilesTool, file_tools
    from stretto.tools.function import FunctionTool
    from stretto.tools.memory import MemoryTool
    from stretto.tools.registry import ToolRegistry, ToolTaken, UnknownTool
    from stretto.tools.report import InternalReportTool
    from stretto.tools.todo import TodoTool
    from stretto.tools.tool import Invocation, Tool, ToolFailed, ToolRisk, Touches, WrongArguments
    from stretto.tools.user_question import UserQuestionTool
    from stretto.tools.workspace import Workspace

__all__ = [
    "CalculatorTool",
    "FunctionTool",
    "InternalReportTool",
    "Invocation",
    "ListFilesTool",
    "MemoryTool",
    "ReadFileTool",
    "SearchFilesTool",
    "TodoTool",
    "Tool",
    "ToolFailed",
    "ToolRegistry",
    "ToolRisk",
    "ToolTaken",
    "Touches",
    "UnknownTool",
    "UserQuestionTool",
    "Workspace",
    "WrongArguments",
    "file_tools",
    "tool",
]

_HOMES = {
    "stretto.tools.calculator": "CalculatorTool",
    "stretto.tools.files": "ListFilesTool ReadFileTool SearchFilesTool file_tools",
    "stretto.tools.function": "FunctionTool",
    "stretto.tools.memory": "MemoryTool",
    "stretto.tools.registry": "ToolRegistry ToolTaken UnknownTool",
    "stretto.tools.report": "InternalReportTool",
    "stretto.tools.todo": "TodoTool",
    "stretto.tools.tool": "Invocation Tool ToolFailed ToolRisk Touches WrongArguments",
    "stretto.tools.user_question": "UserQuestionTool",
    "stretto.tools.workspace": "Workspace",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Returns a public name from its home, which is imported only now."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'stretto.tools' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
