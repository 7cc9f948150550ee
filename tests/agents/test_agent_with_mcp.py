"""An agent calls tools of MCP servers as any other: planned, told, failed in words, attributed to their server."""

import asyncio

from stretto import start
from stretto.agents import Agent
from stretto.core.events import Asked
from stretto.testing.scripted import Scripted, ScriptedModel
from stretto.tools.mcp import McpServers
from tests.tools.mcp_for_tests import by_hand, config

LOOKS = Scripted(
    text="Both.",
    calls=(("mcp__left__look", {}), ("mcp__right__look", {}), ("mcp__left__fail", {}), ("mcp__left__wipe", {})),
)
WRONG = Scripted(calls=(("mcp__left__echo", {"txt": "x"}),))
DEATH = Scripted(calls=(("mcp__left__die", {}), ("mcp__right__look", {})))


def test_an_agent_uses_tools_of_two_servers_and_goes_on_when_one_fails_or_dies():
    async def story():
        async with McpServers(config(left=by_hand(), right=by_hand(description="On the right."))) as servers:
            model = ScriptedModel(LOOKS, WRONG, DEATH, "Done.")
            agent = Agent(name="helper", model=model, mcp=servers, mcp_servers=("left", "right"))
            asked = []
            async with start(agent, "Look at both.") as run:
                async for event in run.events():
                    if isinstance(event, Asked):
                        asked.append(event)
                        run.answer(event.request_id, "reject")
                return await run.result(), asked, str(model.seen[0])

    report, asked, prompt = asyncio.run(asyncio.wait_for(story(), 60))
    assert report.response == "Done."
    uses = [(use.name, use.origin, use.server, use.success) for use in report.tool_uses]
    assert uses == [
        ("mcp__left__look", "mcp", "left", True),
        ("mcp__right__look", "mcp", "right", True),
        ("mcp__left__fail", "mcp", "left", False),
        ("mcp__left__wipe", "mcp", "left", False),
        ("mcp__left__echo", "mcp", "left", False),
        ("mcp__left__die", "mcp", "left", False),
        ("mcp__right__look", "mcp", "right", True),
    ]
    words = {use.name: use.error + use.output for use in report.tool_uses}
    assert "the disk is full" in words["mcp__left__fail"]
    assert "'text' is a required property" in words["mcp__left__echo"]
    assert "ended with exit status 3" in words["mcp__left__die"]
    assert [event.topic for event in asked] == ["approval"]
    assert "On the right." in prompt
