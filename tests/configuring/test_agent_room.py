"""The room in which settings and a store become agents: every setting reaches what reads it."""

import json
from pathlib import Path

import pytest

from stretto.agents.registry import BrokenAgent, UnknownAgent
from stretto.agents.validation import Approvals, Validation
from stretto.cli.places import existing, open_store
from stretto.configuring.agent_room import agent_room
from stretto.configuring.config_files import user_file
from stretto.configuring.settings import load
from stretto.core.archive import Archive
from stretto.core.errors import DefinitionError
from stretto.core.ledger import Budget, Usage
from stretto.core.resources import Embedder
from stretto.models.resolve import MissingKey
from stretto.runtime.run import Settings as RunSettings
from stretto.runtime.run import run
from stretto.stores.memory import MemoryStore
from stretto.stores.sql import SqlStore
from stretto.tools.mcp.trouble import UnknownServer
from stretto.tools.tool import ToolFailed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def project(text: str) -> None:
    Path("stretto.toml").write_text(text, "utf-8")


def servers(text: str) -> None:
    Path("mcp.json").write_text(text, "utf-8")


async def test_without_settings_there_is_the_surveyor_without_a_budget():
    store = MemoryStore()
    async with agent_room(load(), store) as room:
        assert room.agent().config.id == room.default_agent == "surveyor"
        assert room.agent().model.id == "offline:surveyor"
        given = RunSettings(**room.run_settings())
        assert (given.store, given.budget) == (store, None)
        assert given.by_type()[Archive] is store.archive
        assert isinstance(given.by_type()[Validation], Approvals)
        assert Embedder not in given.by_type()


async def test_agents_models_budget_and_approvals_are_those_of_the_settings():
    project(
        'agent = "writer"\nmodel = "offline:reader"\n[budget]\ntokens = 5\ncost = 0.5\n[approvals]\nmode = "manual"\n'
        '[agents.writer]\ndescription = "Writes."'
    )
    async with agent_room(load(), MemoryStore()) as room:
        assert (room.default_agent, room.agent().config.description) == ("writer", "Writes.")
        assert room.agent().model.id == "offline:reader"
        assert room.run_settings()["budget"] == Budget(tokens=5, cost=0.5)
        assert room.approvals.settings.mode == "manual"
        room.use_model("offline:surveyor")
        assert room.agent().model.id == "offline:surveyor"
        with pytest.raises(UnknownAgent):
            room.agent("nobody")


async def test_a_model_for_all_agents_is_asked_without_the_fallbacks_of_theirs():
    project('agent = "writer"\n[agents.writer.llm]\nmodel = "offline:reader"\nfallbacks = ["openai:gpt-5"]')
    async with agent_room(load(), MemoryStore()) as room:
        room.use_model("offline:surveyor")
        assert room.registry.config("writer").llm.fallbacks == ()
        assert room.agent().model.id == "offline:surveyor"


async def test_a_provider_whose_name_is_a_protocols_speaks_it_unless_the_settings_say_otherwise():
    project(
        '[providers.mistral]\nbase_url = "http://localhost:1"\n[providers.mine]\nbase_url = "http://localhost:2/v1"'
    )
    async with agent_room(load(), MemoryStore()) as room:
        assert room.models.providers["mistral"].spoken == "mistral"
        assert room.models.providers["mine"].spoken == "openai"


async def test_providers_and_prices_reach_the_models(monkeypatch):
    monkeypatch.delenv("OUR_KEY", raising=False)
    project(
        '[providers.ours]\nbase_url = "http://localhost:1/v1"\nkind = "anthropic"\nkey_name = "OUR_KEY"\n'
        'max_concurrency = 3\nheaders = { x-a = "b" }\n'
        '[prices."ours:*"]\ninput = 1\noutput = 2\ncached = 0.5\ncache_write = 4'
    )
    async with agent_room(load(), MemoryStore()) as room:
        config = room.models.providers["ours"]
        assert (config.base_url, config.kind, config.key_name) == ("http://localhost:1/v1", "anthropic", "OUR_KEY")
        assert (config.max_concurrency, config.headers) == (3, {"x-a": "b"})
        million = Usage(input_tokens=3_000_000, cached_tokens=1_000_000, cache_write_tokens=1_000_000)
        assert room.models.prices.cost("ours:x", million) == 5.5
        with pytest.raises(MissingKey, match="OUR_KEY"):
            room.models.get("ours:x")


async def test_the_servers_of_the_file_are_there(here):
    servers(json.dumps({"mcpServers": {"files": {"command": "nothing-like-this"}}}))
    project('mcp_servers = "mcp.json"')
    async with agent_room(load(), MemoryStore()) as room:
        assert "files" in room.servers.names
        assert room.servers in room.resources()
    project('mcp_servers = "none.json"')
    with pytest.raises(DefinitionError, match=r"mcp_servers: there is no file .*none\.json"):
        async with agent_room(load(), MemoryStore()):
            pass


