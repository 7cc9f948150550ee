"""A plan that is still being written: its operations may start while others are still to come."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any

from stretto.core.errors import CyclicDependency, DoubleProducer, DuplicateOperation, ExecutionError, MissingProducer
from stretto.planning.graph import DependencyGraph, Edge, EdgeKind
from stretto.planning.operation import DataRef, Operation
from stretto.planning.plan import Access, ExecutionPlan, analyze_dependencies, find_conflicts, nearest
from stretto.planning.scheduler import Ending, produced


class GrowingPlan:
    """Takes operations one by one, and hands out those that may start.

    An operation waits for the producers of its inputs, also for those that are still to come, and where two touch one
    resource and at least one writes it, for those that were added before it. ``close`` says that no more will come:
    what waits for something that nobody makes, or in a circle, ends as failed then. What fails takes with it only what
    needs its data; operations are handed out in the order in which they were added.
    """

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.data: dict[DataRef, Any] = {}
        self.ended: dict[str, Ending] = {}
        self._place: dict[str, int] = {}
        self._producers: dict[DataRef, str] = {}
        self._resources: dict[str, Access] = {}
        self._waits: dict[str, int] = {}
        self._outgoing: dict[str, list[Edge]] = {}
        self._unmade: dict[DataRef, list[str]] = {}
        self._doomed: dict[str, Ending] = {}
        self._ready: list[tuple[int, str]] = []
        self._running: set[str] = set()
        self._untold: list[Operation] = []
        self.closed = False

    @property
    def done(self) -> bool:
        """Whether no more will come, and everything has ended."""
        return self.closed and len(self.ended) == len(self.operations)

    def add(self, operation: Operation) -> None:
        """Takes the next operation; raises ``DuplicateOperation`` or ``DoubleProducer``, and then it is not taken."""
        if self.closed:
            raise ExecutionError(f"operation {operation.id!r} comes after the plan was closed; add it before")
        if operation.id in self.operations:
            raise DuplicateOperation(operation.id)
        for ref in operation.outputs:
            if ref in self._producers:
                raise DoubleProducer(ref, (self._producers[ref], operation.id))
        id = operation.id
        self._place[id] = len(self.operations)
        self.operations[id], self._outgoing[id], self._waits[id] = operation, [], 0
        found: dict[tuple[str, EdgeKind], list[str]] = {}
        for ref in operation.needs:
            if ref in self._producers:
                found.setdefault((self._producers[ref], "data"), []).append(ref)
            else:
                self._unmade.setdefault(ref, []).append(id)
                self._waits[id] += 1
        find_conflicts(operation, self._resources, found)
        for (origin, kind), about in found.items():
            self._wait(Edge(origin, id, kind, tuple(about)))
        for ref in operation.outputs:
            self._producers[ref] = id
            for waiter in self._unmade.pop(ref, ()):
                self._waits[waiter] -= 1
                self._wait(Edge(id, waiter, "data", (ref,)))
        self._settle(id)

    def _wait(self, edge: Edge) -> None:
        ending = self.ended.get(edge.origin)
        if ending is None:
            self._outgoing[edge.origin].append(edge)
            self._waits[edge.target] += 1
        elif ending.status != "completed":
            self._doom(edge, ending)

    def _settle(self, id: str) -> None:
        """Hands an operation out, or ends it, as soon as it waits for nothing more."""
        if self._waits[id]:
            return
        if id in self._doomed:
            self._end(id, self._doomed[id])
        else:
            heappush(self._ready, (self._place[id], id))

    def close(self) -> None:
        """Says that no more operations will come."""
        self.closed = True
        known = list(self._producers)
        for ref, waiters in list(self._unmade.items()):
            for id in waiters:
                self._waits[id] -= 1
                if ref not in self.operations[id].optional_inputs:
                    told = str(MissingProducer(id, ref, nearest(ref, known)))
                    self._doomed.setdefault(id, Ending("failed", told, blocked=True, root=id))
                self._settle(id)
        self._unmade.clear()
        while circle := self._circle():
            self._cut(circle)

    def _cut(self, circle: CyclicDependency) -> None:
        """Dooms those in a circle, and lets them wait for each other no more; what else they wait for still counts."""
        inside = dict.fromkeys(circle.path)
        self._wait_alike(inside)
        for id in inside:
            self._doomed[id] = Ending("failed", str(circle), blocked=True, root=id)
            for edge in [edge for edge in self._outgoing[id] if edge.target in inside]:
                self._outgoing[id].remove(edge)
                self._waits[edge.target] -= 1
        for id in inside:  # whoever waits for nobody outside ends here, and ends no other of the circle: all wait alike
            self._settle(id)

    def _wait_alike(self, inside: Mapping[str, None]) -> None:
        """Has all in a circle wait for what one of them waits for: who comes behind them would pass it otherwise."""
        outside = [id for id in self.operations if id not in self.ended and id not in inside]
        for edge in [edge for id in outside for edge in self._outgoing[id] if edge.target in inside]:
            known = {other.target for other in self._outgoing[edge.origin]}
            for id in inside:
                if id not in known:
                    self._wait(Edge(edge.origin, id, edge.kind, edge.about))

    def _circle(self) -> CyclicDependency | None:
        """Returns a circle among those that wait, as the error that names it."""
        graph = DependencyGraph()
        for id in self.operations:
            if id not in self.ended:
                graph.add_node(id)
        for id in graph.nodes:
            for edge in self._outgoing[id]:
                graph.add_edge(*edge)
        try:
            graph.parallel_batches()
        except CyclicDependency as error:
            return error
        return None

    def take_ready(self, room: int | None = None) -> list[Operation]:
        """Returns what is to be started now, at most ``room`` operations, in the order in which they were added."""
        taken: list[Operation] = []
        while self._ready and (room is None or len(taken) < room):
            _, id = heappop(self._ready)
            self._running.add(id)
            taken.append(self.operations[id])
        return taken

    def put_back(self, operation: Operation) -> None:
        """Takes back an operation that was handed out and not started."""
        self._running.discard(operation.id)
        heappush(self._ready, (self._place[operation.id], operation.id))

    def take_skipped(self) -> list[tuple[Operation, Ending]]:
        """Returns what ended without being started since this was last asked."""
        untold, self._untold = self._untold, []
        return [(operation, self.ended[operation.id]) for operation in untold]

    def inputs_of(self, operation: Operation) -> Mapping[DataRef, Any]:
        """Returns the data that an operation needs, those of its optional inputs that are there included."""
        return {ref: self.data[ref] for ref in operation.needs if ref in self.data}

    def complete(self, id: str, output: Any) -> None:
        """Takes an operation's output; raises ``WrongOutputs`` when it is not what was declared."""
        self._check_running(id)
        self.data.update(produced(self.operations[id], output))
        self._end(id, Ending("completed"))

    def fail(self, id: str, because: str = "failed") -> None:
        """Says that a started operation failed."""
        self._check_running(id)
        self._end(id, Ending("failed", because, blocked=True, root=id))

    def _check_running(self, id: str) -> None:
        if id not in self._running:
            raise ExecutionError(f"operation {id!r} does not run; only one that take_ready() returned can end")

    def _end(self, id: str, ending: Ending) -> None:
        ends = [(id, ending)]
        while ends:
            id, ending = ends.pop()
            self.ended[id] = ending
            if id in self._running:
                self._running.discard(id)
            else:
                self._untold.append(self.operations[id])
            for edge in self._outgoing[id]:
                if ending.status != "completed":
                    self._doom(edge, ending)
                self._waits[edge.target] -= 1
                if not self._waits[edge.target] and edge.target in self._doomed:
                    ends.append((edge.target, self._doomed[edge.target]))
                else:
                    self._settle(edge.target)

    def _doom(self, edge: Edge, ending: Ending) -> None:
        """Notes that the target cannot run without what the origin would have made."""
        needed = [ref for ref in edge.about if ref not in self.operations[edge.target].optional_inputs]
        if edge.kind == "data" and needed:
            how = {"skipped": "did not run", "failed": "failed"}[ending.status]
            because = f"it needs {', '.join(map(repr, needed))}, but {edge.origin!r} {how}"
            self._doomed.setdefault(edge.target, Ending("skipped", because, ending.blocked, ending.root))

    def plan(self) -> ExecutionPlan:
        """Returns the plan as far as it can be carried out: without what waits for nothing that anybody makes."""
        refused = {id for id, ending in self.ended.items() if ending.status == "failed" and id in self._doomed}
        kept = {id: operation for id, operation in self.operations.items() if id not in refused}
        while True:
            made = {ref for operation in kept.values() for ref in operation.outputs}
            lost = [id for id, operation in kept.items() if not made.issuperset(operation.inputs)]
            if not lost:
                break
            for id in lost:
                del kept[id]
        optional = {ref for operation in kept.values() for ref in operation.optional_inputs} - made
        return analyze_dependencies(kept.values(), given=sorted(optional))
