"""Fans out to a database, an API and an MCP server at once, and in to one report.

The three sources are local functions that stand in for the real ones: they wait a little and return fixed rows.

It prints:

    batch 1: users, weather, issues
    batch 2: report
    report: 2 users, 21 degrees, 3 issues
    at once: 3
"""

import asyncio
from typing import Any

from stretto import Operation, PlannedWorkflow, analyze_dependencies, start
from stretto.planning.operation import OperationType


async def query_users() -> list[str]:
    await asyncio.sleep(0.03)  # a SELECT
    return ["ada", "grace"]


async def get_weather() -> int:
    await asyncio.sleep(0.03)  # an HTTP request
    return 21


async def list_issues() -> list[str]:
    await asyncio.sleep(0.03)  # a tool call to an MCP server
    return ["#1", "#2", "#3"]


def write_report(users: list[str], weather: int, issues: list[str]) -> str:
    return f"{len(users)} users, {weather} degrees, {len(issues)} issues"


plan = analyze_dependencies(
    [
        Operation(id="users", step=query_users, outputs=("users",), operation_type=OperationType.TOOL),
        Operation(id="weather", step=get_weather, outputs=("weather",), operation_type=OperationType.TOOL),
        Operation(id="issues", step=list_issues, outputs=("issues",), operation_type=OperationType.MCP),
        Operation(id="report", step=write_report, inputs=("users", "weather", "issues"), outputs=("report",)),
    ]
)
workflow = PlannedWorkflow(name="fan_out_fan_in", plan=plan)


async def main() -> None:
    for number, batch in enumerate(plan.batches, start=1):
        print(f"batch {number}: {', '.join(batch)}")
    async with start(workflow, {}) as run:
        data: dict[str, Any] = await run.result()
    print("report:", data["report"])
    print("at once:", run.metrics.peak_concurrency)


if __name__ == "__main__":
    asyncio.run(main())
