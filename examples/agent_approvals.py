"""Asks a human before an agent's tool deletes anything: one call is approved with an edit, the next is refused.

The human is a loop over the run's events that answers at once; `stretto run examples/agent_approvals.py` asks you
instead. The model is scripted, so that the example needs no key.

It prints:

    asked: janitor wants to call 'delete', which may destroy or send what cannot be taken back: may it?
    arguments: {'name': '*'}
    asked: janitor wants to call 'delete', which may destroy or send what cannot be taken back: may it?
    arguments: {'name': 'notes.txt'}
    answer: old.log is gone; you keep notes.txt.
    delete success deleted old.log
    delete denied this call was denied by ada: I still need it
    left: ['notes.txt']
"""

import asyncio

from stretto import start
from stretto.agents import Agent
from stretto.core.events import Asked
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import tool

FILES = {"old.log", "notes.txt"}


@tool(writes=["files"], destructive=True, risk="high")
def delete(name: str) -> str:
    """Deletes a file for good."""
    FILES.discard(name)
    return f"deleted {name}"


workflow = Agent(
    name="janitor",
    model=ScriptedModel(
        Scripted(calls=(("delete", {"name": "*"}),)),
        Scripted(calls=(("delete", {"name": "notes.txt"}),)),
        "old.log is gone; you keep notes.txt.",
    ),
    tools=[delete],
)
example_input = "Tidy up."


async def main() -> None:
    async with start(workflow, example_input) as run:
        async for event in run.events():
            if isinstance(event, Asked):
                arguments = event.details["arguments"]
                print("asked:", event.question)
                print("arguments:", arguments)
                if arguments["name"] == "*":
                    run.answer(event.request_id, "approve", value={"name": "old.log"}, by="ada")
                else:
                    run.answer(event.request_id, "reject", reason="I still need it", by="ada")
    report = await run.result()
    print("answer:", report.response)
    for use in report.tool_uses:
        print(use.name, "success" if use.success else "denied", use.output or use.error)
    print("left:", sorted(FILES))


if __name__ == "__main__":
    asyncio.run(main())
