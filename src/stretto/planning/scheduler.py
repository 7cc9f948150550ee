"""What may start now, given what has ended: a state machine without a clock or a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Literal, TypeAlias

from stretto.core.errors import DefinitionError, ExecutionError, WrongOutputs, listed
from stretto.planning.graph import Edge
from stretto.planning.operation import DataRef, Operation
from stretto.planning.plan import ExecutionPlan

Status: TypeAlias = Literal["completed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an operation ended, and why if it has no output.

    ``blocked`` says that it failed or did not run because of a failure; ``root`` is the operation with which that
    began. ``error`` is what its condition raised.
    """

    status: Status
    because: str = ""
    blocked: bool = False
    root: str = ""
    error: Exception | None = None


_COMPLETED = Ending("completed")


def produced(operation: Operation, output: Any) -> dict[DataRef, Any]:
    """Returns an operation's data by name; raises ``WrongOutputs`` when they are not those that it declared."""
    names = operation.outputs
    if len(names) < 2:
        return dict.fromkeys(names, output)
    if not _is_mapping(output):
        raise WrongOutputs(operation.id, names, f"a value of type {type(output).__name__}")
    missing = [name for name in names if name not in output]
    extra = [str(name) for name in output if name not in names]
    if missing or extra:
        told = [f"no {listed(missing)}"] if missing else []
        told += [f"also {listed(extra)}"] if extra else []
        raise WrongOutputs(operation.id, names, "a mapping with " + " and ".join(told))
    return {name: output[name] for name in names}


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


class Schedule:
    """Goes through a plan: hands out what may start, longest remaining path first, and is told how it ended.

    Every operation ends exactly once: completed, skipped or failed. One is skipped when its condition does not hold,
    and when a datum that it cannot do without will not come; optional inputs are simply absent. What reads a resource
    that a failure kept from being written is skipped as well (it would read something else); what only had to wait its
    turn goes on. All calls together take O(edges · log operations).
    """

    def __init__(self, plan: ExecutionPlan, given: Mapping[DataRef, Any] | None = None) -> None:
        self.plan = plan
        self.data: dict[DataRef, Any] = dict(plan.check_given({} if given is None else given))
        self.ended: dict[str, Ending] = {}
        self._running: set[str] = set()
        self._doomed: dict[str, Ending] = {}
        self._untold: list[Operation] = []
        self._place = {id: index for index, id in enumerate(plan.operations)}
        self._waits = {id: len(plan.graph.incoming(id)) for id in plan.operations}
        self._ready = [self._rank(id) for id, count in self._waits.items() if not count]
        heapify(self._ready)

    @property
    def done(self) -> bool:
        """Whether every operation has ended."""
        return len(self.ended) == len(self._place)

    def take_ready(self, room: int | None = None) -> list[Operation]:
        """Returns what is to be started now, at most ``room`` operations, the most urgent first.

        Conditions are asked here; a condition that raises makes its operation fail.
        """
        taken: list[Operation] = []
        while self._ready and (room is None or len(taken) < room):
            _, _, id = heappop(self._ready)
            operation = self.plan.operations[id]
            if id not in self.ended and self._wanted(operation):
                self._running.add(id)
                taken.append(operation)
        return taken

    def take_skipped(self) -> list[tuple[Operation, Ending]]:
        """Returns what ended without being started since this was last asked."""
        untold, self._untold = self._untold, []
        return [(operation, self.ended[operation.id]) for operation in untold]

    def inputs_of(self, operation: Operation) -> dict[DataRef, Any]:
        """Returns the data that an operation needs, those of its optional inputs that are there included."""
        return {ref: self.data[ref] for ref in operation.needs if ref in self.data}

    def complete(self, id: str, output: Any) -> None:
        """Takes an operation's output; raises ``WrongOutputs`` when it is not what was declared: then it still runs."""
        self._check_running(id)
        self.data.update(produced(self.plan.operations[id], output))
        self._end(id, _COMPLETED)

    def fail(self, id: str, because: str = "failed") -> None:
        """Says that a started operation failed."""
        self._check_running(id)
        self._end(id, Ending("failed", because, blocked=True, root=id))

    def skip(self, id: str, because: str) -> None:
        """Says that an operation will not run; what must come before it in the plan still ends first."""
        if id not in self._place:
            raise DefinitionError(
                f"there is no operation {id!r} to skip; the plan has {listed(list(self._place)[:20])}"
            )
        if id in self.ended or id in self._running:
            state = self.ended[id].status if id in self.ended else "running"
            raise ExecutionError(f"operation {id!r} is {state} and cannot be skipped any more")
        ending = Ending("skipped", because, root=id)
        if self._waits[id]:
            self._doomed[id] = ending
        else:
            self._end(id, ending)

    def _check_running(self, id: str) -> None:
        if id not in self._running:
            state = self.ended[id].status if id in self.ended else "not started"
            raise ExecutionError(f"operation {id!r} is {state}; only one that take_ready() returned can end")

    def _rank(self, id: str) -> tuple[float, int, str]:
        return -self.plan.remaining[id], self._place[id], id

    def _wanted(self, operation: Operation) -> bool:
        if operation.when is None or operation.when is True:
            return True
        if operation.when is False:
            self._end(operation.id, Ending("skipped", "it is switched off (when=False)", root=operation.id))
            return False
        try:
            if operation.when(self.inputs_of(operation)):
                return True
        except Exception as error:  # noqa: BLE001  # a condition that raises is a failure of its operation, and told so
            because = f"its condition raised {type(error).__name__}: {error}"
            self._end(operation.id, Ending("failed", because, True, operation.id, error))
            return False
        self._end(operation.id, Ending("skipped", "its condition does not hold", root=operation.id))
        return False

    def _end(self, id: str, ending: Ending) -> None:
        ends = [(id, ending)]
        while ends:
            id, ending = ends.pop()
            self.ended[id] = ending
            if id in self._running:
                self._running.discard(id)
            else:
                self._untold.append(self.plan.operations[id])
            for edge in self.plan.graph.outgoing(id):
                target = edge.target
                if ending.status != "completed" and target not in self._doomed:
                    self._doom(edge, ending)
                self._waits[target] -= 1
                if self._waits[target]:
                    continue
                if target in self._doomed:
                    ends.append((target, self._doomed[target]))
                else:
                    heappush(self._ready, self._rank(target))

    def _doom(self, edge: Edge, ending: Ending) -> None:
        """Notes that the target cannot run, if the lack of what the origin would have done keeps it from running."""
        if edge.kind == "data":
            needed = [ref for ref in edge.about if ref not in self.plan.operations[edge.target].optional_inputs]
            if not needed:
                return
            told = f"it needs {listed(needed)}"
        elif edge.kind == "raw" and ending.blocked:
            told = f"it reads {listed(edge.about)} as {edge.origin!r} leaves it"
        else:
            return
        how = {"skipped": "did not run", "failed": "failed"}[ending.status]
        behind = "" if ending.root == edge.origin else f" because of {ending.root!r}"
        because = f"{told}, but {edge.origin!r} {how}{behind}"
        self._doomed[edge.target] = Ending("skipped", because, ending.blocked, ending.root)
