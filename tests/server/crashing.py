"""A server that is killed: its agent calls a tool that leaves a trace on disk, and then answers word by word."""

import asyncio
import os
from pathlib import Path

from stretto.configuring import agent_room
from stretto.configuring.settings import Settings
from stretto.core.step import Context
from stretto.models.model import ModelCall
from stretto.models.resolve import Models
from stretto.server.app import create_app
from stretto.stores.sql import SqlStore
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import ToolRegistry, tool
from tests.server.conftest import agent, listening

WORDS = 20


def leave_trace(place: Path, text: str) -> None:
    """Adds a line to a file, and has it on disk before it returns."""
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{text}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def answer(call: ModelCall) -> Scripted:
    """Calls the tool first, and answers when it has its result."""
    kinds = {part["part_kind"] for message in call.messages[-2:] for part in message["parts"]}
    if "tool-return" in kinds:
        return Scripted(text=" ".join(["word"] * WORDS))
    asked = next(part["content"] for part in call.messages[-1]["parts"] if part["part_kind"] == "user-prompt")
    return Scripted(calls=(("note", {"text": asked}),))


def serve(place: Path, traces: Path, port: int) -> None:
    """Serves a database on loopback until the process is killed."""
    model = ScriptedModel(answer, forever=True, tokens_per_second=200)
    Models.get = lambda self, id, fallbacks=(): model  # type: ignore[method-assign,assignment,misc]  # in this process

    @tool(idempotent=False)
    async def note(text: str, context: Context) -> str:
        """Notes a text."""
        leave_trace(traces, text)
        await asyncio.sleep(0.005)
        return "noted"

    def tools(settings: Settings) -> ToolRegistry:
        return ToolRegistry([note])

    agent_room.tools_of = tools
    chosen = Settings.model_validate(
        {"agents": {"helper": agent(tools=("note",))}, "server": {"requests_per_minute": 1_000_000}}
    )

    async def main() -> None:
        async with SqlStore(place) as store:
            async with listening(create_app(chosen, store), port):
                await asyncio.Event().wait()

    asyncio.run(main())
