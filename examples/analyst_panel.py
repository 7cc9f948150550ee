"""Asks four analysts at once and joins what they say; the market's is optional and may come too late.

The analysts are functions with canned texts that stand in for language models.

It prints:

    ROI 23 %, complexity 5, market unknown (timed_out), high risks 2
"""

import asyncio
import re

from stretto import ForkJoinWorkflow, FunctionStep, Outcome, ParallelBranch, run_sync, step


def analyst(name: str, text: str, seconds: float = 0.01) -> FunctionStep[str, str]:
    @step(name=name)
    async def analyse(product: str) -> str:
        await asyncio.sleep(seconds)
        return text

    return analyse


@step
async def roi(text: str) -> int:
    found = re.search(r"ROI: (\d+)%", text)
    return int(found[1]) if found else 0


@step
async def complexity(text: str) -> int:
    found = re.search(r"(\d+)/10", text)
    return int(found[1]) if found else 5


@step
async def high_risks(text: str) -> int:
    return text.count("Probability: high")


@step
async def report(finance: Outcome[int], technology: Outcome[int], market: Outcome[str], risk: Outcome[int]) -> str:
    seen = market.unwrap() if market.status == "completed" else f"unknown ({market.status})"
    return f"ROI {finance.unwrap()} %, complexity {technology.unwrap()}, market {seen}, high risks {risk.unwrap()}"


workflow = ForkJoinWorkflow(
    name="panel",
    branches=(
        ParallelBranch("finance", (analyst("banker", "The ROI: 23% in two years"), roi)),
        ParallelBranch("technology", (analyst("engineer", "no number given"), complexity)),
        ParallelBranch("market", (analyst("pollster", "growing", seconds=10),), required=False, timeout=0.05),
        ParallelBranch("risk", (analyst("actuary", "Probability: high. Probability: high."), high_risks)),
    ),
    join=report,
)
example_input = "a new product"


def main() -> None:
    print(run_sync(workflow, example_input))


if __name__ == "__main__":
    main()
