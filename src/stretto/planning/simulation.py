"""How long a plan would take with so many at a time: the scheduler's rule, played without a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from stretto.core.errors import DefinitionError
from stretto.core.policies import positive, whole
from stretto.planning.graph import DependencyGraph


@dataclass(frozen=True)
class Timetable:
    """When each operation would begin and end, and when the last one ends (seconds)."""

    makespan: float
    intervals: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Estimate:
    """What a plan is expected to take (seconds), and how many times faster that is than one after another.

    ``at_best`` is what no schedule can go below: the critical path, or all the work spread evenly over ``slots``.
    ``known`` of the ``operations`` have a duration, each of the others counts as 1 s.
    """

    sequential: float
    critical_path: float
    slots: int
    at_best: float
    makespan: float
    speedup: float
    operations: int
    known: int


def simulate(
    graph: DependencyGraph, durations: Mapping[str, float], priorities: Mapping[str, float], slots: int | None = None
) -> Timetable:
    """Plays list scheduling: whenever one of ``slots`` is free, the ready operation of highest priority takes it.

    Raises ``DefinitionError`` for a duration that is missing or negative. Source of the algorithm, and of the bound
    that the result is never above critical path + work / slots: R. L. Graham, "Bounds on Multiprocessing Timing
    Anomalies", SIAM J. Appl. Math. 17(2), 1969.
    """
    if slots is not None:
        whole("a simulation", "slots", slots)
    place = {id: index for index, id in enumerate(graph.nodes)}
    for id in place:
        if id not in durations:
            raise DefinitionError(f"the simulation has no duration for operation {id!r}")
        positive(f"operation {id!r}", "duration", durations[id], zero=True)
    free = len(place) if slots is None else slots
    waits = {id: len(graph.incoming(id)) for id in place}
    ready: list[tuple[float, int, str]] = []
    for id, count in waits.items():
        if not count:
            heappush(ready, (-priorities[id], place[id], id))
    running: list[tuple[float, int, str]] = []
    intervals: dict[str, tuple[float, float]] = {}
    now = 0.0
    while ready or running:
        while ready and free:
            _, _, id = heappop(ready)
            free -= 1
            intervals[id] = (now, now + durations[id])
            heappush(running, (now + durations[id], place[id], id))
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, id = heappop(running)
            free += 1
            for edge in graph.outgoing(id):
                waits[edge.target] -= 1
                if not waits[edge.target]:
                    heappush(ready, (-priorities[edge.target], place[edge.target], edge.target))
    return Timetable(now, intervals)
