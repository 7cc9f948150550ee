"""Computes a price in four steps, each on the last one's output.

It prints:

    base 250.0
    tax 270.0
    discount 243.0
    text Final price: $243
"""

import asyncio

from stretto import SequentialWorkflow, start, step
from stretto.core.events import StepCompleted, name_of


@step
async def base(units: int) -> float:
    return units * 2.5


@step
async def tax(price: float) -> float:
    return round(price * 1.08, 2)


@step
async def discount(price: float) -> float:
    return round(price * 0.9, 2)


@step
async def text(price: float) -> str:
    return f"Final price: ${price:g}"


workflow = SequentialWorkflow(name="price", steps=(base, tax, discount, text))
example_input = 100


async def main() -> None:
    async with start(workflow, example_input) as run:
        async for event in run.events():
            if isinstance(event, StepCompleted) and event.path != "price":
                print(name_of(event.path), event.output)


if __name__ == "__main__":
    asyncio.run(main())
