"""Tools by their names: what an agent's configuration may name, and who is told when it names something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from stretto.core.errors import DefinitionError, listed
from stretto.tools.calculator import CalculatorTool
from stretto.tools.files import file_tools
from stretto.tools.memory import MemoryTool
from stretto.tools.report import InternalReportTool
from stretto.tools.todo import TodoTool
from stretto.tools.tool import Tool
from stretto.tools.user_question import UserQuestionTool


class UnknownTool(DefinitionError):
    """A name that no tool has."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        folded = {known_name.casefold(): known_name for known_name in names}
        near = [folded[found] for found in get_close_matches(name.casefold(), list(folded), 3)]
        hint = f"did you mean {listed(near)}?" if near else f"there are {listed(names)}"
        super().__init__(f"there is no tool {name!r}; {hint}")
        self.name, self.near = name, tuple(near)


class ToolTaken(DefinitionError):
    """A name that another tool has already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a tool {name!r} already; give the new one another name")
        self.name = name


class ToolRegistry:
    """Holds tools by name, in the order in which they were added."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    @classmethod
    def builtin(cls, workspace: Path | str | None = None) -> ToolRegistry:
        """Returns the tools of this package; with a ``workspace`` also those that read the files in that folder."""
        files = () if workspace is None else file_tools(workspace)
        return cls((MemoryTool(), TodoTool(), CalculatorTool(), UserQuestionTool(), InternalReportTool(), *files))

    def add(self, tool: Tool) -> None:
        """Adds a tool; raises ``ToolTaken`` when its name is taken by another."""
        if not isinstance(tool, Tool):
            raise DefinitionError(f"a registry holds tools, not {tool!r}; make one of a function with @tool")
        if self._tools.setdefault(tool.name, tool) is not tool:
            raise ToolTaken(tool.name)

    def get(self, name: str) -> Tool:
        """Returns the tool of that name; raises ``UnknownTool``."""
        if name not in self._tools:
            raise UnknownTool(name, self._tools)
        return self._tools[name]

    def find(self, names: Iterable[str]) -> tuple[Tool, ...]:
        """Returns the tools of these names, in their order, each once; raises ``UnknownTool``."""
        return tuple(self.get(name) for name in dict.fromkeys(names))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        """Yields the tools."""
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        """Says whether there is a tool of that name."""
        return name in self._tools
