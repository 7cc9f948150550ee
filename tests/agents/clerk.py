"""An agent in a process of its own that is killed while a tool works: it notes what it asks its model and does."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from stretto import start
from stretto.agents.agent import Agent
from stretto.agents.report import Report
from stretto.core.events import Asked
from stretto.core.policies import StepPolicy
from stretto.core.step import Context
from stretto.models.model import ModelCall
from stretto.runtime.run import Run
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from stretto.tools.tool import Invocation
from tests.agents.desk import Desk


def note(place: Path, line: str) -> None:
    """Adds a line to the side file, and has it on disk before it returns."""
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def clerk(place: Path, *, seconds: float) -> Agent:
    """Returns an agent that reads, then writes for ``seconds``, then says what came of it."""

    def answer(call: ModelCall) -> Scripted | str:
        turn = len(call.messages) // 2 + 1
        note(place, f"asked {turn}")
        return ["", Scripted(calls=(("read", {}),)), Scripted(calls=(("write", {}), ("delete", {}))), "All done."][turn]

    class Noting(Desk):
        async def execute(self, input: Any, context: Context) -> Any:
            note(place, f"{self.name} {Invocation.of(input).call_id}")
            return await super().execute(input, context)

    tools = [
        Noting("read", seconds=0, reads=("table",)),
        Noting("write", seconds=seconds, writes=("table",), policy=StepPolicy()),
        Noting("delete", seconds=0, writes=("other",), destructive=True),
    ]
    return Agent(name="clerk", model=ScriptedModel(answer, forever=True), tools=tools)


async def work(database: str, place: str, seconds: float, said: dict[str, str]) -> Run[Report]:
    """Runs the agent, or goes on with it; questions are answered by what they are about, others wait."""
    async with SqlStore(database) as store:
        agent = clerk(Path(place), seconds=seconds)
        async with start(agent, "count", store=store, run_id="clerk", durability="sync") as run:
            async for event in run.events():
                if isinstance(event, Asked):
                    note(Path(place), f"question {event.path}")
                    words = next((word for part, word in said.items() if part in event.path), None)
                    if words is not None:
                        run.answer(event.request_id, words)
        return run


def main() -> None:
    """Works until it is killed."""
    asyncio.run(work(sys.argv[1], sys.argv[2], 60.0, {}))
