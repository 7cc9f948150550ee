"""Agents by their ids: added, refused, listed, made, kept in an archive and taken out of it again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stretto.agents.delegation import DELEGATION_TOOLS
from stretto.agents.registry import (
    AgentRegistry,
    AgentSummary,
    AgentTaken,
    BrokenAgent,
    NoServers,
    UnknownAgent,
    described_by,
)
from stretto.core.archive import Archive, Document, NotKept
from stretto.core.errors import DefinitionError
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.tools.function import tool
from stretto.tools.registry import UnknownTool
from tests.agents.delegating import agent, lead, registry, scripted


class Servers:
    """MCP servers without any tools."""

    async def tools(self, servers: Any) -> Any:
        return ()

    def describe(self, servers: Any) -> str:
        return ""


def kept(archive: Archive, kind: str = "agent") -> list[Document]:
    return asyncio.run(archive.documents(kind))


def put(archive: Archive, id: str, name: str, **body: Any) -> None:
    asyncio.run(archive.put_document(Document(kind="agent", id=id, name=name, body=body)))


@pytest.fixture
def archive() -> Archive:
    return MemoryStore().archive


def test_an_agent_is_made_of_its_configuration_each_time_it_is_got() -> None:
    known = registry(agent("a", tools=("look",)), a=scripted())
    first, second = known.get("a"), known.get("a")
    assert first is not second
    assert (first.config.id, first.level, [tool.name for tool in first.tools]) == ("a", 1, ["look"])
    assert known.config("a") is first.config


def test_an_unknown_agent_is_told_with_those_of_nearly_that_name() -> None:
    known = registry(agent("coder"), agent("tester"))
    with pytest.raises(UnknownAgent, match="there is no agent 'codr'; did you mean 'coder'") as caught:
        known.get("codr")
    assert (caught.value.id, caught.value.near) == ("codr", ("coder",))
    with pytest.raises(UnknownAgent, match="there are 'coder' and 'tester'"):
        known.remove("zzz")
    many = registry(*(agent(f"agent-{number:02}") for number in range(25)))
    with pytest.raises(UnknownAgent, match="and 5 more"):
        many.get("?")


def test_what_an_agent_names_must_be_there() -> None:
    known = registry(agent("a"))
    with pytest.raises(UnknownTool, match="there is no tool 'lok'; did you mean 'look'"):
        known.add(agent("b", tools=("lok",)))
    with pytest.raises(DefinitionError, match="there is no model 'test:a'"):
        known.get("a")
    served = registry(agent("s", mcp_servers=("files",)), s=scripted())
    with pytest.raises(NoServers, match="agent 's' names the MCP servers 'files'"):
        served.get("s")
    assert served.get("s", mcp=Servers()).config.mcp_servers == ("files",)
    assert [one.id for one in known.summaries()] == ["a"]


def test_an_id_or_a_name_is_given_once() -> None:
    known = registry(agent("a", name="Ann"), agent("t", name="Ann", lifecycle="temporary"))
    with pytest.raises(AgentTaken, match="the id 'a' is taken"):
        known.add(agent("a"))
    with pytest.raises(AgentTaken, match="the name 'Ann' is taken by the agent 'a'"):
        known.add(agent("b", name="Ann"))
    known.add(agent("a", name="Anna"), replace=True)
    known.add(agent("b", name="Ann"))
    assert known.config("a").name == "Anna"


def test_agents_are_listed_in_a_stable_order_the_permanent_ones_first() -> None:
    configs = [agent("3", name="c"), agent("1", name="a", lifecycle="temporary"), agent("2", name="b", tools=("look",))]
    known = registry(*configs)
    assert [one.name for one in known.summaries()] == ["b", "c", "a"]
    assert known.summaries()[0] == AgentSummary(
        id="2", name="b", lifecycle="permanent", provider="test", model="2", tools_count=1, mcp_servers_count=0
    )
    assert [one.id for one in known.delegates(but="3")] == ["2"]
    removed = known.remove("1")
    assert removed is not None
    assert [one.name for one in known.summaries()] == ["b", "c"]


def test_only_a_primary_agent_is_offered_delegation_and_only_a_sub_agent_the_internal_report() -> None:
    @tool(name="InternalReportTool", reads=())
    def internal_report(text: str) -> str:
        """Reports."""
        return text

    config = agent("a", tools=("InternalReportTool", *DELEGATION_TOOLS, "look"))
    known = registry(config, tools=[internal_report], a=scripted())
    assert [tool.name for tool in known.get("a").tools] == [*DELEGATION_TOOLS, "look"]
    below = known.get("a", level=2, parent_id="boss")
    assert [tool.name for tool in below.tools] == ["InternalReportTool", "look"]
    assert (below.level, below.parent_id) == (2, "boss")


def test_permanent_agents_outlive_their_registry_and_temporary_ones_do_not(archive: Archive) -> None:
    first = registry(lead("look"), agent("b", mcp_servers=("files",)), agent("t", lifecycle="temporary"))
    asyncio.run(first.save(archive))
    assert [document.name for document in kept(archive)] == ["b", "lead"]
    with pytest.raises(DefinitionError, match="agent 't' is temporary and is not kept"):
        asyncio.run(first.save(archive, "t"))
    second = registry()
    assert asyncio.run(second.load(archive)) == ()
    assert second.config("lead") == first.config("lead")
    assert second.config("b") == first.config("b")
    assert [one.id for one in second.summaries()] == ["b", "lead"]


def test_a_changed_agent_takes_the_place_of_the_stored_one(archive: Archive) -> None:
    known = registry(agent("a"))
    asyncio.run(known.save(archive, "a"))
    known.add(agent("a", name="b", system_prompt="Else."), replace=True)
    asyncio.run(known.save(archive, "a"))
    again = registry()
    asyncio.run(again.load(archive))
    assert (again.config("a").name, again.config("a").system_prompt) == ("b", "Else.")


def test_a_broken_description_is_told_by_its_name_and_takes_no_other_down(archive: Archive) -> None:
    put(archive, "1", "fine", tools=["look"])
    put(archive, "2", "bad", max_tool_iterations=0, color="red")
    put(archive, "3", "lost", tools=["gone"])
    put(archive, "4", "brief", lifecycle="temporary")
    known = registry()
    broken = asyncio.run(known.load(archive))
    assert [one.name for one in broken] == ["bad", "brief", "lost"]
    assert len(broken[0].problems) == 2
    assert "max_tool_iterations: Input should be greater than or equal to 1" in str(broken[0])
    assert "there is no tool 'gone'" in str(broken[2])
    assert [one.name for one in known.summaries()] == ["fine"]
    with pytest.raises(BrokenAgent, match="the stored agent 'bad' \\('2'\\) cannot be used"):
        known.get("2")
    put(archive, "2", "bad", max_tool_iterations=3)
    assert [one.name for one in asyncio.run(known.load(archive))] == ["brief", "lost"]
    assert known.config("2").max_tool_iterations == 3
    put(archive, "2", "bad", max_tool_iterations=-3)
    assert [one.name for one in asyncio.run(known.load(archive))] == ["bad", "brief", "lost"]
    with pytest.raises(BrokenAgent):
        known.config("2")
    assert known.remove("3") is None


def test_an_agent_is_deleted_here_and_in_the_archive(archive: Archive) -> None:
    put(archive, "2", "bad", color="red")
    known = registry(agent("a"))
    asyncio.run(known.save(archive))
    asyncio.run(known.load(archive))
    for id in ("a", "2"):
        asyncio.run(known.delete(archive, id))
    assert (kept(archive), known.summaries(), known.broken) == ([], (), ())
    with pytest.raises(NotKept):
        asyncio.run(known.delete(archive, "a"))


def test_a_document_of_an_agent_says_all_that_is_wrong_in_it() -> None:
    document = Document(kind="agent", id="bad id", name="x", body={"llm": {"temperature": 9}})
    with pytest.raises(BrokenAgent) as caught:
        described_by(document)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["id", "llm.temperature"]


def test_a_registry_takes_the_tools_and_the_models_that_it_is_given() -> None:
    with pytest.raises(TypeError):
        AgentRegistry()  # type: ignore[call-arg]


def test_agents_are_kept_in_a_database_as_well(tmp_path: Path) -> None:
    async def there_and_back() -> AgentRegistry:
        first, again = registry(lead("look"), agent("b")), registry()
        for known in (first, again):
            store = SqlStore(tmp_path / "agents.db")
            try:
                await (known.save if known is first else known.load)(store.archive)
            finally:
                await store.close()
        return again

    again = asyncio.run(there_and_back())
    assert [one.id for one in again.summaries()] == ["b", "lead"]
    assert again.config("lead") == lead("look")
