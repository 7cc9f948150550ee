"""Lets a producer and a consumer share a bounded channel: the faster one waits, and nothing piles up.

It prints:

    consumed: 10
    first: {'id': 'item_1', 'processed': 378}
    never more than 3 waited: True
"""

from typing import Any

from stretto import Context, ParallelWorkflow, run_sync, step
from stretto.core.resources import Channels


@step
async def workflow(count: int, context: Context) -> dict[str, Any]:
    queue = context.resource(Channels).open(3)
    waiting: list[int] = []

    @step
    async def producer(_: None) -> None:
        for number in range(1, count + 1):
            await queue.send({"id": f"item_{number}", "data": 100 + 89 * number})  # waits while the channel is full
            waiting.append(len(queue))
        queue.close()

    @step
    async def consumer(_: None) -> list[dict[str, Any]]:
        return [{"id": item["id"], "processed": 2 * item["data"]} async for item in queue]

    _, consumed = await context.run(ParallelWorkflow(steps=(producer, consumer)), None)
    return {"consumed": consumed, "most": max(waiting)}


example_input = 10


def main() -> None:
    told = run_sync(workflow, example_input)
    print("consumed:", len(told["consumed"]))
    print("first:", told["consumed"][0])
    print("never more than 3 waited:", told["most"] <= 3)


if __name__ == "__main__":
    main()
