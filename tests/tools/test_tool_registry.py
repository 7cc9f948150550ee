"""Tools by their names."""

import pytest

from stretto import DefinitionError, step
from stretto.tools import ToolRegistry, ToolTaken, UnknownTool, tool


@tool
def weigh(thing: str) -> int:
    """Weighs."""
    return len(thing)


@tool
def count(thing: str) -> int:
    """Counts."""
    return len(thing)


def test_tools_are_found_by_name_in_the_order_asked_for_and_each_once():
    registry = ToolRegistry((weigh, count))
    assert registry.find(("count", "weigh", "count")) == (count, weigh)
    assert registry.find(()) == ()
    assert registry.names == ("weigh", "count")
    assert list(registry) == [weigh, count]
    assert len(registry) == 2
    assert "weigh" in registry
    assert registry.get("weigh") is weigh


def test_an_unknown_tool_is_refused_with_names_that_are_near():
    registry = ToolRegistry((weigh, count))
    with pytest.raises(UnknownTool, match=r"there is no tool 'Wiegh'; did you mean 'weigh'\?") as caught:
        registry.find(("count", "Wiegh"))
    assert caught.value.near == ("weigh",)
    with pytest.raises(UnknownTool, match="there are 'count' and 'weigh'"):
        registry.get("xyz")


def test_a_name_is_taken_once():
    registry = ToolRegistry((weigh,))
    registry.add(weigh)
    with pytest.raises(ToolTaken):
        registry.add(tool(name="weigh")(len))
    assert len(registry) == 1


def test_what_is_no_tool_is_refused():
    with pytest.raises(DefinitionError, match="make one of a function with @tool"):
        ToolRegistry((step(print),))  # type: ignore[arg-type]  # which is the point
