"""Operations in, an execution plan out: checked before it runs, and shown with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from stretto.core.errors import (
    DefinitionError,
    DoubleProducer,
    DuplicateOperation,
    MissingProducer,
    UnknownSetting,
    UnreachableOperation,
    listed,
)
from stretto.core.policies import ParallelResourceLimits
from stretto.planning.advice import advise
from stretto.planning.draw import dot, html, mermaid
from stretto.planning.explain import DEFAULT_LIMIT, explain
from stretto.planning.graph import DependencyGraph, Edge, EdgeKind
from stretto.planning.operation import DataRef, Operation
from stretto.planning.simulation import Estimate, Timetable, simulate

UNKNOWN_DURATION = 1.0
"""How long an operation counts when nobody said how long it takes (seconds)."""
DEFAULT_SLOTS = ParallelResourceLimits().max_concurrent_executions
"""How many operations an estimate lets run at once unless it is told."""


@dataclass(frozen=True)
class ExecutionPlan:
    """Operations, who waits for whom, and why; ``analyze_dependencies`` makes one."""

    operations: Mapping[str, Operation]
    given: tuple[DataRef, ...]
    graph: DependencyGraph = field(compare=False, repr=False)
    parallel_batches: tuple[tuple[str, ...], ...] = field(compare=False, repr=False)

    def __hash__(self) -> int:
        """Hashes the ids and what is given; equal plans have equal ones."""
        return hash((tuple(self.operations), self.given))

    @property
    def batches(self) -> tuple[tuple[str, ...], ...]:
        """Groups of operations of which each needs the groups before only: the first moment at which each could run."""
        return self.parallel_batches

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Who waits for whom and because of what, by the operation that waits."""
        return self.graph.edges

    @cached_property
    def durations(self) -> Mapping[str, float]:
        """How long each operation is expected to take (seconds), 1 when nobody said."""
        seconds = {id: operation.seconds for id, operation in self.operations.items()}
        return {id: UNKNOWN_DURATION if value is None else value for id, value in seconds.items()}

    @cached_property
    def remaining(self) -> Mapping[str, float]:
        """The longest remaining path from each operation to the end, its own duration included (seconds)."""
        return self.graph.longest_paths(self.durations, self.batches)

    @cached_property
    def critical_path(self) -> tuple[str, ...]:
        """The longest path: the plan cannot be faster than these operations, one after another."""
        return self.graph.critical_path(self.remaining)

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """What about this plan could be better: sentences, none when nothing was noticed."""
        return advise(self.operations, self.graph, self.batches, self.given)

    def simulate(self, durations: Mapping[str, float] | None = None, slots: int | None = None) -> Timetable:
        """Plays the plan with ``slots`` operations at once (None: no bound) and these durations (seconds).

        The order is the scheduler's: longest remaining path first, as far as the plan itself knows.
        """
        return simulate(self.graph, self.durations if durations is None else durations, self.remaining, slots)

    def estimate(self, slots: int = DEFAULT_SLOTS) -> Estimate:
        """Returns how long the plan is expected to take with ``slots`` operations at once."""
        makespan = self.simulate(slots=slots).makespan
        sequential = sum(self.durations.values())
        longest = max(self.remaining.values(), default=0.0)
        return Estimate(
            sequential=sequential,
            critical_path=longest,
            slots=slots,
            at_best=max(longest, sequential / slots),
            makespan=makespan,
            speedup=sequential / makespan if makespan else 1.0,
            operations=len(self.operations),
            known=sum(operation.seconds is not None for operation in self.operations.values()),
        )

    def explain(self, *, limit: int | None = DEFAULT_LIMIT, slots: int = DEFAULT_SLOTS) -> str:
        """Tells the batches, the reason of every edge, the critical path and what it will take, as text.

        Each part shows at most ``limit`` lines and says what it left out; ``limit=None`` shows everything.
        """
        return explain(
            self.given, self.graph, self.batches, self.critical_path, self.estimate(slots), self.advice, limit
        )

    def to_mermaid(self) -> str:
        """Draws the plan as a Mermaid flowchart; the critical path is emphasised."""
        return mermaid(self.operations, self.edges, self.critical_path)

    def to_dot(self) -> str:
        """Draws the plan in the language of Graphviz; the critical path is emphasised."""
        return dot(self.operations, self.edges, self.critical_path)

    def to_json(self, slots: int = DEFAULT_SLOTS) -> dict[str, Any]:
        """Returns the plan as JSON values: operations, batches, edges, critical path and estimate.

        ``types`` and ``durations`` (seconds, null where nobody said) are those of each operation.
        """
        return {
            "operations": list(self.operations),
            "types": {id: operation.operation_type.value for id, operation in self.operations.items()},
            "durations": {id: operation.seconds for id, operation in self.operations.items()},
            "batches": [list(batch) for batch in self.batches],
            "edges": [
                {
                    "from": edge.origin, "to": edge.target, "kind": edge.kind, "about": list(edge.about),
                    "because": edge.because,
                }
                for edge in self.edges
            ],
            "critical_path": list(self.critical_path),
            "estimate": dict(vars(self.estimate(slots))),
        }  # fmt: skip

    def check_given(self, given: Mapping[DataRef, Any]) -> Mapping[DataRef, Any]:
        """Returns the input, or raises ``DefinitionError`` when it lacks what is needed or holds what nothing reads."""
        if not isinstance(given, Mapping):
            raise DefinitionError(f"a plan's input is a mapping {{name: value}}, not {type(given).__name__}")
        for ref in given:
            if ref not in self.given:
                raise UnknownSetting("the plan's input", str(ref), self.given or ("nothing",))
        needed = {ref for operation in self.operations.values() for ref in operation.inputs}
        if absent := [ref for ref in self.given if ref in needed and ref not in given]:
            holds = listed(sorted(given)) if given else "nothing"
            raise DefinitionError(f"the plan needs {listed(absent)} as its input, which holds {holds}")
        return given

    def _repr_html_(self) -> str:
        return html(self.operations, self.edges, self.batches, self.critical_path, self.explain())

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self.to_mermaid()}```\n"


def analyze_dependencies(operations: Iterable[Operation], *, given: Iterable[DataRef] = ()) -> ExecutionPlan:
    """Finds out who must wait for whom, and what may run together.

    An operation waits for the producers of its inputs, and where two touch one resource and at least one writes it,
    the later declared waits for the earlier. ``given`` names the data that the plan's input will hold.

    Raises ``DuplicateOperation``, ``DoubleProducer`` (also for a given datum that is produced as well),
    ``MissingProducer``, ``UnreachableOperation`` (it needs what a switched-off operation would make) and
    ``CyclicDependency``, all of them a ``PlanError``.
    """
    if isinstance(given, str):
        raise DefinitionError(f"given is a tuple of names, not a text; write ({given!r},)")
    by_id: dict[str, Operation] = {}
    for operation in operations:
        if operation.id in by_id:
            raise DuplicateOperation(operation.id)
        by_id[operation.id] = operation
    known = dict.fromkeys(given)
    producers = _producers(by_id, known)
    graph = DependencyGraph()
    for id in by_id:
        graph.add_node(id)
    resources: dict[str, Access] = {}
    for operation in by_id.values():
        found: dict[tuple[str, EdgeKind], list[str]] = {}
        for ref in operation.needs:
            if ref in producers:
                found.setdefault((producers[ref], "data"), []).append(ref)
            elif ref not in known:
                raise MissingProducer(operation.id, ref, nearest(ref, [*producers, *known]))
        find_conflicts(operation, resources, found)
        for (origin, kind), about in found.items():
            graph.add_edge(origin, operation.id, kind, about)
    _check_reachable(by_id, producers)
    return ExecutionPlan(by_id, tuple(known), graph, graph.parallel_batches())


def _producers(by_id: Mapping[str, Operation], given: Mapping[DataRef, None]) -> dict[DataRef, str]:
    producers: dict[DataRef, str] = {}
    for operation in by_id.values():
        for ref in operation.outputs:
            if ref in producers:
                raise DoubleProducer(ref, (producers[ref], operation.id))
            if ref in given:
                raise DoubleProducer(ref, ("the plan's input (given)", operation.id))
            producers[ref] = operation.id
    return producers


def nearest(ref: str, known: list[str]) -> str | None:
    """Returns the known name that is most like one that is not."""
    return next(iter(get_close_matches(ref, known, n=1, cutoff=0.7)), None)


def _check_reachable(by_id: Mapping[str, Operation], producers: Mapping[DataRef, str]) -> None:
    for operation in by_id.values():
        if operation.when is False:
            continue
        for ref in operation.inputs:
            if ref in producers and by_id[producers[ref]].when is False:
                raise UnreachableOperation(
                    operation.id,
                    f"it needs {ref!r} from {producers[ref]!r}, which is switched off (when=False); "
                    f"switch that on, or name {ref!r} in optional_inputs",
                )


@dataclass(slots=True)
class Access:
    """Who wrote a resource last, and who has read it since."""

    writer: str | None = None
    readers: list[str] = field(default_factory=list[str])


def find_conflicts(
    operation: Operation, resources: dict[str, Access], found: dict[tuple[str, EdgeKind], list[str]]
) -> None:
    """Adds the edges that shared resources ask for, without those that others imply already.

    A writer waits for those who read since the last write; they wait for that write themselves. So ``n`` writers in
    a row make ``n - 1`` edges.
    """
    for resource in operation.reads:
        access = resources.setdefault(resource, Access())
        if access.writer is not None:
            found.setdefault((access.writer, "raw"), []).append(resource)
        if resource not in operation.writes:
            access.readers.append(operation.id)
    for resource in operation.writes:
        access = resources.setdefault(resource, Access())
        for reader in access.readers:
            found.setdefault((reader, "war"), []).append(resource)
        if not access.readers and access.writer is not None and resource not in operation.reads:
            found.setdefault((access.writer, "waw"), []).append(resource)
        access.writer, access.readers = operation.id, []
