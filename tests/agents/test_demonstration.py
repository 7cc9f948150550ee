"""The demonstration from end to end: offline models, real file tools, the real MCP filesystem server, a human."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stretto import run, start
from stretto.agents.agent import Agent
from stretto.agents.demonstration import demonstration
from stretto.agents.registry import AgentRegistry
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.core.events import AgentStarted, Asked, Event, ModelDelta, StepCompleted, StepStarted, TaskChanged
from stretto.models import Models
from stretto.models.messages import calls_of
from stretto.stores.memory import MemoryStore
from stretto.tools.mcp import McpServers
from stretto.tools.registry import ToolRegistry
from tests.models.workspaces import FAKE, repository, written

PACKAGES = Path(__file__).resolve().parents[1] / "mcp_servers"
BATCH = "surveyor/tools#2/ParallelTasksTool/run"


@dataclass
class Survey:
    report: Report
    events: list[Event]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def tools(self, path: str) -> set[str]:
        """The names of the tools that ran below a path."""
        runs = [event.path for event in self.of(StepStarted) if event.step == "tool" and event.path.startswith(path)]
        return {run.split("/")[-2].partition("#")[0] for run in runs}


async def survey(
    workspace: Path, *, answer: str = "approve", packages: Path = PACKAGES, task: Task | str = "Survey this repository"
) -> Survey:
    prepared = demonstration(workspace, packages=packages)
    store = MemoryStore()
    async with McpServers(prepared.servers) as servers:
        registry = AgentRegistry(prepared.agents, tools=ToolRegistry.builtin(workspace), models=Models(), mcp=servers)
        events: list[Event] = []
        async with start(registry.get("surveyor"), task, store=store, resources=[store.archive]) as run:
            async for event in run.events():
                events.append(event)
                if isinstance(event, Asked):
                    run.answer(event.request_id, answer, reason="as it should be", by="ada")
        return Survey(await run.result(), events)


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Path]:
    workspace = repository(tmp_path_factory.mktemp("approved"))
    written(workspace, {"été/mon œuvre.py": "x = 1\n", "weather/notes.md": FAKE})
    return asyncio.run(survey(workspace)), workspace


def test_three_agents_work_at_the_same_time_and_their_reports_are_joined(approved):
    done, _ = approved
    names = [event.agent_id for event in done.of(AgentStarted)]
    assert sorted(names) == ["dependencies-reader", "quality-reader", "structure-reader", "surveyor"]
    spans = [
        (event.at, next(end.at for end in done.of(StepCompleted) if end.path == event.path))
        for event in done.of(AgentStarted)[1:]
    ]
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)
    headings = [line for line in done.report.response.splitlines() if line.startswith("#")]
    assert headings == ["# Survey of the workspace", "## Structure", "## Dependencies", "## Quality"]
    assert done.report.status == "success"
    assert done.report.response.count("not by a language model") == 1


def test_the_report_tells_what_stands_in_the_files(approved):
    response = approved[0].report.response
    assert "| Python | 5 | 8 | 5 of 5 files |" in response
    assert "needed, 2: `httpx >=0.28`, `rich`" in response
    assert "Marks of unfinished work, in all files: FIXME 1, TODO 1" in response
    assert "names with spaces, 1: `été/mon œuvre.py`" in response
    assert "invented" not in response


def test_every_agent_reads_with_the_local_tools_and_through_the_server(approved):
    done, _ = approved
    assert {"DelegateTaskTool", "ParallelTasksTool", "TodoTool", "MemoryTool"} <= done.tools("surveyor/tools")
    structure, quality = done.tools(f"{BATCH}/structure-reader"), done.tools(f"{BATCH}/quality-reader")
    assert structure == {"list_files", "mcp__filesystem__read_text_file", "CalculatorTool", "MemoryTool"}
    assert "search_files" in quality
    assert done.tools(f"{BATCH}/dependencies-reader") >= {"list_files", "mcp__filesystem__read_text_file"}
    assert [(event.change, event.status) for event in done.of(TaskChanged)].count(("completed", "completed")) == 3


def test_the_one_destructive_call_is_asked_about_and_made_when_it_is_approved(approved):
    done, workspace = approved
    [asked] = done.of(Asked)
    assert asked.topic == "approval"
    assert asked.risk == "high"
    assert "mcp__filesystem__write_file" in asked.question
    assert asked.details["arguments"]["path"] == "SURVEY.md"
    kept = (workspace / "SURVEY.md").read_text("utf-8")
    assert done.report.response.startswith(kept.partition("*Written by")[0])
    assert "kept in `SURVEY.md`" in done.report.response


def test_answers_stream_and_cost_nothing(approved):
    done, _ = approved
    last = [event.text for event in done.of(ModelDelta) if event.path == "surveyor/model#5"]
    assert "".join(last) == done.report.response
    assert len(last) > 100
    assert done.report.metrics.cost == 0.0
    assert done.report.metrics.usage.input_tokens > 1000


def test_when_it_is_denied_nothing_is_written_and_the_report_comes_all_the_same(tmp_path):
    workspace = repository(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = asyncio.run(survey(workspace, answer="reject", task=Task(description="Survey this repository", locale="fr")))
    assert sorted(tmp_path.rglob("*")) == before
    assert done.report.response.startswith("# Inventaire de l’espace de travail\n\n## Structure\n")
    assert "`SURVEY.md` n'a pas été écrit." in done.report.response
    assert "as it should be" in done.report.response
    assert "## Dépendances" in done.report.response


def test_without_the_server_the_agents_read_with_the_local_tools_and_say_what_is_missing(tmp_path):
    prepared = demonstration(tmp_path, packages=tmp_path)
    assert "mcp-server-filesystem was not found" in prepared.note
    assert all(not config.mcp_servers for config in prepared.agents)
    done = asyncio.run(survey(repository(tmp_path / "here"), packages=tmp_path))
    assert "| Python | 4 | 7 | 4 of 4 files |" in done.report.response
    assert not done.of(Asked)
    assert "SURVEY.md" not in done.report.response
    assert "read_file" in done.tools(f"{BATCH}/structure-reader")


def test_in_plan_mode_the_same_calls_are_made_as_one_plan(tmp_path):
    prepared = demonstration(repository(tmp_path), packages=tmp_path)
    reader = prepared.agents[1].model_copy(update={"plan_mode": True})
    registry = AgentRegistry((reader,), tools=ToolRegistry.builtin(tmp_path), models=Models())
    report = asyncio.run(run(registry.get("structure-reader"), "Report on the structure"))
    assert "| Python | 4 | 7 | 4 of 4 files |" in report.response
    assert "read_file" in [use.name for use in report.tool_uses]
    assert "ExecutePlan" in [call.name for message in report.messages for call in calls_of(message)]


def test_an_empty_folder_is_surveyed_truthfully(tmp_path):
    done = asyncio.run(survey(tmp_path, answer="reject"))
    assert done.report.response.count("The workspace holds no files.") == 3


def test_the_server_is_the_program_on_the_path_unless_a_folder_is_given(tmp_path, monkeypatch):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", str(bin_folder))
    assert demonstration(tmp_path).note
    for name in ("node", "mcp-server-filesystem"):
        (bin_folder / name).write_text("#!/bin/sh\n")
        (bin_folder / name).chmod(0o755)
    prepared = demonstration(tmp_path)
    server = prepared.servers.servers["filesystem"]
    assert (prepared.note, server.command) == ("", str(bin_folder / "mcp-server-filesystem"))
    assert server.args == (str(tmp_path.resolve()),)
    assert demonstration(tmp_path, packages=tmp_path).note
    (bin_folder / "node").unlink()
    assert demonstration(tmp_path, packages=PACKAGES).note


def test_a_model_that_is_named_takes_the_place_of_the_offline_ones(tmp_path):
    assert {config.llm.model for config in demonstration(tmp_path).agents} == {"offline:surveyor", "offline:reader"}
    named = demonstration(tmp_path, model="mistral:mistral-large-latest")
    assert {config.llm.model for config in named.agents} == {"mistral:mistral-large-latest"}


def test_the_prompts_serve_any_model_and_the_agents_can_be_delegated_to(tmp_path):
    surveyor, *readers = demonstration(tmp_path, packages=PACKAGES).agents
    assert {"ParallelTasksTool", "DelegateTaskTool"} <= set(surveyor.tools)
    for config in (surveyor, *readers):
        assert config.lifecycle == "permanent"
        for word in ("TASK:", "CONTEXT:", "FOCUS:", "REPORT:"):
            assert word in config.system_prompt
    assert all("ParallelTasksTool" not in reader.tools for reader in readers)
    registry = AgentRegistry(
        (surveyor,), tools=ToolRegistry.builtin(tmp_path), models=Models(), mcp=McpServers({"mcpServers": {}})
    )
    assert isinstance(registry.get("surveyor"), Agent)


def test_node_is_there_for_these_tests():
    assert shutil.which("node"), "install Node: the demonstration's MCP server needs it"
    assert demonstration(".", packages=PACKAGES).note == "", "python3 dev.py test installs tests/mcp_servers"
