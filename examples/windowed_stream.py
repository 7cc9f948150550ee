"""Averages temperatures in windows of a minute, by the time at which they were measured; one comes too late.

It prints:

    minute 0: 20.5 of 2
    minute 1: 23.0 of 3
    minute 2: 19.0 of 1
    warning: 1 late items were dropped: their windows were closed
"""

import asyncio
from typing import Any

from stretto import Said, WindowedWorkflow, start, step
from stretto.workflows import Window

# (seconds, degrees): the sixth was measured in the first minute and arrives in the third
MEASURED = [(5, 20.0), (30, 21.0), (61, 22.0), (80, 23.0), (100, 24.0), (40, 99.0), (125, 19.0)]
example_input = MEASURED


@step
async def average(window: list[tuple[float, float]]) -> dict[str, Any]:
    degrees = [value for _, value in window]
    return {"minute": int(window[0][0] // 60), "mean": sum(degrees) / len(degrees), "count": len(degrees)}


workflow = WindowedWorkflow(
    name="temperatures",
    window=Window.tumbling(seconds=60),
    time=lambda measured: measured[0],
    stages=(average,),
)


async def main() -> None:
    async with start(workflow, MEASURED) as run:
        for row in await run.result():
            print(f"minute {row['minute']}: {row['mean']} of {row['count']}")
    for event in run.log:
        if isinstance(event, Said):
            print(f"{event.level}: {event.text}")


if __name__ == "__main__":
    asyncio.run(main())
