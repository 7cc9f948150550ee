"""Agents executed by their ids: one, one with other MCP servers, several at once; as runs or as children of a step."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

import stretto
from stretto import Context, ParallelResourceLimits, step
from stretto.agents.orchestrator import AgentOrchestrator, NoRunner
from stretto.agents.registry import NoServers, UnknownAgent
from stretto.agents.report import Report
from stretto.agents.task import Task
from stretto.core.errors import DefinitionError
from stretto.core.outcome import Completed, Failed
from stretto.runtime.virtual import VirtualClock
from stretto.testing import Scripted
from stretto.tools.tool import Tool
from tests.agents.delegating import agent, look, registry, scripted, watch


class Servers:
    """MCP servers of which one has a tool."""

    def __init__(self, *tools: Tool) -> None:
        self.given = tools
        self.asked: list[tuple[str, ...]] = []

    async def tools(self, servers: Any) -> Any:
        self.asked.append(tuple(servers))
        return self.given

    def describe(self, servers: Any) -> str:
        return "files: reads files"


def slow(words: int) -> Any:
    return scripted(Scripted(text="word " * words), tokens_per_second=1, forever=True)


def test_an_agent_is_executed_in_two_lines() -> None:
    orchestrator = AgentOrchestrator(registry(agent("a"), a=scripted("hello")), stretto.run)
    report = asyncio.run(orchestrator.execute("a", "greet"))
    assert (report.response, report.task, report.agent_id) == ("hello", "greet", "a")


def test_a_task_may_say_more_than_words() -> None:
    model = scripted("bonjour")
    orchestrator = AgentOrchestrator(registry(agent("a"), a=model), stretto.run)
    report = asyncio.run(orchestrator.execute("a", Task(description="greet", id="t1", locale="fr")))
    assert report.task_id == "t1"
    assert "Answer in French." in model.seen[0].system


def test_what_keeps_an_agent_from_its_task_is_raised() -> None:
    orchestrator = AgentOrchestrator(registry(agent("a"), a=scripted(RuntimeError("down"))), stretto.run)
    with pytest.raises(RuntimeError, match="down"):
        asyncio.run(orchestrator.execute("a", "x"))
    with pytest.raises(UnknownAgent, match="did you mean 'a'"):
        asyncio.run(orchestrator.execute("aa", "x"))


def test_an_agent_is_executed_with_the_servers_that_are_given() -> None:
    model = scripted("ok", forever=True)
    servers = Servers(look)
    orchestrator = AgentOrchestrator(registry(agent("a", mcp_servers=("files",)), a=model), stretto.run)
    asyncio.run(orchestrator.execute_with_mcp("a", "x", servers))
    assert servers.asked == [("files",)]
    assert [offer.name for offer in model.seen[0].tools] == ["look"]
    assert "files: reads files" in model.seen[0].system
    for execute in (orchestrator.execute, partial(orchestrator.execute_with_mcp, mcp_manager=None)):
        with pytest.raises(NoServers):
            asyncio.run(execute("a", "x"))


def test_agents_run_at_once_and_are_told_of_in_their_order() -> None:
    known = registry(agent("slow"), agent("fast"), slow=slow(30), fast=slow(10))
    orchestrator = AgentOrchestrator(known, stretto.run)
    clock = VirtualClock()
    outcomes = clock.run(orchestrator.execute_parallel([("slow", "a"), ("fast", "b"), ("slow", "c")]))
    assert clock.elapsed == pytest.approx(30, abs=0.5)
    assert [outcome.unwrap().task for outcome in outcomes] == ["a", "b", "c"]


def test_limits_bound_how_many_run_at_once() -> None:
    orchestrator = AgentOrchestrator(registry(agent("a"), a=slow(10)), stretto.run)
    clock = VirtualClock()
    limits = ParallelResourceLimits(max_concurrent_executions=1)
    clock.run(orchestrator.execute_parallel([("a", "x"), ("a", "y")], limits))
    assert clock.elapsed == pytest.approx(20, abs=0.5)


def test_one_that_fails_or_does_not_exist_touches_no_other() -> None:
    known = registry(agent("good"), agent("bad"), good=scripted("ok", forever=True), bad=scripted(RuntimeError("no")))
    step_of_all = AgentOrchestrator(known).together(["good", "bad", "gone", "good"])
    run = watch(step_of_all, ["a", "b", "c", "d"])
    first, second, third, fourth = run.outcome.unwrap()
    assert isinstance(first, Completed)
    assert isinstance(fourth, Completed)
    assert isinstance(second, Failed)
    assert isinstance(third, Failed)
    assert isinstance(third.error, UnknownAgent)
    started = [event.path for event in run.log if event.kind == "step_started" and event.step == "agent"]
    assert started == ["agents/good", "agents/bad", "agents/gone", "agents/good#2"]


def test_nothing_to_do_is_nothing() -> None:
    assert asyncio.run(AgentOrchestrator(registry(), stretto.run).execute_parallel([])) == []


def test_inside_a_step_the_agents_are_its_children() -> None:
    known = registry(agent("a"), agent("b"), a=scripted("one", forever=True), b=scripted("two"))

    @step
    async def lead(task: str, context: Context) -> list[str]:
        orchestrator = AgentOrchestrator(known, context.run)
        report: Report = await orchestrator.execute("a", task)
        both = await orchestrator.execute_parallel([("a", task), ("b", task)])
        return [report.response, *(outcome.unwrap().response for outcome in both)]

    run = watch(lead, "x")
    assert run.outcome.unwrap() == ["one", "one", "two"]
    agents = [event.path for event in run.log if event.kind == "agent_started"]
    assert agents == ["lead/a", "lead/agents/a", "lead/agents/b"]


def test_an_orchestrator_without_a_runner_describes_steps_and_says_what_is_missing() -> None:
    orchestrator = AgentOrchestrator(registry(agent("a"), a=scripted("ok")))
    assert stretto.run_sync(orchestrator.step("a"), "x").response == "ok"
    with pytest.raises(NoRunner, match=r"AgentOrchestrator\(registry, stretto.run\)"):
        asyncio.run(orchestrator.execute("a", "x"))


def test_as_many_tasks_are_given_as_there_are_agents() -> None:
    known = registry(agent("a"), agent("b"), a=scripted("yes"), b=scripted("no"))
    with pytest.raises(DefinitionError, match="2 agents take 2 tasks, not 1"):
        watch(AgentOrchestrator(known).together(["a", "b"]), ["only one"]).outcome.unwrap()
