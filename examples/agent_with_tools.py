"""Gives an agent three functions as tools: two calls of one answer run at once, the third needs what they told.

The model is scripted, so that the example needs no key and says the same every time. A real one takes its place in one
line: `model = Models().get("mistral:mistral-large-latest")`.

It prints:

    temperature Lyon started
    temperature Oslo started
    temperature Oslo done
    temperature Lyon done
    warmer by 15.0 started
    warmer by 15.0 done
    success: Lyon is warmer than Oslo, by 15 degrees.
    called: temperature(Lyon) = 21.5, temperature(Oslo) = 6.5, difference(21.5, 6.5) = 15.0
"""

import asyncio

from stretto import run
from stretto.agents import Agent
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import tool


@tool(reads=lambda arguments: [f"city:{arguments['city']}"])
async def temperature(city: str) -> float:
    """Tells the temperature of a city in degrees Celsius.

    Args:
        city: The city's name.
    """
    print("temperature", city, "started")
    await asyncio.sleep({"Lyon": 0.2, "Oslo": 0.1}[city])
    print("temperature", city, "done")
    return {"Lyon": 21.5, "Oslo": 6.5}[city]


@tool(reads=())
def difference(first: float, second: float) -> float:
    """Tells by how much the first number is greater."""
    print("warmer by", first - second, "started")
    print("warmer by", first - second, "done")
    return first - second


def model() -> ScriptedModel:
    return ScriptedModel(
        Scripted(calls=(("temperature", {"city": "Lyon"}), ("temperature", {"city": "Oslo"}))),
        Scripted(calls=(("difference", {"first": 21.5, "second": 6.5}),)),
        "Lyon is warmer than Oslo, by 15 degrees.",
    )


workflow = Agent(name="weather", model=model(), tools=[temperature, difference], system_prompt="You tell the weather.")
example_input = "Which city is warmer, Lyon or Oslo?"


async def main() -> None:
    report = await run(workflow, example_input)
    print(f"{report.status.value}: {report.response}")
    uses = [f"{use.name}({', '.join(map(str, use.arguments.values()))}) = {use.output}" for use in report.tool_uses]
    print("called:", ", ".join(uses))


if __name__ == "__main__":
    asyncio.run(main())