async def test_without_configured_servers_there_are_servers_that_some_can_be_given_to(monkeypatch):
    monkeypatch.setenv("PATH", "")
    async with agent_room(load(), MemoryStore()) as room:
        assert (room.servers.names, room.servers.status(), await room.servers.tools()) == ((), (), ())
        assert room.servers in room.resources()
        with pytest.raises(UnknownServer, match="no MCP server is called 'late': none is configured"):
            await room.servers.tools(["late"])
        await room.servers.reconfigure({"mcpServers": {"late": {"command": "nothing-like-this"}}})
        assert [one.name for one in room.servers.status()] == ["late"]


def note_in(folder: Path) -> None:
    folder.mkdir()
    (folder / "note.txt").write_text("hello from the workspace", "utf-8")


async def test_tools_read_in_the_workspace_of_the_settings_and_not_beside_it(here):
    note_in(here / "notes")
    project('workspace = "notes"')
    store = MemoryStore()
    async with agent_room(load(), store) as room:
        given = room.run_settings()
        found = await run(room.tools.get("read_file"), {"path": "note.txt"}, **given)
        assert "hello from the workspace" in str(found)
        with pytest.raises(ToolFailed):
            await run(room.tools.get("read_file"), {"path": "../stretto.toml"}, **room.run_settings())
    assert [one.name for one in await store.runs()] == ["read_file", "read_file"]


async def test_what_a_tool_remembers_is_kept_in_the_archive_of_the_store():
    store = MemoryStore()
    async with agent_room(load(), store) as room:
        said = {"operation": "add", "type": "knowledge", "content": "water boils at 100 °C"}
        await run(room.tools.get("MemoryTool"), said, **room.run_settings())
    assert [memory.content for memory in await store.archive.memories()] == ["water boils at 100 °C"]


async def test_the_workspace_has_to_be_a_directory(here):
    project('workspace = "missing"')
    with pytest.raises(DefinitionError, match=r"the workspace .*missing' is no directory"):
        async with agent_room(load(), MemoryStore()):
            pass


async def test_the_embedder_of_the_settings_is_given_to_runs(here):
    project('embedder = "ollama:nomic-embed-text"')
    async with agent_room(load(), MemoryStore()) as room:
        assert room.embedder is not None
        assert room.embedder.name == "ollama:nomic-embed-text"
        assert RunSettings(**room.run_settings()).by_type()[Embedder] is room.embedder
    project('embedder = "ollma:nomic-embed-text"')
    with pytest.raises(DefinitionError, match="did you mean 'ollama:nomic-embed-text'"):
        async with agent_room(load(), MemoryStore()):
            pass


async def test_an_agent_that_cannot_be_used_leaves_the_others_alone():
    project('[agents.broken]\ntools = ["NoSuchTool"]')
    async with agent_room(load(), MemoryStore()) as room:
        assert [one.id for one in room.broken] == ["broken"]
        with pytest.raises(BrokenAgent, match="there is no tool 'NoSuchTool'"):
            room.agent("broken")
        assert room.agent("surveyor").config.id == "surveyor"


async def test_the_database_of_the_settings_holds_the_runs(here, monkeypatch):
    monkeypatch.delenv("STRETTO_DATABASE")
    project('database = "mine.db"')
    async with existing(None) as store:
        assert isinstance(store, SqlStore)
        assert store.place == str(here / "mine.db")
    user_file().parent.mkdir(parents=True)
    user_file().write_text('database = "user.db"')
    async with open_store("other.db") as store:
        assert store.place == "other.db"
    project("")
    async with open_store(None) as store:
        assert store.place == str(user_file().parent / "user.db")
    monkeypatch.setenv("STRETTO_DATABASE", str(here / "variable.db"))
    async with open_store(None) as store:
        assert store.place == str(here / "variable.db")


async def test_a_database_in_memory_is_nothing_to_look_into(here, monkeypatch):
    monkeypatch.delenv("STRETTO_DATABASE")
    project('database = "memory"')
    with pytest.raises(DefinitionError, match="holds only the runs of its own process"):
        async with existing(None):
            pass


def test_doctor_tells_which_settings_are_read(stretto):
    assert "none: neither stretto.toml here nor" in " ".join(stretto("doctor").stdout.split())
    project('model = "offline:reader"')
    assert "settings stretto.toml" in " ".join(stretto("doctor").stdout.split())
    project("modle = 1")
    assert "did you mean 'model'" in " ".join(stretto("doctor").stdout.split())
