"""Three tools and one that joins them: plan mode beside the plain loop, with a model that takes its time to write."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.measure import Figure, Size, Times, driven, seconds, times
from stretto import ParallelResourceLimits, run
from stretto.agents import Agent
from stretto.testing import Scripted, ScriptedModel
from stretto.tools import tool

TOOL = 0.5
"""How long each tool takes (seconds)."""
SPEED = 200.0
"""How many pieces of an answer the model writes per second."""
MOST, AT_ONCE = 1.15, 0.65
QUESTIONS = ("users", "orders", "prices")


@tool(reads=("database",))
async def query(table: str) -> dict[str, str]:
    """Asks a table."""
    await asyncio.sleep(TOOL)
    return {"rows": table}


@tool(reads=("database",))
async def join(tables: list[Any]) -> int:
    """Joins what was asked."""
    await asyncio.sleep(TOOL)
    return len(tables)


def together() -> ScriptedModel:
    """Writes three calls in one answer, then the join, then a word."""
    three = tuple(("query", {"table": table}) for table in QUESTIONS)
    tables = {"tables": [{"rows": table} for table in QUESTIONS]}
    return ScriptedModel(Scripted(calls=three), Scripted(calls=(("join", tables),)), "done", tokens_per_second=SPEED)


def planned() -> ScriptedModel:
    """Writes one plan, then a word."""
    operations: list[Mapping[str, Any]] = [
        {"id": table, "tool": "query", "arguments": {"table": table}} for table in QUESTIONS
    ]
    joined = {"id": "all", "tool": "join", "arguments": {"tables": [f"${{{table}}}" for table in QUESTIONS]}}
    plan = json.dumps({"operations": [*operations, joined]})
    return ScriptedModel(Scripted(calls=(("ExecutePlan", plan),)), "done", tokens_per_second=SPEED)


async def _taken(make: Callable[[], ScriptedModel], most: int, *, plan_mode: bool = False) -> tuple[float, float]:
    """Returns how long a task took, and how long the model wrote before its last word (seconds)."""
    model = make()
    limits = ParallelResourceLimits(max_concurrent_executions=most)
    agent = Agent(name="lead", model=model, tools=[query, join], limits=limits, plan_mode=plan_mode)
    began = time.perf_counter()
    report = await run(agent, "What is there?")
    taken = time.perf_counter() - began
    if report.response != "done" or sum(use.success for use in report.tool_uses) != len(QUESTIONS) + 1:
        raise AssertionError(f"the task came to {report.response!r} after {report.tool_uses}")
    return taken, _pieces(model) / SPEED


def _pieces(model: ScriptedModel) -> int:
    """Returns of how many pieces the first answer was made, as the script streams it: four letters each."""
    shown = model.seen[1].messages[-2]["parts"]
    return sum(-(-len(part["args"]) // 4) for part in shown if part["part_kind"] == "tool-call")


async def _plan_mode(size: Size) -> list[Figure]:
    rounds = max(1, size.rounds // 5)
    taken: dict[str, list[float]] = {"loop": [], "turns": [], "plan": []}
    writing = 0.0
    await _taken(planned, 10, plan_mode=True)
    for _ in range(rounds):
        taken["loop"].append((await _taken(together, 1))[0])
        taken["turns"].append((await _taken(together, 10))[0])
        plan, writing = await _taken(planned, 10, plan_mode=True)
        taken["plan"].append(plan)
    loop, turns, plan_times = (Times(tuple(taken[name])) for name in ("loop", "turns", "plan"))
    least = writing + 2 * TOOL
    return [
        Figure(
            "three 500 ms tools and a join, in plan mode",
            f"{seconds(least)} writing the plan, one tool and the join",
            seconds(plan_times.best),
            times(plan_times.best / least),
            f"≤ {MOST:g} ×",
            plan_times.median / least <= MOST,
            [f"plan mode: {plan_times.told()}"],
        ),
        Figure(
            "the same, calls of one answer at once, and the join in the next answer",
            f"{seconds(loop.best)} one call after another",
            seconds(turns.best),
            times(turns.best / loop.best),
            f"≤ {AT_ONCE:g} ×",
            turns.median / loop.median <= AT_ONCE,
            [f"one after another: {loop.told()}", f"at once: {turns.told()}",
             f"plan mode: {times(plan_times.best / loop.best)} of one after another"],
        ),
    ]  # fmt: skip


def plan_mode(size: Size) -> list[Figure]:
    """Measures plan mode."""
    return driven(_plan_mode(size))
