"""Mixes sequence and parallelism: analyses three modules at once, refactors what was found, tests the result.

Reading and refactoring touch the same files, and say so: the plan orders them without being told how. The functions
stand in for a language server and a test runner.

It prints:

    1  analyse
    2  api · ui · db
    3  tests
    'api' writes 'api.py' after 'analyse' has read it
    passed: 3 modules
"""

from typing import Any

from stretto import Operation, PlannedWorkflow, analyze_dependencies, run_sync

MODULES = ("api", "ui", "db")


async def analyse() -> dict[str, int]:
    return {"api": 2, "ui": 0, "db": 1}


async def refactor(matches: dict[str, int]) -> int:
    return len(matches)


async def run_tests() -> str:
    return f"passed: {len(MODULES)} modules"


files = tuple(f"{module}.py" for module in MODULES)
plan = analyze_dependencies(
    [
        Operation(id="analyse", step=analyse, outputs=("matches",), reads=files),
        *(Operation(id=module, step=refactor, inputs=("matches",), writes=(f"{module}.py",)) for module in MODULES),
        Operation(id="tests", step=run_tests, outputs=("verdict",), reads=files),
    ]
)
workflow = PlannedWorkflow(name="hybrid", plan=plan)


def main() -> None:
    for number, batch in enumerate(plan.batches, start=1):
        print(f"{number}  {' · '.join(batch)}")
    print(next(edge.because for edge in plan.edges if edge.kind == "war"))
    data: dict[str, Any] = run_sync(workflow, {})
    print(data["verdict"])


if __name__ == "__main__":
    main()
