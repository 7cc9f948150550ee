"""A primary agent with a quick and a slow child, for a process that is killed between them.

``python -m tests.agents.delegation_to_be_killed DATABASE`` runs it, and says ``now`` when the quick child has ended.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from stretto.agents.registry import AgentRegistry
from stretto.core.events import Event
from stretto.models.model import ModelCall
from stretto.runtime.run import start
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.function import tool
from tests.agents.delegating import calls, lead, registry, scripted, spawn


def boss(call: ModelCall) -> Scripted:
    if call.messages[-1]["parts"][-1]["part_kind"] == "tool-return":
        return Scripted(text="both", cost=0.5)
    return calls(spawn("quick", model="quick"), spawn("slow", model="slow", tools=["linger"]), cost=0.5)


def crew(seconds: float) -> tuple[AgentRegistry, dict[str, ScriptedModel]]:
    """Returns the agents, of which the slow one waits for so long, and their models."""

    @tool(reads=(), idempotent=True)
    async def linger() -> str:
        """Takes its time, which is not the model's to say."""
        await asyncio.sleep(seconds)
        return "lingered"

    def slow(call: ModelCall) -> Scripted:
        if call.messages[-1]["parts"][-1]["part_kind"] == "tool-return":
            return Scripted(text="slow", cost=0.25)
        return calls(("linger", {}), cost=0.25)

    models = {
        "lead": scripted(boss, forever=True),
        "quick": scripted(Scripted(text="quick", cost=0.125), forever=True),
        "slow": scripted(slow, forever=True),
    }
    return registry(lead(), tools=[linger], **models), models


async def run_until_killed(database: str) -> None:
    known, _ = crew(seconds=600)
    store = SqlStore(database)
    async with start(known.get("lead"), "go", store=store, run_id="killed", durability="sync") as run:
        waiting = {"run/quick": "step_completed", "linger/run": "step_started"}
        async for event in run.events():
            waiting = {end: kind for end, kind in waiting.items() if kind != event.kind or not event.path.endswith(end)}
            if not waiting:
                break
        kept: list[Event] = []
        while not any(event.kind == "step_completed" and event.path.endswith("run/quick") for event in kept):
            kept = await store.events("killed")  # till it is on disk
        print("now", flush=True)
        await run.ended.wait()


async def go_on(database: str) -> tuple[Any, dict[str, ScriptedModel]]:
    known, models = crew(seconds=0)
    store = SqlStore(database)
    try:
        async with start(known.get("lead"), "go", store=store, run_id="killed") as run:
            pass
    finally:
        await store.close()
    return run, models


if __name__ == "__main__":
    asyncio.run(run_until_killed(sys.argv[1]))
