"""Runs three branches of two steps each at once, and tells every outcome in declared order.

It prints:

    file       completed  5bf78e15ce6a
    calculator completed  Calculation result: 2490
    names      failed     no names left
"""

import hashlib

from stretto import Outcome, ParallelBranch, ParallelWorkflow, PartialSuccess, run_sync, step


@step
async def read(_: None) -> bytes:
    return b"Processing in parallel branch 1"


@step
async def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@step
async def calculate(_: None) -> float:
    return (100 * 25) + (30 / 6) - 15


@step
async def phrase(result: float) -> str:
    return f"Calculation result: {result:g}"


@step
async def draw_name(_: None) -> str:
    raise LookupError("no names left")


workflow = ParallelWorkflow(
    name="three",
    steps=(
        ParallelBranch("file", (read, sha256)),
        ParallelBranch("calculator", (calculate, phrase)),
        ParallelBranch("names", (draw_name,), required=False),
    ),
    aggregation=PartialSuccess(minimum=2),
)


def main() -> None:
    outcomes: list[Outcome[str]] = run_sync(workflow)
    for branch, outcome in zip(workflow.branch_names, outcomes, strict=True):
        told = getattr(outcome, "value", None) or getattr(outcome, "error", None)
        print(f"{branch:<10} {outcome.status:<10} {told}")


if __name__ == "__main__":
    main()
