"""Asks a human before it sends a letter, and takes the edit that comes with the approval.

The human is a loop over the run's events that answers at once; `stretto run examples/approvals.py` asks you instead.

It prints:

    asked: send this letter?
    details: Dear Ada, all is well.
    sent: Dear Ada, all is very well. (approved by editor)
"""

import asyncio

from stretto import Context, Request, start, step
from stretto.core.events import Asked


@step
async def workflow(name: str, context: Context) -> str:
    draft = f"Dear {name}, all is well."
    answer = await context.ask(Request(question="send this letter?", details=draft))
    if not answer.approved:
        return f"kept: {answer.reason or 'not approved'}"
    return f"sent: {answer.value or draft} (approved by {answer.by or 'somebody'})"


example_input = "Ada"


async def main() -> None:
    async with start(workflow, example_input) as run:
        async for event in run.events():
            if isinstance(event, Asked):
                print("asked:", event.question)
                print("details:", event.details)
                run.answer(event.request_id, "approve", value="Dear Ada, all is very well.", by="editor")
    print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
