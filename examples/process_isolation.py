"""Runs steps in processes: one is held to its memory, one is killed in an endless loop, one works.

It prints:

    greedy  MemoryExceeded: the process of 'isolated/greedy' exceeded its memory limit of 33,554,432 bytes
    endless StepTimeout: step 'isolated/endless' took longer than its timeout of 1 s
    honest  42
"""

from stretto import Completed, Outcome, ParallelWorkflow, PartialSuccess, run_sync, step


@step(isolation="process", memory=32 * 2**20)
def greedy(_: None) -> int:
    return len(bytearray(200 * 2**20))


@step(isolation="process", timeout=1)
def endless(_: None) -> int:
    while True:
        pass


@step(isolation="process")
def honest(_: None) -> int:
    return 42


workflow = ParallelWorkflow(name="isolated", steps=(greedy, endless, honest), aggregation=PartialSuccess(minimum=1))


def main() -> None:
    outcomes: list[Outcome[int]] = run_sync(workflow)
    for name, outcome in zip(workflow.branch_names, outcomes, strict=True):
        error = getattr(outcome, "error", None)
        print(f"{name:<7}", outcome.value if isinstance(outcome, Completed) else f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
