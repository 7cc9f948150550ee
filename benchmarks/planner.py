"""How long a large plan takes to be analysed and explained, and whether that grows with its edges only."""

from __future__ import annotations

import gc
import graphlib
import random
import time
from collections.abc import Callable

from benchmarks.measure import Figure, Size, seconds, times
from stretto import Operation, analyze_dependencies

MOST = 1.0
LINEAR = 1.5


def operations(count: int, edges_each: int, seed: int = 7) -> list[Operation]:
    """Makes operations of which each needs what up to so many of the 1,000 before it produce."""
    chance = random.Random(seed)
    made: list[Operation] = []
    for place in range(count):
        near = range(max(0, place - 1_000), place)
        needed = chance.sample(near, min(edges_each, len(near)))
        inputs = tuple(f"datum{other}" for other in needed)
        made.append(
            Operation(
                id=f"operation{place}", inputs=inputs, outputs=(f"datum{place}",), duration=chance.uniform(0.1, 5)
            )
        )
    return made


def plan(given: list[Operation]) -> int:
    """Analyses and explains; returns how many edges there are."""
    found = analyze_dependencies(given)
    if "ritical path" not in found.explain():
        raise AssertionError("the explanation has no critical path")
    return len(found.edges)


def sort(given: list[Operation]) -> int:
    """Does the least that a planner does: sorts the same graph with the standard library."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for operation in given:
        sorter.add(operation.outputs[0], *operation.inputs)
    return len(list(sorter.static_order()))


def planner(size: Size) -> list[Figure]:
    """Measures the planner."""
    few = operations(size.operations, size.edges_each)
    many = operations(size.many_operations, size.edges_each)
    edges, many_edges = plan(few), 0
    planned: list[float] = []
    sorted_: list[float] = []
    long: list[float] = []
    rounds = max(3, size.rounds // 2)
    for place in range(rounds):
        planned.append(_timed(lambda: plan(few))[0])
        sorted_.append(_timed(lambda: sort(few))[0])
        if place < 3:
            taken, many_edges = _timed(lambda: plan(many))
            long.append(taken)
    each, each_long = min(planned) / edges, min(long) / many_edges
    return [
        Figure(
            f"plan of {len(few):,} operations and {edges:,} edges, analysed and explained",
            f"{seconds(min(sorted_))} graphlib, sorting only",
            seconds(min(planned)),
            times(min(planned) / min(sorted_)),
            f"< {MOST:g} s",
            min(planned) < MOST,
            [f"worst of {rounds} rounds: {seconds(max(planned))}"],
        ),
        Figure(
            f"plan of {len(many):,} operations and {many_edges:,} edges, time per edge",
            f"{each * 1e6:.1f} µs of {edges:,} edges",
            f"{each_long * 1e6:.1f} µs",
            times(each_long / each),
            f"linear: ≤ {LINEAR:g} ×",
            each_long / each <= LINEAR,
            [f"best {seconds(min(long))}, worst {seconds(max(long))}"],
        ),
    ]


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    gc.collect()
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made
