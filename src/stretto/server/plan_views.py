"""What operations tell of plans: groups of operations that may run together, who waits for whom, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, Field

from stretto.core.events import Path, PlanMade

ENDINGS = ("", ".once", ".call")
"""What stands behind the id of an operation in the path of its step; see ``agents/plan_mode.py``."""


class PlanOperation(BaseModel):
    """An operation of a plan: ``path`` is that of its step in the run, ``seconds`` how long it is expected to take.

    Both ``type`` (sub_agent, tool, mcp, workflow or function) and ``seconds`` are null where nobody said.
    """

    id: str
    path: str
    type: str | None
    seconds: float | None


class PlanBatch(BaseModel):
    """Operations that need only what batches before theirs make, so that they may run together."""

    operations: list[PlanOperation]


class PlanEdge(BaseModel):
    """The operation ``target`` waits for ``origin``, because of the data or resources ``refs``.

    ``kind`` is data, raw (it reads what was written), war (it writes what was read) or waw (both write); ``reason``
    says it in words.
    """

    origin: str
    target: str
    kind: str
    refs: list[str]
    reason: str


class PlanEstimate(BaseModel):
    """What a plan is expected to take (seconds), and how many times faster that is than one after another.

    ``at_best`` is what nothing can go below with so many ``slots``; ``known`` of the ``operations`` have a duration,
    each of the others counts as 1 s.
    """

    sequential: float
    critical_path: float
    slots: int
    at_best: float
    makespan: float
    speedup: float
    operations: int
    known: int


class PlanItem(BaseModel):
    """A plan that a step made: what may run together, with its reasons; ``at`` is in seconds since the run began.

    ``critical_path`` are the ids of the longest chain. ``plan`` is the plan as the log keeps it.
    """

    path: str
    at: float
    batches: list[PlanBatch]
    edges: list[PlanEdge]
    critical_path: list[str]
    estimate: PlanEstimate | None = Field(description="Null in logs of old versions.")
    plan: dict[str, Any]


def plan_of(made: PlanMade, paths: Collection[Path] = ()) -> PlanItem:
    """Returns a plan as the log tells it; ``paths`` are those of the steps that the run has."""
    plan = made.plan
    types: Mapping[str, str] = plan.get("types", {})
    seconds: Mapping[str, float] = plan.get("durations", {})
    return PlanItem(
        path=made.path, at=made.at, plan=plan, critical_path=plan.get("critical_path", []),
        batches=[
            PlanBatch(
                operations=[
                    PlanOperation(
                        id=id, path=_path(made.path, id, paths), type=types.get(id), seconds=seconds.get(id)
                    )
                    for id in batch
                ]
            )
            for batch in plan.get("batches", ())
        ],
        edges=[
            PlanEdge(
                origin=edge["from"], target=edge["to"], kind=edge["kind"], refs=edge.get("about", []),
                reason=edge["because"],
            )
            for edge in plan.get("edges", ())
        ],
        estimate=PlanEstimate.model_validate(plan["estimate"]) if "estimate" in plan else None,
    )  # fmt: skip


def _path(path: Path, id: str, paths: Collection[Path]) -> Path:
    whole = f"{path}/{id}" if path else id
    return next((whole + ending for ending in ENDINGS if whole + ending in paths), whole)
