"""Lets an agent survey this folder with three others at once; all of them answer by rules, without a key.

The agents are the demonstration's (`stretto chat` uses the same). Here they have the local file tools alone; with the
MCP filesystem server the surveyor also proposes to keep its report, and a human decides.

It prints:

    surveyor: offline:surveyor, level 1
    dependencies-reader: offline:reader, level 2
    quality-reader: offline:reader, level 2
    structure-reader: offline:reader, level 2
    the others worked at the same time: True
    # Survey of the workspace
    ## Structure
    ## Dependencies
    ## Quality
    *Written by rules (offline:surveyor), not by a language model.*
"""

import asyncio
from pathlib import Path

from stretto import start
from stretto.agents import AgentRegistry
from stretto.agents.demonstration import demonstration
from stretto.core.events import AgentStarted, StepCompleted
from stretto.models import Models
from stretto.stores.memory import MemoryStore
from stretto.tools import ToolRegistry

FOLDER = Path(__file__).resolve().parent
AGENTS = demonstration(FOLDER, packages=FOLDER).agents  # no node_modules here: the local file tools only

workflow = AgentRegistry(AGENTS, tools=ToolRegistry.builtin(FOLDER), models=Models()).get("surveyor")
example_input = "Survey this repository"


async def main() -> None:
    began: dict[str, AgentStarted] = {}
    ended: dict[str, float] = {}
    store = MemoryStore()
    async with start(workflow, example_input, store=store, resources=[store.archive]) as run:
        async for event in run.events():
            if isinstance(event, AgentStarted):
                began[event.path] = event
            elif isinstance(event, StepCompleted):
                ended[event.path] = event.at
    for agent in sorted(began.values(), key=lambda agent: (agent.level, agent.agent_id)):
        print(f"{agent.agent_id}: {agent.model}, level {agent.level}")
    others = {path: agent.at for path, agent in began.items() if agent.level == 2}
    together = max(others.values()) < min(ended[path] for path in others)
    print("the others worked at the same time:", together)
    for line in (await run.result()).response.splitlines():
        if line.startswith(("#", "*Written")):
            print(line)


if __name__ == "__main__":
    asyncio.run(main())
