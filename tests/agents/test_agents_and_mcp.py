"""Agents with real servers of MCP that die, hang, flood, lie and ask: their calls fail in words, and no call beside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from stretto import ErrorMode, ParallelWorkflow, start
from stretto.agents.agent import Agent
from stretto.agents.report import Report, ToolUse
from stretto.agents.validation import Approvals, ApprovalSettings
from stretto.core.events import Asked, Event, PlanMade, Progress
from stretto.core.outcome import Completed
from stretto.models.messages import text_of
from stretto.runtime.run import Run
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.mcp import McpServers
from tests.agents.desk import Desk
from tests.tools.mcp_for_tests import by_hand, config

UNASKED = Approvals(ApprovalSettings(mode="auto", rules=({"then": "allow", "destructive": True},)))  # type: ignore[arg-type]


async def told(run: Run[Any], answers: Mapping[str, Any]) -> None:
    async for event in run.events():
        if isinstance(event, Asked):
            run.answer(event.request_id, answers[event.question])


def turn(
    servers: Mapping[str, Any], *calls: tuple[str, dict[str, Any]], answers: Any = None
) -> tuple[Run[Report], Agent]:
    """Has an agent make calls of servers in one turn, beside a local one."""

    async def story() -> tuple[Run[Report], Agent]:
        async with McpServers(config(**servers)) as opened:
            script = Scripted(calls=(*calls, ("quick", {})))
            agent = Agent(
                name="helper",
                model=ScriptedModel(script, "done"),
                tools=[Desk("quick", seconds=0)],
                mcp=opened,
                mcp_servers=list(servers),
            )
            async with start(agent, "go", resources=[UNASKED]) as run:
                await told(run, answers or {})
            return run, agent

    return asyncio.run(asyncio.wait_for(story(), 40))


def uses(run: Run[Report]) -> dict[str, ToolUse]:
    assert isinstance(run.outcome, Completed), run.outcome
    assert run.outcome.value.response == "done"
    return {use.name: use for use in run.outcome.value.tool_uses}


BAD: dict[str, tuple[dict[str, Any], str, dict[str, Any], Callable[[ToolUse], bool]]] = {
    "dies": (by_hand(), "die", {}, lambda use: "ended with exit status 3" in use.error),
    "hangs": (by_hand(timeout=0.5), "wait", {}, lambda use: "0.5" in use.error),
    "floods": (by_hand("Flood", timeout=1.0), "wait", {}, lambda use: not use.success),
    "answers without end": (
        by_hand("Huge", max_message=2**20), "echo", {"text": "x"}, lambda use: "more than 1,048,576 bytes" in use.error,
    ),
    "lies about its answers": (by_hand("Liar"), "result", {}, lambda use: "not of type 'integer'" in use.error),
    "never answers at all": (
        by_hand("Mute", connect_timeout=1), "echo", {"text": "x"}, lambda use: "there is no tool" in use.error,
    ),
    "is not there": (
        {"command": "no-such-program-anywhere"}, "echo", {"text": "x"}, lambda use: "there is no tool" in use.error,
    ),
}  # fmt: skip


@pytest.mark.parametrize("manner", BAD)
def test_a_server_that_misbehaves_fails_its_own_call_and_the_answer_comes(manner: str) -> None:
    server, name, given, as_told = BAD[manner]
    run, agent = turn(
        {"bad": server, "calm": by_hand()}, (f"mcp__bad__{name}", given), ("mcp__calm__echo", {"text": "unharmed"})
    )
    used = uses(run)
    assert not used[f"mcp__bad__{name}"].success
    assert as_told(used[f"mcp__bad__{name}"]), used[f"mcp__bad__{name}"].error
    assert used["mcp__calm__echo"].output == "unharmed"
    assert used["quick"].success
    assert isinstance(agent.model, ScriptedModel)
    results = agent.model.seen[1].messages[-1]["parts"]
    assert [part["outcome"] for part in results] == ["failed", "success", "success"]


def test_a_server_that_dies_under_one_agent_leaves_the_agent_beside_it_alone() -> None:
    async def story() -> list[Report]:
        async with McpServers(config(mortal=by_hand(), calm=by_hand())) as opened:

            def agent(name: str, server: str, *calls: Any) -> Agent:
                model = ScriptedModel(Scripted(calls=calls), "done")
                return Agent(name=name, model=model, mcp=opened, mcp_servers=[server])

            both = ParallelWorkflow(
                name="both",
                steps=(
                    agent("unlucky", "mortal", ("mcp__mortal__die", {})),
                    agent("lucky", "calm", ("mcp__calm__echo", {"text": "fine"})),
                ),
                error_mode=ErrorMode.FAIL_SLOW,
            )
            async with start(both, "go", resources=[UNASKED]) as run:
                pass
            reports: list[Report] = run.outcome.unwrap()
            return reports

    unlucky, lucky = asyncio.run(asyncio.wait_for(story(), 40))
    assert (unlucky.response, unlucky.tool_uses[0].success) == ("done", False)
    assert (lucky.response, lucky.tool_uses[0].output) == ("done", "fine")
    assert "calm (tools:" in lucky.system_prompt
    assert "mortal" not in lucky.system_prompt, "it was not given that server"


def test_what_a_server_asks_and_how_far_it_is_stand_at_the_call_of_the_agent() -> None:
    run, _ = turn(
        {"hand": by_hand()}, ("mcp__hand__confirm", {}), ("mcp__hand__progress", {}), answers={"Sure?": "yes"}
    )
    assert '"sure":true' in uses(run)["mcp__hand__confirm"].output.replace(" ", "")
    asked = [event for event in run.log if isinstance(event, Asked)]
    assert [(event.question, event.path) for event in asked] == [
        ("Sure?", "helper/tools/mcp__hand__confirm/run"),
    ]  # fmt: skip
    paths = {event.path for event in run.log if isinstance(event, Progress)}
    assert paths == {"helper/tools/mcp__hand__progress/run"}


def test_the_prompt_tells_of_servers_and_their_annotations_make_the_plan() -> None:
    run, agent = turn(
        {"one": by_hand(), "two": by_hand()},
        ("mcp__one__look", {}), ("mcp__two__look", {}), ("mcp__one__wipe", {}),
    )  # fmt: skip
    assert isinstance(agent.model, ScriptedModel)
    assert "## MCP servers" in agent.model.seen[0].system
    assert "one (tools:" in agent.model.seen[0].system
    assert text_of(agent.model.seen[0].messages[0], "user-prompt") == "go"
    log: list[Event] = list(run.log)
    [made] = [event for event in log if isinstance(event, PlanMade)]
    assert made.plan["edges"]
    assert {edge["to"] for edge in made.plan["edges"]} <= {"mcp__one__wipe", "quick"}
