"""Who waits for whom, and why: a graph that knows its batches, its circles and its longest paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

from stretto.core.errors import CyclicDependency, DefinitionError, listed

EdgeKind: TypeAlias = Literal["data", "raw", "war", "waw"]
"""A datum that is needed, or a resource that is read after a write, written after a read, or written after a write."""

TOLD = 10
"""Of how many edges of a circle an error gives the reason."""

_SENTENCES: dict[EdgeKind, str] = {
    "data": "{target!r} needs {about}, which {origin!r} produces",
    "raw": "{target!r} reads {about} after {origin!r} has written it",
    "war": "{target!r} writes {about} after {origin!r} has read it",
    "waw": "{target!r} writes {about} after {origin!r} has written it",
}


class Edge(NamedTuple):
    """One operation that waits for another; ``about`` are the data or resources for which it does."""

    origin: str
    target: str
    kind: EdgeKind
    about: tuple[str, ...]

    @property
    def because(self) -> str:
        """The reason as a sentence."""
        about = listed(self.about) if self.about else "what is not named"
        return _SENTENCES[self.kind].format(origin=self.origin, target=self.target, about=about)


class DependencyGraph:
    """Nodes in the order in which they were declared, and the edges between them.

    Every answer is deterministic: batches, neighbours and paths come in declared order.
    """

    def __init__(self) -> None:
        self._outgoing: dict[str, list[Edge]] = {}
        self._incoming: dict[str, list[Edge]] = {}

    def add_node(self, id: str) -> None:
        """Adds a node; one that is there already stays as it is."""
        if id not in self._outgoing:
            self._outgoing[id], self._incoming[id] = [], []

    def add_edge(self, origin: str, target: str, kind: EdgeKind = "data", about: Iterable[str] = ()) -> Edge:
        """Says that ``target`` waits for ``origin``, and why; raises ``DefinitionError`` for unknown nodes."""
        for id in (origin, target):
            if id not in self._outgoing:
                raise DefinitionError(f"there is no node {id!r} for the edge {origin!r} -> {target!r}; add it first")
        edge = Edge(origin, target, kind, tuple(about))
        self._outgoing[origin].append(edge)
        self._incoming[target].append(edge)
        return edge

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes in declared order."""
        return tuple(self._outgoing)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges, by the operation that waits."""
        return tuple(chain.from_iterable(self._incoming.values()))

    def outgoing(self, id: str) -> Sequence[Edge]:
        """Returns the edges to those who wait for a node."""
        return self._outgoing[id]

    def incoming(self, id: str) -> Sequence[Edge]:
        """Returns the edges from those for whom a node waits."""
        return self._incoming[id]

    def successors(self, id: str) -> tuple[str, ...]:
        """Returns who waits for a node."""
        return tuple(dict.fromkeys(edge.target for edge in self._outgoing[id]))

    def predecessors(self, id: str) -> tuple[str, ...]:
        """Returns for whom a node waits."""
        return tuple(dict.fromkeys(edge.origin for edge in self._incoming[id]))

    def parallel_batches(self) -> tuple[tuple[str, ...], ...]:
        """Returns groups of which each needs the ones before only; raises ``CyclicDependency`` when there is a circle.

        Source of the algorithm: A. B. Kahn, "Topological sorting of large networks", CACM 5(11), 1962.
        """
        place = {id: index for index, id in enumerate(self._outgoing)}
        waits = {id: len(edges) for id, edges in self._incoming.items()}
        batch = [id for id, count in waits.items() if not count]
        batches: list[tuple[str, ...]] = []
        while batch:
            batches.append(tuple(batch))
            ready: list[str] = []
            for id in batch:
                for edge in self._outgoing[id]:
                    waits[edge.target] -= 1
                    if not waits[edge.target]:
                        ready.append(edge.target)
            batch = sorted(ready, key=place.__getitem__)
        if sum(map(len, batches)) < len(waits):
            circle = self._circle({id for id, count in waits.items() if count})
            path = [edge.origin for edge in circle]
            raise CyclicDependency([*path, path[0]], [edge.because for edge in circle[:TOLD]])
        return tuple(batches)

    def _circle(self, stuck: set[str]) -> list[Edge]:
        """Returns the edges of one circle; every stuck node waits for a stuck one, so going back must come round."""
        at = next(id for id in self._outgoing if id in stuck)
        walked: list[Edge] = []
        visited: dict[str, int] = {}
        while at not in visited:
            visited[at] = len(walked)
            walked.append(next(edge for edge in self._incoming[at] if edge.origin in stuck))
            at = walked[-1].origin
        circle = walked[visited[at] :][::-1]
        first = min(range(len(circle)), key=lambda index: self._place(circle[index].origin))
        return circle[first:] + circle[:first]

    def _place(self, id: str) -> int:
        return list(self._outgoing).index(id)

    def longest_paths(self, lengths: Mapping[str, float], batches: Sequence[Sequence[str]]) -> dict[str, float]:
        """Returns for each node the longest way to the end, its own length included."""
        longest: dict[str, float] = {}
        for batch in reversed(batches):
            for id in batch:
                after = max((longest[edge.target] for edge in self._outgoing[id]), default=0.0)
                longest[id] = lengths[id] + after
        return {id: longest[id] for id in self._outgoing}

    def critical_path(self, longest: Mapping[str, float]) -> tuple[str, ...]:
        """Returns the longest way through the graph; of equal ones the one declared first."""
        path: list[str] = []
        candidates: Iterable[str] = (id for id, edges in self._incoming.items() if not edges)
        while (at := max(candidates, key=longest.__getitem__, default=None)) is not None:
            path.append(at)
            candidates = (edge.target for edge in self._outgoing[at])
        return tuple(path)
