"""What could be better about a plan: best practices, as checks that speak in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from stretto.core.errors import listed
from stretto.core.step import Step
from stretto.planning.graph import DependencyGraph
from stretto.planning.operation import Operation

MOST_LEVELS = 3
"""How many workflows may stand inside each other, the plan included, before it is advised against."""
UNEVEN = 4.0
"""From which ratio of durations on a shared timeout is called uniform without need."""
MOST_NAMED = 5
"""How many operations one sentence names at most."""


def advise(
    operations: Mapping[str, Operation],
    graph: DependencyGraph,
    batches: Sequence[Sequence[str]],
    given: Sequence[str],
) -> tuple[str, ...]:
    """Returns what was noticed, one sentence each, in a fixed order."""
    return (
        *_uniform_timeouts(operations),
        *_tight_timeouts(operations),
        *_needless_order(operations, graph, batches),
        *_needless_inputs(operations, graph),
        *_fragile_needs(operations, graph),
        *_unused_given(operations, given),
        *_deep_nesting(operations),
    )


def some(names: Sequence[str]) -> str:
    """Names the first few, and says how many more there are."""
    more = len(names) - MOST_NAMED
    return listed(names) if more <= 0 else f"{', '.join(map(repr, names[:MOST_NAMED]))} and {more:,} more"


def _timeout_of(operation: Operation) -> float | None:
    timeout = None if operation.body is None else operation.body.policy.timeout
    return timeout if isinstance(timeout, int | float) else None


def _uniform_timeouts(operations: Mapping[str, Operation]) -> Iterator[str]:
    sharing: dict[float, dict[str, float]] = {}
    for id, operation in operations.items():
        timeout, seconds = _timeout_of(operation), operation.seconds
        if timeout is not None and seconds is not None:
            sharing.setdefault(timeout, {})[id] = seconds
    for timeout, durations in sharing.items():
        least, most = min(durations.values()), max(durations.values())
        if most > least and most >= UNEVEN * least:
            yield (
                f"{some(list(durations))} share the timeout of {timeout:g} s and are expected to take "
                f"{least:g} to {most:g} s; give each its own, or an AdaptiveTimeout"
            )


def _tight_timeouts(operations: Mapping[str, Operation]) -> Iterator[str]:
    for id, operation in operations.items():
        timeout, seconds = _timeout_of(operation), operation.seconds
        if timeout is not None and seconds is not None and operation.for_each is None and seconds >= timeout:
            yield f"{id!r} is expected to take {seconds:g} s and is given {timeout:g} s; raise its timeout"


def _needless_order(
    operations: Mapping[str, Operation], graph: DependencyGraph, batches: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Notices a chain of which a link carries no data: nothing runs together, and only a resource asks for that."""
    if len(operations) < 3 or len(batches) < len(operations):
        return
    order = [batch[0] for batch in batches]
    bare = [
        (origin, target)
        for origin, target in pairwise(order)
        if all(edge.kind not in ("data", "raw") for edge in graph.incoming(target) if edge.origin == origin)
    ]
    if bare:
        origin, target = bare[0]
        reason = next(edge.because for edge in graph.incoming(target) if edge.origin == origin)
        yield (
            f"the plan is one chain, though {len(bare)} of its {len(order) - 1} links carry no data ({reason}); "
            "narrower reads= and writes= would let operations run together"
        )


def _needless_inputs(operations: Mapping[str, Operation], graph: DependencyGraph) -> Iterator[str]:
    """Notices inputs that a function has no parameter for: its operation waits for nothing."""
    for id, operation in operations.items():
        function = operation.function
        if function is None or not function.reads_names:
            continue
        waits_for = {ref for edge in graph.incoming(id) if edge.kind == "data" for ref in edge.about}
        if unused := [ref for ref in operation.needs if ref in waits_for and ref not in function.parameters]:
            yield f"{id!r} waits for {listed(unused)}, which its function has no parameter for; leave it out"


def _fragile_needs(operations: Mapping[str, Operation], graph: DependencyGraph) -> Iterator[str]:
    for id, operation in operations.items():
        for edge in graph.incoming(id):
            if edge.kind != "data" or not operation.required or operations[edge.origin].required:
                continue
            if needed := [ref for ref in edge.about if ref in operation.inputs]:
                yield (
                    f"{edge.origin!r} may fail, and {id!r} cannot do without its {listed(needed)}; "
                    "name it in optional_inputs, or make both optional"
                )


def _unused_given(operations: Mapping[str, Operation], given: Sequence[str]) -> Iterator[str]:
    needed = {ref for operation in operations.values() for ref in operation.needs}
    if unused := [ref for ref in given if ref not in needed]:
        yield f"{some(unused)} of the plan's input is needed by no operation; leave it out"


def _deep_nesting(operations: Mapping[str, Operation]) -> Iterator[str]:
    for id, operation in operations.items():
        if operation.body is not None and _levels(operation.body, MOST_LEVELS) >= MOST_LEVELS:
            yield f"{id!r} nests workflows more than {MOST_LEVELS} levels deep, this plan included; flatten it"


def _levels(step: Step[Any, Any], most: int) -> int:
    """Returns how many workflows stand inside each other here, counting no further than ``most``."""
    children = step.children()
    if not children or not most:
        return 0
    return 1 + max(_levels(child, most - 1) for child in children.values())
